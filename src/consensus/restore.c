/* A log that begins with the entries of a backup.
 *
 * The happy path is: the entries of the former cluster, with their indexes, terms and times -> the
 * command that founds the new one, in an entry and a term of its own -> the vote -> the identity,
 * last: a log without one belongs to nobody, and is never started. Every configuration is replaced
 * by that of the new nodes: who was in the former cluster has no say in this one. All nodes that
 * are restored from one backup by one command write the same bytes. */
#include "consensus/restore.h"

#include "base/memory.h"
#include "codec/envelope.h"
#include "consensus/bootstrap.h"

#define FLUSH_ENTRIES 256u
#define FLUSH_BYTES   (4u * 1024u * 1024u)

struct replica_restore {
    struct log *log;
    struct random random;
    uint64_t node_id;
    struct genesis genesis;
    struct slice command; /* the caller's */
    struct raft_buffer configuration;
    uint64_t last_index, last_term, time_ms; /* of what was taken */
    uint64_t stored;                         /* index of the last entry in the log */
    struct buffer data;                      /* of the entries that wait */
    struct log_entry waiting[FLUSH_ENTRIES];
    size_t offsets[FLUSH_ENTRIES];
    size_t count;
};

enum conclave_code replica_restore_open(const struct replica_restore_config *config,
                                        struct replica_restore **restore, struct codec_error *error)
{
    ASSERT(config != NULL && config->log != NULL && restore != NULL && error != NULL);
    struct replica_restore *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *made = (struct replica_restore){.log = config->log,
                                     .random = *config->random,
                                     .node_id = config->node_id,
                                     .command = config->command};
    buffer_init(&made->data, 2u * FLUSH_BYTES);
    enum conclave_code rv =
        bootstrap_check(config->log, config->command, config->node_id, &made->genesis, error);
    if (rv == CONCLAVE_OK && log_last_index(config->log) > 0) {
        codec_error_set(error, "the log is not empty");
        rv = CONCLAVE_DUPLICATE_ID;
    }
    if (rv == CONCLAVE_OK && made->genesis.former.count == 0) {
        codec_error_set(error, "the genesis is that of a new cluster: it restores nothing");
        rv = CONCLAVE_BAD_REQUEST;
    }
    if (rv == CONCLAVE_OK) {
        rv = bootstrap_configuration(&made->genesis, &made->configuration);
    }
    if (rv != CONCLAVE_OK) {
        replica_restore_close(made);
        return rv;
    }
    *restore = made;
    return CONCLAVE_OK;
}

void replica_restore_close(struct replica_restore *restore)
{
    if (restore == NULL) {
        return;
    }
    buffer_close(&restore->data);
    raft_free(restore->configuration.base);
    memory_free(restore);
}

const uint8_t *replica_restore_backup(const struct replica_restore *restore)
{
    ASSERT(restore != NULL);
    return restore->genesis.former.backup;
}

/* What waits becomes durable. */
static enum conclave_code flush(struct replica_restore *restore)
{
    if (restore->count == 0) {
        return CONCLAVE_OK;
    }
    for (size_t i = 0; i < restore->count; i++) {
        struct log_entry *entry = &restore->waiting[i];
        if (entry->type == LOG_ENTRY_CONFIGURATION) {
            entry->data = slice_of(restore->configuration.base, restore->configuration.len);
        } else {
            entry->data = slice_of(restore->data.data + restore->offsets[i], entry->data.size);
        }
    }
    enum conclave_code rv =
        log_append(restore->log, restore->stored + 1, restore->waiting, restore->count);
    if (rv == CONCLAVE_OK) {
        restore->stored += restore->count;
        restore->count = 0;
        buffer_clear(&restore->data);
    }
    return rv;
}

static enum conclave_code check_entry(const struct replica_restore *restore,
                                      const struct replica_restore_entry *entry,
                                      struct codec_error *error)
{
    if (entry->index != restore->last_index + 1) {
        codec_error_set(error, "entry %llu is missing: the next one is %llu",
                        (unsigned long long)restore->last_index + 1,
                        (unsigned long long)entry->index);
        return CONCLAVE_BAD_REQUEST;
    }
    if (entry->index > restore->genesis.former.index) {
        codec_error_set(error, "it goes beyond entry %llu, where the backup must end",
                        (unsigned long long)restore->genesis.former.index);
        return CONCLAVE_BAD_REQUEST;
    }
    bool first = entry->index == 1;
    if (entry->term < 1 || entry->term < restore->last_term ||
        (first && entry->type != REPLICA_RESTORE_CONFIGURATION)) {
        codec_error_set(error, "entry %llu is not in order: of term %llu after %llu",
                        (unsigned long long)entry->index, (unsigned long long)entry->term,
                        (unsigned long long)restore->last_term);
        return CONCLAVE_BAD_REQUEST;
    }
    return CONCLAVE_OK;
}

/* Appends to what waits. */
static enum conclave_code add(struct replica_restore *restore, uint64_t term,
                              enum log_entry_type type, const struct replica_restore_entry *entry)
{
    size_t before = restore->data.size;
    if (type == LOG_ENTRY_COMMAND) {
        batch_write(&restore->data, entry->time_ms, entry->closes, entry->close_count,
                    entry->commands, entry->command_count);
    }
    if (restore->data.status != CONCLAVE_OK) {
        return restore->data.status;
    }
    restore->offsets[restore->count] = before;
    restore->waiting[restore->count++] =
        (struct log_entry){term, type, slice_of(NULL, restore->data.size - before)};
    return restore->count == FLUSH_ENTRIES || restore->data.size >= FLUSH_BYTES ? flush(restore)
                                                                                : CONCLAVE_OK;
}

enum conclave_code replica_restore_entry(struct replica_restore *restore,
                                         const struct replica_restore_entry *entry,
                                         struct codec_error *error)
{
    static const enum log_entry_type types[] = {
        [REPLICA_RESTORE_BATCH] = LOG_ENTRY_COMMAND,
        [REPLICA_RESTORE_BARRIER] = LOG_ENTRY_BARRIER,
        [REPLICA_RESTORE_CONFIGURATION] = LOG_ENTRY_CONFIGURATION,
    };
    ASSERT(restore != NULL && entry != NULL && error != NULL);
    enum conclave_code rv = check_entry(restore, entry, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    restore->last_index = entry->index;
    restore->last_term = entry->term;
    restore->time_ms = entry->time_ms > restore->time_ms ? entry->time_ms : restore->time_ms;
    rv = add(restore, entry->term, types[entry->type], entry);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the log could not be written: %s", conclave_code_text(rv));
    }
    return rv;
}

enum conclave_code replica_restore_finish(struct replica_restore *restore,
                                          struct codec_error *error)
{
    ASSERT(restore != NULL && error != NULL);
    if (restore->last_index != restore->genesis.former.index) {
        codec_error_set(error, "it ends with entry %llu, and goes up to %llu",
                        (unsigned long long)restore->last_index,
                        (unsigned long long)restore->genesis.former.index);
        return CONCLAVE_BAD_REQUEST;
    }
    /* Log time does not go back, whatever the clock of who signed. */
    uint64_t time_ms = restore->genesis.created_ms > restore->time_ms ? restore->genesis.created_ms
                                                                      : restore->time_ms;
    uint64_t term = restore->last_term + 1;
    const struct replica_restore_entry founding = {
        .time_ms = time_ms, .commands = &restore->command, .command_count = 1};
    enum conclave_code rv = add(restore, term, LOG_ENTRY_COMMAND, &founding);
    if (rv == CONCLAVE_OK) {
        rv = flush(restore);
    }
    if (rv == CONCLAVE_OK) {
        rv = log_save_vote(restore->log, (struct log_vote){.term = term});
    }
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the log could not be written: %s", conclave_code_text(rv));
        return rv;
    }
    return bootstrap_identity(restore->log, restore->genesis.cluster_id, restore->node_id,
                              restore->genesis.former.index + 1, &restore->random, error);
}
