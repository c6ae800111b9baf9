/* Room on a disk for a file that grows: taken before it is needed, so that a write into it cannot
 * find the disk full. What stands in the file and its size do not change, where the file system can
 * do that (fallocate with FALLOC_FL_KEEP_SIZE); elsewhere zeros are written behind its end.
 *
 * A file system that writes every change to a new place (btrfs, zfs) may say that it is full all
 * the same: then the write itself says so.
 */
#ifndef BASE_FILE_ROOM_H
#define BASE_FILE_ROOM_H

#include <conclave/codes.h>
#include <stdint.h>

#include "base/assert.h"

/* What was taken so far, of one open file: begins with zeros. */
struct file_room {
    uint64_t end; /* all bytes before it have their place on the disk */
};

/* Makes sure that there is room up to `wanted`, and takes up to `ahead` bytes more at once if they
 * are to be had. Nobody may write behind the file's end meanwhile. DISK_FULL, IO. */
enum conclave_code file_room_take(struct file_room *room, int file, uint64_t wanted, uint64_t ahead)
    MUST_USE;

#endif
