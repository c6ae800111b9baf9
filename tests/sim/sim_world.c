/* Nodes, network and time of the simulator. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim.h"
#include "sim/sim_check.h"
#include "sim/sim_disk.h"
#include "sim/sim_door.h"
#include "sim/sim_host.h"
#include "sim/sim_queue.h"
#include "sim/sim_record.h"

/* 2026-01-01: where wall clocks begin. */
#define SIM_BEGIN_MS 1767225600000u

#define SIM_TICKS_MAX 2000u /* deadlines of a node at one instant: more is a busy loop */

/* --- What all parts use --- */

void *sim_checked(void *memory)
{
    ASSERT(memory != NULL);
    return memory;
}

void sim_break(struct sim *sim, const char *format, ...)
{
    if (sim->broken[0] != 0) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sim->broken, sizeof sim->broken, format, arguments);
    va_end(arguments);
    sim_say(sim, "BROKEN %s", sim->broken);
}

void sim_say(const struct sim *sim, const char *format, ...)
{
    if (!sim->options.verbose) {
        return;
    }
    printf("%8" PRIu64 " %7" PRIu64 " ms  ", sim->step, sim->now_ms);
    va_list arguments;
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

void sim_trace(struct sim *sim, uint64_t value)
{
    sim->trace = (sim->trace ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    sim->trace ^= sim->trace >> 29;
}

void sim_trace_bytes(struct sim *sim, struct slice bytes)
{
    sim_trace(sim, XXH3_64bits(bytes.data, bytes.size));
}

uint64_t sim_wall_ms(const struct sim *sim)
{
    return SIM_BEGIN_MS + sim->now_ms;
}

/* --- Opening and closing --- */

static void make_node(struct sim *sim, unsigned id, bool joins)
{
    struct sim_node *node = &sim->nodes[id];
    *node = (struct sim_node){.sim = sim, .id = id, .tick_ms = UINT64_MAX};
    node->lot.state = sim_random_next(&sim->lot);
    sim_host_open(node);
    node->disk = sim_disk_open(node);
    struct codec_error error;
    enum conclave_code rv =
        joins ? replica_join(sim_disk_log(node->disk), sim->cluster_id, id, &node->random, &error)
              : replica_bootstrap(sim_disk_log(node->disk), buffer_slice(&sim->genesis), id,
                                  &node->random, &error);
    struct replica_identity identity;
    if (rv == CONCLAVE_OK) { /* others greet with this disk before its node has started */
        rv = replica_count_start(sim_disk_log(node->disk), &node->random, &identity);
    }
    ASSERT(rv == CONCLAVE_OK);
}

void sim_world_open(struct sim *sim)
{
    enum conclave_code rv = auth_init();
    ASSERT(rv == CONCLAVE_OK);
    sim->now_ms = 1000;
    sim->network = (struct sim_network){.delay_min_ms = 1, .delay_max_ms = 4};
    sim->past = sim_checked(calloc(SIM_PAST_MESSAGES, sizeof *sim->past));
    actor_init(&sim->chair, "chair");
    buffer_init(&sim->genesis, LIMIT_COMMAND_BYTES + 128u);
    actor_genesis(&sim->chair, &sim->genesis, sim->node_count, sim_wall_ms(sim));
    for (unsigned id = 1; id <= sim->node_count; id++) {
        make_node(sim, id, false);
    }
    struct replica_identity identity;
    rv = replica_identity(sim_disk_bare_log(sim->nodes[1].disk), &identity);
    ASSERT(rv == CONCLAVE_OK);
    memcpy(sim->cluster_id, identity.cluster_id, sizeof sim->cluster_id);
}

void sim_world_close(struct sim *sim)
{
    for (unsigned id = 1; id <= sim->node_count; id++) {
        if (sim->nodes[id].up) {
            sim_door_close(&sim->nodes[id]);
        }
        replica_close(sim->nodes[id].replica);
        sim_disk_close(sim->nodes[id].disk);
    }
    while (sim->queue_count > 0) {
        free(sim->queue[--sim->queue_count].bytes);
    }
    while (sim->held_count > 0) {
        free(sim->held[--sim->held_count].bytes);
    }
    for (size_t i = 0; i < SIM_PAST_MESSAGES; i++) {
        free(sim->past[i].bytes);
    }
    for (size_t i = 0; i < sim->request_count; i++) {
        free((void *)(uintptr_t)sim->requests[i].reply.data);
    }
    buffer_close(&sim->genesis);
    free(sim->queue);
    free(sim->held);
    free(sim->past);
    free(sim->requests);
}

/* --- Nodes --- */

static struct sim_node *node_of(struct sim *sim, unsigned node)
{
    ASSERT(node >= 1 && node <= sim->node_count);
    return &sim->nodes[node];
}

/* A failure that the node's disk explains, which is put right. */
static bool explained(struct sim_node *node, enum conclave_code code)
{
    if (code == CONCLAVE_CORRUPT && sim_disk_rotten(node->disk) != 0) {
        sim_count(node->sim, SIM_bit_rot_found);
        sim_disk_mend(node->disk);
        return true;
    }
    if (code == CONCLAVE_CORRUPT && sim_disk_state_rotten(node->disk)) {
        sim_count(node->sim, SIM_state_rot_found);
        sim_disk_wipe_state(node->disk); /* as the daemon does with a state that is damaged */
        return true;
    }
    if (code == CONCLAVE_DISK_FULL && !node->up) {
        return sim_disk_is_full(node->disk); /* it needs room to start */
    }
    return node->excused;
}

static void take_failure(struct sim *sim, struct sim_node *node)
{
    sim_say(sim, "node %u fails: %s: %s", node->id, conclave_code_name(node->failure),
            node->failure_what);
    if (explained(node, node->failure)) {
        sim_node_crash(sim, node->id);
    } else {
        sim_break(sim, "node %u stopped by itself: %s: %s", node->id,
                  conclave_code_name(node->failure), node->failure_what);
    }
}

void sim_node_settle(struct sim_node *node)
{
    struct sim *sim = node->sim;
    if (!node->doomed && node->failure == CONCLAVE_OK) {
        sim_door_run(node->door);
    }
    if (node->doomed) {
        sim_node_crash(sim, node->id);
        return;
    }
    if (node->failure != CONCLAVE_OK) {
        take_failure(sim, node);
        return;
    }
    sim_check_node(sim, node->id);
    SOMETIMES(sim, sim_disk_is_full(node->disk) && sim_leader(sim) == node->id, led_without_room);
    uint64_t tick_ms = sim_host_world_ms(node, replica_deadline_ms(node->replica));
    node->tick_ms = tick_ms < sim->now_ms ? sim->now_ms : tick_ms;
}

static void restart_later(struct sim *sim, struct sim_node *node)
{
    node->restart_ms = sim->now_ms + sim_faults_restart_ms(sim);
}

void sim_node_start(struct sim *sim, unsigned id)
{
    struct sim_node *node = node_of(sim, id);
    ASSERT(!node->up);
    const struct replica_config config = {.node_id = id,
                                          .heartbeat_ms = 50,
                                          .election_ms = SIM_ELECTION_MS,
                                          .log = sim_disk_log(node->disk),
                                          .kv = sim_disk_kv(node->disk),
                                          .clock = &node->clock,
                                          .random = &node->random,
                                          .host = &node->host,
                                          .signer = sim_record_signer(node),
                                          .kept = sim_record_kept(node)};
    node->life++;
    node->failure = CONCLAVE_OK;
    node->excused = false;
    node->doom = 0;
    node->doomed = false;
    node->paused_until_ms = 0;
    node->restart_ms = 0;
    sim_host_enter(node);
    enum conclave_code rv = replica_open(&config, &node->replica);
    sim_host_leave(node);
    sim_trace(sim, (uint64_t)rv);
    sim_say(sim, "node %u starts: %s", id, conclave_code_name(rv));
    if (rv != CONCLAVE_OK) {
        node->replica = NULL;
        if (!explained(node, rv)) {
            sim_break(sim, "node %u does not start: %s", id, conclave_code_name(rv));
        }
        restart_later(sim, node);
        return;
    }
    node->up = true;
    sim_door_open(node);
    sim_check_started(sim, id);
    sim_record_started(node);
    sim_node_settle(node);
}

/* Its sockets close: each of the others is told, or not. */
static void lose_connections(struct sim *sim, unsigned id)
{
    for (unsigned other = 1; other <= sim->node_count; other++) {
        if (other != id && sim_random_below(&sim->lot, 2) == 0) {
            sim_lose_connection(sim, id, other);
        }
    }
}

void sim_lose_connection(struct sim *sim, unsigned from, unsigned to)
{
    uint64_t delay_ms = sim_random_below(&sim->lot, 30);
    sim_queue_push(
        sim, (struct sim_event){
                 .time_ms = sim->now_ms + delay_ms, .type = SIM_PEER_LOST, .from = from, .to = to});
}

void sim_node_crash(struct sim *sim, unsigned id)
{
    struct sim_node *node = node_of(sim, id);
    ASSERT(node->up);
    if (node->write != NULL) {
        sim_disk_interrupt(node->disk, node->write);
    }
    node->write = NULL;
    sim_record_interrupt(node);
    sim_door_close(node);
    replica_close(node->replica);
    node->replica = NULL;
    node->up = false;
    node->life++;
    node->tick_ms = UINT64_MAX;
    sim_host_lose_requests(node);
    lose_connections(sim, id);
    restart_later(sim, node);
    sim_say(sim, "node %u is down", id);
}

void sim_node_join(struct sim *sim)
{
    ASSERT(sim->node_count < SIM_NODES);
    sim->node_count++;
    make_node(sim, sim->node_count, true);
    restart_later(sim, &sim->nodes[sim->node_count]);
}

void sim_node_transfer(struct sim *sim, unsigned id)
{
    struct sim_node *node = node_of(sim, id);
    sim_host_enter(node);
    replica_transfer(node->replica);
    sim_host_leave(node);
    sim_node_settle(node);
}

enum conclave_code sim_node_change(struct sim *sim, unsigned id, uint64_t server, int role)
{
    struct sim_node *node = node_of(sim, id);
    char address[LIMIT_ADDRESS_BYTES];
    (void)snprintf(address, sizeof address, "127.0.0.1:%" PRIu64, 7100 + server);
    sim_host_enter(node);
    enum conclave_code rv = replica_change(node->replica, server, address, role);
    sim_host_leave(node);
    if (rv == CONCLAVE_OK) {
        sim_check_change(sim, id, (unsigned)server, role);
    }
    sim_node_settle(node);
    return rv;
}

unsigned sim_leader(struct sim *sim)
{
    unsigned leader = 0;
    uint64_t term = 0;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        if (sim->nodes[id].up) {
            struct replica_status status;
            replica_status(sim->nodes[id].replica, &status);
            if (status.state == REPLICA_LEADER && status.ready && status.term > term) {
                leader = id;
                term = status.term;
            }
        }
    }
    return leader;
}

/* --- Time --- */

static void hold(struct sim *sim, struct sim_event event)
{
    if (sim->held_count == sim->held_capacity) {
        sim->held_capacity = sim->held_capacity * 2 + 64;
        sim->held = sim_checked(realloc(sim->held, sim->held_capacity * sizeof *sim->held));
    }
    sim->held[sim->held_count++] = event;
}

void sim_unclog(struct sim *sim, unsigned from, unsigned to)
{
    sim->clogged[from][to] = false;
    size_t kept = 0;
    for (size_t i = 0; i < sim->held_count; i++) {
        struct sim_event event = sim->held[i];
        if (event.from == from && event.to == to) {
            event.time_ms = sim->now_ms + sim_random_below(&sim->lot, 40);
            sim_queue_push(sim, event);
        } else {
            sim->held[kept++] = event;
        }
    }
    sim->held_count = kept;
}

/* Raft's messages may come however late. A forwarded command does not outlive the connection that
 * it was sent on: `busy` says that it is not in the log, and is not taken back. It is [1, 7, ...].
 */
static bool outlived(const struct sim *sim, const struct sim_event *event)
{
    return sim_link_life(sim, event->from, event->to) != event->life && event->size > 3 &&
           event->bytes[1] == 1 && event->bytes[2] == 7;
}

static void deliver(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->to];
    if (sim->clogged[event->from][event->to]) {
        hold(sim, *event);
        return;
    }
    if (node->up && !sim->cut[event->from][event->to] && !outlived(sim, event)) {
        struct slice message = slice_of(event->bytes, event->size);
        sim_say(sim, "%u -> %u  message of %zu bytes", event->from, event->to, event->size);
        sim_trace_bytes(sim, message);
        sim_host_enter(node);
        if (sim->wired) {
            sim_door_deliver(node->door, event->from, message, event->broken);
        } else {
            replica_receive(node->replica, event->from, message);
        }
        sim_host_leave(node);
        sim_node_settle(node);
    }
    free(event->bytes);
}

static void finish_write(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->to];
    if (!node->up || node->life != event->life) {
        return;
    }
    sim_say(sim, "node %u has written %zu entries from %" PRIu64, node->id,
            node->write->entry_count, node->write->first_index);
    const struct replica_write *write = node->write;
    node->write = NULL;
    enum conclave_code rv = sim_disk_write(node->disk, write);
    sim_host_enter(node);
    replica_persisted(node->replica, rv);
    sim_host_leave(node);
    sim_node_settle(node);
}

static void finish_keeping(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->to];
    if (!node->up || node->life != event->life) {
        return;
    }
    enum conclave_code rv = sim_record_finish(node);
    sim_host_enter(node);
    replica_kept(node->replica, rv);
    sim_host_leave(node);
    sim_node_settle(node);
}

static void lose_peer(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->to];
    if (!node->up) {
        return;
    }
    sim_count(sim, SIM_peer_lost);
    sim_say(sim, "node %u has lost its connections with %u", event->to, event->from);
    sim_host_enter(node);
    replica_peer_lost(node->replica, event->from);
    sim_host_leave(node);
    sim_node_settle(node);
}

/* The node whose deadline comes first. */
static struct sim_node *next_tick(struct sim *sim)
{
    struct sim_node *next = NULL;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        struct sim_node *node = &sim->nodes[id];
        if (node->tick_ms < node->paused_until_ms) {
            node->tick_ms = node->paused_until_ms;
        }
        if (node->up && (next == NULL || node->tick_ms < next->tick_ms)) {
            next = node;
        }
    }
    return next;
}

static void tick(struct sim *sim, struct sim_node *node)
{
    sim_trace(sim, node->id);
    sim_host_enter(node);
    replica_tick(node->replica);
    sim_host_leave(node);
    sim_node_settle(node);
    node->ticks_now = node->tick_ms == sim->now_ms ? node->ticks_now + 1 : 0;
    if (node->ticks_now > SIM_TICKS_MAX) {
        sim_break(sim, "I8: node %u is in a busy loop", node->id);
    }
}

/* The event at the front: a paused node's waits until it goes on. */
static void handle(struct sim *sim)
{
    struct sim_event event = sim_queue_pop(sim);
    const struct sim_node *node = &sim->nodes[event.to];
    if (node->up && node->paused_until_ms > sim->now_ms) {
        event.time_ms = node->paused_until_ms;
        sim_queue_push(sim, event);
        return;
    }
    sim_trace(sim, sim->now_ms * 16 + event.to);
    if (event.type == SIM_MESSAGE) {
        deliver(sim, &event);
    } else if (event.type == SIM_WRITTEN) {
        finish_write(sim, &event);
    } else if (event.type == SIM_KEPT) {
        finish_keeping(sim, &event);
    } else {
        lose_peer(sim, &event);
    }
}

bool sim_world_step(struct sim *sim)
{
    struct sim_node *node = next_tick(sim);
    uint64_t tick_ms = node == NULL ? UINT64_MAX : node->tick_ms;
    uint64_t event_ms = sim->queue_count == 0 ? UINT64_MAX : sim->queue[0].time_ms;
    uint64_t time_ms = tick_ms < event_ms ? tick_ms : event_ms;
    sim->step++;
    if (time_ms > sim->now_ms + 10) {
        sim->now_ms += 10; /* faults and clients have their turns */
        return sim->broken[0] == 0;
    }
    ASSERT(time_ms >= sim->now_ms);
    sim->now_ms = time_ms;
    if (event_ms == time_ms) {
        handle(sim);
    } else {
        tick(sim, node);
    }
    return sim->broken[0] == 0;
}
