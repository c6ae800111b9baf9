/* A node's directory and its lock. */
#include "daemon/data_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATA_DIR_MODE 0750

static enum conclave_code make(const char *path, struct settings_error *error)
{
    if (mkdir(path, DATA_DIR_MODE) != 0 && errno != EEXIST) {
        settings_error_set(error, "%s: cannot be made: %s", path, strerror(errno));
        return CONCLAVE_IO;
    }
    return CONCLAVE_OK;
}

/* Makes the directory's own name durable: what is synced in it is lost with it. */
static enum conclave_code sync_above(const char *path, struct settings_error *error)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int above = folder < 0 ? -1 : openat(folder, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = above < 0 || fsync(above) != 0 ? errno : 0;
    if (above >= 0) {
        (void)close(above);
    }
    if (folder >= 0) {
        (void)close(folder);
    }
    /* Who may not read it did not make `path` either: it was there before. */
    if (failed != 0 && failed != EACCES) {
        settings_error_set(error, "%s: the directory above it cannot be synced: %s", path,
                           strerror(failed));
        return CONCLAVE_IO;
    }
    return CONCLAVE_OK;
}

static enum conclave_code refuse_locked(int lock, const char *path, struct settings_error *error)
{
    char pid[16] = "";
    ssize_t size = pread(lock, pid, sizeof pid - 1, 0);
    pid[size < 0 ? 0 : size] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    settings_error_set(error, "%s is in use by another conclaved (pid %s)", path,
                       pid[0] == '\0' ? "unknown" : pid);
    return CONCLAVE_BUSY;
}

static enum conclave_code take_lock(const char *path, int *lock, struct settings_error *error)
{
    char name[DATA_DIR_PATH_BYTES];
    (void)snprintf(name, sizeof name, "%s/LOCK", path);
    int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (file < 0) {
        settings_error_set(error, "%s: cannot be opened: %s", name, strerror(errno));
        return CONCLAVE_IO;
    }
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        enum conclave_code code = refuse_locked(file, path, error);
        (void)close(file);
        return code;
    }
    /* The pid is for people only: the lock is what counts, and a full disk is no reason to do
     * without the node. */
    if ((ftruncate(file, 0) != 0 || dprintf(file, "%ld\n", (long)getpid()) < 0) &&
        errno != ENOSPC && errno != EDQUOT) {
        settings_error_set(error, "%s: cannot be written: %s", name, strerror(errno));
        (void)close(file);
        return CONCLAVE_IO;
    }
    *lock = file;
    return CONCLAVE_OK;
}

enum conclave_code data_dir_open(const char *path, struct data_dir *data_dir,
                                 struct settings_error *error)
{
    ASSERT(path != NULL && strlen(path) < SETTINGS_VALUE_BYTES && data_dir != NULL);
    (void)snprintf(data_dir->log, sizeof data_dir->log, "%s/log", path);
    (void)snprintf(data_dir->state, sizeof data_dir->state, "%s/state", path);
    enum conclave_code code = make(path, error);
    if (code == CONCLAVE_OK) {
        code = sync_above(path, error);
    }
    if (code == CONCLAVE_OK) {
        code = take_lock(path, &data_dir->lock, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = make(data_dir->log, error);
    if (code == CONCLAVE_OK) {
        code = make(data_dir->state, error);
    }
    if (code != CONCLAVE_OK) {
        data_dir_close(data_dir);
    }
    return code;
}

void data_dir_close(struct data_dir *data_dir)
{
    ASSERT(data_dir != NULL);
    (void)close(data_dir->lock); /* and with it goes the lock */
    data_dir->lock = -1;
}
