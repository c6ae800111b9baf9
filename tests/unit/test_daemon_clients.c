/* Clients' connections between net and api: bytes go through, ends are told once, and the
 * connection that is too many is answered. Requests and answers are written by hand from
 * docs/PROTOCOL.md; the method "nope" needs no replica. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/logger.h"
#include "daemon/clients.h"
#include "support/fake_replica.h"
#include "support/loop.h"

#define WAIT_MS 10000u

struct world {
    uv_loop_t loop;
    struct net *net;
    struct clients *clients;
    struct fake_replica *replica;
    struct api_host host;
    struct api *api;
    char address[LIMIT_ADDRESS_BYTES + 1];
    bool clients_closed, net_closed;
};

static void host_send(void *context, uint64_t id, struct slice bytes)
{
    clients_send(((struct world *)context)->clients, id, bytes);
}

static void host_close(void *context, uint64_t id)
{
    clients_hang_up(((struct world *)context)->clients, id);
}

static void before_poll(void *context)
{
    struct world *world = context;
    if (world->api != NULL) {
        api_run(world->api);
    }
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    struct codec_error error;
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(net_open(&world->loop, before_poll, world, &world->net), CONCLAVE_OK);
    assert_int_equal(clients_open(world->net, &world->clients), CONCLAVE_OK);
    world->replica = fake_replica_open();
    world->host.context = world;
    world->host.send = host_send;
    world->host.close = host_close;
    const struct api_config config = {.replica = fake_replica_handle(world->replica),
                                      .operations = &fake_replica_operations,
                                      .clock = &clock_system,
                                      .host = &world->host,
                                      .version = "test"};
    assert_int_equal(api_open(&config, &world->api), CONCLAVE_OK);
    loop_free_address(world->address, sizeof world->address);
    assert_int_equal(clients_listen(world->clients, world->address, false, &error), CONCLAVE_OK);
    clients_serve(world->clients, world->api);
    *state = world;
    return 0;
}

static void on_clients_closed(void *context)
{
    ((struct world *)context)->clients_closed = true;
}

static void on_net_closed(void *context)
{
    ((struct world *)context)->net_closed = true;
}

static bool clients_are_closed(void *context)
{
    return ((struct world *)context)->clients_closed;
}

static int teardown(void **state)
{
    struct world *world = *state;
    clients_stop_listening(world->clients);
    clients_finish(world->clients, on_clients_closed, world);
    assert_true(loop_run_until(&world->loop, clients_are_closed, world, WAIT_MS));
    net_close(world->net, on_net_closed, world);
    world->net = NULL;
    loop_finish(&world->loop);
    assert_true(world->net_closed);
    assert_int_equal(api_connection_count(world->api), 0);
    api_close(world->api);
    clients_close(world->clients);
    fake_replica_close(world->replica);
    free(world);
    return 0;
}

struct raw {
    int socket;
    uint8_t bytes[512];
    size_t size;
    bool ended;
};

static bool raw_heard(void *context)
{
    struct raw *raw = context;
    ssize_t size =
        recv(raw->socket, raw->bytes + raw->size, sizeof raw->bytes - raw->size, MSG_DONTWAIT);
    if (size > 0) {
        raw->size += (size_t)size;
    } else if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        raw->ended = true;
    }
    return raw->ended || raw->size > 0;
}

static bool raw_ended(void *context)
{
    struct raw *raw = context;
    (void)raw_heard(raw);
    return raw->ended;
}

static void raw_send(const struct raw *raw, const char *bytes, size_t size)
{
    assert_int_equal(send(raw->socket, bytes, size, MSG_NOSIGNAL), size);
}

/* [0, 7, "nope", [{}]] */
static const char request[] = "\x94\x00\x07\xa4nope\x91\x80";

/* [1, 7, [code, ... */
static void expect_code(struct world *world, struct raw *raw, const char *code)
{
    assert_true(loop_run_until(&world->loop, raw_heard, raw, WAIT_MS));
    assert_true(raw->size > 5 + strlen(code));
    assert_memory_equal(raw->bytes, "\x94\x01\x07\x93", 4);
    assert_int_equal(raw->bytes[4], 0xa0 | strlen(code));
    assert_memory_equal(raw->bytes + 5, code, strlen(code));
}

static bool nobody_is_connected(void *context)
{
    return api_connection_count(((struct world *)context)->api) == 0;
}

static void test_requests_are_answered(void **state)
{
    struct world *world = *state;
    for (int round = 0; round < 3; round++) {
        struct raw raw = {.socket = loop_connect(world->address)};
        raw_send(&raw, request, 3); /* in two pieces */
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
        raw_send(&raw, request + 3, sizeof request - 1 - 3);
        expect_code(world, &raw, "unknown_method");
        assert_int_equal(api_connection_count(world->api), 1);
        assert_int_equal(close(raw.socket), 0);
        assert_true(loop_run_until(&world->loop, nobody_is_connected, world, WAIT_MS));
    }
}

/* The api hangs up on what is no MessagePack; its last words are heard before the end. */
static void test_nonsense_ends_the_connection(void **state)
{
    struct world *world = *state;
    struct raw raw = {.socket = loop_connect(world->address)};
    raw_send(&raw, "\xc1 and more", 10);
    assert_true(loop_run_until(&world->loop, raw_ended, &raw, WAIT_MS));
    assert_int_equal(close(raw.socket), 0);
    assert_true(loop_run_until(&world->loop, nobody_is_connected, world, WAIT_MS));
}

/* Messages for a connection that is gone, or for a later one in its place, go nowhere. */
static void test_ids_do_not_come_twice(void **state)
{
    struct world *world = *state;
    struct raw first = {.socket = loop_connect(world->address)};
    raw_send(&first, request, sizeof request - 1);
    expect_code(world, &first, "unknown_method");
    assert_int_equal(close(first.socket), 0);
    assert_true(loop_run_until(&world->loop, nobody_is_connected, world, WAIT_MS));
    struct raw second = {.socket = loop_connect(world->address)};
    raw_send(&second, request, sizeof request - 1);
    expect_code(world, &second, "unknown_method");
    second.size = 0;
    clients_send(world->clients, 0, slice_of_text("for the first")); /* ids start at 0 */
    clients_hang_up(world->clients, 0);
    (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    assert_false(raw_heard(&second));
    assert_int_equal(close(second.socket), 0);
}

static void test_one_too_many_is_told(void **state)
{
    struct world *world = *state;
    const rlim_t wanted = 2 * LIMIT_CONNECTIONS + 256;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    struct rlimit raised = {wanted, limit.rlim_max < wanted ? wanted : limit.rlim_max};
    if (limit.rlim_cur < wanted && setrlimit(RLIMIT_NOFILE, &raised) != 0) {
        fail_msg("%u file descriptors are needed: raise the hard limit (ulimit -Hn)",
                 (unsigned)wanted);
    }
    int *sockets = calloc(LIMIT_CONNECTIONS, sizeof *sockets);
    assert_non_null(sockets);
    for (unsigned i = 0; i < LIMIT_CONNECTIONS; i++) {
        sockets[i] = loop_connect(world->address);
        assert_true(sockets[i] >= 0);
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    while (api_connection_count(world->api) < LIMIT_CONNECTIONS) {
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
    struct raw raw = {.socket = loop_connect(world->address)};
    raw_send(&raw, request, sizeof request - 1);
    expect_code(world, &raw, "busy");
    assert_true(loop_run_until(&world->loop, raw_ended, &raw, WAIT_MS));
    assert_int_equal(close(raw.socket), 0);

    /* One leaves, and there is room for one. */
    assert_int_equal(close(sockets[0]), 0);
    while (api_connection_count(world->api) == LIMIT_CONNECTIONS) {
        (void)uv_run(&world->loop, UV_RUN_ONCE);
    }
    raw = (struct raw){.socket = loop_connect(world->address)};
    raw_send(&raw, request, sizeof request - 1);
    expect_code(world, &raw, "unknown_method");
    assert_int_equal(close(raw.socket), 0);
    for (unsigned i = 1; i < LIMIT_CONNECTIONS; i++) {
        assert_int_equal(close(sockets[i]), 0);
    }
    free(sockets);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_requests_are_answered),
        TEST(test_nonsense_ends_the_connection),
        TEST(test_ids_do_not_come_twice),
        TEST(test_one_too_many_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
