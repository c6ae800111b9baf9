/* Instruments: counters and histograms that any thread may update and any other may read.
 *
 * An update is one or two relaxed additions: no lock, no memory, no call into the system. A reader
 * may see a histogram between two of its additions; each number is right, and the next look has
 * all.
 *
 * A histogram has fixed buckets (a scale), so that readings of several nodes and times can be added
 * up and subtracted; names and text are the business of who shows them.
 */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdint.h>

#include "base/assert.h"

struct metric_counter {
    _Atomic uint64_t value;
};

void metric_add(struct metric_counter *counter, uint64_t count);
uint64_t metric_value(const struct metric_counter *counter);

/* A scale: the greatest value of each bucket but the last, which takes the rest. */
#define METRIC_BUCKETS_MAX 20u
struct metric_scale {
    unsigned bound_count; /* less than METRIC_BUCKETS_MAX */
    uint64_t bounds[METRIC_BUCKETS_MAX];
};

/* Microseconds, 50 us to 10 s; and counts of things, 1 to 4096. */
extern const struct metric_scale metric_scale_us;
extern const struct metric_scale metric_scale_count;

struct metric_histogram {
    const struct metric_scale *scale;
    struct metric_counter buckets[METRIC_BUCKETS_MAX]; /* each its own values only */
    struct metric_counter sum;
};

void metric_histogram_init(struct metric_histogram *histogram, const struct metric_scale *scale);
void metric_observe(struct metric_histogram *histogram, uint64_t value);

/* A reading: how many values are at most the i-th bound, for each i; the last is all of them. */
struct metric_reading {
    uint64_t at_most[METRIC_BUCKETS_MAX]; /* scale->bound_count + 1 of them */
    uint64_t count;
    uint64_t sum;
};
void metric_read(const struct metric_histogram *histogram, struct metric_reading *reading);

#endif
