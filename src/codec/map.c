/* Maps with text keys into structs, by a table of fields. */
#include "codec/reader.h"

#include "codec/utf8.h"

#define MAP_FIELDS_MAX      64u /* one bit each */
#define MAP_KEY_SHOWN_BYTES 48u /* of an unknown key, in an error */

static const char *type_name(enum codec_field_type type)
{
    switch (type) {
    case CODEC_U64:
        return "an unsigned integer";
    case CODEC_I64:
        return "an integer";
    case CODEC_BOOL:
        return "true or false";
    case CODEC_STRING:
        return "a string of valid UTF-8";
    case CODEC_BYTES:
        return "bytes";
    case CODEC_ANY:
        return "a value";
    case CODEC_ARRAY:
        return "an array";
    case CODEC_MAP:
        return "a map";
    }
    UNREACHABLE("field type");
}

static const char *size_unit(enum codec_field_type type)
{
    return type == CODEC_STRING || type == CODEC_BYTES ? " bytes" : " items";
}

static enum conclave_code check_bounds(const struct codec_field *field, uint64_t size,
                                       struct codec_error *error)
{
    const char *unit = field->type == CODEC_U64 ? "" : size_unit(field->type);
    if (size < field->size_min) {
        codec_error_set(error, "field \"%s\": %llu%s, at least %zu are needed", field->name,
                        (unsigned long long)size, unit, field->size_min);
        return CONCLAVE_BAD_REQUEST;
    }
    if (field->size_max != 0 && size > field->size_max) {
        codec_error_set(error, "field \"%s\": %llu%s, at most %zu are allowed", field->name,
                        (unsigned long long)size, unit, field->size_max);
        return CONCLAVE_BAD_REQUEST;
    }
    return CONCLAVE_OK;
}

static enum conclave_code store_integer(const struct codec_field *field,
                                        const msgpack_object *object, void *place,
                                        struct codec_error *error)
{
    uint64_t number;
    enum conclave_code rv = codec_get_u64(object, &number);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "field \"%s\": expected %s", field->name, type_name(field->type));
        return rv;
    }
    rv = check_bounds(field, number, error);
    if (rv == CONCLAVE_OK) {
        memcpy(place, &number, sizeof number);
    }
    return rv;
}

static enum conclave_code store_bytes(const struct codec_field *field, const msgpack_object *object,
                                      void *place, struct codec_error *error)
{
    struct slice bytes;
    enum conclave_code rv = field->type == CODEC_STRING ? codec_get_string(object, &bytes)
                                                        : codec_get_bytes(object, &bytes);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "field \"%s\": expected %s", field->name, type_name(field->type));
        return rv;
    }
    rv = check_bounds(field, bytes.size, error);
    if (rv == CONCLAVE_OK) {
        memcpy(place, &bytes, sizeof bytes);
    }
    return rv;
}

static enum conclave_code store_container(const struct codec_field *field,
                                          const msgpack_object *object, void *place,
                                          struct codec_error *error)
{
    msgpack_object_type wanted = field->type == CODEC_ARRAY ? MSGPACK_OBJECT_ARRAY
                                                            : MSGPACK_OBJECT_MAP;
    if (object->type != wanted) {
        codec_error_set(error, "field \"%s\": expected %s", field->name, type_name(field->type));
        return CONCLAVE_BAD_REQUEST;
    }
    uint32_t count = field->type == CODEC_ARRAY ? object->via.array.size : object->via.map.size;
    enum conclave_code rv = check_bounds(field, count, error);
    if (rv == CONCLAVE_OK) {
        memcpy(place, &object, sizeof object);
    }
    return rv;
}

static enum conclave_code store_simple(const struct codec_field *field,
                                       const msgpack_object *object, void *place,
                                       struct codec_error *error)
{
    int64_t number;
    bool truth;
    enum conclave_code rv = CONCLAVE_OK;
    if (field->type == CODEC_ANY) {
        memcpy(place, &object, sizeof object);
    } else if (field->type == CODEC_BOOL) {
        rv = codec_get_bool(object, &truth);
        if (rv == CONCLAVE_OK) {
            memcpy(place, &truth, sizeof truth);
        }
    } else {
        ASSERT(field->type == CODEC_I64);
        rv = codec_get_i64(object, &number);
        if (rv == CONCLAVE_OK) {
            memcpy(place, &number, sizeof number);
        }
    }
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "field \"%s\": expected %s", field->name, type_name(field->type));
    }
    return rv;
}

static enum conclave_code store_field(const struct codec_field *field, const msgpack_object *object,
                                      void *target, struct codec_error *error)
{
    void *place = (uint8_t *)target + field->offset;
    switch (field->type) {
    case CODEC_U64:
        return store_integer(field, object, place, error);
    case CODEC_STRING:
    case CODEC_BYTES:
        return store_bytes(field, object, place, error);
    case CODEC_ARRAY:
    case CODEC_MAP:
        return store_container(field, object, place, error);
    case CODEC_I64:
    case CODEC_BOOL:
    case CODEC_ANY:
        return store_simple(field, object, place, error);
    }
    UNREACHABLE("field type");
}

/* A key from outside as text that can be shown: printable ASCII as it is, the rest as '?'. */
static void show_key(struct slice key, char shown[MAP_KEY_SHOWN_BYTES + 1])
{
    size_t size = key.size < MAP_KEY_SHOWN_BYTES ? key.size : MAP_KEY_SHOWN_BYTES;
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = key.data[i];
        shown[i] = byte >= 0x20 && byte < 0x7f && byte != '"' ? (char)byte : '?';
    }
    shown[size] = '\0';
}

/* Most names differ in their first letter. */
static bool is_name(struct slice key, const char *name)
{
    return key.size > 0 && key.data[0] == (uint8_t)name[0] && slice_is_text(key, name);
}

static size_t find_field(const struct codec_field *fields, size_t field_count, struct slice key)
{
    size_t i = 0;
    while (i < field_count && !is_name(key, fields[i].name)) {
        i++;
    }
    return i;
}

static enum conclave_code decode_pair(const msgpack_object_kv *pair,
                                      const struct codec_field *fields, size_t field_count,
                                      bool strict, uint64_t *seen, void *target,
                                      struct codec_error *error)
{
    char shown[MAP_KEY_SHOWN_BYTES + 1];
    struct slice key;
    enum conclave_code rv = codec_get_string(&pair->key, &key);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "a key is not %s", type_name(CODEC_STRING));
        return rv;
    }
    size_t i = find_field(fields, field_count, key);
    if (i == field_count) {
        if (!strict) {
            return CONCLAVE_OK;
        }
        show_key(key, shown);
        codec_error_set(error, "unknown field \"%s\"", shown);
        return CONCLAVE_BAD_REQUEST;
    }
    if ((*seen & UINT64_C(1) << i) != 0) {
        codec_error_set(error, "field \"%s\": given twice", fields[i].name);
        return CONCLAVE_BAD_REQUEST;
    }
    *seen |= UINT64_C(1) << i;
    return store_field(&fields[i], &pair->val, target, error);
}

enum conclave_code codec_decode_map(const msgpack_object *object, const struct codec_field *fields,
                                    size_t field_count, bool strict, void *target,
                                    struct codec_error *error)
{
    ASSERT(object != NULL && target != NULL && error != NULL);
    ASSERT(fields != NULL || field_count == 0);
    ASSERT(field_count <= MAP_FIELDS_MAX);
    if (object->type != MSGPACK_OBJECT_MAP) {
        codec_error_set(error, "expected a map");
        return CONCLAVE_BAD_REQUEST;
    }
    uint64_t seen = 0;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        enum conclave_code rv =
            decode_pair(&object->via.map.ptr[i], fields, field_count, strict, &seen, target, error);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    for (size_t i = 0; i < field_count; i++) {
        if (fields[i].required && (seen & UINT64_C(1) << i) == 0) {
            codec_error_set(error, "field \"%s\": missing", fields[i].name);
            return CONCLAVE_BAD_REQUEST;
        }
    }
    return CONCLAVE_OK;
}
