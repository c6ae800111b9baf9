/* See policy_store.h. */
#include "model/policy_store.h"

#include "model/events.h"

#define POLICY_VERSION 1u

static void policy_key(struct key *key, struct slice id, uint32_t version)
{
    key_of_id(key, KEY_POLICY, id);
    key_u8(key, 0);
    key_u32(key, version);
}

enum conclave_code policy_load(struct kv_transaction *transaction, struct slice id,
                               uint32_t version, struct policy_version *out)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    struct key key;
    uint32_t newest;
    key_of_id(&key, KEY_POLICY_ID, id);
    enum conclave_code code = store_get_u32(transaction, &key, &newest);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (version > newest) {
        return CONCLAVE_NOT_FOUND;
    }
    out->version = version == 0 ? newest : version;
    policy_key(&key, id, out->version);
    struct slice value;
    code = store_get_known(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t record_version = decode_u8(&decoder);
    out->author = decode_slice(&decoder);
    out->index = decode_u64(&decoder);
    out->time_ms = decode_u64(&decoder);
    policy_decode(&decoder, &out->policy);
    bool whole = decoder_done(&decoder) && record_version == POLICY_VERSION;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code policy_insert(struct model_context *context, struct slice id,
                                 struct slice author, const struct policy *policy,
                                 uint32_t *version)
{
    struct key key;
    key_of_id(&key, KEY_POLICY_ID, id);
    uint32_t newest = 0;
    enum conclave_code code = store_get_u32(context->transaction, &key, &newest);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    if (newest == UINT32_MAX) {
        return refuse(context, CONCLAVE_LIMIT_REACHED, "policy \"%.*s\" has too many versions",
                      TEXT_ARGUMENTS(id));
    }
    *version = newest + 1;
    code = store_put_u32(context->transaction, &key, *version);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer *record = record_begin(context, POLICY_VERSION);
    encode_slice(record, author);
    encode_u64(record, context->index);
    encode_u64(record, context->head.time_ms);
    policy_encode(record, policy);
    policy_key(&key, id, *version);
    code = store_put(context->transaction, &key, record);
    if (code != CONCLAVE_OK) {
        return code;
    }
    return event_policy_changed(context, id, *version);
}

struct policy_body {
    struct slice id;
    const msgpack_object *policy;
};

enum conclave_code policy_apply_put(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct policy_body, id), 0, 0},
        {"policy", CODEC_MAP, true, offsetof(struct policy_body, policy), 0, 0},
    };
    struct policy_body body = {0};
    struct policy policy;
    uint32_t version;
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK) {
        code = check_id(context, "id", body.id);
    }
    if (code == CONCLAVE_OK) {
        code = policy_parse(context, body.policy, &policy);
    }
    if (code == CONCLAVE_OK) {
        code = policy_insert(context, body.id, command->envelope->author, &policy, &version);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    codec_write_map(&context->result, 1);
    codec_write_text(&context->result, "version");
    codec_write_u64(&context->result, version);
    return CONCLAVE_OK;
}
