/* Small steps on the kv transaction that every file here takes: put a record, walk the keys with a
 * prefix, tell a failure of the store from a refusal by a rule.
 */
#ifndef MODEL_STORE_H
#define MODEL_STORE_H

#include "base/buffer.h"
#include "model/keys.h"

/* Failures (of the store, of memory, of the log's bytes) end the node; every other code is an
 * answer. */
static inline bool store_failed(enum conclave_code code)
{
    return code == CONCLAVE_NO_MEMORY || code == CONCLAVE_IO || code == CONCLAVE_DISK_FULL ||
           code == CONCLAVE_CORRUPT || code == CONCLAVE_INTERNAL;
}

static inline MUST_USE enum conclave_code store_get(struct kv_transaction *transaction,
                                                    const struct key *key, struct slice *value)
{
    return kv_get(transaction, key_slice(key), value);
}

/* What must be there: NOT_FOUND becomes CORRUPT. */
enum conclave_code store_get_known(struct kv_transaction *transaction, const struct key *key,
                                   struct slice *value) MUST_USE;

/* Is the key there? */
enum conclave_code store_has(struct kv_transaction *transaction, const struct key *key, bool *has)
    MUST_USE;

/* Puts a record that was encoded into `record`; a failure of the encoding is returned. */
enum conclave_code store_put(struct kv_transaction *transaction, const struct key *key,
                             const struct buffer *record) MUST_USE;

/* Values that are a number or nothing. */
enum conclave_code store_put_u32(struct kv_transaction *transaction, const struct key *key,
                                 uint32_t number) MUST_USE;
enum conclave_code store_get_u32(struct kv_transaction *transaction, const struct key *key,
                                 uint32_t *number) MUST_USE;
enum conclave_code store_put_empty(struct kv_transaction *transaction, const struct key *key)
    MUST_USE;

/* Removes what must be there: NOT_FOUND becomes CORRUPT. */
enum conclave_code store_remove(struct kv_transaction *transaction, const struct key *key) MUST_USE;

/* A walk over the keys with a prefix, in order. Puts and removes in between are allowed. */
struct scan {
    struct key prefix;
    struct key next;
};

void scan_begin(struct scan *scan, const struct key *prefix);

/* The walk goes on after `key`, which has the prefix (whether it is there or not). */
void scan_after(struct scan *scan, const struct key *key);

/* NOT_FOUND at the end. `rest` is the key without the prefix. Either output may be NULL. The slices
 * are the store's. */
enum conclave_code scan_next(struct kv_transaction *transaction, struct scan *scan,
                             struct slice *rest, struct slice *value) MUST_USE;

#endif
