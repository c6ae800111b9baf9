/* The cluster as genesis made it, and what of it may change. */
#ifndef MODEL_CLUSTER_H
#define MODEL_CLUSTER_H

#include "model/context.h"

enum cluster_reads {
    CLUSTER_READS_PUBLIC = 1,
    CLUSTER_READS_MEMBERS = 2
};

struct cluster_record {
    uint8_t id[ENVELOPE_CLUSTER_BYTES];
    struct slice name;
    struct slice chair; /* the first one */
    struct slice nodes; /* packed array of [id, peer address, client address, key] */
    uint64_t created_ms;
    enum cluster_reads reads;
};

/* "public", "members". */
const char *cluster_reads_name(enum cluster_reads reads);

/* NOT_FOUND before genesis. The slices are the store's. */
enum conclave_code cluster_load(struct kv_transaction *transaction, struct cluster_record *cluster)
    MUST_USE;

/* No slice of `cluster` may be the store's. */
enum conclave_code cluster_save(struct model_context *context, const struct cluster_record *cluster)
    MUST_USE;

/* The command `genesis`: makes the cluster, its first chair (member 1) and the presets.
 * `command->author` becomes 1. */
enum conclave_code cluster_apply_genesis(struct model_context *context, struct command *command)
    MUST_USE;

/* cluster.set: who may read. */
enum conclave_code cluster_apply_set(struct model_context *context, const struct command *command)
    MUST_USE;

#endif
