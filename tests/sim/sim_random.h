/* Chance for the simulator: splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
 * generators", 2014). One stream for each purpose, so that a change in one leaves the others alone.
 */
#ifndef TESTS_SIM_RANDOM_H
#define TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
    uint64_t z = random->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* 0 to bound - 1. */
static inline uint64_t sim_random_below(struct sim_random *random, uint64_t bound)
{
    ASSERT(bound > 0);
    return sim_random_next(random) % bound;
}

/* low to high, both inclusive. */
static inline uint64_t sim_random_between(struct sim_random *random, uint64_t low, uint64_t high)
{
    return high <= low ? low : low + sim_random_below(random, high - low + 1);
}

static inline bool sim_random_happens(struct sim_random *random, uint64_t of_10000)
{
    return of_10000 > 0 && sim_random_below(random, 10000) < of_10000;
}

/* 0 half of the time, else up to `most`: how probabilities are drawn for a run. */
static inline unsigned sim_random_rate(struct sim_random *random, unsigned most)
{
    uint64_t rate = sim_random_below(random, most + 1u);
    return sim_random_below(random, 2) == 0 ? 0 : (unsigned)rate;
}

#endif
