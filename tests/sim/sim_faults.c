/* What goes wrong. Each kind of fault has its own probability, drawn for the run: many runs are
 * without many of them, so that each is also met alone (swarm testing: Groce et al., 2012). */
#include <stdlib.h>

#include "sim/sim.h"
#include "sim/sim_check.h"
#include "sim/sim_disk.h"

struct fault {
    void (*happen)(struct sim *sim);
    unsigned most; /* the greatest weight that a run may draw */
};

struct sim_faults {
    unsigned weights[32];
    unsigned sum;
    uint64_t next_ms;
    unsigned pace_ms;
    bool fast_restarts;
};

static uint64_t lot(struct sim *sim, uint64_t bound)
{
    return sim_random_below(&sim->chaos, bound);
}

static struct sim_node *any_node(struct sim *sim)
{
    return &sim->nodes[1 + lot(sim, sim->node_count)];
}

/* --- Links --- */

static void heal_links(struct sim *sim)
{
    memset(sim->cut, 0, sizeof sim->cut);
}

static void partition(struct sim *sim)
{
    uint64_t side = lot(sim, UINT64_C(1) << sim->node_count);
    for (unsigned a = 1; a <= sim->node_count; a++) {
        for (unsigned b = 1; b <= sim->node_count; b++) {
            sim->cut[a][b] = (side >> (a - 1) & 1) != (side >> (b - 1) & 1);
        }
    }
    sim_count(sim, SIM_partition);
    sim_say(sim, "partition %llx", (unsigned long long)side);
}

/* Two halves, and one node that both can reach. */
static void bridge(struct sim *sim)
{
    unsigned middle = any_node(sim)->id;
    partition(sim);
    for (unsigned other = 1; other <= sim->node_count; other++) {
        sim->cut[middle][other] = sim->cut[other][middle] = false;
    }
    sim_count(sim, SIM_bridge);
}

static void cut_one_way(struct sim *sim)
{
    unsigned from = any_node(sim)->id;
    unsigned to = any_node(sim)->id;
    bool all = lot(sim, 3) == 0;
    for (unsigned other = 1; other <= sim->node_count; other++) {
        if (other != from && (all || other == to)) {
            sim->cut[from][other] = true;
        }
    }
    sim_count(sim, SIM_cut_one_way);
    sim_say(sim, "node %u is not heard by %s", from, all ? "anybody" : "one");
}

static void isolate_leader(struct sim *sim)
{
    unsigned leader = sim_leader(sim);
    if (leader == 0) {
        return;
    }
    for (unsigned other = 1; other <= sim->node_count; other++) {
        sim->cut[leader][other] = sim->cut[other][leader] = other != leader;
    }
    sim_count(sim, SIM_isolate_leader);
    sim_say(sim, "leader %u is cut off", leader);
}

static void clog_link(struct sim *sim)
{
    unsigned from = any_node(sim)->id;
    unsigned to = any_node(sim)->id;
    sim->clogged[from][to] = from != to;
    sim_count(sim, SIM_clog);
}

/* One link, in another order than they were clogged in. */
static void unclog_link(struct sim *sim)
{
    unsigned skip = (unsigned)lot(sim, (uint64_t)sim->node_count * sim->node_count);
    for (unsigned i = 0; i < sim->node_count * sim->node_count; i++) {
        unsigned link = (i + skip) % (sim->node_count * sim->node_count);
        unsigned from = 1 + link / sim->node_count;
        unsigned to = 1 + link % sim->node_count;
        if (sim->clogged[from][to]) {
            sim_unclog(sim, from, to);
            sim_count(sim, SIM_unclog);
            return;
        }
    }
}

static void network(struct sim *sim)
{
    struct sim_network *changed = &sim->network;
    changed->loss = sim_random_rate(&sim->chaos, lot(sim, 3) == 0 ? 3000 : 300);
    changed->repetition = sim_random_rate(&sim->chaos, lot(sim, 3) == 0 ? 5000 : 500);
    changed->straggling = sim_random_rate(&sim->chaos, 300);
    changed->replay = sim_random_rate(&sim->chaos, 500);
    changed->truncation = sim_random_rate(&sim->chaos, 100);
    uint64_t most_ms = lot(sim, 4) == 0 ? 150 : 20;
    changed->delay_max_ms = changed->delay_min_ms + 1 + lot(sim, most_ms);
}

/* --- Nodes --- */

/* How a machine dies: the state view may be lost, the log may rot. */
static void kill_node(struct sim *sim, struct sim_node *node)
{
    sim_count(sim, SIM_crash);
    sim_node_crash(sim, node->id);
}

static void crash(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    if (lot(sim, 2) == 0 && sim_leader(sim) != 0) {
        node = &sim->nodes[sim_leader(sim)];
    }
    if (node->up) {
        kill_node(sim, node);
    }
}

static void crash_many(struct sim *sim, unsigned count)
{
    unsigned first = any_node(sim)->id;
    for (unsigned i = 0; i < count; i++) {
        struct sim_node *node = &sim->nodes[1 + (first + i) % sim->node_count];
        if (node->up) {
            kill_node(sim, node);
        }
    }
}

static void crash_majority(struct sim *sim)
{
    sim_count(sim, SIM_crash_majority);
    crash_many(sim, sim->node_count / 2 + 1);
}

static void crash_all(struct sim *sim)
{
    sim_count(sim, SIM_crash_all);
    crash_many(sim, sim->node_count);
}

/* Dies soon, in the middle of what it does. */
static void doom(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    if (node->up && node->doom == 0) {
        node->doom = 1 + lot(sim, 40);
    }
}

static void wipe_state(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    if (!node->up) {
        sim_disk_wipe_state(node->disk);
        sim_count(sim, SIM_state_wiped);
        sim_say(sim, "the state of node %u is lost", node->id);
    }
}

static void pause_node(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    if (node->up) {
        node->paused_until_ms = sim->now_ms + SIM_ELECTION_MS + lot(sim, 2000);
        sim_count(sim, SIM_pause);
        sim_say(sim, "node %u pauses", node->id);
    }
}

static void transfer(struct sim *sim)
{
    unsigned leader = sim_leader(sim);
    if (leader != 0) {
        sim_count(sim, SIM_transfer);
        sim_node_transfer(sim, leader);
    }
}

/* --- Clocks --- */

static void clock_jump(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    int64_t jumps[] = {-3600000, 3600000, -1000, 1000, 0};
    node->skew_ms = jumps[lot(sim, sizeof jumps / sizeof jumps[0])];
    sim_count(sim, SIM_clock_jump);
    sim_say(sim, "the clock of node %u is wrong by %lld ms", node->id, (long long)node->skew_ms);
}

/* --- Disks --- */

static void slow_disk(struct sim *sim)
{
    unsigned slow = 0;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        slow += sim->nodes[id].slow;
    }
    struct sim_node *node = any_node(sim);
    if (node->slow || slow < (sim->node_count - 1) / 2) {
        node->slow = !node->slow;
        sim->report.counts[SIM_slow_disk] += node->slow;
    }
}

static void disk_error(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    if (!node->up) {
        return;
    }
    node->excused = true;
    if (lot(sim, 2) == 0) {
        sim_disk_log_error(node->disk, 1 + lot(sim, 5));
        sim_count(sim, SIM_log_error);
    } else {
        sim_disk_state_error(node->disk, 1 + lot(sim, 60));
        sim_count(sim, SIM_state_error);
    }
}

static void bit_rot(struct sim *sim)
{
    unsigned rotten = 0;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        rotten += sim_disk_rotten(sim->nodes[id].disk) != 0;
    }
    struct sim_node *node = any_node(sim);
    if (sim_disk_rotten(node->disk) == 0 && rotten < (sim->node_count - 1) / 2) {
        uint64_t last_index = log_last_index(sim_disk_bare_log(node->disk));
        if (last_index > sim_check_applied(sim)) { /* the checkers read newer ones from here */
            last_index = sim_check_applied(sim);
        }
        if (last_index == 0) {
            return;
        }
        uint64_t index = 1 + lot(sim, last_index);
        size_t bit = (size_t)lot(sim, 4096);
        sim_disk_rot(node->disk, index, bit);
        sim_count(sim, SIM_bit_rot);
        sim_say(sim, "entry %llu of node %u rots", (unsigned long long)index, node->id);
    }
}

static void no_memory(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    node->memory_fault = 1 + lot(sim, 60);
}

/* --- Membership: a voter becomes a standby, and later votes again --- */

static void membership(struct sim *sim)
{
    unsigned leader = sim_leader(sim);
    if (leader == 0 || sim->node_count < 4) {
        return;
    }
    struct replica_status status;
    replica_status(sim->nodes[leader].replica, &status);
    sim->membership_changed = true;
    for (unsigned i = 0; i < 4 && sim->nodes[leader].up; i++) { /* one upon the other */
        unsigned server = any_node(sim)->id;
        int role = (int)lot(sim, 2);
        enum conclave_code rv = sim_node_change(sim, leader, server, role);
        sim->report.counts[SIM_membership] += rv == CONCLAVE_OK;
        sim_say(sim, "node %u %s: %s", server, role == 0 ? "stands by" : "votes",
                conclave_code_name(rv));
    }
}

static const struct fault faults[] = {
    {heal_links, 60},     {partition, 40},  {bridge, 20},        {cut_one_way, 30},
    {isolate_leader, 40}, {clog_link, 20},  {unclog_link, 30},   {network, 30},
    {crash, 60},          {doom, 40},       {crash_majority, 5}, {crash_all, 5},
    {wipe_state, 20},     {pause_node, 20}, {transfer, 10},      {clock_jump, 10},
    {slow_disk, 15},      {disk_error, 15}, {bit_rot, 10},       {no_memory, 20},
    {membership, 20},
};
#define FAULTS (sizeof faults / sizeof faults[0])

void sim_faults_open(struct sim *sim)
{
    struct sim_faults *made = sim->faults = sim_checked(calloc(1, sizeof *made));
    for (size_t i = 0; i < FAULTS; i++) {
        made->weights[i] = sim_random_rate(&sim->chaos, faults[i].most);
        made->sum += made->weights[i];
    }
    made->weights[0] += 10;
    made->sum += 10;
    made->pace_ms = 30 + (unsigned)lot(sim, 600);
    made->fast_restarts = lot(sim, 2) == 0;
    made->next_ms = sim->now_ms + lot(sim, 2500);
    for (unsigned id = 1; id <= sim->node_count; id++) {
        if (lot(sim, 3) == 0) {
            sim->nodes[id].drift = (int)lot(sim, 101) - 50;
            sim_count(sim, SIM_clock_drift);
        }
    }
    if (lot(sim, 3) != 0) {
        network(sim);
    }
}

void sim_faults_close(struct sim *sim)
{
    free(sim->faults);
}

uint64_t sim_faults_restart_ms(struct sim *sim)
{
    if (sim->calm) {
        return 1;
    }
    return 1 + lot(sim, sim->faults->fast_restarts ? 300 : 3000);
}

/* A disk that was replaced by an empty one is not taken for the node's: it does not start. */
static void try_wiped_disk(struct sim *sim, struct sim_node *node)
{
    struct sim_disk *wiped = sim_disk_open(node);
    const struct replica_config config = {.node_id = node->id,
                                          .heartbeat_ms = 50,
                                          .election_ms = SIM_ELECTION_MS,
                                          .log = sim_disk_log(wiped),
                                          .kv = sim_disk_kv(wiped),
                                          .clock = &node->clock,
                                          .random = &node->random,
                                          .host = &node->host};
    struct replica *replica = NULL;
    enum conclave_code rv = replica_open(&config, &replica);
    sim_count(sim, SIM_wiped_disk);
    if (rv != CONCLAVE_NOT_FOUND) {
        sim_break(sim, "node %u starts on an empty disk: %s", node->id, conclave_code_name(rv));
        replica_close(rv == CONCLAVE_OK ? replica : NULL);
    }
    sim_disk_close(wiped);
}

static void restart_due(struct sim *sim)
{
    for (unsigned id = 1; id <= sim->node_count && sim->broken[0] == 0; id++) {
        struct sim_node *node = &sim->nodes[id];
        if (node->up || node->restart_ms > sim->now_ms) {
            continue;
        }
        if (!sim->calm && lot(sim, 20) == 0) {
            try_wiped_disk(sim, node);
        }
        if (!sim->calm && lot(sim, 8) == 0) {
            sim_disk_wipe_state(node->disk);
            sim_count(sim, SIM_state_wiped);
        }
        sim_node_start(sim, id);
    }
}

void sim_faults_run(struct sim *sim)
{
    struct sim_faults *made = sim->faults;
    restart_due(sim);
    if (sim->calm || sim->now_ms < made->next_ms || sim->broken[0] != 0) {
        return;
    }
    made->next_ms = sim->now_ms + 1 + lot(sim, made->pace_ms * 2u);
    uint64_t which = lot(sim, made->sum);
    for (size_t i = 0; i < FAULTS; i++) {
        if (which < made->weights[i]) {
            faults[i].happen(sim);
            return;
        }
        which -= made->weights[i];
    }
}

/* A bare majority must do, for as long as progress takes. */
static void leave_majority(struct sim *sim)
{
    unsigned first = any_node(sim)->id;
    for (unsigned i = 0; i < (sim->node_count - 1) / 2; i++) {
        struct sim_node *node = &sim->nodes[1 + (first + i) % sim->node_count];
        if (node->up) {
            sim_node_crash(sim, node->id);
        }
        node->restart_ms = sim->now_ms + 10u * SIM_ELECTION_MS;
    }
}

void sim_faults_end(struct sim *sim)
{
    sim->calm = true;
    heal_links(sim);
    for (unsigned from = 1; from <= sim->node_count; from++) {
        for (unsigned to = 1; to <= sim->node_count; to++) {
            if (sim->clogged[from][to]) {
                sim_unclog(sim, from, to);
            }
        }
    }
    sim->network = (struct sim_network){.delay_min_ms = 1, .delay_max_ms = 4};
    for (unsigned id = 1; id <= sim->node_count; id++) {
        struct sim_node *node = &sim->nodes[id];
        node->slow = false;
        node->doom = 0;
        node->memory_fault = 0;
        node->paused_until_ms = 0;
        if (!node->up) {
            node->restart_ms = sim->now_ms;
        }
        sim_disk_log_error(node->disk, 0);
        sim_disk_state_error(node->disk, 0);
        sim_disk_mend(node->disk);
    }
    sim_say(sim, "the faults are over");
    if (!sim->membership_changed && lot(sim, 2) == 0) {
        leave_majority(sim);
    }
}
