/* Counters and histograms: where a value goes, and that no addition of several threads is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/metric.h"

static const struct metric_scale scale = {.bound_count = 3, .bounds = {10, 20, 50}};

static void test_buckets(void **state)
{
    (void)state;
    struct metric_histogram histogram;
    struct metric_reading reading;
    metric_histogram_init(&histogram, &scale);
    metric_read(&histogram, &reading);
    assert_int_equal(reading.count, 0);
    /* A bound is in its own bucket: `le`, less or equal. */
    static const uint64_t values[] = {0, 10, 11, 20, 50, 51, UINT32_MAX};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        metric_observe(&histogram, values[i]);
    }
    metric_read(&histogram, &reading);
    assert_int_equal(reading.at_most[0], 2);
    assert_int_equal(reading.at_most[1], 4);
    assert_int_equal(reading.at_most[2], 5);
    assert_int_equal(reading.at_most[3], 7);
    assert_int_equal(reading.count, 7);
    assert_int_equal(reading.sum, UINT64_C(142) + UINT32_MAX);
}

static void test_scales_rise(void **state)
{
    (void)state;
    static const struct metric_scale *const scales[] = {&metric_scale_us, &metric_scale_count};
    for (size_t i = 0; i < 2; i++) {
        assert_true(scales[i]->bound_count < METRIC_BUCKETS_MAX);
        for (unsigned j = 1; j < scales[i]->bound_count; j++) {
            assert_true(scales[i]->bounds[j] > scales[i]->bounds[j - 1]);
        }
    }
}

#define THREADS 4
#define TIMES   100000u

struct shared {
    struct metric_counter counter;
    struct metric_histogram histogram;
};

static void *count(void *argument)
{
    struct shared *shared = argument;
    for (unsigned i = 0; i < TIMES; i++) {
        metric_add(&shared->counter, 2);
        metric_observe(&shared->histogram, i % 60);
    }
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    struct shared shared = {0};
    pthread_t threads[THREADS];
    metric_histogram_init(&shared.histogram, &scale);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count, &shared), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    struct metric_reading reading;
    metric_read(&shared.histogram, &reading);
    assert_int_equal(metric_value(&shared.counter), 2 * THREADS * TIMES);
    assert_int_equal(reading.count, THREADS * TIMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_scales_rise),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
