/* Opening the LMDB log: what is there must be a log, and the last one that was committed. */
#include <errno.h>

#include "base/memory.h"
#include "log/log_lmdb_internal.h"

#define DATABASE_COUNT 2u

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
        uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES];
        MDB_val wanted = log_lmdb_index_key(expected[i], bytes);
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
    MDB_val key = log_lmdb_val(slice_of_text(LOG_LMDB_COMMIT_KEY));
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
        rv = last_commit == 0 ? log_lmdb_put_commit(lmdb, txn)
                              : check_commit(lmdb, txn, last_commit);
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
    lmdb->base.operations = &log_lmdb_operations;
    atomic_init(&lmdb->last_index, 0);
    atomic_init(&lmdb->poisoned, false);
    atomic_init(&lmdb->full, false);
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
