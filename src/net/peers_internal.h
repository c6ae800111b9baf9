/* What peers.c (the mesh), peers_out.c (dialling) and peers_in.c (answering) share. */
#ifndef NET_PEERS_INTERNAL_H
#define NET_PEERS_INTERNAL_H

#include "net/frame.h"
#include "net/peers.h"

/* In answers: the caller must not take part. */
#define STALE_DISK           "stale_disk"
#define REMOVED              "removed"
#define PEERS_OUTPUT_BYTES   (2u * LIMIT_PEER_FRAME_BYTES + 4096u) /* unsent to one peer */
#define PEERS_STRANGERS_MAX  32u   /* connections that have not said who they are */
#define PEERS_DIAL_MS        1000u /* to connect */
#define PEERS_HANDSHAKE_MS   2000u /* to greet, or to answer that */
#define PEERS_KEEPALIVE_MS   1000u /* between empty frames */
#define PEERS_SILENCE_MS     5000u /* without a byte: given up */
#define PEERS_BACKOFF_MIN_MS 50u
#define PEERS_BACKOFF_MAX_MS 1000u

enum peer_state {
    PEER_WAITING, /* for the timer to dial, or for a seat */
    PEER_DIALLING,
    PEER_GREETING,
    PEER_READY,
    PEER_ENDED /* the mesh closes */
};

/* Another node. */
struct peer {
    struct peers *peers;
    bool seated; /* else it is no node of the cluster now, and nobody is dialled */
    uint64_t node_id;
    char address[LIMIT_ADDRESS_BYTES + 1];

    /* What we dialled. */
    enum peer_state state;
    struct net_connection *outgoing; /* NULL while WAITING */
    struct frame_reader answers;
    uv_timer_t timer; /* WAITING: when to dial; READY: when to say that we live */
    unsigned failures;
    enum net_error error;
    char reason[HANDSHAKE_SENTENCE_BYTES + 1];     /* why, in a sentence, or "" */
    char reason_now[HANDSHAKE_SENTENCE_BYTES + 1]; /* of the connection under way */
    bool refused;                                  /* it does not take our disk for ours, */
    bool removed;                                  /* or says that we were removed, */
    char refusal[HANDSHAKE_SENTENCE_BYTES + 1];    /* and says why */
    bool error_told;                               /* in the log */
    uint64_t dropped;

    /* What it dialled. */
    struct incoming *incoming;
    bool disk_known;
    struct disk_known disk;   /* durable */
    struct disk_known newer;  /* is being made durable, for `greeted` */
    bool remembering;         /* `newer` is under way */
    struct incoming *greeted; /* waits for it; NULL when it has gone meanwhile */
    bool seen;
    uint64_t last_seen_ms;
};

/* A connection that somebody made to us. */
struct incoming {
    struct peers *peers;
    struct peer *peer;       /* NULL until the handshake was accepted */
    struct peer *waiting_of; /* whose disk is being remembered before that; else NULL */
    char version[HANDSHAKE_VERSION_BYTES + 1];
    struct net_connection *connection;
    struct frame_reader frames;
    struct incoming *next;
};

struct peers {
    struct peers_config config; /* its nodes are not used after peers_open */
    char program_version[HANDSHAKE_VERSION_BYTES + 1];
    uint8_t token[HANDSHAKE_TOKEN_BYTES];
    struct peer peers[LIMIT_NODE_IDS]; /* all that there ever were: an id is not used again */
    unsigned peer_count;
    struct peers_disk disks[LIMIT_NODE_IDS]; /* known at the start, of nodes that may come, too */
    unsigned disk_count;
    bool started;
    struct net_listener *listener;
    struct incoming *incoming;
    unsigned stranger_count;
    uv_timer_t anchor; /* never started: what makes `closed` come later for a mesh of one, too */
    unsigned open;     /* timers and connections still to be closed */
    bool closing;
    void (*closed)(void *context);
    void *closed_context;
};

struct peer *peers_find(struct peers *peers, uint64_t node_id); /* among those seated */
struct peer *peers_find_any(struct peers *peers, uint64_t node_id);
void peer_saw(struct peer *peer);
void peers_check_closed(struct peers *peers);

/* peers_out.c */
void peer_dial_after(struct peer *peer, uint64_t delay_ms);
void peer_dial_soon(struct peer *peer); /* it lives: do not wait out the backoff */
void peer_send_frame(struct net_connection *connection, struct slice message);

/* Has the other side shown that it is a node of this cluster? Without TLS it is asked for nothing.
 * NULL: yes; else why not. `node_id` 0: any node. */
const char *peers_check_certificate(const struct peers *peers,
                                    const struct net_connection *connection, uint64_t node_id);

/* peers_in.c */
void peers_accepted(void *context, struct net_connection *connection);

/* One of the two connections with a peer, that stood, has ended: is it lost? */
void peer_check_lost(struct peer *peer);

#endif
