/* See kept_file.h. */
#include "kept_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "key.h"

#define PATH_BYTES 4096u

static enum conclave_code code_of_errno(int cause)
{
    return cause == ENOENT                      ? CONCLAVE_NOT_FOUND
           : cause == ENOMEM                    ? CONCLAVE_NO_MEMORY
           : cause == ENOSPC || cause == EDQUOT ? CONCLAVE_DISK_FULL
                                                : CONCLAVE_IO;
}

enum conclave_code kept_directory_make(const char *path)
{
    ASSERT(path != NULL && path[0] != '\0');
    if (!key_make_parents(path) || (mkdir(path, 0700) != 0 && errno != EEXIST)) {
        return code_of_errno(errno);
    }
    return CONCLAVE_OK;
}

static enum conclave_code write_all(int fd, struct slice bytes)
{
    size_t written = 0;
    while (written < bytes.size) {
        ssize_t rv = write(fd, bytes.data + written, bytes.size - written);
        if (rv < 0 && errno != EINTR) {
            return code_of_errno(errno);
        }
        written += rv < 0 ? 0 : (size_t)rv;
    }
    return fsync(fd) == 0 ? CONCLAVE_OK : code_of_errno(errno);
}

/* The name is on the disk too. */
static enum conclave_code sync_parent(const char *path)
{
    char parent[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    (void)snprintf(parent, sizeof parent, "%.*s", size, slash == NULL ? "." : path);
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return code_of_errno(errno);
    }
    enum conclave_code code = fsync(fd) == 0 ? CONCLAVE_OK : code_of_errno(errno);
    (void)close(fd);
    return code;
}

enum conclave_code kept_file_write(const char *path, struct slice bytes)
{
    ASSERT(path != NULL);
    char beside[PATH_BYTES];
    int size = snprintf(beside, sizeof beside, "%s.XXXXXX", path);
    if (size < 0 || (size_t)size >= sizeof beside) {
        errno = ENAMETOOLONG;
        return CONCLAVE_IO;
    }
    int fd = mkostemp(beside, O_CLOEXEC); /* with mode 0600 */
    if (fd < 0) {
        return code_of_errno(errno);
    }
    enum conclave_code code = write_all(fd, bytes);
    if (close(fd) != 0 && code == CONCLAVE_OK) {
        code = code_of_errno(errno);
    }
    if (code == CONCLAVE_OK && rename(beside, path) != 0) {
        code = code_of_errno(errno);
    }
    if (code != CONCLAVE_OK) {
        int cause = errno;
        (void)unlink(beside);
        errno = cause;
        return code;
    }
    return sync_parent(path);
}

enum conclave_code kept_file_read(const char *path, struct buffer *bytes)
{
    ASSERT(path != NULL && bytes != NULL);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return code_of_errno(errno);
    }
    for (;;) {
        uint8_t piece[16384];
        size_t got = fread(piece, 1, sizeof piece, file);
        if (got == 0) {
            break;
        }
        buffer_append(bytes, piece, got);
    }
    enum conclave_code code = ferror(file) ? CONCLAVE_IO : bytes->status;
    (void)fclose(file);
    return code;
}

bool kept_name_ends(const char *name, const char *end)
{
    ASSERT(name != NULL && end != NULL);
    size_t name_size = strlen(name);
    size_t end_size = strlen(end);
    return name_size > end_size && strcmp(name + name_size - end_size, end) == 0;
}

/* In the order of bytes, whatever the locale says. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

enum conclave_code kept_directory_each(const char *path, const char *end,
                                       bool (*each)(const char *name, void *context), void *context)
{
    ASSERT(path != NULL && end != NULL && each != NULL);
    struct dirent **names = NULL;
    int count = scandir(path, &names, NULL, by_bytes);
    if (count < 0) {
        return code_of_errno(errno);
    }
    bool go_on = true;
    for (int i = 0; i < count; i++) {
        if (go_on && kept_name_ends(names[i]->d_name, end)) {
            go_on = each(names[i]->d_name, context);
        }
        free(names[i]);
    }
    free(names);
    return CONCLAVE_OK;
}
