/* How far the state machine has come: one record in the key-value store, written in the transaction
 * of the effects themselves. Its key starts with a zero byte, as no key of the model does.
 */
#ifndef CONSENSUS_STATE_H
#define CONSENSUS_STATE_H

#include "consensus/configuration.h"
#include "kv/kv.h"
#include "kv/kv_digest.h"

/* A voter, and the configuration entry that made it one. */
struct state_voter {
    uint64_t node_id;
    uint64_t since_index;
};

struct state {
    uint64_t applied_index; /* 0: nothing was applied */
    uint64_t applied_term;
    uint8_t digest[KV_DIGEST_BYTES];
    uint64_t configuration_index; /* of the last configuration applied; 0: none */
    size_t configuration_size;
    uint8_t configuration[CONFIGURATION_BYTES_MAX];
    uint32_t voter_count; /* of that configuration */
    struct state_voter voters[LIMIT_NODES];
};

/* The committed configuration at `index` takes the place of the one before. CORRUPT when the bytes
 * are none; NO_MEMORY. */
enum conclave_code state_configure(struct state *state, uint64_t index, struct slice bytes)
    MUST_USE;

/* Zeros when there is no record. CORRUPT when there is one that cannot be; store errors. */
enum conclave_code state_load(struct kv_transaction *transaction, struct state *state) MUST_USE;

enum conclave_code state_save(struct kv_transaction *transaction, const struct state *state)
    MUST_USE;

#endif
