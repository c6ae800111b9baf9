/* The answer to a pre-vote that comes when nobody stands any more. The library looks into memory
 * that only a candidate has, to see whether it is in a pre-vote; in a follower that is the second
 * byte of a pointer, or 0 when it knows no leader. Where it was 0 the answer counted as one to a
 * real vote, and its term, which is that which the pre-vote asked about, was taken over: a leader
 * that lived was deposed, once in some hundreds of times, by where the allocator had put an
 * address. Pre-votes must not move terms (Ongaro, "Consensus: Bridging Theory and Practice",
 * section 9.6). Found by a test that did not give the same result each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/logger.h"
#include "support/world.h"

static struct replica_status status_of(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status;
}

/* [1, 4, term, granted, pre-vote] of docs/PROTOCOL.md, for the term after the node's own. */
static void answer_pre_vote(struct world *world, unsigned node, bool granted)
{
    uint64_t term = status_of(world, node).term;
    assert_true(term < 100);
    const uint8_t bytes[] = {0x95, 1, 4, (uint8_t)(term + 1), granted ? 0xc3 : 0xc2, 0xc3};
    world_inject(world, 1 + node % 3, node, slice_of(bytes, sizeof bytes));
    assert_int_equal(status_of(world, node).term, term);
}

static void test_nobody_moves(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 17, .node_count = 3};
    struct world *world = world_open(&config);
    world_start_all(world);
    unsigned leader = world_await_leader(world, 5000);
    assert_int_not_equal(leader, 0);
    world_run(world, 500);
    for (unsigned node = 1; node <= 3; node++) {
        answer_pre_vote(world, node, false);
        answer_pre_vote(world, node, true);
    }
    world_run(world, 1000);
    assert_int_equal(world_leader(world), leader);
    assert_string_equal(world->broken, "");
    world_close(world);
}

static void test_nor_one_without_a_leader(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 17, .node_count = 3};
    struct world *world = world_open(&config);
    assert_int_equal(world_start(world, 1), CONCLAVE_OK);
    assert_int_equal(status_of(world, 1).state, REPLICA_FOLLOWER);
    assert_int_equal(status_of(world, 1).leader_id, 0);
    answer_pre_vote(world, 1, false);
    world_close(world);
}

int main(void)
{
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_moves),
        cmocka_unit_test(test_nor_one_without_a_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
