/* A ballot that is being filled in: from words, from a file, or at the terminal. */
#ifndef CONCLAVE_BALLOT_DRAFT_H
#define CONCLAVE_BALLOT_DRAFT_H

#include <jansson.h>

#include "body.h"
#include "cli.h"

struct draft_answer {
    char question[LIMIT_ID_BYTES + 1];
    char choice[24]; /* "yes", "no", "abstain", digits; "" left out */
    char *why;       /* owned; NULL: none */
    bool veto;
    char review[8]; /* "approve", "object" or "" */
};

struct draft {
    const char *poll;
    struct draft_answer answers[LIMIT_QUESTIONS];
    size_t answer_count;
    char problem[256]; /* what is wrong, for people */
};

void draft_init(struct draft *draft, const char *poll);
void draft_close(struct draft *draft);

/* The answer to a question, added when it is not there; NULL with `problem` set for what is no id,
 * or when there are too many. */
struct draft_answer *draft_answer(struct draft *draft, struct slice question);

/* All return false with `problem` set. "QUESTION=ANSWER", "QUESTION=TEXT", "QUESTION=approve". */
bool draft_take_answer(struct draft *draft, const char *text) MUST_USE;
bool draft_take_why(struct draft *draft, const char *text) MUST_USE;
bool draft_take_veto(struct draft *draft, const char *text) MUST_USE;
bool draft_take_review(struct draft *draft, const char *text) MUST_USE;

/* {"answers": [{q, a?, why?, veto?, review?}]}: as ballot.cast has it, or as `ballot show --json`
 * prints it. */
bool draft_take_json(struct draft *draft, const json_t *ballot) MUST_USE;

bool draft_set_why(struct draft *draft, struct draft_answer *answer, const char *why) MUST_USE;

/* The body of ballot.cast; `claimed_ms` is the time that the voter's machine claims. */
void draft_write(const struct draft *draft, uint64_t claimed_ms, struct body *body);

#endif
