/* Clocks, the hosts of replicas, and what replicas are asked. */
#include "sim/sim_host.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/memory.h"
#include "sim/sim_disk.h"
#include "sim/sim_door.h"
#include "sim/sim_queue.h"
#include "sim/sim_record.h"

/* --- Clocks --- */

/* Thousandths of a millisecond that the clock counts in one. */
static uint64_t rate_of(const struct sim_node *node)
{
    return (uint64_t)(1000 + node->drift);
}

static uint64_t local_ms(const struct sim_node *node, uint64_t world_ms)
{
    ASSERT(world_ms >= node->rate_since_ms);
    return node->rate_local_ms + (world_ms - node->rate_since_ms) * rate_of(node) / 1000u;
}

uint64_t sim_host_world_ms(const struct sim_node *node, uint64_t wanted_ms)
{
    if (wanted_ms == UINT64_MAX) {
        return UINT64_MAX;
    }
    if (wanted_ms <= local_ms(node, node->sim->now_ms)) {
        return node->sim->now_ms;
    }
    uint64_t ahead_ms = (wanted_ms - node->rate_local_ms) * 1000u / rate_of(node);
    uint64_t guess = node->rate_since_ms + (ahead_ms > 3 ? ahead_ms - 3 : 0);
    while (local_ms(node, guess) < wanted_ms) {
        guess++;
    }
    return guess;
}

void sim_host_drift(struct sim_node *node, int drift)
{
    ASSERT(drift > -1000 && drift <= 1000);
    node->rate_local_ms = local_ms(node, node->sim->now_ms);
    node->rate_since_ms = node->sim->now_ms;
    node->drift = drift;
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
    if (node->doomed || node->doom == 0 || node->doom_point != point) {
        return node->doomed;
    }
    if (--node->doom == 0) {
        node->doomed = true;
        sim_count(node->sim, point);
        sim_say(node->sim, "node %u dies: %s", node->id, sim_report_name(point));
    }
    return node->doomed;
}

static void send_copy(struct sim *sim, unsigned from, unsigned to, uint64_t life,
                      struct slice message)
{
    const struct sim_network *network = &sim->network;
    uint64_t delay_ms = sim_random_between(&sim->lot, network->delay_min_ms, network->delay_max_ms);
    if (sim_random_happens(&sim->lot, network->straggling)) {
        delay_ms += sim_random_below(&sim->lot, 20 * network->delay_max_ms + 1);
        sim_count(sim, SIM_message_straggled);
    }
    size_t size = message.size;
    bool broken = sim_random_happens(&sim->lot, network->truncation) && size > 1;
    if (broken) {
        size = sim->wired ? size : 1 + (size_t)sim_random_below(&sim->lot, size - 1);
        sim_count(sim, SIM_message_truncated);
    }
    struct sim_event event = {.time_ms = sim->now_ms + delay_ms,
                              .type = SIM_MESSAGE,
                              .from = from,
                              .to = to,
                              .life = life,
                              .broken = broken,
                              .bytes = sim_checked(malloc(size)),
                              .size = size};
    memcpy(event.bytes, message.data, size);
    sim_queue_push(sim, event);
}

static struct sim_event *any_past(struct sim *sim)
{
    return &sim->past[sim_random_below(&sim->lot, SIM_PAST_MESSAGES)];
}

static void keep(struct sim *sim, unsigned from, unsigned to, struct slice message)
{
    struct sim_event *kept = any_past(sim);
    free(kept->bytes);
    *kept = (struct sim_event){.from = from,
                               .to = to,
                               .life = sim_link_life(sim, from, to),
                               .bytes = sim_checked(malloc(message.size)),
                               .size = message.size};
    memcpy(kept->bytes, message.data, message.size);
}

/* A message of long ago comes again. */
static void replay(struct sim *sim)
{
    const struct sim_event *kept = any_past(sim);
    if (kept->bytes != NULL) {
        sim_count(sim, SIM_message_replayed);
        send_copy(sim, kept->from, kept->to, kept->life, slice_of(kept->bytes, kept->size));
    }
}

static void transmit(struct sim_node *node, unsigned to, struct slice message)
{
    struct sim *sim = node->sim;
    if (sim_random_happens(&sim->lot, 200)) {
        keep(sim, node->id, to, message);
    }
    if (sim_random_happens(&sim->lot, sim->network.replay)) {
        replay(sim);
    }
    if (sim->cut[node->id][to] || sim_random_happens(&sim->lot, sim->network.loss)) {
        sim_count(sim, SIM_message_lost);
        return;
    }
    send_copy(sim, node->id, to, sim_link_life(sim, node->id, to), message);
    if (sim_random_happens(&sim->lot, sim->network.repetition)) {
        sim_count(sim, SIM_message_repeated);
        send_copy(sim, node->id, to, sim_link_life(sim, node->id, to), message);
    }
}

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    struct sim_node *node = context;
    ASSERT(node_id >= 1 && node_id <= node->sim->node_count && node_id != node->id);
    if (sim_doom(node, SIM_crash_before_send)) {
        return;
    }
    sim_record_sent(node, message);
    transmit(node, (unsigned)node_id, message);
    (void)sim_doom(node, SIM_crash_after_send);
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
    uint64_t takes_ms = sim_random_between(&sim->lot, 1, 3) * (node->slow ? 100u : 1u);
    uint64_t begins_ms = node->stalled_until_ms > sim->now_ms ? node->stalled_until_ms
                                                              : sim->now_ms;
    sim_queue_push(sim, (struct sim_event){.time_ms = begins_ms + takes_ms,
                                           .type = SIM_WRITTEN,
                                           .to = node->id,
                                           .life = node->life});
    (void)sim_doom(node, SIM_crash_after_persist);
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
    if (sim_doom(node, SIM_crash_before_answer)) {
        return;
    }
    if (token >= SIM_DOOR_TOKENS) {
        sim_door_decided(node->door, token, code, reply);
    } else {
        answer(node->sim, token, code, reply);
    }
    (void)sim_doom(node, SIM_crash_after_answer);
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    struct sim_node *node = context;
    if (token < SIM_DOOR_TOKENS) {
        host_decided(context, token, code, (struct slice){0});
    } else if (!node->doomed) {
        sim_door_readable(node->door, token, code);
    }
}

static void host_event(void *context, struct slice event)
{
    struct sim_node *node = context;
    if (!node->doomed) {
        sim_trace_bytes(node->sim, event);
        sim_door_event(node->door, event);
    }
}

/* Messages reach every node of the world: who has a seat is the replicas' business. */
static void host_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    (void)context;
    ASSERT(seats != NULL && count <= LIMIT_NODES);
}

static void host_keep(void *context, struct slice bytes)
{
    sim_record_keep(context, bytes);
}

static void host_repaired(void *context, uint64_t index)
{
    struct sim_node *node = context;
    if (!node->doomed && sim_disk_rotten(node->disk) == index) {
        sim_count(node->sim, SIM_bit_rot_repaired);
        sim_disk_mend(node->disk); /* there is nothing to mend any more */
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

void sim_host_open(struct sim_node *node)
{
    node->clock = (struct clock){node, node_monotonic_ms, node_wall_ms, NULL};
    node->random = (struct random){node, node_random};
    node->host = (struct replica_host){.context = node,
                                       .send = host_send,
                                       .persist = host_persist,
                                       .decided = host_decided,
                                       .readable = host_readable,
                                       .event = host_event,
                                       .seated = host_seated,
                                       .keep = host_keep,
                                       .failed = host_failed,
                                       .repaired = host_repaired};
}

void sim_host_enter(struct sim_node *node)
{
    memory_fault_arm(node->memory_fault);
}

void sim_host_leave(struct sim_node *node)
{
    if (node->memory_fault != 0 && memory_fault_hit()) {
        node->excused = true;
        sim_count(node->sim, SIM_no_memory);
    }
    node->memory_fault = 0;
    memory_fault_arm(0);
}

/* --- What replicas are asked --- */

void sim_host_lose_requests(struct sim_node *node)
{
    struct sim *sim = node->sim;
    for (size_t i = 0; i < sim->request_count; i++) {
        if (sim->requests[i].node == node->id && sim->requests[i].state == SIM_WAITING) {
            sim->requests[i].state = SIM_LOST;
        }
    }
}

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
    struct sim_node *node = &sim->nodes[id];
    uint64_t token = new_request(sim, id);
    enum conclave_code rv = CONCLAVE_UNREACHABLE;
    if (reachable(sim, node)) {
        sim_host_enter(node);
        rv = replica_submit(node->replica, command, token, timeout_ms);
        sim_host_leave(node);
        sim_node_settle(node);
    }
    if (rv != CONCLAVE_OK && sim->requests[token - 1].state == SIM_WAITING) {
        answer(sim, token, rv, (struct slice){0});
    }
    return token;
}

uint64_t sim_read(struct sim *sim, unsigned id, uint64_t timeout_ms)
{
    struct sim_node *node = &sim->nodes[id];
    uint64_t token = new_request(sim, id);
    enum conclave_code rv = CONCLAVE_UNREACHABLE;
    if (reachable(sim, node)) {
        sim_host_enter(node);
        rv = replica_read(node->replica, token, timeout_ms);
        sim_host_leave(node);
        sim_node_settle(node);
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
