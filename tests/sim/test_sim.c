/* The simulator over the seeds of every build, and what a seed must be: the same run, always.
 * CONCLAVE_SIM_SEEDS says how many seeds of three and of five nodes each (default 60). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/logger.h"
#include "sim/sim.h"

#define SEEDS 60u

static void run_seeds(unsigned node_count)
{
    const char *text = getenv("CONCLAVE_SIM_SEEDS");
    uint64_t seeds = text == NULL ? SEEDS : strtoull(text, NULL, 10);
    struct sim_report sum = {.counts = {0}};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        const struct sim_options options = {.seed = seed, .node_count = node_count};
        struct sim_result result;
        sim_run(&options, &result);
        if (!result.passed) {
            fail_msg("%s; replay: conclave-sim --seed %llu --nodes %u --verbose", result.broken,
                     (unsigned long long)seed, node_count);
        }
        sim_report_add(&sum, &result.report);
    }
    /* A simulator in which nothing happens passes too. */
    assert_true(sum.counts[SIM_ballots_accepted] > 50 * seeds);
    assert_true(sum.counts[SIM_reads_checked] > 20 * seeds);
    assert_true(sum.counts[SIM_crash] > seeds);
    assert_true(sum.counts[SIM_leader_changed] > seeds);
    print_message("%llu seeds: %llu ballots, %llu crashes, %llu leaders\n",
                  (unsigned long long)seeds, (unsigned long long)sum.counts[SIM_ballots_accepted],
                  (unsigned long long)sum.counts[SIM_crash],
                  (unsigned long long)sum.counts[SIM_leader_changed]);
}

static void test_three_nodes(void **state)
{
    (void)state;
    run_seeds(3);
}

static void test_five_nodes(void **state)
{
    (void)state;
    run_seeds(5);
}

/* The same in this process, and the same as ever other build of this commit: the second seed is
 * run between, so that nothing of it may stay behind. */
static void test_a_seed_is_a_run(void **state)
{
    (void)state;
    struct sim_result first[4];
    struct sim_result again[4];
    for (unsigned i = 0; i < 4; i++) {
        const struct sim_options options = {.seed = 70 + i};
        sim_run(&options, &first[i]);
    }
    for (unsigned i = 4; i > 0; i--) {
        const struct sim_options options = {.seed = 70 + i - 1};
        sim_run(&options, &again[i - 1]);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_true(first[i].trace == again[i].trace);
        assert_true(first[i].step == again[i].step);
        assert_true(i == 0 || first[i].trace != first[i - 1].trace);
    }
}

static void test_until_stops_there(void **state)
{
    (void)state;
    const struct sim_options options = {.seed = 3, .until_step = 1000};
    struct sim_result result;
    sim_run(&options, &result);
    assert_true(result.stopped);
    assert_int_equal(result.step, 1000);
}

int main(void)
{
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_is_a_run),
        cmocka_unit_test(test_until_stops_there),
        cmocka_unit_test(test_three_nodes),
        cmocka_unit_test(test_five_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
