/* See model_json.h. */
#include "unit/support/model_json.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/reader.h"
#include "codec/writer.h"

#define TEXT_BYTES (256u * 1024u)

json_t *model_json_of(const char *format, va_list arguments)
{
    char *text = malloc(TEXT_BYTES);
    assert_non_null(text);
    int size = vsnprintf(text, TEXT_BYTES, format, arguments);
    assert_true(size >= 0 && (size_t)size < TEXT_BYTES);
    for (char *at = text; *at != '\0'; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);
    if (value == NULL) {
        fail_msg("the test's JSON: %s at %d: %s", error.text, error.position, text);
    }
    free(text);
    return value;
}

json_t *model_json(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *value = model_json_of(format, arguments);
    va_end(arguments);
    return value;
}

static void pack_string(struct buffer *buffer, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = json_string_length(value);
    if (size < 4 || memcmp(text, "hex:", 4) != 0) {
        codec_write_string(buffer, slice_of(text, size));
        return;
    }
    uint8_t *bytes = malloc(size);
    size_t bytes_size;
    assert_non_null(bytes);
    assert_int_equal(sodium_hex2bin(bytes, size, text + 4, size - 4, NULL, &bytes_size, NULL), 0);
    codec_write_bytes(buffer, slice_of(bytes, bytes_size));
    free(bytes);
}

void model_pack(struct buffer *buffer, json_t *value)
{
    size_t i;
    const char *key;
    json_t *child;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        codec_write_map(buffer, (uint32_t)json_object_size(value));
        json_object_foreach(value, key, child)
        {
            codec_write_text(buffer, key);
            model_pack(buffer, child);
        }
        break;
    case JSON_ARRAY:
        codec_write_array(buffer, (uint32_t)json_array_size(value));
        json_array_foreach(value, i, child)
        {
            model_pack(buffer, child);
        }
        break;
    case JSON_STRING:
        pack_string(buffer, value);
        break;
    case JSON_INTEGER:
        codec_write_i64(buffer, json_integer_value(value));
        break;
    case JSON_REAL: {
        uint8_t bytes[9] = {0xcb};
        double number = json_real_value(value);
        memcpy(bytes + 1, &number, sizeof number); /* its value does not matter */
        codec_write_raw(buffer, slice_of(bytes, sizeof bytes));
        break;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        codec_write_bool(buffer, json_is_true(value));
        break;
    case JSON_NULL:
        codec_write_nil(buffer);
        break;
    }
}

static json_t *hex_string(const uint8_t *bytes, size_t size)
{
    size_t text_size = 4 + 2 * size + 1;
    char *text = malloc(text_size);
    assert_non_null(text);
    memcpy(text, "hex:", 4);
    assert_non_null(sodium_bin2hex(text + 4, text_size - 4, bytes, size));
    json_t *value = json_string(text);
    free(text);
    return value;
}

static json_t *unpack(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        assert_true(object->via.u64 <= INT64_MAX);
        return json_integer((json_int_t)object->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(object->via.i64);
    case MSGPACK_OBJECT_STR: {
        json_t *text = json_stringn(object->via.str.ptr, object->via.str.size);
        assert_non_null(text); /* valid UTF-8 */
        return text;
    }
    case MSGPACK_OBJECT_BIN:
        return hex_string((const uint8_t *)object->via.bin.ptr, object->via.bin.size);
    case MSGPACK_OBJECT_ARRAY: {
        json_t *array = json_array();
        for (uint32_t i = 0; i < object->via.array.size; i++) {
            json_array_append_new(array, unpack(&object->via.array.ptr[i]));
        }
        return array;
    }
    case MSGPACK_OBJECT_MAP: {
        json_t *map = json_object();
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *pair = &object->via.map.ptr[i];
            char key[128];
            assert_int_equal(pair->key.type, MSGPACK_OBJECT_STR);
            assert_true(pair->key.via.str.size < sizeof key);
            memcpy(key, pair->key.via.str.ptr, pair->key.via.str.size);
            key[pair->key.via.str.size] = '\0';
            assert_null(json_object_get(map, key)); /* no key comes twice */
            json_object_set_new(map, key, unpack(&pair->val));
        }
        return map;
    }
    default:
        fail_msg("a type that no format of ours has");
    }
    return NULL;
}

json_t *model_unpack(struct slice packed)
{
    struct codec_tree tree;
    assert_int_equal(codec_parse(&tree, packed), CONCLAVE_OK);
    json_t *value = unpack(&tree.root);
    codec_tree_close(&tree);
    return value;
}

const json_t *model_at(const json_t *value, const char *path)
{
    const char *at = path;
    while (value != NULL && *at != '\0') {
        size_t size = strcspn(at, ".");
        char key[128];
        assert_true(size < sizeof key);
        memcpy(key, at, size);
        key[size] = '\0';
        value = json_is_array(value) ? json_array_get(value, strtoul(key, NULL, 10))
                                     : json_object_get(value, key);
        at += size + (at[size] == '.' ? 1 : 0);
    }
    if (value == NULL) {
        fail_msg("there is no \"%s\"", path);
    }
    return value;
}

static void expect_json(const json_t *value, json_t *expected, const char *path)
{
    if (!json_equal(value, expected)) {
        char *is = json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
        char *should = json_dumps(expected, JSON_ENCODE_ANY | JSON_SORT_KEYS);
        fail_msg("%s is\n  %s\nand should be\n  %s", path, is, should);
    }
    json_decref(expected);
}

void model_expect(const json_t *value, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    expect_json(value, model_json_of(format, arguments), "the value");
    va_end(arguments);
}

void model_expect_at(const json_t *value, const char *path, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    expect_json(model_at(value, path), model_json_of(format, arguments), path);
    va_end(arguments);
}
