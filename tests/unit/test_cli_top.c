/* Rates and latencies between two looks of `conclave top`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/conclave/top.h"

/* Bounds of 1 ms, 5 ms and the rest. */
static struct top_counts counts(uint64_t at_ms, uint64_t ballots, uint64_t in_1, uint64_t in_5,
                                uint64_t all)
{
    return (struct top_counts){.known = true,
                               .at_ms = at_ms,
                               .ballots = ballots,
                               .commands = 2 * ballots,
                               .bound_count = 3,
                               .bounds_us = {1000, 5000, UINT64_MAX},
                               .at_most = {in_1, in_5, all},
                               .uptime_ms = at_ms};
}

static void test_rates(void **state)
{
    (void)state;
    struct top_counts before = counts(1000, 100, 10, 20, 20);
    struct top_counts after = counts(3000, 125, 60, 119, 120);
    struct top_rates rates = top_rates_of(&before, &after);
    assert_true(rates.known && rates.latency_known);
    assert_int_equal(rates.ballots_x10, 125); /* 25 in 2 s */
    assert_int_equal(rates.commands_x10, 250);
    assert_int_equal(rates.p50_us, 1000); /* 50 of 100 within 1 ms */
    assert_int_equal(rates.p99_us, 5000); /* 99 of 100 within 5 ms */
    after = counts(3000, 125, 59, 118, 120);
    rates = top_rates_of(&before, &after);
    assert_int_equal(rates.p50_us, 5000);       /* 49 of 100 are not half */
    assert_int_equal(rates.p99_us, UINT64_MAX); /* 98 of 100: beyond the last bound */
}

static void test_unknown(void **state)
{
    (void)state;
    struct top_counts before = counts(1000, 100, 10, 20, 20);
    struct top_counts after = counts(2000, 100, 10, 20, 20);
    struct top_rates rates = top_rates_of(&before, &after);
    assert_true(rates.known);
    assert_int_equal(rates.ballots_x10, 0);
    assert_false(rates.latency_known); /* nothing was answered */

    after = counts(2000, 90, 30, 40, 40); /* asked of a node that lags */
    assert_false(top_rates_of(&before, &after).known);

    after = counts(2000, 110, 30, 40, 40);
    after.uptime_ms = 500; /* a node began anew: its counts did too */
    rates = top_rates_of(&before, &after);
    assert_true(rates.known);
    assert_false(rates.latency_known);

    before.known = false; /* the first look */
    assert_false(top_rates_of(&before, &after).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates),
                                       cmocka_unit_test(test_unknown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
