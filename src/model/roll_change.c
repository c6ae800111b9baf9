/* See roll_change.h. */
#include "model/roll_change.h"

#include "model/roll.h"

#define ROLL_CHANGE_VERSION 1u

void roll_change_add(struct roll_change_set *set, enum roll_change_kind kind)
{
    ASSERT(set->count < sizeof set->kinds / sizeof set->kinds[0]);
    set->kinds[set->count++] = kind;
}

const char *roll_change_name(enum roll_change_kind kind)
{
    static const char *const names[] = {"suspended", "retired", "active", "weight",
                                        "classes",   "roles",   "revoked"};
    ASSERT(kind >= ROLL_CHANGE_SUSPENDED && kind <= ROLL_CHANGE_REVOKED);
    return names[kind - ROLL_CHANGE_SUSPENDED];
}

/* How many changes the poll has: their sequence numbers run from 0. */
static enum conclave_code count_changes(struct kv_transaction *transaction, uint32_t poll,
                                        uint32_t *count)
{
    struct key prefix;
    key_of_u32(&prefix, KEY_ROLL_CHANGE, poll);
    struct key before = prefix;
    key_past_prefix(&before);
    struct slice key;
    struct slice value;
    enum conclave_code code = kv_seek_last(transaction, key_slice(&before), &key, &value);
    *count = 0;
    if (code == CONCLAVE_NOT_FOUND || (code == CONCLAVE_OK && !key_starts(key, &prefix))) {
        return CONCLAVE_OK;
    }
    if (code == CONCLAVE_OK) {
        ASSERT(key.size == prefix.size + 4);
        *count = load_be32(key.data + prefix.size) + 1;
    }
    return code;
}

static enum conclave_code note_at_poll(struct model_context *context, uint32_t poll,
                                       uint32_t member, const struct roll_change_set *set)
{
    struct roll_voter voter;
    enum conclave_code code = roll_find(context->transaction, poll, member, &voter);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    uint32_t count;
    code = count_changes(context->transaction, poll, &count);
    for (uint32_t i = 0; code == CONCLAVE_OK && i < set->count && count < ROLL_CHANGES_MAX; i++) {
        struct buffer *record = record_begin(context, ROLL_CHANGE_VERSION);
        encode_u32(record, member);
        encode_u8(record, (uint8_t)set->kinds[i]);
        encode_u64(record, context->index);
        struct key key;
        key_of_u32_u32(&key, KEY_ROLL_CHANGE, poll, count++);
        code = store_put(context->transaction, &key, record);
    }
    return code;
}

enum conclave_code roll_change_note(struct model_context *context, uint32_t member,
                                    const struct roll_change_set *set)
{
    if (set->count == 0) {
        return CONCLAVE_OK;
    }
    struct key prefix;
    key_begin(&prefix, KEY_POLL_STATE);
    key_u8(&prefix, POLL_STATE_OPEN);
    struct scan scan;
    scan_begin(&scan, &prefix);
    struct slice value;
    enum conclave_code code;
    while ((code = scan_next(context->transaction, &scan, NULL, &value)) == CONCLAVE_OK) {
        if (value.size != 4) {
            return CONCLAVE_CORRUPT;
        }
        code = note_at_poll(context, load_be32(value.data), member, set);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code roll_change_next(struct kv_transaction *transaction, uint32_t poll,
                                    uint32_t *sequence, struct roll_change *change)
{
    struct key key;
    key_of_u32_u32(&key, KEY_ROLL_CHANGE, poll, *sequence);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    change->member = decode_u32(&decoder);
    change->kind = decode_u8(&decoder);
    change->index = decode_u64(&decoder);
    (*sequence)++;
    bool whole = decoder_done(&decoder) && version == ROLL_CHANGE_VERSION &&
                 change->kind >= ROLL_CHANGE_SUSPENDED && change->kind <= ROLL_CHANGE_REVOKED;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}
