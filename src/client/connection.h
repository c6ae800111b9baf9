/* One TCP connection to a node, encrypted where there is a CA to trust: connect, send and receive
 * whole MessagePack values, each with a deadline on the monotonic clock.
 *
 * The happy path is client_connection_open -> client_connection_send -> client_connection_receive.
 * The failure modes are: nobody listens (UNREACHABLE), the deadline passes (UNKNOWN_OUTCOME; the
 * connection stays usable when it was receiving, and is closed when it was sending, since half a
 * value may be out), the node closes (UNREACHABLE, closed here too), bytes that are no MessagePack
 * or a value larger than a frame may be (BAD_REQUEST, closed here too). With TLS: a handshake that
 * fails is UNREACHABLE with the reason, and `distrusted` when a certificate was the reason.
 *
 * The node must show a certificate of the CA that is that of a node, or that names the host that
 * was dialled. Without a CA only loopback addresses are dialled.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <conclave/codes.h>

#include "base/buffer.h"
#include "client/address.h"
#include "codec/reader.h"
#include "tls/tls.h"

#define CLIENT_WHY_BYTES 256u

struct client_connection {
    int fd;               /* -1 when closed */
    struct tls *tls;      /* NULL: not encrypted */
    struct buffer output; /* of TLS, for the socket */
    bool heard;           /* the node has answered something */
    bool distrusted;      /* the last failure: a certificate, theirs or ours, was refused */
    bool unheard;         /* and the node has looked at nothing that was sent */
    struct buffer input;
    size_t consumed; /* bytes of the value handed out last */
    struct codec_scan scan;
    char why[CLIENT_WHY_BYTES]; /* of the last failure, for people: "connection refused" */
};

uint64_t client_now_ms(void);

void client_connection_init(struct client_connection *connection);
void client_connection_close(struct client_connection *connection);
bool client_connection_is_open(const struct client_connection *connection);

/* The TLS exporter value of the connection (RFC 9266, `tls-exporter`); false without TLS. */
bool client_connection_binding(const struct client_connection *connection, uint8_t binding[32]);

/* Closes a connection that the node has closed meanwhile: one that was idle between two requests.
 */
void client_connection_check(struct client_connection *connection);

/* UNREACHABLE with `why`; NO_MEMORY. The connection must be closed. `context` NULL: no TLS. */
enum conclave_code client_connection_open(struct client_connection *connection,
                                          const struct client_address *address,
                                          struct tls_context *context, uint64_t deadline_ms)
    MUST_USE;

/* Sends all of `bytes`. Any failure closes the connection. `sent_any` tells whether the node may
 * have received some of them. */
enum conclave_code client_connection_send(struct client_connection *connection, struct slice bytes,
                                          uint64_t deadline_ms, bool *sent_any) MUST_USE;

/* The next value; valid until the next call on the connection. */
enum conclave_code client_connection_receive(struct client_connection *connection,
                                             uint64_t deadline_ms, struct slice *value) MUST_USE;

#endif
