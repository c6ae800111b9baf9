/* `status`: what the replica says of itself, joined with what the host says of its connections to
 * peers. */
#include "api/status.h"

#include "api/answer.h"
#include "api/view.h"
#include "codec/writer.h"

static const char *state_name(enum replica_state state)
{
    switch (state) {
    case REPLICA_LEADER:
        return "leader";
    case REPLICA_FOLLOWER:
        return "follower";
    case REPLICA_CANDIDATE:
        return "candidate";
    case REPLICA_UNAVAILABLE:
        return "unavailable";
    }
    UNREACHABLE("state of a replica");
}

static void write_u64(struct buffer *answer, const char *name, uint64_t value)
{
    codec_write_text(answer, name);
    codec_write_u64(answer, value);
}

static void write_optional(struct buffer *answer, const char *name, bool known, uint64_t value)
{
    codec_write_text(answer, name);
    if (known) {
        codec_write_u64(answer, value);
    } else {
        codec_write_nil(answer);
    }
}

/* One peer: `raft` is NULL when the configuration has no such node, `link` when the host has no
 * connection for it. */
static void write_peer(struct buffer *answer, uint64_t node_id, const struct replica_peer *raft,
                       const struct api_peer *link)
{
    codec_write_map(answer, 7);
    write_u64(answer, "node", node_id);
    codec_write_text(answer, "address");
    codec_write_text(answer, raft != NULL ? raft->address : "");
    codec_write_text(answer, "connected");
    codec_write_bool(answer, link != NULL && link->connected);
    codec_write_text(answer, "error");
    codec_write_text(answer, link != NULL && link->error != NULL ? link->error : "");
    write_optional(answer, "last_seen_ms", link != NULL && link->seen,
                   link != NULL ? link->last_seen_ms_ago : 0);
    bool has_match = raft != NULL && raft->has_match;
    write_optional(answer, "match", has_match, has_match ? raft->match_index : 0);
    write_optional(answer, "lag", has_match, has_match ? raft->lag : 0);
}

static const struct api_peer *link_of(const struct api_peer *links, unsigned link_count,
                                      uint64_t node_id)
{
    for (unsigned i = 0; i < link_count; i++) {
        if (links[i].node_id == node_id) {
            return &links[i];
        }
    }
    return NULL;
}

static bool in_configuration(const struct replica_status *status, uint64_t node_id)
{
    for (unsigned i = 0; i < status->peer_count; i++) {
        if (status->peers[i].node_id == node_id) {
            return true;
        }
    }
    return false;
}

/* The nodes of the configuration but this one, then those that are only connected. */
static void write_peers(struct buffer *answer, const struct replica_status *status,
                        const struct api_peer *links, unsigned link_count)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < status->peer_count; i++) {
        count += status->peers[i].node_id != status->node_id;
    }
    for (unsigned i = 0; i < link_count; i++) {
        count += !in_configuration(status, links[i].node_id);
    }
    codec_write_text(answer, "peers");
    codec_write_array(answer, count);
    for (unsigned i = 0; i < status->peer_count; i++) {
        const struct replica_peer *peer = &status->peers[i];
        if (peer->node_id != status->node_id) {
            write_peer(answer, peer->node_id, peer, link_of(links, link_count, peer->node_id));
        }
    }
    for (unsigned i = 0; i < link_count; i++) {
        if (!in_configuration(status, links[i].node_id)) {
            write_peer(answer, links[i].node_id, NULL, &links[i]);
        }
    }
}

void status_handle(struct api_request *request)
{
    ASSERT(request != NULL);
    struct api *api = request->api;
    struct view_cluster cluster;
    enum conclave_code rv = view_cluster_open(api, &cluster);
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, "");
        return;
    }
    struct replica_status status;
    api->operations->status(api->replica, &status);
    ASSERT(status.peer_count <= LIMIT_NODES);
    struct api_peer links[LIMIT_NODES] = {0};
    unsigned link_count = api->host->peers(api->host->context, links);
    ASSERT(link_count <= LIMIT_NODES);

    struct buffer *answer = answer_start(request);
    codec_write_map(answer, 17);
    codec_write_text(answer, "cluster");
    codec_write_bytes(answer, slice_of(status.cluster_id, sizeof status.cluster_id));
    write_u64(answer, "node", status.node_id);
    codec_write_text(answer, "name");
    codec_write_string(answer, cluster.name);
    codec_write_text(answer, "version");
    codec_write_text(answer, api->version);
    codec_write_text(answer, "state");
    codec_write_text(answer, state_name(status.state));
    write_u64(answer, "leader", status.leader_id);
    write_u64(answer, "term", status.term);
    write_u64(answer, "commit", status.commit_index);
    write_u64(answer, "applied", status.applied_index);
    write_u64(answer, "last", status.last_index);
    write_u64(answer, "time", status.time_ms);
    codec_write_text(answer, "digest");
    codec_write_bytes(answer, slice_of(status.digest, sizeof status.digest));
    codec_write_text(answer, "ready");
    codec_write_bool(answer, status.ready);
    write_u64(answer, "uptime_ms", clock_monotonic_ms(api->clock) - api->opened_at_ms);
    write_peers(answer, &status, links, link_count);
    write_u64(answer, "connections", api->connection_count);
    write_u64(answer, "in_flight", status.in_flight);
    view_cluster_close(&cluster);
    answer_finish(request);
}
