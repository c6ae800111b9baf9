/* Are a ballot's answers what the questions and the voter allow? */
#ifndef MODEL_BALLOT_CHECK_H
#define MODEL_BALLOT_CHECK_H

#include "model/ballot.h"
#include "model/roll.h"

/* Fills ballot->answers from the `answers` array of a body. Every refusal of ballots that concerns
 * an answer. */
enum conclave_code ballot_check_answers(struct model_context *context, const struct poll *poll,
                                        const struct roll_voter *voter,
                                        const msgpack_object *answers, struct ballot *ballot)
    MUST_USE;

#endif
