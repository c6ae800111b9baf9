/* A leader without memory for the entries of a message: it packed nothing, and asserted that there
 * was something, instead of stopping as it does for want of memory elsewhere. Found by
 * conclave-sim, seed 3565. Here every allocation fails once, from the first event to the first
 * commit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/logger.h"
#include "base/memory.h"
#include "support/world.h"

static uint64_t committed(struct world *world)
{
    uint64_t highest = 0;
    for (unsigned id = 1; id <= 3; id++) {
        struct replica_status status;
        replica_status(world->nodes[id].replica, &status);
        highest = status.applied_index > highest ? status.applied_index : highest;
    }
    return highest;
}

/* Whether the n-th allocation was reached; *stopped: it stopped a node. */
static bool fail_allocation(uint64_t n, bool *stopped)
{
    const struct world_config config = {.seed = 3565, .node_count = 3};
    struct world *world = world_open(&config);
    world_start_all(world);
    memory_fault_arm(n);
    while (world->now_ms < 10000 && world->broken[0] == 0 && committed(world) < 3) {
        (void)world_step(world);
    }
    bool hit = memory_fault_hit() != 0;
    memory_fault_arm(0);
    for (unsigned id = 1; id <= 3; id++) {
        enum conclave_code failure = world->nodes[id].failure;
        assert_true(failure == CONCLAVE_OK || failure == CONCLAVE_NO_MEMORY);
        *stopped = *stopped || failure != CONCLAVE_OK;
    }
    assert_string_equal(world->broken, "");
    assert_true(committed(world) >= 3); /* by the other two, if need be */
    world_close(world);
    return hit;
}

static void test_every_allocation(void **state)
{
    (void)state;
    uint64_t n = 1;
    bool stopped = false;
    while (fail_allocation(n, &stopped)) {
        n++;
    }
    assert_true(stopped);
    print_message("%llu allocations failed in turn\n", (unsigned long long)n - 1);
}

int main(void)
{
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
