/* The mesh of nodes over real sockets on loopback: who is let in, what is heard, and what happens
 * when a peer comes, goes, lies or talks nonsense. Raw callers write their greetings by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "net/frame.h"
#include "net/peers.h"
#include "support/loop.h"

#define WAIT_MS 10000u
#define NODES   3u

struct member { /* a node of the mesh: id is its place plus 1 */
    struct world *world;
    struct peers *peers;
    bool closed;
    unsigned messages;
    uint64_t last_from;
    struct buffer last;
    unsigned losses[NODES + 1]; /* by node id */
};

struct world {
    uv_loop_t loop;
    struct net *net;
    bool net_closed;
    struct peers_node nodes[NODES];
    struct member members[NODES];
};

static void on_received(void *context, uint64_t node_id, struct slice message)
{
    struct member *member = context;
    member->messages++;
    member->last_from = node_id;
    buffer_clear(&member->last);
    buffer_append(&member->last, message.data, message.size);
}

static void on_lost(void *context, uint64_t node_id)
{
    struct member *member = context;
    assert_true(node_id >= 1 && node_id <= NODES);
    member->losses[node_id]++;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(net_open(&world->loop, NULL, NULL, &world->net), CONCLAVE_OK);
    for (unsigned i = 0; i < NODES; i++) {
        world->nodes[i].node_id = i + 1;
        loop_free_address(world->nodes[i].address, sizeof world->nodes[i].address);
        world->members[i].world = world;
        buffer_init(&world->members[i].last, LIMIT_PEER_FRAME_BYTES);
    }
    *state = world;
    return 0;
}

/* Starts node i + 1 of the cluster "cccc...", on the disk "1111..." or so. */
static void start_as(struct world *world, unsigned i, char cluster, char disk)
{
    struct member *member = &world->members[i];
    struct codec_error error;
    struct peers_config config = {
        .net = world->net,
        .node_id = i + 1,
        .program_version = "1.2.3",
        .nodes = world->nodes,
        .node_count = NODES,
        .clock = &clock_system,
        .random = &random_system,
        .received = on_received,
        .lost = on_lost,
        .context = member,
    };
    memset(config.cluster_id, cluster, sizeof config.cluster_id);
    memset(config.disk.id, disk, sizeof config.disk.id);
    memset(config.disk.starts, 's', sizeof config.disk.starts);
    config.disk.generation = config.disk.start_count = 1;
    member->closed = false;
    assert_int_equal(peers_open(&config, &member->peers), CONCLAVE_OK);
    assert_int_equal(peers_listen(member->peers, world->nodes[i].address, &error), CONCLAVE_OK);
    peers_start(member->peers);
}

static void start(struct world *world, unsigned i)
{
    start_as(world, i, 'c', (char)('1' + (char)i));
}

static void on_closed(void *context)
{
    struct member *member = context;
    member->peers = NULL;
    member->closed = true;
}

static bool member_closed(void *context)
{
    return ((struct member *)context)->closed;
}

static void stop(struct world *world, unsigned i)
{
    struct member *member = &world->members[i];
    peers_close(member->peers, on_closed, member);
    assert_false(member->closed); /* never from inside the call */
    assert_true(loop_run_until(&world->loop, member_closed, member, WAIT_MS));
}

static void on_net_closed(void *context)
{
    ((struct world *)context)->net_closed = true;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < NODES; i++) {
        if (world->members[i].peers != NULL) {
            stop(world, i);
        }
        buffer_close(&world->members[i].last);
    }
    net_close(world->net, on_net_closed, world);
    loop_finish(&world->loop);
    assert_true(world->net_closed);
    free(world);
    return 0;
}

/* --- how one node sees another --- */

struct view {
    struct world *world;
    unsigned i;
    uint64_t peer;
    bool connected;
    enum net_error error;
};

static struct peers_status status_of(const struct view *view)
{
    struct peers_status status[LIMIT_NODES];
    unsigned count = peers_status(view->world->members[view->i].peers, status);
    for (unsigned k = 0; k < count; k++) {
        if (status[k].node_id == view->peer) {
            return status[k];
        }
    }
    fail_msg("no such peer");
    return status[0];
}

static bool looks_so(void *context)
{
    const struct view *view = context;
    struct peers_status status = status_of(view);
    return status.connected == view->connected && status.error == view->error;
}

/* Waits until node i + 1 sees `peer` so. */
static void await(struct world *world, unsigned i, uint64_t peer, bool connected,
                  enum net_error error)
{
    struct view view = {world, i, peer, connected, error};
    if (!loop_run_until(&world->loop, looks_so, &view, WAIT_MS)) {
        struct peers_status status = status_of(&view);
        fail_msg("node %u sees %llu: connected %d, error \"%s\"", i + 1, (unsigned long long)peer,
                 status.connected, net_error_text(status.error));
    }
}

static bool has_message(void *context)
{
    return ((struct member *)context)->messages > 0;
}

static void expect_message(struct world *world, unsigned to, unsigned from, const char *text)
{
    struct member *member = &world->members[to];
    member->messages = 0;
    peers_send(world->members[from].peers, to + 1, slice_of_text(text));
    assert_true(loop_run_until(&world->loop, has_message, member, WAIT_MS));
    assert_int_equal(member->last_from, from + 1);
    assert_true(slice_is_text(buffer_slice(&member->last), text));
}

static void test_all_talk_to_all(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < NODES; i++) {
        start(world, i);
    }
    for (unsigned from = 0; from < NODES; from++) {
        for (unsigned to = 0; to < NODES; to++) {
            if (from != to) {
                await(world, from, to + 1, true, NET_OK);
                expect_message(world, to, from, "hello");
            }
        }
    }
}

static void test_messages_keep_their_order_and_size(void **state)
{
    struct world *world = *state;
    start(world, 0);
    start(world, 1);
    await(world, 0, 2, true, NET_OK);
    uint8_t *large = malloc(LIMIT_PEER_FRAME_BYTES);
    assert_non_null(large);
    for (size_t i = 0; i < LIMIT_PEER_FRAME_BYTES; i++) {
        large[i] = (uint8_t)(i * 31);
    }
    peers_send(world->members[0].peers, 2, slice_of(large, LIMIT_PEER_FRAME_BYTES));
    struct member *member = &world->members[1];
    assert_true(loop_run_until(&world->loop, has_message, member, WAIT_MS));
    assert_int_equal(member->last.size, LIMIT_PEER_FRAME_BYTES);
    assert_memory_equal(member->last.data, large, LIMIT_PEER_FRAME_BYTES);
    free(large);
    expect_message(world, 1, 0, "and a small one");
}

/* Nothing is kept for a peer that is not there, and what it cannot take is dropped, not kept. */
static void test_messages_are_dropped_not_kept(void **state)
{
    struct world *world = *state;
    start(world, 0);
    peers_send(world->members[0].peers, 2, slice_of_text("into the void"));
    struct view view = {world, 0, 2, false, NET_OK};
    assert_int_equal(status_of(&view).dropped, 1);
    start(world, 1);
    await(world, 0, 2, true, NET_OK);
    expect_message(world, 1, 0, "heard");
    assert_int_equal(world->members[1].messages, 1);

    uint8_t *large = calloc(1, LIMIT_PEER_FRAME_BYTES);
    assert_non_null(large);
    for (int i = 0; i < 10; i++) { /* without a turn of the loop: at most two of this size wait */
        peers_send(world->members[0].peers, 2, slice_of(large, LIMIT_PEER_FRAME_BYTES));
    }
    free(large);
    assert_int_equal(status_of(&view).dropped, 9);
    assert_true(status_of(&view).connected);
}

static void test_reconnects_when_the_other_returns(void **state)
{
    struct world *world = *state;
    start(world, 0);
    start(world, 1);
    await(world, 0, 2, true, NET_OK);
    assert_int_equal(world->members[0].losses[2], 0);
    stop(world, 1);
    await(world, 0, 2, false, NET_REFUSED);
    for (unsigned round = 0; round < 3; round++) {
        assert_int_equal(world->members[0].losses[2], 1 + round); /* once each time, */
        assert_int_equal(world->members[1].losses[1], 0);         /* and not who closes */
        start(world, 1);
        await(world, 0, 2, true, NET_OK);
        await(world, 1, 1, true, NET_OK);
        expect_message(world, 1, 0, "again");
        expect_message(world, 0, 1, "again");
        stop(world, 1);
        await(world, 0, 2, false, NET_REFUSED);
    }
}

static void test_another_cluster_is_refused(void **state)
{
    struct world *world = *state;
    start(world, 0);
    start_as(world, 1, 'x', '2');
    await(world, 0, 2, false, NET_WRONG_CLUSTER);
    await(world, 1, 1, false, NET_WRONG_CLUSTER);
    assert_int_equal(world->members[0].messages + world->members[1].messages, 0);
}

/* A node that was wiped has forgotten its votes. */
static void test_another_disk_is_refused(void **state)
{
    struct world *world = *state;
    start(world, 0);
    start(world, 1);
    await(world, 1, 1, true, NET_OK);
    stop(world, 1);
    start_as(world, 1, 'c', 'w');
    await(world, 1, 1, false, NET_UNAUTHORISED);
    stop(world, 1);
    start(world, 1);
    await(world, 1, 1, true, NET_OK);
}

static void test_swapped_addresses_are_refused(void **state)
{
    struct world *world = *state;
    start(world, 0);
    struct peers_node swapped = world->nodes[1];
    world->nodes[1] = world->nodes[2];
    memcpy(world->nodes[1].address, world->nodes[0].address, sizeof swapped.address);
    world->nodes[1].node_id = 2;
    start(world, 2); /* it takes node 1's address for node 2's */
    await(world, 2, 2, false, NET_UNAUTHORISED);
    world->nodes[1] = swapped;
}

static void test_a_node_alone(void **state)
{
    struct world *world = *state;
    struct peers_config config = {.net = world->net,
                                  .node_id = 1,
                                  .disk = {.generation = 1, .start_count = 1},
                                  .program_version = "1",
                                  .nodes = world->nodes,
                                  .node_count = 1,
                                  .clock = &clock_system,
                                  .random = &random_system,
                                  .received = on_received,
                                  .context = &world->members[0]};
    struct peers_status status[LIMIT_NODES];
    assert_int_equal(peers_open(&config, &world->members[0].peers), CONCLAVE_OK);
    peers_start(world->members[0].peers);
    assert_int_equal(peers_status(world->members[0].peers, status), 0);
    peers_send(world->members[0].peers, 1, slice_of_text("to myself"));
    stop(world, 0);
    assert_int_equal(world->members[0].messages, 0);
}

/* --- raw callers --- */

struct raw {
    int socket;
    uint8_t bytes[1024];
    size_t size;
    bool ended;
};

static bool raw_has_frame(const struct raw *raw)
{
    return raw->size >= 4 && raw->size >= 4u + ((size_t)raw->bytes[2] << 8 | raw->bytes[3]);
}

static bool raw_answered(void *context)
{
    struct raw *raw = context;
    ssize_t size =
        recv(raw->socket, raw->bytes + raw->size, sizeof raw->bytes - raw->size, MSG_DONTWAIT);
    if (size > 0) {
        raw->size += (size_t)size;
    } else if (size == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        raw->ended = true;
    }
    return raw->ended || raw_has_frame(raw);
}

static bool raw_ended(void *context)
{
    struct raw *raw = context;
    (void)raw_answered(raw);
    return raw->ended;
}

static void raw_call(struct world *world, struct raw *raw)
{
    memset(raw, 0, sizeof *raw);
    raw->socket = loop_connect(world->nodes[0].address);
    assert_true(raw->socket >= 0);
}

static void raw_send(struct raw *raw, const void *bytes, size_t size)
{
    assert_int_equal(send(raw->socket, bytes, size, MSG_NOSIGNAL), size);
}

/* [2, cluster, from, to, disk, 1, "ssssssss", "0", ""] in a frame. */
static void raw_greet(struct raw *raw, char cluster, char from, char to, char disk)
{
    uint8_t bytes[4 + 2 + 18 + 2 + 18 + 1 + 10 + 2 + 2] = {0, 0, 0, 55, 0x99, 2};
    uint8_t *at = bytes + 6;
    *at++ = 0xc4;
    *at++ = 16;
    memset(at, cluster, 16);
    at += 16;
    *at++ = (uint8_t)from;
    *at++ = (uint8_t)to;
    *at++ = 0xc4;
    *at++ = 16;
    memset(at, disk, 16);
    at += 16;
    memcpy(at, "\x01\xc4\x08ssssssss\xa1\x30\xc4\x00", 15);
    at += 15;
    assert_int_equal(at - bytes, sizeof bytes);
    raw_send(raw, bytes, sizeof bytes);
}

/* The answer's code is its first text: [2, code, sentence]. */
static void expect_answer(struct world *world, struct raw *raw, const char *code)
{
    assert_true(loop_run_until(&world->loop, raw_answered, raw, WAIT_MS));
    assert_true(raw_has_frame(raw));
    assert_int_equal(raw->bytes[4], 0x93);
    assert_int_equal(raw->bytes[5], 2);
    assert_int_equal(raw->bytes[6], 0xa0 | strlen(code));
    assert_memory_equal(raw->bytes + 7, code, strlen(code));
}

static void expect_refusal(struct world *world, struct raw *raw, const char *code)
{
    expect_answer(world, raw, code);
    assert_true(loop_run_until(&world->loop, raw_ended, raw, WAIT_MS));
    assert_int_equal(close(raw->socket), 0);
    assert_int_equal(world->members[0].messages, 0);
}

static void test_strangers_are_refused_with_a_reason(void **state)
{
    struct world *world = *state;
    static const struct {
        char cluster, from, to;
        const char *code;
    } cases[] = {
        {'x', 2, 1, "wrong_cluster"}, {'c', 9, 1, "unauthorised"}, {'c', 2, 3, "unauthorised"},
        {'c', 1, 1, "unauthorised"},  {'c', 0, 1, "unauthorised"}, {'c', 2, 0, "unauthorised"},
    };
    start(world, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct raw raw;
        raw_call(world, &raw);
        raw_greet(&raw, cases[i].cluster, cases[i].from, cases[i].to, 'd');
        raw_send(&raw, "\0\0\0\3abc", 7); /* what follows a refused greeting is not heard */
        expect_refusal(world, &raw, cases[i].code);
    }
}

static void test_garbage_before_the_greeting(void **state)
{
    struct world *world = *state;
    struct raw raw;
    start(world, 0);
    raw_call(world, &raw);
    raw_send(&raw, "\0\0\0\3abc", 7);
    expect_refusal(world, &raw, "bad_request");
    raw_call(world, &raw);
    raw_send(&raw, "\0\0\0\0", 4);
    expect_refusal(world, &raw, "bad_request");
    raw_call(world, &raw);
    raw_send(&raw, "\0\0\0\2\x91\x03", 6);
    expect_refusal(world, &raw, "bad_version");
    /* A frame that is too large for a greeting ends it at once, and so does another protocol. */
    raw_call(world, &raw);
    raw_send(&raw, "\0\1\0\0", 4);
    assert_true(loop_run_until(&world->loop, raw_ended, &raw, WAIT_MS));
    assert_int_equal(raw.size, 0);
    assert_int_equal(close(raw.socket), 0);
    raw_call(world, &raw);
    raw_send(&raw, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_true(loop_run_until(&world->loop, raw_ended, &raw, WAIT_MS));
    assert_int_equal(raw.size, 0);
    /* cppcheck-suppress doubleFree ; raw_call opened another */
    assert_int_equal(close(raw.socket), 0);
    assert_int_equal(world->members[0].messages, 0);
}

static void test_silence_before_the_greeting(void **state)
{
    struct world *world = *state;
    struct raw raw;
    start(world, 0);
    raw_call(world, &raw);
    raw_send(&raw, "\0\0", 2);
    assert_true(loop_run_until(&world->loop, raw_ended, &raw, WAIT_MS));
    assert_int_equal(raw.size, 0);
    assert_int_equal(close(raw.socket), 0);
}

static void test_oversized_frame_after_the_greeting(void **state)
{
    struct world *world = *state;
    struct raw raw;
    start(world, 0);
    raw_call(world, &raw);
    raw_greet(&raw, 'c', 2, 1, 'd');
    expect_answer(world, &raw, "ok");
    raw_send(&raw, "\0\0\0\2hi", 6);
    assert_true(loop_run_until(&world->loop, has_message, &world->members[0], WAIT_MS));
    assert_int_equal(world->members[0].last_from, 2);
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header(LIMIT_PEER_FRAME_BYTES + 1, header);
    raw_send(&raw, header, sizeof header);
    assert_true(loop_run_until(&world->loop, raw_ended, &raw, WAIT_MS));
    assert_int_equal(close(raw.socket), 0);
    assert_int_equal(world->members[0].messages, 1);
}

/* "I live" is answered with the same, and is no message. */
static void test_empty_frames_are_answered(void **state)
{
    struct world *world = *state;
    struct raw raw;
    start(world, 0);
    raw_call(world, &raw);
    raw_greet(&raw, 'c', 2, 1, 'd');
    expect_answer(world, &raw, "ok");
    raw.size = 0;
    raw_send(&raw, "\0\0\0\0", 4);
    assert_true(loop_run_until(&world->loop, raw_answered, &raw, WAIT_MS));
    assert_int_equal(raw.size, 4);
    assert_memory_equal(raw.bytes, "\0\0\0\0", 4);
    assert_int_equal(world->members[0].messages, 0);
    assert_int_equal(close(raw.socket), 0);
}

static void test_a_second_connection_replaces_the_first(void **state)
{
    struct world *world = *state;
    struct raw first, second;
    start(world, 0);
    raw_call(world, &first);
    raw_greet(&first, 'c', 2, 1, 'd');
    expect_answer(world, &first, "ok");
    raw_call(world, &second);
    raw_greet(&second, 'c', 2, 1, 'd');
    expect_answer(world, &second, "ok");
    assert_true(loop_run_until(&world->loop, raw_ended, &first, WAIT_MS));
    raw_send(&second, "\0\0\0\2hi", 6);
    assert_true(loop_run_until(&world->loop, has_message, &world->members[0], WAIT_MS));
    assert_false(raw_ended(&second));
    assert_int_equal(close(first.socket), 0);
    assert_int_equal(close(second.socket), 0);
}

static void test_strangers_are_bounded(void **state)
{
    struct world *world = *state;
    struct raw raws[40];
    start(world, 0);
    unsigned ended = 0;
    for (size_t i = 0; i < 40; i++) {
        raw_call(world, &raws[i]);
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    (void)loop_run_until(&world->loop, raw_ended, &raws[39], WAIT_MS);
    for (size_t i = 0; i < 40; i++) {
        ended += raw_ended(&raws[i]) ? 1 : 0;
        assert_int_equal(close(raws[i].socket), 0);
    }
    assert_int_equal(ended, 8); /* 32 may wait for their greeting */
}

/* --- Seats --- */

static bool is_refused(void *context)
{
    return peers_refusal(((struct member *)context)->peers)[0] != '\0';
}

static void await_all(struct world *world)
{
    for (unsigned i = 0; i < NODES; i++) {
        for (unsigned k = 0; k < NODES; k++) {
            if (i != k) {
                await(world, i, k + 1, true, NET_OK);
            }
        }
    }
}

static void test_a_node_loses_its_seat(void **state)
{
    struct world *world = *state;
    struct peers_status status[LIMIT_NODES];
    for (unsigned i = 0; i < NODES; i++) {
        start(world, i);
    }
    await_all(world);
    peers_seat(world->members[0].peers, world->nodes, 2); /* node 3 went */
    assert_int_equal(peers_status(world->members[0].peers, status), 1);
    assert_int_equal(status[0].node_id, 2);
    /* One alone may know an older cluster, or lie: the other talks with node 3 as before. */
    await(world, 2, 1, false, NET_UNAUTHORISED);
    expect_message(world, 2, 1, "one of us");
    assert_string_equal(peers_refusal(world->members[2].peers), "");
    peers_seat(world->members[1].peers, world->nodes, 2); /* now both say so */
    assert_true(loop_run_until(&world->loop, is_refused, &world->members[2], WAIT_MS));
    assert_string_equal(peers_refusal(world->members[2].peers),
                        "node 3 was removed from the cluster: stop it");
    world->members[2].messages = 0;
    peers_send(world->members[0].peers, 3, slice_of_text("lost")); /* nobody is there */
    expect_message(world, 1, 0, "still here");
    assert_int_equal(world->members[2].messages, 0);

    peers_seat(world->members[0].peers, world->nodes, NODES); /* the change was undone */
    peers_seat(world->members[1].peers, world->nodes, NODES);
    await_all(world);
    assert_string_equal(peers_refusal(world->members[2].peers), "");
    expect_message(world, 2, 0, "again");
}

static void test_a_node_comes_and_moves(void **state)
{
    struct world *world = *state;
    struct peers_node moved[2] = {world->nodes[0], world->nodes[1]};
    start(world, 0);
    start(world, 1);
    await(world, 0, 2, true, NET_OK);
    await(world, 0, 3, false, NET_REFUSED);
    peers_seat(world->members[0].peers, world->nodes, 1); /* its own does not count */
    peers_seat(world->members[0].peers, world->nodes, 2);
    await(world, 0, 2, true, NET_OK);
    memcpy(moved[1].address, world->nodes[2].address, sizeof moved[1].address);
    peers_seat(world->members[0].peers, moved, 2); /* node 2 is where node 3 was: nobody is there */
    await(world, 0, 2, false, NET_REFUSED);
    peers_seat(world->members[0].peers, world->nodes, 2);
    await(world, 0, 2, true, NET_OK);
    expect_message(world, 1, 0, "found");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_all_talk_to_all),
        TEST(test_messages_keep_their_order_and_size),
        TEST(test_messages_are_dropped_not_kept),
        TEST(test_reconnects_when_the_other_returns),
        TEST(test_another_cluster_is_refused),
        TEST(test_another_disk_is_refused),
        TEST(test_swapped_addresses_are_refused),
        TEST(test_a_node_alone),
        TEST(test_strangers_are_refused_with_a_reason),
        TEST(test_garbage_before_the_greeting),
        TEST(test_silence_before_the_greeting),
        TEST(test_oversized_frame_after_the_greeting),
        TEST(test_empty_frames_are_answered),
        TEST(test_a_second_connection_replaces_the_first),
        TEST(test_strangers_are_bounded),
        TEST(test_a_node_loses_its_seat),
        TEST(test_a_node_comes_and_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
