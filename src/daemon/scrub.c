/* See the header. */
#include "daemon/scrub.h"

#include <conclave/limits.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "base/logger.h"
#include "base/memory.h"

#define NICENESS      10 /* not the lowest: a process that is killed ends with its last thread */
#define CHUNK_ENTRIES 256u

struct scrub {
    struct scrub_config config;
    uv_async_t finished;
    uv_thread_t thread;

    uv_mutex_t lock; /* for what follows */
    uv_cond_t changed;
    bool ending, told, waiting; /* `waiting`: for scrub_go_on */
    uint64_t first_index;       /* where the round begins */
    struct scrub_finding finding;
};

/* --- Chunks --- */

struct chunk {
    uint64_t bytes;
    uint64_t next_index;
};

/* Ends a chunk: the log passes on what is not OK. */
static enum conclave_code look_at_entry(void *context, uint64_t index,
                                        const struct log_entry *entry)
{
    struct chunk *chunk = context;
    chunk->next_index = index + 1;
    chunk->bytes += entry->data.size;
    return chunk->bytes < LIMIT_SCRUB_CHUNK_BYTES ? CONCLAVE_OK : CONCLAVE_BUSY;
}

/* Entries of the log from chunk->next_index on. NOT_FOUND behind the last one; CORRUPT at the one
 * that chunk->next_index names. */
static enum conclave_code look_at_log(struct log *log, struct chunk *chunk)
{
    uint64_t last_index = log_last_index(log);
    if (chunk->next_index > last_index) {
        return CONCLAVE_NOT_FOUND;
    }
    if (last_index - chunk->next_index >= CHUNK_ENTRIES) {
        last_index = chunk->next_index + CHUNK_ENTRIES - 1;
    }
    enum conclave_code code = log_read(log, chunk->next_index, last_index, look_at_entry, chunk);
    return code == CONCLAVE_BUSY ? CONCLAVE_OK : code;
}

struct place {
    uint8_t key[KV_KEY_BYTES + 1];
    size_t size;
};

static void note_place(struct place *place, struct slice key)
{
    uint8_t next[KV_KEY_BYTES + 1];
    struct slice after = kv_key_after(key, next);
    memcpy(place->key, after.data, after.size);
    place->size = after.size;
}

/* Values of the state from `place` on. NOT_FOUND behind the last one. */
static enum conclave_code look_at_state(struct kv *kv, struct place *place, struct chunk *chunk)
{
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(kv, false, &transaction);
    if (code != CONCLAVE_OK) {
        return code;
    }
    for (unsigned i = 0;
         i < CHUNK_ENTRIES && chunk->bytes < LIMIT_SCRUB_CHUNK_BYTES && code == CONCLAVE_OK; i++) {
        struct slice key;
        struct slice value;
        code = kv_seek(transaction, slice_of(place->key, place->size), &key, &value);
        if (code == CONCLAVE_OK) {
            chunk->bytes += key.size + value.size;
            note_place(place, key);
        }
    }
    kv_abort(transaction);
    return code;
}

/* --- The thread --- */

/* False when the end has come. */
static bool rest(struct scrub *scrub, uint64_t ms)
{
    uint64_t until_ns = uv_hrtime() + ms * 1000000u;
    uv_mutex_lock(&scrub->lock);
    for (uint64_t now_ns = uv_hrtime(); !scrub->ending && now_ns < until_ns; now_ns = uv_hrtime()) {
        (void)uv_cond_timedwait(&scrub->changed, &scrub->lock, until_ns - now_ns);
    }
    bool goes_on = !scrub->ending;
    uv_mutex_unlock(&scrub->lock);
    return goes_on;
}

/* After a chunk: so long that no more than its share was read in the time. */
static bool pace(struct scrub *scrub, struct chunk *chunk)
{
    metric_add(&scrub->config.instruments->scrub_bytes, chunk->bytes);
    uint64_t ms = chunk->bytes * 1000u / scrub->config.bytes_a_second;
    chunk->bytes = 0;
    return rest(scrub, ms == 0 ? 1 : ms);
}

/* Tells, and waits for somebody to say that it may go on. */
static void tell(struct scrub *scrub, enum scrub_store store, uint64_t index)
{
    struct http_instruments *instruments = scrub->config.instruments;
    metric_add(store == SCRUB_LOG ? &instruments->scrub_log_findings
                                  : &instruments->scrub_state_findings,
               1);
    uv_mutex_lock(&scrub->lock);
    scrub->finding = (struct scrub_finding){.store = store, .index = index};
    scrub->waiting = true;
    scrub->told = false;
    int rv = uv_async_send(&scrub->finished);
    ASSERT(rv == 0);
    while (scrub->waiting && !scrub->ending) {
        uv_cond_wait(&scrub->changed, &scrub->lock);
    }
    uv_mutex_unlock(&scrub->lock);
}

/* Whatever else cannot be read (memory, the disk) is met by those who need it. */
static void warn(enum conclave_code code)
{
    LOG_WARN("what is stored could not be looked at: it is done again later",
             FIELD_TEXT("code", conclave_code_name(code)));
}

/* True when all of it was seen. */
static bool scrub_log(struct scrub *scrub)
{
    uv_mutex_lock(&scrub->lock);
    struct chunk chunk = {.next_index = scrub->first_index};
    scrub->first_index = 1;
    uv_mutex_unlock(&scrub->lock);
    enum conclave_code code = CONCLAVE_OK;
    do {
        code = look_at_log(scrub->config.log, &chunk);
        atomic_store(&scrub->config.instruments->scrub_index, chunk.next_index - 1);
    } while (pace(scrub, &chunk) && code == CONCLAVE_OK);
    if (code == CONCLAVE_CORRUPT) {
        tell(scrub, SCRUB_LOG, chunk.next_index);
    } else if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        warn(code);
    }
    return code == CONCLAVE_NOT_FOUND;
}

static bool scrub_state(struct scrub *scrub)
{
    struct chunk chunk = {0};
    struct place place = {.size = 0};
    enum conclave_code code = CONCLAVE_OK;
    do {
        code = look_at_state(scrub->config.kv, &place, &chunk);
    } while (pace(scrub, &chunk) && code == CONCLAVE_OK);
    if (code == CONCLAVE_CORRUPT) {
        tell(scrub, SCRUB_STATE, 0);
    } else if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        warn(code);
    }
    return code == CONCLAVE_NOT_FOUND;
}

static void scrub_thread(void *argument)
{
    struct scrub *scrub = argument;
    if (setpriority(PRIO_PROCESS, 0, NICENESS) != 0) { /* on Linux, of this thread alone */
        LOG_WARN("the priority of the thread that reads what is stored could not be lowered",
                 FIELD_I64("errno", errno));
    }
    bool rested = true;
    while (rested) {
        uint64_t rest_ms = 0;
        if (scrub_log(scrub)) {
            if (scrub_state(scrub)) {
                metric_add(&scrub->config.instruments->scrub_rounds, 1);
            }
            rest_ms = scrub->config.rest_ms;
        }
        rested = rest(scrub, rest_ms == 0 ? 1000 : rest_ms);
    }
}

/* --- The loop --- */

static void on_finished(uv_async_t *async)
{
    struct scrub *scrub = async->data;
    uv_mutex_lock(&scrub->lock);
    bool tells = scrub->waiting && !scrub->told && !scrub->ending;
    scrub->told = true;
    struct scrub_finding finding = scrub->finding;
    uv_mutex_unlock(&scrub->lock);
    if (tells) { /* uv may wake us more often than it was asked to */
        scrub->config.found(scrub->config.context, &finding);
    }
}

enum conclave_code scrub_open(const struct scrub_config *config, struct scrub **scrub)
{
    ASSERT(config != NULL && scrub != NULL && config->bytes_a_second > 0);
    ASSERT(config->loop != NULL && config->log != NULL && config->kv != NULL);
    struct scrub *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->config = *config;
    made->first_index = 1;
    if (uv_mutex_init(&made->lock) != 0) {
        goto err_after_allocate;
    }
    if (uv_cond_init(&made->changed) != 0) {
        goto err_after_lock;
    }
    /* Before the thread, which may find something at once. */
    int rv = uv_async_init(config->loop, &made->finished, on_finished);
    ASSERT(rv == 0);
    made->finished.data = made;
    rv = uv_thread_create(&made->thread, scrub_thread, made);
    ASSERT(rv == 0); /* the node has started others a moment ago */
    *scrub = made;
    return CONCLAVE_OK;

err_after_lock:
    uv_mutex_destroy(&made->lock);
err_after_allocate:
    memory_free(made);
    return CONCLAVE_IO;
}

void scrub_go_on(struct scrub *scrub, uint64_t index)
{
    ASSERT(scrub != NULL && index >= 1);
    uv_mutex_lock(&scrub->lock);
    scrub->waiting = false;
    scrub->first_index = index;
    uv_cond_signal(&scrub->changed);
    uv_mutex_unlock(&scrub->lock);
}

static void on_closed(uv_handle_t *handle)
{
    struct scrub *scrub = handle->data;
    uv_cond_destroy(&scrub->changed);
    uv_mutex_destroy(&scrub->lock);
    memory_free(scrub);
}

void scrub_close(struct scrub *scrub)
{
    ASSERT(scrub != NULL);
    uv_mutex_lock(&scrub->lock);
    scrub->ending = true;
    uv_cond_signal(&scrub->changed);
    uv_mutex_unlock(&scrub->lock);
    int rv = uv_thread_join(&scrub->thread);
    ASSERT(rv == 0);
    uv_close((uv_handle_t *)&scrub->finished, on_closed);
}
