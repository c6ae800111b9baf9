/* Elections when the connections with the leader are gone: soon when it is dead, and never when it
 * lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "support/world.h"

#define TIMEOUT_MS  5000u
#define SEEDS       40u
#define ELECTION_MS 300u /* the default; drawn up to twice that */

static struct world *open_world(uint64_t seed, unsigned node_count, unsigned *leader)
{
    const struct world_config config = {.seed = seed, .node_count = node_count};
    struct world *world = world_open(&config);
    world_start_all(world);
    *leader = world_await_leader(world, TIMEOUT_MS);
    assert_int_not_equal(*leader, 0);
    world_run(world, 500);
    return world;
}

static void close_world(struct world *world)
{
    assert_string_equal(world->broken, "");
    world_close(world);
}

static uint64_t term_of(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status.term;
}

/* What the network tells the others when a node's sockets close. */
static void lose(struct world *world, unsigned lost)
{
    for (unsigned node = 1; node <= world->config.node_count; node++) {
        if (node != lost && world->nodes[node].up) {
            replica_peer_lost(world->nodes[node].replica, lost);
            world->nodes[node].tick_ms = world->now_ms; /* a host asks for the deadline anew */
        }
    }
}

/* How long until another leads, from the death of the leader on. */
static uint64_t gap_after_death(uint64_t seed, unsigned node_count, bool told)
{
    unsigned leader;
    struct world *world = open_world(seed, node_count, &leader);
    uint64_t died_ms = world->now_ms;
    world_crash(world, leader);
    if (told) {
        lose(world, leader);
    }
    unsigned next = world_await_leader(world, TIMEOUT_MS);
    assert_int_not_equal(next, 0);
    assert_int_not_equal(next, leader);
    uint64_t gap_ms = world->now_ms - died_ms;
    close_world(world);
    return gap_ms;
}

/* Told, most elections are over before the timeout would have begun one, and none is later. */
static void test_a_dead_leader_is_replaced_soon(void **state)
{
    (void)state;
    for (unsigned nodes = 3; nodes <= 5; nodes += 2) {
        unsigned soon = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            uint64_t told_ms = gap_after_death(seed, nodes, true);
            assert_true(gap_after_death(seed, nodes, false) >= ELECTION_MS - 50); /* a heartbeat */
            assert_true(told_ms <= 4 * ELECTION_MS);
            soon += told_ms < ELECTION_MS / 2;
        }
        assert_true(soon >= SEEDS * 8 / 10);
    }
}

/* A leader that lives is not replaced, whoever lost the connections with it, however often. */
static void test_a_living_leader_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        unsigned leader;
        struct world *world = open_world(seed, 3, &leader);
        uint64_t term = term_of(world, leader);
        for (unsigned i = 0; i < 20; i++) {
            unsigned node = 1 + (leader + i % 2) % 3;
            replica_peer_lost(world->nodes[node].replica, leader);
            replica_peer_lost(world->nodes[node].replica, 1 + node % 3);
            replica_peer_lost(world->nodes[leader].replica, node);
            world->nodes[node].tick_ms = world->now_ms;
            world_run(world, 20 + 10 * i);
        }
        assert_int_equal(world_leader(world), leader);
        assert_int_equal(term_of(world, leader), term);
        close_world(world);
    }
}

/* One that the leader cannot reach stands in vain, moves no term, and comes back. */
static void test_one_cut_off_moves_nobody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        unsigned leader;
        struct world *world = open_world(seed, 3, &leader);
        unsigned cut_off = leader % 3 + 1;
        uint64_t term = term_of(world, leader);
        world->cut[leader][cut_off] = world->cut[cut_off][leader] = true;
        replica_peer_lost(world->nodes[cut_off].replica, leader);
        world->nodes[cut_off].tick_ms = world->now_ms;
        world_run(world, 3000);
        assert_int_equal(world_leader(world), leader);
        world_heal(world);
        assert_true(world_await_equal(world, TIMEOUT_MS));
        assert_int_equal(world_leader(world), leader);
        assert_int_equal(term_of(world, leader), term);
        close_world(world);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_dead_leader_is_replaced_soon),
        cmocka_unit_test(test_a_living_leader_stays),
        cmocka_unit_test(test_one_cut_off_moves_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
