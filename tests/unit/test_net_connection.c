/* Connections and listeners over real sockets on loopback: what is sent arrives, and every way to
 * end is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "net/net.h"
#include "support/loop.h"

#define WAIT_MS    10000u
#define LIMIT_SENT (256u * 1024u)

struct end { /* one side of a connection */
    struct net_connection *connection;
    bool opened, closed;
    enum net_error error;
    struct buffer received;
    bool echo;
};

struct world {
    uv_loop_t loop;
    struct net *net;
    struct net_listener *listener;
    char address[LIMIT_ADDRESS_BYTES + 1];
    struct end server;
    unsigned accepted;
    bool refuse;
    bool net_closed;
};

static void on_opened(void *context, struct net_connection *connection)
{
    struct end *end = context;
    assert_ptr_equal(end->connection, connection);
    end->opened = true;
}

static void on_received(void *context, struct net_connection *connection, struct slice bytes)
{
    struct end *end = context;
    assert_false(end->closed);
    buffer_append(&end->received, bytes.data, bytes.size);
    if (end->echo) {
        net_connection_send(connection, bytes);
    }
}

static void on_closed(void *context, struct net_connection *connection, enum net_error error)
{
    struct end *end = context;
    assert_ptr_equal(end->connection, connection);
    assert_false(end->closed);
    end->closed = true;
    end->error = error;
    end->connection = NULL;
}

static void on_accepted(void *context, struct net_connection *connection)
{
    struct world *world = context;
    world->accepted++;
    if (world->refuse || world->server.connection != NULL) {
        net_connection_close(connection, NET_OK);
        return;
    }
    const struct net_events events = {&world->server, NULL, on_received, on_closed};
    world->server.connection = connection;
    net_connection_accept(connection, &events);
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    struct codec_error error;
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(net_open(&world->loop, NULL, NULL, &world->net), CONCLAVE_OK);
    assert_int_equal(net_listen(world->net, "127.0.0.1:0", LIMIT_SENT, on_accepted, world,
                                &world->listener, &error),
                     CONCLAVE_OK);
    net_listener_address(world->listener, world->address);
    buffer_init(&world->server.received, 16u << 20);
    *state = world;
    return 0;
}

static void on_net_closed(void *context)
{
    ((struct world *)context)->net_closed = true;
}

static int teardown(void **state)
{
    struct world *world = *state;
    net_close(world->net, on_net_closed, world);
    loop_finish(&world->loop);
    assert_true(world->net_closed);
    buffer_close(&world->server.received);
    free(world);
    return 0;
}

static bool server_stands(void *context)
{
    return ((struct world *)context)->server.connection != NULL;
}

static bool server_closed(void *context)
{
    return ((struct world *)context)->server.closed;
}

static bool end_closed(void *context)
{
    return ((struct end *)context)->closed;
}

static bool end_opened(void *context)
{
    return ((struct end *)context)->opened;
}

static int connect_raw(struct world *world)
{
    int raw = loop_connect(world->address);
    assert_true(raw >= 0);
    assert_true(loop_run_until(&world->loop, server_stands, world, WAIT_MS));
    return raw;
}

static void send_raw(int raw, const char *text)
{
    assert_int_equal(send(raw, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static bool world_received_5(void *context)
{
    return ((struct world *)context)->server.received.size >= 5;
}

struct raw_reader {
    int raw;
    size_t size;
    bool ended;
    bool reset;
    char text[64];
};

static bool raw_ended(void *context)
{
    struct raw_reader *reader = context;
    char bytes[65536];
    ssize_t size = recv(reader->raw, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0) {
        if (reader->size + (size_t)size < sizeof reader->text) {
            memcpy(reader->text + reader->size, bytes, (size_t)size);
        }
        reader->size += (size_t)size;
    } else if (size == 0) {
        reader->ended = true;
    } else if (errno != EAGAIN && errno != EWOULDBLOCK) {
        reader->reset = true;
    }
    return reader->ended || reader->reset;
}

static bool raw_has_5(void *context)
{
    struct raw_reader *reader = context;
    (void)raw_ended(context);
    return reader->size >= 5;
}

static void test_bytes_go_both_ways(void **state)
{
    struct world *world = *state;
    world->server.echo = true;
    int raw = connect_raw(world);
    send_raw(raw, "hello");
    assert_true(loop_run_until(&world->loop, world_received_5, world, WAIT_MS));
    assert_memory_equal(world->server.received.data, "hello", 5);
    struct raw_reader reader = {.raw = raw};
    assert_true(loop_run_until(&world->loop, raw_has_5, &reader, WAIT_MS));
    assert_memory_equal(reader.text, "hello", 5);
    assert_int_equal(net_connection_unsent_bytes(world->server.connection), 0);
    assert_int_equal(close(raw), 0);
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(world->server.error, NET_CLOSED);
    assert_int_equal(net_connection_count(world->net), 0);
}

/* Many small sends of one turn are one write: nothing is on the wire before the loop polls. */
static void test_sends_of_a_turn_leave_together(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    for (int i = 0; i < 1000; i++) {
        net_connection_send(world->server.connection, slice_of("abcde", 5));
    }
    struct pollfd poller = {.fd = raw, .events = POLLIN};
    assert_int_equal(poll(&poller, 1, 0), 0);
    assert_int_equal(net_connection_unsent_bytes(world->server.connection), 5000);
    struct raw_reader reader = {.raw = raw};
    (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    (void)raw_ended(&reader);
    assert_int_equal(reader.size, 5000);
    assert_int_equal(close(raw), 0);
}

static void test_slow_reader_is_cut_off(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    static const uint8_t block[4096];
    unsigned sent = 0;
    /* It never reads: the system's buffers fill up, then ours, then it is cut off. */
    for (; sent < 100000 && world->server.connection != NULL; sent++) {
        net_connection_send(world->server.connection, slice_of(block, sizeof block));
        assert_true(net_connection_unsent_bytes(world->server.connection) <= LIMIT_SENT);
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    assert_true(world->server.closed);
    assert_int_equal(world->server.error, NET_SLOW_READER);
    assert_true((uint64_t)sent * sizeof block > LIMIT_SENT);
    assert_int_equal(close(raw), 0);
}

/* A reader that does read gets many times the limit. */
static void test_reader_that_reads_is_not_cut_off(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    static const uint8_t block[65536];
    struct raw_reader reader = {.raw = raw};
    const size_t total = 64u * LIMIT_SENT;
    size_t sent = 0;
    while (reader.size < total) {
        assert_false(world->server.closed);
        if (sent < total &&
            net_connection_unsent_bytes(world->server.connection) + sizeof block <= LIMIT_SENT) {
            net_connection_send(world->server.connection, slice_of(block, sizeof block));
            sent += sizeof block;
        }
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
        assert_false(raw_ended(&reader));
    }
    assert_int_equal(reader.size, total);
    assert_int_equal(close(raw), 0);
}

/* The last words arrive although the other side has sent what nobody read. */
static bool world_received_any(void *context)
{
    return ((struct world *)context)->server.received.size > 0;
}

/* What comes while it is paused waits in the system, and then in its sender. */
static void test_pause_holds_the_sender_up(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    net_connection_pause(world->server.connection, true);
    net_connection_pause(world->server.connection, true);
    static const uint8_t block[65536];
    size_t sent = 0;
    ssize_t size = 0;
    for (unsigned idle = 0; idle<100; idle = size> 0 ? 0 : idle + 1) {
        size = send(raw, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += size > 0 ? (size_t)size : 0;
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
        assert_true(sent < (64u << 20));
    }
    assert_int_equal(world->server.received.size, 0);
    net_connection_pause(world->server.connection, false);
    assert_true(loop_run_until(&world->loop, world_received_any, world, WAIT_MS));
    /* who is paused may be closed, politely or not */
    net_connection_pause(world->server.connection, true);
    net_connection_finish(world->server.connection, NET_OK);
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(close(raw), 0);
}

/* It takes nothing of what was sent, though it is less than the limit. */
static void test_stalled_reader_is_cut_off(void **state)
{
    struct world *world = *state;
    net_listener_limit_readers(world->listener, 300, 64u << 20);
    int raw = connect_raw(world);
    static const uint8_t block[16384];
    /* fill the system's buffers, so that something stays in ours */
    while (net_connection_unsent_bytes(world->server.connection) < 2 * sizeof block) {
        net_connection_send(world->server.connection, slice_of(block, sizeof block));
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    assert_false(world->server.closed);
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(world->server.error, NET_SLOW_READER);
    assert_int_equal(close(raw), 0);
}

/* All strangers together leave more lying than they may: who leaves most goes, long before its time
 * is over. */
static void test_readers_together_have_a_limit(void **state)
{
    struct world *world = *state;
    net_listener_limit_readers(world->listener, 3600u * 1000u, 64u << 10);
    int raw = connect_raw(world);
    static const uint8_t block[16384];
    while (net_connection_unsent_bytes(world->server.connection) <= 5 * sizeof block) {
        net_connection_send(world->server.connection, slice_of(block, sizeof block));
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
        if (world->server.closed) {
            break;
        }
    }
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(world->server.error, NET_SLOW_READER);
    assert_int_equal(close(raw), 0);
}

static void test_finish_sends_the_rest_then_closes(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    net_connection_send(world->server.connection, slice_of("bye!!", 5));
    net_connection_finish(world->server.connection, NET_MALFORMED);
    net_connection_send(world->server.connection, slice_of("too late", 8));
    send_raw(raw, "what you will not read");
    struct raw_reader reader = {.raw = raw};
    assert_true(loop_run_until(&world->loop, raw_ended, &reader, WAIT_MS));
    assert_true(reader.ended);
    assert_false(reader.reset);
    assert_int_equal(reader.size, 5);
    assert_memory_equal(reader.text, "bye!!", 5);
    assert_int_equal(world->server.received.size, 0);
    assert_false(world->server.closed); /* it waits for our end */
    assert_int_equal(close(raw), 0);
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(world->server.error, NET_MALFORMED);
}

static void test_finish_does_not_wait_for_ever(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    net_connection_finish(world->server.connection, NET_OK);
    assert_true(
        loop_run_until(&world->loop, server_closed, world, 3000)); /* it lingers one second */
    assert_int_equal(close(raw), 0);
}

static void test_deadline_closes(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    net_connection_set_deadline(world->server.connection, 30);
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(world->server.error, NET_TIMED_OUT);
    assert_int_equal(close(raw), 0);
}

static void test_reset_is_told(void **state)
{
    struct world *world = *state;
    int raw = connect_raw(world);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(raw, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    assert_int_equal(close(raw), 0);
    assert_true(loop_run_until(&world->loop, server_closed, world, WAIT_MS));
    assert_int_equal(world->server.error, NET_CLOSED);
}

static void test_owner_may_refuse(void **state)
{
    struct world *world = *state;
    world->refuse = true;
    int raw = loop_connect(world->address);
    struct raw_reader reader = {.raw = raw};
    assert_true(loop_run_until(&world->loop, raw_ended, &reader, WAIT_MS));
    assert_int_equal(world->accepted, 1);
    assert_false(world->server.closed);
    assert_int_equal(net_connection_count(world->net), 0);
    assert_int_equal(close(raw), 0);
}

static void dial(struct world *world, const char *address, struct end *end)
{
    struct codec_error error;
    const struct net_events events = {end, on_opened, on_received, on_closed};
    buffer_init(&end->received, 1u << 20);
    assert_int_equal(
        net_dial(world->net, address, LIMIT_SENT, 2000, &events, &end->connection, &error),
        CONCLAVE_OK);
    assert_false(end->opened || end->closed); /* never from inside the call */
}

static bool end_received_3(void *context)
{
    return ((struct end *)context)->received.size >= 3;
}

static void test_dial_opens_and_talks(void **state)
{
    struct world *world = *state;
    struct end end = {0};
    world->server.echo = true;
    dial(world, world->address, &end);
    net_connection_send(end.connection, slice_of("abc", 3)); /* before it stands */
    assert_true(loop_run_until(&world->loop, end_received_3, &end, WAIT_MS));
    assert_true(end.opened);
    assert_memory_equal(end.received.data, "abc", 3);
    net_connection_close(end.connection, NET_OK);
    assert_false(end.closed);
    assert_true(loop_run_until(&world->loop, end_closed, &end, WAIT_MS));
    assert_int_equal(end.error, NET_OK);
    buffer_close(&end.received);
}

static void test_dial_where_nobody_listens(void **state)
{
    struct world *world = *state;
    char address[LIMIT_ADDRESS_BYTES + 1];
    struct end end = {0};
    loop_free_address(address, sizeof address);
    dial(world, address, &end);
    assert_true(loop_run_until(&world->loop, end_closed, &end, WAIT_MS));
    assert_int_equal(end.error, NET_REFUSED);
    assert_false(end.opened);
    buffer_close(&end.received);
}

static void test_dial_and_listen_refuse_other_machines(void **state)
{
    struct world *world = *state;
    struct codec_error error;
    struct end end = {0};
    const struct net_events events = {&end, on_opened, on_received, on_closed};
    struct net_listener *listener;
    assert_int_equal(net_dial(world->net, "10.0.0.1:7101", 1, 1, &events, &end.connection, &error),
                     CONCLAVE_BAD_VALUE);
    assert_non_null(strstr(error.text, "without certificates"));
    assert_int_equal(net_listen(world->net, "0.0.0.0:0", 1, on_accepted, world, &listener, &error),
                     CONCLAVE_BAD_VALUE);
    assert_non_null(strstr(error.text, "without certificates"));
}

static void test_port_in_use(void **state)
{
    struct world *world = *state;
    struct codec_error error;
    struct net_listener *listener;
    assert_int_equal(
        net_listen(world->net, world->address, 1, on_accepted, world, &listener, &error),
        CONCLAVE_BUSY);
    assert_non_null(strstr(error.text, world->address));
    assert_non_null(strstr(error.text, "in use"));
}

static void test_net_close_ends_everything(void **state)
{
    struct world *world = *state;
    struct end end = {0};
    dial(world, world->address, &end);
    assert_true(loop_run_until(&world->loop, end_opened, &end, WAIT_MS));
    assert_true(loop_run_until(&world->loop, server_stands, world, WAIT_MS));
    net_connection_send(end.connection, slice_of("abc", 3));
    struct net *net = world->net;
    net_close(net, on_net_closed, world);
    loop_finish(&world->loop);
    assert_true(end.closed && world->server.closed && world->net_closed);
    buffer_close(&end.received);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(net_open(&world->loop, NULL, NULL, &world->net), CONCLAVE_OK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bytes_go_both_ways),
        TEST(test_sends_of_a_turn_leave_together),
        TEST(test_slow_reader_is_cut_off),
        TEST(test_reader_that_reads_is_not_cut_off),
        TEST(test_pause_holds_the_sender_up),
        TEST(test_stalled_reader_is_cut_off),
        TEST(test_readers_together_have_a_limit),
        TEST(test_finish_sends_the_rest_then_closes),
        TEST(test_finish_does_not_wait_for_ever),
        TEST(test_deadline_closes),
        TEST(test_reset_is_told),
        TEST(test_owner_may_refuse),
        TEST(test_dial_opens_and_talks),
        TEST(test_dial_where_nobody_listens),
        TEST(test_dial_and_listen_refuse_other_machines),
        TEST(test_port_in_use),
        TEST(test_net_close_ends_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
