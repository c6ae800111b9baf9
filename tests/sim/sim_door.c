/* The mesh and the api of a node. */
#include "sim/sim_door.h"

#include <inttypes.h>
#include <stdlib.h>

#include "api/api.h"
#include "net/frame.h"
#include "net/peers.h"
#include "sim/sim_disk.h"
#include "sim/sim_net.h"

#define CALLERS 12u

/* A client's connection. */
struct caller {
    uint64_t id; /* 0: free */
    bool closed; /* by the node: the api is still to be told */
    struct buffer heard;
};

struct sim_door {
    struct sim_node *node;
    struct net *net;
    struct peers *peers;
    struct net_connection *links[SIM_NODES + 1]; /* from each peer; NULL: not connected */
    bool stranger;                               /* speaks now */
    bool peers_closed;
    struct api *api;
    struct api_host host;
    struct caller callers[CALLERS];
    uint64_t caller_last;
};

/* --- The mesh --- */

static void received(void *context, uint64_t node_id, struct slice message)
{
    struct sim_door *door = context;
    struct sim_node *node = door->node;
    if (door->stranger) {
        sim_break(node->sim,
                  "I7: %zu bytes of a stranger reached the raft core of node %u as node %" PRIu64,
                  message.size, node->id, node_id);
        return;
    }
    replica_receive(node->replica, node_id, message);
}

void sim_door_show_disk(const struct sim_node *node, struct disk_shown *disk)
{
    struct replica_identity identity;
    enum conclave_code rv = replica_identity(sim_disk_bare_log(node->disk), &identity);
    ASSERT(rv == CONCLAVE_OK && identity.generation > 0); /* its node was started once */
    memcpy(disk->id, identity.disk_id, sizeof disk->id);
    disk->generation = identity.generation;
    disk->start_count = identity.start_count;
    memcpy(disk->starts, identity.starts, sizeof disk->starts);
}

static void open_mesh(struct sim_door *door)
{
    struct sim_node *node = door->node;
    struct peers_node nodes[SIM_NODES];
    struct replica_identity identity;
    struct codec_error error;
    enum conclave_code rv =
        replica_count_start(sim_disk_bare_log(node->disk), &node->random, &identity);
    ASSERT(rv == CONCLAVE_OK);
    for (unsigned id = 1; id <= node->sim->node_count; id++) {
        nodes[id - 1] = (struct peers_node){.node_id = id, .address = "-"};
    }
    door->net = sim_net_open(node->sim);
    struct peers_config config = {.net = door->net,
                                  .node_id = node->id,
                                  .program_version = "sim",
                                  .nodes = nodes,
                                  .node_count = node->sim->node_count,
                                  .clock = &node->clock,
                                  .random = &node->random,
                                  .received = received,
                                  .context = door};
    memcpy(config.cluster_id, identity.cluster_id, sizeof config.cluster_id);
    sim_door_show_disk(node, &config.disk);
    rv = peers_open(&config, &door->peers);
    ASSERT(rv == CONCLAVE_OK);
    rv = peers_listen(door->peers, "-", &error);
    ASSERT(rv == CONCLAVE_OK);
}

static void send_frame(struct net_connection *connection, struct slice bytes, size_t cut)
{
    struct buffer frame;
    uint8_t header[FRAME_HEADER_BYTES];
    buffer_init(&frame, LIMIT_PEER_FRAME_BYTES + FRAME_HEADER_BYTES);
    frame_header((uint32_t)bytes.size, header);
    buffer_append(&frame, header, sizeof header);
    buffer_append(&frame, bytes.data, bytes.size);
    if (frame.status == CONCLAVE_OK) { /* else it is lost on the way */
        sim_net_send(connection, slice_of(frame.data, frame.size - cut));
    }
    buffer_close(&frame);
}

/* The peer connects, and says who it is. */
static void greet(struct sim_door *door, unsigned from)
{
    struct sim_node *peer = &door->node->sim->nodes[from];
    struct replica_identity identity;
    enum conclave_code rv = replica_identity(sim_disk_bare_log(peer->disk), &identity);
    ASSERT(rv == CONCLAVE_OK);
    struct handshake handshake = {.from = from, .to = door->node->id, .program_version = "sim"};
    memcpy(handshake.cluster_id, identity.cluster_id, sizeof handshake.cluster_id);
    sim_door_show_disk(peer, &handshake.disk);
    struct buffer buffer;
    buffer_init(&buffer, HANDSHAKE_BYTES_MAX);
    handshake_write(&buffer, &handshake);
    struct certificate certificate = {.kind = CERTIFICATE_NODE, .node_id = from};
    memcpy(certificate.cluster_id, identity.cluster_id, sizeof certificate.cluster_id);
    sim_net_connect(door->net, &certificate, &door->links[from]);
    if (door->links[from] != NULL && buffer.status == CONCLAVE_OK) {
        send_frame(door->links[from], buffer_slice(&buffer), 0);
    }
    buffer_close(&buffer);
}

void sim_door_deliver(struct sim_door *door, unsigned from, struct slice message, bool broken)
{
    if (door->links[from] == NULL) {
        greet(door, from);
    }
    if (door->links[from] == NULL || net_connection_is_closing(door->links[from])) {
        return; /* no memory: the message is lost */
    }
    if (broken && message.size > 1) {
        size_t cut = 1 + (size_t)sim_random_below(&door->node->sim->lot, message.size - 1);
        send_frame(door->links[from], message, cut);
        sim_net_hang_up(door->links[from]);
        SOMETIMES(door->node->sim, true, frame_cut_off);
        return;
    }
    send_frame(door->links[from], message, 0);
    SOMETIMES(door->node->sim, true, frame_delivered);
}

void sim_door_stranger(struct sim_door *door, const struct certificate *certificate,
                       struct slice bytes, bool stays)
{
    struct sim *sim = door->node->sim;
    struct net_connection *connection = NULL;
    door->stranger = true;
    sim_net_connect(door->net, certificate, &connection);
    if (!net_connection_is_closing(connection)) {
        sim_net_send(connection, bytes);
        sim_trace_bytes(sim, sim_net_heard(connection));
        SOMETIMES(sim, sim_net_heard(connection).size > 0, stranger_told_why);
    } else {
        SOMETIMES(sim, true, stranger_turned_away);
    }
    door->stranger = false;
    if (!stays) {
        sim_net_hang_up(connection);
        sim_net_run(door->net);
    } else { /* nobody looks at it any more */
        sim_net_forget(connection);
    }
}

static void mesh_closed(void *context)
{
    ((struct sim_door *)context)->peers_closed = true;
}

/* --- The api --- */

static enum conclave_code door_submit(struct replica *replica, struct slice command, uint64_t token,
                                      uint64_t timeout_ms)
{
    return replica_submit(replica, command, SIM_DOOR_TOKENS + token, timeout_ms);
}

static enum conclave_code door_read(struct replica *replica, uint64_t token, uint64_t timeout_ms)
{
    return replica_read(replica, SIM_DOOR_TOKENS + token, timeout_ms);
}

static const struct api_replica_operations operations = {
    .status = replica_status,
    .submit = door_submit,
    .read = door_read,
    .query = replica_query,
    .author = replica_author,
    .reply = replica_reply,
    .reads_public = replica_reads_public,
};

static struct caller *caller_of(const struct sim_door *door, uint64_t id)
{
    for (unsigned i = 0; i < CALLERS && id != 0; i++) {
        if (door->callers[i].id == id) {
            return (struct caller *)(uintptr_t)&door->callers[i];
        }
    }
    return NULL;
}

static void host_send(void *context, uint64_t connection_id, struct slice bytes)
{
    struct sim_door *door = context;
    struct caller *caller = caller_of(door, connection_id);
    ASSERT(caller != NULL);
    buffer_append(&caller->heard, bytes.data, bytes.size);
}

static void host_close(void *context, uint64_t connection_id)
{
    struct caller *caller = caller_of(context, connection_id);
    ASSERT(caller != NULL);
    caller->closed = true;
}

static void host_verify(void *context, struct api_verification *verification)
{
    struct sim_door *door = context;
    verification->valid =
        auth_verify(verification->public_key, verification->message, verification->signature);
    api_verified(door->api, verification);
}

static void host_random_bytes(void *context, uint8_t *bytes, size_t size)
{
    const struct sim_door *door = context;
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)random_next(&door->node->random);
    }
}

static unsigned host_peers(void *context, struct api_peer *peers)
{
    (void)context;
    (void)peers;
    return 0;
}

static void open_api(struct sim_door *door)
{
    struct sim_node *node = door->node;
    door->host = (struct api_host){.context = door,
                                   .send = host_send,
                                   .close = host_close,
                                   .verify = host_verify,
                                   .random_bytes = host_random_bytes,
                                   .peers = host_peers};
    const struct api_config config = {.replica = node->replica,
                                      .operations = &operations,
                                      .clock = &node->clock,
                                      .host = &door->host,
                                      .version = "sim"};
    enum conclave_code rv = api_open(&config, &door->api);
    ASSERT(rv == CONCLAVE_OK);
}

void sim_door_decided(struct sim_door *door, uint64_t token, enum conclave_code code,
                      struct slice reply)
{
    api_decided(door->api, token - SIM_DOOR_TOKENS, code, reply);
}

void sim_door_readable(struct sim_door *door, uint64_t token, enum conclave_code code)
{
    api_readable(door->api, token - SIM_DOOR_TOKENS, code);
}

void sim_door_event(struct sim_door *door, struct slice event)
{
    if (door != NULL) { /* a replica may speak while it starts */
        api_event(door->api, event);
    }
}

static void free_caller(struct caller *caller)
{
    buffer_close(&caller->heard);
    *caller = (struct caller){0};
}

void sim_door_run(struct sim_door *door)
{
    api_run(door->api);
    for (unsigned i = 0; i < CALLERS; i++) {
        struct caller *caller = &door->callers[i];
        if (caller->id != 0 && caller->closed) {
            api_connection_closed(door->api, caller->id);
            free_caller(caller);
        }
    }
    sim_net_run(door->net);
}

uint64_t sim_door_call(struct sim_door *door)
{
    for (unsigned i = 0; i < CALLERS; i++) {
        struct caller *caller = &door->callers[i];
        if (caller->id == 0) {
            *caller = (struct caller){.id = ++door->caller_last};
            buffer_init(&caller->heard, LIMIT_CONNECTION_OUTPUT_BYTES);
            enum conclave_code rv = api_connection_opened(door->api, caller->id);
            ASSERT(rv == CONCLAVE_OK);
            return caller->id;
        }
    }
    return 0;
}

void sim_door_say(struct sim_door *door, uint64_t id, struct slice bytes)
{
    struct sim *sim = door->node->sim;
    struct caller *caller = caller_of(door, id);
    size_t sent = 0;
    while (caller != NULL && !caller->closed && sent < bytes.size) {
        size_t left = bytes.size - sent;
        size_t size = left < 2 || sim_random_below(&sim->lot, 2) == 0
                          ? left
                          : 1 + (size_t)sim_random_below(&sim->lot, left - 1);
        api_connection_received(door->api, id, slice_of(bytes.data + sent, size));
        sent += size;
    }
}

struct slice sim_door_heard(const struct sim_door *door, uint64_t id)
{
    const struct caller *caller = caller_of(door, id);
    return caller == NULL ? slice_of("", 0) : buffer_slice(&caller->heard);
}

bool sim_door_has(const struct sim_door *door, uint64_t id)
{
    return caller_of(door, id) != NULL;
}

void sim_door_hang_up(struct sim_door *door, uint64_t id)
{
    struct caller *caller = caller_of(door, id);
    if (caller != NULL) {
        api_connection_closed(door->api, id);
        free_caller(caller);
    }
}

/* --- Both --- */

void sim_door_open(struct sim_node *node)
{
    struct sim_door *door = node->door = sim_checked(calloc(1, sizeof *door));
    door->node = node;
    open_mesh(door);
    open_api(door);
    for (unsigned id = 1; id <= node->sim->node_count; id++) {
        if (id != node->id) {
            greet(door, id);
        }
    }
}

void sim_door_close(struct sim_node *node)
{
    struct sim_door *door = node->door;
    for (unsigned i = 0; i < CALLERS; i++) {
        if (door->callers[i].id != 0) {
            buffer_close(&door->callers[i].heard);
        }
    }
    api_close(door->api);
    for (unsigned id = 1; id <= node->sim->node_count; id++) {
        if (door->links[id] != NULL) {
            sim_net_forget(door->links[id]);
        }
    }
    peers_close(door->peers, mesh_closed, door);
    while (!door->peers_closed) {
        sim_net_run(door->net);
    }
    sim_net_close(door->net);
    free(door);
    node->door = NULL;
}
