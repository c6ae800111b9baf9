/* A node of a restored cluster: its log is made of a backup and of the command that founds the
 * cluster (auth/genesis.h). docs/RECORD.md, "Restoring". */
#ifndef CONSENSUS_RESTORE_H
#define CONSENSUS_RESTORE_H

#include "codec/envelope.h"
#include "base/clock.h"
#include "log/log.h"

struct replica_restore;

struct replica_restore_config {
    struct log *log;      /* empty */
    struct slice command; /* cluster.restore, [envelope, signature]; outlives the restore */
    uint64_t node_id;     /* one of the nodes that it names */
    const struct random *random;
};

enum replica_restore_type {
    REPLICA_RESTORE_BATCH,
    REPLICA_RESTORE_BARRIER,
    REPLICA_RESTORE_CONFIGURATION
};

/* An entry of the former cluster. */
struct replica_restore_entry {
    uint64_t index, term;
    enum replica_restore_type type;
    uint64_t time_ms;
    const struct slice *closes;
    uint32_t close_count;
    const struct slice *commands;
    uint32_t command_count;
};

/* BAD_REQUEST, BAD_SIGNATURE (the command), DUPLICATE_ID (the log is not empty), each with `error`;
 * NO_MEMORY; log errors. */
enum conclave_code replica_restore_open(const struct replica_restore_config *config,
                                        struct replica_restore **restore, struct codec_error *error)
    MUST_USE;

/* The SHA-256 of the backup that the command is about. */
const uint8_t *replica_restore_backup(const struct replica_restore *restore);

/* Each entry from 1 to the one that the command names, in order. BAD_REQUEST; NO_MEMORY; log
 * errors.
 */
enum conclave_code replica_restore_entry(struct replica_restore *restore,
                                         const struct replica_restore_entry *entry,
                                         struct codec_error *error) MUST_USE;

/* After the last one: only now is the log that of a node. BAD_REQUEST when entries are missing; log
 * errors. */
enum conclave_code replica_restore_finish(struct replica_restore *restore,
                                          struct codec_error *error) MUST_USE;

void replica_restore_close(struct replica_restore *restore);

#endif
