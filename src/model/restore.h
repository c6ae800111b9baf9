/* cluster.restore: the record of a former cluster goes on as that of a new one. It is the entry
 * after the last one of a backup, in which everything before stands as it was; nobody can submit
 * it. */
#ifndef MODEL_RESTORE_H
#define MODEL_RESTORE_H

#include "auth/genesis.h"
#include "model/context.h"

/* How this cluster began, when it was not with a genesis. */
struct restore_record {
    uint64_t index; /* of the last cluster.restore */
    uint32_t count;
    uint8_t clusters[GENESIS_FORMER_MAX][ENVELOPE_CLUSTER_BYTES]; /* that it was before */
};

/* NOT_FOUND when it began with a genesis. CORRUPT. */
enum conclave_code restore_load(struct kv_transaction *transaction, struct restore_record *record)
    MUST_USE;

/* `bytes` is the whole command [envelope, signature]. The cluster has another id and other nodes
 * from here on; members, policies, proposals, polls, ballots, decisions and replies stay.
 * `command->author` becomes the author's number. Refused: BAD_VALUE where it is not about the state
 * as it is, UNKNOWN_AUTHOR, NOT_CHAIR, KEY_REVOKED, and what genesis_decode says. */
enum conclave_code restore_apply(struct model_context *context, struct command *command,
                                 struct slice bytes) MUST_USE;

#endif
