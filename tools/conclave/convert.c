/* MessagePack and JSON: the rules are in the header. */
#include "convert.h"

#include <ctype.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "codec/utf8.h"
#include "codec/writer.h"
#include "format.h"
#include "text.h"

char *convert_hex(struct slice bytes)
{
    char *text = memory_allocate(bytes.size * 2 + 1);
    if (text != NULL) {
        sodium_bin2hex(text, bytes.size * 2 + 1, bytes.data, bytes.size);
    }
    return text;
}

bool convert_hex_parse(const char *text, uint8_t *bytes, size_t size)
{
    ASSERT(text != NULL && bytes != NULL);
    size_t written = 0;
    return strlen(text) == size * 2 &&
           sodium_hex2bin(bytes, size, text, size * 2, NULL, &written, NULL) == 0 &&
           written == size;
}

char *convert_base64(struct slice bytes)
{
    size_t size = sodium_base64_encoded_len(bytes.size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = memory_allocate(size);
    if (text != NULL) {
        sodium_bin2base64(text, size, bytes.data, bytes.size,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    return text;
}

bool convert_base64_parse(const char *text, struct buffer *bytes)
{
    ASSERT(text != NULL && bytes != NULL);
    size_t size = strlen(text);
    size_t most = size / 4 * 3 + 3;
    uint8_t *at = buffer_reserve(bytes, most);
    size_t written = 0;
    if (at == NULL || !codec_ascii_valid(slice_of(text, size)) ||
        sodium_base642bin(at, most, text, size, NULL, &written, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0) {
        return false;
    }
    bytes->size += written;
    return true;
}

static json_t *json_of_text(struct slice text)
{
    if (text.size == 0) {
        return json_string(""); /* its pointer may be NULL, which Jansson takes for no text */
    }
    if (codec_utf8_valid(text)) {
        return json_stringn_nocheck((const char *)text.data, text.size);
    }
    struct buffer clean;
    buffer_init(&clean, text.size * 3 + 1);
    while (text.size > 0) {
        uint32_t code_point;
        size_t size = text_decode(text, &code_point);
        buffer_append(&clean, size == 0 ? (const void *)"\xef\xbf\xbd" : text.data,
                      size == 0 ? 3 : size);
        size = size == 0 ? 1 : size;
        text = slice_of(text.data + size, text.size - size);
    }
    json_t *value = clean.status != CONCLAVE_OK
                        ? NULL
                        : json_stringn_nocheck((const char *)clean.data, clean.size);
    buffer_close(&clean);
    return value;
}

static bool is_long_binary(struct slice key)
{
    return slice_is_text(key, "command") || slice_is_text(key, "bytes") ||
           slice_is_text(key, "body");
}

static json_t *json_of_bytes(struct slice bytes, struct slice key)
{
    char *text = is_long_binary(key) ? convert_base64(bytes) : convert_hex(bytes);
    json_t *value = text == NULL ? NULL : json_string(text);
    memory_free(text);
    return value;
}

static json_t *json_of(const msgpack_object *object, struct slice key);

static json_t *json_of_array(const msgpack_object_array *array, struct slice key)
{
    json_t *value = json_array();
    for (uint32_t i = 0; value != NULL && i < array->size; i++) {
        if (json_array_append_new(value, json_of(&array->ptr[i], key)) != 0) {
            json_decref(value);
            return NULL;
        }
    }
    return value;
}

static json_t *json_of_map(const msgpack_object_map *map)
{
    json_t *value = json_object();
    for (uint32_t i = 0; value != NULL && i < map->size; i++) {
        struct slice key;
        if (codec_get_string(&map->ptr[i].key, &key) != CONCLAVE_OK) {
            continue; /* the protocol has no other keys */
        }
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)(key.size < 255 ? key.size : 255),
                 (const char *)key.data);
        if (json_object_set_new(value, name, json_of(&map->ptr[i].val, key)) != 0) {
            json_decref(value);
            return NULL;
        }
    }
    return value;
}

/* Recursion is bounded: codec_parse refuses nesting past LIMIT_NESTING. */
static json_t *json_of(const msgpack_object *object, struct slice key)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return json_sprintf("%" PRIu64, object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_sprintf("%" PRId64, object->via.i64);
    case MSGPACK_OBJECT_STR:
        return json_of_text(slice_of(object->via.str.ptr, object->via.str.size));
    case MSGPACK_OBJECT_BIN:
        return json_of_bytes(slice_of(object->via.bin.ptr, object->via.bin.size), key);
    case MSGPACK_OBJECT_ARRAY:
        return json_of_array(&object->via.array, key);
    case MSGPACK_OBJECT_MAP:
        return json_of_map(&object->via.map);
    default:
        return json_null(); /* nil; floats and extensions are not in the protocol */
    }
}

json_t *convert_to_json(const msgpack_object *object)
{
    ASSERT(object != NULL);
    return json_of(object, slice_of_text(""));
}

json_t *convert_packed_to_json(struct slice packed)
{
    struct codec_tree tree;
    if (codec_parse(&tree, packed) != CONCLAVE_OK) {
        return NULL;
    }
    json_t *value = convert_to_json(&tree.root);
    codec_tree_close(&tree);
    return value;
}

bool convert_to_msgpack(struct buffer *buffer, const json_t *value, const char **what)
{
    ASSERT(buffer != NULL && value != NULL && what != NULL);
    switch (json_typeof(value)) {
    case JSON_OBJECT: {
        const char *key;
        json_t *item;
        json_t *object = (json_t *)(uintptr_t)value; /* iterating changes nothing in it */
        codec_write_map(buffer, (uint32_t)json_object_size(value));
        json_object_foreach(object, key, item)
        {
            codec_write_text(buffer, key);
            if (!convert_to_msgpack(buffer, item, what)) {
                return false;
            }
        }
        return true;
    }
    case JSON_ARRAY:
        codec_write_array(buffer, (uint32_t)json_array_size(value));
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (!convert_to_msgpack(buffer, json_array_get(value, i), what)) {
                return false;
            }
        }
        return true;
    case JSON_STRING:
        codec_write_string(buffer, slice_of(json_string_value(value), json_string_length(value)));
        return true;
    case JSON_INTEGER:
        codec_write_i64(buffer, json_integer_value(value));
        return true;
    case JSON_REAL:
        *what = "a number with a fraction or exponent: write an integer";
        return false;
    case JSON_TRUE:
    case JSON_FALSE:
        codec_write_bool(buffer, json_is_true(value));
        return true;
    default:
        codec_write_nil(buffer);
        return true;
    }
}

static json_t *restored(json_t *item)
{
    uint64_t number;
    const char *text = json_string_value(item);
    if (text != NULL && format_parse_u64(text, &number) && number <= INT64_MAX) {
        return json_integer((json_int_t)number);
    }
    return NULL;
}

static bool is_text_key(const char *key, const char *const *text_keys)
{
    for (; *text_keys != NULL; text_keys++) {
        if (strcmp(key, *text_keys) == 0) {
            return true;
        }
    }
    return false;
}

void convert_restore_integers(json_t *value, const char *const *text_keys)
{
    ASSERT(value != NULL && text_keys != NULL);
    const char *key;
    json_t *item;
    json_t *number;
    size_t i;
    json_object_foreach(value, key, item)
    {
        if (is_text_key(key, text_keys)) {
            continue;
        }
        number = restored(item);
        if (number != NULL) {
            (void)json_object_set_new(value, key, number); /* an existing key: no rehash */
        } else {
            convert_restore_integers(item, text_keys);
        }
    }
    json_array_foreach(value, i, item)
    {
        number = restored(item);
        if (number != NULL) {
            (void)json_array_set_new(value, i, number);
        } else {
            convert_restore_integers(item, text_keys);
        }
    }
}

static uint64_t number_in(const json_t *value)
{
    uint64_t number = 0;
    const char *text = json_string_value(value);
    if (text != NULL && format_parse_u64(text, &number)) {
        return number;
    }
    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

const char *convert_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

uint64_t convert_u64(const json_t *object, const char *key)
{
    return number_in(json_object_get(object, key));
}

bool convert_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool convert_is_null(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value == NULL || json_is_null(value);
}

const char *convert_item_text(const json_t *array, size_t i)
{
    const char *text = json_string_value(json_array_get(array, i));
    return text == NULL ? "" : text;
}

uint64_t convert_item_u64(const json_t *array, size_t i)
{
    return number_in(json_array_get(array, i));
}
