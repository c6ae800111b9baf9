/* Raft configurations as bytes of log entries and peers.
 *
 * The library's own decoder trusts its input; configuration_valid is asked first.
 */
#ifndef CONSENSUS_CONFIGURATION_H
#define CONSENSUS_CONFIGURATION_H

#include <conclave/codes.h>
#include <conclave/limits.h>
#include <raft.h>

#include "base/assert.h"
#include "base/slice.h"

/* The most bytes of an encoded configuration: version, count, and for each server its id, address
 * with a NUL, and role, padded to 8 bytes. */
#define CONFIGURATION_BYTES_MAX (16u + LIMIT_NODES * (8u + LIMIT_ADDRESS_BYTES + 1u + 1u))

/* Are these the bytes of a configuration: version 1, 1 to LIMIT_NODES servers, ids that are not 0
 * and differ, addresses of 1 to LIMIT_ADDRESS_BYTES that differ, known roles? */
bool configuration_valid(struct slice bytes) MUST_USE;

/* Decodes bytes that may be wrong: CORRUPT, NO_MEMORY. raft_configuration_close frees. */
enum conclave_code configuration_decode(struct slice bytes,
                                        struct raft_configuration *configuration) MUST_USE;

/* The server with this id, or NULL. */
const struct raft_server *configuration_find(const struct raft_configuration *configuration,
                                             uint64_t node_id);

/* How many vote, and is this one of them? */
unsigned configuration_voters(const struct raft_configuration *configuration);
bool configuration_is_voter(const struct raft_configuration *configuration, uint64_t node_id);

#endif
