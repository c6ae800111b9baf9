/* The journal: appends and reads, and its end. See the header. */
#include "log/log_journal_internal.h"

#include "base/logger.h"
#include "base/memory.h"

#define FRAME_SHARE      2u /* a frame takes at most this part of the room */
#define FRAME_BYTES_MIN  ((size_t)16 * LOG_FRAME_BLOCK_BYTES)
#define FRAME_KEEP_BYTES ((size_t)1024 * 1024)

static struct log_journal *journal_of(struct log *log)
{
    ASSERT(log != NULL && log->operations == &journal_operations);
    return (struct log_journal *)log;
}

enum conclave_code log_journal_drain(struct log *log)
{
    struct log_journal *journal = journal_of(log);
    journal_lock(journal);
    enum conclave_code code = journal_wait_round(journal);
    journal_unlock(journal);
    return code;
}

/* --- Appending --- */

static bool is_poisoned(struct log_journal *journal)
{
    return atomic_load(&journal->poisoned) || log_lmdb_poisoned(journal->below);
}

/* Where a frame of this size goes; false when there is no room yet. */
static bool find_place(const struct log_journal *journal, uint64_t size, uint64_t *offset,
                       uint64_t *skipped)
{
    uint64_t end = journal->file.head.bytes;
    *offset = journal->offset;
    *skipped = 0;
    if (size > end - journal->offset) {
        *offset = JOURNAL_FRAMES_AT;
        *skipped = end - journal->offset;
    }
    return size + *skipped <= journal_room(journal) - journal->used;
}

/* Waits until there is a place, and room in the tail. */
static enum conclave_code take_place(struct log_journal *journal, uint64_t size, size_t entry_count,
                                     uint64_t *offset, uint64_t *skipped)
{
    enum conclave_code code = CONCLAVE_OK;
    journal_lock(journal);
    while (code == CONCLAVE_OK && !find_place(journal, size, offset, skipped)) {
        code = journal_wait_round(journal);
    }
    if (code == CONCLAVE_OK) {
        code = log_tail_reserve(&journal->tail, entry_count);
    }
    journal_unlock(journal);
    return code;
}

static enum conclave_code reserve_frame(struct log_journal *journal, size_t size)
{
    if (size <= journal->frame_capacity) {
        return CONCLAVE_OK;
    }
    size_t capacity = size < FRAME_BYTES_MIN ? FRAME_BYTES_MIN : size;
    uint8_t *memory = memory_allocate(capacity + LOG_FRAME_BLOCK_BYTES);
    if (memory == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    memory_free(journal->memory);
    journal->memory = memory;
    journal->frame = memory + (LOG_FRAME_BLOCK_BYTES - (uintptr_t)memory % LOG_FRAME_BLOCK_BYTES);
    journal->frame_capacity = capacity;
    return CONCLAVE_OK;
}

/* A frame much larger than usual is not kept. */
static void give_back_frame(struct log_journal *journal)
{
    if (journal->frame_capacity > FRAME_KEEP_BYTES) {
        memory_free(journal->memory);
        journal->memory = NULL;
        journal->frame_capacity = 0;
    }
}

static void release_made(struct log_journal *journal, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        log_tail_entry_release(journal->made[i]);
    }
}

static enum conclave_code make_entries(struct log_journal *journal, uint64_t first_index,
                                       const struct log_entry *entries, size_t entry_count)
{
    if (entry_count > journal->made_capacity) {
        struct log_tail_entry **made =
            memory_resize(journal->made, entry_count * sizeof(struct log_tail_entry *));
        if (made == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
        journal->made = made;
        journal->made_capacity = entry_count;
    }
    for (size_t i = 0; i < entry_count; i++) {
        journal->made[i] = log_tail_entry_make(first_index + i, &entries[i]);
        if (journal->made[i] == NULL) {
            release_made(journal, i);
            return CONCLAVE_NO_MEMORY;
        }
    }
    return CONCLAVE_OK;
}

/* The entries are in the tail, and the next frame comes after this one. With the lock held. */
static void install(struct log_journal *journal, uint64_t first_index,
                    struct log_tail_entry *const *entries, size_t entry_count, uint64_t offset,
                    uint64_t size, uint64_t skipped)
{
    log_tail_truncate(&journal->tail, first_index);
    for (size_t i = 0; i < entry_count; i++) {
        log_tail_push(&journal->tail, entries[i]);
    }
    if (journal->drain_limit >= first_index) {
        journal->drain_limit = first_index - 1;
    }
    journal->used += size + skipped;
    journal->sequence++;
    journal->offset = offset + size == journal->file.head.bytes ? JOURNAL_FRAMES_AT : offset + size;
    atomic_store(&journal->last_index, first_index + entry_count - 1);
}

static void append_done(struct log_journal *journal, uint64_t first_index, size_t entry_count,
                        uint64_t offset, uint64_t size, uint64_t skipped)
{
    journal_lock(journal);
    bool was_empty = journal->tail.count == 0;
    install(journal, first_index, journal->made, entry_count, offset, size, skipped);
    journal->appends++;
    if (was_empty || journal_drain_due(journal)) {
        journal_signal(&journal->wanted);
    }
    journal_unlock(journal);
}

/* The lock is not held while the frame is written: of what it needs, only this thread changes
 * anything. */
static enum conclave_code append_frame(struct log_journal *journal, uint64_t first_index,
                                       size_t entry_count, uint64_t record_bytes, uint64_t size)
{
    uint64_t offset;
    uint64_t skipped;
    enum conclave_code code = reserve_frame(journal, (size_t)size);
    if (code == CONCLAVE_OK) {
        code = take_place(journal, size, entry_count, &offset, &skipped);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct log_frame_writer writer;
    log_frame_begin(&writer, journal->frame, first_index, (uint32_t)entry_count, record_bytes);
    for (size_t i = 0; i < entry_count; i++) {
        log_frame_add(&writer, log_tail_entry_record(journal->made[i]));
    }
    log_frame_end(&writer, journal->file.head.id, journal->sequence, offset);
    code = log_journal_file_write(&journal->file, journal->frame, (size_t)size, offset);
    /* Where there was no room, what comes again is this very frame: a place that has some sectors
     * of the first try and some of the second has the same as either. */
    atomic_store(&journal->full, code == CONCLAVE_DISK_FULL);
    if (code != CONCLAVE_OK) {
        if (code != CONCLAVE_DISK_FULL) {
            atomic_store(&journal->poisoned, true);
        }
        return code;
    }
    append_done(journal, first_index, entry_count, offset, size, skipped);
    return CONCLAVE_OK;
}

/* Past the journal, which must be empty then. */
static enum conclave_code append_below(struct log_journal *journal, uint64_t first_index,
                                       const struct log_entry *entries, size_t entry_count)
{
    enum conclave_code code = CONCLAVE_OK;
    journal_lock(journal);
    while (code == CONCLAVE_OK && (journal->tail.count > 0 || journal->draining)) {
        code = journal_wait_round(journal);
    }
    ASSERT(code != CONCLAVE_OK || journal->used == 0);
    journal_unlock(journal);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = log_append(journal->below, first_index, entries, entry_count);
    if (code == CONCLAVE_OK) {
        journal_lock(journal);
        journal->tail.first_index = first_index + entry_count;
        atomic_store(&journal->last_index, first_index + entry_count - 1);
        journal_unlock(journal);
    }
    return code;
}

static enum conclave_code journal_append(struct log *log, uint64_t first_index,
                                         const struct log_entry *entries, size_t entry_count)
{
    struct log_journal *journal = journal_of(log);
    ASSERT(first_index <= atomic_load(&journal->last_index) + 1);
    ASSERT(entry_count <= UINT32_MAX);
    if (is_poisoned(journal)) {
        return CONCLAVE_IO;
    }
    uint64_t record_bytes = 0;
    for (size_t i = 0; i < entry_count; i++) {
        record_bytes += LOG_RECORD_HEAD_BYTES + entries[i].data.size;
    }
    uint64_t size = log_frame_bytes(record_bytes);
    if (size > journal_room(journal) / FRAME_SHARE) {
        return append_below(journal, first_index, entries, entry_count);
    }
    enum conclave_code code = make_entries(journal, first_index, entries, entry_count);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = append_frame(journal, first_index, entry_count, record_bytes, size);
    if (code != CONCLAVE_OK) {
        release_made(journal, entry_count);
    }
    give_back_frame(journal);
    return code;
}

/* --- Reading --- */

static uint64_t journal_last_index(struct log *log)
{
    return atomic_load(&journal_of(log)->last_index);
}

/* The entry, with a reference for the caller; or NULL, and `*below_last` is the last one that LMDB
 * has. */
static struct log_tail_entry *take_entry(struct log_journal *journal, uint64_t index,
                                         uint64_t *below_last)
{
    journal_lock(journal);
    struct log_tail_entry *entry = log_tail_get(&journal->tail, index);
    if (entry != NULL) {
        log_tail_entry_take(entry);
    }
    *below_last = journal->tail.first_index - 1;
    journal_unlock(journal);
    return entry;
}

static void release_entry(struct log_journal *journal, struct log_tail_entry *entry)
{
    journal_lock(journal);
    log_tail_entry_release(entry);
    journal_unlock(journal);
}

static enum conclave_code read_tail_entry(struct log_journal *journal, struct log_tail_entry *found,
                                          uint64_t index, log_read_entry callback, void *context)
{
    struct log_entry entry;
    enum conclave_code code = log_record_read_entry(log_tail_entry_record(found), index, &entry);
    if (code == CONCLAVE_OK) {
        code = callback(context, index, &entry);
    }
    release_entry(journal, found);
    return code;
}

static enum conclave_code journal_read(struct log *log, uint64_t first_index, uint64_t last_index,
                                       log_read_entry callback, void *context)
{
    ASSERT(callback != NULL);
    struct log_journal *journal = journal_of(log);
    enum conclave_code code = CONCLAVE_OK;
    uint64_t index = first_index;
    while (code == CONCLAVE_OK && index <= last_index) {
        uint64_t below_last;
        struct log_tail_entry *entry = take_entry(journal, index, &below_last);
        if (entry != NULL) {
            code = read_tail_entry(journal, entry, index, callback, context);
            index++;
        } else if (index > below_last) {
            code = CONCLAVE_NOT_FOUND;
        } else {
            uint64_t end = last_index < below_last ? last_index : below_last;
            code = log_read(journal->below, index, end, callback, context);
            index = end + 1;
        }
    }
    return code;
}

static enum conclave_code journal_read_header(struct log *log, uint64_t index, uint64_t *term,
                                              enum log_entry_type *type)
{
    ASSERT(term != NULL && type != NULL);
    struct log_journal *journal = journal_of(log);
    uint64_t below_last;
    struct log_tail_entry *entry = take_entry(journal, index, &below_last);
    if (entry == NULL) {
        return index > below_last ? CONCLAVE_NOT_FOUND
                                  : log_read_header(journal->below, index, term, type);
    }
    struct log_record record;
    enum conclave_code code = log_record_read_head(log_tail_entry_record(entry), index, &record);
    if (code == CONCLAVE_OK) {
        *term = record.term;
        *type = (enum log_entry_type)record.type;
    }
    release_entry(journal, entry);
    return code;
}

/* --- Vote, identity, repairs: rare, and LMDB's --- */

/* What the journal has is in memory. */
static enum conclave_code journal_repair(struct log *log, uint64_t index,
                                         const struct log_entry *entry)
{
    struct log_journal *journal = journal_of(log);
    return is_poisoned(journal) ? CONCLAVE_IO : log_repair(journal->below, index, entry);
}

static enum conclave_code journal_save_vote(struct log *log, struct log_vote vote)
{
    struct log_journal *journal = journal_of(log);
    return is_poisoned(journal) ? CONCLAVE_IO : log_save_vote(journal->below, vote);
}

static enum conclave_code journal_load_vote(struct log *log, struct log_vote *vote)
{
    return log_load_vote(journal_of(log)->below, vote);
}

static enum conclave_code journal_save_identity(struct log *log, struct slice identity)
{
    struct log_journal *journal = journal_of(log);
    return is_poisoned(journal) ? CONCLAVE_IO : log_save_identity(journal->below, identity);
}

static enum conclave_code journal_load_identity(struct log *log, uint8_t *identity,
                                                size_t *identity_size)
{
    return log_load_identity(journal_of(log)->below, identity, identity_size);
}

/* --- Closing --- */

void journal_free(struct log_journal *journal)
{
    log_tail_close(&journal->tail);
    memory_free(journal->made);
    memory_free(journal->memory);
    int rv = pthread_cond_destroy(&journal->drained);
    ASSERT(rv == 0);
    rv = pthread_cond_destroy(&journal->wanted);
    ASSERT(rv == 0);
    rv = pthread_mutex_destroy(&journal->lock);
    ASSERT(rv == 0);
    memory_free(journal);
}

/* The journal's own file has one size for ever. */
static void journal_usage(struct log *log, struct log_usage *usage)
{
    log_usage(journal_of(log)->below, usage);
}

static bool journal_full(struct log *log)
{
    struct log_journal *journal = journal_of(log);
    return atomic_load(&journal->full) || log_full(journal->below);
}

static void journal_close(struct log *log)
{
    struct log_journal *journal = journal_of(log);
    journal_lock(journal);
    journal->ending = true;
    journal_signal(&journal->wanted);
    journal_unlock(journal);
    int rv = pthread_join(journal->thread, NULL);
    ASSERT(rv == 0);
    if (!is_poisoned(journal)) {
        journal_lock(journal);
        /* If it fails the frames are still there, and the mark says so. */
        if (journal_drain_once(journal, false) != CONCLAVE_OK) {
            LOG_WARN("the journal could not be taken into the log: the next start does it");
        }
        journal_unlock(journal);
    }
    log_journal_file_close(&journal->file);
    log_close(journal->below);
    journal_free(journal);
}

const struct log_operations journal_operations = {
    .last_index = journal_last_index,
    .append = journal_append,
    .read = journal_read,
    .read_header = journal_read_header,
    .repair = journal_repair,
    .save_vote = journal_save_vote,
    .load_vote = journal_load_vote,
    .save_identity = journal_save_identity,
    .load_identity = journal_load_identity,
    .usage = journal_usage,
    .full = journal_full,
    .close = journal_close,
};
