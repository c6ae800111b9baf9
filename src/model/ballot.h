/* Ballots: one small record a voter (what was answered, packed in four bytes a question, and where
 * in the log the bytes are).
 */
#ifndef MODEL_BALLOT_H
#define MODEL_BALLOT_H

#include "model/poll.h"

struct ballot {
    uint64_t index; /* where in the log it is */
    uint32_t position;
    uint64_t time_ms;
    uint32_t number; /* nth ballot of this member in this poll, from 1 */
    bool has_claimed;
    uint64_t claimed_at_ms; /* what the voter's clock said; a claim, never used */
    uint32_t answer_count;  /* the poll's questions */
    struct tally_answer answers[LIMIT_QUESTIONS];
};

/* Is the question answered or reviewed? */
static inline bool ballot_answers(const struct tally_answer *answer)
{
    return answer->choice != TALLY_NONE || answer->review != TALLY_REVIEW_NONE;
}

/* The valid ballot of a member in a poll (by number), or NOT_FOUND. */
enum conclave_code ballot_load(struct kv_transaction *transaction, uint32_t poll, uint32_t member,
                               struct ballot *ballot) MUST_USE;
enum conclave_code ballot_decode(struct slice record, struct ballot *ballot) MUST_USE;
enum conclave_code ballot_save(struct model_context *context, uint32_t poll, uint32_t member,
                               const struct ballot *ballot) MUST_USE;

/* ballot.cast */
enum conclave_code ballot_apply_cast(struct model_context *context, const struct command *command)
    MUST_USE;

#endif
