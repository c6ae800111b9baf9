/* Proposals: documents with revisions, and the stages they go through. Bodies stand in the log
 * only. */
#ifndef MODEL_PROPOSAL_H
#define MODEL_PROPOSAL_H

#include "model/context.h"
#include "tally/tally.h"

#define PROPOSAL_SHA256_BYTES 32u

enum proposal_stage {
    PROPOSAL_SUBMITTED = 1,
    PROPOSAL_VOTING,
    PROPOSAL_ACCEPTED,
    PROPOSAL_REJECTED,
    PROPOSAL_REVISION,
    PROPOSAL_WITHDRAWN
};

struct proposal {
    uint32_t number;
    struct slice id;
    struct slice author;
    struct slice title;
    struct slice category;
    enum proposal_stage stage;
    enum proposal_stage
        stage_before;  /* VOTING only: where it goes back to when nothing is decided */
    uint32_t revision; /* the newest, from 1 */
    uint8_t sha256[PROPOSAL_SHA256_BYTES]; /* of the newest body */
    uint64_t index;                        /* of its submission */
    uint64_t time_ms;
    struct slice poll; /* the latest it was put in; empty when none */
};

/* One revision. */
struct proposal_revision {
    struct slice title;
    struct slice category;
    struct slice author; /* who revised */
    uint8_t sha256[PROPOSAL_SHA256_BYTES];
    uint64_t index;
    uint64_t time_ms;
    uint64_t body_index;    /* the command in the log that has the body: a revision without a new */
    uint32_t body_position; /* body keeps the earlier one's */
};

const char *proposal_stage_name(enum proposal_stage stage);

/* The stage with this name, or 0. */
int proposal_stage_from_name(struct slice name);

/* NOT_FOUND. The slices are the store's. */
enum conclave_code proposal_load(struct kv_transaction *transaction, struct slice id,
                                 struct proposal *proposal) MUST_USE;
enum conclave_code proposal_revision_load(struct kv_transaction *transaction, uint32_t number,
                                          uint32_t revision, struct proposal_revision *out)
    MUST_USE;

/* May a poll put this to the vote? Submitted or in revision; or decided, when the poll supersedes
 * that decision. */
bool proposal_may_be_put(const struct proposal *proposal, bool supersedes);

/* A poll opened with it, or decided it (the outcome moves it on). The poll's slice must not be the
 * store's. */
enum conclave_code proposal_put_to_vote(struct model_context *context, struct slice id,
                                        struct slice poll) MUST_USE;
enum conclave_code proposal_decided(struct model_context *context, struct slice id,
                                    enum tally_outcome outcome) MUST_USE;

/* proposal.submit, proposal.revise, proposal.withdraw */
enum conclave_code proposal_apply_submit(struct model_context *context,
                                         const struct command *command) MUST_USE;
enum conclave_code proposal_apply_revise(struct model_context *context,
                                         const struct command *command) MUST_USE;
enum conclave_code proposal_apply_withdraw(struct model_context *context,
                                           const struct command *command) MUST_USE;

#endif
