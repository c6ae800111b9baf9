/* A second count of what a run of the state machine decided, from the commands alone.
 *
 * The rules here were written from docs/SEMANTICS.md and share no code with the model or the tally.
 */
#ifndef TESTS_UNIT_SUPPORT_MODEL_RECOUNT_H
#define TESTS_UNIT_SUPPORT_MODEL_RECOUNT_H

#include "unit/support/model_fixture.h"

#define RECOUNT_MEMBERS   12
#define RECOUNT_POLLS     40
#define RECOUNT_QUESTIONS 3
#define RECOUNT_RULES     8

/* The policies r0, r1, ... of the run, as policy maps in JSON. */
extern const char *const recount_rules[RECOUNT_RULES];

/* A command that was sent: members m0, m1, ... vote in polls p0, p1, ... on questions q0, q1, ...
 */
struct recount_sent {
    uint64_t time_ms; /* log time when it was decided */
    char author[16];
    char kind[16];
    json_t *body;
    char code[32]; /* of the reply */
    struct buffer bytes;
};

/* Counts, and fails the test where a reply, a figure or an outcome is another. `sent_again`: copies
 * that were decided anew. */
void recount(struct model_fixture *fixture, const struct recount_sent *sent, size_t sent_count,
             size_t sent_again);

#endif
