/* What replicas do while disks are full: nothing stops, nothing is acknowledged that is not stored,
 * and all goes on by itself when there is room again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "support/world.h"

#define TIMEOUT_MS 5000u
#define DAY_MS     (24u * 3600u * 1000u)

static struct world *open_world(unsigned node_count)
{
    const struct world_config config = {.seed = 1, .node_count = node_count};
    return world_open(&config);
}

static void close_world(struct world *world)
{
    for (unsigned node = 1; node <= world->config.node_count; node++) {
        assert_int_equal(world->nodes[node].failure, CONCLAVE_OK);
    }
    assert_string_equal(world->broken, "");
    world_close(world);
}

static uint64_t admit(struct world *world, unsigned node, const char *id)
{
    struct actor member;
    actor_init(&member, id);
    struct buffer command;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + DAY_MS / 2,
                &member);
    uint64_t token = world_submit(world, node, buffer_slice(&command), TIMEOUT_MS);
    buffer_close(&command);
    return token;
}

static enum conclave_code admitted(struct world *world, unsigned node, const char *id)
{
    return world_await(world, admit(world, node, id))->code;
}

static struct replica_status status_of(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status;
}

static unsigned start(struct world *world)
{
    world_start_all(world);
    unsigned leader = world_await_leader(world, 5000);
    assert_int_not_equal(leader, 0);
    return leader;
}

static void fill(struct world *world, unsigned node, bool entries, bool votes)
{
    log_memory_fill(world->nodes[node].log, entries, votes);
}

static bool another_leads(struct world *world, void *context)
{
    const unsigned *node = context;
    unsigned leader = world_leader(world);
    return leader != 0 && leader != *node;
}

/* It hands over; the others go on without it; and it has all that they did once it has room. */
static void test_a_leader_without_room_hands_over(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    assert_int_equal(admitted(world, leader, "before"), CONCLAVE_OK);
    fill(world, leader, true, false);
    uint64_t token = admit(world, leader, "refused");
    assert_int_equal(world_answer(world, token)->code, CONCLAVE_DISK_FULL);
    assert_true(world_run_until(world, another_leads, &leader, 1000));
    assert_true(status_of(world, leader).disk_full);
    assert_int_equal(admitted(world, leader, "forwarded"), CONCLAVE_OK);
    unsigned next = world_leader(world);
    assert_int_not_equal(next, leader);
    assert_false(status_of(world, next).disk_full);
    uint64_t stored = log_last_index(world->nodes[leader].log);
    for (unsigned i = 0; i < 20; i++) {
        char id[] = {'m', (char)('a' + i), '\0'};
        assert_int_equal(admitted(world, next, id), CONCLAVE_OK);
    }
    assert_true(log_last_index(world->nodes[leader].log) == stored);
    assert_true(log_last_index(world->nodes[next].log) >= stored + 20);
    /* It votes, and reads by it are served once it has room. */
    fill(world, leader, false, false);
    assert_true(world_await_equal(world, 5000));
    assert_false(status_of(world, leader).disk_full);
    assert_int_equal(world_await(world, world_read(world, leader, TIMEOUT_MS))->code, CONCLAVE_OK);
    close_world(world);
}

/* A write that finds no room in the middle of things: what waits for it is answered when there is
 * room, and not before. */
static void test_a_write_waits_for_room(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    unsigned leader = start(world);
    uint64_t token = admit(world, leader, "under-way"); /* its write has begun */
    fill(world, leader, true, false);
    world_run(world, 2000);
    assert_int_equal(world_answer(world, token)->state, WORLD_WAITING);
    assert_int_equal(world_await(world, world_read(world, leader, 1000))->code, CONCLAVE_OK);
    fill(world, leader, false, false);
    assert_int_equal(world_await(world, token)->code, CONCLAVE_OK);
    assert_int_equal(admitted(world, leader, "after"), CONCLAVE_OK);
    close_world(world);
}

/* Nobody can store anything: all refuse with one word, reads are served, and one leads. */
static void test_no_room_anywhere(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    assert_int_equal(admitted(world, leader, "before"), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    for (unsigned node = 1; node <= 3; node++) {
        fill(world, node, true, false);
    }
    world_run(world, 3000);
    leader = world_await_leader(world, 5000);
    for (unsigned node = 1; node <= 3; node++) {
        char id[] = {'r', (char)('0' + node), '\0'};
        assert_int_equal(admitted(world, node, id), CONCLAVE_DISK_FULL);
        assert_int_equal(world_await(world, world_read(world, node, TIMEOUT_MS))->code,
                         CONCLAVE_OK);
    }
    uint64_t term = status_of(world, leader).term;
    world_run(world, 10000);
    assert_true(status_of(world, leader).term == term); /* it is not handed about */
    for (unsigned node = 1; node <= 3; node++) {
        fill(world, node, false, false);
    }
    world_run(world, 200);
    for (unsigned node = 1; node <= 3; node++) {
        char id[] = {'a', (char)('0' + node), '\0'};
        assert_int_equal(admitted(world, node, id), CONCLAVE_OK);
    }
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

static unsigned watched;
static unsigned heard;

static void note_sent(void *context, unsigned from, unsigned to, struct slice bytes)
{
    (void)context;
    (void)to;
    (void)bytes;
    heard += from == watched;
}

/* Even the reserve is gone: who cannot save its vote says nothing to anybody until it can. */
static void test_a_vote_that_finds_no_room(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    unsigned mute = leader % 3 + 1;
    unsigned other = mute % 3 + 1;
    assert_int_equal(admitted(world, leader, "before"), CONCLAVE_OK);
    fill(world, mute, true, true);
    world_crash(world, leader);
    world_run(world, 1000); /* the other one asks for its vote, or it asks itself */
    struct log_vote vote;
    assert_int_equal(log_load_vote(world->nodes[mute].log, &vote), CONCLAVE_OK);
    assert_true(status_of(world, mute).term > vote.term);
    assert_int_equal(world_leader(world), 0);
    watched = mute;
    heard = 0;
    world->watch.sent = note_sent;
    world_run(world, 3000);
    assert_int_equal(heard, 0);
    assert_int_equal(world_answer(world, admit(world, mute, "mute"))->code, CONCLAVE_DISK_FULL);
    assert_int_equal(world_answer(world, world_read(world, mute, TIMEOUT_MS))->code,
                     CONCLAVE_DISK_FULL);
    fill(world, mute, true, false); /* room for the vote, not for entries */
    world_run(world, 3000);
    assert_true(heard > 0);
    assert_int_equal(log_load_vote(world->nodes[mute].log, &vote), CONCLAVE_OK);
    assert_true(status_of(world, mute).term == vote.term);
    assert_int_equal(world_leader(world), 0); /* one of two that can store entries is down */
    assert_int_equal(world_start(world, leader), CONCLAVE_OK);
    assert_int_not_equal(world_await_leader(world, 5000), 0);
    fill(world, mute, false, false);
    world_run(world, 3000);
    assert_int_equal(admitted(world, other, "after"), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

/* The state finds no room for what is committed: it is applied, and answered, when there is. */
static void test_the_state_waits_for_room(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    unsigned leader = start(world);
    assert_int_equal(admitted(world, leader, "before"), CONCLAVE_OK);
    kv_memory_fill(world->nodes[leader].kv, true);
    uint64_t token = admit(world, leader, "held");
    world_run(world, 1000);
    assert_int_equal(world_answer(world, token)->state, WORLD_WAITING);
    assert_true(status_of(world, leader).disk_full);
    assert_true(status_of(world, leader).commit_index > status_of(world, leader).applied_index);
    assert_int_equal(world_answer(world, admit(world, leader, "no"))->code, CONCLAVE_DISK_FULL);
    /* A read cannot be served without it, and says why. */
    assert_int_equal(world_await(world, world_read(world, leader, 500))->code, CONCLAVE_DISK_FULL);
    kv_memory_fill(world->nodes[leader].kv, false);
    assert_int_equal(world_await(world, token)->code, CONCLAVE_OK);
    assert_int_equal(admitted(world, leader, "after"), CONCLAVE_OK);
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_leader_without_room_hands_over),
        cmocka_unit_test(test_a_write_waits_for_room),
        cmocka_unit_test(test_no_room_anywhere),
        cmocka_unit_test(test_a_vote_that_finds_no_room),
        cmocka_unit_test(test_the_state_waits_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
