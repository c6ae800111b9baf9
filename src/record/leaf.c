/* See leaf.h. */
#include "record/leaf.h"

#include <conclave/limits.h>

#include "base/sha256.h"
#include "codec/writer.h"

#define COMMAND_ELEMENTS 9u
#define CLOSING_ELEMENTS 5u
#define CODE_BYTES_MAX   64u

static void write_head(struct buffer *buffer, uint32_t elements, enum leaf_kind kind,
                       uint64_t index)
{
    codec_write_array(buffer, elements);
    codec_write_u64(buffer, LEAF_VERSION);
    codec_write_u64(buffer, kind);
    codec_write_u64(buffer, index);
}

void leaf_write_closing(struct buffer *buffer, uint64_t index, uint64_t time_ms,
                        const msgpack_object *closes, uint32_t close_count)
{
    ASSERT(buffer != NULL && (closes != NULL || close_count == 0));
    write_head(buffer, CLOSING_ELEMENTS, LEAF_CLOSING, index);
    codec_write_u64(buffer, time_ms);
    codec_write_array(buffer, close_count);
    for (uint32_t i = 0; i < close_count; i++) {
        struct slice id = slice_of(closes[i].via.str.ptr, closes[i].via.str.size);
        ASSERT(closes[i].type == MSGPACK_OBJECT_STR);
        codec_write_string(buffer, id);
    }
}

void leaf_write(struct buffer *buffer, const struct leaf *leaf)
{
    ASSERT(buffer != NULL && leaf != NULL);
    if (leaf->kind == LEAF_CLOSING) {
        leaf_write_closing(buffer, leaf->index, leaf->time_ms, leaf->closes, leaf->close_count);
        return;
    }
    ASSERT(leaf->envelope.size == LEAF_DIGEST_BYTES && leaf->reply.size == LEAF_DIGEST_BYTES);
    ASSERT(leaf->signature.size == 0 || leaf->signature.size == LEAF_SIGNATURE_BYTES);
    write_head(buffer, COMMAND_ELEMENTS, leaf->kind, leaf->index);
    codec_write_u64(buffer, leaf->position);
    codec_write_u64(buffer, leaf->time_ms);
    codec_write_string(buffer, leaf->code);
    codec_write_bytes(buffer, leaf->envelope);
    codec_write_bytes(buffer, leaf->signature);
    codec_write_bytes(buffer, leaf->reply);
}

/* --- Decoding --- */

static bool decode_command(struct leaf *leaf, const msgpack_object *items)
{
    uint64_t position;
    if (codec_get_u64(&items[3], &position) != CONCLAVE_OK || position > UINT32_MAX ||
        codec_get_u64(&items[4], &leaf->time_ms) != CONCLAVE_OK ||
        codec_get_string(&items[5], &leaf->code) != CONCLAVE_OK ||
        codec_get_bytes(&items[6], &leaf->envelope) != CONCLAVE_OK ||
        codec_get_bytes(&items[7], &leaf->signature) != CONCLAVE_OK ||
        codec_get_bytes(&items[8], &leaf->reply) != CONCLAVE_OK) {
        return false;
    }
    leaf->position = (uint32_t)position;
    return leaf->code.size > 0 && leaf->code.size <= CODE_BYTES_MAX &&
           leaf->envelope.size == LEAF_DIGEST_BYTES && leaf->reply.size == LEAF_DIGEST_BYTES &&
           (leaf->signature.size == 0 || leaf->signature.size == LEAF_SIGNATURE_BYTES);
}

static bool decode_closing(struct leaf *leaf, const msgpack_object *items)
{
    if (codec_get_u64(&items[3], &leaf->time_ms) != CONCLAVE_OK ||
        codec_get_array(&items[4], 1, LIMIT_OPEN_POLLS, &leaf->closes, &leaf->close_count) !=
            CONCLAVE_OK) {
        return false;
    }
    for (uint32_t i = 0; i < leaf->close_count; i++) {
        struct slice id;
        if (codec_get_string(&leaf->closes[i], &id) != CONCLAVE_OK) {
            return false;
        }
    }
    return true;
}

static enum conclave_code decode(struct leaf *leaf)
{
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    uint64_t kind;
    if (codec_get_array(&leaf->tree.root, 2, COMMAND_ELEMENTS, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK) {
        return CONCLAVE_BAD_REQUEST;
    }
    if (version != LEAF_VERSION) {
        return CONCLAVE_BAD_VERSION;
    }
    if (codec_get_u64(&items[1], &kind) != CONCLAVE_OK || kind < LEAF_COMMAND || kind > LEAF_COPY ||
        count != (kind == LEAF_CLOSING ? CLOSING_ELEMENTS : COMMAND_ELEMENTS) ||
        codec_get_u64(&items[2], &leaf->index) != CONCLAVE_OK) {
        return CONCLAVE_BAD_REQUEST;
    }
    leaf->kind = (enum leaf_kind)kind;
    bool whole = kind == LEAF_CLOSING ? decode_closing(leaf, items) : decode_command(leaf, items);
    return whole ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST;
}

/* Was it written in the one way? */
static enum conclave_code check_form(const struct leaf *leaf, struct slice bytes)
{
    struct buffer again;
    buffer_init(&again, LEAF_BYTES_MAX);
    leaf_write(&again, leaf);
    enum conclave_code rv = again.status;
    if (rv == CONCLAVE_OK && !slice_equal(buffer_slice(&again), bytes)) {
        rv = CONCLAVE_BAD_REQUEST;
    }
    buffer_close(&again);
    return rv == CONCLAVE_TOO_LARGE ? CONCLAVE_BAD_REQUEST : rv;
}

enum conclave_code leaf_decode(struct leaf *leaf, struct slice bytes)
{
    ASSERT(leaf != NULL);
    *leaf = (struct leaf){0};
    if (bytes.size == 0 || bytes.size > LEAF_BYTES_MAX) {
        return CONCLAVE_BAD_REQUEST;
    }
    enum conclave_code rv = codec_parse(&leaf->tree, bytes);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = decode(leaf);
    if (rv == CONCLAVE_OK) {
        rv = check_form(leaf, bytes);
    }
    if (rv != CONCLAVE_OK) {
        leaf_close(leaf);
    }
    return rv;
}

void leaf_close(struct leaf *leaf)
{
    ASSERT(leaf != NULL);
    codec_tree_close(&leaf->tree);
    *leaf = (struct leaf){0};
}

enum conclave_code leaf_bind(struct slice command, uint8_t digest[LEAF_DIGEST_BYTES],
                             struct slice *signature)
{
    ASSERT(digest != NULL && signature != NULL);
    struct codec_tree tree = {0};
    enum conclave_code rv = codec_parse(&tree, command);
    if (rv == CONCLAVE_NO_MEMORY) {
        return rv;
    }
    const msgpack_object *items;
    uint32_t count;
    struct slice envelope = command;
    if (rv == CONCLAVE_OK && codec_get_array(&tree.root, 2, 2, &items, &count) == CONCLAVE_OK &&
        codec_get_bytes(&items[0], &envelope) == CONCLAVE_OK &&
        codec_get_bytes(&items[1], signature) == CONCLAVE_OK &&
        signature->size == LEAF_SIGNATURE_BYTES) {
        sha256(envelope, digest);
    } else {
        *signature = slice_of(NULL, 0);
        sha256(command, digest);
    }
    codec_tree_close(&tree);
    return CONCLAVE_OK;
}
