/* See member.h. */
#include "model/member.h"

#include "model/events.h"
#include "model/roll_change.h"

#define MEMBER_VERSION 1u

struct name_of {
    const char *name;
    int value;
};

static const struct name_of kinds[] = {
    {"model", MEMBER_MODEL}, {"person", MEMBER_PERSON}, {"service", MEMBER_SERVICE}};
static const struct name_of statuses[] = {
    {"active", MEMBER_ACTIVE}, {"suspended", MEMBER_SUSPENDED}, {"retired", MEMBER_RETIRED}};

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
    ASSERT(status >= MEMBER_ACTIVE && status <= MEMBER_RETIRED);
    return statuses[status - 1].name;
}

bool member_is_active_chair(const struct member *member)
{
    return member->status == MEMBER_ACTIVE && labels_have(&member->roles, slice_of_text("chair"));
}

enum conclave_code member_find(struct kv_transaction *transaction, struct slice id,
                               uint32_t *number)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    struct key key;
    key_of_id(&key, KEY_MEMBER_ID, id);
    return store_get_u32(transaction, &key, number);
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
    member->id = decode_slice(&decoder);
    member->name = decode_slice(&decoder);
    labels_decode(&decoder, &member->classes);
    labels_decode(&decoder, &member->roles);
    bool whole = decoder_done(&decoder) && version == MEMBER_VERSION &&
                 member->kind >= MEMBER_MODEL && member->kind <= MEMBER_SERVICE &&
                 member->status >= MEMBER_ACTIVE && member->status <= MEMBER_RETIRED;
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

/* No slice of `member` may be the store's. */
static enum conclave_code member_save(struct model_context *context, const struct member *member)
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
    member->index = context->index;
    member->time_ms = context->head.time_ms;
    context->head.active_chairs += member_is_active_chair(member) ? 1 : 0;
    code = member_save(context, member);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key key;
    key_of_id(&key, KEY_MEMBER_ID, member->id);
    code = store_put_u32(context->transaction, &key, member->number);
    if (code != CONCLAVE_OK) {
        return code;
    }
    key_of_id(&key, KEY_MEMBER_KEY, slice_of(member->public_key, MEMBER_KEY_BYTES));
    code = store_put_u32(context->transaction, &key, member->number);
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
        if (status == 0) {
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
    uint32_t owner_number;
    key_of_id(&key, KEY_MEMBER_KEY, slice_of(member->public_key, MEMBER_KEY_BYTES));
    code = store_get_u32(context->transaction, &key, &owner_number);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    struct member owner;
    code = member_load(context->transaction, owner_number, &owner);
    if (code != CONCLAVE_OK) {
        return code;
    }
    return refuse(context, CONCLAVE_DUPLICATE_KEY, "member \"%.*s\" has this key already",
                  TEXT_ARGUMENTS(owner.id));
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

/* Writes what changed between two states of a member. */
static enum conclave_code member_replace(struct model_context *context, const struct member *before,
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
        roll_change_add(&changes, after->status == MEMBER_ACTIVE      ? ROLL_CHANGE_ACTIVE
                                  : after->status == MEMBER_SUSPENDED ? ROLL_CHANGE_SUSPENDED
                                                                      : ROLL_CHANGE_RETIRED);
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

static enum conclave_code update_member(struct model_context *context,
                                        const struct member_body *body, const struct member *before)
{
    struct member after = *before;
    enum conclave_code code = fill_member(context, body, &after);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (member_is_active_chair(before) && !member_is_active_chair(&after) &&
        context->head.active_chairs <= 1) {
        return refuse(context, CONCLAVE_LAST_CHAIR,
                      "\"%.*s\" is the last active chair: make another member chair first",
                      TEXT_ARGUMENTS(before->id));
    }
    return member_replace(context, before, &after);
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
    uint32_t number;
    code = member_find(context->transaction, body.id, &number);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_MEMBER, "there is no member \"%.*s\"",
                      TEXT_ARGUMENTS(body.id));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key key;
    key_of_u32(&key, KEY_MEMBER, number);
    struct slice value;
    code = store_get_known(context->transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer record; /* a copy: the store's bytes end with the first put */
    buffer_init(&record, KV_VALUE_BYTES);
    buffer_append(&record, value.data, value.size);
    struct member before;
    code = record.status == CONCLAVE_OK ? member_decode(buffer_slice(&record), &before)
                                        : record.status;
    if (code == CONCLAVE_OK) {
        code = update_member(context, &body, &before);
    }
    buffer_close(&record);
    return code;
}
