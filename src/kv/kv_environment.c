/* The LMDB environment of a store: see the header. */
#include "kv/kv_environment.h"

#include <conclave/limits.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

#define MAP_BYTES_DEFAULT ((size_t)1 << 30)
#define MAP_BYTES_MIN     ((size_t)1 << 16)
#define DIRECTORY_MODE    0750
#define FILE_MODE         0640

/* Past this share of the map in use, it is doubled. */
#define GROW_NUMERATOR   6u
#define GROW_DENOMINATOR 10u

enum conclave_code kv_environment_code(int error)
{
    switch (error) {
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

/* Whether there are so many addresses to be had: LMDB drops the old map before it asks for the new
 * one. */
static bool can_map(size_t map_bytes)
{
    void *tried =
        /* cppcheck-suppress invalidFunctionArg ; -1 is right for anonymous memory */
        mmap(NULL, map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return tried != MAP_FAILED && munmap(tried, map_bytes) == 0;
}

enum conclave_code kv_environment_grow(struct kv_environment *environment, bool full)
{
    ASSERT(environment != NULL);
    ASSERT(!environment->map_lost);
    MDB_envinfo info;
    int rv = mdb_env_info(environment->env, &info);
    ASSERT(rv == 0);
    size_t used = (info.me_last_pgno + 1) * environment->page_bytes;
    size_t wanted = info.me_mapsize;
    if (full && wanted <= SIZE_MAX / 2) {
        wanted *= 2;
    }
    while (used / GROW_NUMERATOR > wanted / GROW_DENOMINATOR && wanted <= SIZE_MAX / 2) {
        wanted *= 2;
    }
    if (wanted == info.me_mapsize || !can_map(wanted)) {
        return CONCLAVE_OK;
    }
    environment->map_lost = mdb_env_set_mapsize(environment->env, wanted) != 0;
    return environment->map_lost ? CONCLAVE_NO_MEMORY : CONCLAVE_OK;
}

uint64_t kv_environment_end(const struct kv_environment *environment)
{
    MDB_envinfo info;
    int rv = mdb_env_info(environment->env, &info);
    ASSERT(rv == 0);
    return ((uint64_t)info.me_last_pgno + 1) * environment->page_bytes;
}

enum conclave_code kv_environment_take_room(struct kv_environment *environment, uint64_t bytes)
{
    mdb_filehandle_t file;
    int rv = mdb_env_get_fd(environment->env, &file);
    ASSERT(rv == 0);
    return file_room_take(&environment->room, file, kv_environment_end(environment) + bytes,
                          LIMIT_DISK_AHEAD_BYTES);
}

/* A data file that somebody cut would be a bus error at the first read past its end; as zeros, LMDB
 * refuses it. */
static int extend_data_file(struct kv_environment *environment)
{
    MDB_envinfo info;
    MDB_stat pages;
    mdb_filehandle_t file;
    struct stat status;
    int rv = mdb_env_info(environment->env, &info);
    if (rv == 0) {
        rv = mdb_env_stat(environment->env, &pages);
    }
    if (rv == 0) {
        rv = mdb_env_get_fd(environment->env, &file);
    }
    if (rv != 0) {
        return rv;
    }
    environment->page_bytes = pages.ms_psize;
    if (fstat(file, &status) != 0) {
        return errno;
    }
    off_t needed = (off_t)((info.me_last_pgno + 1) * environment->page_bytes);
    return status.st_size < needed && ftruncate(file, needed) != 0 ? errno : 0;
}

static int open_database(struct kv_environment *environment)
{
    MDB_txn *txn;
    int rv = memory_fault_next() ? ENOMEM : mdb_txn_begin(environment->env, NULL, 0, &txn);
    if (rv != 0) {
        return rv;
    }
    rv = mdb_dbi_open(txn, NULL, 0, &environment->database);
    if (rv != 0) {
        mdb_txn_abort(txn);
        return rv;
    }
    return mdb_txn_commit(txn);
}

static size_t first_map_bytes(size_t map_bytes)
{
    if (map_bytes == 0) {
        return MAP_BYTES_DEFAULT;
    }
    return map_bytes < MAP_BYTES_MIN ? MAP_BYTES_MIN : map_bytes;
}

enum conclave_code kv_environment_open(struct kv_environment *environment, const char *directory,
                                       size_t map_bytes)
{
    ASSERT(environment != NULL && directory != NULL);
    *environment = (struct kv_environment){0};
    if (mkdir(directory, DIRECTORY_MODE) != 0 && errno != EEXIST) {
        return kv_environment_code(errno);
    }
    int dead_readers;
    int rv = memory_fault_next() ? ENOMEM : mdb_env_create(&environment->env);
    if (rv != 0) {
        return kv_environment_code(rv);
    }
    rv = mdb_env_set_mapsize(environment->env, first_map_bytes(map_bytes));
    if (rv == 0) {
        rv = mdb_env_open(environment->env, directory,
                          MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS | MDB_NORDAHEAD, FILE_MODE);
    }
    if (rv == 0) {
        rv = mdb_reader_check(environment->env, &dead_readers);
    }
    if (rv == 0) {
        rv = extend_data_file(environment);
    }
    if (rv == 0) {
        rv = open_database(environment);
    }
    if (rv != 0) {
        mdb_env_close(environment->env);
    }
    return rv == MDB_NOTFOUND ? CONCLAVE_CORRUPT : kv_environment_code(rv);
}

void kv_environment_close(struct kv_environment *environment)
{
    ASSERT(environment != NULL);
    mdb_env_close(environment->env);
}
