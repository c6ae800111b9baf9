/* Room for files. See the header. */
#include "base/file_room.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_BYTES ((size_t)256 * 1024)

static int write_zeros(int file, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[CHUNK_BYTES];
    while (from < to) {
        size_t size = to - from < CHUNK_BYTES ? (size_t)(to - from) : CHUNK_BYTES;
        ssize_t written = pwrite(file, zeros, size, (off_t)from);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        from += written > 0 ? (uint64_t)written : 0;
    }
    return 0;
}

static int write_behind_end(int file, uint64_t to)
{
    struct stat status;
    if (fstat(file, &status) != 0) {
        return errno;
    }
    return write_zeros(file, (uint64_t)status.st_size, to);
}

static int take(int file, uint64_t from, uint64_t to)
{
    int rv;
    do {
        rv = fallocate(file, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from)) == 0 ? 0 : errno;
    } while (rv == EINTR);
    return rv == EOPNOTSUPP || rv == ENOSYS ? write_behind_end(file, to) : rv;
}

enum conclave_code file_room_take(struct file_room *room, int file, uint64_t wanted, uint64_t ahead)
{
    ASSERT(room != NULL && file >= 0 && wanted <= INT64_MAX - ahead);
    if (room->end >= wanted) {
        return CONCLAVE_OK;
    }
    uint64_t end = wanted + ahead;
    int rv = take(file, room->end, end);
    if (rv == ENOSPC || rv == EDQUOT) {
        end = wanted;
        rv = take(file, room->end, end);
    }
    if (rv != 0) {
        return rv == ENOSPC || rv == EDQUOT ? CONCLAVE_DISK_FULL : CONCLAVE_IO;
    }
    room->end = end;
    return CONCLAVE_OK;
}
