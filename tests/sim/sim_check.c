/* Invariants over all nodes. */
#include "sim/sim_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

#include "sim/sim_disk.h"
#include "sim/sim_members.h"
#include "sim/sim_model.h"
#include "sim/sim_record.h"
#include "sim/sim_seats.h"

struct known_entry {
    bool seen;
    bool has_digest;
    uint64_t entry; /* hash of term, type and data */
    uint8_t digest[16];
};

struct sim_check {
    struct known_entry *entries; /* by index */
    size_t entries_capacity;
    uint64_t applied;
    unsigned *leaders; /* by term */
    size_t leaders_capacity;
    uint64_t leader_term;
    uint64_t node_applied[SIM_NODES + 1];
    uint64_t node_committed[SIM_NODES + 1];
    uint64_t node_last[SIM_NODES + 1];
    uint64_t mitigations[SIM_NODES + 1][9];
};

void sim_check_open(struct sim *sim)
{
    sim->check = sim_checked(calloc(1, sizeof *sim->check));
}

void sim_check_close(struct sim *sim)
{
    free(sim->check->entries);
    free(sim->check->leaders);
    free(sim->check);
}

static void *reserve(void *items, size_t *capacity, size_t item_size, uint64_t index)
{
    if (index < *capacity) {
        return items;
    }
    size_t grown = (size_t)index * 2 + 64;
    uint8_t *larger = sim_checked(realloc(items, grown * item_size));
    memset(larger + *capacity * item_size, 0, (grown - *capacity) * item_size);
    *capacity = grown;
    return larger;
}

void sim_check_started(struct sim *sim, unsigned node)
{
    struct sim_check *check = sim->check;
    check->node_applied[node] = 0;
    check->node_committed[node] = 0;
    check->node_last[node] = 0;
    memset(check->mitigations[node], 0, sizeof check->mitigations[node]);
}

static uint64_t entry_hash(const struct log_entry *entry)
{
    uint64_t hash = entry->term * 4 + (uint64_t)entry->type;
    return XXH3_64bits_withSeed(entry->data.data, entry->data.size, hash);
}

static enum conclave_code hash_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)index;
    *(uint64_t *)context = entry_hash(entry);
    return CONCLAVE_OK;
}

/* Does the node's disk hold the known entry? A damaged one counts: it was there once. */
static bool disk_has(struct sim *sim, unsigned node, uint64_t index)
{
    struct log *log = sim_disk_bare_log(sim->nodes[node].disk);
    uint64_t hash = 0;
    if (index > log_last_index(log)) {
        return false;
    }
    if (sim_disk_rotten(sim->nodes[node].disk) == index) {
        return true;
    }
    return log_read(log, index, index, hash_entry, &hash) == CONCLAVE_OK &&
           hash == sim->check->entries[index].entry;
}

static void check_majority(struct sim *sim, unsigned node, uint64_t index)
{
    if (!sim_members_majority(sim, node, index, disk_has)) {
        sim_break(sim, "I1: entry %" PRIu64 " was committed and is not on a majority of the disks",
                  index);
    }
}

struct seeing {
    struct sim *sim;
    unsigned node;
};

static enum conclave_code see_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct seeing *seeing = context;
    struct sim *sim = seeing->sim;
    struct sim_check *check = sim->check;
    struct known_entry *known = &check->entries[index];
    uint64_t hash = entry_hash(entry);
    if (known->seen) {
        if (known->entry != hash) {
            sim_break(sim, "I5: node %u applied another entry at %" PRIu64, seeing->node, index);
        }
        return CONCLAVE_OK;
    }
    known->seen = true;
    known->entry = hash;
    if (index != check->applied + 1) {
        sim_break(sim, "node %u applied %" PRIu64 ", after %" PRIu64 " elsewhere", seeing->node,
                  index, check->applied);
        return CONCLAVE_OK;
    }
    check->applied = index;
    sim_count(sim, SIM_entries_committed);
    sim_members_entry(sim, index, entry);
    check_majority(sim, seeing->node, index);
    sim_model_entry(sim, index, entry);
    return CONCLAVE_OK;
}

/* What this life of the node has applied since the last look; damaged entries are left out. */
static void see_entries(struct sim *sim, unsigned node, uint64_t from, uint64_t to)
{
    struct sim_check *check = sim->check;
    struct log *log = sim_disk_bare_log(sim->nodes[node].disk);
    struct seeing seeing = {.sim = sim, .node = node};
    check->entries = reserve(check->entries, &check->entries_capacity, sizeof *check->entries, to);
    while (from <= to && sim->broken[0] == 0) {
        uint64_t rotten = sim_disk_rotten(sim->nodes[node].disk);
        uint64_t last = rotten >= from && rotten <= to ? rotten - 1 : to;
        if (last >= from) {
            enum conclave_code rv = log_read(log, from, last, see_entry, &seeing);
            if (rv != CONCLAVE_OK) {
                sim_break(sim, "I1: node %u applied to %" PRIu64 " what its log lacks: %s", node,
                          to, conclave_code_name(rv));
                return;
            }
        }
        from = last < to ? last + 2 : to + 1;
    }
}

static void check_applied(struct sim *sim, unsigned node, const struct replica_status *status)
{
    struct sim_check *check = sim->check;
    uint64_t before = check->node_applied[node];
    if (status->applied_index < before || status->commit_index < check->node_committed[node]) {
        sim_break(sim,
                  "I5: node %u went back: applied %" PRIu64 " to %" PRIu64 ", committed %" PRIu64
                  " to %" PRIu64,
                  node, before, status->applied_index, check->node_committed[node],
                  status->commit_index);
        return;
    }
    check->node_committed[node] = status->commit_index;
    if (status->applied_index == before) {
        return;
    }
    see_entries(sim, node, before + 1, status->applied_index);
    if (sim->broken[0] != 0) {
        return;
    }
    check->node_applied[node] = status->applied_index;
    struct known_entry *known = &check->entries[status->applied_index];
    if (!known->has_digest) {
        known->has_digest = true;
        memcpy(known->digest, status->digest, sizeof known->digest);
    } else if (memcmp(known->digest, status->digest, sizeof known->digest) != 0) {
        sim_break(sim, "I3: node %u has another digest at %" PRIu64, node, status->applied_index);
    }
}

static void check_leader(struct sim *sim, unsigned node, const struct replica_status *status)
{
    struct sim_check *check = sim->check;
    if (status->state != REPLICA_LEADER) {
        return;
    }
    check->leaders =
        reserve(check->leaders, &check->leaders_capacity, sizeof *check->leaders, status->term);
    unsigned *known = &check->leaders[status->term];
    if (*known != 0 && *known != node) {
        sim_break(sim, "I4: nodes %u and %u lead in term %" PRIu64, *known, node, status->term);
    }
    if (status->term < check->leader_term) {
        sim_count(sim, SIM_leaders_two_at_once);
    }
    if (*known == 0) {
        *known = node;
        check->leader_term = status->term > check->leader_term ? status->term : check->leader_term;
        sim_count(sim, SIM_leader_changed);
        sim_say(sim, "node %u leads in term %" PRIu64, node, status->term);
    }
}

static void note_mitigations(struct sim *sim, unsigned node, const struct replica_status *status)
{
    static const enum sim_count marks[9] = {
        [1] = SIM_m1_split_append,  [2] = SIM_m2_own_term,    [3] = SIM_m3_change_refused,
        [4] = SIM_m4_old_rejection, [6] = SIM_m6_timer_floor, [7] = SIM_m7_commit_kept,
        [8] = SIM_m8_capped};
    for (unsigned i = 1; i < 9; i++) {
        uint64_t *seen = &sim->check->mitigations[node][i];
        if (marks[i] != 0) {
            sim->report.counts[marks[i]] += status->mitigations[i] - *seen;
        }
        *seen = status->mitigations[i];
    }
}

void sim_check_node(struct sim *sim, unsigned node)
{
    struct replica_status status;
    replica_status(sim->nodes[node].replica, &status);
    sim_members_led(sim, node, &status);
    check_applied(sim, node, &status);
    check_leader(sim, node, &status);
    note_mitigations(sim, node, &status);
    sim_record_check(&sim->nodes[node], &status);
    uint64_t *last = &sim->check->node_last[node];
    if (status.last_index < *last) {
        sim_count(sim, SIM_log_overwritten);
    }
    *last = status.last_index;
    SOMETIMES(sim, status.last_index > status.commit_index + 100, uncommitted_many);
    /* A new leader may inherit more; what it adds is capped. */
    if (status.state == REPLICA_LEADER && status.ready &&
        status.last_index > status.commit_index + LIMIT_UNCOMMITTED_ENTRIES + 1) {
        sim_break(sim, "limit: leader %u has %" PRIu64 " entries that wait for a majority", node,
                  status.last_index - status.commit_index);
    }
}

void sim_check_change(struct sim *sim, unsigned leader, unsigned server, int role)
{
    sim_members_changed(sim, leader, server, role, disk_has);
}

uint64_t sim_check_applied(const struct sim *sim)
{
    return sim->check->applied;
}

void sim_check_logs(struct sim *sim)
{
    for (unsigned id = 1; id <= sim->node_count; id++) {
        for (uint64_t index = 1; index <= sim->check->applied && sim_seated(sim, id); index++) {
            if (!disk_has(sim, id, index)) {
                sim_break(sim, "I1: the log of node %u lacks the committed entry %" PRIu64, id,
                          index);
                return;
            }
        }
    }
}
