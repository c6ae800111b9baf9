/* What a node keeps on disk, opened: its directory, log, identity, genesis and state. */
#ifndef DAEMON_STORAGE_H
#define DAEMON_STORAGE_H

#include "auth/join.h"
#include "consensus/replica.h"
#include "daemon/config.h"
#include "daemon/data_dir.h"
#include "daemon/genesis_file.h"

struct storage {
    struct data_dir data_dir;
    struct log *log;
    struct kv *kv;
    struct replica_identity identity;
    struct genesis_file genesis; /* no nodes, in a node that joined and has no log yet */
    bool joined;                 /* by a ticket: */
    struct join_ticket ticket;
};

/* Opens everything; with config->bootstrap an empty directory becomes that of a new cluster's node,
 * and one of the same genesis stays as it is; with config->join that of a node that is to come.
 * Counts a start (replica_count_start). CONFIG (no data and no bootstrap, another cluster's or
 * node's data), BUSY (in use), IO, CORRUPT, DISK_FULL, NO_MEMORY; `error` is the line for people.
 */
enum conclave_code storage_open(const struct config *config, struct storage *storage,
                                struct settings_error *error) MUST_USE;

/* Throws away a log that belongs to nobody yet, and opens an empty one. Log errors. */
enum conclave_code storage_start_log_over(struct storage *storage) MUST_USE;

/* Closes everything after a failure: the state keeps the trust it has. */
void storage_close(struct storage *storage);

/* Syncs the state, closes everything, and marks the state as clean. IO and DISK_FULL: it was
 * closed, and will be rebuilt after the machine's next start. */
enum conclave_code storage_close_clean(struct storage *storage) MUST_USE;

#endif
