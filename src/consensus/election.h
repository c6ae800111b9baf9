/* An election that need not wait for the timeout.
 *
 * When both connections with the leader's node are gone its process has most likely died, and the
 * network says so at once what the election timeout would say hundreds of milliseconds later. The
 * host tells (replica_peer_lost); unless the leader is heard again within a short random time, the
 * core's timer is set to have run out, and again after each pre-vote that got no majority.
 *
 * That is only haste, and safe by what the core does anyway: with pre-vote on no term changes until
 * a majority has lost the same leader, so a single node whose connections were cut moves nobody.
 * It ends with the term (somebody stands), with a leader, or after two election timeouts.
 */
#ifndef CONSENSUS_ELECTION_H
#define CONSENSUS_ELECTION_H

#include <stdint.h>

struct replica;

struct election {
    uint64_t lost_id; /* the leader whose connections are gone; 0: no haste */
    uint64_t lost_term;
    uint64_t due_ms;   /* when to stand, if nothing is heard */
    uint64_t until_ms; /* no haste after that */
};

/* Both connections with a node are gone. */
void election_peer_lost(struct replica *replica, uint64_t node_id);

/* A message came from a node. */
void election_heard(struct replica *replica, uint64_t node_id);

/* Stands when it is due. */
void election_tick(struct replica *replica);

/* UINT64_MAX when there is no haste. */
uint64_t election_deadline_ms(const struct replica *replica);

#endif
