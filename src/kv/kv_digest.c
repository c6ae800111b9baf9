/* A write transaction that folds what is written into a digest: see the header. */
#include "kv/kv_digest.h"

#include <xxhash.h>

#include "base/memory.h"

_Static_assert(sizeof(XXH128_canonical_t) == KV_DIGEST_BYTES, "a digest is an XXH3-128");

/* What stands before each write's bytes, so that no two sequences of writes are the same bytes. */
#define DIGEST_HEAD_BYTES 9u
enum digest_write {
    DIGEST_PUT = 1,
    DIGEST_REMOVE = 2
};

static const struct kv_operations digest_operations;

static struct kv_digest *digest_of(struct kv_transaction *transaction)
{
    ASSERT(transaction != NULL && transaction->operations == &digest_operations);
    return (struct kv_digest *)transaction;
}

static void update(struct kv_digest *digest, const void *data, size_t size)
{
    XXH_errorcode rv = XXH3_128bits_update(digest->state, data, size);
    ASSERT(rv == XXH_OK);
}

static void store_u32(uint8_t *at, size_t value)
{
    ASSERT(value <= UINT32_MAX);
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void fold(struct kv_digest *digest, enum digest_write what, struct slice key,
                 struct slice value)
{
    uint8_t head[DIGEST_HEAD_BYTES];
    head[0] = (uint8_t)what;
    store_u32(head + 1, key.size);
    store_u32(head + 5, value.size);
    update(digest, head, sizeof head);
    update(digest, key.data, key.size);
    if (value.size > 0) {
        update(digest, value.data, value.size);
    }
}

static enum conclave_code digest_get(struct kv_transaction *base, struct slice key,
                                     struct slice *value)
{
    return kv_get(digest_of(base)->inner, key, value);
}

static enum conclave_code digest_seek(struct kv_transaction *base, struct slice from,
                                      struct slice *key, struct slice *value)
{
    return kv_seek(digest_of(base)->inner, from, key, value);
}

static enum conclave_code digest_seek_last(struct kv_transaction *base, struct slice before,
                                           struct slice *key, struct slice *value)
{
    return kv_seek_last(digest_of(base)->inner, before, key, value);
}

/* The bytes are folded before the write: after it, slices of the store's are no longer valid. A
 * digest that has folded a write that failed is of no use, as is its transaction. */
static enum conclave_code digest_put(struct kv_transaction *base, struct slice key,
                                     struct slice value)
{
    struct kv_digest *digest = digest_of(base);
    fold(digest, DIGEST_PUT, key, value);
    return kv_put(digest->inner, key, value);
}

/* A remove that finds nothing writes nothing, and is not folded. */
static enum conclave_code digest_remove(struct kv_transaction *base, struct slice key)
{
    struct kv_digest *digest = digest_of(base);
    enum conclave_code rv = kv_get(digest->inner, key, NULL);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    fold(digest, DIGEST_REMOVE, key, slice_of(NULL, 0));
    return kv_remove(digest->inner, key);
}

static enum conclave_code digest_begin(struct kv *kv, bool write,
                                       struct kv_transaction **transaction)
{
    (void)kv;
    (void)write;
    (void)transaction;
    UNREACHABLE("begin of a digest");
}

static enum conclave_code digest_commit(struct kv_transaction *base)
{
    (void)base;
    UNREACHABLE("commit of a digest: commit the transaction within");
}

static void digest_abort(struct kv_transaction *base)
{
    (void)base;
    UNREACHABLE("abort of a digest: abort the transaction within");
}

static enum conclave_code digest_sync(struct kv *kv)
{
    (void)kv;
    UNREACHABLE("sync of a digest");
}

static void digest_close_store(struct kv *kv)
{
    (void)kv;
    UNREACHABLE("close of a digest's store");
}

static const struct kv_operations digest_operations = {
    .begin = digest_begin,
    .get = digest_get,
    .put = digest_put,
    .remove = digest_remove,
    .seek = digest_seek,
    .seek_last = digest_seek_last,
    .commit = digest_commit,
    .abort = digest_abort,
    .sync = digest_sync,
    .close = digest_close_store,
};

enum conclave_code kv_digest_open(struct kv_digest *digest, struct kv_transaction *inner,
                                  const uint8_t previous[KV_DIGEST_BYTES])
{
    ASSERT(digest != NULL && inner != NULL && previous != NULL);
    ASSERT(inner->write);
    XXH3_state_t *state = memory_fault_next() ? NULL : XXH3_createState();
    if (state == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    XXH_errorcode rv = XXH3_128bits_reset(state);
    ASSERT(rv == XXH_OK);
    *digest = (struct kv_digest){
        .base = {.kv = inner->kv, .operations = &digest_operations, .write = true},
        .inner = inner,
        .state = state,
    };
    update(digest, previous, KV_DIGEST_BYTES);
    return CONCLAVE_OK;
}

void kv_digest_value(const struct kv_digest *digest, uint8_t value[KV_DIGEST_BYTES])
{
    ASSERT(digest != NULL && digest->state != NULL);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(digest->state));
    memcpy(value, canonical.digest, KV_DIGEST_BYTES);
}

void kv_digest_close(struct kv_digest *digest)
{
    ASSERT(digest != NULL);
    XXH_errorcode rv = XXH3_freeState(digest->state);
    ASSERT(rv == XXH_OK);
    digest->state = NULL;
    digest->inner = NULL;
}
