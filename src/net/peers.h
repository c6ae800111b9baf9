/* The mesh of nodes: each node dials every other one and sends on the connection it made; what it
 * receives comes on the connections that the others made.
 *
 * Happy path: dial -> handshake -> accepted -> frames. A connection that stands carries an empty
 * frame a second in each direction, so that both sides know that the other lives. The failure
 * modes: not there, refused by the handshake, silent: dialled again after 50 ms to 1 s, longer each
 * time, with jitter; a peer that dials us is dialled at once. Messages to a peer that is not
 * connected, or that reads too slowly, are dropped: Raft repeats what it needs.
 *
 * Not one byte is handed on before the handshake was accepted: the cluster's id, a node id of the
 * configuration, our own id as the one called, and the disk that this node id had before (a wiped
 * disk has forgotten its votes: it is not taken for the node that it was).
 */
#ifndef NET_PEERS_H
#define NET_PEERS_H

#include "base/clock.h"
#include "net/handshake.h"
#include "net/net.h"

struct peers;

struct peers_node {
    uint64_t node_id; /* not 0 */
    char address[LIMIT_ADDRESS_BYTES + 1];
};

struct peers_config {
    struct net *net;
    uint64_t node_id; /* ours */
    uint8_t cluster_id[HANDSHAKE_ID_BYTES];
    uint8_t disk_id[HANDSHAKE_ID_BYTES];
    const char *program_version;
    const struct peers_node *nodes; /* copied; our own is skipped */
    unsigned node_count;            /* at most LIMIT_NODES */
    const struct clock *clock;
    const struct random *random;
    /* A whole message of at most LIMIT_PEER_FRAME_BYTES from a peer whose handshake was accepted.
     */
    void (*received)(void *context, uint64_t node_id, struct slice message);
    void *context;
};

/* A mesh that neither listens nor dials yet. NO_MEMORY. `config` is not needed afterwards. */
enum conclave_code peers_open(const struct peers_config *config, struct peers **peers) MUST_USE;

/* Listens for the others; errors of net_listen. At most once. */
enum conclave_code peers_listen(struct peers *peers, const char *address, struct codec_error *error)
    MUST_USE;
const struct net_listener *peers_listener(const struct peers *peers);

/* Starts to dial everybody. */
void peers_start(struct peers *peers);

/* Sends a message of 1 to LIMIT_PEER_FRAME_BYTES bytes, or drops it. */
void peers_send(struct peers *peers, uint64_t node_id, struct slice message);

/* How it stands with each other node; returns how many, at most LIMIT_NODES. */
struct peers_status {
    uint64_t node_id;
    bool connected;        /* we can send to it */
    enum net_error error;  /* why not, last time; NET_OK when connected */
    bool seen;             /* it has said something since we started, */
    uint64_t last_seen_ms; /* last at this monotonic time */
    uint64_t dropped;      /* messages to it that were */
};
unsigned peers_status(const struct peers *peers, struct peers_status *status);

/* Closes all; `closed` is called when everything is freed. */
void peers_close(struct peers *peers, void (*closed)(void *context), void *context);

#endif
