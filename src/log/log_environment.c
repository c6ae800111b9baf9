/* The LMDB environment of a log: see the header. */
#include "log/log_environment.h"

#include <conclave/limits.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "log/log_file.h"

#define MAP_BYTES_DEFAULT ((size_t)1 << 30)
#define MAP_BYTES_MIN     ((size_t)1 << 16)
#define DIRECTORY_MODE    0750
#define FILE_MODE         0640
#define LOCK_FILE_NAME    "owner.lock"

#define GROW_NUMERATOR   6u
#define GROW_DENOMINATOR 10u

enum conclave_code log_environment_code(int error)
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
    case MDB_KEYEXIST: /* an appended key was not the last one */
    case MDB_BAD_TXN:  /* LMDB gave it up when it found damage */
        return CONCLAVE_CORRUPT;
    default:
        return CONCLAVE_IO;
    }
}

enum conclave_code log_environment_enter(struct log_environment *environment)
{
    int rv = pthread_rwlock_rdlock(&environment->map_lock);
    ASSERT(rv == 0);
    if (environment->map_lost) {
        log_environment_leave(environment);
        return CONCLAVE_NO_MEMORY;
    }
    return CONCLAVE_OK;
}

void log_environment_leave(struct log_environment *environment)
{
    int rv = pthread_rwlock_unlock(&environment->map_lock);
    ASSERT(rv == 0);
}

static void read_info(const struct log_environment *environment, MDB_envinfo *info)
{
    int rv = mdb_env_info(environment->env, info);
    ASSERT(rv == 0);
}

static size_t wanted_map_bytes(const struct log_environment *environment, const MDB_envinfo *info,
                               bool full)
{
    size_t used = (info->me_last_pgno + 1) * environment->page_bytes;
    size_t wanted = info->me_mapsize;
    if (full && wanted <= SIZE_MAX / 2) {
        wanted *= 2;
    }
    while (used / GROW_NUMERATOR > wanted / GROW_DENOMINATOR && wanted <= SIZE_MAX / 2) {
        wanted *= 2;
    }
    return wanted;
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

enum conclave_code log_environment_grow(struct log_environment *environment, bool full)
{
    MDB_envinfo info;
    enum conclave_code rv = log_environment_enter(environment);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    read_info(environment, &info);
    log_environment_leave(environment);
    if (wanted_map_bytes(environment, &info, full) == info.me_mapsize) {
        return full ? CONCLAVE_DISK_FULL : CONCLAVE_OK;
    }

    int error = pthread_rwlock_wrlock(&environment->map_lock);
    ASSERT(error == 0);
    if (!environment->map_lost) {
        size_t seen_bytes = info.me_mapsize;
        read_info(environment, &info);
        /* Another writer may have made it larger meanwhile. */
        size_t wanted = wanted_map_bytes(environment, &info, full && info.me_mapsize == seen_bytes);
        if (wanted != info.me_mapsize && !can_map(wanted)) {
            rv = full ? CONCLAVE_DISK_FULL : CONCLAVE_OK;
        } else if (wanted != info.me_mapsize) {
            environment->map_lost = mdb_env_set_mapsize(environment->env, wanted) != 0;
        }
    }
    if (environment->map_lost) {
        rv = CONCLAVE_NO_MEMORY;
    }
    error = pthread_rwlock_unlock(&environment->map_lock);
    ASSERT(error == 0);
    return rv;
}

enum conclave_code log_environment_take_room(struct log_environment *environment, uint64_t bytes)
{
    MDB_envinfo info;
    mdb_filehandle_t file;
    read_info(environment, &info);
    int rv = mdb_env_get_fd(environment->env, &file);
    ASSERT(rv == 0);
    uint64_t end = ((uint64_t)info.me_last_pgno + 1) * environment->page_bytes;
    return file_room_take(&environment->room, file, end + bytes, LIMIT_DISK_AHEAD_BYTES);
}

/* A data file that somebody cut would be a bus error at the first read past its end: as zeros it is
 * found corrupt. */
static int extend_data_file(struct log_environment *environment)
{
    MDB_envinfo info;
    MDB_stat pages;
    mdb_filehandle_t file;
    struct stat status;
    read_info(environment, &info);
    int rv = mdb_env_stat(environment->env, &pages);
    if (rv != 0) {
        return rv;
    }
    environment->page_bytes = pages.ms_psize;
    rv = mdb_env_get_fd(environment->env, &file);
    if (rv != 0) {
        return rv;
    }
    if (fstat(file, &status) != 0) {
        return errno;
    }
    off_t needed = (off_t)((info.me_last_pgno + 1) * environment->page_bytes);
    return status.st_size < needed && ftruncate(file, needed) != 0 ? errno : 0;
}

/* Makes the names of new files durable: LMDB syncs only what is in them. */
static int sync_directory(int folder)
{
    int above = openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (above < 0) {
        return errno;
    }
    int rv = fsync(folder) != 0 || fsync(above) != 0 ? errno : 0;
    return close(above) != 0 && rv == 0 ? errno : rv;
}

/* BUSY when another process, or this one, has the directory open. */
static enum conclave_code take_lock(struct log_environment *environment, int folder)
{
    environment->lock_file =
        openat(folder, LOCK_FILE_NAME, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    if (environment->lock_file < 0) {
        return log_environment_code(errno);
    }
    if (flock(environment->lock_file, LOCK_EX | LOCK_NB) != 0) {
        enum conclave_code rv = errno == EWOULDBLOCK ? CONCLAVE_BUSY : log_environment_code(errno);
        close(environment->lock_file);
        return rv;
    }
    return CONCLAVE_OK;
}

static int open_env(struct log_environment *environment, const char *directory, size_t map_bytes,
                    unsigned database_count)
{
    int dead_readers;
    int rv = memory_fault_next() ? ENOMEM : mdb_env_create(&environment->env);
    if (rv != 0) {
        return rv;
    }
    rv = mdb_env_set_maxdbs(environment->env, database_count);
    if (rv == 0) {
        rv = mdb_env_set_mapsize(environment->env, map_bytes);
    }
    if (rv == 0) {
        rv = mdb_env_open(environment->env, directory, MDB_NOTLS | MDB_NORDAHEAD, FILE_MODE);
    }
    if (rv == 0) {
        rv = mdb_reader_check(environment->env, &dead_readers);
    }
    if (rv == 0) {
        rv = extend_data_file(environment);
    }
    if (rv != 0) {
        mdb_env_close(environment->env);
    }
    return rv;
}

static size_t first_map_bytes(size_t map_bytes)
{
    if (map_bytes == 0) {
        return MAP_BYTES_DEFAULT;
    }
    return map_bytes < MAP_BYTES_MIN ? MAP_BYTES_MIN : map_bytes;
}

enum conclave_code log_environment_open(struct log_environment *environment, const char *directory,
                                        size_t map_bytes, unsigned database_count)
{
    ASSERT(environment != NULL && directory != NULL && database_count > 0);
    *environment = (struct log_environment){.lock_file = -1};
    if (mkdir(directory, DIRECTORY_MODE) != 0 && errno != EEXIST) {
        return log_environment_code(errno);
    }
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return log_environment_code(errno);
    }
    enum conclave_code rv = take_lock(environment, folder);
    if (rv != CONCLAVE_OK) {
        goto err_after_folder;
    }
    rv = log_file_check(folder);
    if (rv != CONCLAVE_OK) {
        goto err_after_lock;
    }
    rv = log_environment_code(
        open_env(environment, directory, first_map_bytes(map_bytes), database_count));
    if (rv != CONCLAVE_OK) {
        goto err_after_lock;
    }
    rv = log_environment_code(sync_directory(folder));
    if (rv != CONCLAVE_OK) {
        goto err_after_env;
    }
    int error = pthread_rwlock_init(&environment->map_lock, NULL);
    ASSERT(error == 0);
    close(folder);
    return CONCLAVE_OK;

err_after_env:
    mdb_env_close(environment->env);
err_after_lock:
    close(environment->lock_file);
err_after_folder:
    close(folder);
    ASSERT(rv != CONCLAVE_OK);
    return rv;
}

void log_environment_close(struct log_environment *environment)
{
    mdb_env_close(environment->env);
    int rv = pthread_rwlock_destroy(&environment->map_lock);
    ASSERT(rv == 0);
    close(environment->lock_file);
}
