/* A limit on how often something happens: a token bucket, kept as the time at which it will be full
 * again (the generic cell rate algorithm, ITU-T I.371, "virtual scheduling").
 *
 * A bucket of zeros is full. All times are microseconds of a clock that never goes back.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_SECOND_US UINT64_C(1000000)
/* Times are kept in 1024ths of a microsecond, so that a million a second is still exact enough. */
#define RATE_SHIFT 10u
#define RATE_MOST  1000000u

struct rate_limit {
    uint32_t per_second; /* tokens that come back in a second, at most RATE_MOST; 0: no limit */
    uint32_t burst;      /* tokens in a full bucket */
};

struct rate_bucket {
    uint64_t full_at; /* in 1024ths of a microsecond */
};

/* Takes `tokens`, also when there are not that many: who has just been told of a cost pays later.
 */
static inline void rate_charge(struct rate_bucket *bucket, const struct rate_limit *limit,
                               uint64_t now_us, uint32_t tokens)
{
    if (limit->per_second == 0) {
        return;
    }
    uint64_t now = now_us << RATE_SHIFT;
    uint64_t cost = (RATE_SECOND_US << RATE_SHIFT) / limit->per_second * tokens;
    bucket->full_at = (bucket->full_at > now ? bucket->full_at : now) + cost;
}

/* Gives tokens back that were taken before. */
static inline void rate_refund(struct rate_bucket *bucket, const struct rate_limit *limit,
                               uint32_t tokens)
{
    if (limit->per_second == 0) {
        return;
    }
    uint64_t cost = (RATE_SECOND_US << RATE_SHIFT) / limit->per_second * tokens;
    bucket->full_at -= bucket->full_at > cost ? cost : bucket->full_at;
}

/* How long until there is a token, in microseconds, rounded up; 0: there is one now. */
static inline uint64_t rate_wait_us(const struct rate_bucket *bucket,
                                    const struct rate_limit *limit, uint64_t now_us)
{
    if (limit->per_second == 0) {
        return 0;
    }
    uint64_t now = now_us << RATE_SHIFT;
    uint64_t one = (RATE_SECOND_US << RATE_SHIFT) / limit->per_second;
    uint64_t whole = one * limit->burst;
    uint64_t full_at = bucket->full_at > now ? bucket->full_at : now;
    if (full_at + one <= now + whole) {
        return 0;
    }
    uint64_t wait = full_at + one - now - whole;
    return (wait + (1u << RATE_SHIFT) - 1) >> RATE_SHIFT;
}

/* Takes at most what there is: afterwards the bucket is empty, but in no debt that it was not in
 * before. */
static inline void rate_charge_to_empty(struct rate_bucket *bucket, const struct rate_limit *limit,
                                        uint64_t now_us, uint32_t tokens)
{
    if (limit->per_second == 0) {
        return;
    }
    uint64_t empty_at = (now_us << RATE_SHIFT) +
                        (RATE_SECOND_US << RATE_SHIFT) / limit->per_second * limit->burst;
    uint64_t most = bucket->full_at > empty_at ? bucket->full_at : empty_at;
    rate_charge(bucket, limit, now_us, tokens);
    bucket->full_at = bucket->full_at < most ? bucket->full_at : most;
}

/* Does it owe more than it has? */
static inline bool rate_owes(const struct rate_bucket *bucket, const struct rate_limit *limit,
                             uint64_t now_us)
{
    return limit->per_second > 0 &&
           bucket->full_at > (now_us << RATE_SHIFT) +
                                 (RATE_SECOND_US << RATE_SHIFT) / limit->per_second * limit->burst;
}

/* Takes one token if there is one. */
static inline bool rate_take(struct rate_bucket *bucket, const struct rate_limit *limit,
                             uint64_t now_us)
{
    if (rate_wait_us(bucket, limit, now_us) > 0) {
        return false;
    }
    rate_charge(bucket, limit, now_us, 1);
    return true;
}

#endif
