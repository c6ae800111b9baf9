/* The LMDB twin of kv.h.
 *
 * The happy path is: begin takes a transaction (a read renews a spare one), each operation is one
 * call of LMDB's, and commit writes to the page cache. The failure modes are: a map that is full
 * (the transaction fails, and the next write begins with a larger map), a disk that is full or
 * broken (LMDB gives the transaction up as a whole), and a data file that was damaged (it is made
 * long enough at open that no read of it can fault; LMDB finds what it checks, and a checksum at
 * the end of each value, over key and value, what it does not: a number that is wrong is never
 * read).
 */
#include "kv/kv_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/memory.h"
#include "kv/kv_environment.h"

#define CHECKSUM_BYTES sizeof(XXH64_canonical_t)

struct lmdb_transaction {
    struct kv_transaction base;
    MDB_txn *txn;
    MDB_cursor *cursor;         /* opened at the first seek */
    enum conclave_code failure; /* of a write; OK while there was none */
};

struct kv_lmdb {
    struct kv base;
    uint8_t *value; /* a copy of what is being put: it may be LMDB's own and move while it puts */
    size_t value_capacity;
    _Atomic bool map_full;             /* the last write needed more than there was */
    pthread_mutex_t mutex;             /* over what follows */
    uint32_t transaction_count;        /* open */
    struct lmdb_transaction *spare;    /* a reset read transaction, or NULL */
    struct kv_environment environment; /* its growth */
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
                 : mdb_txn_begin(lmdb->environment.env, NULL, write ? 0 : MDB_RDONLY, &opened->txn);
    if (rv != 0) {
        memory_free(opened);
        return kv_environment_code(rv);
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
    if (lmdb->environment.map_lost) {
        rv = CONCLAVE_NO_MEMORY;
    } else if (write && lmdb->transaction_count == 0) {
        rv = kv_environment_grow(&lmdb->environment, atomic_exchange(&lmdb->map_full, false));
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
    return rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : kv_environment_code(rv);
}

/* --- Reading --- */

/* LMDB gives up a transaction in which it found damage, and every call after that says no more than
 * so. */
static enum conclave_code read_result(struct lmdb_transaction *transaction, int rv)
{
    if (rv == 0 || rv == MDB_NOTFOUND) {
        return kv_environment_code(rv);
    }
    if (transaction->failure == CONCLAVE_OK) {
        transaction->failure = rv == MDB_BAD_TXN ? CONCLAVE_CORRUPT : kv_environment_code(rv);
    }
    return transaction->failure;
}

static void pack_checksum(struct slice key, struct slice value, XXH64_canonical_t *packed)
{
    XXH64_hash_t seed = XXH3_64bits(key.data, key.size);
    XXH64_canonicalFromHash(packed, XXH3_64bits_withSeed(value.data, value.size, seed));
}

/* What was found, without its checksum; `value` may be NULL. */
static enum conclave_code take_value(struct lmdb_transaction *transaction, struct slice key,
                                     MDB_val found, struct slice *value)
{
    XXH64_canonical_t checksum;
    struct slice stored = slice_of(found.mv_data, found.mv_size);
    bool sound = stored.size >= CHECKSUM_BYTES;
    if (sound) {
        stored.size -= CHECKSUM_BYTES;
        pack_checksum(key, stored, &checksum);
        sound = memcmp(&checksum, stored.data + stored.size, CHECKSUM_BYTES) == 0;
    }
    if (!sound) {
        transaction->failure = CONCLAVE_CORRUPT;
        return CONCLAVE_CORRUPT;
    }
    if (value != NULL) {
        *value = stored;
    }
    return CONCLAVE_OK;
}

static enum conclave_code open_cursor(struct lmdb_transaction *transaction)
{
    if (transaction->cursor != NULL) {
        return CONCLAVE_OK;
    }
    int rv = memory_fault_next()
                 ? ENOMEM
                 : mdb_cursor_open(transaction->txn,
                                   lmdb_of(transaction->base.kv)->environment.database,
                                   &transaction->cursor);
    return kv_environment_code(rv);
}

static enum conclave_code hand_out(struct lmdb_transaction *transaction, int rv, MDB_val found_key,
                                   MDB_val found_value, struct slice *key, struct slice *value)
{
    if (rv != 0) {
        return read_result(transaction, rv);
    }
    *key = slice_of(found_key.mv_data, found_key.mv_size);
    return take_value(transaction, *key, found_value, value);
}

/* A key whose bit turned is not found under its name, but stands where it did: beside the place at
 * which the search for it ends. NOT_FOUND when both pairs there are sound. */
static enum conclave_code check_neighbours(struct lmdb_transaction *transaction, struct slice key)
{
    static const MDB_cursor_op steps[] = {MDB_SET_RANGE, MDB_PREV};
    enum conclave_code rv = open_cursor(transaction);
    MDB_val found_key = val_of(key);
    for (size_t i = 0; i < 2 && (rv == CONCLAVE_OK || rv == CONCLAVE_NOT_FOUND); i++) {
        struct slice ignored;
        MDB_val found;
        MDB_cursor_op step = rv == CONCLAVE_NOT_FOUND ? MDB_LAST : steps[i];
        rv = hand_out(transaction, mdb_cursor_get(transaction->cursor, &found_key, &found, step),
                      found_key, found, &ignored, NULL);
    }
    return rv == CONCLAVE_OK ? CONCLAVE_NOT_FOUND : rv;
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
    int rv = mdb_get(transaction->txn, lmdb_of(base->kv)->environment.database, &wanted, &found);
    if (rv == 0) {
        return take_value(transaction, key, found, value);
    }
    return rv == MDB_NOTFOUND && !base->write ? check_neighbours(transaction, key)
                                              : read_result(transaction, rv);
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
    transaction->failure = rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : kv_environment_code(rv);
    return transaction->failure;
}

/* Copies `value` to where no write of LMDB's moves it, and puts the checksum behind it. */
static enum conclave_code copy_value(struct kv_lmdb *lmdb, struct slice key, struct slice value)
{
    XXH64_canonical_t checksum;
    size_t size = value.size + CHECKSUM_BYTES;
    if (size > lmdb->value_capacity) {
        size_t capacity = lmdb->value_capacity == 0 ? 4096 : lmdb->value_capacity;
        while (capacity < size) {
            capacity *= 2; /* bounded: a value has at most KV_VALUE_BYTES */
        }
        uint8_t *grown = memory_resize(lmdb->value, capacity);
        if (grown == NULL) {
            return CONCLAVE_NO_MEMORY;
        }
        lmdb->value = grown;
        lmdb->value_capacity = capacity;
    }
    pack_checksum(key, value, &checksum);
    if (value.size > 0) {
        memcpy(lmdb->value, value.data, value.size);
    }
    memcpy(lmdb->value + value.size, &checksum, CHECKSUM_BYTES);
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
    transaction->failure = copy_value(lmdb, key, value);
    if (transaction->failure != CONCLAVE_OK) {
        return transaction->failure;
    }
    MDB_val put_key = {.mv_size = key.size, .mv_data = key_copy};
    MDB_val put_value = {.mv_size = value.size + CHECKSUM_BYTES, .mv_data = lmdb->value};
    int rv = memory_fault_next()
                 ? ENOMEM
                 : mdb_put(transaction->txn, lmdb->environment.database, &put_key, &put_value, 0);
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
    int rv = memory_fault_next() ? ENOMEM
                                 : mdb_del(transaction->txn,
                                           lmdb_of(base->kv)->environment.database, &removed, NULL);
    if (rv == 0 || rv == MDB_NOTFOUND) {
        return kv_environment_code(rv);
    }
    return fail_write(transaction, rv);
}

/* --- The store --- */

static enum conclave_code lmdb_sync(struct kv *kv)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    lock(lmdb);
    bool map_lost = lmdb->environment.map_lost;
    unlock(lmdb);
    return map_lost ? CONCLAVE_NO_MEMORY
                    : kv_environment_code(mdb_env_sync(lmdb->environment.env, 1));
}

static void lmdb_usage(struct kv *kv, struct kv_usage *usage)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    MDB_envinfo info;
    lock(lmdb);
    int rv = lmdb->environment.map_lost ? ENOMEM : mdb_env_info(lmdb->environment.env, &info);
    if (rv == 0) {
        usage->map_bytes = info.me_mapsize;
        usage->used_bytes = (info.me_last_pgno + 1) * lmdb->environment.page_bytes;
    }
    unlock(lmdb);
}

static enum conclave_code lmdb_reserve(struct kv *kv, uint64_t bytes)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    lock(lmdb);
    enum conclave_code rv = lmdb->environment.map_lost
                                ? CONCLAVE_NO_MEMORY
                                : kv_environment_take_room(&lmdb->environment, bytes);
    unlock(lmdb);
    return rv;
}

static uint64_t lmdb_room(struct kv *kv)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    uint64_t room = 0;
    lock(lmdb);
    if (!lmdb->environment.map_lost) {
        uint64_t end = kv_environment_end(&lmdb->environment);
        room = lmdb->environment.room.end > end ? lmdb->environment.room.end - end : 0;
    }
    unlock(lmdb);
    return room;
}

static void lmdb_close(struct kv *kv)
{
    struct kv_lmdb *lmdb = lmdb_of(kv);
    ASSERT(lmdb->transaction_count == 0);
    if (lmdb->spare != NULL) {
        discard_transaction(lmdb->spare);
    }
    kv_environment_close(&lmdb->environment);
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
    .usage = lmdb_usage,
    .reserve = lmdb_reserve,
    .room = lmdb_room,
    .close = lmdb_close,
};

enum conclave_code kv_lmdb_open(const char *directory, size_t map_bytes, struct kv **kv)
{
    ASSERT(directory != NULL && kv != NULL);
    struct kv_lmdb *lmdb = memory_allocate_zeroed(1, sizeof *lmdb);
    if (lmdb == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    lmdb->base.operations = &lmdb_operations;
    int rv = pthread_mutex_init(&lmdb->mutex, NULL);
    ASSERT(rv == 0);
    enum conclave_code code = kv_environment_open(&lmdb->environment, directory, map_bytes);
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
        return errno == ENOENT ? CONCLAVE_OK : kv_environment_code(errno);
    }
    enum conclave_code rv = CONCLAVE_OK;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (unlinkat(folder, files[i], 0) != 0 && errno != ENOENT) {
            rv = kv_environment_code(errno);
        }
    }
    if (close(folder) != 0 && rv == CONCLAVE_OK) {
        rv = kv_environment_code(errno);
    }
    return rv;
}
