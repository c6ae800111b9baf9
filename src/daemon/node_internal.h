/* What node.c (start, running), node_peers.c (whom it talks with) and node_stop.c (the end) share.
 */
#ifndef DAEMON_NODE_INTERNAL_H
#define DAEMON_NODE_INTERNAL_H

#include <uv.h>

#include "api/api.h"
#include "daemon/clients.h"
#include "daemon/keeper.h"
#include "daemon/known_disks.h"
#include "daemon/log_writer.h"
#include "daemon/node.h"
#include "daemon/scrub.h"
#include "daemon/seeing.h"
#include "daemon/storage.h"
#include "daemon/verifier.h"
#include "net/peers.h"

/*   RUNNING -> HANDING_OVER -> DRAINING -> CLOSING -> ENDED; a failed start: RUNNING -> CLOSING. */
enum node_phase {
    NODE_PHASE_RUNNING,
    NODE_PHASE_HANDING_OVER, /* leadership goes to another node */
    NODE_PHASE_DRAINING,     /* what is under way gets its answer */
    NODE_PHASE_CLOSING,      /* connections end */
    NODE_PHASE_ENDED         /* handles end, then the loop */
};

struct node {
    const struct config *config;
    struct storage storage;
    uv_loop_t loop;
    struct net *net;
    struct tls_context *tls; /* NULL: connections are not encrypted */
    struct log_writer *writer;
    struct scrub *scrub;
    uint64_t scrub_index; /* where it stands still; 0: it does not */
    struct keeper keeper;
    bool keeper_open;
    struct verifier *verifier;
    struct clients *clients;
    struct peers *peers;
    struct known_disks *known_disks;
    bool refused;   /* told in the log: it takes no part */
    bool disk_full; /* likewise */
    struct replica_host replica_host;
    struct api_host api_host;
    struct replica *replica;
    struct api *api;
    struct seeing seeing;
    uv_timer_t timer; /* the replica's deadline, or that of the phase */
    uv_timer_t watch; /* looks at the certificates now and then */
    uv_signal_t terminate, interrupt, hang_up;
    enum node_phase phase;
    uint64_t phase_deadline_ms;
    bool peers_closed, clients_closed;
    struct settings_error error; /* why it did not start */
};

/* node_peers.c: reads the certificates, if there are some, and again; opens the mesh. Errors are in
 * node->error. */
enum conclave_code node_open_certificates(struct node *node) MUST_USE;
void node_reload_certificates(struct node *node);
enum conclave_code node_open_peers(struct node *node) MUST_USE;

/* A disk that another node does not take for ours has forgotten votes, or is one of two; and who
 * was removed has nothing to say. Sets node->refused, and says so: nothing of Raft goes in or out
 * then. */
void node_check_refused(struct node *node);

/* For `status`: the api's host function. */
void node_security(void *context, struct api_security *security);

/* The first SIGTERM: begins to stop. */
void node_stop(struct node *node);

/* A turn of a node that stops: goes on to the next phase when this one is done or took too long. */
void node_stop_turn(struct node *node);

/* Closes all that has handles: what stands when a start failed, or everything. */
void node_close(struct node *node);

#endif
