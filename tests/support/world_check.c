/* Invariants over all nodes. */
#include "support/world_check.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

struct applied_entry {
    bool seen;
    uint8_t entry[16]; /* hash of term, type and data */
    bool has_digest;
    uint8_t digest[16];
};

struct world_check {
    struct applied_entry *applied; /* by index */
    size_t applied_capacity;
    uint64_t applied_max;
    unsigned *leaders; /* by term */
    size_t leaders_capacity;
    uint64_t node_applied[WORLD_NODES + 1];
    uint64_t node_committed[WORLD_NODES + 1];
};

struct world_check *world_check_open(void)
{
    struct world_check *check = calloc(1, sizeof *check);
    ASSERT(check != NULL);
    return check;
}

void world_check_close(struct world_check *check)
{
    if (check != NULL) {
        free(check->applied);
        free(check->leaders);
        free(check);
    }
}

static void reserve(void **items, size_t *capacity, size_t item_size, uint64_t index)
{
    if (index < *capacity) {
        return;
    }
    size_t grown = (size_t)index * 2 + 64;
    uint8_t *larger = realloc(*items, grown * item_size);
    ASSERT(larger != NULL);
    memset(larger + *capacity * item_size, 0, (grown - *capacity) * item_size);
    *items = larger;
    *capacity = grown;
}

#define BREAK(world_, ...)                                                   \
    do {                                                                     \
        if ((world_)->broken[0] == 0) {                                      \
            snprintf((world_)->broken, sizeof(world_)->broken, __VA_ARGS__); \
        }                                                                    \
    } while (0)

void world_check_started(struct world *world, unsigned node)
{
    world->check->node_applied[node] = 0;
    world->check->node_committed[node] = 0;
}

struct entry_check {
    struct world *world;
    unsigned node;
};

static enum conclave_code check_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct entry_check *checking = context;
    struct world_check *check = checking->world->check;
    uint8_t hash[16];
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    const uint64_t head[2] = {entry->term, (uint64_t)entry->type};
    crypto_generichash_update(&state, (const uint8_t *)head, sizeof head);
    crypto_generichash_update(&state, entry->data.data, entry->data.size);
    crypto_generichash_final(&state, hash, sizeof hash);
    struct applied_entry *known = &check->applied[index];
    if (!known->seen) {
        known->seen = true;
        memcpy(known->entry, hash, sizeof hash);
    } else if (memcmp(known->entry, hash, sizeof hash) != 0) {
        BREAK(checking->world, "I5: node %u applied another entry at %" PRIu64, checking->node,
              index);
    }
    return CONCLAVE_OK;
}

static void check_applied(struct world *world, unsigned node, const struct replica_status *status)
{
    struct world_check *check = world->check;
    uint64_t before = check->node_applied[node];
    if (status->applied_index < before || status->commit_index < check->node_committed[node]) {
        BREAK(world, "node %u went back: applied %" PRIu64 " to %" PRIu64 ", committed to %" PRIu64,
              node, before, status->applied_index, status->commit_index);
        return;
    }
    check->node_committed[node] = status->commit_index;
    if (status->applied_index == before) {
        return;
    }
    reserve((void **)&check->applied, &check->applied_capacity, sizeof *check->applied,
            status->applied_index);
    struct entry_check checking = {.world = world, .node = node};
    enum conclave_code rv =
        log_read(world->nodes[node].log, before + 1, status->applied_index, check_entry, &checking);
    if (rv != CONCLAVE_OK) {
        BREAK(world, "node %u applied to %" PRIu64 " what its log lacks: %s", node,
              status->applied_index, conclave_code_name(rv));
        return;
    }
    struct applied_entry *known = &check->applied[status->applied_index];
    if (!known->has_digest) {
        known->has_digest = true;
        memcpy(known->digest, status->digest, sizeof known->digest);
    } else if (memcmp(known->digest, status->digest, sizeof known->digest) != 0) {
        BREAK(world, "I3: node %u has another digest at %" PRIu64, node, status->applied_index);
    }
    check->node_applied[node] = status->applied_index;
    if (status->applied_index > check->applied_max) {
        check->applied_max = status->applied_index;
    }
}

static void check_leader(struct world *world, unsigned node, const struct replica_status *status)
{
    struct world_check *check = world->check;
    if (status->state != REPLICA_LEADER) {
        return;
    }
    reserve((void **)&check->leaders, &check->leaders_capacity, sizeof *check->leaders,
            status->term);
    unsigned *known = &check->leaders[status->term];
    if (*known == 0) {
        *known = node;
    } else if (*known != node) {
        BREAK(world, "I4: nodes %u and %u lead in term %" PRIu64, *known, node, status->term);
    }
}

void world_check_node(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    check_applied(world, node, &status);
    check_leader(world, node, &status);
}

uint64_t world_check_applied(const struct world *world)
{
    return world->check->applied_max;
}
