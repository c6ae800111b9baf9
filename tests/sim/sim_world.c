/* Nodes, network and time of the simulator. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "sim/sim.h"
#include "sim/sim_check.h"
#include "sim/sim_disk.h"
#include "sim/sim_queue.h"

/* 2026-01-01: where wall clocks begin. */
#define SIM_BEGIN_MS 1767225600000u

#define SIM_PAST_MESSAGES 64u
#define SIM_TICKS_MAX     2000u /* deadlines of a node at one instant: more is a busy loop */

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

/* --- Clocks --- */

static uint64_t local_ms(const struct sim_node *node, uint64_t world_ms)
{
    return (uint64_t)((int64_t)world_ms + (int64_t)world_ms * node->drift / 1000);
}

/* The first instant at which the node's clock shows at least `wanted_ms`. */
static uint64_t world_ms(const struct sim_node *node, uint64_t wanted_ms)
{
    if (wanted_ms == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t guess = (uint64_t)((int64_t)wanted_ms * 1000 / (1000 + node->drift));
    guess = guess > 3 ? guess - 3 : 0;
    while (local_ms(node, guess) < wanted_ms) {
        guess++;
    }
    return guess;
}

static uint64_t node_monotonic_ms(void *context)
{
    const struct sim_node *node = context;
    return local_ms(node, node->sim->now_ms);
}

static uint64_t node_wall_ms(void *context)
{
    const struct sim_node *node = context;
    return (uint64_t)((int64_t)sim_wall_ms(node->sim) + node->skew_ms);
}

static uint64_t node_random(void *context)
{
    struct sim_node *node = context;
    return sim_random_next(&node->lot);
}

/* --- The hosts of replicas --- */

bool sim_doom(struct sim_node *node, enum sim_count point)
{
    if (node->doomed || node->doom == 0) {
        return node->doomed;
    }
    if (--node->doom == 0) {
        node->doomed = true;
        sim_count(node->sim, point);
        sim_say(node->sim, "node %u dies in the middle of an event", node->id);
    }
    return node->doomed;
}

static void send_copy(struct sim *sim, unsigned from, unsigned to, struct slice message)
{
    const struct sim_network *network = &sim->network;
    uint64_t delay_ms = sim_random_between(&sim->lot, network->delay_min_ms, network->delay_max_ms);
    if (sim_random_happens(&sim->lot, network->straggling)) {
        delay_ms += sim_random_below(&sim->lot, 20 * network->delay_max_ms + 1);
        sim_count(sim, SIM_message_straggled);
    }
    size_t size = message.size;
    if (sim_random_happens(&sim->lot, network->truncation) && size > 1) {
        size = 1 + (size_t)sim_random_below(&sim->lot, size - 1);
        sim_count(sim, SIM_message_truncated);
    }
    struct sim_event event = {.time_ms = sim->now_ms + delay_ms,
                              .type = SIM_MESSAGE,
                              .from = from,
                              .to = to,
                              .bytes = sim_checked(malloc(size)),
                              .size = size};
    memcpy(event.bytes, message.data, size);
    sim_queue_push(sim, event);
}

/* Keeps some messages, and lets some of long ago come again. */
static void replay(struct sim *sim, unsigned from, unsigned to, struct slice message)
{
    struct sim_event *kept = &sim->past[sim_random_below(&sim->lot, SIM_PAST_MESSAGES)];
    if (kept->bytes != NULL && sim_random_below(&sim->lot, 2) == 0) {
        sim_count(sim, SIM_message_replayed);
        send_copy(sim, kept->from, kept->to, slice_of(kept->bytes, kept->size));
        return;
    }
    free(kept->bytes);
    *kept = (struct sim_event){
        .from = from, .to = to, .bytes = sim_checked(malloc(message.size)), .size = message.size};
    memcpy(kept->bytes, message.data, message.size);
}

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    struct sim_node *node = context;
    struct sim *sim = node->sim;
    ASSERT(node_id >= 1 && node_id <= sim->node_count && node_id != node->id);
    unsigned to = (unsigned)node_id;
    if (sim_doom(node, SIM_crash_before_send)) {
        return;
    }
    if (sim_random_happens(&sim->lot, sim->network.replay)) {
        replay(sim, node->id, to, message);
    }
    if (sim->cut[node->id][to] || sim_random_happens(&sim->lot, sim->network.loss)) {
        sim_count(sim, SIM_message_lost);
        return;
    }
    send_copy(sim, node->id, to, message);
    if (sim_random_happens(&sim->lot, sim->network.repetition)) {
        sim_count(sim, SIM_message_repeated);
        send_copy(sim, node->id, to, message);
    }
}

static void host_persist(void *context, const struct replica_write *write)
{
    struct sim_node *node = context;
    struct sim *sim = node->sim;
    if (sim_doom(node, SIM_crash_before_persist)) {
        return;
    }
    if (node->write != NULL) {
        sim_break(sim, "node %u starts a write while another is under way", node->id);
        return;
    }
    node->write = write;
    uint64_t takes_ms = sim_random_between(&sim->lot, 1, 3);
    sim_queue_push(sim,
                   (struct sim_event){.time_ms = sim->now_ms + takes_ms * (node->slow ? 100u : 1u),
                                      .type = SIM_WRITTEN,
                                      .to = node->id,
                                      .life = node->life});
}

static void answer(struct sim *sim, uint64_t token, enum conclave_code code, struct slice reply)
{
    if (token == 0 || token > sim->request_count) {
        sim_break(sim, "an answer to nobody's request");
        return;
    }
    struct sim_request *request = &sim->requests[token - 1];
    if (request->state != SIM_WAITING) {
        sim_break(sim, "I2: request %" PRIu64 " was answered twice", token);
        return;
    }
    request->state = SIM_ANSWERED;
    request->code = code;
    sim_trace(sim, token);
    sim_trace(sim, (uint64_t)code);
    if (reply.size > 0) {
        uint8_t *copy = sim_checked(malloc(reply.size));
        memcpy(copy, reply.data, reply.size);
        request->reply = slice_of(copy, reply.size);
        sim_trace_bytes(sim, reply);
    }
}

static void host_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    struct sim_node *node = context;
    if (!sim_doom(node, SIM_crash_before_answer)) {
        answer(node->sim, token, code, reply);
    }
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    host_decided(context, token, code, (struct slice){0});
}

static void host_event(void *context, struct slice event)
{
    struct sim_node *node = context;
    if (!node->doomed) {
        sim_trace_bytes(node->sim, event);
    }
}

static void host_failed(void *context, enum conclave_code code, const char *what)
{
    struct sim_node *node = context;
    ASSERT(code != CONCLAVE_OK && what != NULL);
    if (node->failure != CONCLAVE_OK) {
        sim_break(node->sim, "node %u failed twice", node->id);
    }
    node->failure = code;
    node->failure_what = what;
}

/* --- Opening and closing --- */

static void make_node(struct sim *sim, unsigned id)
{
    struct sim_node *node = &sim->nodes[id];
    *node = (struct sim_node){.sim = sim, .id = id, .tick_ms = UINT64_MAX};
    node->lot.state = sim_random_next(&sim->lot);
    node->clock = (struct clock){node, node_monotonic_ms, node_wall_ms};
    node->random = (struct random){node, node_random};
    node->host = (struct replica_host){.context = node,
                                       .send = host_send,
                                       .persist = host_persist,
                                       .decided = host_decided,
                                       .readable = host_readable,
                                       .event = host_event,
                                       .failed = host_failed};
    node->disk = sim_disk_open(node);
    struct codec_error error;
    enum conclave_code rv = replica_bootstrap(sim_disk_log(node->disk), buffer_slice(&sim->genesis),
                                              id, &node->random, &error);
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
        make_node(sim, id);
    }
    struct replica_identity identity;
    rv = replica_identity(sim_disk_bare_log(sim->nodes[1].disk), &identity);
    ASSERT(rv == CONCLAVE_OK);
    memcpy(sim->cluster_id, identity.cluster_id, sizeof sim->cluster_id);
}

void sim_world_close(struct sim *sim)
{
    for (unsigned id = 1; id <= sim->node_count; id++) {
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

/* Around every call of a replica: the allocation that is to fail, fails in it. */
static void enter(struct sim_node *node)
{
    memory_fault_arm(node->memory_fault);
}

static void leave(struct sim_node *node)
{
    if (node->memory_fault != 0 && memory_fault_hit()) {
        node->excused = true;
        sim_count(node->sim, SIM_no_memory);
    }
    node->memory_fault = 0;
    memory_fault_arm(0);
}

/* After anything that a replica did. */
static void after_event(struct sim *sim, struct sim_node *node)
{
    if (node->doomed) {
        sim_node_crash(sim, node->id);
        return;
    }
    if (node->failure != CONCLAVE_OK) {
        bool rotten = node->failure == CONCLAVE_CORRUPT && sim_disk_rotten(node->disk) != 0;
        sim_say(sim, "node %u fails: %s: %s", node->id, conclave_code_name(node->failure),
                node->failure_what);
        if (!node->excused && !rotten) {
            sim_break(sim, "node %u stopped by itself: %s: %s", node->id,
                      conclave_code_name(node->failure), node->failure_what);
            return;
        }
        if (rotten) {
            sim_count(sim, SIM_bit_rot_found);
            sim_disk_mend(node->disk);
        }
        sim_node_crash(sim, node->id);
        return;
    }
    sim_check_node(sim, node->id);
    uint64_t tick_ms = world_ms(node, replica_deadline_ms(node->replica));
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
                                          .host = &node->host};
    node->life++;
    node->failure = CONCLAVE_OK;
    node->excused = false;
    node->doom = 0;
    node->doomed = false;
    node->paused_until_ms = 0;
    node->restart_ms = 0;
    enter(node);
    enum conclave_code rv = replica_open(&config, &node->replica);
    leave(node);
    sim_trace(sim, (uint64_t)rv);
    sim_say(sim, "node %u starts: %s", id, conclave_code_name(rv));
    if (rv != CONCLAVE_OK) {
        node->replica = NULL;
        if (rv == CONCLAVE_CORRUPT && sim_disk_rotten(node->disk) != 0) {
            sim_count(sim, SIM_bit_rot_found);
            sim_disk_mend(node->disk);
        } else if (!node->excused) {
            sim_break(sim, "node %u does not start: %s", id, conclave_code_name(rv));
        }
        restart_later(sim, node);
        return;
    }
    node->up = true;
    sim_check_started(sim, id);
    after_event(sim, node);
}

static void lose_requests(struct sim *sim, unsigned id)
{
    for (size_t i = 0; i < sim->request_count; i++) {
        if (sim->requests[i].node == id && sim->requests[i].state == SIM_WAITING) {
            sim->requests[i].state = SIM_LOST;
        }
    }
}

static enum conclave_code do_write(struct sim_node *node)
{
    const struct replica_write *write = node->write;
    node->write = NULL;
    return log_append(sim_disk_bare_log(node->disk), write->first_index, write->entries,
                      write->entry_count);
}

void sim_node_crash(struct sim *sim, unsigned id)
{
    struct sim_node *node = node_of(sim, id);
    ASSERT(node->up);
    sim_disk_log_error(node->disk, 0);
    sim_disk_state_error(node->disk, 0);
    if (node->write != NULL) {
        if (sim_random_below(&sim->lot, 2) == 0) {
            enum conclave_code rv = do_write(node); /* done, but nobody was told */
            ASSERT(rv == CONCLAVE_OK);
            sim_count(sim, SIM_write_unreported);
        } else {
            sim_count(sim, SIM_write_lost);
        }
    }
    node->write = NULL;
    replica_close(node->replica);
    node->replica = NULL;
    node->up = false;
    node->life++;
    node->tick_ms = UINT64_MAX;
    lose_requests(sim, id);
    restart_later(sim, node);
    sim_say(sim, "node %u is down", id);
}

void sim_node_transfer(struct sim *sim, unsigned id)
{
    struct sim_node *node = node_of(sim, id);
    enter(node);
    replica_transfer(node->replica);
    leave(node);
    after_event(sim, node);
}

enum conclave_code sim_node_change(struct sim *sim, unsigned id, uint64_t server, int role)
{
    struct sim_node *node = node_of(sim, id);
    char address[LIMIT_ADDRESS_BYTES];
    (void)snprintf(address, sizeof address, "127.0.0.1:%" PRIu64, 7100 + server);
    enter(node);
    enum conclave_code rv = replica_change(node->replica, server, address, role);
    leave(node);
    after_event(sim, node);
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

static void deliver(struct sim *sim, struct sim_event *event)
{
    struct sim_node *node = &sim->nodes[event->to];
    if (sim->clogged[event->from][event->to]) {
        hold(sim, *event);
        return;
    }
    if (node->up && !sim->cut[event->from][event->to]) {
        struct slice message = slice_of(event->bytes, event->size);
        sim_say(sim, "%u -> %u  message of %zu bytes", event->from, event->to, event->size);
        sim_trace_bytes(sim, message);
        enter(node);
        replica_receive(node->replica, event->from, message);
        leave(node);
        after_event(sim, node);
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
    enum conclave_code rv = do_write(node);
    enter(node);
    replica_persisted(node->replica, rv);
    leave(node);
    after_event(sim, node);
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
    enter(node);
    replica_tick(node->replica);
    leave(node);
    after_event(sim, node);
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
    } else {
        finish_write(sim, &event);
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

/* --- Clients --- */

static uint64_t new_request(struct sim *sim, unsigned node)
{
    if (sim->request_count == sim->request_capacity) {
        sim->request_capacity = sim->request_capacity * 2 + 64;
        sim->requests =
            sim_checked(realloc(sim->requests, sim->request_capacity * sizeof *sim->requests));
    }
    sim->requests[sim->request_count++] = (struct sim_request){.node = node};
    return sim->request_count;
}

/* A node that is paused takes in requests when it goes on: here, its clients give up at once. */
static bool reachable(const struct sim *sim, const struct sim_node *node)
{
    return node->up && node->paused_until_ms <= sim->now_ms;
}

uint64_t sim_submit(struct sim *sim, unsigned id, struct slice command, uint64_t timeout_ms)
{
    struct sim_node *node = node_of(sim, id);
    uint64_t token = new_request(sim, id);
    enum conclave_code rv = CONCLAVE_UNREACHABLE;
    if (reachable(sim, node)) {
        enter(node);
        rv = replica_submit(node->replica, command, token, timeout_ms);
        leave(node);
        after_event(sim, node);
    }
    if (rv != CONCLAVE_OK && sim->requests[token - 1].state == SIM_WAITING) {
        answer(sim, token, rv, (struct slice){0});
    }
    return token;
}

uint64_t sim_read(struct sim *sim, unsigned id, uint64_t timeout_ms)
{
    struct sim_node *node = node_of(sim, id);
    uint64_t token = new_request(sim, id);
    enum conclave_code rv = CONCLAVE_UNREACHABLE;
    if (reachable(sim, node)) {
        enter(node);
        rv = replica_read(node->replica, token, timeout_ms);
        leave(node);
        after_event(sim, node);
    }
    if (rv != CONCLAVE_OK && sim->requests[token - 1].state == SIM_WAITING) {
        answer(sim, token, rv, (struct slice){0});
    }
    return token;
}

const struct sim_request *sim_request(const struct sim *sim, uint64_t token)
{
    ASSERT(token >= 1 && token <= sim->request_count);
    return &sim->requests[token - 1];
}
