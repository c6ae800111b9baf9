/* Answering peers: a stranger says who it is; once accepted, its frames are messages. */
#include "base/logger.h"
#include "base/memory.h"
#include "net/peers_internal.h"

#include <sodium.h>
#include <stdio.h>

static void on_closed(void *context, struct net_connection *connection, enum net_error error)
{
    struct incoming *incoming = context;
    struct peers *peers = incoming->peers;
    ASSERT(incoming->connection == connection);
    struct incoming **at = &peers->incoming;
    while (*at != incoming) {
        at = &(*at)->next;
    }
    *at = incoming->next;
    if (incoming->peer == NULL) {
        peers->stranger_count--;
    } else if (incoming->peer->incoming == incoming) {
        incoming->peer->incoming = NULL;
        LOG_INFO("a peer's connection ended", FIELD_U64("peer", incoming->peer->node_id),
                 FIELD_TEXT("why", net_error_text(error)));
    }
    frame_reader_close(&incoming->frames);
    memory_free(incoming);
    peers_check_closed(peers);
}

static void incoming_answer(struct incoming *incoming, const char *code, const char *sentence)
{
    struct buffer buffer;
    buffer_init(&buffer, HANDSHAKE_BYTES_MAX);
    handshake_answer_write(&buffer, code, sentence);
    if (buffer.status != CONCLAVE_OK) {
        net_connection_close(incoming->connection, NET_NO_MEMORY);
    } else {
        peer_send_frame(incoming->connection, buffer_slice(&buffer));
    }
    buffer_close(&buffer);
}

static void incoming_refuse(struct incoming *incoming, uint64_t from, enum net_error error,
                            const char *code, const char *sentence)
{
    LOG_WARN("a connection between nodes was refused", FIELD_U64("from", from),
             FIELD_TEXT("code", code), FIELD_TEXT("reason", sentence));
    incoming_answer(incoming, code, sentence);
    net_connection_finish(incoming->connection, error);
}

static void incoming_accept(struct incoming *incoming, struct peer *peer,
                            const struct handshake *handshake)
{
    struct peers *peers = incoming->peers;
    if (peer->incoming != NULL) {
        net_connection_close(peer->incoming->connection, NET_OK);
    }
    peer->incoming = incoming;
    peer->disk_known = true;
    memcpy(peer->disk_id, handshake->disk_id, HANDSHAKE_ID_BYTES);
    incoming->peer = peer;
    peers->stranger_count--;
    incoming->frames.size_max = LIMIT_PEER_FRAME_BYTES;
    LOG_INFO("a peer connected", FIELD_U64("peer", peer->node_id),
             FIELD_TEXT("version", handshake->program_version));
    incoming_answer(incoming, "ok", "");
    peer_saw(peer);
    peer_dial_soon(peer);
}

static void incoming_greeted(struct incoming *incoming, struct slice frame)
{
    const struct peers_config *config = &incoming->peers->config;
    char sentence[HANDSHAKE_SENTENCE_BYTES];
    struct handshake handshake;
    enum conclave_code code = handshake_read(frame, &handshake);
    if (code != CONCLAVE_OK) {
        incoming_refuse(incoming, 0, NET_MALFORMED, conclave_code_name(code),
                        code == CONCLAVE_BAD_VERSION
                            ? "this node speaks version 1 of the protocol between nodes"
                            : "not a greeting of a node");
        return;
    }
    if (memcmp(handshake.cluster_id, config->cluster_id, HANDSHAKE_ID_BYTES) != 0) {
        char mine[2 * HANDSHAKE_ID_BYTES + 1];
        sodium_bin2hex(mine, sizeof mine, config->cluster_id, HANDSHAKE_ID_BYTES);
        (void)snprintf(sentence, sizeof sentence, "this node is of the cluster %s", mine);
        incoming_refuse(incoming, handshake.from, NET_WRONG_CLUSTER, "wrong_cluster", sentence);
        return;
    }
    struct peer *peer = peers_find(incoming->peers, handshake.from);
    if (peer == NULL || handshake.to != config->node_id) {
        (void)snprintf(sentence, sizeof sentence,
                       "this is node %llu, and node %llu called node %llu; check the addresses",
                       (unsigned long long)config->node_id, (unsigned long long)handshake.from,
                       (unsigned long long)handshake.to);
        incoming_refuse(incoming, handshake.from, NET_UNAUTHORISED, "unauthorised", sentence);
        return;
    }
    if (peer->disk_known && memcmp(peer->disk_id, handshake.disk_id, HANDSHAKE_ID_BYTES) != 0) {
        incoming_refuse(incoming, handshake.from, NET_UNAUTHORISED, "unauthorised",
                        "the node has another disk than before (was it wiped?): it has forgotten "
                        "its votes and may not take part as the same node");
        return;
    }
    incoming_accept(incoming, peer, &handshake);
}

static void incoming_frame(struct incoming *incoming, struct slice frame)
{
    const struct peers_config *config = &incoming->peers->config;
    if (incoming->peer == NULL) {
        incoming_greeted(incoming, frame);
        return;
    }
    if (frame.size == 0) { /* "I live": say the same */
        peer_send_frame(incoming->connection, frame);
        return;
    }
    config->received(config->context, incoming->peer->node_id, frame);
}

static void on_received(void *context, struct net_connection *connection, struct slice bytes)
{
    struct incoming *incoming = context;
    enum conclave_code code = frame_reader_add(&incoming->frames, bytes);
    if (code != CONCLAVE_OK) {
        net_connection_close(connection, NET_NO_MEMORY);
        return;
    }
    struct slice frame;
    while ((code = frame_reader_next(&incoming->frames, &frame)) == CONCLAVE_OK) {
        incoming_frame(incoming, frame);
        if (net_connection_is_closing(connection)) {
            return;
        }
    }
    if (code != CONCLAVE_NOT_FOUND) {
        LOG_WARN("a connection between nodes sent no frame of ours, or too large a one",
                 FIELD_U64("from", incoming->peer == NULL ? 0 : incoming->peer->node_id));
        net_connection_close(connection, NET_MALFORMED);
        return;
    }
    if (incoming->peer != NULL) {
        peer_saw(incoming->peer);
        net_connection_set_deadline(connection, PEERS_SILENCE_MS);
    }
}

void peers_accepted(void *context, struct net_connection *connection)
{
    struct peers *peers = context;
    if (peers->closing || peers->stranger_count >= PEERS_STRANGERS_MAX) {
        net_connection_close(connection, NET_OK);
        return;
    }
    struct incoming *incoming = memory_allocate_zeroed(1, sizeof *incoming);
    if (incoming == NULL) {
        net_connection_close(connection, NET_NO_MEMORY);
        return;
    }
    incoming->peers = peers;
    incoming->connection = connection;
    frame_reader_init(&incoming->frames, HANDSHAKE_BYTES_MAX);
    incoming->next = peers->incoming;
    peers->incoming = incoming;
    peers->stranger_count++;
    const struct net_events events = {incoming, NULL, on_received, on_closed};
    net_connection_accept(connection, &events);
    net_connection_set_deadline(connection, PEERS_HANDSHAKE_MS);
}
