/* Decisions: the outcome of one question with its figures, and what supersedes what. A decision
 * never changes. */
#ifndef MODEL_DECISION_H
#define MODEL_DECISION_H

#include "model/poll.h"

/* As its record has it. The slices are the store's. */
struct decision {
    uint32_t poll;     /* number */
    uint32_t question; /* place in the poll */
    uint64_t index;
    uint64_t time_ms;
    struct tally_verdict verdict;
    struct slice text; /* the arithmetic */
};

/* "poll/question" split at its slash. False when it is not two ids. */
bool decision_id_split(struct slice id, struct slice *poll, struct slice *question);

/* NOT_FOUND when the question is not decided. */
enum conclave_code decision_load(struct kv_transaction *transaction, struct slice poll,
                                 struct slice question, struct decision *decision) MUST_USE;
enum conclave_code decision_decode(struct slice record, struct decision *decision) MUST_USE;

/* The verdict of an open poll's question as things stand. */
void decision_verdict_now(const struct poll *poll, uint32_t question,
                          struct tally_verdict *verdict);

/* Closes the poll at hand, decides every question, and tells watchers. `decisions` gets the packed
 * array of [question id, outcome]. `reason` is that of a cancellation (BY_CANCEL), empty otherwise.
 */
enum conclave_code decision_close(struct model_context *context, struct poll *poll,
                                  enum poll_closed_by by, struct slice reason,
                                  struct buffer *decisions) MUST_USE;

/* A poll opens with a question that supersedes a decision: may it? Then: note it. The link shows
 * when the new question is decided. */
enum conclave_code decision_check_superseded(struct model_context *context, struct slice id)
    MUST_USE;
enum conclave_code decision_note_superseding(struct model_context *context, struct slice id,
                                             struct slice by_poll, struct slice by_question)
    MUST_USE;

/* What supersedes this decision ("poll/question"): NOT_FOUND when nothing does (yet). The slice is
 * the store's. */
enum conclave_code decision_superseded_by(struct kv_transaction *transaction, struct slice poll,
                                          struct slice question, struct slice *by) MUST_USE;

#endif
