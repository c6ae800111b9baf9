/* Commands and their answers. */
#include "sim/sim_op.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim_model.h"
#include "sim/sim_unpack.h"

#define PAST 48u

struct known {
    uint64_t hash;   /* 0: free */
    uint64_t answer; /* hash of the first answer; 0: none yet */
    bool elsewhere;  /* others may have sent it too */
};

struct sim_ops {
    struct actor people[SIM_ACTORS]; /* not [0] */
    struct buffer command;
    struct known *known; /* by hash, open addressing */
    size_t known_count, known_capacity;
    struct {
        uint8_t *bytes;
        size_t size;
    } past[PAST];
    uint64_t made;
    uint64_t acknowledged_index;
    uint64_t acknowledged;
};

static struct known *find(const struct sim_ops *ops, uint64_t hash)
{
    size_t at = (size_t)hash & (ops->known_capacity - 1);
    while (ops->known[at].hash != 0 && ops->known[at].hash != hash) {
        at = (at + 1) & (ops->known_capacity - 1);
    }
    return &ops->known[at];
}

static void know(struct sim_ops *ops, uint64_t hash)
{
    if (ops->known_count * 2 >= ops->known_capacity) {
        struct known *old = ops->known;
        size_t old_capacity = ops->known_capacity;
        ops->known_capacity = old_capacity == 0 ? 1024 : old_capacity * 2;
        ops->known = sim_checked(calloc(ops->known_capacity, sizeof *ops->known));
        for (size_t i = 0; i < old_capacity; i++) {
            if (old[i].hash != 0) {
                *find(ops, old[i].hash) = old[i];
            }
        }
        free(old);
    }
    struct known *known = find(ops, hash);
    ops->known_count += known->hash == 0;
    known->hash = hash;
}

void sim_ops_open(struct sim *sim)
{
    struct sim_ops *ops = sim->ops = sim_checked(calloc(1, sizeof *ops));
    for (unsigned i = 1; i < SIM_ACTORS; i++) {
        char id[SIM_NAME];
        (void)snprintf(id, sizeof id, "member-%u", i);
        actor_init(&ops->people[i], id);
    }
    buffer_init(&ops->command, 2u * LIMIT_COMMAND_BYTES);
    know(ops, XXH3_64bits(sim->genesis.data, sim->genesis.size));
}

void sim_ops_close(struct sim *sim)
{
    struct sim_ops *ops = sim->ops;
    for (size_t i = 0; i < PAST; i++) {
        free(ops->past[i].bytes);
    }
    free(ops->known);
    buffer_close(&ops->command);
    free(ops);
}

struct actor *sim_op_actor(struct sim *sim, unsigned number)
{
    ASSERT(number < SIM_ACTORS);
    return number == 0 ? &sim->chair : &sim->ops->people[number];
}

static uint8_t *copy_of(struct slice bytes)
{
    uint8_t *copy = sim_checked(malloc(bytes.size));
    memcpy(copy, bytes.data, bytes.size);
    return copy;
}

struct sim_op *sim_op_make(struct sim *sim, unsigned actor, const char *kind, struct slice body,
                           uint64_t life_ms)
{
    struct sim_ops *ops = sim->ops;
    uint64_t known_ms = sim->model->time_ms > sim_wall_ms(sim) ? sim->model->time_ms
                                                               : sim_wall_ms(sim);
    actor_command(sim_op_actor(sim, actor), &ops->command, sim->cluster_id, known_ms + life_ms,
                  kind, body);
    struct slice bytes = buffer_slice(&ops->command);
    struct sim_op *op = sim_checked(calloc(1, sizeof *op));
    op->size = bytes.size;
    op->bytes = copy_of(bytes);
    op->hash = XXH3_64bits(bytes.data, bytes.size);
    op->floor = ops->acknowledged_index;
    know(ops, op->hash);
    size_t at = (size_t)(ops->made++ % PAST);
    free(ops->past[at].bytes);
    ops->past[at].bytes = copy_of(bytes);
    ops->past[at].size = bytes.size;
    sim_count(sim, SIM_commands_submitted);
    return op;
}

void sim_op_free(struct sim_op *op)
{
    if (op != NULL) {
        free(op->bytes);
        free(op);
    }
}

bool sim_op_signed(const struct sim *sim, uint64_t hash)
{
    return find(sim->ops, hash)->hash == hash;
}

bool sim_op_elsewhere(const struct sim *sim, uint64_t hash)
{
    return find(sim->ops, hash)->elsewhere;
}

struct slice sim_op_past(struct sim *sim, struct sim_random *random)
{
    const struct sim_ops *ops = sim->ops;
    uint64_t count = ops->made < PAST ? ops->made : PAST;
    if (count == 0) {
        return slice_of("", 0);
    }
    size_t at = (size_t)sim_random_below(random, count);
    struct slice bytes = slice_of(ops->past[at].bytes, ops->past[at].size);
    find(ops, XXH3_64bits(bytes.data, bytes.size))->elsewhere = true;
    return bytes;
}

uint64_t sim_op_acknowledged_index(const struct sim *sim)
{
    return sim->ops->acknowledged_index;
}

uint64_t sim_op_acknowledged(const struct sim *sim)
{
    return sim->ops->acknowledged;
}

void sim_op_shown(struct sim *sim, uint64_t index)
{
    if (index > sim->ops->acknowledged_index) {
        sim->ops->acknowledged_index = index;
    }
}

/* --- Checking a reply --- */

static bool same_code(const char *expected, const msgpack_object *code)
{
    return strcmp(expected, "?") == 0 ? !unpack_is(code, "ok") : unpack_is(code, expected);
}

void sim_op_check(struct sim *sim, const struct sim_op *op, const msgpack_object *reply)
{
    uint64_t index = unpack_u64(unpack_get(reply, "index"), 0);
    uint64_t position = unpack_u64(unpack_get(reply, "position"), UINT64_MAX);
    const msgpack_object *code = unpack_get(reply, "code");
    const struct sim_decision *decision = sim_model_decision(sim, index, position);
    struct slice name = unpack_bytes(code);
    if (decision == NULL || decision->hash != op->hash) {
        sim_break(sim,
                  "I1: a command was acknowledged at %" PRIu64 ".%" PRIu64
                  ", where the log does not have it",
                  index, position);
    } else if (!decision->first) {
        sim_break(sim, "I2: a copy at %" PRIu64 ".%" PRIu64 " was decided anew", index, position);
    } else if (!same_code(decision->code, code)) {
        sim_break(sim, "I9: the command at %" PRIu64 ".%" PRIu64 " got %.*s: by the rules it is %s",
                  index, position, (int)name.size, (const char *)name.data, decision->code);
    } else if (unpack_u64(unpack_get(reply, "time"), 0) != decision->time_ms) {
        sim_break(sim, "I9: the reply of %" PRIu64 ".%" PRIu64 " has another time", index,
                  position);
    } else if (index <= op->floor) {
        sim_break(sim,
                  "I6: a command sent after %" PRIu64 " was acknowledged was decided at "
                  "%" PRIu64,
                  op->floor, index);
    }
    sim_op_shown(sim, index);
    sim->ops->acknowledged++;
}

void sim_op_reply(struct sim *sim, const struct sim_op *op, struct slice bytes)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.size, NULL) !=
        MSGPACK_UNPACK_SUCCESS) {
        sim_break(sim, "a reply is not MessagePack");
        return;
    }
    sim_op_check(sim, op, &unpacked.data);
    /* These two are not kept: each copy is refused anew, whatever was answered before. */
    const msgpack_object *code = unpack_get(&unpacked.data, "code");
    struct known *known = find(sim->ops, op->hash);
    uint64_t hash = XXH3_64bits(bytes.data, bytes.size);
    if (!unpack_is(code, "expired") && !unpack_is(code, "nonce_reused")) {
        if (known->answer != 0 && known->answer != hash) {
            sim_break(sim, "I2: a command was answered in two ways");
        }
        known->answer = hash;
    }
    msgpack_unpacked_destroy(&unpacked);
}

uint64_t sim_op_reply_index(struct slice bytes)
{
    msgpack_unpacked unpacked;
    uint64_t index = 0;
    msgpack_unpacked_init(&unpacked);
    if (bytes.size > 0 && msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.size,
                                              NULL) == MSGPACK_UNPACK_SUCCESS) {
        index = unpack_u64(unpack_get(&unpacked.data, "index"), 0);
    }
    msgpack_unpacked_destroy(&unpacked);
    return index;
}
