/* Looking into MessagePack values with msgpack-c alone. */
#ifndef TESTS_SIM_UNPACK_H
#define TESTS_SIM_UNPACK_H

#include <msgpack.h>
#include <stdbool.h>

#include "base/slice.h"

/* The value of a key of a map, or NULL. */
static inline const msgpack_object *unpack_get(const msgpack_object *map, const char *key)
{
    if (map == NULL || map->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object_kv *pair = &map->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && pair->key.via.str.size == strlen(key) &&
            memcmp(pair->key.via.str.ptr, key, strlen(key)) == 0) {
            return &pair->val;
        }
    }
    return NULL;
}

/* Item `at` of an array, or NULL. */
static inline const msgpack_object *unpack_item(const msgpack_object *array, uint32_t at)
{
    return array != NULL && array->type == MSGPACK_OBJECT_ARRAY && at < array->via.array.size
               ? &array->via.array.ptr[at]
               : NULL;
}

static inline uint32_t unpack_size(const msgpack_object *array)
{
    return array != NULL && array->type == MSGPACK_OBJECT_ARRAY ? array->via.array.size : 0;
}

static inline uint64_t unpack_u64(const msgpack_object *value, uint64_t otherwise)
{
    return value != NULL && value->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? value->via.u64
                                                                           : otherwise;
}

/* Text or bytes; empty when it is neither. */
static inline struct slice unpack_bytes(const msgpack_object *value)
{
    if (value != NULL && value->type == MSGPACK_OBJECT_STR) {
        return slice_of(value->via.str.ptr, value->via.str.size);
    }
    if (value != NULL && value->type == MSGPACK_OBJECT_BIN) {
        return slice_of(value->via.bin.ptr, value->via.bin.size);
    }
    return slice_of("", 0);
}

static inline bool unpack_is(const msgpack_object *value, const char *text)
{
    return value != NULL && slice_is_text(unpack_bytes(value), text);
}

#endif
