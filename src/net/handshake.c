/* The first words between nodes, as bytes. */
#include "net/handshake.h"

#include "codec/reader.h"
#include "codec/utf8.h"
#include "codec/writer.h"

#define HANDSHAKE_ITEMS        9u
#define HANDSHAKE_ANSWER_ITEMS 3u

void handshake_write(struct buffer *buffer, const struct handshake *handshake)
{
    ASSERT(buffer != NULL && handshake != NULL);
    codec_write_array(buffer, HANDSHAKE_ITEMS);
    codec_write_u64(buffer, HANDSHAKE_VERSION);
    codec_write_bytes(buffer, slice_of(handshake->cluster_id, HANDSHAKE_ID_BYTES));
    codec_write_u64(buffer, handshake->from);
    codec_write_u64(buffer, handshake->to);
    const struct disk_shown *disk = &handshake->disk;
    codec_write_bytes(buffer, slice_of(disk->id, DISK_ID_BYTES));
    codec_write_u64(buffer, disk->generation);
    codec_write_bytes(buffer, slice_of(disk->starts, (size_t)disk->start_count * DISK_START_BYTES));
    codec_write_text(buffer, handshake->program_version);
    codec_write_bytes(buffer, slice_of(handshake->token, handshake->token_size));
}

void handshake_answer_write(struct buffer *buffer, const char *code, const char *sentence)
{
    ASSERT(buffer != NULL && code != NULL && sentence != NULL);
    codec_write_array(buffer, HANDSHAKE_ANSWER_ITEMS);
    codec_write_u64(buffer, HANDSHAKE_VERSION);
    codec_write_text(buffer, code);
    codec_write_text(buffer, sentence);
}

static void copy_text(struct slice from, char *to, size_t size_max)
{
    size_t size = from.size < size_max ? from.size : size_max;
    size = codec_utf8_whole(slice_of(from.data, size)).size;
    if (size > 0) {
        memcpy(to, from.data, size);
    }
    to[size] = '\0';
}

/* The items of a message whose first is the version; the tree is open when this returns OK. Later
 * versions may have another number of items, so the version is looked at first. */
static enum conclave_code read_items(struct codec_tree *tree, struct slice bytes, uint32_t expected,
                                     const msgpack_object **items)
{
    uint64_t version;
    uint32_t count;
    enum conclave_code code = codec_parse(tree, bytes);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = codec_get_array(&tree->root, 1, HANDSHAKE_BYTES_MAX, items, &count);
    if (code == CONCLAVE_OK) {
        code = codec_get_u64(*items, &version);
    }
    if (code == CONCLAVE_OK && version != HANDSHAKE_VERSION) {
        code = CONCLAVE_BAD_VERSION;
    }
    if (code == CONCLAVE_OK && count != expected) {
        code = CONCLAVE_BAD_REQUEST;
    }
    if (code != CONCLAVE_OK) {
        codec_tree_close(tree);
    }
    return code;
}

static enum conclave_code read_id(const msgpack_object *item, uint8_t id[HANDSHAKE_ID_BYTES])
{
    struct slice bytes;
    enum conclave_code code = codec_get_bytes(item, &bytes);
    if (code == CONCLAVE_OK && bytes.size != HANDSHAKE_ID_BYTES) {
        code = CONCLAVE_BAD_REQUEST;
    }
    if (code == CONCLAVE_OK) {
        memcpy(id, bytes.data, HANDSHAKE_ID_BYTES);
    }
    return code;
}

/* As many start numbers as there were starts, but at most DISK_STARTS. */
static enum conclave_code read_disk(const msgpack_object *items, struct disk_shown *disk)
{
    struct slice starts;
    enum conclave_code code;
    if ((code = read_id(&items[0], disk->id)) != CONCLAVE_OK ||
        (code = codec_get_u64(&items[1], &disk->generation)) != CONCLAVE_OK ||
        (code = codec_get_bytes(&items[2], &starts)) != CONCLAVE_OK) {
        return code;
    }
    uint64_t count = disk->generation < DISK_STARTS ? disk->generation : DISK_STARTS;
    if (count == 0 || starts.size != count * DISK_START_BYTES) {
        return CONCLAVE_BAD_REQUEST;
    }
    disk->start_count = (unsigned)count;
    memcpy(disk->starts, starts.data, starts.size);
    return CONCLAVE_OK;
}

static enum conclave_code read_token(const msgpack_object *item, struct handshake *handshake)
{
    struct slice token;
    enum conclave_code code = codec_get_bytes(item, &token);
    if (code == CONCLAVE_OK && token.size > HANDSHAKE_TOKEN_BYTES) {
        code = CONCLAVE_BAD_REQUEST;
    }
    if (code == CONCLAVE_OK) {
        handshake->token_size = token.size;
        if (token.size > 0) {
            memcpy(handshake->token, token.data, token.size);
        }
    }
    return code;
}

static enum conclave_code read_fields(const msgpack_object *items, struct handshake *handshake)
{
    enum conclave_code code;
    struct slice version;
    if ((code = read_id(&items[1], handshake->cluster_id)) != CONCLAVE_OK ||
        (code = codec_get_u64(&items[2], &handshake->from)) != CONCLAVE_OK ||
        (code = codec_get_u64(&items[3], &handshake->to)) != CONCLAVE_OK ||
        (code = read_disk(&items[4], &handshake->disk)) != CONCLAVE_OK ||
        (code = codec_get_string(&items[7], &version)) != CONCLAVE_OK ||
        (code = read_token(&items[8], handshake)) != CONCLAVE_OK) {
        return code;
    }
    copy_text(version, handshake->program_version, HANDSHAKE_VERSION_BYTES);
    return CONCLAVE_OK;
}

enum conclave_code handshake_read(struct slice bytes, struct handshake *handshake)
{
    ASSERT(handshake != NULL);
    struct codec_tree tree;
    const msgpack_object *items;
    enum conclave_code code = read_items(&tree, bytes, HANDSHAKE_ITEMS, &items);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = read_fields(items, handshake);
    codec_tree_close(&tree);
    return code;
}

enum conclave_code handshake_answer_read(struct slice bytes, struct handshake_answer *answer)
{
    ASSERT(answer != NULL);
    struct codec_tree tree;
    const msgpack_object *items;
    enum conclave_code code = read_items(&tree, bytes, HANDSHAKE_ANSWER_ITEMS, &items);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct slice name, sentence;
    code = codec_get_string(&items[1], &name);
    if (code == CONCLAVE_OK) {
        code = codec_get_string(&items[2], &sentence);
    }
    if (code == CONCLAVE_OK) {
        copy_text(name, answer->code, HANDSHAKE_CODE_BYTES);
        copy_text(sentence, answer->sentence, HANDSHAKE_SENTENCE_BYTES);
    }
    codec_tree_close(&tree);
    return code;
}
