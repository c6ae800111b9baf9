/* The network of one loop: TCP connections that carry bytes, and listeners that accept them.
 *
 * Happy path: net_dial or a listener makes a connection -> events.opened -> events.received for
 * what comes in, net_connection_send for what goes out -> net_connection_close -> events.closed.
 * What is sent gathers in the connection and leaves by one write a turn of the loop (before it
 * polls). The failure modes: the other side refuses, resets or closes, does not answer in time, or
 * reads so slowly that more than `output_limit_bytes` would wait for it: events.closed says which.
 *
 * Memory: a connection belongs to the network, and is freed after events.closed has returned; until
 * then pointers to it stay valid. No event is called from inside a function of this header, with
 * the exception that net_connection_send and net_connection_close never call any. After
 * net_connection_close nothing but events.closed follows.
 *
 * With certificates (net_set_tls) every connection speaks TLS 1.3: what was sent in a turn leaves
 * in as few records as it needs, and nobody hears of a connection before its handshake is done
 * (connection_tls.c). Without them nothing may leave the machine: addresses are loopback. Framing
 * is on top of this (frame.h).
 *
 * Single-threaded: everything runs on the loop.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <conclave/codes.h>
#include <conclave/limits.h>
#include <uv.h>

#include "base/assert.h"
#include "base/slice.h"
#include "codec/reader.h"
#include "net/address.h"
#include "tls/tls.h"

struct net;
struct net_connection;
struct net_listener;

/* Why a connection ended or never came to be. */
enum net_error {
    NET_OK,          /* closed by us, on purpose */
    NET_CLOSED,      /* the other side closed or reset it */
    NET_REFUSED,     /* nobody listens there */
    NET_TIMED_OUT,   /* a deadline passed */
    NET_UNREACHABLE, /* another failure to connect */
    NET_SLOW_READER, /* it did not read what was sent */
    NET_MALFORMED,   /* it sent what is no message */
    NET_WRONG_CLUSTER,
    NET_UNAUTHORISED,
    NET_NO_MEMORY,
    NET_TLS,         /* it does not speak TLS 1.3, or a record was damaged */
    NET_CERTIFICATE, /* one side did not accept the other's certificate */
    NET_BUSY,        /* its handshake had to make room for newer ones */
    NET_ERROR_COUNT
};

/* "", "closed", "refused", "timed_out", "unreachable", "slow_reader", "malformed", "wrong_cluster",
 * "unauthorised", "no_memory", "tls", "certificate", "busy": static text, as `status` shows it. */
const char *net_error_text(enum net_error error);

struct net_events {
    void *context;
    /* Only for dialled connections: it stands. May be NULL. */
    void (*opened)(void *context, struct net_connection *connection);
    void (*received)(void *context, struct net_connection *connection, struct slice bytes);
    /* The last event; the connection is freed when it returns. */
    void (*closed)(void *context, struct net_connection *connection, enum net_error error);
};

/* --- the network of a loop --- */

/* `before_poll` (may be NULL) is called once a turn, before what was sent leaves and the loop
 * waits: the place for work that a turn's events have gathered. NO_MEMORY. */
enum conclave_code net_open(uv_loop_t *loop, void (*before_poll)(void *context), void *context,
                            struct net **net) MUST_USE;

/* Closes all listeners and connections (with their events), then itself: `closed` is called when
 * all is freed, `net` with it. */
void net_close(struct net *net, void (*closed)(void *context), void *context);

uv_loop_t *net_loop(struct net *net);
uint64_t net_connection_count(const struct net *net);

/* New connections, both ways, speak TLS with this context from now on (held until the next one);
 * those that stand keep theirs. NULL: none do. Both sides of a mesh must agree. */
void net_set_tls(struct net *net, struct tls_context *context);

/* --- listeners --- */

/* A connection came in, and its handshake is done. Call net_connection_accept (then it is yours) or
 * net_connection_close. */
typedef void (*net_accepted)(void *context, struct net_connection *connection);

/* Listens. BAD_VALUE (no address, or not loopback where there is no TLS), BUSY (the address is in
 * use), IO, NO_MEMORY, with `error` set. `output_limit_bytes` is that of the connections to come. A
 * handshake has LIMIT_HANDSHAKE_MS; past LIMIT_HANDSHAKES_A_SECOND connections are closed at once;
 * where more than LIMIT_HALF_OPEN are under way the oldest makes
 * room: an honest one takes milliseconds, and a flood only shortens the patience with itself. */
enum conclave_code net_listen(struct net *net, const char *address, size_t output_limit_bytes,
                              net_accepted accepted, void *context, struct net_listener **listener,
                              struct codec_error *error) MUST_USE;

/* Who connects must show a certificate of the CA; otherwise one is asked for, and need not be
 * there. For connections that come from now on. */
void net_listener_require_certificates(struct net_listener *listener, bool required);

/* Connections to come are of strangers: one that does not take what is sent to it within
 * `stalled_ms` is closed (NET_SLOW_READER), and so are those with most to take when all of them
 * leave more than `total_bytes` lying. */
void net_listener_limit_readers(struct net_listener *listener, uint64_t stalled_ms,
                                size_t total_bytes);

/* Where it listens (for port 0). */
void net_listener_address(const struct net_listener *listener, char text[LIMIT_ADDRESS_BYTES + 1]);

/* Accepts no more. Its memory goes with the loop's next turn. */
void net_listener_close(struct net_listener *listener);

/* --- connections --- */

/* Gives an accepted connection its events and starts reading. */
void net_connection_accept(struct net_connection *connection, const struct net_events *events);

/* Connects within `timeout_ms`, TLS's handshake included. What follows is events.opened, or
 * events.closed. Whoever answers has shown a certificate of the CA that is good for a server: whose
 * it is, is for the caller to look at. BAD_VALUE (no address, or not loopback where there is no
 * TLS), NO_MEMORY. */
enum conclave_code net_dial(struct net *net, const char *address, size_t output_limit_bytes,
                            uint64_t timeout_ms, const struct net_events *events,
                            struct net_connection **connection, struct codec_error *error) MUST_USE;

/* Bytes go out in order. A connection whose unsent bytes would pass its limit is closed instead
 * (NET_SLOW_READER). Does nothing on a connection that is closing. */
void net_connection_send(struct net_connection *connection, struct slice bytes);

/* Takes no more bytes until told otherwise; those of the read under way still come. What else may
 * happen to the connection is heard of later. */
void net_connection_pause(struct net_connection *connection, bool paused);

/* Bytes that are not handed to the system yet. */
size_t net_connection_unsent_bytes(const struct net_connection *connection);

/* Gives up at once; `error` is what events.closed will say. */
void net_connection_close(struct net_connection *connection, enum net_error error);

/* Closes after what was sent is out and the other side has closed too, or after one second. What
 * still comes in is thrown away, so that the other side can read our last words. */
void net_connection_finish(struct net_connection *connection, enum net_error error);

/* Closes with NET_TIMED_OUT in `timeout_ms`, unless set again; 0: no deadline. */
void net_connection_set_deadline(struct net_connection *connection, uint64_t timeout_ms);

bool net_connection_is_closing(const struct net_connection *connection);

/* Is it encrypted? */
bool net_connection_is_secure(const struct net_connection *connection);

/* Whom the other side has shown to be; NULL: no certificate. Valid until events.closed returns. */
const struct certificate *net_connection_peer(const struct net_connection *connection);

/* tls_binding of the connection; false without TLS. */
bool net_connection_binding(const struct net_connection *connection,
                            uint8_t binding[TLS_BINDING_BYTES]) MUST_USE;

/* A sentence for NET_TLS and NET_CERTIFICATE, "" for the others; valid likewise. */
const char *net_connection_reason(const struct net_connection *connection);

#endif
