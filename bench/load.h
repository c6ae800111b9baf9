/* The load itself: a closed or an open loop over many connections.
 *
 * Closed: each connection keeps `pipeline` requests under way and sends the next one when an answer
 * comes. Open: requests are due at even times, `rate` of them a second, whatever is answered; each
 * leaves on the next connection that has less than `pipeline` under way, and its latency counts
 * from when it was due, so that a server that stalls is not spared what it kept waiting
 * (coordinated omission). A request that is refused for a passing reason (busy, no leader, ...), or
 * whose connection breaks, is sent again, byte for byte, until it is answered; its latency counts
 * from the first sending. Connections go to the endpoints in turn; one that breaks goes on to the
 * next endpoint.
 *
 * It ends when the time is over, when all requests were answered, or when nothing was answered for
 * LOAD_STALL_MS: never later than that.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stdint.h>

#include "latency.h"
#include "requests.h"

#define LOAD_CONNECTIONS_MAX 5000u
#define LOAD_PIPELINE_MAX    256u
#define LOAD_THREADS_MAX     16u
#define LOAD_STALL_MS        15000u

struct load_config {
    const char *const *endpoints; /* "127.0.0.1:7201" */
    unsigned endpoint_count;
    unsigned connections;
    unsigned pipeline;
    unsigned rate; /* requests a second; 0: a closed loop */
    unsigned threads;
    const struct request_set *requests;
    bool repeat;         /* begin again when all were sent (reads) */
    uint64_t warm_ms;    /* answers of this time are not counted */
    uint64_t measure_ms; /* 0: until all requests are answered */
};

struct load_result {
    struct latency latency;   /* of the accepted ones, in the measured time */
    uint64_t measured_us;     /* how long that was */
    uint64_t accepted;        /* in the measured time */
    uint64_t refused;         /* decided, or answered, with another code than ok; all the time */
    uint64_t resent;          /* sent again after a passing refusal or a lost connection */
    uint64_t busy;            /* passing refusals with the code busy */
    uint64_t connection_lost; /* connections that broke */
    uint64_t longest_gap_us;  /* between two answers, in the measured time */
    bool stalled;             /* nothing was answered for LOAD_STALL_MS */
    char refusal[160];        /* the first refusal */
    char failure[160];        /* why it could not run; "" if it did */
};

/* Runs it. `started`, if given, is called when the measured time begins and `ended` when it is
 * over, both on some thread of the load. */
void load_run(const struct load_config *config, struct load_result *result,
              void (*started)(void *context), void (*ended)(void *context), void *context);

uint64_t load_now_us(void);

#endif
