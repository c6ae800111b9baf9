/* The LMDB twin of log.h.
 *
 * The happy path is: an append checks that the map has room, deletes what it replaces, puts the
 * records at the end of the tree and commits, which syncs. A read renews a spare transaction and
 * checks each record. The failure modes are: a map that is full (nothing was written yet: it is
 * doubled and the write begins again), a write or sync that fails (the log is poisoned: every later
 * write fails with IO, because after a failed sync nobody knows what the disk has), and damage,
 * which the records' checksums find and LMDB's own checks find in part.
 */
#include "log/log_lmdb.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "log/log_environment.h"
#include "log/log_record.h"

#define DATABASE_COUNT  2u
#define INDEX_KEY_BYTES 8u
#define GROW_TRIES      64u /* twice the map each time: it cannot take more */

static const struct slice vote_key = {(const uint8_t *)"vote", 4};
static const struct slice identity_key = {(const uint8_t *)"identity", 8};
static const struct slice mark_key = {(const uint8_t *)"journal", 7};
static const struct slice commit_key = {(const uint8_t *)"commit", 6};

struct log_lmdb {
    struct log base;
    struct log_environment environment;
    MDB_dbi entries; /* index, big-endian -> record */
    MDB_dbi meta;
    MDB_dbi root; /* the unnamed one: LMDB's list of the other two, and the number of the commit */
    _Atomic uint64_t last_index;
    _Atomic bool poisoned;
    _Atomic(MDB_txn *) spare; /* a reset read transaction, or NULL */
};

static const struct log_operations lmdb_operations;

static struct log_lmdb *lmdb_of(struct log *log)
{
    ASSERT(log != NULL && log->operations == &lmdb_operations);
    return (struct log_lmdb *)log;
}

/* Big-endian, so that LMDB's own order is the numbers'. */
static MDB_val index_key(uint64_t index, uint8_t bytes[INDEX_KEY_BYTES])
{
    for (unsigned i = 0; i < INDEX_KEY_BYTES; i++) {
        bytes[i] = (uint8_t)(index >> (8 * (INDEX_KEY_BYTES - 1 - i)));
    }
    return (MDB_val){.mv_size = INDEX_KEY_BYTES, .mv_data = bytes};
}

static MDB_val val_of(struct slice slice)
{
    return (MDB_val){.mv_size = slice.size, .mv_data = (void *)(uintptr_t)slice.data};
}

static uint64_t lmdb_last_index(struct log *log)
{
    return atomic_load(&lmdb_of(log)->last_index);
}

/* --- Writing --- */

/* What one write does within its transaction. Returns an error of LMDB's, or 0. */
typedef int (*write_work)(struct log_lmdb *lmdb, MDB_txn *txn, const void *context);

static int put_record(MDB_txn *txn, MDB_dbi database, MDB_val key, uint64_t index,
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

/* Says within the transaction which one it is: a page that LMDB finds through a damaged pointer may
 * be sound, but of an earlier commit. It costs no page of its own: every commit writes the root. */
static int put_commit(struct log_lmdb *lmdb, MDB_txn *txn)
{
    uint8_t data[LOG_RECORD_COMMIT_BYTES];
    log_record_pack_commit(data, mdb_txn_id(txn));
    struct log_record record = {.type = LOG_RECORD_COMMIT, .data = slice_of(data, sizeof data)};
    return put_record(txn, lmdb->root, val_of(commit_key), 0, &record, 0);
}

/* One attempt: `*broken` when the disk failed, or may have. */
static int try_write(struct log_lmdb *lmdb, write_work work, const void *context, bool *broken)
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
    rv = work(lmdb, txn, context);
    if (rv == 0) {
        rv = put_commit(lmdb, txn);
    }
    if (rv != 0) {
        mdb_txn_abort(txn);
    } else {
        rv = mdb_txn_commit(txn); /* frees it, also when it fails */
    }
    *broken = rv != 0 && rv != ENOMEM && rv != MDB_MAP_FULL &&
              log_environment_code(rv) != CONCLAVE_CORRUPT;
    if (*broken) {
        atomic_store(&lmdb->poisoned, true);
    }
    return rv;
}

static enum conclave_code run_write(struct log_lmdb *lmdb, write_work work, const void *context)
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
        int rv = try_write(lmdb, work, context, &broken);
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
    uint8_t bytes[INDEX_KEY_BYTES];
    for (uint64_t index = last_index; index >= first_index; index--) {
        MDB_val key = index_key(index, bytes);
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
    uint8_t bytes[INDEX_KEY_BYTES];
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
        rv = put_record(txn, lmdb->entries, index_key(index, bytes), index, &record, MDB_APPEND);
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
    enum conclave_code rv = run_write(lmdb, append_work, &append);
    if (rv == CONCLAVE_OK) {
        atomic_store(&lmdb->last_index, first_index + entry_count - 1);
    }
    return rv;
}

struct save {
    struct slice key;
    struct log_record record;
};

static int save_work(struct log_lmdb *lmdb, MDB_txn *txn, const void *context)
{
    const struct save *save = context;
    return put_record(txn, lmdb->meta, val_of(save->key), 0, &save->record, 0);
}

static enum conclave_code lmdb_save_vote(struct log *log, struct log_vote vote)
{
    uint8_t data[LOG_RECORD_VOTE_BYTES];
    log_record_pack_vote(data, vote);
    struct save save = {
        .key = vote_key,
        .record = {.type = LOG_RECORD_VOTE, .data = slice_of(data, sizeof data)},
    };
    return run_write(lmdb_of(log), save_work, &save);
}

static enum conclave_code lmdb_save_identity(struct log *log, struct slice identity)
{
    struct save save = {
        .key = identity_key,
        .record = {.type = LOG_RECORD_IDENTITY, .data = identity},
    };
    return run_write(lmdb_of(log), save_work, &save);
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
    MDB_val value = val_of(stored);
    return memory_fault_next() ? ENOMEM : mdb_put(txn, database, &key, &value, MDB_APPEND);
}

static int drain_work(struct log_lmdb *lmdb, MDB_txn *txn, const void *context)
{
    const struct drain *drain = context;
    uint8_t bytes[INDEX_KEY_BYTES];
    int rv = 0;
    if (drain->record_count > 0) {
        rv = drop_entries(lmdb, txn, drain->first_index, drain->last_index);
    }
    for (size_t i = 0; i < drain->record_count && rv == 0; i++) {
        MDB_val key = index_key(drain->first_index + i, bytes);
        rv = put_stored(txn, lmdb->entries, key, drain->records[i]);
    }
    if (rv != 0) {
        return rv;
    }
    uint8_t data[LOG_RECORD_MARK_BYTES];
    log_record_pack_mark(data, drain->mark);
    struct log_record record = {.type = LOG_RECORD_MARK, .data = slice_of(data, sizeof data)};
    return put_record(txn, lmdb->meta, val_of(mark_key), 0, &record, 0);
}

enum conclave_code log_lmdb_drain(struct log *log, uint64_t first_index,
                                  const struct slice *records, size_t record_count,
                                  const struct log_mark *mark)
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
    enum conclave_code rv = run_write(lmdb, drain_work, &drain);
    if (rv == CONCLAVE_OK && record_count > 0) {
        atomic_store(&lmdb->last_index, first_index + record_count - 1);
    }
    return rv;
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
    uint8_t bytes[INDEX_KEY_BYTES];
    enum conclave_code code = find(txn, lmdb->entries, index_key(index, bytes), stored);
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
    code = find(txn, lmdb->meta, val_of(key), &stored);
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

/* --- Opening and closing --- */

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

static const struct log_operations lmdb_operations = {
    .last_index = lmdb_last_index,
    .append = lmdb_append,
    .read = lmdb_read,
    .read_header = lmdb_read_header,
    .save_vote = lmdb_save_vote,
    .load_vote = lmdb_load_vote,
    .save_identity = lmdb_save_identity,
    .load_identity = lmdb_load_identity,
    .usage = lmdb_usage,
    .close = lmdb_close,
};

/* The last index: as many as there are entries, if they are consecutive from 1. */
static int find_last_index(MDB_txn *txn, MDB_dbi entries, uint64_t *last_index)
{
    MDB_stat counted;
    MDB_cursor *cursor;
    int rv = mdb_stat(txn, entries, &counted);
    if (rv != 0) {
        return rv;
    }
    *last_index = counted.ms_entries;
    if (*last_index == 0) {
        return 0;
    }
    rv = mdb_cursor_open(txn, entries, &cursor);
    if (rv != 0) {
        return rv;
    }
    static const MDB_cursor_op ends[] = {MDB_FIRST, MDB_LAST};
    const uint64_t expected[] = {1, *last_index};
    for (size_t i = 0; i < 2 && rv == 0; i++) {
        uint8_t bytes[INDEX_KEY_BYTES];
        MDB_val wanted = index_key(expected[i], bytes);
        MDB_val key;
        MDB_val value;
        rv = mdb_cursor_get(cursor, &key, &value, ends[i]);
        if (rv == 0 && !slice_equal(slice_of(key.mv_data, key.mv_size),
                                    slice_of(wanted.mv_data, wanted.mv_size))) {
            rv = MDB_CORRUPTED;
        }
    }
    mdb_cursor_close(cursor);
    return rv == MDB_NOTFOUND ? MDB_CORRUPTED : rv;
}

/* Whether what is there is of the last commit. */
static int check_commit(struct log_lmdb *lmdb, MDB_txn *txn, uint64_t last_commit)
{
    MDB_val key = val_of(commit_key);
    MDB_val found;
    struct log_record record;
    int rv = mdb_get(txn, lmdb->root, &key, &found);
    if (rv != 0) {
        return rv;
    }
    if (log_record_read(slice_of(found.mv_data, found.mv_size), 0, &record) != CONCLAVE_OK ||
        record.type != LOG_RECORD_COMMIT || record.data.size != LOG_RECORD_COMMIT_BYTES) {
        return MDB_CORRUPTED;
    }
    return log_record_unpack_commit(record.data.data) == last_commit ? 0 : MDB_CORRUPTED;
}

/* Only a new environment has no databases: one that lost them must not pass for an empty log. */
static int open_databases_within(struct log_lmdb *lmdb, MDB_txn *txn, uint64_t last_commit,
                                 uint64_t *last_index)
{
    unsigned flags = last_commit == 0 ? MDB_CREATE : 0;
    int rv = mdb_dbi_open(txn, NULL, 0, &lmdb->root);
    if (rv == 0) {
        rv = last_commit == 0 ? put_commit(lmdb, txn) : check_commit(lmdb, txn, last_commit);
    }
    if (rv == 0) {
        rv = mdb_dbi_open(txn, "entries", flags, &lmdb->entries);
    }
    if (rv == 0) {
        rv = mdb_dbi_open(txn, "meta", flags, &lmdb->meta);
    }
    if (rv == 0) {
        rv = find_last_index(txn, lmdb->entries, last_index);
    }
    return rv == MDB_NOTFOUND ? MDB_CORRUPTED : rv;
}

static int open_databases(struct log_lmdb *lmdb)
{
    MDB_txn *txn;
    MDB_envinfo info;
    uint64_t last_index = 0;
    int rv = mdb_env_info(lmdb->environment.env, &info);
    if (rv != 0) {
        return rv;
    }
    rv = memory_fault_next() ? ENOMEM : mdb_txn_begin(lmdb->environment.env, NULL, 0, &txn);
    if (rv != 0) {
        return rv;
    }
    rv = open_databases_within(lmdb, txn, info.me_last_txnid, &last_index);
    if (rv != 0) {
        mdb_txn_abort(txn);
        return rv;
    }
    rv = mdb_txn_commit(txn);
    if (rv == 0) {
        atomic_store(&lmdb->last_index, last_index);
    }
    return rv;
}

enum conclave_code log_lmdb_open(const char *directory, size_t map_bytes, struct log **log)
{
    ASSERT(directory != NULL && log != NULL);
    struct log_lmdb *lmdb = memory_allocate_zeroed(1, sizeof *lmdb);
    if (lmdb == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    lmdb->base.operations = &lmdb_operations;
    atomic_init(&lmdb->last_index, 0);
    atomic_init(&lmdb->poisoned, false);
    atomic_init(&lmdb->spare, NULL);
    enum conclave_code code =
        log_environment_open(&lmdb->environment, directory, map_bytes, DATABASE_COUNT);
    if (code != CONCLAVE_OK) {
        goto err_after_allocate;
    }
    code = log_environment_code(open_databases(lmdb));
    if (code != CONCLAVE_OK) {
        goto err_after_environment;
    }
    *log = &lmdb->base;
    return CONCLAVE_OK;

err_after_environment:
    log_environment_close(&lmdb->environment);
err_after_allocate:
    memory_free(lmdb);
    ASSERT(code != CONCLAVE_OK);
    return code;
}
