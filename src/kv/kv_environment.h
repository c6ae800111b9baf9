/* The LMDB environment of a store: opening it, its map that grows, and what LMDB's errors mean. */
#ifndef KV_KV_ENVIRONMENT_H
#define KV_KV_ENVIRONMENT_H

#include <conclave/codes.h>
#include <lmdb.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/file_room.h"

struct kv_environment {
    MDB_env *env;
    MDB_dbi database; /* the unnamed one */
    size_t page_bytes;
    bool map_lost; /* growth failed and left no map: nothing may be asked of LMDB any more */
    struct file_room room; /* of the data file */
};

/* Opens or creates a directory. Errors as kv_lmdb_open's. */
enum conclave_code kv_environment_open(struct kv_environment *environment, const char *directory,
                                       size_t map_bytes) MUST_USE;
void kv_environment_close(struct kv_environment *environment);

/* Doubles the map when more than six tenths of it is in use, or at any rate (`full`). No
 * transaction may be open. A map that cannot grow is no error: the write that needs the room will
 * say that it is missing. NO_MEMORY when there is no map left. */
enum conclave_code kv_environment_grow(struct kv_environment *environment, bool full) MUST_USE;

/* The bytes that are in use, and room on the disk for so many more. DISK_FULL, IO. */
uint64_t kv_environment_end(const struct kv_environment *environment);
enum conclave_code kv_environment_take_room(struct kv_environment *environment, uint64_t bytes)
    MUST_USE;

/* What an error of LMDB's is to us. */
enum conclave_code kv_environment_code(int error);

#endif
