/* See labels.h. */
#include "model/labels.h"

#include <sodium.h>

#define CLASS_SET_VERSION 1u

enum conclave_code labels_parse(struct model_context *context, const char *field,
                                const msgpack_object *array, uint32_t count_max,
                                struct labels *labels)
{
    ASSERT(count_max <= LABELS_MAX);
    labels->count = 0;
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(array, 0, UINT32_MAX, &items, &count) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_REQUEST, "field \"%s\": expected an array", field);
    }
    if (count > count_max) {
        return refuse(context, CONCLAVE_LIMIT_REACHED, "%s has %u labels, at most %u are allowed",
                      field, count, count_max);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct slice label;
        if (codec_get_string(&items[i], &label) != CONCLAVE_OK) {
            return refuse(context, CONCLAVE_BAD_REQUEST, "field \"%s\": expected strings", field);
        }
        if (!envelope_label_valid(label)) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "%s: \"%.*s\" is not a label: 1 to %u letters, digits and _ - . :", field,
                          TEXT_ARGUMENTS(label), LIMIT_LABEL_BYTES);
        }
        if (labels_have(labels, label)) {
            return refuse(context, CONCLAVE_BAD_VALUE, "%s: \"%.*s\" comes twice", field,
                          TEXT_ARGUMENTS(label));
        }
        labels->items[labels->count++] = label;
    }
    return CONCLAVE_OK;
}

bool labels_have(const struct labels *labels, struct slice label)
{
    for (uint32_t i = 0; i < labels->count; i++) {
        if (slice_equal(labels->items[i], label)) {
            return true;
        }
    }
    return false;
}

bool labels_have_any(const struct labels *labels, const struct labels *wanted)
{
    for (uint32_t i = 0; i < wanted->count; i++) {
        if (labels_have(labels, wanted->items[i])) {
            return true;
        }
    }
    return false;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
    if (a->count != b->count) {
        return false;
    }
    for (uint32_t i = 0; i < a->count; i++) {
        if (!slice_equal(a->items[i], b->items[i])) {
            return false;
        }
    }
    return true;
}

void labels_encode(struct buffer *buffer, const struct labels *labels)
{
    ASSERT(labels->count <= LABELS_MAX);
    encode_u8(buffer, (uint8_t)labels->count);
    for (uint32_t i = 0; i < labels->count; i++) {
        encode_slice(buffer, labels->items[i]);
    }
}

void labels_decode(struct decoder *decoder, struct labels *labels)
{
    labels->count = decode_u8(decoder);
    if (labels->count > LABELS_MAX) {
        labels->count = 0;
        decoder->failed = true;
    }
    for (uint32_t i = 0; i < labels->count; i++) {
        labels->items[i] = decode_slice(decoder);
    }
}

void labels_write(struct buffer *buffer, const struct labels *labels)
{
    codec_write_array(buffer, labels->count);
    for (uint32_t i = 0; i < labels->count; i++) {
        codec_write_string(buffer, labels->items[i]);
    }
}

enum conclave_code class_set_number(struct model_context *context, const struct labels *labels,
                                    uint32_t *number)
{
    struct buffer *record = record_begin(context, CLASS_SET_VERSION);
    labels_encode(record, labels);
    if (record->status != CONCLAVE_OK) {
        return record->status;
    }
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, record->data, record->size);
    struct key hash_key;
    key_of_id(&hash_key, KEY_CLASS_SET_HASH, slice_of(hash, sizeof hash));
    enum conclave_code code = store_get_u32(context->transaction, &hash_key, number);
    if (code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    *number = ++context->head.class_sets;
    struct key key;
    key_of_u32(&key, KEY_CLASS_SET, *number);
    code = store_put(context->transaction, &key, record);
    if (code != CONCLAVE_OK) {
        return code;
    }
    return store_put_u32(context->transaction, &hash_key, *number);
}

enum conclave_code class_set_load(struct kv_transaction *transaction, uint32_t number,
                                  struct labels *labels)
{
    struct key key;
    key_of_u32(&key, KEY_CLASS_SET, number);
    struct slice value;
    enum conclave_code code = store_get_known(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    if (decode_u8(&decoder) != CLASS_SET_VERSION) {
        return CONCLAVE_CORRUPT;
    }
    labels_decode(&decoder, labels);
    return decoder_done(&decoder) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}
