/* Files and directories that a command keeps for its user: 0600 and 0700, whole or not there. */
#ifndef CONCLAVE_KEPT_FILE_H
#define CONCLAVE_KEPT_FILE_H

#include <conclave/codes.h>
#include <stdbool.h>

#include "base/buffer.h"

/* Makes the directory with its parents, for its owner only; parents that are there stay as they
 * are. DISK_FULL, IO; errno says more. */
enum conclave_code kept_directory_make(const char *path) MUST_USE;

/* Puts a file in its place, synced, mode 0600. DISK_FULL, IO; errno says more. */
enum conclave_code kept_file_write(const char *path, struct slice bytes) MUST_USE;

/* Reads a file of at most the buffer's limit. NOT_FOUND, TOO_LARGE, NO_MEMORY, IO. */
enum conclave_code kept_file_read(const char *path, struct buffer *bytes) MUST_USE;

/* Does the name end so, with something before it? */
bool kept_name_ends(const char *name, const char *end);

/* Calls `each` for the names in a directory that end so, in the order of their bytes. NOT_FOUND
 * when there is no such directory, NO_MEMORY, IO. Stops where `each` returns false. */
enum conclave_code kept_directory_each(const char *path, const char *end,
                                       bool (*each)(const char *name, void *context), void *context)
    MUST_USE;

#endif
