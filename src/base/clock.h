/* Time and chance come from outside, so that a simulator can own them. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* A clock. `context` is handed back to the functions. */
struct clock {
    void *context;
    uint64_t (*monotonic_ms)(void *context); /* never goes back; for timers */
    uint64_t (*wall_ms)(void *context);      /* milliseconds since 1970 UTC; may jump */
    uint64_t (*monotonic_us)(void *context); /* for measuring only; NULL: 1000 to a millisecond */
};

/* A source of random 64-bit numbers (not for keys: those are libsodium's). */
struct random {
    void *context;
    uint64_t (*next)(void *context);
};

static inline uint64_t clock_monotonic_ms(const struct clock *clock)
{
    return clock->monotonic_ms(clock->context);
}

static inline uint64_t clock_wall_ms(const struct clock *clock)
{
    return clock->wall_ms(clock->context);
}

static inline uint64_t clock_monotonic_us(const struct clock *clock)
{
    return clock->monotonic_us != NULL ? clock->monotonic_us(clock->context)
                                       : 1000u * clock->monotonic_ms(clock->context);
}

static inline uint64_t random_next(const struct random *random)
{
    return random->next(random->context);
}

/* The machine's own clock and random numbers (the daemon and the command line use these). */
extern const struct clock clock_system;
extern const struct random random_system;

#endif
