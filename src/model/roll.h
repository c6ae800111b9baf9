/* The roll of a poll: who may vote, with which weight, classes and expertise, frozen when the poll
 * opens.
 *
 * An array by member number, in chunks of ROLL_CHUNK_VOTERS a value, keyed by the first member
 * number in the chunk: one seek backwards finds anybody's chunk. A voter takes 13 bytes and a bit
 * for each distinct veto class and expert domain of the poll.
 */
#ifndef MODEL_ROLL_H
#define MODEL_ROLL_H

#include "model/poll.h"

#define ROLL_CHUNK_VOTERS 256u

struct roll_voter {
    uint32_t member;
    uint32_t weight;
    uint32_t class_set;   /* labels.h */
    bool elector;         /* of the electorate; else an expert only */
    uint64_t veto_mask;   /* bit i: an elector of poll.veto_classes[i] */
    uint64_t expert_mask; /* bit i: an expert of poll.domains[i] */
};

/* Would anybody be of the electorate? */
enum conclave_code roll_has_elector(struct kv_transaction *transaction,
                                    const struct labels *electorate, bool *has) MUST_USE;

/* Writes the roll of a poll from the members as they are, and its sums into `poll`. The poll's
 * slices must not be the store's. */
enum conclave_code roll_freeze(struct model_context *context, struct poll *poll) MUST_USE;

/* The voter with this member number, or NOT_FOUND. */
enum conclave_code roll_find(struct kv_transaction *transaction, uint32_t poll, uint32_t member,
                             struct roll_voter *voter) MUST_USE;

/* The first voter with a member number above `after`, or NOT_FOUND. */
enum conclave_code roll_next(struct kv_transaction *transaction, uint32_t poll, uint32_t after,
                             struct roll_voter *voter) MUST_USE;

#endif
