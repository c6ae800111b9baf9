/* The cluster as genesis made it. */
#ifndef MODEL_CLUSTER_H
#define MODEL_CLUSTER_H

#include "model/context.h"

struct cluster_record {
    uint8_t id[ENVELOPE_CLUSTER_BYTES];
    struct slice name;
    struct slice chair; /* the first one */
    struct slice nodes; /* packed array of [id, peer address, client address] */
    uint64_t created_ms;
};

/* NOT_FOUND before genesis. The slices are the store's. */
enum conclave_code cluster_load(struct kv_transaction *transaction, struct cluster_record *cluster)
    MUST_USE;

/* The command `genesis`: makes the cluster, its first chair (member 1) and the presets.
 * `command->author` becomes 1. */
enum conclave_code cluster_apply_genesis(struct model_context *context, struct command *command)
    MUST_USE;

#endif
