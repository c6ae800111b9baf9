/* The LMDB twin of log.h.
 *
 * The happy path is: an append checks that the map has room, deletes what it replaces, puts the
 * records at the end of the tree and commits, which syncs. A read renews a spare transaction and
 * checks each record. The failure modes are: a map that is full (nothing was written yet: it is
 * doubled and the write begins again), a disk that is full (found before anything is written: LMDB
 * itself cannot tell a write that was cut short from one that failed), a write or sync that fails
 * (the log is poisoned: every later write fails with IO, because after a failed sync nobody knows
 * what the disk has), and damage, which the records' checksums find and LMDB's own checks find in
 * part.
 */
#include <conclave/limits.h>
#include <errno.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "log/log_lmdb_internal.h"

#define GROW_TRIES 64u /* twice the map each time: it cannot take more */

/* Room for records in the tree, at most: small ones may fill a page to its half; one that is too
 * large for half a page has pages of its own. And for what else a transaction changes. */
#define RECORD_SMALL_BYTES 1536u
#define RECORD_EXTRA_BYTES 64u
#define PAGE_BYTES_MOST    4096u
#define TREE_EXTRA_BYTES   ((uint64_t)256 * 1024)

static const struct slice vote_key = {(const uint8_t *)"vote", 4};
static const struct slice identity_key = {(const uint8_t *)"identity", 8};
static const struct slice mark_key = {(const uint8_t *)"journal", 7};

static struct log_lmdb *lmdb_of(struct log *log)
{
    ASSERT(log != NULL && log->operations == &log_lmdb_operations);
    return (struct log_lmdb *)log;
}

static uint64_t lmdb_last_index(struct log *log)
{
    return atomic_load(&lmdb_of(log)->last_index);
}

/* --- Writing --- */

/* What one write does within its transaction. Returns an error of LMDB's, or 0. */
typedef int (*write_work)(struct log_lmdb *lmdb, MDB_txn *txn, const void *context);

/* The room on the disk that a write takes before it begins: nothing, if it uses the reserve. */
struct write_room {
    uint64_t bytes;
    bool opening; /* the reserve may be used if there is nothing else */
};

static uint64_t room_of_record(uint64_t record_bytes)
{
    return record_bytes <= RECORD_SMALL_BYTES
               ? 2 * (record_bytes + RECORD_EXTRA_BYTES)
               : record_bytes + PAGE_BYTES_MOST + 2ull * RECORD_EXTRA_BYTES;
}

/* Within the transaction, so that nobody else writes. */
static int take_room(struct log_lmdb *lmdb, const struct write_room *room)
{
    if (room->bytes == 0) {
        return 0;
    }
    struct log_environment *environment = &lmdb->environment;
    enum conclave_code code =
        log_environment_take_room(environment, room->bytes + LIMIT_DISK_RESERVE_BYTES);
    if (code == CONCLAVE_DISK_FULL && room->opening) {
        code = log_environment_take_room(environment, room->bytes);
    }
    return code == CONCLAVE_OK ? 0 : code == CONCLAVE_DISK_FULL ? ENOSPC : EIO;
}

int log_lmdb_put_record(MDB_txn *txn, MDB_dbi database, MDB_val key, uint64_t index,
                        const struct log_record *record, unsigned flags)
{
    MDB_val place = {.mv_size = LOG_RECORD_HEAD_BYTES + record->data.size};
    int rv = memory_fault_next() ? ENOMEM
                                 : mdb_put(txn, database, &key, &place, flags | MDB_RESERVE);
    if (rv != 0) {
        return rv;
    }
    uint8_t *bytes = place.mv_data;
    log_record_write_head(bytes, index, record);
    if (record->data.size > 0) {
        memcpy(bytes + LOG_RECORD_HEAD_BYTES, record->data.data, record->data.size);
    }
    return 0;
}

int log_lmdb_put_commit(struct log_lmdb *lmdb, MDB_txn *txn)
{
    uint8_t data[LOG_RECORD_COMMIT_BYTES];
    log_record_pack_commit(data, mdb_txn_id(txn));
    struct log_record record = {.type = LOG_RECORD_COMMIT, .data = slice_of(data, sizeof data)};
    return log_lmdb_put_record(txn, lmdb->root, log_lmdb_val(slice_of_text(LOG_LMDB_COMMIT_KEY)), 0,
                               &record, 0);
}

/* One attempt: `*broken` when the disk failed, or may have.
 *
 * A commit that finds no room after all has changed nothing that the tree of the last one has, and
 * the next one writes all its pages anew: it may be tried again. (If it was in the middle of the
 * meta page LMDB refuses every further transaction, and the log is poisoned by that one.) */
static int try_write(struct log_lmdb *lmdb, write_work work, const void *context,
                     const struct write_room *room, bool *broken)
{
    MDB_txn *txn;
    int rv = memory_fault_next() ? ENOMEM : mdb_txn_begin(lmdb->environment.env, NULL, 0, &txn);
    if (rv != 0) {
        return rv;
    }
    /* Asked again now that no other write runs: one that failed meanwhile must be the last. */
    if (atomic_load(&lmdb->poisoned)) {
        mdb_txn_abort(txn);
        return EIO;
    }
    rv = take_room(lmdb, room);
    if (rv == 0) {
        rv = work(lmdb, txn, context);
    }
    if (rv == 0) {
        rv = log_lmdb_put_commit(lmdb, txn);
    }
    if (rv != 0) {
        mdb_txn_abort(txn);
    } else {
        rv = mdb_txn_commit(txn); /* frees it, also when it fails */
    }
    *broken = rv != 0 && rv != ENOMEM && log_environment_code(rv) != CONCLAVE_DISK_FULL &&
              log_environment_code(rv) != CONCLAVE_CORRUPT;
    if (*broken) {
        atomic_store(&lmdb->poisoned, true);
    }
    return rv;
}

static enum conclave_code run_write(struct log_lmdb *lmdb, write_work work, const void *context,
                                    const struct write_room *room)
{
    enum conclave_code code = CONCLAVE_OK;
    bool full = false;
    for (unsigned i = 0; i < GROW_TRIES; i++) {
        if (atomic_load(&lmdb->poisoned)) {
            return CONCLAVE_IO;
        }
        code = log_environment_grow(&lmdb->environment, full);
        if (code != CONCLAVE_OK) {
            return code;
        }
        code = log_environment_enter(&lmdb->environment);
        if (code != CONCLAVE_OK) {
            return code;
        }
        bool broken = false;
        int rv = try_write(lmdb, work, context, room, &broken);
        log_environment_leave(&lmdb->environment);
        full = rv == MDB_MAP_FULL;
        /* What was to be found and is not is damage, not an answer. */
        code = rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : log_environment_code(rv);
        if (!full) {
            return code;
        }
    }
    return code;
}

/* Of entries: whether there was room is remembered. */
static enum conclave_code run_entries(struct log_lmdb *lmdb, write_work work, const void *context,
                                      const struct write_room *room)
{
    enum conclave_code code = run_write(lmdb, work, context, room);
    if (code == CONCLAVE_OK || code == CONCLAVE_DISK_FULL) {
        atomic_store(&lmdb->full, code == CONCLAVE_DISK_FULL);
    }
    return code;
}

struct append {
    uint64_t first_index;
    uint64_t last_index; /* before */
    const struct log_entry *entries;
    size_t entry_count;
};

/* From the end, so that a log cut short never has a gap. */
static int drop_entries(struct log_lmdb *lmdb, MDB_txn *txn, uint64_t first_index,
                        uint64_t last_index)
{
    uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES];
    for (uint64_t index = last_index; index >= first_index; index--) {
        MDB_val key = log_lmdb_index_key(index, bytes);
        int rv = mdb_del(txn, lmdb->entries, &key, NULL);
        if (rv != 0) {
            return rv == MDB_NOTFOUND ? MDB_CORRUPTED : rv;
        }
    }
    return 0;
}

static int append_work(struct log_lmdb *lmdb, MDB_txn *txn, const void *context)
{
    const struct append *append = context;
    uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES];
    int rv = drop_entries(lmdb, txn, append->first_index, append->last_index);
    if (rv != 0) {
        return rv;
    }
    for (size_t i = 0; i < append->entry_count; i++) {
        const struct log_entry *entry = &append->entries[i];
        struct log_record record = {
            .type = (uint8_t)entry->type, .term = entry->term, .data = entry->data};
        ASSERT(log_record_is_entry_type(record.type));
        uint64_t index = append->first_index + i;
        rv = log_lmdb_put_record(txn, lmdb->entries, log_lmdb_index_key(index, bytes), index,
                                 &record, MDB_APPEND);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

static enum conclave_code lmdb_append(struct log *log, uint64_t first_index,
                                      const struct log_entry *entries, size_t entry_count)
{
    struct log_lmdb *lmdb = lmdb_of(log);
    struct append append = {
        .first_index = first_index,
        .last_index = atomic_load(&lmdb->last_index),
        .entries = entries,
        .entry_count = entry_count,
    };
    ASSERT(first_index <= append.last_index + 1);
    ASSERT(entry_count <= UINT64_MAX - first_index);
    struct write_room room = {.bytes = TREE_EXTRA_BYTES};
    for (size_t i = 0; i < entry_count; i++) {
        room.bytes += room_of_record(LOG_RECORD_HEAD_BYTES + entries[i].data.size);
    }
    enum conclave_code rv = run_entries(lmdb, append_work, &append, &room);
    if (rv == CONCLAVE_OK) {
        atomic_store(&lmdb->last_index, first_index + entry_count - 1);
    }
    return rv;
}

struct repair {
    uint64_t index;
    const struct log_entry *entry;
};

static int repair_work(struct log_lmdb *lmdb, MDB_txn *txn, const void *context)
{
    const struct repair *repair = context;
    const struct log_entry *entry = repair->entry;
    uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES];
    MDB_val key = log_lmdb_index_key(repair->index, bytes);
    MDB_val found;
    int rv = mdb_get(txn, lmdb->entries, &key, &found);
    if (rv == 0 && log_record_check_origin(slice_of(found.mv_data, found.mv_size), repair->index,
                                           entry) != CONCLAVE_OK) {
        rv = MDB_CORRUPTED;
    }
    if (rv != 0) {
        return rv;
    }
    struct log_record record = {
        .type = (uint8_t)entry->type, .term = entry->term, .data = entry->data};
    return log_lmdb_put_record(txn, lmdb->entries, key, repair->index, &record, 0);
}

static enum conclave_code lmdb_repair(struct log *log, uint64_t index,
                                      const struct log_entry *entry)
{
    struct log_lmdb *lmdb = lmdb_of(log);
    if (index > atomic_load(&lmdb->last_index)) {
        return CONCLAVE_NOT_FOUND;
    }
    const struct repair repair = {.index = index, .entry = entry};
    const struct write_room room = {
        .bytes = TREE_EXTRA_BYTES + room_of_record(LOG_RECORD_HEAD_BYTES + entry->data.size)};
    return run_write(lmdb, repair_work, &repair, &room);
}

static const struct write_room reserved = {0};

struct save {
    struct slice key;
    struct log_record record;
};

static int save_work(struct log_lmdb *lmdb, MDB_txn *txn, const void *context)
{
    const struct save *save = context;
    return log_lmdb_put_record(txn, lmdb->meta, log_lmdb_val(save->key), 0, &save->record, 0);
}

static enum conclave_code lmdb_save_vote(struct log *log, struct log_vote vote)
{
    uint8_t data[LOG_RECORD_VOTE_BYTES];
    log_record_pack_vote(data, vote);
    struct save save = {
        .key = vote_key,
        .record = {.type = LOG_RECORD_VOTE, .data = slice_of(data, sizeof data)},
    };
    return run_write(lmdb_of(log), save_work, &save, &reserved);
}

static enum conclave_code lmdb_save_identity(struct log *log, struct slice identity)
{
    struct save save = {
        .key = identity_key,
        .record = {.type = LOG_RECORD_IDENTITY, .data = identity},
    };
    return run_write(lmdb_of(log), save_work, &save, &reserved);
}

/* --- The journal in front --- */

struct drain {
    uint64_t first_index;
    uint64_t last_index; /* before */
    const struct slice *records;
    size_t record_count;
    const struct log_mark *mark;
};

static int put_stored(MDB_txn *txn, MDB_dbi database, MDB_val key, struct slice stored)
{
    MDB_val value = log_lmdb_val(stored);
    return memory_fault_next() ? ENOMEM : mdb_put(txn, database, &key, &value, MDB_APPEND);
}

static int drain_work(struct log_lmdb *lmdb, MDB_txn *txn, const void *context)
{
    const struct drain *drain = context;
    uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES];
    int rv = 0;
    if (drain->record_count > 0) {
        rv = drop_entries(lmdb, txn, drain->first_index, drain->last_index);
    }
    for (size_t i = 0; i < drain->record_count && rv == 0; i++) {
        MDB_val key = log_lmdb_index_key(drain->first_index + i, bytes);
        rv = put_stored(txn, lmdb->entries, key, drain->records[i]);
    }
    if (rv != 0) {
        return rv;
    }
    uint8_t data[LOG_RECORD_MARK_BYTES];
    log_record_pack_mark(data, drain->mark);
    struct log_record record = {.type = LOG_RECORD_MARK, .data = slice_of(data, sizeof data)};
    return log_lmdb_put_record(txn, lmdb->meta, log_lmdb_val(mark_key), 0, &record, 0);
}

enum conclave_code log_lmdb_drain(struct log *log, uint64_t first_index,
                                  const struct slice *records, size_t record_count,
                                  const struct log_mark *mark, bool opening)
{
    struct log_lmdb *lmdb = lmdb_of(log);
    struct drain drain = {
        .first_index = first_index,
        .last_index = atomic_load(&lmdb->last_index),
        .records = records,
        .record_count = record_count,
        .mark = mark,
    };
    ASSERT(first_index >= 1 && first_index <= drain.last_index + 1);
    ASSERT(mark != NULL && (records != NULL || record_count == 0));
    struct write_room room = {.bytes = record_count > 0 ? TREE_EXTRA_BYTES : 0, .opening = opening};
    for (size_t i = 0; i < record_count; i++) {
        room.bytes += room_of_record(records[i].size);
    }
    enum conclave_code rv = run_entries(lmdb, drain_work, &drain, &room);
    if (rv == CONCLAVE_OK && record_count > 0) {
        atomic_store(&lmdb->last_index, first_index + record_count - 1);
    }
    return rv;
}

static bool lmdb_full(struct log *log)
{
    return atomic_load(&lmdb_of(log)->full);
}

bool log_lmdb_poisoned(struct log *log)
{
    return atomic_load(&lmdb_of(log)->poisoned);
}

/* --- Reading --- */

static enum conclave_code begin_read(struct log_lmdb *lmdb, MDB_txn **txn)
{
    enum conclave_code code = log_environment_enter(&lmdb->environment);
    if (code != CONCLAVE_OK) {
        return code;
    }
    MDB_txn *begun = atomic_exchange(&lmdb->spare, NULL);
    if (begun != NULL && mdb_txn_renew(begun) != 0) {
        mdb_txn_abort(begun);
        begun = NULL;
    }
    if (begun == NULL) {
        int rv = memory_fault_next()
                     ? ENOMEM
                     : mdb_txn_begin(lmdb->environment.env, NULL, MDB_RDONLY, &begun);
        if (rv != 0) {
            log_environment_leave(&lmdb->environment);
            return log_environment_code(rv);
        }
    }
    *txn = begun;
    return CONCLAVE_OK;
}

/* One in which damage was found is not used again: LMDB remembers that. */
static void end_read(struct log_lmdb *lmdb, MDB_txn *txn, enum conclave_code code)
{
    MDB_txn *none = NULL;
    bool kept = false;
    if (code == CONCLAVE_OK || code == CONCLAVE_NOT_FOUND) {
        mdb_txn_reset(txn);
        kept = atomic_compare_exchange_strong(&lmdb->spare, &none, txn);
    }
    if (!kept) {
        mdb_txn_abort(txn);
    }
    log_environment_leave(&lmdb->environment);
}

/* The stored bytes under a key. Of a damaged node even the size is not to be trusted: that is
 * checked with the head, before any data is touched. */
static enum conclave_code find(MDB_txn *txn, MDB_dbi database, MDB_val key, struct slice *stored)
{
    MDB_val found;
    int rv = mdb_get(txn, database, &key, &found);
    if (rv != 0) {
        return log_environment_code(rv);
    }
    *stored = slice_of(found.mv_data, found.mv_size);
    return CONCLAVE_OK;
}

/* Indexes are consecutive: one that is not there while a later one is, is damage. */
static enum conclave_code find_entry(struct log_lmdb *lmdb, MDB_txn *txn, uint64_t index,
                                     struct slice *stored)
{
    uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES];
    enum conclave_code code = find(txn, lmdb->entries, log_lmdb_index_key(index, bytes), stored);
    if (code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    MDB_stat entries;
    int rv = mdb_stat(txn, lmdb->entries, &entries);
    if (rv != 0) {
        return log_environment_code(rv);
    }
    return index >= 1 && index <= entries.ms_entries ? CONCLAVE_CORRUPT : CONCLAVE_NOT_FOUND;
}

static enum conclave_code lmdb_read(struct log *log, uint64_t first_index, uint64_t last_index,
                                    log_read_entry callback, void *context)
{
    ASSERT(callback != NULL);
    struct log_lmdb *lmdb = lmdb_of(log);
    MDB_txn *txn;
    enum conclave_code code = begin_read(lmdb, &txn);
    if (code != CONCLAVE_OK) {
        return code;
    }
    for (uint64_t index = first_index; code == CONCLAVE_OK && index <= last_index; index++) {
        struct slice stored;
        struct log_entry entry;
        code = find_entry(lmdb, txn, index, &stored);
        if (code == CONCLAVE_OK) {
            code = log_record_read_entry(stored, index, &entry);
        }
        if (code == CONCLAVE_OK) {
            code = callback(context, index, &entry);
        }
    }
    end_read(lmdb, txn, code);
    return code;
}

static enum conclave_code lmdb_read_header(struct log *log, uint64_t index, uint64_t *term,
                                           enum log_entry_type *type)
{
    ASSERT(term != NULL && type != NULL);
    struct log_lmdb *lmdb = lmdb_of(log);
    MDB_txn *txn;
    struct slice stored;
    struct log_record record;
    enum conclave_code code = begin_read(lmdb, &txn);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = find_entry(lmdb, txn, index, &stored);
    if (code == CONCLAVE_OK) {
        code = log_record_read_head(stored, index, &record);
    }
    if (code == CONCLAVE_OK && !log_record_is_entry_type(record.type)) {
        code = CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        *term = record.term;
        *type = (enum log_entry_type)record.type;
    }
    end_read(lmdb, txn, code);
    return code;
}

/* Copies what is stored under a key of `meta`: at most `size_max` bytes of the given type. */
static enum conclave_code load(struct log_lmdb *lmdb, struct slice key, uint8_t type, uint8_t *data,
                               size_t size_max, size_t *size)
{
    MDB_txn *txn;
    struct slice stored;
    struct log_record record;
    enum conclave_code code = begin_read(lmdb, &txn);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = find(txn, lmdb->meta, log_lmdb_val(key), &stored);
    if (code == CONCLAVE_OK) {
        code = log_record_read(stored, 0, &record);
    }
    if (code == CONCLAVE_OK && (record.type != type || record.data.size > size_max)) {
        code = CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        memcpy(data, record.data.data, record.data.size);
        *size = record.data.size;
    }
    end_read(lmdb, txn, code);
    return code;
}

static enum conclave_code lmdb_load_vote(struct log *log, struct log_vote *vote)
{
    ASSERT(vote != NULL);
    uint8_t data[LOG_RECORD_VOTE_BYTES];
    size_t size;
    enum conclave_code code =
        load(lmdb_of(log), vote_key, LOG_RECORD_VOTE, data, sizeof data, &size);
    if (code == CONCLAVE_NOT_FOUND) {
        *vote = (struct log_vote){0};
        return CONCLAVE_OK;
    }
    if (code == CONCLAVE_OK && size != sizeof data) {
        return CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        *vote = log_record_unpack_vote(data);
    }
    return code;
}

static enum conclave_code lmdb_load_identity(struct log *log, uint8_t *identity,
                                             size_t *identity_size)
{
    ASSERT(identity != NULL && identity_size != NULL);
    return load(lmdb_of(log), identity_key, LOG_RECORD_IDENTITY, identity, LOG_IDENTITY_BYTES,
                identity_size);
}

enum conclave_code log_lmdb_load_mark(struct log *log, struct log_mark *mark)
{
    ASSERT(mark != NULL);
    uint8_t data[LOG_RECORD_MARK_BYTES];
    size_t size;
    enum conclave_code code =
        load(lmdb_of(log), mark_key, LOG_RECORD_MARK, data, sizeof data, &size);
    if (code == CONCLAVE_OK && size != sizeof data) {
        code = CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        *mark = log_record_unpack_mark(data);
    }
    return code;
}

/* --- Closing --- */

static void lmdb_usage(struct log *log, struct log_usage *usage)
{
    struct log_environment *environment = &lmdb_of(log)->environment;
    MDB_envinfo info;
    if (log_environment_enter(environment) != CONCLAVE_OK) {
        return; /* there is no map any more: zeros say so */
    }
    int rv = mdb_env_info(environment->env, &info);
    ASSERT(rv == 0);
    usage->map_bytes = info.me_mapsize;
    usage->used_bytes = (info.me_last_pgno + 1) * environment->page_bytes;
    log_environment_leave(environment);
}

static void lmdb_close(struct log *log)
{
    struct log_lmdb *lmdb = lmdb_of(log);
    MDB_txn *spare = atomic_exchange(&lmdb->spare, NULL);
    if (spare != NULL) {
        mdb_txn_abort(spare);
    }
    log_environment_close(&lmdb->environment);
    memory_free(lmdb);
}

const struct log_operations log_lmdb_operations = {
    .last_index = lmdb_last_index,
    .append = lmdb_append,
    .read = lmdb_read,
    .read_header = lmdb_read_header,
    .repair = lmdb_repair,
    .save_vote = lmdb_save_vote,
    .load_vote = lmdb_load_vote,
    .save_identity = lmdb_save_identity,
    .load_identity = lmdb_load_identity,
    .usage = lmdb_usage,
    .full = lmdb_full,
    .close = lmdb_close,
};
