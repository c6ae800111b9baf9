/* An ordered key-value store with transactions: a vtable with two twins, LMDB and in memory.
 *
 * Keys are 1 to KV_KEY_BYTES bytes, ordered as memcmp orders them, shorter first among equals.
 * Values are 0 to KV_VALUE_BYTES bytes. One write transaction at a time (the caller sees to it);
 * read transactions see the state committed when they began, and must not outlive a turn of the
 * loop. No thread may use another's transaction.
 *
 * Slices that kv_get, kv_seek and kv_seek_last hand out are the store's: they stay valid until the
 * next kv_put or kv_remove in that transaction, or its end. They may be arguments of that kv_put or
 * kv_remove itself. Where a value is handed out, its place may be NULL.
 *
 * Errors: NOT_FOUND; NO_MEMORY; DISK_FULL; IO; CORRUPT. After an error other than NOT_FOUND from a
 * write the transaction can only be aborted: kv_commit then aborts it and returns that error again.
 * After IO from a commit a store may answer IO to everything until it is opened anew.
 */
#ifndef KV_KV_H
#define KV_KV_H

#include <conclave/codes.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/slice.h"

#define KV_KEY_BYTES   255u
#define KV_VALUE_BYTES (4u * 1024u * 1024u)

struct kv;
struct kv_transaction;

/* Room on the disk: what the store may take before it must grow, and what it has taken. */
struct kv_usage {
    uint64_t map_bytes, used_bytes;
};

struct kv_operations {
    enum conclave_code (*begin)(struct kv *kv, bool write, struct kv_transaction **transaction);
    enum conclave_code (*get)(struct kv_transaction *transaction, struct slice key,
                              struct slice *value);
    enum conclave_code (*put)(struct kv_transaction *transaction, struct slice key,
                              struct slice value);
    enum conclave_code (*remove)(struct kv_transaction *transaction, struct slice key);
    enum conclave_code (*seek)(struct kv_transaction *transaction, struct slice from,
                               struct slice *key, struct slice *value);
    enum conclave_code (*seek_last)(struct kv_transaction *transaction, struct slice before,
                                    struct slice *key, struct slice *value);
    enum conclave_code (*commit)(struct kv_transaction *transaction);
    void (*abort)(struct kv_transaction *transaction);
    enum conclave_code (*sync)(struct kv *kv);
    void (*usage)(struct kv *kv, struct kv_usage *usage); /* NULL: it is on no disk */
    enum conclave_code (*reserve)(struct kv *kv, uint64_t bytes);
    uint64_t (*room)(struct kv *kv); /* these two may be NULL: it is on no disk */
    void (*close)(struct kv *kv);
};

/* What every implementation starts with. */
struct kv {
    const struct kv_operations *operations;
};

/* What every implementation's transaction starts with. */
struct kv_transaction {
    struct kv *kv;
    const struct kv_operations *operations;
    bool write;
};

static inline MUST_USE enum conclave_code kv_begin(struct kv *kv, bool write,
                                                   struct kv_transaction **transaction)
{
    return kv->operations->begin(kv, write, transaction);
}

static inline MUST_USE enum conclave_code kv_get(struct kv_transaction *transaction,
                                                 struct slice key, struct slice *value)
{
    return transaction->operations->get(transaction, key, value);
}

static inline MUST_USE enum conclave_code kv_put(struct kv_transaction *transaction,
                                                 struct slice key, struct slice value)
{
    ASSERT(transaction->write);
    ASSERT(key.size > 0 && key.size <= KV_KEY_BYTES && value.size <= KV_VALUE_BYTES);
    return transaction->operations->put(transaction, key, value);
}

/* NOT_FOUND when the key is not there: the transaction goes on. */
static inline MUST_USE enum conclave_code kv_remove(struct kv_transaction *transaction,
                                                    struct slice key)
{
    ASSERT(transaction->write);
    return transaction->operations->remove(transaction, key);
}

/* The first pair whose key is `from` or after it; NOT_FOUND at the end. To go on, seek the key with
 * one zero byte appended (kv_key_after does it). An empty `from` is before every key. */
static inline MUST_USE enum conclave_code kv_seek(struct kv_transaction *transaction,
                                                  struct slice from, struct slice *key,
                                                  struct slice *value)
{
    return transaction->operations->seek(transaction, from, key, value);
}

/* The least key after `key`, made in `next`: where a walk goes on. */
static inline struct slice kv_key_after(struct slice key, uint8_t next[KV_KEY_BYTES + 1])
{
    ASSERT(key.size <= KV_KEY_BYTES);
    if (key.size > 0) {
        memcpy(next, key.data, key.size);
    }
    next[key.size] = 0;
    return slice_of(next, key.size + 1);
}

/* The last pair whose key is before `before`; NOT_FOUND when there is none. */
static inline MUST_USE enum conclave_code kv_seek_last(struct kv_transaction *transaction,
                                                       struct slice before, struct slice *key,
                                                       struct slice *value)
{
    return transaction->operations->seek_last(transaction, before, key, value);
}

/* Ends the transaction in either case: on an error nothing of it was stored. */
static inline MUST_USE enum conclave_code kv_commit(struct kv_transaction *transaction)
{
    return transaction->operations->commit(transaction);
}

static inline void kv_abort(struct kv_transaction *transaction)
{
    transaction->operations->abort(transaction);
}

/* Makes what is committed durable (the state is opened without sync: see kv_lmdb.h). */
static inline MUST_USE enum conclave_code kv_sync(struct kv *kv)
{
    return kv->operations->sync(kv);
}

/* By any thread. */
static inline void kv_usage(struct kv *kv, struct kv_usage *usage)
{
    *usage = (struct kv_usage){0};
    if (kv->operations->usage != NULL) {
        kv->operations->usage(kv, usage);
    }
}

/* No transaction may be open. NULL is allowed. */
/* Takes room on the disk for so many bytes more than are in use, so that writes find it. By whoever
 * writes, and not within a transaction. DISK_FULL, IO. */
static inline MUST_USE enum conclave_code kv_reserve(struct kv *kv, uint64_t bytes)
{
    return kv->operations->reserve == NULL ? CONCLAVE_OK : kv->operations->reserve(kv, bytes);
}

/* How much of that is left. */
static inline uint64_t kv_room(struct kv *kv)
{
    return kv->operations->room == NULL ? UINT64_MAX : kv->operations->room(kv);
}

static inline void kv_close(struct kv *kv)
{
    if (kv != NULL) {
        kv->operations->close(kv);
    }
}

#endif
