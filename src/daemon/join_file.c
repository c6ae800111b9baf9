/* See join_file.h. */
#include "daemon/join_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_NAME  "join"
#define PATH_BYTES (SETTINGS_VALUE_BYTES + 32u)

static enum conclave_code refuse_errno(struct settings_error *error, const char *path)
{
    settings_error_set(error, "%s: %s", path, strerror(errno));
    return CONCLAVE_CONFIG;
}

/* --- Reading --- */

/* At most one byte more than a ticket may have. NOT_FOUND, CONFIG. */
static enum conclave_code read_bytes(const char *path, char text[JOIN_TICKET_BYTES + 1],
                                     size_t *size, struct settings_error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        bool missing = errno == ENOENT;
        enum conclave_code code = refuse_errno(error, path);
        return missing ? CONCLAVE_NOT_FOUND : code;
    }
    struct stat info;
    enum conclave_code code = CONCLAVE_OK;
    *size = 0;
    if (fstat(file, &info) != 0) {
        code = refuse_errno(error, path);
    } else if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        settings_error_set(error, "%s: others than its owner may read or write it (chmod 600)",
                           path);
        code = CONCLAVE_CONFIG;
    }
    while (code == CONCLAVE_OK && *size <= JOIN_TICKET_BYTES) {
        ssize_t got = read(file, text + *size, JOIN_TICKET_BYTES + 1 - *size);
        if (got < 0 && errno != EINTR) {
            code = refuse_errno(error, path);
        } else if (got == 0) {
            break;
        } else if (got > 0) {
            *size += (size_t)got;
        }
    }
    (void)close(file);
    return code;
}

static enum conclave_code read_ticket(const char *path, struct join_ticket *ticket,
                                      struct settings_error *error)
{
    char text[JOIN_TICKET_BYTES + 1];
    size_t size = 0;
    unsigned line;
    enum conclave_code code = read_bytes(path, text, &size, error);
    if (code == CONCLAVE_OK && size > JOIN_TICKET_BYTES) {
        settings_error_set(error, "%s: too long for a ticket", path);
        code = CONCLAVE_CONFIG;
    }
    if (code == CONCLAVE_OK &&
        join_ticket_parse(slice_of(text, size), ticket, &line) != CONCLAVE_OK) {
        settings_error_set(error, "%s:%u: %s a ticket as `conclave cluster add` writes it", path,
                           line, line == 0 ? "the end is missing of" : "this is no line of");
        code = CONCLAVE_CONFIG;
    }
    sodium_memzero(text, sizeof text);
    return code;
}

enum conclave_code join_file_read(const char *path, struct join_ticket *ticket,
                                  struct settings_error *error)
{
    ASSERT(path != NULL && ticket != NULL && error != NULL);
    enum conclave_code code = read_ticket(path, ticket, error);
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CONFIG : code;
}

static void kept_path(char path[PATH_BYTES], const char *data_dir, const char *suffix)
{
    (void)snprintf(path, PATH_BYTES, "%s/" KEPT_NAME "%s", data_dir, suffix);
}

enum conclave_code join_file_kept(const char *data_dir, struct join_ticket *ticket,
                                  struct settings_error *error)
{
    ASSERT(data_dir != NULL && ticket != NULL && error != NULL);
    char path[PATH_BYTES];
    kept_path(path, data_dir, "");
    return read_ticket(path, ticket, error);
}

/* --- Keeping --- */

static bool write_all(int file, struct slice bytes)
{
    while (bytes.size > 0) {
        ssize_t written = write(file, bytes.data, bytes.size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        size_t size = written < 0 ? 0 : (size_t)written;
        bytes = slice_of(bytes.data + size, bytes.size - size);
    }
    return true;
}

static bool write_new(const char *path, struct slice bytes)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) {
        return false;
    }
    bool ok = write_all(file, bytes) && fsync(file) == 0;
    int why = errno;
    (void)close(file);
    errno = why;
    return ok;
}

static bool sync_directory(const char *path)
{
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) {
        return false;
    }
    bool ok = fsync(directory) == 0;
    (void)close(directory);
    return ok;
}

enum conclave_code join_file_keep(const char *data_dir, const struct join_ticket *ticket,
                                  struct settings_error *error)
{
    ASSERT(data_dir != NULL && ticket != NULL && error != NULL);
    char path[PATH_BYTES];
    char part[PATH_BYTES];
    struct buffer text;
    kept_path(path, data_dir, "");
    kept_path(part, data_dir, ".part");
    buffer_init(&text, JOIN_TICKET_BYTES);
    join_ticket_write(&text, ticket);
    enum conclave_code code = text.status;
    if (code == CONCLAVE_OK && (!write_new(part, buffer_slice(&text)) || rename(part, path) != 0 ||
                                !sync_directory(data_dir))) {
        code = errno == ENOSPC || errno == EDQUOT ? CONCLAVE_DISK_FULL : CONCLAVE_IO;
    }
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s: the ticket cannot be kept: %s", path,
                           conclave_code_text(code));
    }
    if (text.size > 0) {
        sodium_memzero(text.data, text.size);
    }
    buffer_close(&text);
    return code;
}
