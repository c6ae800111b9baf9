/* Writes of the log on a thread of their own, so that neither the loop nor the checks of signatures
 * ever wait for a sync, nor a sync for them. One write at a time. */
#ifndef DAEMON_LOG_WRITER_H
#define DAEMON_LOG_WRITER_H

#include <uv.h>

#include "consensus/replica.h"
#include "http/http.h"

struct log_writer;

/* `instruments` are told of every write. `done` is called on the loop with what log_append
 * returned. NO_MEMORY, IO (no thread). */
enum conclave_code log_writer_open(uv_loop_t *loop, struct log *log,
                                   struct http_instruments *instruments,
                                   void (*done)(void *context, enum conclave_code code),
                                   void *context, struct log_writer **writer) MUST_USE;

/* Starts a write; none may be under way. The entries stay the caller's and valid until `done`. */
void log_writer_write(struct log_writer *writer, const struct replica_write *write);

bool log_writer_busy(const struct log_writer *writer);

/* Waits for a write under way (its `done` is not called any more) and ends the thread; the rest
 * goes with the next turn of the loop. */
void log_writer_close(struct log_writer *writer);

#endif
