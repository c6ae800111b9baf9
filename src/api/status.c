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

static const char *seat_name(bool seated, bool voter)
{
    return !seated ? "none" : voter ? "voter" : "standby";
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
    codec_write_map(answer, 9);
    write_u64(answer, "node", node_id);
    codec_write_text(answer, "seat");
    codec_write_text(answer, seat_name(raft != NULL, raft != NULL && raft->voter));
    codec_write_text(answer, "address");
    codec_write_text(answer, raft != NULL ? raft->address : "");
    codec_write_text(answer, "connected");
    codec_write_bool(answer, link != NULL && link->connected);
    codec_write_text(answer, "error");
    codec_write_text(answer, link != NULL && link->error != NULL ? link->error : "");
    codec_write_text(answer, "reason");
    codec_write_text(answer, link != NULL && link->reason != NULL ? link->reason : "");
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

/* Of the commands answered here: [[at most so many microseconds, so many commands], ...], then
 * [nil, all of them]. */
static void write_latency(struct buffer *answer, const struct api_metrics *metrics)
{
    const struct metric_histogram *histogram = &metrics->request_us[API_KIND_COMMAND];
    struct metric_reading reading;
    metric_read(histogram, &reading);
    codec_write_text(answer, "latency");
    codec_write_array(answer, histogram->scale->bound_count + 1);
    for (unsigned i = 0; i <= histogram->scale->bound_count; i++) {
        codec_write_array(answer, 2);
        if (i < histogram->scale->bound_count) {
            codec_write_u64(answer, histogram->scale->bounds[i]);
        } else {
            codec_write_nil(answer);
        }
        codec_write_u64(answer, reading.at_most[i]);
    }
}

static void write_health(struct buffer *answer, const struct api_health *health)
{
    codec_write_text(answer, "health");
    codec_write_text(answer, health->state);
    codec_write_text(answer, "why");
    codec_write_text(answer, health->why);
    codec_write_text(answer, "http");
    codec_write_text(answer, health->http);
}

static void write_security(struct buffer *answer, const struct api_host *host)
{
    struct api_security security = {.refusal = ""};
    if (host->security != NULL) {
        host->security(host->context, &security);
    }
    codec_write_text(answer, "tls");
    if (security.encrypted) {
        codec_write_map(answer, 2);
        write_u64(answer, "certificate_ends", security.certificate_ends_ms);
        write_u64(answer, "ca_ends", security.ca_ends_ms);
    } else {
        codec_write_nil(answer);
    }
    codec_write_text(answer, "refusal");
    codec_write_text(answer, security.refusal);
}

static void write_root(struct buffer *answer, const char *name, const uint8_t root[32])
{
    codec_write_text(answer, name);
    codec_write_bytes(answer, slice_of(root, 32));
}

static void write_record(struct buffer *answer, const struct replica_status *status)
{
    codec_write_text(answer, "record");
    codec_write_map(answer, 5);
    write_u64(answer, "size", status->record_size);
    write_root(answer, "root", status->record_root);
    write_u64(answer, "final", status->final_size);
    write_u64(answer, "disagreements", status->disagreements);
    codec_write_text(answer, "diverged");
    if (status->diverged_size == 0) {
        codec_write_nil(answer);
        return;
    }
    codec_write_map(answer, 3);
    write_u64(answer, "size", status->diverged_size);
    write_root(answer, "own", status->diverged_own);
    write_root(answer, "other", status->diverged_other);
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
    struct api_health health;
    api->host->health(api->host->context, &health);

    struct buffer *answer = answer_start(request);
    codec_write_map(answer, 25);
    codec_write_text(answer, "cluster");
    codec_write_bytes(answer, slice_of(status.cluster_id, sizeof status.cluster_id));
    write_u64(answer, "node", status.node_id);
    codec_write_text(answer, "name");
    codec_write_string(answer, cluster.name);
    codec_write_text(answer, "version");
    codec_write_text(answer, api->version);
    codec_write_text(answer, "state");
    codec_write_text(answer, state_name(status.state));
    codec_write_text(answer, "seat");
    codec_write_text(answer, seat_name(status.seated, status.voter));
    write_u64(answer, "leader", status.leader_id);
    write_u64(answer, "term", status.term);
    write_u64(answer, "commit", status.commit_index);
    write_u64(answer, "applied", status.applied_index);
    write_u64(answer, "last", status.last_index);
    write_u64(answer, "time", status.time_ms);
    codec_write_text(answer, "digest");
    codec_write_bytes(answer, slice_of(status.digest, sizeof status.digest));
    write_record(answer, &status);
    codec_write_text(answer, "ready");
    codec_write_bool(answer, status.ready);
    write_u64(answer, "uptime_ms", clock_monotonic_ms(api->clock) - api->opened_at_ms);
    write_peers(answer, &status, links, link_count);
    write_security(answer, api->host);
    write_u64(answer, "connections", api->connection_count);
    write_u64(answer, "in_flight", status.in_flight);
    write_health(answer, &health);
    write_latency(answer, &api->metrics);
    view_cluster_close(&cluster);
    answer_finish(request);
}
