/* Filling in a ballot at the terminal, question by question. */
#ifndef CONCLAVE_VOTE_ASK_H
#define CONCLAVE_VOTE_ASK_H

#include <stdio.h>

#include "ballot_draft.h"

enum vote_ask_result {
    VOTE_ASK_SEND,
    VOTE_ASK_STOP,  /* end of input, or the voter said no: nothing is to be sent */
    VOTE_ASK_FAILED /* `draft->problem` says why */
};

/* Asks about every question of `poll` (poll.get as JSON) that has no answer yet, then shows a
 * summary and asks for confirmation (not when `confirmed`). `voter` (an item of poll.roll as
 * JSON) tells whether the voter may answer, veto or review. Reads lines from `input`; keeps no
 * state outside of `draft`, so an interrupt at any prompt leaves nothing behind. */
enum vote_ask_result vote_ask(const struct output *output, FILE *input, const json_t *poll,
                              const json_t *voter, bool confirmed, struct draft *draft);

#endif
