/* TLS 1.3 (RFC 8446) by OpenSSL, as a machine between bytes and bytes: what came from the socket
 * goes in, what must go to the socket is appended to a buffer. It knows no sockets and no loop, so
 * that nodes (src/net, libuv) and clients (src/client, blocking) share it.
 *
 * A context holds what one side shows and whom it trusts; connections keep the context that they
 * began with, so that certificates are changed without a stop: new connections get a new context.
 *
 * Happy path: tls_open -> tls_handshake, with tls_input as bytes come -> TLS_DONE -> tls_write and
 * tls_read -> tls_end -> tls_close. The failure modes: the other side is no TLS 1.3, its
 * certificate is refused, it refuses ours, a record is damaged, memory is out: TLS_FAILED, and
 * tls_reason says it in a sentence. What then stands in the output is the alert that tells the
 * other side.
 *
 * What is not there: TLS 1.2 and before, tickets and resumption (a handshake a connection is cheap
 * beside the life of a connection, and nothing of an old certificate lives on), early data,
 * compression, renegotiation.
 */
#ifndef TLS_TLS_H
#define TLS_TLS_H

#include "base/buffer.h"
#include "tls/certificate.h"

struct tls;
struct tls_context;

/* --- contexts --- */

struct tls_files {
    const char *ca;          /* PEM: one or more certificates, all trusted */
    const char *certificate; /* PEM: ours, and what stands between it and the CA; NULL: none */
    const char *key;         /* PEM: its key, readable by its owner only; NULL: none */
};

/* Reads and checks the files: they are there and PEM, the key is closed to others and is the
 * certificate's, and the certificate is of the CA and within its time. CONFIG, with `error` saying
 * which file and what to do; NO_MEMORY; INTERNAL. */
enum conclave_code tls_context_open(const struct tls_files *files, struct tls_context **context,
                                    struct tls_error *error) MUST_USE;

/* A context lives as long as somebody holds it: its opener, and each connection. */
void tls_context_hold(struct tls_context *context);
void tls_context_release(struct tls_context *context);

/* Our own certificate; NULL when there is none. */
const struct certificate *tls_context_certificate(const struct tls_context *context);

/* When the first of the CA's certificates ends, ms since 1970. */
uint64_t tls_context_ca_expires_ms(const struct tls_context *context);

/* --- connections --- */

enum tls_role {
    TLS_CLIENT,       /* begins; the other side must show a certificate that is good for a server */
    TLS_SERVER,       /* asks for a certificate, and takes what is good for a client, or none */
    TLS_SERVER_MUTUAL /* ends the handshake when none is shown */
};

enum tls_status {
    TLS_DONE,
    TLS_MORE,   /* more bytes must come first */
    TLS_CLOSED, /* the other side has said that it ends */
    TLS_FAILED  /* tls_reason says why; nothing works any more */
};

/* `output` gets the bytes for the socket and must outlive the connection; when it fails (its limit,
 * no memory) the connection does. NULL: no memory. */
struct tls *tls_open(struct tls_context *context, enum tls_role role, struct buffer *output)
    MUST_USE;
void tls_close(struct tls *tls);

/* Bytes of the socket: they must stay valid until tls_handshake or tls_read says TLS_MORE, which
 * means that all are used. There must be none left of the last time. */
void tls_input(struct tls *tls, struct slice bytes);

/* Goes on with the handshake. DONE, MORE, FAILED. */
enum tls_status tls_handshake(struct tls *tls) MUST_USE;

/* Fills `data` as far as what came allows; `got` is how far, with each status: MORE (all input is
 * used), DONE (`data` is full, or nearly), CLOSED, FAILED. */
enum tls_status tls_read(struct tls *tls, uint8_t *data, size_t size, size_t *got) MUST_USE;

/* Encrypts into the output: as few records as the bytes need. DONE or FAILED. */
enum tls_status tls_write(struct tls *tls, struct slice bytes) MUST_USE;

/* Says that we end (close_notify). */
void tls_end(struct tls *tls);

/* Why it failed: a sentence without a subject, "the certificate of the other side has expired". */
const char *tls_reason(const struct tls *tls);

/* It failed by a certificate, theirs or ours, and not by TLS itself. */
bool tls_failed_by_certificate(const struct tls *tls);

/* The other side refused the handshake: it has looked at nothing that came after it. */
bool tls_was_refused(const struct tls *tls);

/* What only the two ends of this connection know, the same to both: the `tls-exporter` channel
 * binding of RFC 9266. After the handshake; false when it cannot be had (no memory). */
#define TLS_BINDING_BYTES 32u
bool tls_binding(const struct tls *tls, uint8_t binding[TLS_BINDING_BYTES]) MUST_USE;

/* Whom the other side has shown to be, after the handshake; NULL: no certificate. */
const struct certificate *tls_peer(const struct tls *tls);

/* Does the certificate of the other side name this host (a DNS name or an IP address)? */
bool tls_peer_names(const struct tls *tls, const char *host);

#endif
