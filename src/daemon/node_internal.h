/* What node.c (start, running) and node_stop.c (the end) share. */
#ifndef DAEMON_NODE_INTERNAL_H
#define DAEMON_NODE_INTERNAL_H

#include <uv.h>

#include "api/api.h"
#include "daemon/clients.h"
#include "daemon/log_writer.h"
#include "daemon/node.h"
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
    struct log_writer *writer;
    struct verifier *verifier;
    struct clients *clients;
    struct peers *peers;
    struct replica_host replica_host;
    struct api_host api_host;
    struct replica *replica;
    struct api *api;
    uv_timer_t timer; /* the replica's deadline, or that of the phase */
    uv_signal_t terminate, interrupt, hang_up;
    enum node_phase phase;
    uint64_t phase_deadline_ms;
    bool peers_closed, clients_closed;
    struct settings_error error; /* why it did not start */
};

/* The first SIGTERM: begins to stop. */
void node_stop(struct node *node);

/* A turn of a node that stops: goes on to the next phase when this one is done or took too long. */
void node_stop_turn(struct node *node);

/* Closes all that has handles: what stands when a start failed, or everything. */
void node_close(struct node *node);

#endif
