/* The LMDB twin of log.h: one environment in a directory, fully synced at every commit.
 *
 * Databases: `entries` (64-bit index, big-endian -> record) and `meta` (vote and identity, as
 * records): log_record.h has the format; the number of the last commit stands beside them, so that
 * the tree of an earlier one is not taken for it. The map is doubled before a write that finds more
 * than six tenths of it in use, and when a write does not fit; readers on other threads are waited
 * for. After a write or sync that failed every later write fails with IO until the log is opened
 * anew; reads go on. A full disk is no such failure: room for entries is taken before they are
 * written, with LIMIT_DISK_RESERVE_BYTES to spare, which only terms, votes and identities use.
 */
#ifndef LOG_LOG_LMDB_H
#define LOG_LOG_LMDB_H

#include "log/log_record.h"

/* Opens or creates `directory` (mode 0750; what is above it must be there); an exclusive lock on it
 * (flock on a file in it) refuses a second opening, by any process, with BUSY. Stale readers are
 * cleared. `map_bytes` is the first map size (0 for the default). Errors: IO, NO_MEMORY, DISK_FULL,
 * CORRUPT, BUSY. */
enum conclave_code log_lmdb_open(const char *directory, size_t map_bytes, struct log **log)
    MUST_USE;

/* For the journal that may stand in front of it (log_journal.h). In one durable transaction: as
 * log_append, with entries given as the records that are stored (none: nothing is dropped either),
 * and the mark. `opening`: what is kept for votes may be used. */
enum conclave_code log_lmdb_drain(struct log *log, uint64_t first_index,
                                  const struct slice *records, size_t record_count,
                                  const struct log_mark *mark, bool opening) MUST_USE;

/* NOT_FOUND when no journal ever stood in front. */
enum conclave_code log_lmdb_load_mark(struct log *log, struct log_mark *mark) MUST_USE;

/* Whether a write failed, so that every later one does. */
bool log_lmdb_poisoned(struct log *log);

#endif
