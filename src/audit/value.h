/* Looking into MessagePack values of commands that a node accepted. What is missing or of another
 * type reads as absent: the caller says what that means. */
#ifndef AUDIT_VALUE_H
#define AUDIT_VALUE_H

#include "codec/reader.h"

/* The value of a key of a map, or NULL. */
static inline const msgpack_object *value_get(const msgpack_object *map, const char *key)
{
    if (map == NULL || map->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR &&
            slice_is_text(slice_of(pair->key.via.str.ptr, pair->key.via.str.size), key)) {
            return &pair->val;
        }
    }
    return NULL;
}

/* Item `at` of an array, or NULL. */
static inline const msgpack_object *value_item(const msgpack_object *array, uint32_t at)
{
    return array != NULL && array->type == MSGPACK_OBJECT_ARRAY && at < array->via.array.size
               ? &array->via.array.ptr[at]
               : NULL;
}

static inline uint32_t value_count(const msgpack_object *array)
{
    return array != NULL && array->type == MSGPACK_OBJECT_ARRAY ? array->via.array.size : 0;
}

static inline uint64_t value_u64(const msgpack_object *value, uint64_t otherwise)
{
    return value != NULL && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64
                                                                           : otherwise;
}

static inline bool value_true(const msgpack_object *value)
{
    return value != NULL && value->type == MSGPACK_OBJECT_BOOLEAN && value->via.boolean;
}

/* Text or bytes; empty when it is neither. */
static inline struct slice value_bytes(const msgpack_object *value)
{
    if (value != NULL && value->type == MSGPACK_OBJECT_STR) {
        return slice_of(value->via.str.ptr, value->via.str.size);
    }
    if (value != NULL && value->type == MSGPACK_OBJECT_BIN) {
        return slice_of(value->via.bin.ptr, value->via.bin.size);
    }
    return slice_of("", 0);
}

static inline bool value_is(const msgpack_object *value, const char *text)
{
    return value != NULL && slice_is_text(value_bytes(value), text);
}

#endif
