/* The entries of a backup, for who makes a log of them (docs/RECORD.md, "Backups"). They are not
 * checked here but for their form: whoever reads knows the checksum of the file that was. */
#ifndef BACKUP_BACKUP_READ_H
#define BACKUP_BACKUP_READ_H

#include "backup/backup_file.h"

enum backup_entry_type {
    BACKUP_BATCH,
    BACKUP_BARRIER,
    BACKUP_CONFIGURATION
};

struct backup_entry {
    uint64_t index, term;
    enum backup_entry_type type;
    uint64_t time_ms;
    const struct slice *closes;
    uint32_t close_count;
    const struct slice *commands;
    uint32_t command_count;
};

/* Told of each entry, in the order of the file; the slices are valid during the call only. Anything
 * but OK ends the reading, with `error` set. */
typedef enum conclave_code (*backup_on_entry)(void *context, const struct backup_entry *entry,
                                              struct codec_error *error);

/* First the whole file is held against its checksum, and that against `sha256`: NOT_PROVEN when it
 * is another. Else as backup_file_check. BAD_REQUEST for a line that is none of a backup;
 * NO_MEMORY; and what `on_entry` returned. */
enum conclave_code backup_read(const char *path, const uint8_t sha256[BACKUP_SHA256_BYTES],
                               backup_on_entry on_entry, void *context, struct codec_error *error)
    MUST_USE;

#endif
