/* What peers.c (the mesh), peers_out.c (dialling) and peers_in.c (answering) share. */
#ifndef NET_PEERS_INTERNAL_H
#define NET_PEERS_INTERNAL_H

#include "net/frame.h"
#include "net/peers.h"

#define PEERS_OUTPUT_BYTES   (2u * LIMIT_PEER_FRAME_BYTES + 4096u) /* unsent to one peer */
#define PEERS_STRANGERS_MAX  32u   /* connections that have not said who they are */
#define PEERS_DIAL_MS        1000u /* to connect */
#define PEERS_HANDSHAKE_MS   2000u /* to greet, or to answer that */
#define PEERS_KEEPALIVE_MS   1000u /* between empty frames */
#define PEERS_SILENCE_MS     5000u /* without a byte: given up */
#define PEERS_BACKOFF_MIN_MS 50u
#define PEERS_BACKOFF_MAX_MS 1000u

enum peer_state {
    PEER_WAITING, /* for the timer to dial */
    PEER_DIALLING,
    PEER_GREETING,
    PEER_READY,
    PEER_ENDED /* the mesh closes */
};

/* Another node. */
struct peer {
    struct peers *peers;
    uint64_t node_id;
    char address[LIMIT_ADDRESS_BYTES + 1];

    /* What we dialled. */
    enum peer_state state;
    struct net_connection *outgoing; /* NULL while WAITING */
    struct frame_reader answers;
    uv_timer_t timer; /* WAITING: when to dial; READY: when to say that we live */
    unsigned failures;
    enum net_error error;
    bool error_told; /* in the log */
    uint64_t dropped;

    /* What it dialled. */
    struct incoming *incoming;
    bool disk_known;
    uint8_t disk_id[HANDSHAKE_ID_BYTES];
    bool seen;
    uint64_t last_seen_ms;
};

/* A connection that somebody made to us. */
struct incoming {
    struct peers *peers;
    struct peer *peer; /* NULL until the handshake was accepted */
    struct net_connection *connection;
    struct frame_reader frames;
    struct incoming *next;
};

struct peers {
    struct peers_config config; /* its nodes are not used after peers_open */
    char program_version[HANDSHAKE_VERSION_BYTES + 1];
    struct peer peers[LIMIT_NODES];
    unsigned peer_count;
    struct net_listener *listener;
    struct incoming *incoming;
    unsigned stranger_count;
    uv_timer_t anchor; /* never started: what makes `closed` come later for a mesh of one, too */
    unsigned open;     /* timers and connections still to be closed */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

struct peer *peers_find(struct peers *peers, uint64_t node_id);
void peer_saw(struct peer *peer);
void peers_check_closed(struct peers *peers);

/* peers_out.c */
void peer_dial_after(struct peer *peer, uint64_t delay_ms);
void peer_dial_soon(struct peer *peer); /* it lives: do not wait out the backoff */
void peer_send_frame(struct net_connection *connection, struct slice message);

/* peers_in.c */
void peers_accepted(void *context, struct net_connection *connection);

#endif
