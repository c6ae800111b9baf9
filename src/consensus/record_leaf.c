/* Leaves written anew. */
#include "base/logger.h"
#include "base/memory.h"
#include "codec/envelope.h"
#include "consensus/record.h"
#include "model/model.h"

struct reading {
    struct replica *replica;
    struct kv_transaction *transaction;
    struct tree_entry entry;
    uint32_t offset; /* of the first leaf that is wanted, in the entry */
    uint32_t count;
    record_on_leaf on_leaf;
    void *context;
    enum conclave_code *codes; /* LIMIT_BATCH_COMMANDS of them */
    struct buffer leaf;
};

static enum conclave_code write_command_leaf(struct reading *reading, struct slice command,
                                             uint32_t position)
{
    const struct tree_entry *entry = &reading->entry;
    uint8_t digest[LEAF_DIGEST_BYTES];
    uint8_t kind = entry->kinds.data[position];
    if (kind != LEAF_COMMAND && kind != LEAF_COPY) {
        return CONCLAVE_CORRUPT;
    }
    struct leaf leaf = {
        .kind = (enum leaf_kind)kind,
        .index = entry->index,
        .position = position,
        .time_ms = entry->time_ms,
        .code = slice_of_text(conclave_code_name(reading->codes[position])),
        .reply =
            slice_of(entry->replies.data + (size_t)position * LEAF_DIGEST_BYTES, LEAF_DIGEST_BYTES),
    };
    enum conclave_code rv = leaf_bind(command, digest, &leaf.signature);
    if (rv == CONCLAVE_OK) {
        leaf.envelope = slice_of(digest, sizeof digest);
        leaf_write(&reading->leaf, &leaf);
    }
    return rv;
}

/* Is the leaf that was written the one that the tree has? */
static enum conclave_code check_hash(const struct reading *reading, uint64_t number)
{
    struct merkle_reader reader = tree_reader(reading->transaction);
    struct merkle_hash written;
    struct merkle_hash stored;
    merkle_hash_leaf(buffer_slice(&reading->leaf), &written);
    enum conclave_code rv = reader.read(reader.context, 0, number, &stored);
    if (rv == CONCLAVE_OK && !merkle_hash_equal(&written, &stored)) {
        LOG_ERROR("an entry of the log is not the one that the record has",
                  FIELD_U64("index", reading->entry.index), FIELD_U64("leaf", number));
        return CONCLAVE_CORRUPT;
    }
    return rv;
}

static enum conclave_code tell_leaf(struct reading *reading, const struct batch *batch,
                                    uint32_t offset)
{
    const struct tree_entry *entry = &reading->entry;
    struct record_leaf leaf = {.number = entry->first + offset, .index = entry->index};
    enum conclave_code rv = CONCLAVE_OK;
    buffer_clear(&reading->leaf);
    if (entry->closing && offset == 0) {
        leaf_write_closing(&reading->leaf, entry->index, entry->time_ms, batch->closes,
                           batch->close_count);
    } else {
        leaf.position = offset - (entry->closing ? 1 : 0);
        rv = codec_get_bytes(&batch->commands[leaf.position], &leaf.command);
        if (rv == CONCLAVE_OK) {
            rv = write_command_leaf(reading, leaf.command, leaf.position);
        }
    }
    if (rv == CONCLAVE_OK) {
        rv = reading->leaf.status;
    }
    if (rv == CONCLAVE_OK) {
        rv = check_hash(reading, leaf.number);
    }
    leaf.bytes = buffer_slice(&reading->leaf);
    return rv == CONCLAVE_OK ? reading->on_leaf(reading->context, &leaf) : rv;
}

static enum conclave_code tell_batch(struct reading *reading, const struct batch *batch)
{
    const struct tree_entry *entry = &reading->entry;
    uint32_t count = 0;
    enum conclave_code rv = model_codes(reading->transaction, entry->index, reading->codes,
                                        LIMIT_BATCH_COMMANDS, &count);
    if (rv == CONCLAVE_NOT_FOUND && entry->command_count == 0) {
        rv = CONCLAVE_OK;
    }
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
    }
    if (count != entry->command_count || batch->command_count != entry->command_count ||
        (batch->close_count > 0) != entry->closing) {
        return CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; rv == CONCLAVE_OK && i < reading->count; i++) {
        rv = tell_leaf(reading, batch, reading->offset + i);
    }
    return rv;
}

static enum conclave_code read_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)index;
    struct reading *reading = context;
    struct batch batch;
    if (entry->type != LOG_ENTRY_COMMAND) {
        return CONCLAVE_CORRUPT;
    }
    enum conclave_code rv = batch_decode(&batch, entry->data);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    rv = tell_batch(reading, &batch);
    batch_close(&batch);
    return rv;
}

enum conclave_code record_read_leaves(struct replica *replica, struct kv_transaction *transaction,
                                      uint64_t number, uint64_t limit, record_on_leaf on_leaf,
                                      void *context, uint64_t *count)
{
    ASSERT(on_leaf != NULL && count != NULL && limit > 0);
    struct reading reading = {
        .replica = replica, .transaction = transaction, .on_leaf = on_leaf, .context = context};
    *count = 0;
    enum conclave_code rv = tree_entry_of_leaf(transaction, number, &reading.entry);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    uint64_t index = reading.entry.index;
    reading.offset = (uint32_t)(number - reading.entry.first);
    reading.count = reading.entry.leaf_count - reading.offset;
    if (limit < reading.count) {
        reading.count = (uint32_t)limit;
    }
    *count = reading.count;
    reading.codes = memory_allocate(LIMIT_BATCH_COMMANDS * sizeof *reading.codes);
    if (reading.codes == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    buffer_init(&reading.leaf, LEAF_BYTES_MAX);
    struct cache_entry *cached = cache_get(&replica->cache, index);
    if (cached != NULL) {
        struct log_entry view = cache_entry_view(cached);
        rv = read_entry(&reading, index, &view);
    } else {
        rv = log_read(replica->config.log, index, index, read_entry, &reading);
        rv = rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
    }
    buffer_close(&reading.leaf);
    memory_free(reading.codes);
    return rv;
}
