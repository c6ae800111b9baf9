/* Commands and batches: docs/PROTOCOL.md, "Commands", and the header. */
#include "codec/envelope.h"

#include <conclave/limits.h>

#include "codec/writer.h"

#define ENVELOPE_ELEMENTS 7u
#define BATCH_VERSION     1u
#define BATCH_ELEMENTS    4u

/* What a command has beyond its envelope: an array's head, a bin's head, the signature with its
 * head. */
#define COMMAND_OVERHEAD_BYTES (1u + 5u + 5u + ENVELOPE_SIGNATURE_BYTES)

static bool is_letter_or_digit(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

static bool is_one_of(uint8_t byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

bool envelope_id_valid(struct slice id)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES || !is_letter_or_digit(id.data[0])) {
        return false;
    }
    for (size_t i = 1; i < id.size; i++) {
        if (!is_letter_or_digit(id.data[i]) && !is_one_of(id.data[i], "._-:+")) {
            return false;
        }
    }
    return true;
}

bool envelope_label_valid(struct slice label)
{
    if (label.size == 0 || label.size > LIMIT_LABEL_BYTES) {
        return false;
    }
    for (size_t i = 0; i < label.size; i++) {
        if (!is_letter_or_digit(label.data[i]) && !is_one_of(label.data[i], "_-.:")) {
            return false;
        }
    }
    return true;
}

/* The two byte strings of a command. */
static enum conclave_code split_command(struct envelope *envelope, struct slice command,
                                        struct codec_error *error)
{
    struct codec_tree outer;
    enum conclave_code rv = codec_parse(&outer, command);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, rv == CONCLAVE_NO_MEMORY
                                   ? "out of memory"
                                   : "the command is not one MessagePack value");
        return rv;
    }
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(&outer.root, 2, 2, &items, &count) != CONCLAVE_OK ||
        codec_get_bytes(&items[0], &envelope->bytes) != CONCLAVE_OK ||
        codec_get_bytes(&items[1], &envelope->signature) != CONCLAVE_OK) {
        codec_error_set(error, "the command is not [envelope: bin, signature: bin]");
        rv = CONCLAVE_BAD_REQUEST;
    } else if (envelope->signature.size != ENVELOPE_SIGNATURE_BYTES) {
        codec_error_set(error, "the signature has %zu bytes, not %u", envelope->signature.size,
                        ENVELOPE_SIGNATURE_BYTES);
        rv = CONCLAVE_BAD_REQUEST;
    } else if (envelope->bytes.size > LIMIT_COMMAND_BYTES) {
        codec_error_set(error, "the envelope has %zu bytes, at most %u are allowed",
                        envelope->bytes.size, LIMIT_COMMAND_BYTES);
        rv = CONCLAVE_TOO_LARGE;
    }
    codec_tree_close(&outer);
    return rv;
}

static enum conclave_code bad_element(struct codec_error *error, const char *what)
{
    codec_error_set(error, "the envelope's %s", what);
    return CONCLAVE_BAD_REQUEST;
}

static enum conclave_code decode_elements(struct envelope *envelope, struct codec_error *error)
{
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    if (codec_get_array(&envelope->tree.root, 1, UINT32_MAX, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK) {
        return bad_element(error, "bytes are not an array that starts with a version");
    }
    if (version != ENVELOPE_VERSION) {
        codec_error_set(error, "the envelope has version %llu, only %u is known here",
                        (unsigned long long)version, ENVELOPE_VERSION);
        return CONCLAVE_BAD_VERSION;
    }
    if (count != ENVELOPE_ELEMENTS) {
        return bad_element(error, "array does not have 7 elements");
    }
    if (codec_get_bytes(&items[1], &envelope->cluster) != CONCLAVE_OK ||
        envelope->cluster.size != ENVELOPE_CLUSTER_BYTES) {
        return bad_element(error, "cluster id is not a bin of 16 bytes");
    }
    if (codec_get_string(&items[2], &envelope->author) != CONCLAVE_OK ||
        !envelope_id_valid(envelope->author)) {
        return bad_element(error, "author is not an id");
    }
    if (codec_get_bytes(&items[3], &envelope->nonce) != CONCLAVE_OK ||
        envelope->nonce.size != ENVELOPE_NONCE_BYTES) {
        return bad_element(error, "nonce is not a bin of 16 bytes");
    }
    if (codec_get_u64(&items[4], &envelope->not_after_ms) != CONCLAVE_OK) {
        return bad_element(error, "not_after is not an unsigned integer");
    }
    if (codec_get_string(&items[5], &envelope->kind) != CONCLAVE_OK) {
        return bad_element(error, "kind is not a string");
    }
    if (items[6].type != MSGPACK_OBJECT_MAP) {
        return bad_element(error, "body is not a map");
    }
    envelope->body = &items[6];
    return CONCLAVE_OK;
}

enum conclave_code envelope_decode(struct envelope *envelope, struct slice command,
                                   struct codec_error *error)
{
    ASSERT(envelope != NULL && error != NULL);
    *envelope = (struct envelope){0};
    if (command.size > LIMIT_COMMAND_BYTES + COMMAND_OVERHEAD_BYTES) {
        codec_error_set(error, "the command has %zu bytes, at most %u are allowed", command.size,
                        LIMIT_COMMAND_BYTES + COMMAND_OVERHEAD_BYTES);
        return CONCLAVE_TOO_LARGE;
    }
    enum conclave_code rv = split_command(envelope, command, error);
    if (rv != CONCLAVE_OK) {
        goto err;
    }
    rv = codec_parse(&envelope->tree, envelope->bytes);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, rv == CONCLAVE_NO_MEMORY
                                   ? "out of memory"
                                   : "the envelope is not one MessagePack value");
        goto err;
    }
    rv = decode_elements(envelope, error);
    if (rv != CONCLAVE_OK) {
        goto err_after_parse;
    }
    return CONCLAVE_OK;

err_after_parse:
    codec_tree_close(&envelope->tree);
err:
    ASSERT(rv != CONCLAVE_OK);
    *envelope = (struct envelope){0};
    return rv;
}

void envelope_close(struct envelope *envelope)
{
    ASSERT(envelope != NULL);
    codec_tree_close(&envelope->tree);
    *envelope = (struct envelope){0};
}

void envelope_write_head(struct buffer *buffer, const struct envelope *head)
{
    ASSERT(head != NULL);
    ASSERT(head->cluster.size == ENVELOPE_CLUSTER_BYTES &&
           head->nonce.size == ENVELOPE_NONCE_BYTES);
    codec_write_array(buffer, ENVELOPE_ELEMENTS);
    codec_write_u64(buffer, ENVELOPE_VERSION);
    codec_write_bytes(buffer, head->cluster);
    codec_write_string(buffer, head->author);
    codec_write_bytes(buffer, head->nonce);
    codec_write_u64(buffer, head->not_after_ms);
    codec_write_string(buffer, head->kind);
}

void envelope_write_command(struct buffer *buffer, struct slice envelope, struct slice signature)
{
    ASSERT(signature.size == ENVELOPE_SIGNATURE_BYTES);
    codec_write_array(buffer, 2);
    codec_write_bytes(buffer, envelope);
    codec_write_bytes(buffer, signature);
}

static enum conclave_code decode_batch_elements(struct batch *batch)
{
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    struct slice piece;
    if (codec_get_array(&batch->tree.root, 1, UINT32_MAX, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK) {
        return CONCLAVE_BAD_REQUEST;
    }
    if (version != BATCH_VERSION) {
        return CONCLAVE_BAD_VERSION;
    }
    if (count != BATCH_ELEMENTS || codec_get_u64(&items[1], &batch->time_ms) != CONCLAVE_OK ||
        codec_get_array(&items[2], 0, UINT32_MAX, &batch->closes, &batch->close_count) !=
            CONCLAVE_OK ||
        codec_get_array(&items[3], 0, UINT32_MAX, &batch->commands, &batch->command_count) !=
            CONCLAVE_OK) {
        return CONCLAVE_BAD_REQUEST;
    }
    for (uint32_t i = 0; i < batch->close_count; i++) {
        if (codec_get_string(&batch->closes[i], &piece) != CONCLAVE_OK ||
            !envelope_id_valid(piece)) {
            return CONCLAVE_BAD_REQUEST;
        }
    }
    for (uint32_t i = 0; i < batch->command_count; i++) {
        if (codec_get_bytes(&batch->commands[i], &piece) != CONCLAVE_OK) {
            return CONCLAVE_BAD_REQUEST;
        }
    }
    return CONCLAVE_OK;
}

enum conclave_code batch_decode(struct batch *batch, struct slice data)
{
    ASSERT(batch != NULL);
    *batch = (struct batch){0};
    enum conclave_code rv = codec_parse(&batch->tree, data);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = decode_batch_elements(batch);
    if (rv != CONCLAVE_OK) {
        batch_close(batch);
    }
    return rv;
}

void batch_close(struct batch *batch)
{
    ASSERT(batch != NULL);
    codec_tree_close(&batch->tree);
    *batch = (struct batch){0};
}

void batch_write(struct buffer *buffer, uint64_t time_ms, const struct slice *closes,
                 uint32_t close_count, const struct slice *commands, uint32_t command_count)
{
    ASSERT(closes != NULL || close_count == 0);
    ASSERT(commands != NULL || command_count == 0);
    codec_write_array(buffer, BATCH_ELEMENTS);
    codec_write_u64(buffer, BATCH_VERSION);
    codec_write_u64(buffer, time_ms);
    codec_write_array(buffer, close_count);
    for (uint32_t i = 0; i < close_count; i++) {
        codec_write_string(buffer, closes[i]);
    }
    codec_write_array(buffer, command_count);
    for (uint32_t i = 0; i < command_count; i++) {
        codec_write_bytes(buffer, commands[i]);
    }
}
