/* See the header. */
#include "base/metric.h"

#include <stdatomic.h>
#include <stddef.h>

const struct metric_scale metric_scale_us = {.bound_count = 16,
                                             .bounds = {50, 100, 250, 500, 1000, 2500, 5000, 10000,
                                                        25000, 50000, 100000, 250000, 500000,
                                                        1000000, 2500000, 10000000}};

const struct metric_scale metric_scale_count = {
    .bound_count = 13, .bounds = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096}};

void metric_add(struct metric_counter *counter, uint64_t count)
{
    (void)atomic_fetch_add_explicit(&counter->value, count, memory_order_relaxed);
}

uint64_t metric_value(const struct metric_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void metric_histogram_init(struct metric_histogram *histogram, const struct metric_scale *scale)
{
    ASSERT(histogram != NULL && scale != NULL);
    ASSERT(scale->bound_count > 0 && scale->bound_count < METRIC_BUCKETS_MAX);
    *histogram = (struct metric_histogram){.scale = scale};
}

void metric_observe(struct metric_histogram *histogram, uint64_t value)
{
    ASSERT(histogram->scale != NULL);
    unsigned bucket = 0;
    while (bucket < histogram->scale->bound_count && value > histogram->scale->bounds[bucket]) {
        bucket++;
    }
    metric_add(&histogram->buckets[bucket], 1);
    metric_add(&histogram->sum, value);
}

void metric_read(const struct metric_histogram *histogram, struct metric_reading *reading)
{
    ASSERT(histogram != NULL && histogram->scale != NULL && reading != NULL);
    *reading = (struct metric_reading){.sum = metric_value(&histogram->sum)};
    for (unsigned i = 0; i <= histogram->scale->bound_count; i++) {
        reading->count += metric_value(&histogram->buckets[i]);
        reading->at_most[i] = reading->count;
    }
}
