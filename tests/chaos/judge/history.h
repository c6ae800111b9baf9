/* What clients saw, as far as the judge uses it: ballots cast, ballots and tallies read, weights.
 * Log indexes and nonces are not looked at: the first checker goes by them. */
#ifndef CHAOS_HISTORY_H
#define CHAOS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum history_answer {
    HISTORY_YES,
    HISTORY_NO,
    HISTORY_ABSTAIN,
    HISTORY_ANSWERS
};

/* On the ballot of one member in one poll. */
struct history_operation {
    const char *poll;
    const char *member;
    bool write;
    bool pending;      /* of a write: nobody knows whether, or when, it took effect */
    int64_t invoked;   /* microseconds */
    int64_t returned;  /* INT64_MAX when pending */
    const char *value; /* the ballot's own text, no two the same; NULL: a read that found none */
    enum history_answer answer;
    int64_t number; /* what the node called it: the member's n-th ballot there; 0 when pending */
};

struct history_tally {
    const char *poll;
    int64_t invoked, returned; /* INT64_MAX both: at the end */
    int64_t heads[HISTORY_ANSWERS], weight[HISTORY_ANSWERS];
    int64_t ballots;
    const char *where; /* who read it */
};

struct history_weight {
    const char *member;
    int64_t weight;
};

struct history {
    struct history_operation *operations; /* by poll, member, time of invocation */
    size_t operation_count;
    struct history_tally *tallies;
    size_t tally_count;
    struct history_weight *weights; /* by member */
    size_t weight_count;
};

/* Prints what is wrong with a file and returns false. */
bool history_read(struct history *history, const char *history_path, const char *finals_path);

/* 1 for a member of whom nothing is said, as the protocol has it. */
int64_t history_weight_of(const struct history *history, const char *member);

#endif
