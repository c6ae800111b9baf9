/* Dialling a peer: WAITING -> DIALLING -> GREETING -> READY, and from each back to WAITING. */
#include "base/logger.h"
#include "codec/writer.h"
#include "net/peers_internal.h"

#include <stdio.h>

static void on_timer(uv_timer_t *timer);

void peer_dial_after(struct peer *peer, uint64_t delay_ms)
{
    ASSERT(peer->state == PEER_WAITING);
    int rv = uv_timer_start(&peer->timer, on_timer, delay_ms, 0);
    ASSERT(rv == 0);
}

void peer_dial_soon(struct peer *peer)
{
    peer->failures = 0;
    if (peer->state == PEER_WAITING) {
        peer_dial_after(peer, 0);
    }
}

/* Half of the backoff for certain, half by chance, so that nodes do not dial in step. */
static uint64_t backoff_ms(struct peer *peer)
{
    uint64_t delay = PEERS_BACKOFF_MAX_MS;
    if (peer->failures < 5) {
        delay = (uint64_t)PEERS_BACKOFF_MIN_MS << peer->failures;
    }
    delay = delay > PEERS_BACKOFF_MAX_MS ? PEERS_BACKOFF_MAX_MS : delay;
    return delay / 2 + random_next(peer->peers->config.random) % (delay / 2 + 1);
}

static void peer_failed(struct peer *peer, enum net_error error)
{
    memcpy(peer->reason, peer->reason_now, sizeof peer->reason);
    peer->state = PEER_WAITING;
    if (!peer->seated) {
        return;
    }
    if (!peer->error_told || peer->error != error) {
        LOG_WARN("a peer is not connected", FIELD_U64("peer", peer->node_id),
                 FIELD_TEXT("address", peer->address), FIELD_TEXT("why", net_error_text(error)),
                 FIELD_TEXT("reason", peer->reason));
    }
    peer->error_told = true;
    peer->error = error;
    peer_dial_after(peer, backoff_ms(peer));
    peer->failures++;
}

static void on_closed(void *context, struct net_connection *connection, enum net_error error)
{
    struct peer *peer = context;
    ASSERT(peer->outgoing == connection);
    peer->outgoing = NULL;
    peer->peers->open--;
    if (peer->state == PEER_ENDED) {
        peers_check_closed(peer->peers);
        return;
    }
    if (net_connection_reason(connection)[0] != '\0') {
        (void)snprintf(peer->reason_now, sizeof peer->reason_now, "%s",
                       net_connection_reason(connection));
    }
    bool stood = peer->state == PEER_READY;
    peer_failed(peer, error);
    if (stood) {
        peer_check_lost(peer);
    }
}

static void on_opened(void *context, struct net_connection *connection)
{
    struct peer *peer = context;
    const struct peers *peers = peer->peers;
    const char *wrong = peers_check_certificate(peers, connection, peer->node_id);
    if (wrong != NULL) {
        (void)snprintf(peer->reason_now, sizeof peer->reason_now, "%s; check the addresses", wrong);
        net_connection_close(connection, NET_CERTIFICATE);
        return;
    }
    struct handshake handshake = {.from = peers->config.node_id, .to = peer->node_id};
    memcpy(handshake.cluster_id, peers->config.cluster_id, HANDSHAKE_ID_BYTES);
    handshake.disk = peers->config.disk;
    memcpy(handshake.program_version, peers->program_version, sizeof peers->program_version);
    handshake.token_size = peers->config.token.size;
    memcpy(handshake.token, peers->token, sizeof handshake.token);

    struct buffer buffer;
    buffer_init(&buffer, HANDSHAKE_BYTES_MAX);
    handshake_write(&buffer, &handshake);
    if (buffer.status != CONCLAVE_OK) {
        net_connection_close(connection, NET_NO_MEMORY);
    } else {
        peer->state = PEER_GREETING;
        peer_send_frame(connection, buffer_slice(&buffer));
        net_connection_set_deadline(connection, PEERS_HANDSHAKE_MS);
    }
    buffer_close(&buffer);
}

static bool takes_no_part(const char *code)
{
    return strcmp(code, STALE_DISK) == 0 || strcmp(code, REMOVED) == 0;
}

static enum net_error error_of_answer(const char *code)
{
    if (strcmp(code, "wrong_cluster") == 0) {
        return NET_WRONG_CLUSTER;
    }
    return strcmp(code, "unauthorised") == 0 || takes_no_part(code) ? NET_UNAUTHORISED
                                                                    : NET_MALFORMED;
}

static void peer_answered(struct peer *peer, struct slice frame)
{
    struct handshake_answer answer;
    if (handshake_answer_read(frame, &answer) != CONCLAVE_OK) {
        net_connection_close(peer->outgoing, NET_MALFORMED);
        return;
    }
    if (strcmp(answer.code, "ok") != 0) {
        enum net_error error = error_of_answer(answer.code);
        if (!peer->error_told || peer->error != error ||
            strcmp(peer->reason, answer.sentence) != 0) {
            LOG_WARN("a peer refuses this node", FIELD_U64("peer", peer->node_id),
                     FIELD_TEXT("code", answer.code), FIELD_TEXT("reason", answer.sentence));
        }
        peer->refused = strcmp(answer.code, STALE_DISK) == 0;
        peer->removed = strcmp(answer.code, REMOVED) == 0;
        if (takes_no_part(answer.code)) {
            memcpy(peer->refusal, answer.sentence, sizeof peer->refusal);
        }
        memcpy(peer->reason_now, answer.sentence, sizeof peer->reason_now);
        net_connection_close(peer->outgoing, error);
        return;
    }
    peer->state = PEER_READY;
    peer->refused = peer->removed = false;
    peer->reason[0] = '\0';
    peer->failures = 0;
    peer->error = NET_OK;
    peer->error_told = false;
    LOG_INFO("connected to a peer", FIELD_U64("peer", peer->node_id),
             FIELD_TEXT("address", peer->address));
    int rv = uv_timer_start(&peer->timer, on_timer, PEERS_KEEPALIVE_MS, PEERS_KEEPALIVE_MS);
    ASSERT(rv == 0);
}

static void on_received(void *context, struct net_connection *connection, struct slice bytes)
{
    struct peer *peer = context;
    enum conclave_code code = frame_reader_add(&peer->answers, bytes);
    if (code != CONCLAVE_OK) {
        net_connection_close(connection, NET_NO_MEMORY);
        return;
    }
    struct slice frame;
    while ((code = frame_reader_next(&peer->answers, &frame)) == CONCLAVE_OK) {
        if (peer->state == PEER_GREETING) {
            peer_answered(peer, frame);
        } else if (frame.size > 0) { /* only empty ones come this way */
            net_connection_close(connection, NET_MALFORMED);
        }
        if (net_connection_is_closing(connection)) {
            return;
        }
        peer_saw(peer);
        net_connection_set_deadline(connection, PEERS_SILENCE_MS);
    }
    if (code != CONCLAVE_NOT_FOUND) {
        net_connection_close(connection, NET_MALFORMED);
    }
}

static void peer_dial(struct peer *peer)
{
    const struct net_events events = {peer, on_opened, on_received, on_closed};
    struct codec_error error;
    peer->reason_now[0] = '\0';
    buffer_clear(&peer->answers.input);
    peer->answers.consumed = 0;
    enum conclave_code code = net_dial(peer->peers->config.net, peer->address, PEERS_OUTPUT_BYTES,
                                       PEERS_DIAL_MS, &events, &peer->outgoing, &error);
    if (code != CONCLAVE_OK) {
        peer_failed(peer, code == CONCLAVE_NO_MEMORY ? NET_NO_MEMORY : NET_UNREACHABLE);
        return;
    }
    peer->state = PEER_DIALLING;
    peer->peers->open++;
}

static void on_timer(uv_timer_t *timer)
{
    struct peer *peer = timer->data;
    if (peer->state == PEER_READY) {
        peer_send_frame(peer->outgoing, slice_of(NULL, 0));
    } else if (peer->state == PEER_WAITING) {
        peer_dial(peer);
    }
}
