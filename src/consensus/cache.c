/* The ring of recent entries. */
#include "consensus/cache.h"

#include "base/memory.h"

#define CACHE_CAPACITY_MIN 64u

/* What an entry costs besides its data: so that empty entries count too. */
#define CACHE_ENTRY_OVERHEAD_BYTES (sizeof(struct cache_entry) + sizeof(struct cache_entry *))

void cache_init(struct cache *cache, uint64_t first_index)
{
    ASSERT(cache != NULL && first_index >= 1);
    *cache = (struct cache){.first_index = first_index};
}

void cache_close(struct cache *cache)
{
    ASSERT(cache != NULL);
    cache_truncate(cache, cache->first_index);
    memory_free(cache->ring);
    *cache = (struct cache){.first_index = 1};
}

static struct cache_entry **place_of(const struct cache *cache, size_t offset)
{
    return &cache->ring[(cache->head + offset) & (cache->capacity - 1)];
}

static enum conclave_code grow(struct cache *cache)
{
    size_t capacity = cache->capacity == 0 ? CACHE_CAPACITY_MIN : cache->capacity * 2;
    struct cache_entry **ring = memory_allocate(capacity * sizeof *ring);
    if (ring == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    for (size_t i = 0; i < cache->count; i++) {
        ring[i] = *place_of(cache, i);
    }
    memory_free(cache->ring);
    cache->ring = ring;
    cache->capacity = capacity;
    cache->head = 0;
    return CONCLAVE_OK;
}

enum conclave_code cache_push(struct cache *cache, const struct log_entry *entry)
{
    ASSERT(cache != NULL && entry != NULL);
    if (cache->count == cache->capacity && grow(cache) != CONCLAVE_OK) {
        return CONCLAVE_NO_MEMORY;
    }
    struct cache_entry *copy = memory_allocate(sizeof *copy + entry->data.size);
    if (copy == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *copy = (struct cache_entry){
        .references = 1, .type = entry->type, .term = entry->term, .size = entry->data.size};
    if (entry->data.size > 0) {
        memcpy(copy->data, entry->data.data, entry->data.size);
    }
    *place_of(cache, cache->count) = copy;
    cache->count++;
    cache->bytes += copy->size + CACHE_ENTRY_OVERHEAD_BYTES;
    return CONCLAVE_OK;
}

void cache_truncate(struct cache *cache, uint64_t index)
{
    ASSERT(index >= 1 && index <= cache_next_index(cache));
    while (cache->count > 0 && cache_next_index(cache) > index) {
        struct cache_entry *last = *place_of(cache, cache->count - 1);
        cache->bytes -= last->size + CACHE_ENTRY_OVERHEAD_BYTES;
        cache->count--;
        cache_entry_release(last);
    }
    if (cache->count == 0) {
        cache->first_index = index;
    }
}

void cache_evict(struct cache *cache, uint64_t index, size_t bytes_max)
{
    while (cache->count > 0 && cache->bytes > bytes_max && cache->first_index <= index) {
        struct cache_entry *first = *place_of(cache, 0);
        cache->bytes -= first->size + CACHE_ENTRY_OVERHEAD_BYTES;
        cache->head = (cache->head + 1) & (cache->capacity - 1);
        cache->count--;
        cache->first_index++;
        cache_entry_release(first);
    }
}

struct cache_entry *cache_get(const struct cache *cache, uint64_t index)
{
    if (index < cache->first_index || index >= cache_next_index(cache)) {
        return NULL;
    }
    return *place_of(cache, (size_t)(index - cache->first_index));
}

struct cache_entry *cache_entry_take(struct cache_entry *entry)
{
    ASSERT(entry->references > 0 && entry->references < UINT32_MAX);
    entry->references++;
    return entry;
}

void cache_entry_release(struct cache_entry *entry)
{
    ASSERT(entry->references > 0);
    entry->references--;
    if (entry->references == 0) {
        memory_free(entry);
    }
}
