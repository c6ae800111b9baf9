/* Who votes, by the log. */
#include "sim/sim_members.h"

#include <inttypes.h>
#include <stdlib.h>

#include "sim/sim_disk.h"

#define PROPOSALS 16u
#define VOTES     1
#define ABSENT    (-1)

struct configuration {
    uint64_t index;
    int role[SIM_NODES + 1]; /* by server: 0 stands by, 1 votes, 2 is a spare, ABSENT */
};

struct sim_members {
    struct configuration *all; /* committed ones, in order */
    size_t count, capacity;
    struct configuration proposed[PROPOSALS]; /* a ring; index: that of the one before */
    unsigned proposed_count;
    uint64_t shown[SIM_NODES + 1]; /* by each node's status, two bits a server; 0: unknown */
};

void sim_members_open(struct sim *sim)
{
    sim->members = sim_checked(calloc(1, sizeof *sim->members));
}

void sim_members_close(struct sim *sim)
{
    free(sim->members->all);
    free(sim->members);
}

static uint64_t read_u64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

/* libraft 0.22's encoding: version 1; the count, 8 bytes; for each server the id, 8 bytes, the
 * address with a NUL, the role, one byte: 1 votes. Little endian. */
static enum conclave_code parse(void *context, uint64_t index, const struct log_entry *entry)
{
    struct configuration *configuration = context;
    *configuration = (struct configuration){.index = index};
    for (unsigned id = 0; id <= SIM_NODES; id++) {
        configuration->role[id] = ABSENT;
    }
    const uint8_t *at = entry->data.data + 1;
    uint64_t count = read_u64(at);
    at += 8;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t id = read_u64(at);
        at += 8 + strlen((const char *)at + 8) + 1;
        ASSERT(id >= 1 && id <= SIM_NODES);
        configuration->role[id] = *at;
        at++;
    }
    return CONCLAVE_OK;
}

void sim_members_entry(struct sim *sim, uint64_t index, const struct log_entry *entry)
{
    struct sim_members *members = sim->members;
    if (entry->type != LOG_ENTRY_CONFIGURATION) {
        return;
    }
    if (members->count == members->capacity) {
        members->capacity = members->capacity * 2 + 16;
        members->all = sim_checked(realloc(members->all, members->capacity * sizeof *members->all));
    }
    enum conclave_code rv = parse(&members->all[members->count++], index, entry);
    ASSERT(rv == CONCLAVE_OK);
}

static bool majority(struct sim *sim, const struct configuration *configuration, uint64_t index,
                     bool (*has)(struct sim *sim, unsigned node, uint64_t index))
{
    unsigned voters = 0;
    unsigned have = 0;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        voters += configuration->role[id] == VOTES;
        have += configuration->role[id] == VOTES && has(sim, id, index);
    }
    return have > voters / 2;
}

/* The last configuration in a node's log from `from` to `to`, read from its disk. */
static bool last_on_disk(struct sim *sim, unsigned node, uint64_t from, uint64_t to,
                         struct configuration *configuration)
{
    struct log *log = sim_disk_bare_log(sim->nodes[node].disk);
    for (uint64_t index = to; index >= from && index >= 1; index--) {
        uint64_t term;
        enum log_entry_type type;
        if (log_read_header(log, index, &term, &type) == CONCLAVE_OK &&
            type == LOG_ENTRY_CONFIGURATION) {
            return log_read(log, index, index, parse, configuration) == CONCLAVE_OK;
        }
    }
    return false;
}

/* The leader counts by the last one that it has, committed or not, written or not. */
static bool majority_of_proposed(struct sim *sim, uint64_t base, uint64_t index,
                                 bool (*has)(struct sim *sim, unsigned node, uint64_t index))
{
    const struct sim_members *members = sim->members;
    for (unsigned i = 0; i < PROPOSALS && i < members->proposed_count; i++) {
        if (members->proposed[i].index == base &&
            majority(sim, &members->proposed[i], index, has)) {
            return true;
        }
    }
    return false;
}

bool sim_members_majority(struct sim *sim, unsigned node, uint64_t index,
                          bool (*has)(struct sim *sim, unsigned node, uint64_t index))
{
    const struct sim_members *members = sim->members;
    for (size_t i = members->count; i > 0; i--) {
        if (members->all[i - 1].index > index) {
            continue;
        }
        if (majority(sim, &members->all[i - 1], index, has) ||
            majority_of_proposed(sim, members->all[i - 1].index, index, has)) {
            return true;
        }
        break;
    }
    uint64_t to = log_last_index(sim_disk_bare_log(sim->nodes[node].disk));
    struct configuration later;
    while (last_on_disk(sim, node, index + 1, to, &later)) {
        if (majority(sim, &later, index, has) ||
            majority_of_proposed(sim, later.index, index, has)) {
            return true;
        }
        to = later.index - 1;
    }
    return false;
}

int sim_members_role(const struct sim *sim, unsigned server)
{
    const struct sim_members *members = sim->members;
    return members->count == 0 ? ABSENT : members->all[members->count - 1].role[server];
}

/* Two bits a server: 1 there, 2 votes. */
static uint64_t shown_by(unsigned node, const struct replica_status *status)
{
    uint64_t shown = status->seated ? UINT64_C(1) << (2 * node) : 0;
    shown |= status->voter ? UINT64_C(2) << (2 * node) : 0;
    for (unsigned i = 0; i < status->peer_count; i++) {
        shown |= (status->peers[i].voter ? UINT64_C(3) : UINT64_C(1))
                 << (2 * status->peers[i].node_id);
    }
    return shown;
}

/* A server that is to vote from now on does not hear of it, or of anything, until links heal. */
static void keep_in_the_dark(struct sim *sim, unsigned server)
{
    if (sim->calm || sim_random_below(&sim->chaos, 3) != 0) {
        return;
    }
    for (unsigned from = 1; from <= sim->node_count; from++) {
        sim->cut[from][server] = from != server;
    }
    sim_count(sim, SIM_membership_dark);
    sim_say(sim, "node %u is to vote, and does not hear of it", server);
}

void sim_members_led(struct sim *sim, unsigned node, const struct replica_status *status)
{
    struct sim_members *members = sim->members;
    struct configuration before;
    uint64_t shown = shown_by(node, status);
    if (!sim->by_command || status->state != REPLICA_LEADER || shown == members->shown[node]) {
        return;
    }
    members->shown[node] = shown;
    if (!last_on_disk(sim, node, 1, log_last_index(sim_disk_bare_log(sim->nodes[node].disk)),
                      &before)) {
        return; /* rotten */
    }
    struct configuration *proposed = &members->proposed[members->proposed_count++ % PROPOSALS];
    *proposed = before;
    for (unsigned id = 1; id <= SIM_NODES; id++) {
        uint64_t bits = shown >> (2 * id) & 3;
        proposed->role[id] = bits == 0 ? ABSENT : bits == 3 ? VOTES : 0;
        if (before.role[id] == 0 && proposed->role[id] == VOTES) {
            keep_in_the_dark(sim, id);
        }
    }
}

/* The configuration that made a voter of `before` one: from there on it has voted in all. */
static uint64_t voter_since(const struct sim_members *members, const struct configuration *before,
                            unsigned id)
{
    uint64_t since = before->index;
    for (size_t i = members->count; i > 0; i--) {
        const struct configuration *one = &members->all[i - 1];
        if (one->index <= before->index && one->role[id] != VOTES) {
            break;
        }
        since = one->index < since ? one->index : since;
    }
    return since;
}

void sim_members_changed(struct sim *sim, unsigned leader, unsigned server, int role,
                         bool (*has)(struct sim *sim, unsigned node, uint64_t index))
{
    struct configuration before;
    uint64_t last = log_last_index(sim_disk_bare_log(sim->nodes[leader].disk));
    if (!last_on_disk(sim, leader, 1, last, &before)) {
        return; /* rotten */
    }
    struct sim_members *members = sim->members;
    struct configuration *proposed = &members->proposed[members->proposed_count++ % PROPOSALS];
    *proposed = before;
    proposed->role[server] = role;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        uint64_t since = voter_since(members, &before, id);
        if (before.role[id] == VOTES && !has(sim, id, since)) {
            sim_break(sim,
                      "M3: leader %u takes a change of the members, but node %u, a voter, lacks "
                      "the one that made it one (%" PRIu64 ")",
                      leader, id, since);
        }
        SOMETIMES(sim, before.role[id] == VOTES && !sim->nodes[id].up, change_with_voter_down);
    }
}
