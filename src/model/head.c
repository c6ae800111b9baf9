/* See head.h. */
#include "model/head.h"

#define HEAD_VERSION 1u

enum conclave_code head_load(struct kv_transaction *transaction, struct model_head *head)
{
    struct key key;
    key_begin(&key, KEY_HEAD);
    struct slice value;
    *head = (struct model_head){0};
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    struct decoder decoder = decoder_of(value);
    if (decode_u8(&decoder) != HEAD_VERSION || decode_u32(&decoder) != MODEL_VERSION) {
        return CONCLAVE_CORRUPT;
    }
    head->time_ms = decode_u64(&decoder);
    head->members = decode_u32(&decoder);
    head->proposals = decode_u32(&decoder);
    head->polls = decode_u32(&decoder);
    head->class_sets = decode_u32(&decoder);
    head->open_polls = decode_u32(&decoder);
    head->active_chairs = decode_u32(&decoder);
    head->ballots = decode_u64(&decoder);
    head->commands = decode_u64(&decoder);
    head->refused = decode_u64(&decoder);
    head->replies_dropped = decode_u64(&decoder);
    return decoder_done(&decoder) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code head_save(struct model_context *context)
{
    const struct model_head *head = &context->head;
    struct buffer *record = record_begin(context, HEAD_VERSION);
    encode_u32(record, MODEL_VERSION);
    encode_u64(record, head->time_ms);
    encode_u32(record, head->members);
    encode_u32(record, head->proposals);
    encode_u32(record, head->polls);
    encode_u32(record, head->class_sets);
    encode_u32(record, head->open_polls);
    encode_u32(record, head->active_chairs);
    encode_u64(record, head->ballots);
    encode_u64(record, head->commands);
    encode_u64(record, head->refused);
    encode_u64(record, head->replies_dropped);
    struct key key;
    key_begin(&key, KEY_HEAD);
    return store_put(context->transaction, &key, record);
}
