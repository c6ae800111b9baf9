/* Requests made and signed before the clock starts, in one arena.
 *
 * A request's msgid is its place in the set, so an answer says which request it is for.
 */
#ifndef BENCH_REQUESTS_H
#define BENCH_REQUESTS_H

#include <stdint.h>

#include "auth/auth.h"
#include "base/buffer.h"

struct request_set {
    struct buffer bytes;
    size_t *offsets; /* count + 1 */
    uint32_t count;
    uint32_t capacity;
};

#define REQUESTS_MAX     4000000u
#define VOTER_ID_BYTES   16u
#define REQUESTS_SIGNERS 8u /* the most threads that sign */

/* Who casts the ballots: their keys come from their numbers, so that another run finds them. */
struct voters {
    struct auth_key *keys;
    uint32_t count;
};

/* Exits the process when there is no memory: a load generator has nothing else to do then. */
void voters_open(struct voters *voters, uint32_t count);
void voters_close(struct voters *voters);
void voter_id(uint32_t number, char id[VOTER_ID_BYTES]);

void requests_close(struct request_set *set);
static inline struct slice requests_get(const struct request_set *set, uint32_t at)
{
    return slice_of(set->bytes.data + set->offsets[at], set->offsets[at + 1] - set->offsets[at]);
}

/* member.admit for the voters `first` up to the last, signed by the chair. */
void requests_make_admits(struct request_set *set, const uint8_t cluster[16], const char *chair,
                          const struct auth_key *chair_key, const struct voters *voters,
                          uint32_t first);

/* What ballots are for: one poll after the other, and in each of them one voter after the other (a
 * second round of them is revotes); each answers questions "q1" to "q<questions>". Of a hundred
 * requests `reads_percent` are linearizable member.get instead. */
#define CLUSTER_POLLS_MAX  1000u
#define CLUSTER_POLL_BYTES 65u
struct ballot_plan {
    const uint8_t *cluster; /* its id, 16 bytes */
    const char (*polls)[CLUSTER_POLL_BYTES];
    unsigned poll_count;
    unsigned questions;
    unsigned reads_percent;
    const struct voters *voters;
};

/* `count` requests by the plan. Signed by `threads` threads. */
void requests_make_ballots(struct request_set *set, const struct ballot_plan *plan, uint32_t count,
                           unsigned threads);

/* `count` linearizable member.get, of one voter after the other. */
void requests_make_reads(struct request_set *set, const struct voters *voters, uint32_t count);

#endif
