/* Recent log entries in memory: all that are not durable yet, and the latest of those that are.
 *
 * The entries have consecutive indexes. They are counted references: a write under way keeps those
 * it was given, even when the log is truncated meanwhile.
 */
#ifndef CONSENSUS_CACHE_H
#define CONSENSUS_CACHE_H

#include "log/log.h"

struct cache_entry {
    uint32_t references;
    enum log_entry_type type;
    uint64_t term;
    size_t size;
    uint8_t data[];
};

struct cache {
    struct cache_entry **ring; /* capacity is a power of two, or 0 */
    size_t capacity;
    size_t head; /* place of the first entry */
    size_t count;
    uint64_t first_index; /* of the first entry, or of the next one when there is none */
    size_t bytes;
};

/* An empty cache whose first entry will be `first_index`. */
void cache_init(struct cache *cache, uint64_t first_index);
void cache_close(struct cache *cache);

/* Appends a copy of an entry. NO_MEMORY. */
enum conclave_code cache_push(struct cache *cache, const struct log_entry *entry) MUST_USE;

/* Drops `index` and what follows; the next entry pushed has that index. It may be below the first
 * one. */
void cache_truncate(struct cache *cache, uint64_t index);

/* Drops entries from the front while they take more than `bytes_max` and are not past `index`. */
void cache_evict(struct cache *cache, uint64_t index, size_t bytes_max);

/* The entry at `index`, owned by the cache; NULL when it is not here. */
struct cache_entry *cache_get(const struct cache *cache, uint64_t index);

/* The index that the next push gets. */
static inline uint64_t cache_next_index(const struct cache *cache)
{
    return cache->first_index + cache->count;
}

/* One more, or one less, holder of an entry. */
struct cache_entry *cache_entry_take(struct cache_entry *entry);
void cache_entry_release(struct cache_entry *entry);

static inline struct log_entry cache_entry_view(const struct cache_entry *entry)
{
    return (struct log_entry){.term = entry->term,
                              .type = entry->type,
                              .data = slice_of(entry->size == 0 ? NULL : entry->data, entry->size)};
}

#endif
