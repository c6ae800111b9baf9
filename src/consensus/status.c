/* What a replica says of itself. */
#include "consensus/core.h"

static enum replica_state state_of(struct replica *replica)
{
    if (replica->failed) {
        return REPLICA_UNAVAILABLE;
    }
    switch (raft_state(&replica->raft)) {
    case RAFT_FOLLOWER:
        return REPLICA_FOLLOWER;
    case RAFT_CANDIDATE:
        return REPLICA_CANDIDATE;
    case RAFT_LEADER:
        return REPLICA_LEADER;
    case RAFT_UNAVAILABLE:
    default:
        return REPLICA_UNAVAILABLE;
    }
}

static void fill_peers(struct replica *replica, struct replica_status *status)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    for (unsigned i = 0; i < configuration->n && status->peer_count < LIMIT_NODES; i++) {
        const struct raft_server *server = &configuration->servers[i];
        if (server->id == replica->config.node_id) {
            status->seated = true;
            status->voter = server->role == RAFT_VOTER;
            continue;
        }
        struct replica_peer *peer = &status->peers[status->peer_count++];
        peer->node_id = server->id;
        peer->voter = server->role == RAFT_VOTER;
        size_t size = strnlen(server->address, LIMIT_ADDRESS_BYTES);
        memcpy(peer->address, server->address, size);
        raft_index match_index;
        if (raft_match_index(&replica->raft, server->id, &match_index) == 0) {
            peer->has_match = true;
            peer->match_index = match_index;
            peer->lag = status->last_index - match_index;
        }
    }
}

const struct replica_metrics *replica_metrics(const struct replica *replica)
{
    ASSERT(replica != NULL);
    return &replica->metrics;
}

static void fill_record(struct replica *replica, struct replica_status *status)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    if (checkpoints->shown.size != replica->tree.size || replica->tree.size == 0) {
        checkpoints->shown.size = replica->tree.size;
        merkle_root(&replica->tree, &checkpoints->shown.root);
    }
    status->record_size = checkpoints->shown.size;
    memcpy(status->record_root, checkpoints->shown.root.bytes, sizeof status->record_root);
    status->final_size = checkpoints->final.size;
    status->disagreements = checkpoints->disagreements;
    if (checkpoints->diverged && replica->failed) {
        status->diverged_size = checkpoints->own.size;
        memcpy(status->diverged_own, checkpoints->own.root.bytes, sizeof status->diverged_own);
        memcpy(status->diverged_other, checkpoints->other.root.bytes,
               sizeof status->diverged_other);
    }
}

bool replica_disk_full(const struct replica *replica)
{
    ASSERT(replica != NULL);
    return replica->room.full || log_full(replica->config.log);
}

void replica_status(struct replica *replica, struct replica_status *status)
{
    ASSERT(replica != NULL && status != NULL);
    *status = (struct replica_status){
        .state = state_of(replica),
        .node_id = replica->config.node_id,
        .leader_id = replica->failed ? 0 : replica->leader_id,
        .term = raft_current_term(&replica->raft),
        .last_index = raft_last_index(&replica->raft),
        .commit_index = replica->commit_index,
        .applied_index = replica->state.applied_index,
        .time_ms = replica->log_time_ms,
        .in_flight = replica->pending.local_count,
        .disk_full = replica_disk_full(replica),
        .repairing = replica->repair.index,
        .messages_malformed = replica->messages_malformed,
        .messages_dropped = replica->messages_dropped,
    };
    memcpy(status->cluster_id, replica->cluster_id, sizeof status->cluster_id);
    fill_record(replica, status);
    memcpy(status->digest, replica->state.digest, sizeof status->digest);
    memcpy(status->mitigations, replica->mitigations, sizeof status->mitigations);
    if (status->state == REPLICA_LEADER) {
        status->ready = replica_leads_ready(replica);
    } else if (status->state == REPLICA_FOLLOWER) {
        status->ready = status->leader_id != 0;
    }
    fill_peers(replica, status);
}
