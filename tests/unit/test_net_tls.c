/* Connections under TLS: how many handshakes may be under way, how long, how fast; and who is let
 * into the mesh of nodes. Intruders dial with certificates that are wrong in one thing each, greet
 * as a node does, and send a message after it: nothing of that may be heard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "net/frame.h"
#include "net/peers.h"
#include "support/certificates.h"
#include "support/loop.h"

#define WAIT_MS 30000u

struct world {
    uv_loop_t loop;
    struct test_ca ca, other_ca;
    struct net *net; /* of node 1 */
    struct net_listener *listener;
    char address[LIMIT_ADDRESS_BYTES + 1];
    unsigned accepted;
    struct peers *peers;
    struct peers_node nodes[2];
    unsigned messages;
    bool peers_closed, net_closed;
};

/* A node, or who would be one. */
struct caller {
    struct world *world;
    struct net *net;
    struct net_connection *connection;
    bool opened, closed, net_closed;
    enum net_error error;
    char reason[256];
    struct buffer received;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    test_ca_make(&world->ca, 'c', ISSUE_P256);
    test_ca_make(&world->other_ca, 'c', ISSUE_P256);
    test_ca_node(&world->ca, "node1", 1, 5, 0);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(net_open(&world->loop, NULL, NULL, &world->net), CONCLAVE_OK);
    struct tls_context *context = test_context(&world->ca, "node1", &world->ca);
    net_set_tls(world->net, context);
    tls_context_release(context);
    *state = world;
    return 0;
}

static void on_net_closed(void *context)
{
    *(bool *)context = true;
}

static bool is_true(void *context)
{
    return *(bool *)context;
}

static int teardown(void **state)
{
    struct world *world = *state;
    if (world->peers != NULL) {
        peers_close(world->peers, on_net_closed, &world->peers_closed);
        assert_true(loop_run_until(&world->loop, is_true, &world->peers_closed, WAIT_MS));
    }
    net_close(world->net, on_net_closed, &world->net_closed);
    loop_finish(&world->loop);
    assert_true(world->net_closed);
    test_ca_remove(&world->ca);
    test_ca_remove(&world->other_ca);
    free(world);
    return 0;
}

/* --- handshakes --- */

static void on_accepted(void *context, struct net_connection *connection)
{
    ((struct world *)context)->accepted++;
    net_connection_close(connection, NET_OK);
}

static void listen_for_clients(struct world *world)
{
    struct codec_error error;
    assert_int_equal(
        net_listen(world->net, "127.0.0.1:0", 65536, on_accepted, world, &world->listener, &error),
        CONCLAVE_OK);
    net_listener_address(world->listener, world->address);
}

struct sockets {
    struct world *world;
    int *list;
    unsigned count, ended_wanted;
};

/* How many of them the other side has closed. */
static unsigned count_ended(const struct sockets *sockets)
{
    unsigned ended = 0;
    for (unsigned i = 0; i < sockets->count; i++) {
        char byte;
        ssize_t size = recv(sockets->list[i], &byte, 1, MSG_DONTWAIT);
        ended += size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
    }
    return ended;
}

static bool enough_ended(void *context)
{
    const struct sockets *sockets = context;
    return count_ended(sockets) >= sockets->ended_wanted;
}

static bool has_ended(int socket)
{
    char byte;
    ssize_t size = recv(socket, &byte, 1, MSG_DONTWAIT);
    return size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
}

static void open_sockets(struct sockets *sockets, struct world *world, unsigned count)
{
    struct rlimit limit = {8192, 8192};
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    *sockets = (struct sockets){.world = world, .list = calloc(count, sizeof(int))};
    assert_non_null(sockets->list);
    for (; sockets->count < count; sockets->count++) {
        sockets->list[sockets->count] = loop_connect(world->address);
        assert_true(sockets->list[sockets->count] >= 0);
    }
}

static void close_sockets(struct sockets *sockets)
{
    for (unsigned i = 0; i < sockets->count; i++) {
        assert_int_equal(close(sockets->list[i]), 0);
    }
    free(sockets->list);
}

/* 300 connect and say nothing: 256 may, the oldest make room; and in five seconds all are gone. */
static void test_handshakes_are_few_and_short(void **state)
{
    struct world *world = *state;
    struct sockets sockets;
    listen_for_clients(world);
    uint64_t start = uv_hrtime();
    open_sockets(&sockets, world, 300);
    sockets.ended_wanted = 44;
    assert_true(loop_run_until(&world->loop, enough_ended, &sockets, WAIT_MS));
    if (uv_hrtime() - start < 4000000000u) { /* before the first deadline */
        assert_int_equal(count_ended(&sockets), 44);
        assert_true(has_ended(sockets.list[0]));
        assert_true(has_ended(sockets.list[43]));
        assert_false(has_ended(sockets.list[44]));
        assert_false(has_ended(sockets.list[299]));
    }
    sockets.ended_wanted = 300;
    assert_true(loop_run_until(&world->loop, enough_ended, &sockets, WAIT_MS));
    assert_true(uv_hrtime() - start >= 4900000000u);
    assert_int_equal(world->accepted, 0);
    close_sockets(&sockets);
}

/* 1,100 at once, while the loop stands still: 1,000 may begin, the last hundred are closed. */
static void test_handshakes_have_a_rate(void **state)
{
    struct world *world = *state;
    struct sockets sockets;
    FILE *file = fopen("/proc/sys/net/core/somaxconn", "r");
    int most = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &most), 1);
    assert_int_equal(fclose(file), 0);
    if (most < 1100) {
        fail_msg("net.core.somaxconn is %d, and 1,100 connections are to wait at once: raise it",
                 most);
    }
    listen_for_clients(world);
    open_sockets(&sockets, world, 1100);
    sockets.ended_wanted = 100 + 744;
    uint64_t start = uv_hrtime();
    assert_true(loop_run_until(&world->loop, enough_ended, &sockets, WAIT_MS));
    if (uv_hrtime() - start < 4000000000u) {
        assert_true(has_ended(sockets.list[1099])); /* the newest: it had no room to make */
        assert_true(has_ended(sockets.list[0]));
        assert_false(has_ended(sockets.list[999]));
    }
    close_sockets(&sockets);
}

/* --- the mesh --- */

static void on_message(void *context, uint64_t node_id, struct slice message)
{
    struct world *world = context;
    assert_int_equal(node_id, 2);
    assert_true(slice_is_text(message, "a message of Raft"));
    world->messages++;
}

/* Node 1 of the cluster "cccc...", whose other node is 2. */
static void start_node(struct world *world)
{
    struct codec_error error;
    for (unsigned i = 0; i < 2; i++) {
        world->nodes[i].node_id = i + 1;
        loop_free_address(world->nodes[i].address, sizeof world->nodes[i].address);
    }
    struct peers_config config = {.net = world->net,
                                  .node_id = 1,
                                  .program_version = "1.2.3",
                                  .nodes = world->nodes,
                                  .node_count = 2,
                                  .clock = &clock_system,
                                  .random = &random_system,
                                  .received = on_message,
                                  .context = world};
    memset(config.cluster_id, 'c', sizeof config.cluster_id);
    memset(config.disk.id, 1, sizeof config.disk.id);
    memset(config.disk.starts, 's', sizeof config.disk.starts);
    config.disk.generation = config.disk.start_count = 1;
    assert_int_equal(peers_open(&config, &world->peers), CONCLAVE_OK);
    assert_int_equal(peers_listen(world->peers, world->nodes[0].address, &error), CONCLAVE_OK);
}

static void append_frame(struct buffer *buffer, struct slice bytes)
{
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header((uint32_t)bytes.size, header);
    buffer_append(buffer, header, sizeof header);
    buffer_append(buffer, bytes.data, bytes.size);
}

/* Greets as node 2 of cluster "cccc..." does, and goes on without waiting. */
static void on_opened(void *context, struct net_connection *connection)
{
    struct caller *caller = context;
    struct handshake handshake = {.from = 2, .to = 1};
    struct buffer frame, greeting;
    buffer_init(&frame, 4096);
    buffer_init(&greeting, 4096);
    caller->opened = true;
    memset(handshake.cluster_id, 'c', sizeof handshake.cluster_id);
    memset(handshake.disk.id, 2, sizeof handshake.disk.id);
    memset(handshake.disk.starts, 's', sizeof handshake.disk.starts);
    handshake.disk.generation = handshake.disk.start_count = 1;
    memcpy(handshake.program_version, "1", 2);
    handshake_write(&greeting, &handshake);
    append_frame(&frame, buffer_slice(&greeting));
    append_frame(&frame, slice_of_text("a message of Raft"));
    assert_int_equal(frame.status, CONCLAVE_OK);
    net_connection_send(connection, buffer_slice(&frame));
    buffer_close(&greeting);
    buffer_close(&frame);
}

static void on_received(void *context, struct net_connection *connection, struct slice bytes)
{
    struct caller *caller = context;
    (void)connection;
    buffer_append(&caller->received, bytes.data, bytes.size);
}

static void on_closed(void *context, struct net_connection *connection, enum net_error error)
{
    struct caller *caller = context;
    caller->closed = true;
    caller->error = error;
    snprintf(caller->reason, sizeof caller->reason, "%s", net_connection_reason(connection));
    caller->connection = NULL;
}

/* `context` is let go of. NULL: no TLS. */
static void call(struct caller *caller, struct world *world, struct tls_context *context)
{
    *caller = (struct caller){.world = world};
    buffer_init(&caller->received, 65536);
    assert_int_equal(net_open(&world->loop, NULL, NULL, &caller->net), CONCLAVE_OK);
    net_set_tls(caller->net, context);
    tls_context_release(context);
    const struct net_events events = {caller, on_opened, on_received, on_closed};
    struct codec_error error;
    assert_int_equal(net_dial(caller->net, world->nodes[0].address, 65536, WAIT_MS, &events,
                              &caller->connection, &error),
                     CONCLAVE_OK);
}

static void hang_up(struct caller *caller)
{
    net_close(caller->net, on_net_closed, &caller->net_closed);
    assert_true(loop_run_until(&caller->world->loop, is_true, &caller->net_closed, WAIT_MS));
    buffer_close(&caller->received);
}

static bool was_heard(void *context)
{
    return ((struct world *)context)->messages > 0;
}

/* It is let in as nobody. */
static void expect_shut_out(struct world *world, struct tls_context *context)
{
    struct caller caller;
    struct peers_status status[LIMIT_NODES];
    call(&caller, world, context);
    assert_true(loop_run_until(&world->loop, is_true, &caller.closed, WAIT_MS));
    assert_int_equal(peers_status(world->peers, status), 1);
    assert_false(status[0].seen);
    assert_int_equal(world->messages, 0);
    assert_int_not_equal(caller.error, NET_TIMED_OUT);
    hang_up(&caller);
}

static void test_the_right_certificate(void **state)
{
    struct world *world = *state;
    struct caller caller;
    start_node(world);
    test_ca_node(&world->ca, "node2", 2, 5, 0);
    call(&caller, world, test_context(&world->ca, "node2", &world->ca));
    assert_true(loop_run_until(&world->loop, was_heard, world, WAIT_MS));
    assert_int_equal(world->messages, 1);
    hang_up(&caller);
}

static void test_of_another_node(void **state)
{
    struct world *world = *state;
    struct caller caller;
    start_node(world);
    test_ca_node(&world->ca, "node3", 3, 5, 0);
    call(&caller, world, test_context(&world->ca, "node3", &world->ca));
    assert_true(loop_run_until(&world->loop, is_true, &caller.closed, WAIT_MS));
    assert_int_equal(world->messages, 0);
    /* it is told: [2, "unauthorised", sentence] in a frame */
    assert_true(caller.received.size > 20);
    assert_memory_equal(caller.received.data + 4, "\x93\x02\xacunauthorised", 15);
    hang_up(&caller);
}

static void test_of_another_cluster(void **state)
{
    struct world *world = *state;
    start_node(world);
    struct test_ca same = world->ca; /* the same CA, a certificate for another cluster */
    memset(same.cluster_id, 'x', sizeof same.cluster_id);
    test_ca_node(&same, "stray", 2, 5, 0);
    expect_shut_out(world, test_context(&same, "stray", &world->ca));
}

static void test_of_another_ca(void **state)
{
    struct world *world = *state;
    start_node(world);
    test_ca_node(&world->other_ca, "node2", 2, 5, 0);
    /* it trusts the node's CA, else it would not come as far */
    struct test_pair ca_pair, pair;
    const struct issue_files own = test_ca_files(&world->other_ca, "node2", &pair);
    struct tls_context *context;
    struct tls_error error;
    struct tls_files files = {test_ca_files(&world->ca, "ca", &ca_pair).certificate,
                              own.certificate, own.key};
    enum conclave_code code = tls_context_open(&files, &context, &error);
    if (code == CONCLAVE_OK) {
        expect_shut_out(world, context);
    } else { /* a careful node refuses to start so: then as one that trusts its own CA only */
        expect_shut_out(world, test_context(&world->other_ca, "node2", &world->other_ca));
    }
}

static void test_of_a_client(void **state)
{
    struct world *world = *state;
    start_node(world);
    test_ca_client(&world->ca, "ann");
    expect_shut_out(world, test_context(&world->ca, "ann", &world->ca));
}

static void test_none(void **state)
{
    struct world *world = *state;
    start_node(world);
    expect_shut_out(world, test_context(&world->ca, NULL, &world->ca));
}

static void test_no_tls(void **state)
{
    struct world *world = *state;
    start_node(world);
    expect_shut_out(world, NULL);
}

struct moment {
    uint64_t wall_ms;
};

static bool has_come(void *context)
{
    return clock_wall_ms(&clock_system) > ((struct moment *)context)->wall_ms;
}

/* It was good when the caller read it, and is over now. */
static void test_expired(void **state)
{
    struct world *world = *state;
    start_node(world);
    struct moment over = {clock_wall_ms(&clock_system) + 6000};
    test_ca_node_ending(&world->ca, "node2", 2, 5000);
    struct tls_context *context = test_context(&world->ca, "node2", &world->ca);
    assert_true(loop_run_until(&world->loop, has_come, &over, WAIT_MS));
    expect_shut_out(world, context);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_handshakes_are_few_and_short),
        TEST(test_handshakes_have_a_rate),
        TEST(test_the_right_certificate),
        TEST(test_of_another_node),
        TEST(test_of_another_cluster),
        TEST(test_of_another_ca),
        TEST(test_of_a_client),
        TEST(test_none),
        TEST(test_no_tls),
        TEST(test_expired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
