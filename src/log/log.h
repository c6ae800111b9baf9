/* The log store: entries by index, term and vote, and this node's identity. A vtable with two
 * twins, LMDB and in memory; the LMDB one syncs every commit.
 *
 * Entries have consecutive indexes from 1. Nothing is ever dropped from the front. Every stored
 * value carries a version and a checksum (XXH3-64) that is verified at every read: CORRUPT is
 * always found, never skipped.
 *
 * log_append may run on another thread than the rest (one at a time), and log_read beside it sees
 * what was complete before. Entries are not changed by anyone once they are handed in, until
 * log_append returns.
 *
 * Errors: NO_MEMORY; DISK_FULL; IO (a failed write or sync: the node must stop, never retry);
 * CORRUPT; NOT_FOUND. After an error from a write nothing of it is stored. DISK_FULL: the very same
 * write, with the same entries, may be tried again; entries leave room for terms and votes, which
 * find it when the disk is full.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <conclave/codes.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/slice.h"

/* Kinds of entries; the values are stored. They are raft's own (consensus maps them). */
enum log_entry_type {
    LOG_ENTRY_COMMAND = 1,
    LOG_ENTRY_BARRIER = 2,
    LOG_ENTRY_CONFIGURATION = 3
};

struct log_entry {
    uint64_t term;
    enum log_entry_type type;
    struct slice data; /* may be empty */
};

struct log_vote {
    uint64_t term;
    uint64_t voted_for; /* node id, or 0 */
};

#define LOG_IDENTITY_BYTES 256u

struct log;

/* Called by log_read for each entry in order; the slice is valid during the call only. Anything but
 * OK ends the reading and is returned by log_read. It may read the log, and must not write it. */
typedef enum conclave_code (*log_read_entry)(void *context, uint64_t index,
                                             const struct log_entry *entry);

/* Room on the disk: what the log may take before it must grow, and what it has taken. */
struct log_usage {
    uint64_t map_bytes, used_bytes;
};

struct log_operations {
    uint64_t (*last_index)(struct log *log);
    enum conclave_code (*append)(struct log *log, uint64_t first_index,
                                 const struct log_entry *entries, size_t entry_count);
    enum conclave_code (*read)(struct log *log, uint64_t first_index, uint64_t last_index,
                               log_read_entry callback, void *context);
    enum conclave_code (*read_header)(struct log *log, uint64_t index, uint64_t *term,
                                      enum log_entry_type *type);
    enum conclave_code (*repair)(struct log *log, uint64_t index, const struct log_entry *entry);
    enum conclave_code (*save_vote)(struct log *log, struct log_vote vote);
    enum conclave_code (*load_vote)(struct log *log, struct log_vote *vote);
    enum conclave_code (*save_identity)(struct log *log, struct slice identity);
    enum conclave_code (*load_identity)(struct log *log, uint8_t *identity, size_t *identity_size);
    void (*usage)(struct log *log, struct log_usage *usage); /* NULL: it is on no disk */
    bool (*full)(struct log *log);                           /* NULL: it never is */
    void (*close)(struct log *log);
};

struct log {
    const struct log_operations *operations;
};

/* The index of the last durable entry, 0 when the log is empty. */
static inline uint64_t log_last_index(struct log *log)
{
    return log->operations->last_index(log);
}

/* In one durable transaction: drops every entry at `first_index` and after it, then stores the
 * given entries from there. `first_index` is at most log_last_index + 1 and at least 1;
 * `entry_count` is at least 1. */
static inline MUST_USE enum conclave_code log_append(struct log *log, uint64_t first_index,
                                                     const struct log_entry *entries,
                                                     size_t entry_count)
{
    ASSERT(first_index >= 1 && entries != NULL && entry_count >= 1);
    return log->operations->append(log, first_index, entries, entry_count);
}

/* Reads `first_index` to `last_index`, both inclusive, in order. NOT_FOUND when one is not there,
 * after those before it were read. */
static inline MUST_USE enum conclave_code log_read(struct log *log, uint64_t first_index,
                                                   uint64_t last_index, log_read_entry callback,
                                                   void *context)
{
    ASSERT(first_index >= 1 && first_index <= last_index);
    return log->operations->read(log, first_index, last_index, callback, context);
}

/* The term and type of an entry: checked, but its data is not. NOT_FOUND. */
static inline MUST_USE enum conclave_code log_read_header(struct log *log, uint64_t index,
                                                          uint64_t *term, enum log_entry_type *type)
{
    return log->operations->read_header(log, index, term, type);
}

/* Puts back the data of an entry that does not match its checksum, durably: `entry` must be what
 * was stored, which the entry's head, if that is sound, tells by term, type, size and checksum.
 * CORRUPT when the head is damaged too, or tells that it is another; NOT_FOUND; errors of a write.
 */
static inline MUST_USE enum conclave_code log_repair(struct log *log, uint64_t index,
                                                     const struct log_entry *entry)
{
    ASSERT(index >= 1 && entry != NULL);
    return log->operations->repair(log, index, entry);
}

/* Durable on return. A log that has none yet loads as {0, 0}. */
static inline MUST_USE enum conclave_code log_save_vote(struct log *log, struct log_vote vote)
{
    return log->operations->save_vote(log, vote);
}

static inline MUST_USE enum conclave_code log_load_vote(struct log *log, struct log_vote *vote)
{
    return log->operations->load_vote(log, vote);
}

/* Who this disk is: opaque bytes, at most LOG_IDENTITY_BYTES, durable on return. NOT_FOUND when
 * never saved. */
static inline MUST_USE enum conclave_code log_save_identity(struct log *log, struct slice identity)
{
    ASSERT(identity.size > 0 && identity.size <= LOG_IDENTITY_BYTES);
    return log->operations->save_identity(log, identity);
}

static inline MUST_USE enum conclave_code log_load_identity(struct log *log,
                                                            uint8_t identity[LOG_IDENTITY_BYTES],
                                                            size_t *identity_size)
{
    return log->operations->load_identity(log, identity, identity_size);
}

/* By any thread. */
static inline void log_usage(struct log *log, struct log_usage *usage)
{
    *usage = (struct log_usage){0};
    if (log->operations->usage != NULL) {
        log->operations->usage(log, usage);
    }
}

/* Whether there was no room on the disk when entries were last to be stored, also where that was
 * not told to whoever appended them. By any thread. */
static inline bool log_full(struct log *log)
{
    return log->operations->full != NULL && log->operations->full(log);
}

static inline void log_close(struct log *log)
{
    if (log != NULL) {
        log->operations->close(log);
    }
}

#endif
