/* The mesh of nodes: each node dials every other one and sends on the connection it made; what it
 * receives comes on the connections that the others made.
 *
 * Happy path: dial -> handshake -> accepted -> frames. A connection that stands carries an empty
 * frame a second in each direction, so that both sides know that the other lives. The failure
 * modes: not there, refused by the handshake, silent: dialled again after 50 ms to 1 s, longer each
 * time, with jitter; a peer that dials us is dialled at once. Messages to a peer that is not
 * connected, or that reads too slowly, are dropped: Raft repeats what it needs.
 *
 * Nodes come and go (peers_seat). One that went is as one that never was: nothing is sent to it,
 * and its calls are refused; its disk stays known.
 *
 * Not one byte is handed on before the handshake was accepted: the cluster's id, a node id of the
 * configuration, our own id as the one called, and a disk that is the one that this node had before
 * (disk.h); of a node whose disk nobody knows yet, what the owner asks for (`vouched`). What is
 * known of a node's disk is made durable by the owner before the node is accepted. Where the
 * network speaks TLS both sides have shown certificates of the CA before that, and each must be the
 * one of the node that is meant, in this cluster.
 */
#ifndef NET_PEERS_H
#define NET_PEERS_H

#include "base/clock.h"
#include "net/handshake.h"
#include "net/net.h"

struct peers;

/* What is remembered of a node's disk. */
struct peers_disk {
    uint64_t node_id;
    struct disk_known disk;
};

struct peers_node {
    uint64_t node_id; /* not 0 */
    char address[LIMIT_ADDRESS_BYTES + 1];
};

struct peers_config {
    struct net *net;
    uint64_t node_id; /* ours */
    uint8_t cluster_id[HANDSHAKE_ID_BYTES];
    struct disk_shown disk; /* ours */
    const char *program_version;
    const struct peers_node *nodes; /* copied; our own is skipped */
    unsigned node_count;            /* at most LIMIT_NODES */
    const struct clock *clock;
    const struct random *random;
    /* A whole message of at most LIMIT_PEER_FRAME_BYTES from a peer whose handshake was accepted.
     */
    void (*received)(void *context, uint64_t node_id, struct slice message);
    /* A peer that was connected is so no more in either direction; not while the mesh closes. May
     * be NULL. */
    void (*lost)(void *context, uint64_t node_id);
    void *context;
    const struct peers_disk *disks; /* remembered from before; copied */
    unsigned disk_count;
    /* Makes it durable, and calls peers_remembered, then or later. NULL: what is learned is
     * remembered while we run. */
    void (*remember)(void *context, const struct peers_disk *disk);
    /* A node of the list calls whose disk is not known, with a token of 0 to HANDSHAKE_TOKEN_BYTES
     * bytes: may it be that node? NULL: whoever comes first is. */
    bool (*vouched)(void *context, uint64_t node_id, struct slice token);
    struct slice token; /* that we show, when we were given one to join; copied */
};

/* A mesh that neither listens nor dials yet. NO_MEMORY. `config` is not needed afterwards. */
enum conclave_code peers_open(const struct peers_config *config, struct peers **peers) MUST_USE;

/* Listens for the others; errors of net_listen. At most once. */
enum conclave_code peers_listen(struct peers *peers, const char *address, struct codec_error *error)
    MUST_USE;
const struct net_listener *peers_listener(const struct peers *peers);

/* Starts to dial everybody. */
void peers_start(struct peers *peers);

/* These nodes are the others from now on (our own is skipped); at most LIMIT_NODES, and
 * LIMIT_NODE_IDS in the life of a mesh. At any time before peers_close. */
void peers_seat(struct peers *peers, const struct peers_node *nodes, unsigned count);

/* What `remember` was told of last for this node is durable (OK), or could not be made so: then it
 * is not accepted, and will try again. */
void peers_remembered(struct peers *peers, uint64_t node_id, enum conclave_code code);

/* Why we must not take part ("": we may): a node refuses our disk, because it is not the one that
 * it knows; or most nodes say that we were removed, and none talks with us. Valid until the loop
 * runs on. */
const char *peers_refusal(const struct peers *peers);

/* Sends a message of 1 to LIMIT_PEER_FRAME_BYTES bytes, or drops it. */
void peers_send(struct peers *peers, uint64_t node_id, struct slice message);

/* How it stands with each other node; returns how many, at most LIMIT_NODES. */
struct peers_status {
    uint64_t node_id;
    bool connected;        /* we can send to it */
    enum net_error error;  /* why not, last time; NET_OK when connected */
    const char *reason;    /* the same as a sentence, or ""; valid until the loop runs on */
    bool seen;             /* it has said something since we started, */
    uint64_t last_seen_ms; /* last at this monotonic time */
    uint64_t dropped;      /* messages to it that were */
};
unsigned peers_status(const struct peers *peers, struct peers_status *status);

/* Closes all; `closed` is called when everything is freed. */
void peers_close(struct peers *peers, void (*closed)(void *context), void *context);

#endif
