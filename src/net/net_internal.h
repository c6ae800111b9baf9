/* What net.c, listener.c and connection.c share. Nobody else includes this. */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include "base/buffer.h"
#include "base/rate.h"
#include "net/net.h"
#include "tls/tls.h"

struct net {
    uv_loop_t *loop;
    uv_prepare_t prepare; /* runs before the loop polls: flushes */
    void (*before_poll)(void *context);
    void *before_poll_context;
    struct net_connection *connections; /* all, linked by next and previous */
    struct net_connection *dirty;       /* those with something to flush */
    struct net_listener *listeners;
    struct tls_context *tls; /* of connections to come; NULL: they are not encrypted */
    uint64_t connection_count;
    uint64_t swept_ms; /* when stalled readers were looked for last */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

struct net_listener {
    struct net *net;
    uv_tcp_t tcp;
    size_t output_limit_bytes;
    net_accepted accepted;
    void *context;
    bool certificates_required;
    uint64_t stalled_ms; /* of strangers' connections; 0: no limit */
    size_t total_bytes;
    struct rate_bucket handshakes;
    /* Handshakes under way, the oldest first. */
    struct net_connection *half_open, *half_open_last;
    unsigned half_open_count;
    uint64_t turned_away;         /* half-open connections that had to make room */
    uint64_t turned_away_told_ms; /* when the log heard of it last */
    struct net_listener *next;
};

/*   dialled: CONNECTING [-> SECURING] -> OPEN
 *   accepted: [SECURING ->] OFFERED (by the listener to its owner) -> OPEN
 *   OPEN -> FINISHING -> LINGERING -> CLOSING; from each to CLOSING. SECURING is the handshake of
 *   TLS; it goes to FINISHING when it fails and the other side is to hear why. */
enum connection_state {
    CONNECTION_CONNECTING,
    CONNECTION_SECURING,
    CONNECTION_OFFERED,
    CONNECTION_OPEN,
    CONNECTION_FINISHING, /* the rest of the output goes out */
    CONNECTION_LINGERING, /* our side is shut, theirs is read and thrown away */
    CONNECTION_CLOSING
};

struct net_connection {
    struct net *net;
    uv_tcp_t tcp;
    uv_timer_t timer;
    unsigned handles; /* still to be closed */
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct net_events events;
    enum connection_state state;
    enum net_error error;  /* what `closed` will say */
    struct buffer pending; /* to be sent */
    struct buffer sealed;  /* the same encrypted, and TLS's own messages; unused without TLS */
    struct buffer writing; /* under way in `write`; empty when none is */
    bool secure;           /* TLS is spoken */
    struct tls *tls;       /* NULL without TLS, and until the first byte came where we listen */
    struct net_listener *listener; /* while its handshake is under way there, else NULL */
    struct net_connection *half_open_next, *half_open_previous;
    size_t output_limit_bytes;
    uint64_t stalled_ms;  /* of a stranger: the most a write may take; 0: no limit */
    size_t total_bytes;   /* of all strangers' outputs */
    uint64_t write_at_ms; /* when `write` began */
    bool paused;          /* nothing is read */
    bool end_read;        /* the other side has closed */
    bool end_said;        /* TLS has said that we end */
    bool dirty;
    struct net_connection *dirty_next;
    struct net_connection *next, *previous;
};

/* A connection with its handles; it is in `net->connections`. NULL when there is no memory. */
struct net_connection *connection_create(struct net *net, size_t output_limit_bytes) MUST_USE;
void connection_flush(struct net_connection *connection);
void connection_mark_dirty(struct net_connection *connection);

/* Starts reading. */
void connection_start(struct net_connection *connection);

/* FINISHING, from any state before it. */
void connection_finish(struct net_connection *connection, enum net_error error);

/* connection_tls.c: begins with TLS on a connection that stands; `listener` is where it came in,
 * NULL where we dialled. Decrypts what came; encrypts a part of `pending`; ends politely. */
void connection_secure(struct net_connection *connection, struct net_listener *listener);
void connection_decrypt(struct net_connection *connection, struct slice bytes);
void connection_seal(struct net_connection *connection);

/* Once a second: closes readers that are too slow. */
void connections_sweep(struct net *net);

/* listener.c: the handshakes under way. */
void listener_add_half_open(struct net_listener *listener, struct net_connection *connection);
void listener_remove_half_open(struct net_connection *connection);

/* Ends the net when it is closing and all is gone. */
void net_check_closed(struct net *net);

#endif
