/* Standing for election when the leader's connections are gone: see the header. */
#include "consensus/election.h"

#include "base/logger.h"
#include "consensus/core.h"
#include "consensus/driver.h"

/* Parts of the election timeout: at least one in 15 of it, and up to one in 8 more by chance. 20 to
 * 57 ms of the default 300: enough to dial again, and apart enough that two nodes seldom stand
 * together. */
#define WAIT_PART   15u
#define CHANCE_PART 8u

static uint64_t wait_ms(const struct replica *replica)
{
    unsigned election_ms = replica->config.election_ms;
    return election_ms / WAIT_PART +
           random_next(replica->config.random) % (election_ms / CHANCE_PART + 1);
}

void election_peer_lost(struct replica *replica, uint64_t node_id)
{
    if (node_id != replica->leader_id || replica_leads(replica) || replica->room.full ||
        replica->repair.index != 0) {
        return;
    }
    LOG_INFO("the connections with the leader are gone", FIELD_U64("leader", node_id),
             FIELD_U64("term", replica->leader_term));
    replica->election = (struct election){
        .lost_id = node_id,
        .lost_term = raft_current_term(&replica->raft),
        .due_ms = replica->now_ms + wait_ms(replica),
        .until_ms = replica->now_ms + 2u * (uint64_t)replica->config.election_ms,
    };
}

void election_heard(struct replica *replica, uint64_t node_id)
{
    if (replica->election.lost_id == node_id) {
        replica->election.lost_id = 0;
    }
}

/* Does it still hold that nobody leads, and nobody else stands? */
static bool is_still_lost(const struct replica *replica)
{
    const struct raft *raft = &replica->raft;
    const struct election *election = &replica->election;
    if (raft_current_term(raft) != election->lost_term || replica->now_ms >= election->until_ms) {
        return false;
    }
    return raft->state == RAFT_CANDIDATE ||
           (raft->state == RAFT_FOLLOWER &&
            raft->follower_state.current_leader.id == election->lost_id);
}

void election_tick(struct replica *replica)
{
    struct election *election = &replica->election;
    if (election->lost_id == 0 || replica->now_ms < election->due_ms) {
        return;
    }
    if (!is_still_lost(replica)) {
        election->lost_id = 0;
        return;
    }
    election->due_ms = replica->now_ms + wait_ms(replica);
    driver_time_out(replica);
}

uint64_t election_deadline_ms(const struct replica *replica)
{
    return replica->election.lost_id == 0 ? UINT64_MAX : replica->election.due_ms;
}
