/* Latencies in a histogram of bounded size: buckets of 1/64 of a power of two, so that a quantile
 * is at most 1.6 % too high. One writer at a time; histograms of threads are added up at the end.
 */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS 6u
#define LATENCY_BUCKETS  ((64u - LATENCY_SUB_BITS) << LATENCY_SUB_BITS)

struct latency {
    uint64_t count;
    uint64_t max_us;
    uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t value_us);
void latency_merge(struct latency *into, const struct latency *from);

/* The least upper bound of a bucket that `numerator/denominator` of all values do not pass; 0 when
 * there are no values. */
uint64_t latency_quantile_us(const struct latency *latency, uint64_t numerator,
                             uint64_t denominator);

#endif
