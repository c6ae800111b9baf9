/* See member.h. */
#include "model/member.h"

#include "model/events.h"
#include "model/roll_change.h"

#define MEMBER_VERSION  2u
#define MEMBER_ID_BYTES 5u /* of the value of a MEMBER_ID key */

struct name_of {
    const char *name;
    int value;
};

static const struct name_of kinds[] = {
    {"model", MEMBER_MODEL}, {"person", MEMBER_PERSON}, {"service", MEMBER_SERVICE}};
static const struct name_of statuses[] = {{"active", MEMBER_ACTIVE},
                                          {"suspended", MEMBER_SUSPENDED},
                                          {"retired", MEMBER_RETIRED},
                                          {"revoked", MEMBER_REVOKED}};

/* 0 when there is no such name. */
static int value_of(const struct name_of *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is_text(name, names[i].name)) {
            return names[i].value;
        }
    }
    return 0;
}

const char *member_kind_name(enum member_kind kind)
{
    ASSERT(kind >= MEMBER_MODEL && kind <= MEMBER_SERVICE);
    return kinds[kind - 1].name;
}

const char *member_status_name(enum member_status status)
{
    ASSERT(status >= MEMBER_ACTIVE && status <= MEMBER_REVOKED);
    return statuses[status - 1].name;
}

bool member_is_active_chair(const struct member *member)
{
    return member->status == MEMBER_ACTIVE && labels_have(&member->roles, slice_of_text("chair"));
}

role_set member_roles(const struct member *member)
{
    switch (member->status) {
    case MEMBER_SUSPENDED:
        return ROLE_SET(ROLE_SUSPENDED);
    case MEMBER_RETIRED:
        return ROLE_SET(ROLE_RETIRED);
    case MEMBER_REVOKED:
        return ROLE_SET(ROLE_REVOKED);
    case MEMBER_ACTIVE:
        return (role_set)(ROLE_SET(ROLE_MEMBER) |
                          (member_is_active_chair(member) ? ROLE_SET(ROLE_CHAIR) : 0u));
    }
    UNREACHABLE("status of a member");
}

enum conclave_code member_find_decode(struct slice value, uint32_t *number, bool *key_changed)
{
    if (value.size != MEMBER_ID_BYTES || value.data[4] > 1) {
        return CONCLAVE_CORRUPT;
    }
    *number = load_be32(value.data);
    *key_changed = value.data[4] != 0;
    return CONCLAVE_OK;
}

enum conclave_code member_find(struct kv_transaction *transaction, struct slice id,
                               uint32_t *number, bool *key_changed)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    struct key key;
    key_of_id(&key, KEY_MEMBER_ID, id);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    return code == CONCLAVE_OK ? member_find_decode(value, number, key_changed) : code;
}

enum conclave_code member_decode(struct slice record, struct member *member)
{
    struct decoder decoder = decoder_of(record);
    uint8_t version = decode_u8(&decoder);
    member->number = decode_u32(&decoder);
    member->kind = decode_u8(&decoder);
    member->status = decode_u8(&decoder);
    member->weight = decode_u32(&decoder);
    member->class_set = decode_u32(&decoder);
    member->index = decode_u64(&decoder);
    member->time_ms = decode_u64(&decoder);
    decode_bytes(&decoder, member->public_key, MEMBER_KEY_BYTES);
    member->keys = decode_u32(&decoder);
    member->key_index = decode_u64(&decoder);
    member->id = decode_slice(&decoder);
    member->name = decode_slice(&decoder);
    labels_decode(&decoder, &member->classes);
    labels_decode(&decoder, &member->roles);
    bool whole = decoder_done(&decoder) && version == MEMBER_VERSION &&
                 member->kind >= MEMBER_MODEL && member->kind <= MEMBER_SERVICE &&
                 member->status >= MEMBER_ACTIVE && member->status <= MEMBER_REVOKED &&
                 member->keys >= 1;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code member_load(struct kv_transaction *transaction, uint32_t number,
                               struct member *member)
{
    struct key key;
    key_of_u32(&key, KEY_MEMBER, number);
    struct slice value;
    enum conclave_code code = store_get_known(transaction, &key, &value);
    return code == CONCLAVE_OK ? member_decode(value, member) : code;
}

enum conclave_code member_load_copy(struct kv_transaction *transaction, uint32_t number,
                                    struct buffer *copy, struct member *member)
{
    struct key key;
    key_of_u32(&key, KEY_MEMBER, number);
    struct slice value;
    enum conclave_code code = store_get_known(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    buffer_clear(copy);
    buffer_append(copy, value.data, value.size);
    return copy->status == CONCLAVE_OK ? member_decode(buffer_slice(copy), member) : copy->status;
}

enum conclave_code member_named(struct model_context *context, struct slice id, struct buffer *copy,
                                struct member *member)
{
    uint32_t number;
    bool key_changed;
    *member = (struct member){0};
    enum conclave_code code = member_find(context->transaction, id, &number, &key_changed);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_MEMBER, "there is no member \"%.*s\"",
                      TEXT_ARGUMENTS(id));
    }
    return code == CONCLAVE_OK ? member_load_copy(context->transaction, number, copy, member)
                               : code;
}

enum conclave_code member_save_id(struct model_context *context, const struct member *member)
{
    bool key_changed = member->keys > 1 || member->status == MEMBER_REVOKED;
    uint8_t value[MEMBER_ID_BYTES];
    store_be32(value, member->number);
    value[4] = key_changed ? 1 : 0;
    struct key key;
    key_of_id(&key, KEY_MEMBER_ID, member->id);
    return kv_put(context->transaction, key_slice(&key), slice_of(value, sizeof value));
}

enum conclave_code member_save_key(struct model_context *context, const struct member *member)
{
    struct key key;
    key_of_id(&key, KEY_MEMBER_KEY, slice_of(member->public_key, MEMBER_KEY_BYTES));
    return store_put_u32(context->transaction, &key, member->number);
}

enum conclave_code member_save(struct model_context *context, const struct member *member)
{
    struct buffer *record = record_begin(context, MEMBER_VERSION);
    encode_u32(record, member->number);
    encode_u8(record, (uint8_t)member->kind);
    encode_u8(record, (uint8_t)member->status);
    encode_u32(record, member->weight);
    encode_u32(record, member->class_set);
    encode_u64(record, member->index);
    encode_u64(record, member->time_ms);
    encode_bytes(record, member->public_key, MEMBER_KEY_BYTES);
    encode_u32(record, member->keys);
    encode_u64(record, member->key_index);
    encode_slice(record, member->id);
    encode_slice(record, member->name);
    labels_encode(record, &member->classes);
    labels_encode(record, &member->roles);
    struct key key;
    key_of_u32(&key, KEY_MEMBER, member->number);
    return store_put(context->transaction, &key, record);
}

enum conclave_code member_insert(struct model_context *context, struct member *member)
{
    if (context->head.members >= LIMIT_MEMBERS) {
        return refuse(context, CONCLAVE_LIMIT_REACHED,
                      "the cluster has %u members, the most it may", LIMIT_MEMBERS);
    }
    enum conclave_code code = class_set_number(context, &member->classes, &member->class_set);
    if (code != CONCLAVE_OK) {
        return code;
    }
    member->number = ++context->head.members;
    member->keys = 1;
    member->key_index = context->index;
    member->index = context->index;
    member->time_ms = context->head.time_ms;
    context->head.active_chairs += member_is_active_chair(member) ? 1 : 0;
    code = member_save(context, member);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = member_save_id(context, member);
    if (code == CONCLAVE_OK) {
        code = member_save_key(context, member);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    return event_member_changed(context, member->id, member_status_name(member->status));
}

/* The body of member.admit and member.update; what is not given stays as it is. */
struct member_body {
    struct slice id;
    struct slice key;
    struct slice name;
    struct slice kind;
    struct slice status;
    uint64_t weight;
    const msgpack_object *classes;
    const msgpack_object *roles;
};

/* Fills in what the body gives, checked. */
static enum conclave_code fill_member(struct model_context *context, const struct member_body *body,
                                      struct member *member)
{
    enum conclave_code code = CONCLAVE_OK;
    if (body->name.data != NULL) {
        code = check_text(context, "name", body->name, 1, LIMIT_NAME_BYTES);
        member->name = body->name;
    }
    if (code == CONCLAVE_OK && body->kind.data != NULL) {
        int kind = value_of(kinds, sizeof kinds / sizeof kinds[0], body->kind);
        if (kind == 0) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "kind \"%.*s\" is not model, person or service",
                          TEXT_ARGUMENTS(body->kind));
        }
        member->kind = (enum member_kind)kind;
    }
    if (code == CONCLAVE_OK && body->status.data != NULL) {
        int status = value_of(statuses, sizeof statuses / sizeof statuses[0], body->status);
        if (status == 0 || status == MEMBER_REVOKED) { /* which is a command of its own */
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "status \"%.*s\" is not active, suspended or retired",
                          TEXT_ARGUMENTS(body->status));
        }
        member->status = (enum member_status)status;
    }
    if (code == CONCLAVE_OK && body->weight != UINT64_MAX) {
        if (body->weight < 1 || body->weight > LIMIT_WEIGHT) {
            return refuse(context, CONCLAVE_BAD_VALUE, "weight %llu is outside 1..%u",
                          (unsigned long long)body->weight, LIMIT_WEIGHT);
        }
        member->weight = (uint32_t)body->weight;
    }
    if (code == CONCLAVE_OK && body->classes != NULL) {
        code = labels_parse(context, "classes", body->classes, LIMIT_CLASSES, &member->classes);
    }
    if (code == CONCLAVE_OK && body->roles != NULL) {
        code = labels_parse(context, "roles", body->roles, LIMIT_ROLES, &member->roles);
    }
    return code;
}

enum conclave_code member_check_key_free(struct model_context *context,
                                         const uint8_t public_key[MEMBER_KEY_BYTES])
{
    uint32_t owner_number;
    struct key key;
    key_of_id(&key, KEY_MEMBER_KEY, slice_of(public_key, MEMBER_KEY_BYTES));
    enum conclave_code code = store_get_u32(context->transaction, &key, &owner_number);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    struct member owner;
    code = member_load(context->transaction, owner_number, &owner);
    if (code != CONCLAVE_OK) {
        return code;
    }
    bool has = owner.status != MEMBER_REVOKED &&
               memcmp(owner.public_key, public_key, MEMBER_KEY_BYTES) == 0;
    return refuse(context, CONCLAVE_DUPLICATE_KEY, "member \"%.*s\" %s this key already",
                  TEXT_ARGUMENTS(owner.id), has ? "has" : "has had");
}

/* Are id and key free? */
static enum conclave_code check_free(struct model_context *context, const struct member *member)
{
    struct key key;
    key_of_id(&key, KEY_MEMBER_ID, member->id);
    bool taken;
    enum conclave_code code = store_has(context->transaction, &key, &taken);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (taken) {
        return refuse(context, CONCLAVE_DUPLICATE_ID, "there is a member \"%.*s\" already",
                      TEXT_ARGUMENTS(member->id));
    }
    return member_check_key_free(context, member->public_key);
}

enum conclave_code member_apply_admit(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct member_body, id), 0, 0},
        {"key", CODEC_BYTES, true, offsetof(struct member_body, key), 0, 0},
        {"name", CODEC_STRING, false, offsetof(struct member_body, name), 0, 0},
        {"kind", CODEC_STRING, false, offsetof(struct member_body, kind), 0, 0},
        {"weight", CODEC_U64, false, offsetof(struct member_body, weight), 0, 0},
        {"classes", CODEC_ARRAY, false, offsetof(struct member_body, classes), 0, 0},
        {"roles", CODEC_ARRAY, false, offsetof(struct member_body, roles), 0, 0},
    };
    struct member_body body = {.weight = UINT64_MAX};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = check_id(context, "id", body.id);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (body.key.size != MEMBER_KEY_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "key has %zu bytes, an Ed25519 public key has 32", body.key.size);
    }
    struct member member = {
        .id = body.id, .name = body.id, .kind = MEMBER_MODEL, .status = MEMBER_ACTIVE, .weight = 1};
    memcpy(member.public_key, body.key.data, MEMBER_KEY_BYTES);
    code = fill_member(context, &body, &member);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = check_free(context, &member);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = member_insert(context, &member);
    if (code != CONCLAVE_OK) {
        return code;
    }
    codec_write_map(&context->result, 1);
    codec_write_text(&context->result, "number");
    codec_write_u64(&context->result, member.number);
    return CONCLAVE_OK;
}

static enum roll_change_kind change_of_status(enum member_status status)
{
    switch (status) {
    case MEMBER_ACTIVE:
        return ROLL_CHANGE_ACTIVE;
    case MEMBER_SUSPENDED:
        return ROLL_CHANGE_SUSPENDED;
    case MEMBER_RETIRED:
        return ROLL_CHANGE_RETIRED;
    case MEMBER_REVOKED:
        return ROLL_CHANGE_REVOKED;
    }
    UNREACHABLE("status of a member");
}

enum conclave_code member_replace(struct model_context *context, const struct member *before,
                                  struct member *after)
{
    enum conclave_code code = CONCLAVE_OK;
    struct roll_change_set changes = {0};
    if (!labels_equal(&before->classes, &after->classes)) {
        code = class_set_number(context, &after->classes, &after->class_set);
        roll_change_add(&changes, ROLL_CHANGE_CLASSES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (!labels_equal(&before->roles, &after->roles)) {
        roll_change_add(&changes, ROLL_CHANGE_ROLES);
    }
    if (before->weight != after->weight) {
        roll_change_add(&changes, ROLL_CHANGE_WEIGHT);
    }
    if (before->status != after->status) {
        roll_change_add(&changes, change_of_status(after->status));
    }
    context->head.active_chairs -= member_is_active_chair(before) ? 1 : 0;
    context->head.active_chairs += member_is_active_chair(after) ? 1 : 0;
    code = member_save(context, after);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = roll_change_note(context, after->number, &changes);
    if (code != CONCLAVE_OK) {
        return code;
    }
    return event_member_changed(context, after->id, member_status_name(after->status));
}

enum conclave_code member_check_chairs(struct model_context *context, const struct member *before,
                                       const struct member *after)
{
    if (member_is_active_chair(before) && !member_is_active_chair(after) &&
        context->head.active_chairs <= 1) {
        return refuse(context, CONCLAVE_LAST_CHAIR,
                      "\"%.*s\" is the last active chair: make another member chair first",
                      TEXT_ARGUMENTS(before->id));
    }
    return CONCLAVE_OK;
}

static enum conclave_code update_member(struct model_context *context,
                                        const struct member_body *body, const struct member *before)
{
    if (before->status == MEMBER_REVOKED) {
        return refuse(context, CONCLAVE_KEY_REVOKED,
                      "the key of \"%.*s\" was revoked, for good: admit a new member",
                      TEXT_ARGUMENTS(before->id));
    }
    struct member after = *before;
    enum conclave_code code = fill_member(context, body, &after);
    if (code == CONCLAVE_OK) {
        code = member_check_chairs(context, before, &after);
    }
    return code == CONCLAVE_OK ? member_replace(context, before, &after) : code;
}

enum conclave_code member_apply_update(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct member_body, id), 0, 0},
        {"name", CODEC_STRING, false, offsetof(struct member_body, name), 0, 0},
        {"weight", CODEC_U64, false, offsetof(struct member_body, weight), 0, 0},
        {"classes", CODEC_ARRAY, false, offsetof(struct member_body, classes), 0, 0},
        {"roles", CODEC_ARRAY, false, offsetof(struct member_body, roles), 0, 0},
        {"status", CODEC_STRING, false, offsetof(struct member_body, status), 0, 0},
    };
    struct member_body body = {.weight = UINT64_MAX};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer record;
    buffer_init(&record, KV_VALUE_BYTES);
    struct member before;
    code = member_named(context, body.id, &record, &before);
    if (code == CONCLAVE_OK) {
        code = update_member(context, &body, &before);
    }
    buffer_close(&record);
    return code;
}
