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

/* Who is next to be offered the lead after `last_id`, in the configuration's order: a voter that is
 * heard of. 0: there is none. The most advanced one may never take it: with entries of its own
 * that nobody else has it refuses (Ongaro, section 3.10: the heir's log must be the leader's). */
uint64_t membership_heir(const struct replica *replica, uint64_t last_id);

/* A server that is to vote must have what is committed, or the cluster may have to wait for it. */
bool membership_may_vote(struct replica *replica, uint64_t node_id);

#endif
