/* The machine's clock and random numbers. */
#include "base/clock.h"

#include <stddef.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

static uint64_t read_clock_ms(clockid_t id)
{
    struct timespec now;
    int rv = clock_gettime(id, &now);
    ASSERT(rv == 0);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static uint64_t system_monotonic_ms(void *context)
{
    (void)context;
    return read_clock_ms(CLOCK_MONOTONIC);
}

static uint64_t system_wall_ms(void *context)
{
    (void)context;
    return read_clock_ms(CLOCK_REALTIME);
}

static uint64_t system_monotonic_us(void *context)
{
    (void)context;
    struct timespec now;
    int rv = clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(rv == 0);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint64_t system_random_next(void *context)
{
    (void)context;
    uint64_t value;
    ssize_t got = getrandom(&value, sizeof value, 0); /* up to 256 bytes are never cut short */
    ASSERT(got == (ssize_t)sizeof value);
    return value;
}

const struct clock clock_system = {NULL, system_monotonic_ms, system_wall_ms, system_monotonic_us};
const struct random random_system = {NULL, system_random_next};
