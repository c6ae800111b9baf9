/* The mesh: its list of peers, sending, and its end. */
#include "base/logger.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "net/peers_internal.h"

struct peer *peers_find_any(struct peers *peers, uint64_t node_id)
{
    for (unsigned i = 0; i < peers->peer_count; i++) {
        if (peers->peers[i].node_id == node_id) {
            return &peers->peers[i];
        }
    }
    return NULL;
}

struct peer *peers_find(struct peers *peers, uint64_t node_id)
{
    struct peer *peer = peers_find_any(peers, node_id);
    return peer != NULL && peer->seated ? peer : NULL;
}

void peer_saw(struct peer *peer)
{
    peer->seen = true;
    peer->last_seen_ms = clock_monotonic_ms(peer->peers->config.clock);
}

void peer_check_lost(struct peer *peer)
{
    const struct peers *peers = peer->peers;
    if (peers->config.lost != NULL && !peers->closing && peer->state != PEER_READY &&
        peer->incoming == NULL) {
        peers->config.lost(peers->config.context, peer->node_id);
    }
}

/* --- Who is there --- */

static void peer_init(struct peer *peer, struct peers *peers, const struct peers_node *node)
{
    ASSERT(node->node_id != 0);
    peer->seated = true;
    peer->peers = peers;
    peer->node_id = node->node_id;
    memcpy(peer->address, node->address, sizeof peer->address);
    peer->state = PEER_WAITING;
    peer->error = NET_CLOSED;
    frame_reader_init(&peer->answers, HANDSHAKE_BYTES_MAX);
    int rv = uv_timer_init(net_loop(peers->config.net), &peer->timer);
    ASSERT(rv == 0);
    peer->timer.data = peer;
    peers->open++;
    for (unsigned i = 0; i < peers->disk_count; i++) {
        if (peers->disks[i].node_id == node->node_id) {
            peer->disk_known = true;
            peer->disk = peers->disks[i].disk;
        }
    }
}

static void peer_hang_up(struct peer *peer)
{
    if (peer->outgoing != NULL) {
        net_connection_close(peer->outgoing, NET_OK);
    }
    if (peer->incoming != NULL) {
        net_connection_close(peer->incoming->connection, NET_OK);
    }
}

/* Takes its seat, or keeps it; where it has moved it is called anew. */
static void peer_seat(struct peer *peer, const struct peers_node *node)
{
    bool moved = strcmp(peer->address, node->address) != 0;
    if (peer->seated && !moved) {
        return;
    }
    memcpy(peer->address, node->address, sizeof peer->address);
    peer->seated = true;
    if (peer->outgoing != NULL) {
        net_connection_close(peer->outgoing, NET_OK); /* its end dials again */
    } else if (peer->peers->started) {
        peer_dial_soon(peer);
    }
}

static void peer_unseat(struct peer *peer)
{
    LOG_INFO("a node is none of the cluster any more", FIELD_U64("peer", peer->node_id));
    peer->seated = false;
    peer->refused = peer->removed = false;
    int rv = uv_timer_stop(&peer->timer);
    ASSERT(rv == 0);
    peer_hang_up(peer);
}

static bool is_among(const struct peers_node *nodes, unsigned count, uint64_t node_id)
{
    for (unsigned i = 0; i < count; i++) {
        if (nodes[i].node_id == node_id) {
            return true;
        }
    }
    return false;
}

static void add(struct peers *peers, const struct peers_node *node)
{
    if (peers->peer_count == LIMIT_NODE_IDS) {
        LOG_ERROR("there were more nodes than one process can talk with: start it again",
                  FIELD_U64("node", node->node_id));
        return;
    }
    struct peer *peer = &peers->peers[peers->peer_count++];
    peer_init(peer, peers, node);
    if (peers->started) {
        peer_dial_after(peer, 0);
    }
}

void peers_seat(struct peers *peers, const struct peers_node *nodes, unsigned count)
{
    ASSERT(peers != NULL && !peers->closing && count <= LIMIT_NODES);
    for (unsigned i = 0; i < peers->peer_count; i++) {
        struct peer *peer = &peers->peers[i];
        if (peer->seated && !is_among(nodes, count, peer->node_id)) {
            peer_unseat(peer);
        }
    }
    for (unsigned i = 0; i < count; i++) {
        struct peer *peer = peers_find_any(peers, nodes[i].node_id);
        if (peer != NULL) {
            peer_seat(peer, &nodes[i]);
        } else if (nodes[i].node_id != peers->config.node_id) {
            add(peers, &nodes[i]);
        }
    }
}

/* --- The mesh --- */

enum conclave_code peers_open(const struct peers_config *config, struct peers **peers)
{
    ASSERT(config != NULL && config->net != NULL && config->received != NULL && peers != NULL);
    ASSERT(config->node_id != 0 && config->node_count <= LIMIT_NODES);
    struct peers *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->config = *config;
    size_t version_size = strnlen(config->program_version, HANDSHAKE_VERSION_BYTES);
    memcpy(made->program_version, config->program_version, version_size);
    ASSERT(config->disk_count <= LIMIT_NODE_IDS);
    made->disk_count = config->disk_count;
    for (unsigned i = 0; i < config->disk_count; i++) {
        made->disks[i] = config->disks[i];
    }
    peers_seat(made, config->nodes, config->node_count);
    made->config.nodes = NULL;
    made->config.disks = NULL;
    ASSERT(config->token.size <= HANDSHAKE_TOKEN_BYTES);
    if (config->token.size > 0) {
        memcpy(made->token, config->token.data, config->token.size);
    }
    made->config.token = slice_of(made->token, config->token.size);
    int rv = uv_timer_init(net_loop(config->net), &made->anchor);
    ASSERT(rv == 0);
    made->anchor.data = made;
    made->open++;
    *peers = made;
    return CONCLAVE_OK;
}

enum conclave_code peers_listen(struct peers *peers, const char *address, struct codec_error *error)
{
    ASSERT(peers != NULL && peers->listener == NULL && !peers->closing);
    enum conclave_code code = net_listen(peers->config.net, address, PEERS_OUTPUT_BYTES,
                                         peers_accepted, peers, &peers->listener, error);
    if (code == CONCLAVE_OK) {
        net_listener_require_certificates(peers->listener, true);
    }
    return code;
}

const char *peers_check_certificate(const struct peers *peers,
                                    const struct net_connection *connection, uint64_t node_id)
{
    if (!net_connection_is_secure(connection)) {
        return NULL;
    }
    const struct certificate *shown = net_connection_peer(connection);
    if (shown == NULL || shown->kind != CERTIFICATE_NODE) {
        return "the certificate that was shown is not that of a node";
    }
    if (memcmp(shown->cluster_id, peers->config.cluster_id, HANDSHAKE_ID_BYTES) != 0) {
        return "the certificate that was shown is that of a node of another cluster";
    }
    if (!MUTANT(44) && node_id != 0 && shown->node_id != node_id) {
        return "the certificate that was shown is that of another node of this cluster";
    }
    return NULL;
}

const struct net_listener *peers_listener(const struct peers *peers)
{
    ASSERT(peers != NULL);
    return peers->listener;
}

void peers_start(struct peers *peers)
{
    ASSERT(peers != NULL && !peers->closing && !peers->started);
    peers->started = true;
    for (unsigned i = 0; i < peers->peer_count; i++) {
        if (peers->peers[i].seated) {
            peer_dial_after(&peers->peers[i], 0);
        }
    }
}

void peer_send_frame(struct net_connection *connection, struct slice message)
{
    ASSERT(message.size <= LIMIT_PEER_FRAME_BYTES);
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header((uint32_t)message.size, header);
    net_connection_send(connection, slice_of(header, sizeof header));
    net_connection_send(connection, message);
}

void peers_send(struct peers *peers, uint64_t node_id, struct slice message)
{
    ASSERT(peers != NULL && message.size > 0 && message.size <= LIMIT_PEER_FRAME_BYTES);
    struct peer *peer = peers_find(peers, node_id);
    if (peer == NULL) {
        return; /* a node that is not in the configuration that we know: nobody to dial */
    }
    size_t needed = FRAME_HEADER_BYTES + message.size;
    if (peer->state != PEER_READY ||
        needed + net_connection_unsent_bytes(peer->outgoing) > PEERS_OUTPUT_BYTES) {
        peer->dropped++;
        return;
    }
    peer_send_frame(peer->outgoing, message);
}

const char *peers_refusal(const struct peers *peers)
{
    ASSERT(peers != NULL);
    const struct peer *removed = NULL;
    unsigned others = 0, saying_so = 0;
    bool connected = false;
    for (unsigned i = 0; i < peers->peer_count; i++) {
        const struct peer *peer = &peers->peers[i];
        if (!peer->seated) {
            continue;
        }
        if (peer->refused) {
            return peer->refusal;
        }
        others++;
        connected = connected || peer->state == PEER_READY || peer->incoming != NULL;
        if (peer->removed) {
            removed = peer;
            saying_so++;
        }
    }
    /* One that lags may know an older cluster than we do: most must say so, and nobody else. */
    return removed != NULL && !connected && 2 * saying_so > others ? removed->refusal : "";
}

unsigned peers_status(const struct peers *peers, struct peers_status *status)
{
    ASSERT(peers != NULL && status != NULL);
    unsigned count = 0;
    for (unsigned i = 0; i < peers->peer_count; i++) {
        const struct peer *peer = &peers->peers[i];
        bool connected = peer->state == PEER_READY;
        if (!peer->seated) {
            continue;
        }
        status[count++] = (struct peers_status){
            .node_id = peer->node_id,
            .connected = connected,
            .error = connected ? NET_OK : peer->error,
            .reason = connected ? "" : peer->reason,
            .seen = peer->seen,
            .last_seen_ms = peer->last_seen_ms,
            .dropped = peer->dropped,
        };
    }
    return count;
}

void peers_check_closed(struct peers *peers)
{
    if (!peers->closing || peers->open > 0 || peers->incoming != NULL) {
        return;
    }
    void (*closed)(void *context) = peers->closed;
    void *context = peers->closed_context;
    for (unsigned i = 0; i < peers->peer_count; i++) {
        frame_reader_close(&peers->peers[i].answers);
    }
    memory_free(peers);
    closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct peer *peer = handle->data;
    peer->peers->open--;
    peers_check_closed(peer->peers);
}

static void on_anchor_closed(uv_handle_t *handle)
{
    struct peers *peers = handle->data;
    peers->open--;
    peers_check_closed(peers);
}

void peers_close(struct peers *peers, void (*closed)(void *context), void *context)
{
    ASSERT(peers != NULL && closed != NULL && !peers->closing);
    peers->closing = true;
    peers->closed = closed;
    peers->closed_context = context;
    if (peers->listener != NULL) {
        net_listener_close(peers->listener);
    }
    for (struct incoming *at = peers->incoming; at != NULL; at = at->next) {
        net_connection_close(at->connection, NET_OK);
    }
    for (unsigned i = 0; i < peers->peer_count; i++) {
        struct peer *peer = &peers->peers[i];
        peer->state = PEER_ENDED;
        if (peer->outgoing != NULL) {
            net_connection_close(peer->outgoing, NET_OK);
        }
        uv_close((uv_handle_t *)&peer->timer, on_timer_closed);
    }
    uv_close((uv_handle_t *)&peers->anchor, on_anchor_closed);
}
