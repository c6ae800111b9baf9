/* The LMDB twin of log.h: one environment in a directory, fully synced at every commit.
 *
 * Databases: `entries` (64-bit index -> version, type, term, checksum, data) and `meta` (vote, identity: each with a
 * version and a checksum). The map grows by rule before it is full.
 */
#ifndef LOG_LOG_LMDB_H
#define LOG_LOG_LMDB_H

#include "log/log.h"

/* Opens or creates `directory` (mode 0750); an exclusive lock on it (flock on a file in it) refuses a second process with BUSY. Stale readers are cleared. `map_bytes` is the first map
 * size (0 for the default). Errors: IO, NO_MEMORY, DISK_FULL, CORRUPT, BUSY. */
enum conclave_code log_lmdb_open(const char *directory, size_t map_bytes, struct log **log) MUST_USE;

#endif
