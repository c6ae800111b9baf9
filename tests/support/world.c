/* The virtual world's events. */
#include "support/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "codec/reader.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "support/world_check.h"

/* 2026-01-01: where wall clocks begin. */
#define WORLD_BEGIN_MS 1767225600000u

enum world_event_type {
    WORLD_MESSAGE,
    WORLD_WRITTEN,
    WORLD_KEPT
};

struct world_event {
    uint64_t time_ms;
    uint64_t number;
    enum world_event_type type;
    unsigned from;
    unsigned to;
    uint64_t life; /* WRITTEN: of the node that wrote */
    uint8_t *bytes;
    size_t size;
};

static void *checked(void *memory)
{
    ASSERT(memory != NULL);
    return memory;
}

/* --- Chance: splitmix64 (Steele, Lea, Flood, 2014) --- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

uint64_t world_random(struct world *world, uint64_t bound)
{
    ASSERT(bound > 0);
    return next_random(&world->random_state) % bound;
}

static uint64_t between(struct world *world, uint64_t low, uint64_t high)
{
    return high <= low ? low : low + world_random(world, high - low + 1);
}

static bool happens(struct world *world, unsigned of_10000)
{
    return of_10000 > 0 && world_random(world, 10000) < of_10000;
}

uint64_t world_wall_ms(const struct world *world)
{
    return WORLD_BEGIN_MS + world->now_ms;
}

/* --- The queue of events --- */

static bool before(const struct world_event *a, const struct world_event *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->number < b->number;
}

static void push(struct world *world, struct world_event event)
{
    if (world->queue_count == world->queue_capacity) {
        world->queue_capacity = world->queue_capacity * 2 + 64;
        world->queue = checked(realloc(world->queue, world->queue_capacity * sizeof *world->queue));
    }
    event.number = ++world->queue_number;
    size_t at = world->queue_count++;
    while (at > 0 && before(&event, &world->queue[(at - 1) / 2])) {
        world->queue[at] = world->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    world->queue[at] = event;
}

static struct world_event pop(struct world *world)
{
    ASSERT(world->queue_count > 0);
    struct world_event first = world->queue[0];
    struct world_event last = world->queue[--world->queue_count];
    size_t at = 0;
    while (2 * at + 1 < world->queue_count) {
        size_t child = 2 * at + 1;
        if (child + 1 < world->queue_count &&
            before(&world->queue[child + 1], &world->queue[child])) {
            child++;
        }
        if (!before(&world->queue[child], &last)) {
            break;
        }
        world->queue[at] = world->queue[child];
        at = child;
    }
    world->queue[at] = last;
    return first;
}

/* --- The hosts of replicas --- */

static uint64_t node_monotonic_ms(void *context)
{
    const struct world_node *node = context;
    return node->world->now_ms;
}

static uint64_t node_wall_ms(void *context)
{
    const struct world_node *node = context;
    return (uint64_t)((int64_t)world_wall_ms(node->world) + node->wall_skew_ms);
}

static uint64_t node_random(void *context)
{
    struct world_node *node = context;
    return next_random(&node->random_state);
}

static void host_send(void *context, uint64_t node_id, struct slice message)
{
    const struct world_node *node = context;
    struct world *world = node->world;
    ASSERT(node_id >= 1 && node_id != node->id);
    if (node_id > world->config.node_count) {
        return; /* a server of a changed configuration that the world does not have */
    }
    unsigned to = (unsigned)node_id;
    if (world->watch.sent != NULL) {
        world->watch.sent(world->watch.context, node->id, to, message);
    }
    const struct world_network *network = &world->network;
    if (world->cut[node->id][to] || happens(world, network->loss)) {
        return;
    }
    unsigned copies = happens(world, network->repetition) ? 2 : 1;
    for (unsigned i = 0; i < copies; i++) {
        uint64_t delay_ms = between(world, network->delay_min_ms, network->delay_max_ms);
        if (happens(world, network->straggling)) {
            delay_ms += world_random(world, 20 * network->delay_max_ms + 1);
        }
        struct world_event event = {.time_ms = world->now_ms + delay_ms,
                                    .type = WORLD_MESSAGE,
                                    .from = node->id,
                                    .to = to,
                                    .bytes = checked(malloc(message.size)),
                                    .size = message.size};
        memcpy(event.bytes, message.data, message.size);
        push(world, event);
    }
}

static void host_persist(void *context, const struct replica_write *write)
{
    struct world_node *node = context;
    struct world *world = node->world;
    ASSERT(node->write == NULL); /* at most one at a time */
    node->write = write;
    uint64_t takes_ms = between(world, world->disks.write_min_ms, world->disks.write_max_ms);
    push(world, (struct world_event){.time_ms = world->now_ms + takes_ms,
                                     .type = WORLD_WRITTEN,
                                     .to = node->id,
                                     .life = node->life});
}

static void host_keep(void *context, struct slice bytes)
{
    struct world_node *node = context;
    struct world *world = node->world;
    ASSERT(node->keeping == NULL && bytes.size > 0); /* at most one at a time */
    node->keeping = checked(malloc(bytes.size));
    node->keeping_size = bytes.size;
    memcpy(node->keeping, bytes.data, bytes.size);
    uint64_t takes_ms = between(world, world->disks.write_min_ms, world->disks.write_max_ms);
    push(world, (struct world_event){.time_ms = world->now_ms + takes_ms,
                                     .type = WORLD_KEPT,
                                     .to = node->id,
                                     .life = node->life});
}

static void node_sign(void *context, struct slice message, uint8_t signature[64])
{
    const struct world_node *node = context;
    auth_sign(&node->key, message, signature);
}

static void answer(struct world *world, uint64_t token, enum conclave_code code, struct slice reply)
{
    ASSERT(token >= 1 && token <= world->answer_count);
    struct world_answer *known = &world->answers[token - 1];
    ASSERT(known->state == WORLD_WAITING); /* exactly once a token */
    known->state = WORLD_ANSWERED;
    known->code = code;
    known->answered_ms = world->now_ms;
    if (reply.size > 0) {
        uint8_t *copy = checked(malloc(reply.size));
        memcpy(copy, reply.data, reply.size);
        known->reply = slice_of(copy, reply.size);
    }
}

static void host_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    const struct world_node *node = context;
    answer(node->world, token, code, reply);
}

static void host_readable(void *context, uint64_t token, enum conclave_code code)
{
    const struct world_node *node = context;
    answer(node->world, token, code, (struct slice){0});
}

static void host_event(void *context, struct slice event)
{
    struct world_node *node = context;
    struct codec_tree tree;
    enum conclave_code rv = codec_parse(&tree, event);
    if (rv == CONCLAVE_OK) {
        codec_tree_close(&tree);
    } else {
        ASSERT(rv == CONCLAVE_NO_MEMORY); /* a test's doing */
    }
    node->events++;
    static const char leader_changed[] = "leader.changed";
    node->leader_events +=
        memmem(event.data, event.size, leader_changed, sizeof leader_changed - 1) != NULL;
    if (node->world->watch.event != NULL) {
        node->world->watch.event(node->world->watch.context, node->id, event);
    }
}

static void host_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    struct world_node *node = context;
    ASSERT(count <= LIMIT_NODES);
    memcpy(node->seats, seats, count * sizeof seats[0]);
    node->seat_count = count;
}

static void host_failed(void *context, enum conclave_code code, const char *what)
{
    (void)what;
    struct world_node *node = context;
    ASSERT(node->failure == CONCLAVE_OK); /* told once */
    node->failure = code;
}

/* --- Opening and closing --- */

static void make_disk(struct world *world, struct world_node *node, bool joins)
{
    enum conclave_code rv = log_memory_open(&node->log);
    ASSERT(rv == CONCLAVE_OK);
    rv = kv_memory_open(&node->kv);
    ASSERT(rv == CONCLAVE_OK);
    struct codec_error error;
    rv = joins ? replica_join(node->log, world->cluster_id, node->id, &node->random, &error)
               : replica_bootstrap(node->log, buffer_slice(&world->genesis), node->id,
                                   &node->random, &error);
    ASSERT(rv == CONCLAVE_OK);
}

static void make_node(struct world *world, unsigned id, bool joins)
{
    struct world_node *node = &world->nodes[id];
    *node = (struct world_node){.world = world, .id = id, .tick_ms = UINT64_MAX};
    node->random_state = next_random(&world->random_state);
    node->clock = (struct clock){node, node_monotonic_ms, node_wall_ms, NULL};
    node->random = (struct random){node, node_random};
    node->host = (struct replica_host){.context = node,
                                       .send = host_send,
                                       .persist = host_persist,
                                       .keep = host_keep,
                                       .decided = host_decided,
                                       .readable = host_readable,
                                       .event = host_event,
                                       .seated = host_seated,
                                       .failed = host_failed};
    actor_node_key(&node->key, id);
    node->signs = true;
    node->signer = (struct replica_signer){.context = node, .sign = node_sign};
    memcpy(node->signer.public_key, node->key.public_key, sizeof node->signer.public_key);
    make_disk(world, node, joins);
}

struct world *world_open(const struct world_config *config)
{
    ASSERT(config->node_count >= 1 && config->node_count <= WORLD_NODES);
    enum conclave_code rv = auth_init();
    ASSERT(rv == CONCLAVE_OK);
    struct world *world = checked(calloc(1, sizeof *world));
    world->config = *config;
    world->config.heartbeat_ms = config->heartbeat_ms == 0 ? 50 : config->heartbeat_ms;
    world->config.election_ms = config->election_ms == 0 ? 300 : config->election_ms;
    world->network = (struct world_network){.delay_min_ms = 1, .delay_max_ms = 5};
    world->disks = (struct world_disks){.write_min_ms = 1, .write_max_ms = 3};
    world->random_state = config->seed;
    world->now_ms = 1000;
    world->check = world_check_open();
    actor_init(&world->chair, "chair");
    buffer_init(&world->genesis, LIMIT_COMMAND_BYTES + 128u);
    actor_genesis(&world->chair, &world->genesis, config->node_count, world_wall_ms(world));
    for (unsigned id = 1; id <= config->node_count; id++) {
        make_node(world, id, false);
    }
    struct replica_identity identity;
    rv = replica_identity(world->nodes[1].log, &identity);
    ASSERT(rv == CONCLAVE_OK);
    memcpy(world->cluster_id, identity.cluster_id, sizeof world->cluster_id);
    return world;
}

unsigned world_add(struct world *world)
{
    ASSERT(world->config.node_count < WORLD_NODES);
    world->config.node_count++;
    make_node(world, world->config.node_count, true);
    return world->config.node_count;
}

void world_close(struct world *world)
{
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        struct world_node *node = &world->nodes[id];
        replica_close(node->replica);
        free(node->kept);
        free(node->keeping);
        log_close(node->log);
        kv_close(node->kv);
    }
    while (world->queue_count > 0) {
        free(world->queue[--world->queue_count].bytes);
    }
    for (size_t i = 0; i < world->answer_count; i++) {
        free((void *)(uintptr_t)world->answers[i].reply.data);
    }
    world_check_close(world->check);
    buffer_close(&world->genesis);
    free(world->answers);
    free(world->queue);
    free(world);
}

/* --- Nodes --- */

static struct world_node *node_of(struct world *world, unsigned node)
{
    ASSERT(node >= 1 && node <= world->config.node_count);
    return &world->nodes[node];
}

/* After anything that a replica did. */
static void after_event(struct world *world, struct world_node *node)
{
    world_check_node(world, node->id);
    uint64_t deadline_ms = replica_deadline_ms(node->replica);
    node->tick_ms = deadline_ms < world->now_ms ? world->now_ms : deadline_ms;
}

enum conclave_code world_start(struct world *world, unsigned id)
{
    struct world_node *node = node_of(world, id);
    ASSERT(!node->up);
    const struct replica_config config = {.node_id = id,
                                          .heartbeat_ms = world->config.heartbeat_ms,
                                          .election_ms = world->config.election_ms,
                                          .log = node->log,
                                          .kv = node->kv,
                                          .clock = &node->clock,
                                          .random = &node->random,
                                          .host = &node->host,
                                          .signer = node->signs ? &node->signer : NULL,
                                          .kept = slice_of(node->kept, node->kept_size)};
    node->life++;
    node->failure = CONCLAVE_OK;
    enum conclave_code rv = replica_open(&config, &node->replica);
    if (rv != CONCLAVE_OK) {
        node->replica = NULL;
        return rv;
    }
    node->up = true;
    world_check_started(world, id);
    after_event(world, node);
    return CONCLAVE_OK;
}

void world_start_all(struct world *world)
{
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        if (!world->nodes[id].up) {
            enum conclave_code rv = world_start(world, id);
            ASSERT(rv == CONCLAVE_OK);
        }
    }
}

static enum conclave_code do_write(struct world_node *node)
{
    const struct replica_write *write = node->write;
    node->write = NULL;
    return log_append(node->log, write->first_index, write->entries, write->entry_count);
}

static void end_keep(struct world_node *node, bool done)
{
    if (done) {
        free(node->kept);
        node->kept = node->keeping;
        node->kept_size = node->keeping_size;
    } else {
        free(node->keeping);
    }
    node->keeping = NULL;
    node->keeping_size = 0;
}

void world_crash(struct world *world, unsigned id)
{
    struct world_node *node = node_of(world, id);
    ASSERT(node->up);
    if (node->write != NULL && happens(world, 5000)) {
        enum conclave_code rv = do_write(node); /* done, but nobody was told */
        ASSERT(rv == CONCLAVE_OK || rv == CONCLAVE_IO);
    }
    node->write = NULL;
    end_keep(node, node->keeping != NULL && happens(world, 5000));
    replica_close(node->replica);
    node->replica = NULL;
    node->up = false;
    node->life++; /* what was under way ends nowhere */
    node->tick_ms = UINT64_MAX;
    for (size_t i = 0; i < world->answer_count; i++) {
        if (world->answers[i].node == id && world->answers[i].state == WORLD_WAITING) {
            world->answers[i].state = WORLD_LOST;
        }
    }
}

void world_wipe_state(struct world *world, unsigned id)
{
    struct world_node *node = node_of(world, id);
    ASSERT(!node->up);
    kv_close(node->kv);
    enum conclave_code rv = kv_memory_open(&node->kv);
    ASSERT(rv == CONCLAVE_OK);
}

void world_isolate(struct world *world, unsigned id)
{
    for (unsigned other = 1; other <= world->config.node_count; other++) {
        if (other != id) {
            world->cut[id][other] = world->cut[other][id] = true;
        }
    }
}

void world_heal(struct world *world)
{
    memset(world->cut, 0, sizeof world->cut);
}

unsigned world_leader(struct world *world)
{
    unsigned leader = 0;
    uint64_t term = 0;
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        if (world->nodes[id].up) {
            struct replica_status status;
            replica_status(world->nodes[id].replica, &status);
            if (status.state == REPLICA_LEADER && status.ready && status.term > term) {
                leader = id;
                term = status.term;
            }
        }
    }
    return leader;
}

/* --- Time --- */

static void deliver(struct world *world, const struct world_event *event)
{
    struct world_node *node = &world->nodes[event->to];
    if (node->up && !world->cut[event->from][event->to]) {
        replica_receive(node->replica, event->from, slice_of(event->bytes, event->size));
        after_event(world, node);
    }
    free(event->bytes);
}

static void finish_write(struct world *world, const struct world_event *event)
{
    struct world_node *node = &world->nodes[event->to];
    if (!node->up || node->life != event->life) {
        return;
    }
    enum conclave_code rv = do_write(node);
    replica_persisted(node->replica, rv);
    after_event(world, node);
}

static void finish_keep(struct world *world, const struct world_event *event)
{
    struct world_node *node = &world->nodes[event->to];
    if (!node->up || node->life != event->life) {
        return;
    }
    enum conclave_code rv = node->keep_fault;
    node->keep_fault = CONCLAVE_OK;
    end_keep(node, rv == CONCLAVE_OK);
    replica_kept(node->replica, rv);
    after_event(world, node);
}

/* The node whose tick is due first. */
static struct world_node *next_tick(struct world *world)
{
    struct world_node *next = NULL;
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        struct world_node *node = &world->nodes[id];
        if (node->up && (next == NULL || node->tick_ms < next->tick_ms)) {
            next = node;
        }
    }
    return next;
}

static uint64_t next_time_ms(struct world *world)
{
    const struct world_node *node = next_tick(world);
    uint64_t time_ms = node == NULL ? UINT64_MAX : node->tick_ms;
    if (world->queue_count > 0 && world->queue[0].time_ms < time_ms) {
        time_ms = world->queue[0].time_ms;
    }
    return time_ms;
}

bool world_step(struct world *world)
{
    uint64_t time_ms = next_time_ms(world);
    if (time_ms == UINT64_MAX) {
        world->now_ms++; /* nobody is up */
        return world->broken[0] == 0;
    }
    ASSERT(time_ms >= world->now_ms);
    world->now_ms = time_ms;
    world->steps++;
    if (world->queue_count > 0 && world->queue[0].time_ms == time_ms) {
        struct world_event event = pop(world);
        if (event.type == WORLD_MESSAGE) {
            deliver(world, &event);
        } else if (event.type == WORLD_WRITTEN) {
            finish_write(world, &event);
        } else {
            finish_keep(world, &event);
        }
    } else {
        struct world_node *node = next_tick(world);
        replica_tick(node->replica);
        after_event(world, node);
    }
    return world->broken[0] == 0;
}

bool world_run_until(struct world *world, bool (*done)(struct world *world, void *context),
                     void *context, uint64_t timeout_ms)
{
    uint64_t end_ms = world->now_ms + timeout_ms;
    for (;;) {
        if (done != NULL && done(world, context)) {
            return world->broken[0] == 0;
        }
        if (next_time_ms(world) > end_ms) {
            world->now_ms = end_ms;
            return false;
        }
        if (!world_step(world)) {
            return false;
        }
    }
}

void world_run(struct world *world, uint64_t duration_ms)
{
    (void)world_run_until(world, NULL, NULL, duration_ms);
}

/* --- Clients --- */

static uint64_t new_token(struct world *world, unsigned node)
{
    if (world->answer_count == world->answer_capacity) {
        world->answer_capacity = world->answer_capacity * 2 + 64;
        world->answers =
            checked(realloc(world->answers, world->answer_capacity * sizeof *world->answers));
    }
    struct world_answer *made = &world->answers[world->answer_count++];
    *made = (struct world_answer){.node = node, .asked_ms = world->now_ms};
    return world->answer_count;
}

uint64_t world_submit(struct world *world, unsigned id, struct slice command, uint64_t timeout_ms)
{
    struct world_node *node = node_of(world, id);
    uint64_t token = new_token(world, id);
    enum conclave_code rv = CONCLAVE_UNREACHABLE;
    if (node->up) {
        rv = replica_submit(node->replica, command, token, timeout_ms);
        after_event(world, node);
    }
    if (rv != CONCLAVE_OK) {
        answer(world, token, rv, (struct slice){0});
    }
    return token;
}

/* A read, or with a size the waiting for a final checkpoint that has it. */
static uint64_t ask(struct world *world, unsigned id, uint64_t final_size, uint64_t timeout_ms)
{
    struct world_node *node = node_of(world, id);
    uint64_t token = new_token(world, id);
    enum conclave_code rv = CONCLAVE_UNREACHABLE;
    if (node->up) {
        rv = final_size == 0 ? replica_read(node->replica, token, timeout_ms)
                             : replica_await_final(node->replica, final_size, token, timeout_ms);
        after_event(world, node);
    }
    if (rv != CONCLAVE_OK) {
        answer(world, token, rv, (struct slice){0});
    }
    return token;
}

uint64_t world_read(struct world *world, unsigned id, uint64_t timeout_ms)
{
    return ask(world, id, 0, timeout_ms);
}

uint64_t world_await_final(struct world *world, unsigned id, uint64_t size, uint64_t timeout_ms)
{
    ASSERT(size > 0);
    return ask(world, id, size, timeout_ms);
}

const struct world_answer *world_answer(const struct world *world, uint64_t token)
{
    ASSERT(token >= 1 && token <= world->answer_count);
    return &world->answers[token - 1];
}

enum conclave_code world_query(struct world *world, unsigned id, const char *method,
                               struct slice params, struct buffer *answer_out)
{
    struct world_node *node = node_of(world, id);
    ASSERT(node->up);
    struct codec_tree tree;
    enum conclave_code rv = codec_parse(&tree, params);
    ASSERT(rv == CONCLAVE_OK);
    struct codec_error error;
    buffer_clear(answer_out);
    rv = replica_query(node->replica, slice_of_text(method), &tree.root, answer_out, &error);
    codec_tree_close(&tree);
    return rv;
}

void world_inject(struct world *world, unsigned from, unsigned to, struct slice message)
{
    struct world_node *node = node_of(world, to);
    ASSERT(node->up);
    replica_receive(node->replica, from, message);
    after_event(world, node);
}
