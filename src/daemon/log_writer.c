/* The log's own thread: it waits for a write, does it, says so, and waits again. */
#include "daemon/log_writer.h"

#include "base/memory.h"

struct log_writer {
    struct log *log;
    struct http_instruments *instruments;
    void (*done)(void *context, enum conclave_code code);
    void *context;
    uv_async_t finished;
    uv_thread_t thread;
    bool busy; /* the loop's: from log_writer_write to `done` */

    uv_mutex_t lock; /* for what follows */
    uv_cond_t changed;
    bool wanted, ending;
    struct replica_write write;
    enum conclave_code code;
};

static void writer_thread(void *argument)
{
    struct log_writer *writer = argument;
    uv_mutex_lock(&writer->lock);
    for (;;) {
        while (!writer->wanted && !writer->ending) {
            uv_cond_wait(&writer->changed, &writer->lock);
        }
        if (!writer->wanted) {
            break;
        }
        struct replica_write write = writer->write;
        uv_mutex_unlock(&writer->lock);
        uint64_t started_us = clock_monotonic_us(&clock_system);
        enum conclave_code code =
            log_append(writer->log, write.first_index, write.entries, write.entry_count);
        metric_observe(&writer->instruments->sync_us,
                       clock_monotonic_us(&clock_system) - started_us);
        metric_observe(&writer->instruments->write_entries, write.entry_count);
        uv_mutex_lock(&writer->lock);
        writer->wanted = false;
        writer->code = code;
        int rv = uv_async_send(&writer->finished);
        ASSERT(rv == 0);
    }
    uv_mutex_unlock(&writer->lock);
}

static void on_finished(uv_async_t *async)
{
    struct log_writer *writer = async->data;
    uv_mutex_lock(&writer->lock);
    bool still = writer->wanted;
    enum conclave_code code = writer->code;
    uv_mutex_unlock(&writer->lock);
    if (still || !writer->busy) {
        return; /* uv may wake us more often than it was asked to */
    }
    writer->busy = false;
    writer->done(writer->context, code);
}

enum conclave_code log_writer_open(uv_loop_t *loop, struct log *log,
                                   struct http_instruments *instruments,
                                   void (*done)(void *context, enum conclave_code code),
                                   void *context, struct log_writer **writer)
{
    ASSERT(loop != NULL && log != NULL && instruments != NULL && done != NULL && writer != NULL);
    struct log_writer *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->log = log;
    made->instruments = instruments;
    made->done = done;
    made->context = context;
    if (uv_mutex_init(&made->lock) != 0) {
        goto err_after_allocate;
    }
    if (uv_cond_init(&made->changed) != 0) {
        goto err_after_lock;
    }
    if (uv_thread_create(&made->thread, writer_thread, made) != 0) {
        goto err_after_changed;
    }
    /* Last, because it cannot be taken back without the loop; nothing is written before we return.
     */
    int rv = uv_async_init(loop, &made->finished, on_finished);
    ASSERT(rv == 0);
    made->finished.data = made;
    *writer = made;
    return CONCLAVE_OK;

err_after_changed:
    uv_cond_destroy(&made->changed);
err_after_lock:
    uv_mutex_destroy(&made->lock);
err_after_allocate:
    memory_free(made);
    return CONCLAVE_IO;
}

void log_writer_write(struct log_writer *writer, const struct replica_write *write)
{
    ASSERT(writer != NULL && write != NULL && !writer->busy);
    writer->busy = true;
    uv_mutex_lock(&writer->lock);
    ASSERT(!writer->wanted && !writer->ending);
    writer->write = *write;
    writer->wanted = true;
    uv_cond_signal(&writer->changed);
    uv_mutex_unlock(&writer->lock);
}

bool log_writer_busy(const struct log_writer *writer)
{
    ASSERT(writer != NULL);
    return writer->busy;
}

static void on_closed(uv_handle_t *handle)
{
    struct log_writer *writer = handle->data;
    uv_cond_destroy(&writer->changed);
    uv_mutex_destroy(&writer->lock);
    memory_free(writer);
}

void log_writer_close(struct log_writer *writer)
{
    ASSERT(writer != NULL);
    uv_mutex_lock(&writer->lock);
    writer->ending = true;
    uv_cond_signal(&writer->changed);
    uv_mutex_unlock(&writer->lock);
    int rv = uv_thread_join(&writer->thread);
    ASSERT(rv == 0);
    uv_close((uv_handle_t *)&writer->finished, on_closed);
}
