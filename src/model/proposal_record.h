/* The records of proposals, for the files of this folder that write them. */
#ifndef MODEL_PROPOSAL_RECORD_H
#define MODEL_PROPOSAL_RECORD_H

#include "model/proposal.h"

enum conclave_code proposal_decode(struct slice record, struct proposal *proposal) MUST_USE;

/* As proposal_load, with the slices in `copy`, so that they outlive puts. */
enum conclave_code proposal_load_copy(struct kv_transaction *transaction, struct slice id,
                                      struct buffer *copy, struct proposal *proposal) MUST_USE;

/* Writes the proposal, its place among the stages (`stage_was` 0: it is new) and its event. */
enum conclave_code proposal_save(struct model_context *context, const struct proposal *proposal,
                                 enum proposal_stage stage_was) MUST_USE;
enum conclave_code proposal_revision_save(struct model_context *context, uint32_t number,
                                          uint32_t revision, const struct proposal_revision *from)
    MUST_USE;

/* The table of legal transitions. */
bool proposal_may_move(enum proposal_stage from, enum proposal_stage to);

#endif
