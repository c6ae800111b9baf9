/* Questions to the record: docs/PROTOCOL.md, "Methods", record.*. */
#ifndef CONSENSUS_RECORD_H
#define CONSENSUS_RECORD_H

#include "consensus/core.h"

/* Is there such a method? */
bool record_is_query(struct slice method);

/* Answers it, as replica_query does. NOT_FINAL for a receipt that no final checkpoint covers. */
enum conclave_code record_query(struct replica *replica, struct kv_transaction *transaction,
                                struct slice method, const msgpack_object *params,
                                struct buffer *answer, struct codec_error *error) MUST_USE;

/* The number of the leaf that the params of record.receipt name. NOT_FOUND and the model's
 * UNKNOWN_* codes, BAD_REQUEST (error set); store errors. */
enum conclave_code record_locate(struct replica *replica, struct kv_transaction *transaction,
                                 const msgpack_object *params, uint64_t *number,
                                 struct codec_error *error) MUST_USE;

/* --- Leaves, written anew from the log and what the tree keeps beside it (record_leaf.c) --- */

/* Told of a leaf: `command` is empty for a closing. Anything but OK ends the reading. */
struct record_leaf {
    uint64_t number;
    uint64_t index;
    uint32_t position;
    struct slice bytes;
    struct slice command;
};
typedef enum conclave_code (*record_on_leaf)(void *context, const struct record_leaf *leaf);

/* Reads at most `limit` leaves of the one entry that has leaf `number`, from that leaf on. `count`
 * gets how many. NOT_FOUND; CORRUPT, also when a leaf is not the one whose hash is in the tree. */
enum conclave_code record_read_leaves(struct replica *replica, struct kv_transaction *transaction,
                                      uint64_t number, uint64_t limit, record_on_leaf on_leaf,
                                      void *context, uint64_t *count) MUST_USE;

#endif
