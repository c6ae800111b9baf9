/* The histogram of latencies. */
#include "latency.h"

#include "base/assert.h"

#define SUB_COUNT (UINT64_C(1) << LATENCY_SUB_BITS)

static uint64_t bucket_of(uint64_t value)
{
    if (value < SUB_COUNT) {
        return value;
    }
    unsigned exponent = 63u - (unsigned)__builtin_clzll(value); /* at least LATENCY_SUB_BITS */
    unsigned shift = exponent - LATENCY_SUB_BITS;
    return ((uint64_t)(shift + 1) << LATENCY_SUB_BITS) + (value >> shift) - SUB_COUNT;
}

/* The largest value that falls into a bucket. */
static uint64_t bucket_end(uint64_t bucket)
{
    if (bucket < SUB_COUNT) {
        return bucket;
    }
    unsigned shift = (unsigned)(bucket >> LATENCY_SUB_BITS) - 1;
    uint64_t sub = (bucket & (SUB_COUNT - 1)) + SUB_COUNT;
    return ((sub + 1) << shift) - 1;
}

void latency_add(struct latency *latency, uint64_t value_us)
{
    uint64_t bucket = bucket_of(value_us);
    ASSERT(bucket < LATENCY_BUCKETS);
    latency->buckets[bucket]++;
    latency->count++;
    if (value_us > latency->max_us) {
        latency->max_us = value_us;
    }
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        into->buckets[i] += from->buckets[i];
    }
    into->count += from->count;
    if (from->max_us > into->max_us) {
        into->max_us = from->max_us;
    }
}

uint64_t latency_quantile_us(const struct latency *latency, uint64_t numerator,
                             uint64_t denominator)
{
    ASSERT(denominator > 0 && numerator <= denominator);
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen > 0 && seen * denominator >= latency->count * numerator) {
            uint64_t end = bucket_end(i);
            return end < latency->max_us ? end : latency->max_us;
        }
    }
    return 0;
}
