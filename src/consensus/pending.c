/* The table of commands under way. */
#include "consensus/pending.h"

#include <sodium.h>

#include "base/memory.h"

enum conclave_code pending_open(struct pending *pending)
{
    ASSERT(pending != NULL);
    *pending = (struct pending){.deadline_ms = UINT64_MAX};
    pending->buckets = memory_allocate_zeroed(PENDING_BUCKETS, sizeof *pending->buckets);
    return pending->buckets == NULL ? CONCLAVE_NO_MEMORY : CONCLAVE_OK;
}

static void list_free(struct pending_list *list)
{
    struct pending_record *record = list->first;
    while (record != NULL) {
        struct pending_record *next = record->next;
        pending_record_free(record);
        record = next;
    }
    *list = (struct pending_list){0};
}

void pending_close(struct pending *pending)
{
    ASSERT(pending != NULL);
    list_free(&pending->queued);
    list_free(&pending->sent);
    memory_free(pending->buckets);
    *pending = (struct pending){0};
}

void pending_command_id(struct slice command, uint8_t id[MESSAGE_COMMAND_ID_BYTES])
{
    ASSERT(command.size > 0);
    int rv = crypto_generichash(id, MESSAGE_COMMAND_ID_BYTES, command.data, command.size, NULL, 0);
    ASSERT(rv == 0);
}

static struct pending_record **bucket_of(const struct pending *pending, const uint8_t *id)
{
    /* The id is a digest: any of its bits spread well. */
    size_t hash = (size_t)id[0] | (size_t)id[1] << 8;
    return &pending->buckets[hash & (PENDING_BUCKETS - 1)];
}

struct pending_record *pending_find(const struct pending *pending,
                                    const uint8_t id[MESSAGE_COMMAND_ID_BYTES])
{
    struct pending_record *record = *bucket_of(pending, id);
    while (record != NULL && memcmp(record->id, id, MESSAGE_COMMAND_ID_BYTES) != 0) {
        record = record->bucket_next;
    }
    return record;
}

struct pending_record *pending_find_command(const struct pending *pending, struct slice command)
{
    struct pending_record *oldest = pending->sent.first;
    if (oldest != NULL && slice_equal(slice_of(oldest->bytes, oldest->size), command)) {
        return oldest;
    }
    uint8_t id[MESSAGE_COMMAND_ID_BYTES];
    pending_command_id(command, id);
    return pending_find(pending, id);
}

static void list_append(struct pending_list *list, struct pending_record *record)
{
    record->next = NULL;
    record->previous = list->last;
    if (list->last == NULL) {
        list->first = record;
    } else {
        list->last->next = record;
    }
    list->last = record;
    list->count++;
}

static void list_remove(struct pending_list *list, struct pending_record *record)
{
    ASSERT(list->count > 0);
    if (record->previous == NULL) {
        list->first = record->next;
    } else {
        record->previous->next = record->next;
    }
    if (record->next == NULL) {
        list->last = record->previous;
    } else {
        record->next->previous = record->previous;
    }
    record->next = record->previous = NULL;
    list->count--;
}

static struct pending_list *list_of(struct pending *pending, const struct pending_record *record)
{
    return record->queued ? &pending->queued : &pending->sent;
}

struct pending_record *pending_enter(struct pending *pending, struct slice command)
{
    ASSERT(pending != NULL && command.size > 0);
    uint8_t id[MESSAGE_COMMAND_ID_BYTES];
    pending_command_id(command, id);
    struct pending_record *record = pending_find(pending, id);
    if (record != NULL) {
        return record;
    }
    record = memory_allocate(sizeof *record + command.size);
    if (record == NULL) {
        return NULL;
    }
    *record = (struct pending_record){.queued = true, .size = command.size};
    memcpy(record->id, id, sizeof record->id);
    memcpy(record->bytes, command.data, command.size);
    struct pending_record **bucket = bucket_of(pending, id);
    record->bucket_next = *bucket;
    *bucket = record;
    list_append(&pending->queued, record);
    pending->bytes += record->size;
    return record;
}

enum conclave_code pending_wait(struct pending *pending, struct pending_record *record,
                                const struct pending_waiter *waiter)
{
    ASSERT(pending != NULL && record != NULL && waiter != NULL);
    struct pending_waiter **last = &record->waiters;
    for (; *last != NULL; last = &(*last)->next) {
        if (waiter->node_id != 0 && (*last)->node_id == waiter->node_id) {
            (*last)->incarnation = waiter->incarnation;
            (*last)->attempt = waiter->attempt;
            return CONCLAVE_OK;
        }
    }
    struct pending_waiter *copy = memory_allocate(sizeof *copy);
    if (copy == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *copy = *waiter;
    copy->next = NULL;
    *last = copy;
    if (copy->node_id == 0) {
        pending->local_count++;
        if (copy->deadline_ms < pending->deadline_ms) {
            pending->deadline_ms = copy->deadline_ms;
        }
    }
    return CONCLAVE_OK;
}

void pending_mark_sent(struct pending *pending, struct pending_record *record)
{
    list_remove(list_of(pending, record), record);
    record->queued = false;
    list_append(&pending->sent, record);
}

void pending_requeue(struct pending *pending)
{
    for (struct pending_record *record = pending->sent.first; record != NULL;
         record = record->next) {
        record->queued = true;
    }
    if (pending->sent.last == NULL) {
        return;
    }
    pending->sent.last->next = pending->queued.first;
    if (pending->queued.first == NULL) {
        pending->queued.last = pending->sent.last;
    } else {
        pending->queued.first->previous = pending->sent.last;
    }
    pending->queued.first = pending->sent.first;
    pending->queued.count += pending->sent.count;
    pending->sent = (struct pending_list){0};
}

void pending_remove(struct pending *pending, struct pending_record *record)
{
    ASSERT(pending != NULL && record != NULL);
    struct pending_record **link = bucket_of(pending, record->id);
    while (*link != record) {
        ASSERT(*link != NULL);
        link = &(*link)->bucket_next;
    }
    *link = record->bucket_next;
    list_remove(list_of(pending, record), record);
    pending->bytes -= record->size;
    for (const struct pending_waiter *waiter = record->waiters; waiter != NULL;
         waiter = waiter->next) {
        pending->local_count -= waiter->node_id == 0;
    }
}

void pending_return(struct pending *pending, struct pending_record *record)
{
    ASSERT(pending != NULL && record != NULL && pending_find(pending, record->id) == NULL);
    struct pending_record **bucket = bucket_of(pending, record->id);
    record->bucket_next = *bucket;
    *bucket = record;
    record->queued = false;
    list_append(&pending->sent, record);
    pending->bytes += record->size;
    for (const struct pending_waiter *waiter = record->waiters; waiter != NULL;
         waiter = waiter->next) {
        if (waiter->node_id == 0) {
            pending->local_count++;
            if (waiter->deadline_ms < pending->deadline_ms) {
                pending->deadline_ms = waiter->deadline_ms;
            }
        }
    }
}

void pending_record_free(struct pending_record *record)
{
    struct pending_waiter *waiter = record->waiters;
    while (waiter != NULL) {
        struct pending_waiter *next = waiter->next;
        memory_free(waiter);
        waiter = next;
    }
    memory_free(record);
}

/* Frees a record's waiters that `goes` names; frees the record too when none is left. */
static void drop_waiters(struct pending *pending, struct pending_record *record,
                         bool (*goes)(void *context, const struct pending_record *record,
                                      const struct pending_waiter *waiter),
                         void *context)
{
    struct pending_waiter **link = &record->waiters;
    while (*link != NULL) {
        struct pending_waiter *waiter = *link;
        if (goes(context, record, waiter)) {
            *link = waiter->next;
            pending->local_count -= waiter->node_id == 0;
            memory_free(waiter);
        } else {
            link = &waiter->next;
        }
    }
    if (record->waiters == NULL) {
        pending_remove(pending, record);
        pending_record_free(record);
    }
}

static void drop_waiters_of_list(struct pending *pending, struct pending_list *list,
                                 bool (*goes)(void *context, const struct pending_record *record,
                                              const struct pending_waiter *waiter),
                                 void *context)
{
    struct pending_record *record = list->first;
    while (record != NULL) {
        struct pending_record *next = record->next;
        drop_waiters(pending, record, goes, context);
        record = next;
    }
}

static bool is_remote(void *context, const struct pending_record *record,
                      const struct pending_waiter *waiter)
{
    (void)context;
    (void)record;
    return waiter->node_id != 0;
}

void pending_drop_remote(struct pending *pending)
{
    drop_waiters_of_list(pending, &pending->queued, is_remote, NULL);
    drop_waiters_of_list(pending, &pending->sent, is_remote, NULL);
}

struct expiry {
    uint64_t now_ms;
    uint64_t deadline_ms; /* the earliest that stays */
    void (*expired)(void *context, const struct pending_record *record,
                    const struct pending_waiter *waiter);
    void *context;
};

static bool is_expired(void *context, const struct pending_record *record,
                       const struct pending_waiter *waiter)
{
    struct expiry *expiry = context;
    if (waiter->node_id != 0) {
        return false;
    }
    if (waiter->deadline_ms <= expiry->now_ms) {
        expiry->expired(expiry->context, record, waiter);
        return true;
    }
    if (waiter->deadline_ms < expiry->deadline_ms) {
        expiry->deadline_ms = waiter->deadline_ms;
    }
    return false;
}

void pending_expire(struct pending *pending, uint64_t now_ms,
                    void (*expired)(void *context, const struct pending_record *record,
                                    const struct pending_waiter *waiter),
                    void *context)
{
    ASSERT(pending != NULL && expired != NULL);
    if (pending->deadline_ms > now_ms) {
        return;
    }
    struct expiry expiry = {
        .now_ms = now_ms, .deadline_ms = UINT64_MAX, .expired = expired, .context = context};
    drop_waiters_of_list(pending, &pending->queued, is_expired, &expiry);
    drop_waiters_of_list(pending, &pending->sent, is_expired, &expiry);
    pending->deadline_ms = expiry.deadline_ms;
}
