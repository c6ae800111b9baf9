/* See member_key.h. */
#include "model/member_key.h"

#include "auth/statement.h"

#define OLD_KEY_VERSION     1u
#define STATEMENT_BYTES_MAX 512u

struct rotate_body {
    struct slice key;
    struct slice proof;
};

struct revoke_body {
    struct slice id;
    struct slice reason;
};

const char *member_key_end_name(enum member_key_end how)
{
    ASSERT(how == MEMBER_KEY_REPLACED || how == MEMBER_KEY_REVOKED);
    return how == MEMBER_KEY_REPLACED ? "replaced" : "revoked";
}

enum conclave_code member_old_key_load(struct kv_transaction *transaction, uint32_t member,
                                       uint32_t number, struct member_old_key *old)
{
    struct key key;
    key_of_u32_u32(&key, KEY_MEMBER_OLD_KEY, member, number);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    decode_bytes(&decoder, old->public_key, MEMBER_KEY_BYTES);
    old->from_index = decode_u64(&decoder);
    old->until_index = decode_u64(&decoder);
    old->until_ms = decode_u64(&decoder);
    old->how = decode_u8(&decoder);
    old->reason = decode_slice(&decoder);
    bool whole = decoder_done(&decoder) && version == OLD_KEY_VERSION &&
                 (old->how == MEMBER_KEY_REPLACED || old->how == MEMBER_KEY_REVOKED);
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

/* Notes that the member's last key ends here. */
static enum conclave_code save_old_key(struct model_context *context, const struct member *member,
                                       enum member_key_end how, struct slice reason)
{
    struct buffer *record = record_begin(context, OLD_KEY_VERSION);
    encode_bytes(record, member->public_key, MEMBER_KEY_BYTES);
    encode_u64(record, member->key_index);
    encode_u64(record, context->index);
    encode_u64(record, context->head.time_ms);
    encode_u8(record, (uint8_t)how);
    encode_slice(record, reason);
    struct key key;
    key_of_u32_u32(&key, KEY_MEMBER_OLD_KEY, member->number, member->keys);
    return store_put(context->transaction, &key, record);
}

enum conclave_code member_key_check(struct model_context *context, const struct command *command)
{
    const struct envelope *envelope = command->envelope;
    struct member author;
    enum conclave_code code = member_load(context->transaction, command->author, &author);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (author.status == MEMBER_REVOKED) {
        return refuse(context, CONCLAVE_KEY_REVOKED, "the key of \"%.*s\" was revoked",
                      TEXT_ARGUMENTS(envelope->author));
    }
    if (!auth_verify(author.public_key, envelope->bytes, envelope->signature.data)) {
        return refuse(context, CONCLAVE_KEY_REVOKED,
                      "the command is not signed with the key that \"%.*s\" has since entry %llu",
                      TEXT_ARGUMENTS(envelope->author), (unsigned long long)author.key_index);
    }
    return CONCLAVE_OK;
}

/* --- member.rotate-key --- */

/* Whoever made the new key agrees to this, or nobody would know whose it is. */
static enum conclave_code check_proof(struct model_context *context, const struct member *member,
                                      const struct rotate_body *body)
{
    struct buffer text;
    buffer_init(&text, STATEMENT_BYTES_MAX);
    statement_rotation(&text, context->cluster_id, member->id, member->public_key, body->key.data);
    enum conclave_code code = text.status;
    if (code == CONCLAVE_OK &&
        !auth_verify(body->key.data, buffer_slice(&text), body->proof.data)) {
        code =
            refuse(context, CONCLAVE_BAD_SIGNATURE, "the proof does not verify with the new key");
    }
    buffer_close(&text);
    return code;
}

static enum conclave_code rotate(struct model_context *context, const struct member *before,
                                 const struct rotate_body *body)
{
    if (before->keys >= LIMIT_MEMBER_KEYS) {
        return refuse(context, CONCLAVE_LIMIT_REACHED,
                      "\"%.*s\" has had %u keys, the most a member may", TEXT_ARGUMENTS(before->id),
                      LIMIT_MEMBER_KEYS);
    }
    enum conclave_code code = check_proof(context, before, body);
    if (code == CONCLAVE_OK) {
        code = member_check_key_free(context, body->key.data);
    }
    if (code == CONCLAVE_OK) {
        code = save_old_key(context, before, MEMBER_KEY_REPLACED, slice_of_text(""));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct member after = *before;
    memcpy(after.public_key, body->key.data, MEMBER_KEY_BYTES);
    after.keys++;
    after.key_index = context->index;
    code = member_save_key(context, &after);
    if (code == CONCLAVE_OK) {
        code = member_save_id(context, &after);
    }
    codec_write_map(&context->result, 1);
    codec_write_text(&context->result, "keys");
    codec_write_u64(&context->result, after.keys);
    return code == CONCLAVE_OK ? member_replace(context, before, &after) : code;
}

enum conclave_code member_apply_rotate_key(struct model_context *context,
                                           const struct command *command)
{
    static const struct codec_field fields[] = {
        {"key", CODEC_BYTES, true, offsetof(struct rotate_body, key), 0, 0},
        {"proof", CODEC_BYTES, true, offsetof(struct rotate_body, proof), 0, 0},
    };
    struct rotate_body body = {0};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (body.key.size != AUTH_PUBLIC_KEY_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "key has %zu bytes, an Ed25519 public key has 32", body.key.size);
    }
    if (body.proof.size != AUTH_SIGNATURE_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE, "proof has %zu bytes, a signature has 64",
                      body.proof.size);
    }
    struct buffer record;
    buffer_init(&record, KV_VALUE_BYTES);
    struct member before;
    code = member_load_copy(context->transaction, command->author, &record, &before);
    if (code == CONCLAVE_OK) {
        code = rotate(context, &before, &body);
    }
    buffer_close(&record);
    return code;
}

/* --- member.revoke --- */

static enum conclave_code revoke(struct model_context *context, const struct member *before,
                                 const struct revoke_body *body)
{
    if (before->status == MEMBER_REVOKED) {
        return refuse(context, CONCLAVE_KEY_REVOKED, "the key of \"%.*s\" was revoked already",
                      TEXT_ARGUMENTS(before->id));
    }
    struct member after = *before;
    after.status = MEMBER_REVOKED;
    enum conclave_code code = member_check_chairs(context, before, &after);
    if (code == CONCLAVE_OK) {
        code = save_old_key(context, before, MEMBER_KEY_REVOKED, body->reason);
    }
    if (code == CONCLAVE_OK) {
        code = member_save_id(context, &after);
    }
    return code == CONCLAVE_OK ? member_replace(context, before, &after) : code;
}

enum conclave_code member_apply_revoke(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct revoke_body, id), 0, 0},
        {"reason", CODEC_STRING, false, offsetof(struct revoke_body, reason), 0, 0},
    };
    struct revoke_body body = {0};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK) {
        code = check_text(context, "reason", body.reason, 0, LIMIT_TITLE_BYTES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer record;
    buffer_init(&record, KV_VALUE_BYTES);
    struct member before;
    code = member_named(context, body.id, &record, &before);
    if (code == CONCLAVE_OK) {
        code = revoke(context, &before, &body);
    }
    buffer_close(&record);
    return code;
}
