/* Which disk each other node had when it was accepted last (net/disk.h), on disk: one small file,
 * replaced as a whole and synced, on libuv's threads.
 *
 *   conclave-peers-v1
 *   <node id> <disk id, hex> <generation> <start number, hex>
 *   ...
 *   sha256 <of all lines before, hex>
 */
#ifndef DAEMON_KNOWN_DISKS_H
#define DAEMON_KNOWN_DISKS_H

#include <uv.h>

#include "daemon/settings.h"
#include "net/peers.h"

#define KNOWN_DISKS_MAX 64u

struct known_disks;

/* Reads the file, if it is there. `done` is called on the loop for each disk given to
 * known_disks_add. CORRUPT (with what to do in `error`), IO, NO_MEMORY. */
enum conclave_code known_disks_open(uv_loop_t *loop, const char *path,
                                    void (*done)(void *context, uint64_t node_id,
                                                 enum conclave_code code),
                                    void *context, struct known_disks **known,
                                    struct settings_error *error) MUST_USE;

const struct peers_disk *known_disks_list(const struct known_disks *known, unsigned *count);

/* Makes it durable; several may be under way, one for each node. `done`: OK, IO, DISK_FULL,
 * LIMIT_REACHED; what failed is not known any better than before. */
void known_disks_add(struct known_disks *known, const struct peers_disk *disk);

/* Nothing may be under way: the loop has ended. */
void known_disks_close(struct known_disks *known);

#endif
