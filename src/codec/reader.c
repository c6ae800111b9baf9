/* Values and maps out of bytes from outside. */
#include "codec/reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/memory.h"
#include "codec/utf8.h"

enum conclave_code codec_parse(struct codec_tree *tree, struct slice input)
{
    ASSERT(tree != NULL);
    struct codec_scan scan = {0};
    if (codec_scan(&scan, input) != CODEC_SCAN_COMPLETE || scan.offset != input.size) {
        return CONCLAVE_BAD_REQUEST;
    }
    if (memory_fault_next()) {
        return CONCLAVE_NO_MEMORY;
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    msgpack_unpack_return rv =
        msgpack_unpack_next(&unpacked, (const char *)input.data, input.size, &offset);
    if (rv == MSGPACK_UNPACK_NOMEM_ERROR) {
        return CONCLAVE_NO_MEMORY;
    }
    if (rv != MSGPACK_UNPACK_SUCCESS || offset != input.size) {
        msgpack_unpacked_destroy(&unpacked);
        return CONCLAVE_BAD_REQUEST;
    }
    *tree = (struct codec_tree){.zone = unpacked.zone, .root = unpacked.data};
    return CONCLAVE_OK;
}

void codec_tree_close(struct codec_tree *tree)
{
    ASSERT(tree != NULL);
    if (tree->zone != NULL) {
        msgpack_zone_free(tree->zone);
    }
    *tree = (struct codec_tree){0};
}

enum conclave_code codec_get_u64(const msgpack_object *object, uint64_t *value)
{
    ASSERT(object != NULL && value != NULL);
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER) {
        return CONCLAVE_BAD_REQUEST;
    }
    *value = object->via.u64;
    return CONCLAVE_OK;
}

enum conclave_code codec_get_i64(const msgpack_object *object, int64_t *value)
{
    ASSERT(object != NULL && value != NULL);
    if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        *value = object->via.i64;
        return CONCLAVE_OK;
    }
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX) {
        *value = (int64_t)object->via.u64;
        return CONCLAVE_OK;
    }
    return CONCLAVE_BAD_REQUEST;
}

enum conclave_code codec_get_bool(const msgpack_object *object, bool *value)
{
    ASSERT(object != NULL && value != NULL);
    if (object->type != MSGPACK_OBJECT_BOOLEAN) {
        return CONCLAVE_BAD_REQUEST;
    }
    *value = object->via.boolean;
    return CONCLAVE_OK;
}

/* Bytes as msgpack-c has them. What is empty may have no address there: it gets one, so that nobody
 * has to ask. */
static struct slice slice_of_raw(const char *data, uint32_t size)
{
    return size == 0 ? slice_of_text("") : slice_of(data, size);
}

enum conclave_code codec_get_string(const msgpack_object *object, struct slice *value)
{
    ASSERT(object != NULL && value != NULL);
    if (object->type != MSGPACK_OBJECT_STR) {
        return CONCLAVE_BAD_REQUEST;
    }
    struct slice text = slice_of_raw(object->via.str.ptr, object->via.str.size);
    if (!codec_utf8_valid(text)) {
        return CONCLAVE_BAD_REQUEST;
    }
    *value = text;
    return CONCLAVE_OK;
}

enum conclave_code codec_get_bytes(const msgpack_object *object, struct slice *value)
{
    ASSERT(object != NULL && value != NULL);
    if (object->type != MSGPACK_OBJECT_BIN) {
        return CONCLAVE_BAD_REQUEST;
    }
    *value = slice_of_raw(object->via.bin.ptr, object->via.bin.size);
    return CONCLAVE_OK;
}

enum conclave_code codec_get_array(const msgpack_object *object, uint32_t count_min,
                                   uint32_t count_max, const msgpack_object **items,
                                   uint32_t *count)
{
    ASSERT(object != NULL && items != NULL && count != NULL);
    ASSERT(count_min <= count_max);
    if (object->type != MSGPACK_OBJECT_ARRAY || object->via.array.size < count_min ||
        object->via.array.size > count_max) {
        return CONCLAVE_BAD_REQUEST;
    }
    *items = object->via.array.ptr;
    *count = object->via.array.size;
    return CONCLAVE_OK;
}

void codec_error_set(struct codec_error *error, const char *format, ...)
{
    ASSERT(error != NULL && format != NULL);
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    ASSERT(written >= 0);
}
