/* TLS on a connection: the handshake, decrypting what came, encrypting what goes.
 *
 * Happy path: connection_secure -> bytes of the handshake both ways -> the owner hears of the
 * connection (a listener's owner by `accepted`, a dialler by events.opened) -> records. The failure
 * modes: the handshake takes too long (the deadline), or must make room (listener.c), or fails, or
 * a record does: then the alert that OpenSSL has written still goes out, and what
 * net_connection_reason says goes into the log.
 *
 * Memory: a connection that came in costs its socket until its first byte; OpenSSL's own buffers
 * are given back whenever they are empty.
 */
#include "base/logger.h"
#include "net/net_internal.h"

/* Encrypted at once, at most: a long output leaves in parts, so that it is not there twice. */
#define SEAL_BYTES 1048576u
#define KEEP_BYTES 16384u /* an empty buffer larger than this is given back */
/* Deciphered at once: one for all, as read_bytes of connection.c is. */
static _Thread_local uint8_t plain_bytes[65536];

static void fail(struct net_connection *connection)
{
    enum net_error error = tls_failed_by_certificate(connection->tls) ? NET_CERTIFICATE : NET_TLS;
    if (connection->sealed.status != CONCLAVE_OK) {
        net_connection_close(connection, NET_NO_MEMORY);
        return;
    }
    if (connection->listener != NULL) { /* its owner has not heard of it */
        LOG_INFO("a handshake failed", FIELD_TEXT("why", net_error_text(error)),
                 FIELD_TEXT("reason", tls_reason(connection->tls)));
        listener_remove_half_open(connection);
    }
    buffer_clear(&connection->pending);
    if (connection->sealed.size == 0) {
        net_connection_close(connection, error);
        return;
    }
    if (connection->state < CONNECTION_FINISHING) { /* the alert goes out yet */
        connection_finish(connection, error);
    }
}

static bool open_tls(struct net_connection *connection)
{
    ASSERT(connection->tls == NULL && connection->net->tls != NULL);
    enum tls_role role = connection->listener == NULL                  ? TLS_CLIENT
                         : connection->listener->certificates_required ? TLS_SERVER_MUTUAL
                                                                       : TLS_SERVER;
    connection->tls = tls_open(connection->net->tls, role, &connection->sealed);
    if (connection->tls == NULL) {
        net_connection_close(connection, NET_NO_MEMORY);
        return false;
    }
    return true;
}

/* The handshake is done: the owner hears of it. */
static void secured(struct net_connection *connection)
{
    struct net_listener *listener = connection->listener;
    net_connection_set_deadline(connection, 0);
    if (listener != NULL) {
        listener_remove_half_open(connection);
        connection->state = CONNECTION_OFFERED;
        listener->accepted(listener->context, connection);
        ASSERT(connection->state != CONNECTION_OFFERED);
    } else {
        connection->state = CONNECTION_OPEN;
        if (connection->events.opened != NULL) {
            connection->events.opened(connection->events.context, connection);
        }
    }
}

static void shake_hands(struct net_connection *connection)
{
    ASSERT(connection->state == CONNECTION_SECURING);
    enum tls_status status = tls_handshake(connection->tls);
    if (status == TLS_DONE) {
        secured(connection);
    } else if (status == TLS_FAILED) {
        fail(connection);
    }
    if (connection->state != CONNECTION_CLOSING) {
        connection_mark_dirty(connection);
    }
}

void connection_secure(struct net_connection *connection, struct net_listener *listener)
{
    ASSERT(connection != NULL && connection->net->tls != NULL);
    connection->secure = true;
    connection->state = CONNECTION_SECURING;
    if (listener != NULL) {
        listener_add_half_open(listener, connection);
        net_connection_set_deadline(connection, LIMIT_HANDSHAKE_MS);
    }
    connection_start(connection);
    if (listener == NULL && connection->state == CONNECTION_SECURING && open_tls(connection)) {
        shake_hands(connection);
    }
}

void connection_decrypt(struct net_connection *connection, struct slice bytes)
{
    if (connection->state >= CONNECTION_FINISHING ||
        (connection->tls == NULL && !open_tls(connection))) {
        return; /* what comes after our last word is not looked at */
    }
    tls_input(connection->tls, bytes);
    if (connection->state == CONNECTION_SECURING) {
        shake_hands(connection);
    }
    while (connection->state == CONNECTION_OPEN) {
        size_t got;
        enum tls_status status = tls_read(connection->tls, plain_bytes, sizeof plain_bytes, &got);
        if (got > 0) {
            connection->events.received(connection->events.context, connection,
                                        slice_of(plain_bytes, got));
        }
        if (status == TLS_FAILED && connection->state == CONNECTION_OPEN) {
            fail(connection);
        } else if (status == TLS_CLOSED) {
            net_connection_close(connection, NET_CLOSED);
        }
        if (status != TLS_DONE) {
            break;
        }
    }
    if (connection->sealed.size > 0 && connection->state != CONNECTION_CLOSING) {
        connection_mark_dirty(connection); /* TLS has answered by itself */
    }
}

void connection_seal(struct net_connection *connection)
{
    struct buffer *pending = &connection->pending;
    if (connection->state == CONNECTION_SECURING || connection->sealed.size > SEAL_BYTES) {
        return;
    }
    if (pending->size > 0) {
        size_t part = pending->size < SEAL_BYTES ? pending->size : SEAL_BYTES;
        if (tls_write(connection->tls, slice_of(pending->data, part)) != TLS_DONE) {
            fail(connection);
            return;
        }
        buffer_consume(pending, part);
        if (pending->size == 0 && pending->capacity > KEEP_BYTES) {
            buffer_close(pending);
        }
    }
    if (connection->state == CONNECTION_FINISHING && pending->size == 0 && !connection->end_said) {
        connection->end_said = true;
        tls_end(connection->tls);
    }
}
