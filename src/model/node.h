/* Nodes: who is to be in the cluster, by signed commands of chairs. The state says what is wanted;
 * the leader brings raft's configuration there, one change at a time (consensus/seats.c). A node's
 * id is never used again: its signatures on checkpoints stay its own.
 */
#ifndef MODEL_NODE_H
#define MODEL_NODE_H

#include "model/context.h"

#define NODE_KEY_BYTES   32u /* Ed25519, of checkpoints */
#define NODE_TOKEN_BYTES 32u /* SHA-256 of a join token */

enum node_role {
    NODE_VOTER = 1,
    NODE_STANDBY = 2, /* has the log, and no vote */
    NODE_REMOVED = 3
};

/* A node; the slices are the store's. */
struct node_record {
    uint64_t id;
    enum node_role role; /* wanted */
    bool commanded;      /* by a node.* command; else it is as genesis had it */
    struct slice peer, client;
    struct slice key; /* of checkpoints; only nodes of genesis have one */
    bool forced;      /* even if no majority would be up then */
    bool has_token;
    uint8_t token[NODE_TOKEN_BYTES]; /* a new disk must show what this is the hash of */
    uint64_t replaces;               /* the node that goes when this one votes; 0: none */
    uint64_t index;                  /* of the entry that added it */
    uint64_t lead_index;             /* of the last one that asked it to lead; 0: none */
};

/* All nodes that are or were in the cluster, by id. */
struct node_list {
    uint32_t count;
    struct node_record nodes[LIMIT_NODE_IDS];
};

const char *node_role_name(enum node_role role);

/* What genesis said, as later commands changed it; empty before genesis. NO_MEMORY, CORRUPT. */
enum conclave_code node_list_load(struct kv_transaction *transaction, struct node_list *list)
    MUST_USE;

/* NULL when there never was one. */
const struct node_record *node_list_find(const struct node_list *list, uint64_t id);

/* Writes the record of a node, new or known. */
enum conclave_code node_save(struct model_context *context, const struct node_record *node)
    MUST_USE;

/* node.add, node.update, node.remove, node.lead. */
enum conclave_code node_apply_add(struct model_context *context, const struct command *command)
    MUST_USE;
enum conclave_code node_apply_update(struct model_context *context, const struct command *command)
    MUST_USE;
enum conclave_code node_apply_remove(struct model_context *context, const struct command *command)
    MUST_USE;
enum conclave_code node_apply_lead(struct model_context *context, const struct command *command)
    MUST_USE;

#endif
