/* See replies.h. */
#include "model/replies.h"

#include "base/mutant.h"

#define REPLY_VERSION       1u
#define REPLY_QUEUE_VERSION 1u
#define BATCH_VERSION       1u
#define REPLY_KEY_BYTES     (ENVELOPE_NONCE_BYTES + 4u)

static void reply_key(struct key *key, struct slice nonce, uint32_t author)
{
    ASSERT(nonce.size == ENVELOPE_NONCE_BYTES);
    key_of_id(key, KEY_REPLY, nonce);
    key_u32(key, author);
}

/* Codes are stored by name: their numbers are not for ever. */
static enum conclave_code decode_code(struct decoder *decoder)
{
    struct slice name = decode_slice(decoder);
    enum conclave_code code = conclave_code_from_name((const char *)name.data, name.size);
    if (code == CONCLAVE_CODE_COUNT) {
        decoder->failed = true;
        return CONCLAVE_INTERNAL;
    }
    return code;
}

enum conclave_code reply_load(struct kv_transaction *transaction, struct slice nonce,
                              uint32_t author, struct stored_reply *reply)
{
    struct key key;
    reply_key(&key, nonce, author);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    decode_bytes(&decoder, reply->hash, REPLY_HASH_BYTES);
    reply->code = decode_code(&decoder);
    reply->packed = decode_slice(&decoder);
    bool whole = decoder_done(&decoder) && version == REPLY_VERSION;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code reply_save(struct model_context *context, const struct command *command,
                              const uint8_t hash[REPLY_HASH_BYTES], enum conclave_code reply_code)
{
    struct key key;
    reply_key(&key, command->envelope->nonce, command->author);
    struct buffer *record = record_begin(context, REPLY_VERSION);
    encode_bytes(record, hash, REPLY_HASH_BYTES);
    encode_slice(record, slice_of_text(conclave_code_name(reply_code)));
    encode_slice(record, buffer_slice(&context->reply));
    if (reply_code != CONCLAVE_NOT_AFTER_TOO_FAR) {
        encode_bytes(&context->replies, key.bytes + 1, REPLY_KEY_BYTES);
    }
    return store_put(context->transaction, &key, record);
}

/* Drops the replies that one batch made. */
static enum conclave_code drop_batch(struct model_context *context, struct slice keys)
{
    for (size_t i = 0; i < keys.size; i += REPLY_KEY_BYTES) {
        struct key key;
        key_of_id(&key, KEY_REPLY, slice_of(keys.data + i, REPLY_KEY_BYTES));
        enum conclave_code code = store_remove(context->transaction, &key);
        if (code != CONCLAVE_OK) {
            return code;
        }
        context->head.replies_dropped++;
    }
    return CONCLAVE_OK;
}

enum conclave_code replies_drop_old(struct model_context *context)
{
    struct key prefix;
    key_begin(&prefix, KEY_REPLY_QUEUE);
    size_t room = (size_t)LIMIT_REPLIES_EXPIRED_PER_BATCH * REPLY_KEY_BYTES;
    for (;;) {
        struct scan scan;
        scan_begin(&scan, &prefix);
        struct slice rest;
        struct slice value;
        enum conclave_code code = scan_next(context->transaction, &scan, &rest, &value);
        if (code != CONCLAVE_OK) {
            return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
        }
        struct decoder decoder = decoder_of(value);
        uint8_t version = decode_u8(&decoder);
        uint64_t time_ms = decode_u64(&decoder);
        size_t size = value.size - decoder.offset;
        if (decoder.failed || version != REPLY_QUEUE_VERSION || rest.size != 8 ||
            size % REPLY_KEY_BYTES != 0) {
            return CONCLAVE_CORRUPT;
        }
        if (context->head.time_ms <= time_ms + (MUTANT(43) ? 100 : REPLIES_KEEP_MS) ||
            size > room) {
            return CONCLAVE_OK;
        }
        room -= size;
        struct key key;
        key_of_id(&key, KEY_REPLY_QUEUE, rest);
        buffer_clear(&context->record); /* a copy: the store's bytes end with the first remove */
        encode_bytes(&context->record, value.data + decoder.offset, size);
        if (context->record.status != CONCLAVE_OK) {
            return context->record.status;
        }
        code = drop_batch(context, buffer_slice(&context->record));
        if (code == CONCLAVE_OK) {
            code = store_remove(context->transaction, &key);
        }
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
}

void batch_note_code(struct model_context *context, enum conclave_code decided)
{
    if (decided != CONCLAVE_OK) {
        encode_u32(&context->refusals, context->position);
        encode_slice(&context->refusals, slice_of_text(conclave_code_name(decided)));
        context->refusal_count++;
    }
}

enum conclave_code batch_save(struct model_context *context, uint32_t count)
{
    struct key key;
    struct buffer *record = record_begin(context, BATCH_VERSION);
    encode_u32(record, count);
    encode_u32(record, context->refusal_count);
    encode_bytes(record, context->refusals.data, context->refusals.size);
    if (context->refusals.status != CONCLAVE_OK || context->replies.status != CONCLAVE_OK) {
        return CONCLAVE_NO_MEMORY;
    }
    key_of_u64(&key, KEY_BATCH, context->index);
    enum conclave_code code = store_put(context->transaction, &key, record);
    if (code != CONCLAVE_OK || context->replies.size == 0) {
        return code;
    }
    record = record_begin(context, REPLY_QUEUE_VERSION);
    encode_u64(record, context->head.time_ms);
    encode_bytes(record, context->replies.data, context->replies.size);
    key_of_u64(&key, KEY_REPLY_QUEUE, context->index);
    return store_put(context->transaction, &key, record);
}

enum conclave_code model_codes(struct kv_transaction *transaction, uint64_t index,
                               enum conclave_code *codes, uint32_t codes_max, uint32_t *count)
{
    ASSERT(codes != NULL || codes_max == 0);
    struct key key;
    key_of_u64(&key, KEY_BATCH, index);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    *count = decode_u32(&decoder);
    uint32_t refused = decode_u32(&decoder);
    if (version != BATCH_VERSION || *count > codes_max || refused > *count) {
        return CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; i < *count; i++) {
        codes[i] = CONCLAVE_OK;
    }
    for (uint32_t i = 0; i < refused; i++) {
        uint32_t position = decode_u32(&decoder);
        if (position >= *count) {
            return CONCLAVE_CORRUPT;
        }
        codes[position] = decode_code(&decoder);
    }
    return decoder_done(&decoder) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}
