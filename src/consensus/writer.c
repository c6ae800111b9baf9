/* Writes of log entries, and what they acknowledge. */
#include "consensus/writer.h"

#include "base/memory.h"
#include "base/mutant.h"
#include "consensus/core.h"
#include "consensus/driver.h"

/* One write takes at least one entry, and no more once it has this much. */
#define WRITE_BYTES (16u * 1024u * 1024u)

void writer_init(struct writer *writer, uint64_t next_index)
{
    ASSERT(writer != NULL && next_index >= 1);
    *writer = (struct writer){.next_index = next_index};
}

static void release_held(struct writer *writer)
{
    for (size_t i = 0; i < writer->write.entry_count; i++) {
        cache_entry_release(writer->held[i]);
    }
    writer->write = (struct replica_write){0};
}

void writer_close(struct writer *writer)
{
    ASSERT(writer != NULL);
    release_held(writer);
    memory_free(writer->views);
    memory_free(writer->held);
    *writer = (struct writer){0};
}

void writer_entries(struct writer *writer, uint64_t first_index)
{
    ASSERT(first_index >= 1);
    if (writer->next_index > first_index) {
        writer->next_index = first_index;
    }
    if (!MUTANT(29) && writer->active && writer->acknowledge >= first_index) {
        writer->acknowledge = first_index - 1;
    }
}

bool writer_idle(const struct replica *replica)
{
    return !replica->writer.active &&
           replica->writer.next_index == cache_next_index(&replica->cache);
}

static enum conclave_code reserve(struct writer *writer, size_t count)
{
    if (count <= writer->capacity) {
        return CONCLAVE_OK;
    }
    struct log_entry *views = memory_resize(writer->views, count * sizeof *views);
    if (views == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    writer->views = views;
    struct cache_entry **held = memory_resize(writer->held, count * sizeof *held);
    if (held == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    writer->held = held;
    writer->capacity = count;
    return CONCLAVE_OK;
}

/* Tells the core that what is up to `index` is durable. */
static void acknowledge(struct replica *replica, uint64_t index)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES,
                               .persisted_entries = {.index = index}};
    driver_must_step(replica, &event, "the raft core refused stored entries");
}

void writer_start(struct replica *replica)
{
    struct writer *writer = &replica->writer;
    uint64_t end = cache_next_index(&replica->cache);
    ASSERT(writer->next_index <= end);
    if (replica->failed || replica->room.unsaved || writer->active || writer->next_index == end) {
        return;
    }
    uint64_t first = writer->next_index;
    size_t count = 0;
    size_t bytes = 0;
    while (first + count < end && (count == 0 || bytes < WRITE_BYTES)) {
        const struct cache_entry *entry = cache_get(&replica->cache, first + count);
        ASSERT(entry != NULL); /* what is not durable is in the cache */
        bytes += entry->size;
        count++;
    }
    if (reserve(writer, count) != CONCLAVE_OK) {
        replica_fail(replica, CONCLAVE_NO_MEMORY, "no memory for a write of the log");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        writer->held[i] = cache_entry_take(cache_get(&replica->cache, first + i));
        writer->views[i] = cache_entry_view(writer->held[i]);
    }
    writer->write = (struct replica_write){
        .first_index = first, .entries = writer->views, .entry_count = count};
    writer->active = true;
    writer->acknowledge = first + count - 1;
    writer->next_index = first + count;
    const struct replica_host *host = replica->config.host;
    host->persist(host->context, &writer->write);
    if (MUTANT(1)) {
        acknowledge(replica, writer->acknowledge);
    }
}

void writer_again(struct replica *replica)
{
    ASSERT(replica->writer.active);
    const struct replica_host *host = replica->config.host;
    host->persist(host->context, &replica->writer.write);
}

void writer_done(struct replica *replica)
{
    struct writer *writer = &replica->writer;
    ASSERT(writer->active);
    uint64_t stored = writer->acknowledge;
    writer->active = false;
    release_held(writer);
    /* Trimmed to nothing, or to what an earlier write acknowledged: nothing new is stored. */
    if (stored > replica->raft.last_stored) {
        acknowledge(replica, stored);
    }
}
