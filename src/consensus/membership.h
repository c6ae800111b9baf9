/* Changes of the raft configuration, and of who leads. */
#ifndef CONSENSUS_MEMBERSHIP_H
#define CONSENSUS_MEMBERSHIP_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

struct replica;

/* As replica_change and replica_transfer, from inside an event; the replica has not failed. */
enum conclave_code membership_change(struct replica *replica, uint64_t node_id, const char *address,
                                     int role) MUST_USE;

/* To this node, or (0) to the most advanced one. */
void membership_transfer(struct replica *replica, uint64_t node_id);

/* A server that is to vote must have what is committed, or the cluster may have to wait for it. */
bool membership_may_vote(struct replica *replica, uint64_t node_id);

#endif
