/* Opening: what the frames after the mark have goes into LMDB; then the file begins anew. */
#include "base/clock.h"
#include "base/logger.h"
#include "base/memory.h"
#include "log/log_journal_internal.h"

#define BYTES_DEFAULT   ((uint64_t)8 * 1024 * 1024)
#define BYTES_MIN       ((uint64_t)4 * LOG_FRAME_BLOCK_BYTES)
#define IDLE_MS_DEFAULT 100u

/* Between the last sequence seen in a file and the next one given: a torn frame may have one more.
 */
#define SEQUENCE_STEP 2u

/* One frame's entries into the tail, as when they were appended. */
static enum conclave_code replay_frame(struct log_journal *journal, const struct log_frame *frame)
{
    uint64_t last_index = atomic_load(&journal->last_index);
    if (frame->first_index > last_index + 1) {
        return CONCLAVE_CORRUPT;
    }
    enum conclave_code code = log_tail_reserve(&journal->tail, frame->entry_count);
    if (code != CONCLAVE_OK) {
        return code;
    }
    log_tail_truncate(&journal->tail, frame->first_index);
    struct slice records = frame->records;
    for (uint32_t i = 0; i < frame->entry_count; i++) {
        struct slice record;
        struct log_entry entry;
        code = log_frame_next(&records, &record);
        if (code == CONCLAVE_OK) {
            code = log_record_read_entry(record, frame->first_index + i, &entry);
        }
        if (code != CONCLAVE_OK) {
            return code;
        }
        struct log_tail_entry *made = log_tail_entry_copy(record);
        if (made == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
        log_tail_push(&journal->tail, made);
    }
    atomic_store(&journal->last_index, log_tail_next_index(&journal->tail) - 1);
    return records.size == 0 ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

/* What stands where the next frame would: at `*offset`, or at the file's begin when it did not fit
 * there. */
static enum log_frame_state look(struct slice bytes, uint64_t id, uint64_t sequence,
                                 uint64_t *offset, uint64_t *size)
{
    enum log_frame_state state = log_frame_look(bytes, id, *offset, sequence, size);
    if (state == LOG_FRAME_NONE && *offset != JOURNAL_FRAMES_AT) {
        *offset = JOURNAL_FRAMES_AT;
        state = log_frame_look(bytes, id, *offset, sequence, size);
    }
    return state;
}

/* All frames from the mark on. Leaves the sequence at the first that is not there. */
static enum conclave_code replay_frames(struct log_journal *journal, const struct log_mark *mark,
                                        struct slice bytes, uint8_t *payload)
{
    uint64_t id = journal->file.head.id;
    uint64_t offset = mark->offset;
    journal->sequence = mark->sequence;
    for (;;) {
        uint64_t size = 0;
        switch (look(bytes, id, journal->sequence, &offset, &size)) {
        case LOG_FRAME_DAMAGED:
            return CONCLAVE_CORRUPT;
        case LOG_FRAME_TORN:
            LOG_WARN("the last write to the journal was cut short: it was never acknowledged");
            /* fall through */
        case LOG_FRAME_NONE:
            /* One after it would show that it was acknowledged, and is lost. */
            return log_frame_any_after(bytes, id, journal->sequence) ? CONCLAVE_CORRUPT
                                                                     : CONCLAVE_OK;
        case LOG_FRAME_WHOLE:
            break;
        }
        struct log_frame frame;
        enum conclave_code code =
            log_frame_read(slice_of(bytes.data + offset, (size_t)size), payload, &frame);
        if (code == CONCLAVE_OK) {
            code = replay_frame(journal, &frame);
        }
        if (code != CONCLAVE_OK) {
            return code;
        }
        journal->sequence++;
        offset = offset + size == bytes.size ? JOURNAL_FRAMES_AT : offset + size;
    }
}

static enum conclave_code replay(struct log_journal *journal, const char *directory,
                                 const struct log_mark *mark)
{
    size_t size = (size_t)journal->file.head.bytes;
    if (mark->sequence == 0 || mark->offset < JOURNAL_FRAMES_AT || mark->offset >= size ||
        mark->offset % LOG_FRAME_BLOCK_BYTES != 0) {
        return CONCLAVE_CORRUPT;
    }
    uint8_t *bytes = memory_allocate(size);
    uint8_t *payload = memory_allocate(size);
    enum conclave_code code = CONCLAVE_NO_MEMORY;
    if (bytes != NULL && payload != NULL) {
        code = log_journal_file_read(&journal->file, directory, bytes);
    }
    if (code == CONCLAVE_OK) {
        code = replay_frames(journal, mark, slice_of(bytes, size), payload);
    }
    memory_free(bytes);
    memory_free(payload);
    return code;
}

static enum conclave_code make_file(struct log_journal *journal, const char *directory,
                                    const struct log_journal_config *config)
{
    uint64_t bytes = config->bytes == 0 ? BYTES_DEFAULT : config->bytes;
    ASSERT(bytes >= BYTES_MIN && bytes % LOG_FRAME_BLOCK_BYTES == 0);
    enum conclave_code code = log_journal_file_make(directory, bytes, random_next(&random_system));
    return code == CONCLAVE_OK
               ? log_journal_file_open(&journal->file, directory, config->buffered_only)
               : code;
}

/* Opens the journal that the mark names. Only when it has nothing that LMDB has not may it be made
 * anew. */
static enum conclave_code open_file(struct log_journal *journal, const char *directory,
                                    const struct log_journal_config *config,
                                    const struct log_mark *mark)
{
    if (mark->sequence == 0) {
        return make_file(journal, directory, config);
    }
    enum conclave_code code =
        log_journal_file_open(&journal->file, directory, config->buffered_only);
    if (code == CONCLAVE_OK && journal->file.head.id == mark->journal_id &&
        journal->file.head.bytes >= BYTES_MIN) {
        return CONCLAVE_OK;
    }
    if (code == CONCLAVE_OK) {
        log_journal_file_close(&journal->file);
        code = CONCLAVE_CORRUPT;
    }
    if (code != CONCLAVE_CORRUPT && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    return mark->open ? CONCLAVE_CORRUPT : make_file(journal, directory, config);
}

/* Everything into LMDB; then the file begins anew, with sequences that it never had. */
static enum conclave_code recover(struct log_journal *journal, const char *directory,
                                  const struct log_mark *mark)
{
    journal->sequence = mark->sequence;
    if (mark->open) {
        enum conclave_code code = replay(journal, directory, mark);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    journal->sequence += SEQUENCE_STEP;
    journal->offset = JOURNAL_FRAMES_AT;
    journal_lock(journal);
    enum conclave_code code = journal_drain_once(journal, true);
    journal_unlock(journal);
    return code;
}

/* Conditions that wait by the monotonic clock. */
static void init_locks(struct log_journal *journal)
{
    pthread_condattr_t attributes;
    int rv = pthread_condattr_init(&attributes);
    ASSERT(rv == 0);
    rv = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    ASSERT(rv == 0);
    rv = pthread_cond_init(&journal->wanted, &attributes);
    ASSERT(rv == 0);
    rv = pthread_cond_init(&journal->drained, &attributes);
    ASSERT(rv == 0);
    rv = pthread_condattr_destroy(&attributes);
    ASSERT(rv == 0);
    rv = pthread_mutex_init(&journal->lock, NULL);
    ASSERT(rv == 0);
}

static enum conclave_code open_parts(struct log_journal *journal, const char *directory,
                                     const struct log_journal_config *config)
{
    enum conclave_code code = log_lmdb_open(directory, config->map_bytes, &journal->below);
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint64_t last_index = log_last_index(journal->below);
    atomic_store(&journal->last_index, last_index);
    log_tail_init(&journal->tail, last_index + 1);
    struct log_mark mark = {0};
    code = log_lmdb_load_mark(journal->below, &mark);
    if (code == CONCLAVE_OK || code == CONCLAVE_NOT_FOUND) {
        code = open_file(journal, directory, config, &mark);
    }
    if (code != CONCLAVE_OK) {
        goto err_after_below;
    }
    code = recover(journal, directory, &mark);
    if (code != CONCLAVE_OK) {
        goto err_after_file;
    }
    if (memory_fault_next() ||
        pthread_create(&journal->thread, NULL, journal_drain_thread, journal) != 0) {
        code = CONCLAVE_NO_MEMORY;
        goto err_after_file;
    }
    journal_lock(journal);
    journal->opened = true;
    journal_unlock(journal);
    return CONCLAVE_OK;

err_after_file:
    log_journal_file_close(&journal->file);
err_after_below:
    log_close(journal->below);
    ASSERT(code != CONCLAVE_OK);
    return code;
}

enum conclave_code log_journal_open(const char *directory, const struct log_journal_config *config,
                                    struct log **log)
{
    static const struct log_journal_config daemon_config = {.idle_ms = IDLE_MS_DEFAULT};
    ASSERT(directory != NULL && log != NULL);
    struct log_journal *journal = memory_allocate_zeroed(1, sizeof *journal);
    if (journal == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    journal->base.operations = &journal_operations;
    journal->idle_ms = config == NULL ? daemon_config.idle_ms : config->idle_ms;
    atomic_init(&journal->last_index, 0);
    atomic_init(&journal->poisoned, false);
    atomic_init(&journal->full, false);
    log_tail_init(&journal->tail, 1);
    init_locks(journal);
    enum conclave_code code =
        open_parts(journal, directory, config == NULL ? &daemon_config : config);
    if (code != CONCLAVE_OK) {
        journal_free(journal);
        return code;
    }
    *log = &journal->base;
    return CONCLAVE_OK;
}
