/* Paths into MessagePack values. */
#include "support/packed.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/reader.h"

static const msgpack_object *child(const msgpack_object *object, struct slice name)
{
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        char digits[16] = {0};
        if (name.size == 0 || name.size >= sizeof digits) {
            return NULL;
        }
        memcpy(digits, name.data, name.size);
        unsigned long place = strtoul(digits, NULL, 10);
        return place < object->via.array.size ? &object->via.array.ptr[place] : NULL;
    }
    if (object->type != MSGPACK_OBJECT_MAP) {
        return NULL;
    }
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        struct slice key;
        if (codec_get_string(&pair->key, &key) == CONCLAVE_OK && slice_equal(key, name)) {
            return &pair->val;
        }
    }
    return NULL;
}

static const msgpack_object *find(const struct codec_tree *tree, const char *path)
{
    const msgpack_object *object = &tree->root;
    while (*path != 0 && object != NULL) {
        size_t size = strcspn(path, ".");
        object = child(object, slice_of(path, size));
        path += size + (path[size] == '.');
    }
    return object;
}

static void parse(struct codec_tree *tree, struct slice packed)
{
    enum conclave_code rv = codec_parse(tree, packed);
    ASSERT(rv == CONCLAVE_OK);
}

bool packed_is(struct slice packed, const char *path, const char *expected)
{
    if (packed.size == 0) {
        return false;
    }
    struct codec_tree tree;
    parse(&tree, packed);
    const msgpack_object *object = find(&tree, path);
    struct slice text = {0};
    bool is = object != NULL && codec_get_string(object, &text) == CONCLAVE_OK &&
              slice_is_text(text, expected);
    if (!is) {
        fprintf(stderr, "at \"%s\": \"%.*s\", not \"%s\"\n", path, (int)text.size,
                text.size == 0 ? "" : (const char *)text.data, expected);
    }
    codec_tree_close(&tree);
    return is;
}

uint64_t packed_u64(struct slice packed, const char *path)
{
    struct codec_tree tree;
    parse(&tree, packed);
    const msgpack_object *object = find(&tree, path);
    uint64_t value;
    ASSERT(object != NULL && codec_get_u64(object, &value) == CONCLAVE_OK);
    codec_tree_close(&tree);
    return value;
}

uint32_t packed_count(struct slice packed, const char *path)
{
    struct codec_tree tree;
    parse(&tree, packed);
    const msgpack_object *object = find(&tree, path);
    ASSERT(object != NULL &&
           (object->type == MSGPACK_OBJECT_ARRAY || object->type == MSGPACK_OBJECT_MAP));
    uint32_t count = object->type == MSGPACK_OBJECT_ARRAY ? object->via.array.size
                                                          : object->via.map.size;
    codec_tree_close(&tree);
    return count;
}

struct slice packed_bytes(struct slice packed, const char *path)
{
    struct codec_tree tree;
    parse(&tree, packed);
    const msgpack_object *object = find(&tree, path);
    struct slice bytes = {0};
    if (object == NULL || codec_get_bytes(object, &bytes) != CONCLAVE_OK) {
        bytes = (struct slice){0};
    }
    codec_tree_close(&tree);
    return bytes;
}
