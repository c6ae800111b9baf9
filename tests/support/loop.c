/* A loop that runs until something is so. */
#include "support/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "net/address.h"

static void on_wake(uv_timer_t *timer)
{
    (void)timer;
}

static void on_wake_closed(uv_handle_t *handle)
{
    handle->data = NULL;
}

bool loop_run_until(uv_loop_t *loop, bool (*condition)(void *context), void *context,
                    uint64_t timeout_ms)
{
    uv_timer_t wake;
    assert_int_equal(uv_timer_init(loop, &wake), 0);
    assert_int_equal(uv_timer_start(&wake, on_wake, 5, 5), 0);
    uint64_t end = uv_hrtime() + timeout_ms * 1000000u;
    bool is_so = condition(context);
    while (!is_so && uv_hrtime() < end) {
        (void)uv_run(loop, UV_RUN_ONCE);
        is_so = condition(context);
    }
    wake.data = &wake;
    uv_close((uv_handle_t *)&wake, on_wake_closed);
    while (wake.data != NULL) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
    }
    return is_so;
}

void loop_finish(uv_loop_t *loop)
{
    (void)uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

int loop_connect(const char *address)
{
    union net_address parsed;
    struct codec_error error;
    assert_int_equal(net_address_parse(address, false, &parsed, &error), CONCLAVE_OK);
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(socket_fd >= 0);
    if (connect(socket_fd, &parsed.any, sizeof parsed.v4) != 0) {
        (void)close(socket_fd);
        return -1;
    }
    return socket_fd;
}

void loop_free_address(char *text, size_t size)
{
    union net_address address = {.v4 = {.sin_family = AF_INET}};
    address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(socket_fd >= 0);
    assert_int_equal(bind(socket_fd, &address.any, sizeof address.v4), 0);
    socklen_t address_size = sizeof address;
    assert_int_equal(getsockname(socket_fd, &address.any, &address_size), 0);
    assert_int_equal(close(socket_fd), 0);
    (void)snprintf(text, size, "127.0.0.1:%u", ntohs(address.v4.sin_port));
}
