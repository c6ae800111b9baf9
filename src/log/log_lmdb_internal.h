/* What log_lmdb.c (writing, reading) and log_lmdb_open.c share. */
#ifndef LOG_LOG_LMDB_INTERNAL_H
#define LOG_LOG_LMDB_INTERNAL_H

#include <stdatomic.h>

#include "log/log_environment.h"
#include "log/log_lmdb.h"

#define LOG_LMDB_INDEX_KEY_BYTES 8u

struct log_lmdb {
    struct log base;
    struct log_environment environment;
    MDB_dbi entries; /* index, big-endian -> record */
    MDB_dbi meta;
    MDB_dbi root; /* the unnamed one: LMDB's list of the other two, and the number of the commit */
    _Atomic uint64_t last_index;
    _Atomic bool poisoned;
    _Atomic bool full;        /* there was no room for entries */
    _Atomic(MDB_txn *) spare; /* a reset read transaction, or NULL */
};

extern const struct log_operations log_lmdb_operations;

/* Big-endian, so that LMDB's own order is the numbers'. */
static inline MDB_val log_lmdb_index_key(uint64_t index, uint8_t bytes[LOG_LMDB_INDEX_KEY_BYTES])
{
    for (unsigned i = 0; i < LOG_LMDB_INDEX_KEY_BYTES; i++) {
        bytes[i] = (uint8_t)(index >> (8 * (LOG_LMDB_INDEX_KEY_BYTES - 1 - i)));
    }
    return (MDB_val){.mv_size = LOG_LMDB_INDEX_KEY_BYTES, .mv_data = bytes};
}

static inline MDB_val log_lmdb_val(struct slice slice)
{
    return (MDB_val){.mv_size = slice.size, .mv_data = (void *)(uintptr_t)slice.data};
}

/* Stores a record. Returns an error of LMDB's, or 0; so do those below. */
int log_lmdb_put_record(MDB_txn *txn, MDB_dbi database, MDB_val key, uint64_t index,
                        const struct log_record *record, unsigned flags);

/* Says within the transaction which one it is: a page that LMDB finds through a damaged pointer may
 * be sound, but of an earlier commit. It costs no page of its own: every commit writes the root. */
int log_lmdb_put_commit(struct log_lmdb *lmdb, MDB_txn *txn);

#define LOG_LMDB_COMMIT_KEY "commit" /* in the root */

#endif
