/* The journal in front of the LMDB log: the third twin of log.h, and the one that nodes use.
 *
 * The happy path is: an append is encoded into one frame (log_frame.h) and overwrites a part of the
 * journal's file, which is durable by that one write; the entries are kept in memory, where reads
 * find them. A thread of the journal's own takes them into LMDB in bulk: when a quarter of the file
 * is used, when nothing was appended for a while, when the log is closed, and when an append needs
 * the room. In the same transaction LMDB gets a mark that says up to which frame that was. Opening
 * reads the frames after the mark, takes them into LMDB, and begins the file anew with a sequence
 * that nothing in it ever had. Votes, identity, and appends too large for the file go straight to
 * LMDB.
 *
 * The failure modes are: a disk that is full (the entries stay in the journal, which is as good,
 * and log_full says so; once the journal is full too, appends fail with DISK_FULL; the thread tries
 * again until there is room); a write that fails (poisoned: every later write fails with IO); a
 * crash in
 * the middle of a write (the frame is torn, was never acknowledged, and is dropped at the next
 * opening); damage in the file, or no file, while the mark says that it may hold frames (CORRUPT: a
 * shorter log than was acknowledged is never shown); LMDB that cannot take the entries for another
 * reason (they stay in the journal, and appends fail once it is full).
 */
#ifndef LOG_LOG_JOURNAL_H
#define LOG_LOG_JOURNAL_H

#include "log/log.h"

struct log_journal_config {
    size_t map_bytes;   /* LMDB's first map; 0 for the default */
    uint64_t bytes;     /* of a new file, whole blocks of 4,096; 0 for the default */
    unsigned idle_ms;   /* without an append: taken into LMDB; 0: not for that reason */
    bool buffered_only; /* tests: no O_DIRECT */
};

/* Opens or creates `directory` as log_lmdb_open does, with its errors; an LMDB log that never had a
 * journal gets one. `config` NULL is the daemon's: 8 MiB, 100 ms. */
enum conclave_code log_journal_open(const char *directory, const struct log_journal_config *config,
                                    struct log **log) MUST_USE;

/* Takes everything into LMDB now. Errors of a write. */
enum conclave_code log_journal_drain(struct log *log) MUST_USE;

#endif
