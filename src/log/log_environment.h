/* The LMDB environment of a log: its lock, its map that grows, and what LMDB's errors mean.
 *
 * Every transaction stands between log_environment_enter and _leave: the map is only resized when
 * nobody is within.
 */
#ifndef LOG_LOG_ENVIRONMENT_H
#define LOG_LOG_ENVIRONMENT_H

#include <conclave/codes.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/file_room.h"

struct log_environment {
    MDB_env *env;
    size_t page_bytes;
    int lock_file;             /* flock'ed for as long as it is open */
    pthread_rwlock_t map_lock; /* held for reading by transactions, for writing by growth */
    bool map_lost;             /* growth failed and left no map at all */
    struct file_room room;     /* of the data file: whoever has the write transaction's */
};

/* Opens or creates a directory with room for `database_count` databases. Errors as log_lmdb_open's.
 */
enum conclave_code log_environment_open(struct log_environment *environment, const char *directory,
                                        size_t map_bytes, unsigned database_count) MUST_USE;
void log_environment_close(struct log_environment *environment);

/* NO_MEMORY when there is no map any more; then it was not entered. May be nested by one thread. */
enum conclave_code log_environment_enter(struct log_environment *environment) MUST_USE;
void log_environment_leave(struct log_environment *environment);

/* Doubles the map when more than six tenths of it is in use, or at any rate (`full`). Not within a
 * transaction. DISK_FULL when it cannot grow; NO_MEMORY when there is no map left. */
enum conclave_code log_environment_grow(struct log_environment *environment, bool full) MUST_USE;

/* Takes room on the disk for `bytes` behind what is in use. Within a write transaction. DISK_FULL,
 * IO. */
enum conclave_code log_environment_take_room(struct log_environment *environment, uint64_t bytes)
    MUST_USE;

/* What an error of LMDB's is to us. */
enum conclave_code log_environment_code(int error);

#endif
