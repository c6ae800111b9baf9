/* The mesh: its list of peers, sending, and its end. */
#include "base/memory.h"
#include "net/peers_internal.h"

struct peer *peers_find(struct peers *peers, uint64_t node_id)
{
    for (unsigned i = 0; i < peers->peer_count; i++) {
        if (peers->peers[i].node_id == node_id) {
            return &peers->peers[i];
        }
    }
    return NULL;
}

void peer_saw(struct peer *peer)
{
    peer->seen = true;
    peer->last_seen_ms = clock_monotonic_ms(peer->peers->config.clock);
}

static void peer_init(struct peer *peer, struct peers *peers, const struct peers_node *node)
{
    ASSERT(node->node_id != 0);
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
}

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
    for (unsigned i = 0; i < config->node_count; i++) {
        if (config->nodes[i].node_id != config->node_id) {
            ASSERT(peers_find(made, config->nodes[i].node_id) == NULL);
            peer_init(&made->peers[made->peer_count], made, &config->nodes[i]);
            made->peer_count++;
        }
    }
    made->config.nodes = NULL;
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
    return net_listen(peers->config.net, address, PEERS_OUTPUT_BYTES, peers_accepted, peers,
                      &peers->listener, error);
}

const struct net_listener *peers_listener(const struct peers *peers)
{
    ASSERT(peers != NULL);
    return peers->listener;
}

void peers_start(struct peers *peers)
{
    ASSERT(peers != NULL && !peers->closing);
    for (unsigned i = 0; i < peers->peer_count; i++) {
        peer_dial_after(&peers->peers[i], 0);
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
        needed > PEERS_OUTPUT_BYTES - net_connection_unsent_bytes(peer->outgoing)) {
        peer->dropped++;
        return;
    }
    peer_send_frame(peer->outgoing, message);
}

unsigned peers_status(const struct peers *peers, struct peers_status *status)
{
    ASSERT(peers != NULL && status != NULL);
    for (unsigned i = 0; i < peers->peer_count; i++) {
        const struct peer *peer = &peers->peers[i];
        bool connected = peer->state == PEER_READY;
        status[i] = (struct peers_status){
            .node_id = peer->node_id,
            .connected = connected,
            .error = connected ? NET_OK : peer->error,
            .seen = peer->seen,
            .last_seen_ms = peer->last_seen_ms,
            .dropped = peer->dropped,
        };
    }
    return peers->peer_count;
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
