/* Making, opening, reading and overwriting the journal's file. */
#include "log/log_journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log_environment.h"

#define NEW_NAME    "journal.new"
#define FILE_MODE   0640
#define CHUNK_BYTES ((size_t)64 * LOG_FRAME_BLOCK_BYTES)

static enum conclave_code code_of_error(void)
{
    enum conclave_code code = log_environment_code(errno);
    /* A write has no memory to ask for, and there is nothing to find. */
    return code == CONCLAVE_DISK_FULL ? code : CONCLAVE_IO;
}

static enum conclave_code write_all(int descriptor, const uint8_t *data, size_t size,
                                    uint64_t offset)
{
    while (size > 0) {
        ssize_t written = pwrite(descriptor, data, size, (off_t)offset);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return code_of_error();
        }
        if (written == 0) {
            return CONCLAVE_IO;
        }
        data += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return CONCLAVE_OK;
}

static enum conclave_code fill(int descriptor, const struct log_frame_file *head)
{
    static const uint8_t zeros[CHUNK_BYTES];
    uint8_t block[LOG_FRAME_BLOCK_BYTES];
    for (uint64_t at = 0; at < head->bytes; at += CHUNK_BYTES) {
        uint64_t left = head->bytes - at;
        enum conclave_code code =
            write_all(descriptor, zeros, left < CHUNK_BYTES ? (size_t)left : CHUNK_BYTES, at);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    log_frame_write_file(block, head);
    enum conclave_code code = write_all(descriptor, block, sizeof block, 0);
    return code == CONCLAVE_OK && fsync(descriptor) != 0 ? code_of_error() : code;
}

static enum conclave_code make_in(int folder, const struct log_frame_file *head)
{
    int descriptor = openat(folder, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
    if (descriptor < 0) {
        return code_of_error();
    }
    enum conclave_code code = fill(descriptor, head);
    if (close(descriptor) != 0 && code == CONCLAVE_OK) {
        code = code_of_error();
    }
    if (code == CONCLAVE_OK &&
        (renameat(folder, NEW_NAME, folder, LOG_JOURNAL_FILE_NAME) != 0 || fsync(folder) != 0)) {
        code = code_of_error();
    }
    return code;
}

static enum conclave_code open_folder(const char *directory, int *folder)
{
    *folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *folder < 0 ? code_of_error() : CONCLAVE_OK;
}

enum conclave_code log_journal_file_make(const char *directory, uint64_t bytes, uint64_t id)
{
    ASSERT(directory != NULL && bytes % LOG_FRAME_BLOCK_BYTES == 0);
    const struct log_frame_file head = {.id = id, .bytes = bytes};
    int folder;
    enum conclave_code code = open_folder(directory, &folder);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = make_in(folder, &head);
    (void)close(folder); /* nothing was written through it */
    return code;
}

static enum conclave_code read_all(int descriptor, uint8_t *bytes, uint64_t size)
{
    uint64_t done = 0;
    while (done < size) {
        ssize_t got = pread(descriptor, bytes + done, (size_t)(size - done), (off_t)done);
        if (got < 0 && errno != EINTR) {
            return CONCLAVE_IO;
        }
        if (got == 0) {
            return CONCLAVE_CORRUPT; /* cut */
        }
        done += got > 0 ? (uint64_t)got : 0;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_head(int descriptor, struct log_frame_file *head)
{
    uint8_t block[LOG_FRAME_BLOCK_BYTES];
    struct stat status;
    if (fstat(descriptor, &status) != 0) {
        return CONCLAVE_IO;
    }
    enum conclave_code code = read_all(descriptor, block, sizeof block);
    if (code == CONCLAVE_OK) {
        code = log_frame_read_file(block, head);
    }
    if (code == CONCLAVE_OK && (uint64_t)status.st_size != head->bytes) {
        code = CONCLAVE_CORRUPT;
    }
    return code;
}

/* The descriptor for writing: tried out on the first block, which stays as it is. */
static enum conclave_code open_for_writing(struct log_journal_file *file, int folder, int flags)
{
    alignas(LOG_FRAME_BLOCK_BYTES) uint8_t block[LOG_FRAME_BLOCK_BYTES];
    file->descriptor =
        openat(folder, LOG_JOURNAL_FILE_NAME, O_WRONLY | O_DSYNC | O_CLOEXEC | flags);
    if (file->descriptor < 0) {
        return errno == EINVAL ? CONCLAVE_NOT_FOUND : code_of_error();
    }
    log_frame_write_file(block, &file->head);
    if (pwrite(file->descriptor, block, sizeof block, 0) == (ssize_t)sizeof block) {
        return CONCLAVE_OK;
    }
    enum conclave_code code = errno == EINVAL ? CONCLAVE_NOT_FOUND : code_of_error();
    (void)close(file->descriptor);
    return code;
}

static enum conclave_code open_in(struct log_journal_file *file, int folder, bool buffered)
{
    int descriptor = openat(folder, LOG_JOURNAL_FILE_NAME, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        return errno == ENOENT ? CONCLAVE_NOT_FOUND : code_of_error();
    }
    enum conclave_code code = check_head(descriptor, &file->head);
    (void)close(descriptor); /* nothing was written through it */
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = buffered ? CONCLAVE_NOT_FOUND : open_for_writing(file, folder, O_DIRECT);
    file->direct = code == CONCLAVE_OK;
    if (code == CONCLAVE_NOT_FOUND) { /* this file system does not do that */
        code = open_for_writing(file, folder, 0);
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_IO : code;
}

enum conclave_code log_journal_file_open(struct log_journal_file *file, const char *directory,
                                         bool buffered)
{
    ASSERT(file != NULL && directory != NULL);
    int folder;
    *file = (struct log_journal_file){.descriptor = -1};
    enum conclave_code code = open_folder(directory, &folder);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = open_in(file, folder, buffered);
    (void)close(folder); /* nothing was written through it */
    return code;
}

enum conclave_code log_journal_file_read(const struct log_journal_file *file, const char *directory,
                                         uint8_t *bytes)
{
    ASSERT(file != NULL && file->descriptor >= 0 && bytes != NULL);
    int folder;
    enum conclave_code code = open_folder(directory, &folder);
    if (code != CONCLAVE_OK) {
        return code;
    }
    int descriptor = openat(folder, LOG_JOURNAL_FILE_NAME, O_RDONLY | O_CLOEXEC);
    code = descriptor < 0 ? code_of_error() : read_all(descriptor, bytes, file->head.bytes);
    if (descriptor >= 0) {
        (void)close(descriptor); /* nothing was written through it */
    }
    (void)close(folder);
    return code;
}

void log_journal_file_close(struct log_journal_file *file)
{
    ASSERT(file != NULL && file->descriptor >= 0);
    (void)close(file->descriptor); /* every write was durable when it returned */
    file->descriptor = -1;
}

enum conclave_code log_journal_file_write(const struct log_journal_file *file, const uint8_t *data,
                                          size_t size, uint64_t offset)
{
    ASSERT(size > 0 && size % LOG_FRAME_BLOCK_BYTES == 0);
    ASSERT(offset >= LOG_FRAME_BLOCK_BYTES && offset % LOG_FRAME_BLOCK_BYTES == 0);
    ASSERT(offset + size <= file->head.bytes && (uintptr_t)data % LOG_FRAME_BLOCK_BYTES == 0);
    return write_all(file->descriptor, data, size, offset);
}
