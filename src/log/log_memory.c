/* The in-memory twin of log.h: the records that the LMDB twin stores, in an array. */
#include "log/log_memory.h"

#include <pthread.h>

#include "base/memory.h"
#include "log/log_record.h"

struct stored {
    size_t size;
    uint8_t bytes[]; /* a record */
};

struct log_memory {
    struct log base;
    pthread_mutex_t mutex; /* recursive: a callback of log_read may read */
    struct stored **entries;
    size_t entry_count;
    size_t entry_capacity;
    struct log_vote vote;
    uint8_t identity[LOG_IDENTITY_BYTES];
    size_t identity_size;
    uint64_t fault_countdown; /* 0: not armed */
    bool fault_hit;
    bool entries_full, votes_full;
};

static const struct log_operations memory_operations;

static struct log_memory *memory_of(struct log *log)
{
    ASSERT(log != NULL && log->operations == &memory_operations);
    return (struct log_memory *)log;
}

static struct log_memory *lock(struct log *log)
{
    struct log_memory *memory = memory_of(log);
    int rv = pthread_mutex_lock(&memory->mutex);
    ASSERT(rv == 0);
    return memory;
}

static void unlock(struct log_memory *memory)
{
    int rv = pthread_mutex_unlock(&memory->mutex);
    ASSERT(rv == 0);
}

static bool fault(struct log_memory *memory)
{
    if (memory->fault_countdown == 0) {
        return false;
    }
    memory->fault_countdown--;
    if (memory->fault_countdown > 0) {
        return false;
    }
    memory->fault_hit = true;
    return true;
}

static struct slice stored_slice(const struct stored *stored)
{
    return slice_of(stored->bytes, stored->size);
}

static uint64_t memory_last_index(struct log *log)
{
    struct log_memory *memory = lock(log);
    uint64_t last_index = memory->entry_count;
    unlock(memory);
    return last_index;
}

static struct stored *store_entry(uint64_t index, const struct log_entry *entry)
{
    ASSERT(entry->data.size <= LOG_RECORD_DATA_MAX);
    size_t size = LOG_RECORD_HEAD_BYTES + entry->data.size;
    struct stored *stored = memory_allocate(sizeof *stored + size);
    if (stored == NULL) {
        return NULL;
    }
    struct log_record record = {
        .type = (uint8_t)entry->type, .term = entry->term, .data = entry->data};
    ASSERT(log_record_is_entry_type(record.type));
    stored->size = size;
    log_record_write_head(stored->bytes, index, &record);
    if (entry->data.size > 0) {
        memcpy(stored->bytes + LOG_RECORD_HEAD_BYTES, entry->data.data, entry->data.size);
    }
    return stored;
}

static enum conclave_code make_room(struct log_memory *memory, size_t needed)
{
    size_t capacity = memory->entry_capacity == 0 ? 64 : memory->entry_capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    if (capacity == memory->entry_capacity) {
        return CONCLAVE_OK;
    }
    struct stored **entries = memory_resize(memory->entries, capacity * sizeof(struct stored *));
    if (entries == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    memory->entries = entries;
    memory->entry_capacity = capacity;
    return CONCLAVE_OK;
}

static enum conclave_code append_locked(struct log_memory *memory, uint64_t first_index,
                                        const struct log_entry *entries, size_t entry_count)
{
    ASSERT(first_index <= memory->entry_count + 1);
    if (fault(memory)) {
        return CONCLAVE_IO;
    }
    if (memory->entries_full) {
        return CONCLAVE_DISK_FULL;
    }
    size_t kept = (size_t)(first_index - 1);
    enum conclave_code rv = make_room(memory, kept + entry_count);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct stored **fresh = memory_allocate(entry_count * sizeof(struct stored *));
    if (fresh == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    for (size_t i = 0; i < entry_count; i++) {
        fresh[i] = store_entry(first_index + i, &entries[i]);
        if (fresh[i] == NULL) {
            while (i > 0) {
                memory_free(fresh[--i]);
            }
            memory_free(fresh);
            return CONCLAVE_NO_MEMORY;
        }
    }
    for (size_t i = kept; i < memory->entry_count; i++) {
        memory_free(memory->entries[i]);
    }
    memcpy(memory->entries + kept, fresh, entry_count * sizeof(struct stored *));
    memory->entry_count = kept + entry_count;
    memory_free(fresh);
    return CONCLAVE_OK;
}

static enum conclave_code memory_append(struct log *log, uint64_t first_index,
                                        const struct log_entry *entries, size_t entry_count)
{
    struct log_memory *memory = lock(log);
    enum conclave_code rv = append_locked(memory, first_index, entries, entry_count);
    unlock(memory);
    return rv;
}

static enum conclave_code memory_read(struct log *log, uint64_t first_index, uint64_t last_index,
                                      log_read_entry callback, void *context)
{
    ASSERT(callback != NULL);
    struct log_memory *memory = lock(log);
    enum conclave_code rv = CONCLAVE_OK;
    for (uint64_t index = first_index; rv == CONCLAVE_OK && index <= last_index; index++) {
        struct log_entry entry;
        if (index > memory->entry_count) {
            rv = CONCLAVE_NOT_FOUND;
            break;
        }
        rv = log_record_read_entry(stored_slice(memory->entries[index - 1]), index, &entry);
        if (rv == CONCLAVE_OK) {
            rv = callback(context, index, &entry);
        }
    }
    unlock(memory);
    return rv;
}

static enum conclave_code memory_read_header(struct log *log, uint64_t index, uint64_t *term,
                                             enum log_entry_type *type)
{
    ASSERT(term != NULL && type != NULL);
    struct log_memory *memory = lock(log);
    struct log_record record = {0};
    enum conclave_code rv = CONCLAVE_NOT_FOUND;
    if (index >= 1 && index <= memory->entry_count) {
        rv = log_record_read_head(stored_slice(memory->entries[index - 1]), index, &record);
    }
    if (rv == CONCLAVE_OK) {
        *term = record.term;
        *type = (enum log_entry_type)record.type;
    }
    unlock(memory);
    return rv;
}

static enum conclave_code memory_repair(struct log *log, uint64_t index,
                                        const struct log_entry *entry)
{
    struct log_memory *memory = lock(log);
    enum conclave_code rv = CONCLAVE_NOT_FOUND;
    if (index <= memory->entry_count) {
        rv = log_record_check_origin(stored_slice(memory->entries[index - 1]), index, entry);
    }
    if (rv == CONCLAVE_OK) {
        struct stored *fresh = store_entry(index, entry);
        rv = fresh == NULL ? CONCLAVE_NO_MEMORY : CONCLAVE_OK;
        if (fresh != NULL) {
            memory_free(memory->entries[index - 1]);
            memory->entries[index - 1] = fresh;
        }
    }
    unlock(memory);
    return rv;
}

static enum conclave_code memory_save_vote(struct log *log, struct log_vote vote)
{
    struct log_memory *memory = lock(log);
    enum conclave_code rv = fault(memory)        ? CONCLAVE_IO
                            : memory->votes_full ? CONCLAVE_DISK_FULL
                                                 : CONCLAVE_OK;
    if (rv == CONCLAVE_OK) {
        memory->vote = vote;
    }
    unlock(memory);
    return rv;
}

static enum conclave_code memory_load_vote(struct log *log, struct log_vote *vote)
{
    ASSERT(vote != NULL);
    struct log_memory *memory = lock(log);
    *vote = memory->vote;
    unlock(memory);
    return CONCLAVE_OK;
}

static enum conclave_code memory_save_identity(struct log *log, struct slice identity)
{
    struct log_memory *memory = lock(log);
    enum conclave_code rv = fault(memory) ? CONCLAVE_IO : CONCLAVE_OK;
    if (rv == CONCLAVE_OK) {
        memcpy(memory->identity, identity.data, identity.size);
        memory->identity_size = identity.size;
    }
    unlock(memory);
    return rv;
}

static enum conclave_code memory_load_identity(struct log *log, uint8_t *identity,
                                               size_t *identity_size)
{
    ASSERT(identity != NULL && identity_size != NULL);
    struct log_memory *memory = lock(log);
    enum conclave_code rv = memory->identity_size == 0 ? CONCLAVE_NOT_FOUND : CONCLAVE_OK;
    if (rv == CONCLAVE_OK) {
        memcpy(identity, memory->identity, memory->identity_size);
        *identity_size = memory->identity_size;
    }
    unlock(memory);
    return rv;
}

static bool memory_full(struct log *log)
{
    struct log_memory *memory = lock(log);
    bool full = memory->entries_full;
    unlock(memory);
    return full;
}

static void memory_close(struct log *log)
{
    struct log_memory *memory = memory_of(log);
    for (size_t i = 0; i < memory->entry_count; i++) {
        memory_free(memory->entries[i]);
    }
    memory_free(memory->entries);
    int rv = pthread_mutex_destroy(&memory->mutex);
    ASSERT(rv == 0);
    memory_free(memory);
}

static const struct log_operations memory_operations = {
    .last_index = memory_last_index,
    .append = memory_append,
    .read = memory_read,
    .read_header = memory_read_header,
    .repair = memory_repair,
    .save_vote = memory_save_vote,
    .load_vote = memory_load_vote,
    .save_identity = memory_save_identity,
    .load_identity = memory_load_identity,
    .full = memory_full,
    .close = memory_close,
};

enum conclave_code log_memory_open(struct log **log)
{
    ASSERT(log != NULL);
    struct log_memory *memory = memory_allocate_zeroed(1, sizeof *memory);
    if (memory == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    pthread_mutexattr_t attributes;
    int rv = pthread_mutexattr_init(&attributes);
    ASSERT(rv == 0);
    rv = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    ASSERT(rv == 0);
    rv = pthread_mutex_init(&memory->mutex, &attributes);
    ASSERT(rv == 0);
    rv = pthread_mutexattr_destroy(&attributes);
    ASSERT(rv == 0);
    memory->base.operations = &memory_operations;
    *log = &memory->base;
    return CONCLAVE_OK;
}

void log_memory_fault_arm(struct log *log, uint64_t countdown)
{
    struct log_memory *memory = lock(log);
    memory->fault_countdown = countdown;
    memory->fault_hit = false;
    unlock(memory);
}

bool log_memory_fault_hit(const struct log *log)
{
    ASSERT(log != NULL && log->operations == &memory_operations);
    return ((const struct log_memory *)log)->fault_hit;
}

void log_memory_fill(struct log *log, bool entries, bool votes)
{
    struct log_memory *memory = lock(log);
    memory->entries_full = entries;
    memory->votes_full = votes;
    unlock(memory);
}

void log_memory_corrupt(struct log *log, uint64_t index, size_t bit)
{
    struct log_memory *memory = lock(log);
    ASSERT(index >= 1 && index <= memory->entry_count);
    struct stored *stored = memory->entries[index - 1];
    size_t data_size = stored->size - LOG_RECORD_HEAD_BYTES;
    size_t begin = data_size > 0 ? LOG_RECORD_HEAD_BYTES : 0;
    size_t byte = begin + bit / 8 % (stored->size - begin);
    stored->bytes[byte] ^= (uint8_t)(1u << bit % 8);
    unlock(memory);
}

void log_memory_corrupt_head(struct log *log, uint64_t index, size_t bit)
{
    struct log_memory *memory = lock(log);
    ASSERT(index >= 1 && index <= memory->entry_count && bit < 8u * LOG_RECORD_HEAD_BYTES);
    memory->entries[index - 1]->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    unlock(memory);
}
