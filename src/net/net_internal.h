/* What net.c, listener.c and connection.c share. Nobody else includes this. */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include "base/buffer.h"
#include "net/net.h"

struct net {
    uv_loop_t *loop;
    uv_prepare_t prepare; /* runs before the loop polls: flushes */
    void (*before_poll)(void *context);
    void *before_poll_context;
    struct net_connection *connections; /* all, linked by next and previous */
    struct net_connection *dirty;       /* those with something to flush */
    struct net_listener *listeners;
    uint64_t connection_count;
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
    struct net_listener *next;
};

/*   CONNECTING -> OPEN -> FINISHING -> LINGERING -> CLOSING; from each to CLOSING.
 *   OFFERED (accepted by the listener, not yet by its owner) -> OPEN. */
enum connection_state {
    CONNECTION_CONNECTING,
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
    struct buffer pending; /* to be written */
    struct buffer writing; /* under way in `write`; empty when none is */
    size_t output_limit_bytes;
    bool end_read; /* the other side has closed */
    bool dirty;
    struct net_connection *dirty_next;
    struct net_connection *next, *previous;
};

/* A connection with its handles; it is in `net->connections`. NULL when there is no memory. */
struct net_connection *connection_create(struct net *net, size_t output_limit_bytes) MUST_USE;
void connection_flush(struct net_connection *connection);

/* Ends the net when it is closing and all is gone. */
void net_check_closed(struct net *net);

#endif
