/* A cluster of one voter, with a standby or one that is to become a voter.
 *
 * 1. The voter sent entries to its standby, died before they were on its disk, and led again in the
 *    same term, as the library makes an only voter the leader at once: it gave other entries the
 *    same places in the same term, and the standby kept what it had (I5). Found by conclave-sim,
 *    seed 201184 of commit f223f69.
 * 2. A standby was made the second voter, and did not hear of it before the leader gave up for want
 *    of a majority. The library refuses the vote of who is a standby by his own configuration: no
 *    leader ever again, with both nodes up. Found by conclave-sim, seed 1137 of commit f9dbf98.
 * 3. The same of a leader that made itself a spare, alone, while the others went on and gave it a
 *    part in their majority. Found by conclave-sim, seed 501566.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <raft.h>

#include "support/world.h"

#define TIMEOUT_MS UINT64_C(10000)

static struct buffer command;
static unsigned members;

static bool has_all(struct world *world, void *context)
{
    (void)context;
    struct replica_status first;
    struct replica_status second;
    replica_status(world->nodes[1].replica, &first);
    replica_status(world->nodes[2].replica, &second);
    return second.applied_index == first.last_index && first.applied_index == first.last_index;
}

/* Gives a node a role as soon as the leader takes a change at all. */
static void change(struct world *world, unsigned leader, unsigned node, int role)
{
    enum conclave_code rv = CONCLAVE_BUSY;
    char address[LIMIT_ADDRESS_BYTES + 1];
    snprintf(address, sizeof address, "127.0.0.1:%u", 7100 + node);
    for (unsigned i = 0; i < 1000 && rv == CONCLAVE_BUSY; i++) {
        rv = replica_change(world->nodes[leader].replica, node, address, role);
        if (rv == CONCLAVE_BUSY) {
            world_run(world, 10);
        }
    }
    assert_int_equal(rv, CONCLAVE_OK);
}

/* Node 1 votes, node 2 stands by and has all there is. */
static struct world *open_world(uint64_t seed)
{
    const struct world_config config = {.seed = seed, .node_count = 1};
    struct world *world = world_open(&config);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    world_start_all(world);
    assert_int_equal(world_await_leader(world, TIMEOUT_MS), 1);
    assert_int_equal(world_add(world), 2);
    assert_int_equal(world_start(world, 2), CONCLAVE_OK);
    change(world, 1, 2, RAFT_STANDBY);
    assert_true(world_run_until(world, has_all, NULL, TIMEOUT_MS));
    return world;
}

static void close_world(struct world *world)
{
    assert_string_equal(world->broken, "");
    world_close(world);
    buffer_close(&command);
}

static uint64_t admit(struct world *world)
{
    struct actor member;
    char id[32];
    snprintf(id, sizeof id, "member-%u", ++members);
    actor_init(&member, id);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + 3600000,
                &member);
    return world_submit(world, 1, buffer_slice(&command), TIMEOUT_MS);
}

static void test_a_lost_write_is_not_repeated(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) { /* a write under way is lost by chance */
        struct world *world = open_world(seed);
        world->disks = (struct world_disks){.write_min_ms = 50, .write_max_ms = 60};
        (void)admit(world);
        world_run(world, 20); /* it is with the standby, and not on the disk */
        world_crash(world, 1);
        assert_int_equal(world_start(world, 1), CONCLAVE_OK);
        assert_int_equal(world_await_leader(world, TIMEOUT_MS), 1);
        assert_int_equal(world_await(world, admit(world))->code, CONCLAVE_OK);
        assert_true(world_run_until(world, has_all, NULL, TIMEOUT_MS));
        close_world(world);
    }
}

static void test_the_second_voter_votes(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    change(world, 1, 2, RAFT_VOTER);
    world_isolate(world, 2);
    world_run(world, 3000);
    assert_int_equal(world_leader(world), 0);
    world_heal(world);
    assert_int_not_equal(world_await_leader(world, TIMEOUT_MS), 0);
    assert_true(world_run_until(world, has_all, NULL, TIMEOUT_MS));
    close_world(world);
}

static void test_a_spare_of_its_own_making_votes(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 1, .node_count = 3};
    struct world *world = world_open(&config);
    world_start_all(world);
    unsigned first = world_await_leader(world, TIMEOUT_MS);
    assert_int_not_equal(first, 0);
    world_run(world, 500);
    world_isolate(world, first);
    change(world, first, first, RAFT_SPARE); /* nobody hears of it */
    world_run(world, 3000);
    unsigned second = world_await_leader(world, TIMEOUT_MS);
    assert_true(second != 0 && second != first);
    change(world, second, 6 - first - second, RAFT_STANDBY); /* now it needs the first */
    world_run(world, 3000);
    assert_int_equal(world_leader(world), 0);
    world_heal(world);
    assert_int_not_equal(world_await_leader(world, TIMEOUT_MS), 0);
    assert_string_equal(world->broken, "");
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lost_write_is_not_repeated),
        cmocka_unit_test(test_the_second_voter_votes),
        cmocka_unit_test(test_a_spare_of_its_own_making_votes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
