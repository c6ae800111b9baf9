/* The newest entries of a log, in memory, as the records that are stored: those that the journal
 * has and LMDB has not yet.
 *
 * Not locked: the journal does that, for the references too. Who has a reference may read the
 * record without the lock.
 */
#ifndef LOG_LOG_TAIL_H
#define LOG_LOG_TAIL_H

#include "log/log.h"

struct log_tail_entry {
    unsigned references;
    size_t size;
    uint8_t record[]; /* log_record.h */
};

struct log_tail {
    struct log_tail_entry **ring; /* capacity is a power of two, or 0 */
    size_t capacity;
    size_t head; /* place of the first entry */
    size_t count;
    uint64_t first_index; /* of the first entry, or of the next one when there is none */
};

void log_tail_init(struct log_tail *tail, uint64_t first_index);
void log_tail_close(struct log_tail *tail);

/* Makes room for `count` entries more. NO_MEMORY. */
enum conclave_code log_tail_reserve(struct log_tail *tail, size_t count) MUST_USE;

/* Takes over the caller's reference. There must be room. */
void log_tail_push(struct log_tail *tail, struct log_tail_entry *entry);

/* Drops `index` and what follows; the next entry pushed has that index. It may be below the first
 * one. */
void log_tail_truncate(struct log_tail *tail, uint64_t index);

/* Drops the entries up to `index`. */
void log_tail_drop(struct log_tail *tail, uint64_t index);

/* The entry at `index`, owned by the tail; NULL when it is not here. */
struct log_tail_entry *log_tail_get(const struct log_tail *tail, uint64_t index);

static inline uint64_t log_tail_next_index(const struct log_tail *tail)
{
    return tail->first_index + tail->count;
}

/* An entry with one reference, the caller's; NULL when there is no memory. */
struct log_tail_entry *log_tail_entry_make(uint64_t index, const struct log_entry *entry) MUST_USE;
struct log_tail_entry *log_tail_entry_copy(struct slice record) MUST_USE;
struct log_tail_entry *log_tail_entry_take(struct log_tail_entry *entry);
void log_tail_entry_release(struct log_tail_entry *entry);

static inline struct slice log_tail_entry_record(const struct log_tail_entry *entry)
{
    return slice_of(entry->record, entry->size);
}

#endif
