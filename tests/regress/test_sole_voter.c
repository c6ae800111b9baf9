/* A leader that gave up its own vote while one other voter was left: the library made that one the
 * leader of the same term at once, and two led in one term (I4). Found by conclave-sim, seed 405.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <raft.h>

#include "support/world.h"

static unsigned leader_of(struct world *world)
{
    unsigned leader = world_await_leader(world, 5000);
    assert_int_not_equal(leader, 0);
    return leader;
}

/* Changes the role of a server as soon as the leader takes a change at all. */
static enum conclave_code change(struct world *world, unsigned leader, unsigned server, int role)
{
    enum conclave_code rv = CONCLAVE_BUSY;
    for (unsigned i = 0; i < 100 && rv == CONCLAVE_BUSY; i++) {
        rv = replica_change(world->nodes[leader].replica, server, "127.0.0.1:7101", role);
        world_run(world, 50);
    }
    return rv;
}

static void test_two_voters_stay_two(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 405, .node_count = 3};
    struct world *world = world_open(&config);
    world_start_all(world);
    unsigned leader = leader_of(world);
    unsigned other = leader == 1 ? 2 : 1;
    assert_int_equal(change(world, leader, other, RAFT_STANDBY), CONCLAVE_OK);
    world_run(world, 1000);
    assert_int_equal(leader_of(world), leader);
    /* Were it taken, the world would see two leaders of one term. */
    assert_int_equal(change(world, leader, leader, RAFT_STANDBY), CONCLAVE_BAD_VALUE);
    assert_int_equal(change(world, leader, leader, -1), CONCLAVE_BAD_VALUE);
    world_run(world, 5000);
    assert_string_equal(world->broken, "");
    assert_int_equal(leader_of(world), leader);
    assert_int_equal(change(world, leader, other, RAFT_VOTER), CONCLAVE_OK);
    world_run(world, 1000);
    assert_string_equal(world->broken, "");
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_voters_stay_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
