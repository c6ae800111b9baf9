/* See tree.h. */
#include "record/tree.h"

#include <conclave/limits.h>

#include "base/sha256.h"

#define TREE_VERSION   1u
#define TREE_SPACE     0x01u
#define KEY_BYTES      9u
#define HEAD_BYTES     22u
#define COUNT_OFFSET   2u
#define INDEX_OFFSET   6u
#define TIME_OFFSET    14u
#define COMMANDS_MAX   65536u /* far above LIMIT_BATCH_COMMANDS, which a release may raise */
#define NODES_MAX      (2u * (COMMANDS_MAX + 1u) + MERKLE_LEVELS)
#define APPENDED_BYTES ((size_t)NODES_MAX * MERKLE_HASH_BYTES)

static void store_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static void store_u64(uint8_t *at, uint64_t value)
{
    store_u32(at, (uint32_t)(value >> 32));
    store_u32(at + 4, (uint32_t)value);
}

static uint64_t load_u64(const uint8_t *at, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static struct slice make_key(uint8_t key[KEY_BYTES], uint64_t first)
{
    key[0] = TREE_SPACE;
    store_u64(key + 1, first);
    return slice_of(key, KEY_BYTES);
}

/* --- Appending --- */

void tree_append_open(struct tree_append *append)
{
    ASSERT(append != NULL);
    *append = (struct tree_append){0};
    buffer_init(&append->leaf, LEAF_BYTES_MAX);
    buffer_init(&append->kinds, COMMANDS_MAX);
    buffer_init(&append->replies, (size_t)COMMANDS_MAX * LEAF_DIGEST_BYTES);
    buffer_init(&append->nodes, HEAD_BYTES + APPENDED_BYTES);
}

void tree_append_close(struct tree_append *append)
{
    ASSERT(append != NULL);
    buffer_close(&append->leaf);
    buffer_close(&append->kinds);
    buffer_close(&append->replies);
    buffer_close(&append->nodes);
}

void tree_append_begin(struct tree_append *append, struct merkle_tree *tree, uint64_t index,
                       uint64_t time_ms)
{
    ASSERT(append != NULL && tree != NULL);
    append->tree = tree;
    append->first = tree->size;
    append->index = index;
    append->time_ms = time_ms;
    append->closing = false;
    append->command_count = 0;
    append->status = CONCLAVE_OK;
    buffer_clear(&append->kinds);
    buffer_clear(&append->replies);
    buffer_clear(&append->nodes);
}

/* Hashes the leaf in append->leaf into the tree. */
static void append_leaf(struct tree_append *append)
{
    if (append->status == CONCLAVE_OK) {
        append->status = append->leaf.status;
    }
    if (append->status != CONCLAVE_OK) {
        return;
    }
    struct merkle_hash leaf;
    struct merkle_hash nodes[MERKLE_LEVELS];
    merkle_hash_leaf(buffer_slice(&append->leaf), &leaf);
    unsigned count = merkle_append(append->tree, &leaf, nodes);
    buffer_append(&append->nodes, nodes, count * sizeof nodes[0]);
}

void tree_append_closing(struct tree_append *append, const msgpack_object *closes,
                         uint32_t close_count)
{
    ASSERT(append != NULL && append->command_count == 0 && !append->closing);
    ASSERT(closes != NULL && close_count > 0);
    for (uint32_t i = 0; i < close_count; i++) {
        struct slice id;
        if (codec_get_string(&closes[i], &id) != CONCLAVE_OK) {
            append->status = CONCLAVE_CORRUPT; /* batches come from our own log */
            return;
        }
    }
    append->closing = true;
    buffer_clear(&append->leaf);
    leaf_write_closing(&append->leaf, append->index, append->time_ms, closes, close_count);
    append_leaf(append);
}

void tree_append_command(struct tree_append *append, const struct leaf *leaf, struct slice reply)
{
    ASSERT(append != NULL && leaf != NULL);
    ASSERT(leaf->kind == LEAF_COMMAND || leaf->kind == LEAF_COPY);
    struct leaf whole = *leaf;
    uint8_t digest[LEAF_DIGEST_BYTES];
    uint8_t kind = (uint8_t)leaf->kind;
    sha256(reply, digest);
    whole.index = append->index;
    whole.time_ms = append->time_ms;
    whole.position = append->command_count++;
    whole.reply = slice_of(digest, sizeof digest);
    buffer_clear(&append->leaf);
    leaf_write(&append->leaf, &whole);
    append_leaf(append);
    buffer_append(&append->kinds, &kind, 1);
    buffer_append(&append->replies, digest, sizeof digest);
}

static enum conclave_code status_of(const struct tree_append *append)
{
    if (append->status != CONCLAVE_OK) {
        return append->status;
    }
    const struct buffer *buffers[] = {&append->kinds, &append->replies, &append->nodes};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        if (buffers[i]->status != CONCLAVE_OK) {
            return buffers[i]->status;
        }
    }
    return CONCLAVE_OK;
}

enum conclave_code tree_append_finish(struct tree_append *append,
                                      struct kv_transaction *transaction)
{
    ASSERT(append != NULL && transaction != NULL);
    enum conclave_code rv = status_of(append);
    if (rv != CONCLAVE_OK || append->tree->size == append->first) {
        return rv;
    }
    uint8_t head[HEAD_BYTES];
    head[0] = TREE_VERSION;
    head[1] = append->closing;
    store_u32(head + COUNT_OFFSET, append->command_count);
    store_u64(head + INDEX_OFFSET, append->index);
    store_u64(head + TIME_OFFSET, append->time_ms);
    struct buffer value;
    buffer_init(&value, KV_VALUE_BYTES);
    buffer_append(&value, head, sizeof head);
    buffer_append(&value, append->kinds.data, append->kinds.size);
    buffer_append(&value, append->replies.data, append->replies.size);
    buffer_append(&value, append->nodes.data, append->nodes.size);
    rv = value.status;
    if (rv == CONCLAVE_OK) {
        uint8_t key[KEY_BYTES];
        rv = kv_put(transaction, make_key(key, append->first), buffer_slice(&value));
    }
    buffer_close(&value);
    return rv;
}

/* --- Reading --- */

static enum conclave_code decode_entry(struct slice key, struct slice value,
                                       struct tree_entry *entry)
{
    if (key.size != KEY_BYTES || value.size < HEAD_BYTES || value.data[0] != TREE_VERSION ||
        value.data[1] > 1) {
        return CONCLAVE_CORRUPT;
    }
    *entry = (struct tree_entry){
        .first = load_u64(key.data + 1, 8),
        .index = load_u64(value.data + INDEX_OFFSET, 8),
        .time_ms = load_u64(value.data + TIME_OFFSET, 8),
        .closing = value.data[1] == 1,
        .command_count = (uint32_t)load_u64(value.data + COUNT_OFFSET, 4),
    };
    entry->leaf_count = entry->command_count + (entry->closing ? 1 : 0);
    if (entry->command_count > COMMANDS_MAX || entry->leaf_count == 0 ||
        entry->first > MERKLE_SIZE_MAX - entry->leaf_count) {
        return CONCLAVE_CORRUPT;
    }
    size_t commands = entry->command_count;
    uint64_t nodes = merkle_node_count(entry->first + entry->leaf_count) -
                     merkle_node_count(entry->first);
    size_t nodes_offset = HEAD_BYTES + commands * (1 + LEAF_DIGEST_BYTES);
    if (value.size != nodes_offset + (size_t)nodes * MERKLE_HASH_BYTES) {
        return CONCLAVE_CORRUPT;
    }
    entry->kinds = slice_of(value.data + HEAD_BYTES, commands);
    entry->replies = slice_of(value.data + HEAD_BYTES + commands, commands * LEAF_DIGEST_BYTES);
    entry->nodes = slice_of(value.data + nodes_offset, value.size - nodes_offset);
    return CONCLAVE_OK;
}

/* The entry whose first leaf is the last before `before`. */
static enum conclave_code entry_before(struct kv_transaction *transaction, uint64_t before,
                                       struct tree_entry *entry)
{
    uint8_t bound[KEY_BYTES];
    struct slice key;
    struct slice value;
    enum conclave_code rv = kv_seek_last(transaction, make_key(bound, before), &key, &value);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    return key.data[0] == TREE_SPACE ? decode_entry(key, value, entry) : CONCLAVE_NOT_FOUND;
}

enum conclave_code tree_size(struct kv_transaction *transaction, uint64_t *size)
{
    ASSERT(transaction != NULL && size != NULL);
    struct tree_entry entry;
    *size = 0;
    enum conclave_code rv = entry_before(transaction, UINT64_MAX, &entry);
    if (rv == CONCLAVE_OK) {
        *size = entry.first + entry.leaf_count;
    }
    return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : rv;
}

enum conclave_code tree_entry_of_leaf(struct kv_transaction *transaction, uint64_t number,
                                      struct tree_entry *entry)
{
    ASSERT(transaction != NULL && entry != NULL);
    if (number >= MERKLE_SIZE_MAX) {
        return CONCLAVE_NOT_FOUND;
    }
    enum conclave_code rv = entry_before(transaction, number + 1, entry);
    if (rv == CONCLAVE_OK && number - entry->first >= entry->leaf_count) {
        return CONCLAVE_NOT_FOUND; /* past the end: entries leave no gaps */
    }
    return rv;
}

enum conclave_code tree_entry_of_index(struct kv_transaction *transaction, uint64_t index,
                                       struct tree_entry *entry)
{
    ASSERT(transaction != NULL && entry != NULL);
    uint64_t low = 0;
    uint64_t high;
    enum conclave_code rv = tree_size(transaction, &high);
    while (rv == CONCLAVE_OK && low < high) {
        rv = tree_entry_of_leaf(transaction, low + (high - low) / 2, entry);
        if (rv != CONCLAVE_OK) {
            return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
        }
        if (entry->index == index) {
            return CONCLAVE_OK;
        }
        if (entry->index < index) {
            low = entry->first + entry->leaf_count;
        } else {
            high = entry->first;
        }
    }
    return rv == CONCLAVE_OK ? CONCLAVE_NOT_FOUND : rv;
}

static enum conclave_code read_node(void *context, unsigned level, uint64_t position,
                                    struct merkle_hash *hash)
{
    struct kv_transaction *transaction = context;
    ASSERT(level < MERKLE_LEVELS);
    uint64_t last = ((position + 1) << level) - 1; /* the leaf that completes it */
    struct tree_entry entry;
    enum conclave_code rv = tree_entry_of_leaf(transaction, last, &entry);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
    }
    uint64_t offset = merkle_node_count(last) + level - merkle_node_count(entry.first);
    ASSERT((offset + 1) * MERKLE_HASH_BYTES <= entry.nodes.size);
    memcpy(hash->bytes, entry.nodes.data + offset * MERKLE_HASH_BYTES, MERKLE_HASH_BYTES);
    return CONCLAVE_OK;
}

struct merkle_reader tree_reader(struct kv_transaction *transaction)
{
    ASSERT(transaction != NULL);
    return (struct merkle_reader){.context = transaction, .read = read_node};
}

enum conclave_code tree_load(struct kv_transaction *transaction, struct merkle_tree *tree)
{
    ASSERT(transaction != NULL && tree != NULL);
    *tree = (struct merkle_tree){0};
    enum conclave_code rv = tree_size(transaction, &tree->size);
    struct merkle_reader reader = tree_reader(transaction);
    uint64_t end = tree->size;
    for (unsigned level = 0; rv == CONCLAVE_OK && level < MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1) != 0) {
            end -= UINT64_C(1) << level;
            rv = reader.read(reader.context, level, end >> level, &tree->peaks[level]);
        }
    }
    return rv;
}
