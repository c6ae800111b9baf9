/* Group commit: one write of log entries under way at a time; what gathers meanwhile goes into the
 * next one.
 *
 * When the log is truncated under a write, what that write may acknowledge is trimmed: an entry
 * that was replaced must never be counted as stored.
 */
#ifndef CONSENSUS_WRITER_H
#define CONSENSUS_WRITER_H

#include "consensus/replica.h"

struct cache_entry;

struct writer {
    bool active;          /* a write was given to the host */
    uint64_t acknowledge; /* the highest index that it may acknowledge; 0: none */
    uint64_t next_index;  /* the first index that no write has */
    struct replica_write write;
    struct log_entry *views; /* what write.entries points to */
    struct cache_entry **held;
    size_t capacity;
};

void writer_init(struct writer *writer, uint64_t next_index);
void writer_close(struct writer *writer);

/* New entries stand in the cache from `first_index` on, in place of any that were there. */
void writer_entries(struct writer *writer, uint64_t first_index);

/* Is nothing being written, and nothing waiting to be? */
bool writer_idle(const struct replica *replica);

/* Starts a write when one can be. */
void writer_start(struct replica *replica);

/* The write found no room: the same one is given to the host once more. */
void writer_again(struct replica *replica);

/* The write ended well: tells raft. */
void writer_done(struct replica *replica);

#endif
