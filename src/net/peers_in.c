/* Answering peers: a stranger says who it is; once accepted, its frames are messages. */
#include "base/logger.h"
#include "base/memory.h"
#include "base/mutant.h"
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
    struct peer *ended = NULL;
    if (incoming->waiting_of != NULL) {
        incoming->waiting_of->greeted = NULL;
    }
    if (incoming->peer == NULL) {
        peers->stranger_count--;
    } else if (incoming->peer->incoming == incoming) {
        ended = incoming->peer;
        ended->incoming = NULL;
        LOG_INFO("a peer's connection ended", FIELD_U64("peer", ended->node_id),
                 FIELD_TEXT("why", net_error_text(error)));
        peer_check_lost(ended);
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

static void incoming_accept(struct incoming *incoming, struct peer *peer)
{
    struct peers *peers = incoming->peers;
    if (peer->incoming != NULL) {
        net_connection_close(peer->incoming->connection, NET_OK);
    }
    peer->incoming = incoming;
    incoming->peer = peer;
    peers->stranger_count--;
    incoming->frames.size_max = LIMIT_PEER_FRAME_BYTES;
    LOG_INFO("a peer connected", FIELD_U64("peer", peer->node_id),
             FIELD_TEXT("version", incoming->version));
    incoming_answer(incoming, "ok", "");
    peer_saw(peer);
    net_connection_set_deadline(incoming->connection, PEERS_SILENCE_MS);
    peer_dial_soon(peer);
}

/* The disk is new to us, or was started again: it is accepted when that is durable. While one start
 * of a node is being remembered another connection of it comes too early, and is to come again. */
static void incoming_remember(struct incoming *incoming, struct peer *peer,
                              const struct disk_shown *shown)
{
    const struct peers_config *config = &incoming->peers->config;
    if (peer->remembering) {
        net_connection_close(incoming->connection, NET_BUSY);
        return;
    }
    disk_remember(shown, &peer->newer);
    peer->remembering = true;
    peer->greeted = incoming;
    incoming->waiting_of = peer;
    if (config->remember == NULL) {
        peers_remembered(incoming->peers, peer->node_id, CONCLAVE_OK);
        return;
    }
    const struct peers_disk disk = {.node_id = peer->node_id, .disk = peer->newer};
    config->remember(config->context, &disk);
}

void peers_remembered(struct peers *peers, uint64_t node_id, enum conclave_code code)
{
    ASSERT(peers != NULL);
    struct peer *peer = peers_find_any(peers, node_id);
    ASSERT(peer != NULL && peer->remembering);
    struct incoming *incoming = peer->greeted;
    peer->remembering = false;
    peer->greeted = NULL;
    if (code == CONCLAVE_OK) {
        peer->disk_known = true;
        peer->disk = peer->newer;
    }
    if (incoming == NULL) {
        return; /* it has gone meanwhile */
    }
    incoming->waiting_of = NULL;
    if (peers->closing || net_connection_is_closing(incoming->connection)) {
        return;
    }
    if (!peer->seated) {
        net_connection_close(incoming->connection, NET_OK);
    } else if (code == CONCLAVE_OK) {
        incoming_accept(incoming, peer);
    } else {
        incoming_refuse(incoming, node_id, NET_OK, conclave_code_name(code),
                        "this node could not write down which disk the other has");
    }
}

static void incoming_judge(struct incoming *incoming, struct peer *peer,
                           const struct handshake *handshake)
{
    char sentence[HANDSHAKE_SENTENCE_BYTES];
    const struct peers_config *config = &incoming->peers->config;
    memcpy(incoming->version, handshake->program_version, sizeof incoming->version);
    if (!peer->disk_known && config->vouched != NULL &&
        !config->vouched(config->context, peer->node_id,
                         slice_of(handshake->token, handshake->token_size))) {
        (void)snprintf(sentence, sizeof sentence,
                       "node %llu joins with the token of its ticket, which it did not show: start "
                       "it with conclaved --join and the newest ticket for it",
                       (unsigned long long)peer->node_id);
        incoming_refuse(incoming, peer->node_id, NET_UNAUTHORISED, "unauthorised", sentence);
        return;
    }
    enum disk_verdict verdict =
        peer->disk_known && !MUTANT(36) ? disk_judge(&peer->disk, &handshake->disk) : DISK_NEWER;
    switch (verdict) {
    case DISK_SAME:
        incoming_accept(incoming, peer);
        return;
    case DISK_NEWER:
        incoming_remember(incoming, peer, &handshake->disk);
        return;
    default:
        disk_sentence(verdict, peer->node_id, &peer->disk, &handshake->disk, sentence,
                      sizeof sentence);
        incoming_refuse(incoming, peer->node_id, NET_UNAUTHORISED, STALE_DISK, sentence);
    }
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
                            ? "this node speaks version 2 of the protocol between nodes"
                            : "not a greeting of a node");
        return;
    }
    if (!MUTANT(35) && memcmp(handshake.cluster_id, config->cluster_id, HANDSHAKE_ID_BYTES) != 0) {
        char mine[2 * HANDSHAKE_ID_BYTES + 1];
        sodium_bin2hex(mine, sizeof mine, config->cluster_id, HANDSHAKE_ID_BYTES);
        (void)snprintf(sentence, sizeof sentence, "this node is of the cluster %s", mine);
        incoming_refuse(incoming, handshake.from, NET_WRONG_CLUSTER, "wrong_cluster", sentence);
        return;
    }
    const char *wrong =
        peers_check_certificate(incoming->peers, incoming->connection, handshake.from);
    if (wrong != NULL) {
        incoming_refuse(incoming, handshake.from, NET_CERTIFICATE, "unauthorised", wrong);
        return;
    }
    bool called = MUTANT(39) || handshake.to == config->node_id;
    struct peer *peer = called ? peers_find(incoming->peers, handshake.from) : NULL;
    if (peer == NULL && called && peers_find_any(incoming->peers, handshake.from) != NULL) {
        (void)snprintf(sentence, sizeof sentence, "node %llu was removed from the cluster: stop it",
                       (unsigned long long)handshake.from);
        incoming_refuse(incoming, handshake.from, NET_UNAUTHORISED, REMOVED, sentence);
        return;
    }
    if (peer == NULL) {
        (void)snprintf(sentence, sizeof sentence,
                       "this is node %llu, and node %llu called node %llu; check the addresses",
                       (unsigned long long)config->node_id, (unsigned long long)handshake.from,
                       (unsigned long long)handshake.to);
        incoming_refuse(incoming, handshake.from, NET_UNAUTHORISED, "unauthorised", sentence);
        return;
    }
    incoming_judge(incoming, peer, &handshake);
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
        if (incoming->waiting_of != NULL) { /* it has no answer yet, and nothing to say */
            net_connection_close(connection, NET_MALFORMED);
        } else {
            incoming_frame(incoming, frame);
        }
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
    const char *wrong = peers_check_certificate(peers, connection, 0);
    if (wrong != NULL) { /* not one byte of it is decoded */
        LOG_WARN("a connection between nodes was refused", FIELD_TEXT("reason", wrong));
        net_connection_close(connection, NET_CERTIFICATE);
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
