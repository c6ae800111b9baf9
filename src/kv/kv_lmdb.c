/* The LMDB twin of kv.h.
 *
 * The happy path is: begin takes a transaction (a read renews a spare one), each operation is one
 * call of LMDB's, and commit writes to the page cache. The failure modes are: a map that is full
 * (the transaction fails, and the next write begins with a larger map), a disk that is full or
 * broken (LMDB gives the transaction up as a whole), and a data file that was damaged (it is made
 * long enough at open that no read of it can fault; LMDB finds what it checks).
 */
#include "kv/kv_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define LMDB_MAP_BYTES_DEFAULT ((size_t)1 << 30)
#define LMDB_MAP_BYTES_MIN     ((size_t)1 << 16)
#define LMDB_DIRECTORY_MODE    0750
#define LMDB_FILE_MODE         0640

/* Past this share of the map in use, it is doubled. */
#define LMDB_GROW_NUMERATOR   6u
#define LMDB_GROW_DENOMINATOR 10u

struct lmdb_transaction {
    struct kv_transaction base;
    MDB_txn *txn;
    MDB_cursor *cursor;         /* opened at the first seek */
    enum conclave_code failure; /* of a write; OK while there was none */
};

struct kv_lmdb {
    struct kv base;
    MDB_env *env;
    MDB_dbi database;
    size_t page_bytes;
    uint8_t *value; /* a copy of what is being put: it may be LMDB's own and move while it puts */
    size_t value_capacity;
    _Atomic bool map_full;          /* the last write needed more than there was */
    pthread_mutex_t mutex;          /* over what follows */
    uint32_t transaction_count;     /* open */
    struct lmdb_transaction *spare; /* a reset read transaction, or NULL */
    bool map_lost;                  /* growth failed and left no map at all */
};

static const struct kv_operations lmdb_operations;

static struct kv_lmdb *lmdb_of(struct kv *kv)
{
    ASSERT(kv != NULL && kv->operations == &lmdb_operations);
    return (struct kv_lmdb *)kv;
}

static struct lmdb_transaction *transaction_of(struct kv_transaction *transaction)
{
    ASSERT(transaction != NULL && transaction->operations == &lmdb_operations);
    return (struct lmdb_transaction *)transaction;
}

static enum conclave_code code_of(int rv)
{
    switch (rv) {
    case MDB_SUCCESS:
        return CONCLAVE_OK;
    case MDB_NOTFOUND:
        return CONCLAVE_NOT_FOUND;
    case ENOMEM:
        return CONCLAVE_NO_MEMORY;
    case ENOSPC:
    case EDQUOT:
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
        return CONCLAVE_DISK_FULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
        return CONCLAVE_CORRUPT;
    default:
        return CONCLAVE_IO;
    }
}

static MDB_val val_of(struct slice slice)
{
    return (MDB_val){.mv_size = slice.size, .mv_data = (void *)(uintptr_t)slice.data};
}

static void lock(struct kv_lmdb *lmdb)
{
    int rv = pthread_mutex_lock(&lmdb->mutex);
    ASSERT(rv == 0);
}

static void unlock(struct kv_lmdb *lmdb)
{
    int rv = pthread_mutex_unlock(&lmdb->mutex);
    ASSERT(rv == 0);
}

/* --- The map --- */

/* With the mutex held and no transaction open. Not being able to grow is an error only when there
 * is no map after it: the write that needs the room will say that it is missing. */
static enum conclave_code grow_map(struct kv_lmdb *lmdb)
{
    ASSERT(lmdb->transaction_count == 0);
    MDB_envinfo info;
    int rv = mdb_env_info(lmdb->env, &info);
    ASSERT(rv == 0);
    size_t used = (info.me_last_pgno + 1) * lmdb->page_bytes;
    size_t wanted = info.me_mapsize;
    if (atomic_exchange(&lmdb->map_full, false) && wanted <= SIZE_MAX / 2) {
        wanted *= 2;
    }
    while (used / LMDB_GROW_NUMERATOR > wanted / LMDB_GROW_DENOMINATOR && wanted <= SIZE_MAX / 2) {
        wanted *= 2;
    }
    if (wanted == info.me_mapsize) {
        return CONCLAVE_OK;
    }
    rv = mdb_env_set_mapsize(lmdb->env, wanted);
    if (rv != 0) {
        rv = mdb_env_set_mapsize(lmdb->env, info.me_mapsize);
        lmdb->map_lost = rv != 0;
    }
    return lmdb->map_lost ? code_of(rv) : CONCLAVE_OK;
}

/* --- Transactions --- */

static enum conclave_code open_transaction(struct kv_lmdb *lmdb, bool write,
                                           struct lmdb_transaction **transaction)
{
    struct lmdb_transaction *opened = memory_allocate_zeroed(1, sizeof *opened);
    if (opened == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    opened->base =
        (struct kv_transaction){.kv = &lmdb->base, .operations = &lmdb_operations, .write = write};
    int rv = memory_fault_next()
                 ? ENOMEM
                 : mdb_txn_begin(lmdb->env, NULL, write ? 0 : MDB_RDONLY, &opened->txn);
    if (rv != 0) {
        memory_free(opened);
        return code_of(rv);
    }
    *transaction = opened;
    return CONCLAVE_OK;
}

static void discard_transaction(struct lmdb_transaction *transaction)
{
    if (transaction->cursor != NULL) {
        mdb_cursor_close(transaction->cursor);
    }
    if (transaction->txn != NULL) {
        mdb_txn_abort(transaction->txn);
    }
    memory_free(transaction);
}

/* The spare read transaction, made current; NULL when it cannot be. */
static struct lmdb_transaction *renew(struct lmdb_transaction *spare)
{
    if (mdb_txn_renew(spare->txn) != 0) {
        discard_transaction(spare);
        return NULL;
    }
    if (spare->cursor != NULL && mdb_cursor_renew(spare->txn, spare->cursor) != 0) {
        discard_transaction(spare);
        return NULL;
    }
    return spare;
}

/* Counts a transaction in, after the map has grown if it must, and takes the spare one for a read.
 */
static enum conclave_code enter(struct kv_lmdb *lmdb, bool write, struct lmdb_transaction **spare)
{
    enum conclave_code rv = CONCLAVE_OK;
    *spare = NULL;
    lock(lmdb);
    if (lmdb->map_lost) {
        rv = CONCLAVE_NO_MEMORY;
    } else if (write && lmdb->transaction_count == 0) {
        rv = grow_map(lmdb);
    }
    if (rv == CONCLAVE_OK) {
        lmdb->transaction_count++;
        if (!write) {
            *spare = lmdb->spare;
            lmdb->spare = NULL;
        }
    }
    unlock(lmdb);
    return rv;
}

/* Counts one out that has ended, and keeps `spare`, a reset one or NULL, if there is none yet. */
static void leave(struct kv_lmdb *lmdb, struct lmdb_transaction *spare)
{
    lock(lmdb);
    ASSERT(lmdb->transaction_count > 0);
    lmdb->transaction_count--;
    if (spare != NULL && lmdb->spare == NULL) {
        lmdb->spare = spare;
        spare = NULL;
    }
    unlock(lmdb);
    if (spare != NULL) {
        discard_transaction(spare);
    }
}

/* The mutex is not held while LMDB's own lock for writers is waited for. */
static enum conclave_code lmdb_begin(struct kv *kv, bool write, struct kv_transaction **transaction)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    ASSERT(transaction != NULL);
    struct lmdb_transaction *begun;
    enum conclave_code rv = enter(lmdb, write, &begun);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (begun != NULL) {
        begun = renew(begun);
    }
    if (begun == NULL) {
        rv = open_transaction(lmdb, write, &begun);
        if (rv != CONCLAVE_OK) {
            leave(lmdb, NULL);
            return rv;
        }
    }
    *transaction = &begun->base;
    return CONCLAVE_OK;
}

/* Ends it without storing anything: a read becomes the spare one, if there is none. */
static void lmdb_abort(struct kv_transaction *base)
{
    struct lmdb_transaction *transaction = transaction_of(base);
    struct kv_lmdb *lmdb = lmdb_of(base->kv);
    if (base->write || transaction->failure != CONCLAVE_OK) {
        discard_transaction(transaction);
        transaction = NULL;
    } else {
        mdb_txn_reset(transaction->txn);
    }
    leave(lmdb, transaction);
}

static enum conclave_code lmdb_commit(struct kv_transaction *base)
{
    struct lmdb_transaction *transaction = transaction_of(base);
    struct kv_lmdb *lmdb = lmdb_of(base->kv);
    enum conclave_code failure = transaction->failure;
    if (!base->write || failure != CONCLAVE_OK) {
        lmdb_abort(base);
        return failure;
    }
    if (transaction->cursor != NULL) {
        mdb_cursor_close(transaction->cursor);
        transaction->cursor = NULL;
    }
    int rv = mdb_txn_commit(transaction->txn); /* frees it, also when it fails */
    transaction->txn = NULL;
    if (rv == MDB_MAP_FULL) {
        atomic_store(&lmdb->map_full, true);
    }
    discard_transaction(transaction);
    leave(lmdb, NULL);
    return rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : code_of(rv);
}

/* --- Reading --- */

/* LMDB gives up a transaction in which it found damage, and every call after that says no more than
 * so. */
static enum conclave_code read_result(struct lmdb_transaction *transaction, int rv)
{
    if (rv == 0 || rv == MDB_NOTFOUND) {
        return code_of(rv);
    }
    if (transaction->failure == CONCLAVE_OK) {
        transaction->failure = rv == MDB_BAD_TXN ? CONCLAVE_CORRUPT : code_of(rv);
    }
    return transaction->failure;
}

static enum conclave_code lmdb_get(struct kv_transaction *base, struct slice key,
                                   struct slice *value)
{
    struct lmdb_transaction *transaction = transaction_of(base);
    if (key.size == 0) {
        return CONCLAVE_NOT_FOUND;
    }
    MDB_val wanted = val_of(key);
    MDB_val found;
    int rv = mdb_get(transaction->txn, lmdb_of(base->kv)->database, &wanted, &found);
    if (rv == 0 && value != NULL) {
        *value = slice_of(found.mv_data, found.mv_size);
    }
    return read_result(transaction, rv);
}

static enum conclave_code open_cursor(struct lmdb_transaction *transaction)
{
    if (transaction->cursor != NULL) {
        return CONCLAVE_OK;
    }
    int rv = memory_fault_next()
                 ? ENOMEM
                 : mdb_cursor_open(transaction->txn, lmdb_of(transaction->base.kv)->database,
                                   &transaction->cursor);
    return code_of(rv);
}

static enum conclave_code hand_out(struct lmdb_transaction *transaction, int rv, MDB_val found_key,
                                   MDB_val found_value, struct slice *key, struct slice *value)
{
    if (rv == 0) {
        *key = slice_of(found_key.mv_data, found_key.mv_size);
        if (value != NULL) {
            *value = slice_of(found_value.mv_data, found_value.mv_size);
        }
    }
    return read_result(transaction, rv);
}

static enum conclave_code lmdb_seek(struct kv_transaction *base, struct slice from,
                                    struct slice *key, struct slice *value)
{
    ASSERT(key != NULL);
    struct lmdb_transaction *transaction = transaction_of(base);
    enum conclave_code rv = open_cursor(transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    MDB_val found_key = val_of(from);
    MDB_val found_value = {0};
    int found = mdb_cursor_get(transaction->cursor, &found_key, &found_value,
                               from.size == 0 ? MDB_FIRST : MDB_SET_RANGE);
    return hand_out(transaction, found, found_key, found_value, key, value);
}

static enum conclave_code lmdb_seek_last(struct kv_transaction *base, struct slice before,
                                         struct slice *key, struct slice *value)
{
    ASSERT(key != NULL);
    struct lmdb_transaction *transaction = transaction_of(base);
    if (before.size == 0) {
        return CONCLAVE_NOT_FOUND;
    }
    enum conclave_code rv = open_cursor(transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    MDB_val found_key = val_of(before);
    MDB_val found_value = {0};
    int found = mdb_cursor_get(transaction->cursor, &found_key, &found_value, MDB_SET_RANGE);
    if (found == 0 || found == MDB_NOTFOUND) {
        found = mdb_cursor_get(transaction->cursor, &found_key, &found_value,
                               found == 0 ? MDB_PREV : MDB_LAST);
    }
    return hand_out(transaction, found, found_key, found_value, key, value);
}

/* --- Writing --- */

static enum conclave_code fail_write(struct lmdb_transaction *transaction, int rv)
{
    ASSERT(rv != 0);
    if (rv == MDB_MAP_FULL) {
        atomic_store(&lmdb_of(transaction->base.kv)->map_full, true);
    }
    transaction->failure = rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : code_of(rv);
    return transaction->failure;
}

/* Copies `value` to where no write of LMDB's moves it. */
static enum conclave_code copy_value(struct kv_lmdb *lmdb, struct slice value)
{
    if (value.size > lmdb->value_capacity) {
        size_t capacity = lmdb->value_capacity == 0 ? 4096 : lmdb->value_capacity;
        while (capacity < value.size) {
            capacity *= 2; /* bounded: a value has at most KV_VALUE_BYTES */
        }
        uint8_t *grown = memory_resize(lmdb->value, capacity);
        if (grown == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
        lmdb->value = grown;
        lmdb->value_capacity = capacity;
    }
    if (value.size > 0) {
        memcpy(lmdb->value, value.data, value.size);
    }
    return CONCLAVE_OK;
}

static enum conclave_code lmdb_put(struct kv_transaction *base, struct slice key,
                                   struct slice value)
{
    struct lmdb_transaction *transaction = transaction_of(base);
    struct kv_lmdb *lmdb = lmdb_of(base->kv);
    if (transaction->failure != CONCLAVE_OK) {
        return transaction->failure;
    }
    uint8_t key_copy[KV_KEY_BYTES];
    ASSERT(key.size <= sizeof key_copy && value.size <= KV_VALUE_BYTES);
    memcpy(key_copy, key.data, key.size);
    transaction->failure = copy_value(lmdb, value);
    if (transaction->failure != CONCLAVE_OK) {
        return transaction->failure;
    }
    MDB_val put_key = {.mv_size = key.size, .mv_data = key_copy};
    MDB_val put_value = {.mv_size = value.size, .mv_data = lmdb->value};
    int rv = memory_fault_next()
                 ? ENOMEM
                 : mdb_put(transaction->txn, lmdb->database, &put_key, &put_value, 0);
    return rv == 0 ? CONCLAVE_OK : fail_write(transaction, rv);
}

static enum conclave_code lmdb_remove(struct kv_transaction *base, struct slice key)
{
    struct lmdb_transaction *transaction = transaction_of(base);
    if (transaction->failure != CONCLAVE_OK) {
        return transaction->failure;
    }
    if (key.size == 0 || key.size > KV_KEY_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    uint8_t key_copy[KV_KEY_BYTES];
    memcpy(key_copy, key.data, key.size);
    MDB_val removed = {.mv_size = key.size, .mv_data = key_copy};
    int rv = memory_fault_next()
                 ? ENOMEM
                 : mdb_del(transaction->txn, lmdb_of(base->kv)->database, &removed, NULL);
    if (rv == 0 || rv == MDB_NOTFOUND) {
        return code_of(rv);
    }
    return fail_write(transaction, rv);
}

/* --- The environment --- */

static enum conclave_code lmdb_sync(struct kv *kv)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    return lmdb->map_lost ? CONCLAVE_NO_MEMORY : code_of(mdb_env_sync(lmdb->env, 1));
}

static void lmdb_close(struct kv *kv)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    ASSERT(lmdb->transaction_count == 0);
    if (lmdb->spare != NULL) {
        discard_transaction(lmdb->spare);
    }
    mdb_env_close(lmdb->env);
    int rv = pthread_mutex_destroy(&lmdb->mutex);
    ASSERT(rv == 0);
    memory_free(lmdb->value);
    memory_free(lmdb);
}

static const struct kv_operations lmdb_operations = {
    .begin = lmdb_begin,
    .get = lmdb_get,
    .put = lmdb_put,
    .remove = lmdb_remove,
    .seek = lmdb_seek,
    .seek_last = lmdb_seek_last,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .sync = lmdb_sync,
    .close = lmdb_close,
};

/* A data file that somebody cut would be a bus error at the first read past its end; as zeros, LMDB
 * refuses it. */
static enum conclave_code extend_data_file(struct kv_lmdb *lmdb)
{
    MDB_envinfo info;
    MDB_stat stat_page;
    int rv = mdb_env_info(lmdb->env, &info);
    ASSERT(rv == 0);
    rv = mdb_env_stat(lmdb->env, &stat_page);
    ASSERT(rv == 0);
    lmdb->page_bytes = stat_page.ms_psize;
    mdb_filehandle_t file;
    rv = mdb_env_get_fd(lmdb->env, &file);
    ASSERT(rv == 0);
    struct stat status;
    if (fstat(file, &status) != 0) {
        return code_of(errno);
    }
    off_t needed = (off_t)((info.me_last_pgno + 1) * lmdb->page_bytes);
    if (status.st_size < needed && ftruncate(file, needed) != 0) {
        return code_of(errno);
    }
    return CONCLAVE_OK;
}

static enum conclave_code open_environment(struct kv_lmdb *lmdb, const char *directory,
                                           size_t map_bytes)
{
    int dead_readers;
    MDB_txn *txn;
    int rv = memory_fault_next() ? ENOMEM : mdb_env_create(&lmdb->env);
    if (rv != 0) {
        return code_of(rv);
    }
    rv = mdb_env_set_mapsize(lmdb->env, map_bytes);
    if (rv != 0) {
        goto err_after_create;
    }
    rv = mdb_env_open(lmdb->env, directory, MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NORDAHEAD,
                      LMDB_FILE_MODE);
    if (rv != 0) {
        goto err_after_create;
    }
    rv = mdb_reader_check(lmdb->env, &dead_readers);
    if (rv != 0) {
        goto err_after_create;
    }
    enum conclave_code code = extend_data_file(lmdb);
    if (code != CONCLAVE_OK) {
        mdb_env_close(lmdb->env);
        return code;
    }
    rv = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
    if (rv != 0) {
        goto err_after_create;
    }
    rv = mdb_dbi_open(txn, NULL, 0, &lmdb->database);
    if (rv != 0) {
        mdb_txn_abort(txn);
        goto err_after_create;
    }
    rv = mdb_txn_commit(txn);
    if (rv != 0) {
        goto err_after_create;
    }
    return CONCLAVE_OK;

err_after_create:
    ASSERT(rv != 0);
    mdb_env_close(lmdb->env);
    return rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : code_of(rv);
}

enum conclave_code kv_lmdb_open(const char *directory, size_t map_bytes, struct kv **kv)
{
    ASSERT(directory != NULL && kv != NULL);
    if (mkdir(directory, LMDB_DIRECTORY_MODE) != 0 && errno != EEXIST) {
        return code_of(errno);
    }
    struct kv_lmdb *lmdb = memory_allocate_zeroed(1, sizeof *lmdb);
    if (lmdb == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    if (map_bytes == 0) {
        map_bytes = LMDB_MAP_BYTES_DEFAULT;
    } else if (map_bytes < LMDB_MAP_BYTES_MIN) {
        map_bytes = LMDB_MAP_BYTES_MIN;
    }
    lmdb->base.operations = &lmdb_operations;
    int rv = pthread_mutex_init(&lmdb->mutex, NULL);
    ASSERT(rv == 0);
    enum conclave_code code = open_environment(lmdb, directory, map_bytes);
    if (code != CONCLAVE_OK) {
        rv = pthread_mutex_destroy(&lmdb->mutex);
        ASSERT(rv == 0);
        memory_free(lmdb);
        return code;
    }
    *kv = &lmdb->base;
    return CONCLAVE_OK;
}

enum conclave_code kv_lmdb_erase(const char *directory)
{
    ASSERT(directory != NULL);
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return errno == ENOENT ? CONCLAVE_OK : code_of(errno);
    }
    enum conclave_code rv = CONCLAVE_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (unlinkat(folder, files[i], 0) != 0 && errno != ENOENT) {
            rv = code_of(errno);
        }
    }
    if (close(folder) != 0 && rv == CONCLAVE_OK) {
        rv = code_of(errno);
    }
    return rv;
}
