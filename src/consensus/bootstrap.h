/* What the two beginnings of a log have in common: with a genesis (bootstrap.c), and with a backup
 * (restore.c). */
#ifndef CONSENSUS_BOOTSTRAP_H
#define CONSENSUS_BOOTSTRAP_H

#include <raft.h>

#include "auth/genesis.h"
#include "base/clock.h"
#include "log/log.h"

/* Decodes the command that founds a cluster, and looks whether this node is in it and the log is
 * nobody's yet. BAD_REQUEST, BAD_SIGNATURE, DUPLICATE_ID, each with `error`; NO_MEMORY; log errors.
 */
enum conclave_code bootstrap_check(struct log *log, struct slice command, uint64_t node_id,
                                   struct genesis *genesis, struct codec_error *error) MUST_USE;

/* All its nodes, voters, as a configuration; freed with raft_free. NO_MEMORY. */
enum conclave_code bootstrap_configuration(const struct genesis *genesis,
                                           struct raft_buffer *buffer) MUST_USE;

/* Who this disk is from now on; `founded_index` as in replica_identity. Log errors, with `error`.
 */
enum conclave_code bootstrap_identity(struct log *log, const uint8_t cluster_id[16],
                                      uint64_t node_id, uint64_t founded_index,
                                      const struct random *random, struct codec_error *error)
    MUST_USE;

#endif
