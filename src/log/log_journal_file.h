/* The journal's file: fixed in size, written through with zeros when it is made, then only ever
 * overwritten, so that a write needs no change of the file system's own data. It is opened O_DSYNC,
 * and O_DIRECT where the file system can: then a write is one command to the disk. Elsewhere
 * (tmpfs, FUSE) the same writes go through the page cache; either way they are durable when they
 * return.
 */
#ifndef LOG_LOG_JOURNAL_FILE_H
#define LOG_LOG_JOURNAL_FILE_H

#include "log/log_frame.h"

#define LOG_JOURNAL_FILE_NAME "journal"

struct log_journal_file {
    int descriptor;
    bool direct;
    struct log_frame_file head;
};

/* Makes the file anew, of `bytes` (whole blocks) with this id, in place of any that is there. IO,
 * DISK_FULL. */
enum conclave_code log_journal_file_make(const char *directory, uint64_t bytes, uint64_t id)
    MUST_USE;

/* Opens the file; `buffered` never asks for O_DIRECT. NOT_FOUND when there is none; CORRUPT when it
 * is none of ours, or cut; IO. */
enum conclave_code log_journal_file_open(struct log_journal_file *file, const char *directory,
                                         bool buffered) MUST_USE;
void log_journal_file_close(struct log_journal_file *file);

/* Reads all of it; `bytes` has room for head.bytes. */
enum conclave_code log_journal_file_read(const struct log_journal_file *file, const char *directory,
                                         uint8_t *bytes) MUST_USE;

/* Overwrites whole blocks; durable when it returns. `data` is aligned to LOG_FRAME_BLOCK_BYTES.
 * After a failure nobody knows what is there. IO, DISK_FULL. */
enum conclave_code log_journal_file_write(const struct log_journal_file *file, const uint8_t *data,
                                          size_t size, uint64_t offset) MUST_USE;

#endif
