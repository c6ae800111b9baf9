/* The LMDB twin of kv.h: one environment in a directory, one unnamed database.
 *
 * Opened without sync (MDB_NOSYNC): what is committed survives the death of the process (the page
 * cache keeps it), not that of the machine, until kv_sync. Whoever opens it decides whether its
 * contents can be trusted (see state_trust in src/consensus). The map grows by rule before it is
 * full; when the disk is full: DISK_FULL.
 */
#ifndef KV_KV_LMDB_H
#define KV_KV_LMDB_H

#include "kv/kv.h"

/* Opens or creates `directory` (mode 0750). `map_bytes` is the first map size (0 for the default).
 * Stale readers are cleared. Errors: IO, NO_MEMORY, DISK_FULL, CORRUPT (not an LMDB environment of
 * this version). kv_close closes it. */
enum conclave_code kv_lmdb_open(const char *directory, size_t map_bytes, struct kv **kv) MUST_USE;

/* Removes the files of a store that is not open, so that the next open makes an empty one; OK when
 * there are none. IO. */
enum conclave_code kv_lmdb_erase(const char *directory) MUST_USE;

#endif
