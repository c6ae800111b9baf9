/* See store.h. */
#include "model/store.h"

#include "model/encoding.h"

enum conclave_code store_get_known(struct kv_transaction *transaction, const struct key *key,
                                   struct slice *value)
{
    enum conclave_code code = store_get(transaction, key, value);
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
}

enum conclave_code store_has(struct kv_transaction *transaction, const struct key *key, bool *has)
{
    struct slice value;
    enum conclave_code code = store_get(transaction, key, &value);
    *has = code == CONCLAVE_OK;
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code store_put(struct kv_transaction *transaction, const struct key *key,
                             const struct buffer *record)
{
    if (record->status != CONCLAVE_OK) {
        /* Records are bounded by limits.h: one that is too large cannot be. */
        return record->status == CONCLAVE_NO_MEMORY ? CONCLAVE_NO_MEMORY : CONCLAVE_INTERNAL;
    }
    return kv_put(transaction, key_slice(key), buffer_slice(record));
}

enum conclave_code store_put_u32(struct kv_transaction *transaction, const struct key *key,
                                 uint32_t number)
{
    uint8_t bytes[4];
    store_be32(bytes, number);
    return kv_put(transaction, key_slice(key), slice_of(bytes, sizeof bytes));
}

enum conclave_code store_get_u32(struct kv_transaction *transaction, const struct key *key,
                                 uint32_t *number)
{
    struct slice value;
    enum conclave_code code = store_get(transaction, key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (value.size != 4) {
        return CONCLAVE_CORRUPT;
    }
    *number = load_be32(value.data);
    return CONCLAVE_OK;
}

enum conclave_code store_put_empty(struct kv_transaction *transaction, const struct key *key)
{
    return kv_put(transaction, key_slice(key), slice_of("", 0));
}

enum conclave_code store_remove(struct kv_transaction *transaction, const struct key *key)
{
    enum conclave_code code = kv_remove(transaction, key_slice(key));
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
}

void scan_begin(struct scan *scan, const struct key *prefix)
{
    scan->prefix = *prefix;
    scan->next = *prefix;
}

void scan_after(struct scan *scan, const struct key *key)
{
    ASSERT(key_starts(key_slice(key), &scan->prefix));
    scan->next = *key;
    key_u8(&scan->next, 0);
}

enum conclave_code scan_next(struct kv_transaction *transaction, struct scan *scan,
                             struct slice *rest, struct slice *value)
{
    struct slice found;
    struct slice found_value;
    enum conclave_code code = kv_seek(transaction, key_slice(&scan->next), &found, &found_value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (!key_starts(found, &scan->prefix)) {
        return CONCLAVE_NOT_FOUND;
    }
    size_t prefix_size = scan->prefix.size;
    if (rest != NULL) {
        *rest = slice_of(found.data + prefix_size, found.size - prefix_size);
    }
    if (value != NULL) {
        *value = found_value;
    }
    scan->next.size = 0;
    key_bytes(&scan->next, found);
    key_u8(&scan->next, 0);
    return CONCLAVE_OK;
}
