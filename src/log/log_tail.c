/* The ring of entries that LMDB has not yet. */
#include "log/log_tail.h"

#include "base/memory.h"
#include "log/log_record.h"

#define CAPACITY_MIN 64u

void log_tail_init(struct log_tail *tail, uint64_t first_index)
{
    ASSERT(tail != NULL && first_index >= 1);
    *tail = (struct log_tail){.first_index = first_index};
}

void log_tail_close(struct log_tail *tail)
{
    ASSERT(tail != NULL);
    log_tail_truncate(tail, tail->first_index);
    memory_free(tail->ring);
    *tail = (struct log_tail){.first_index = 1};
}

static struct log_tail_entry **place_of(const struct log_tail *tail, size_t offset)
{
    return &tail->ring[(tail->head + offset) & (tail->capacity - 1)];
}

enum conclave_code log_tail_reserve(struct log_tail *tail, size_t count)
{
    size_t capacity = tail->capacity == 0 ? CAPACITY_MIN : tail->capacity;
    while (capacity < tail->count + count) {
        capacity *= 2;
    }
    if (capacity == tail->capacity) {
        return CONCLAVE_OK;
    }
    struct log_tail_entry **ring = memory_allocate(capacity * sizeof *ring);
    if (ring == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    for (size_t i = 0; i < tail->count; i++) {
        ring[i] = *place_of(tail, i);
    }
    memory_free(tail->ring);
    tail->ring = ring;
    tail->capacity = capacity;
    tail->head = 0;
    return CONCLAVE_OK;
}

void log_tail_push(struct log_tail *tail, struct log_tail_entry *entry)
{
    ASSERT(entry != NULL && tail->count < tail->capacity);
    *place_of(tail, tail->count) = entry;
    tail->count++;
}

void log_tail_truncate(struct log_tail *tail, uint64_t index)
{
    ASSERT(index >= 1 && index <= log_tail_next_index(tail));
    while (tail->count > 0 && log_tail_next_index(tail) > index) {
        tail->count--;
        log_tail_entry_release(*place_of(tail, tail->count));
    }
    if (tail->count == 0) {
        tail->first_index = index;
    }
}

void log_tail_drop(struct log_tail *tail, uint64_t index)
{
    while (tail->count > 0 && tail->first_index <= index) {
        log_tail_entry_release(*place_of(tail, 0));
        tail->head = (tail->head + 1) & (tail->capacity - 1);
        tail->count--;
        tail->first_index++;
    }
}

struct log_tail_entry *log_tail_get(const struct log_tail *tail, uint64_t index)
{
    if (index < tail->first_index || index >= log_tail_next_index(tail)) {
        return NULL;
    }
    return *place_of(tail, (size_t)(index - tail->first_index));
}

static struct log_tail_entry *allocate(size_t size)
{
    struct log_tail_entry *entry = memory_allocate(sizeof *entry + size);
    if (entry != NULL) {
        entry->references = 1;
        entry->size = size;
    }
    return entry;
}

struct log_tail_entry *log_tail_entry_make(uint64_t index, const struct log_entry *entry)
{
    ASSERT(entry->data.size <= LOG_RECORD_DATA_MAX);
    struct log_tail_entry *made = allocate(LOG_RECORD_HEAD_BYTES + entry->data.size);
    if (made == NULL) {
        return NULL;
    }
    struct log_record record = {
        .type = (uint8_t)entry->type, .term = entry->term, .data = entry->data};
    ASSERT(log_record_is_entry_type(record.type));
    log_record_write_head(made->record, index, &record);
    if (entry->data.size > 0) {
        memcpy(made->record + LOG_RECORD_HEAD_BYTES, entry->data.data, entry->data.size);
    }
    return made;
}

struct log_tail_entry *log_tail_entry_copy(struct slice record)
{
    ASSERT(record.size >= LOG_RECORD_HEAD_BYTES);
    struct log_tail_entry *made = allocate(record.size);
    if (made != NULL) {
        memcpy(made->record, record.data, record.size);
    }
    return made;
}

struct log_tail_entry *log_tail_entry_take(struct log_tail_entry *entry)
{
    ASSERT(entry->references > 0 && entry->references < UINT32_MAX);
    entry->references++;
    return entry;
}

void log_tail_entry_release(struct log_tail_entry *entry)
{
    ASSERT(entry->references > 0);
    entry->references--;
    if (entry->references == 0) {
        memory_free(entry);
    }
}
