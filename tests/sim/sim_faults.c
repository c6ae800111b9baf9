/* What goes wrong. Each kind of fault has its own probability, drawn for the run: many runs are
 * without many of them, so that each is also met alone (swarm testing: Groce et al., 2012). */
#include <stdlib.h>

#include "sim/sim.h"
#include "sim/sim_check.h"
#include "sim/sim_crowd.h"
#include "sim/sim_disk.h"
#include "sim/sim_members.h"
#include "sim/sim_host.h"
#include "sim/sim_op.h"
#include "sim/sim_queue.h"

struct fault {
    void (*happen)(struct sim *sim);
    unsigned most; /* the greatest weight that a run may draw */
};

struct sim_faults {
    unsigned weights[40];
    unsigned sum;
    uint64_t next_ms;
    unsigned pace_ms;
    bool fast_restarts;
    uint64_t again_ms; /* then the members are to change once more; 0: no */
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

/* A leader whose clock goes at half its speed is cut off, until the others have another one and
 * somebody was told what that one decided; then it can talk again, though it does not hear the new
 * one yet. It believes that it leads, and is asked (sim_clients.c). */
static void depose(struct sim *sim)
{
    unsigned leader = sim_leader(sim);
    if (leader == 0 || sim->deposed != 0) {
        return;
    }
    isolate_leader(sim);
    sim_host_drift(&sim->nodes[leader], -500);
    sim_node_settle(&sim->nodes[leader]);
    sim->deposed = leader;
    sim->deposed_until_ms = sim->now_ms + 1500;
    sim_count(sim, SIM_depose);
}

static bool believes(const struct sim *sim, unsigned node, struct replica_status *status)
{
    if (!sim->nodes[node].up) {
        return false;
    }
    replica_status(sim->nodes[node].replica, status);
    return status->state == REPLICA_LEADER;
}

/* Watches over a leader that is being deposed. */
static void watch_deposed(struct sim *sim)
{
    struct replica_status status;
    unsigned leader = sim_leader(sim);
    if (sim->deposed == 0 || sim->now_ms >= sim->deposed_until_ms ||
        !believes(sim, sim->deposed, &status)) {
        sim->deposed = 0;
    } else if (sim->cut[sim->deposed][leader] &&
               sim_op_acknowledged_index(sim) > status.commit_index) {
        heal_links(sim);
        sim->cut[leader][sim->deposed] = true;
        sim->deposed_until_ms = sim->now_ms + 100;
        SOMETIMES(sim, true, deposed_believes);
        sim_say(sim, "node %u, which was deposed, is heard again", sim->deposed);
    }
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

/* A message that no node sends: "take this snapshot instead of your log" ([1, 5] of
 * consensus/message.h). */
static void offer_snapshot(struct sim *sim)
{
    static const uint8_t message[] = {0x92, 1, 5};
    unsigned from = any_node(sim)->id;
    unsigned to = any_node(sim)->id;
    if (from == to) {
        return;
    }
    struct sim_event event = {.time_ms = sim->now_ms + 1,
                              .type = SIM_MESSAGE,
                              .from = from,
                              .to = to,
                              .life = sim_link_life(sim, from, to),
                              .bytes = sim_checked(malloc(sizeof message)),
                              .size = sizeof message};
    memcpy(event.bytes, message, sizeof message);
    sim_queue_push(sim, event);
    sim_count(sim, SIM_message_snapshot);
}

/* --- Nodes --- */

/* How a machine dies: alone, or with its power. */
static void kill_node(struct sim *sim, struct sim_node *node)
{
    sim_count(sim, SIM_crash);
    sim_node_crash(sim, node->id);
    if (lot(sim, 3) == 0) {
        sim_count(sim, SIM_power_loss);
        sim_disk_power_loss(node->disk);
    }
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

/* Dies soon, in the middle of an event, before or after it does one of these. */
static void doom(struct sim *sim)
{
    static const enum sim_count points[] = {
        SIM_crash_before_send,   SIM_crash_after_send,  SIM_crash_before_persist,
        SIM_crash_after_persist, SIM_crash_before_vote, SIM_crash_after_vote,
        SIM_crash_before_apply,  SIM_crash_after_apply, SIM_crash_before_answer,
        SIM_crash_after_answer,  SIM_crash_before_keep, SIM_crash_after_keep,
    };
    struct sim_node *node = any_node(sim);
    if (node->up && node->doom == 0) {
        node->doom_point = points[lot(sim, sizeof points / sizeof points[0])];
        node->doom = 1 + lot(sim, lot(sim, 2) == 0 ? 2 : 20);
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

/* Connections that break without anybody being dead. */
static void lose_connections(struct sim *sim)
{
    unsigned from = sim_leader(sim) != 0 ? sim_leader(sim) : any_node(sim)->id;
    uint64_t told = lot(sim, UINT64_C(1) << sim->node_count);
    for (unsigned to = 1; to <= sim->node_count; to++) {
        if (to != from && (told >> (to - 1) & 1) != 0) {
            sim_lose_connection(sim, from, to);
        }
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

/* Drifts by some hundredths, or is no clock at all. */
static void drift(struct sim *sim, struct sim_node *node)
{
    bool bad = lot(sim, 3) == 0;
    sim_host_drift(node, bad ? (int)lot(sim, 1001) - 500 : (int)lot(sim, 101) - 50);
    sim_count(sim, bad ? SIM_clock_bad : SIM_clock_drift);
    sim_say(sim, "the clock of node %u gains %d of 1000", node->id, node->drift);
    if (node->up) {
        sim_node_settle(node);
    }
}

static void clock_drift(struct sim *sim)
{
    drift(sim, any_node(sim));
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

static void disk_trouble(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    enum sim_trouble trouble = (enum sim_trouble)lot(sim, 3);
    if (lot(sim, 2) == 0) {
        sim_disk_log_trouble(node->disk, trouble, 1 + lot(sim, 8));
    } else {
        trouble = trouble == SIM_SYNC_ERROR ? SIM_WRITE_ERROR : trouble; /* it is not synced */
        sim_disk_state_trouble(node->disk, trouble, 1 + lot(sim, 100));
    }
}

/* A disk is full, or all are. */
static void fill_disks(struct sim *sim)
{
    unsigned only = lot(sim, 3) == 0 ? 0 : any_node(sim)->id;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        if (only == 0 || id == only) {
            sim_disk_log_trouble(sim->nodes[id].disk, SIM_FULL, 1);
        }
    }
}

/* All disks but the leader's hang for a while, and everybody wants something. */
static void flood(struct sim *sim)
{
    unsigned leader = sim_leader(sim);
    if (leader == 0) {
        return;
    }
    uint64_t takes_ms = 200 + lot(sim, 1500);
    if (lot(sim, 2) == 0) {
        sim_count(sim, SIM_stalled_disks);
        for (unsigned id = 1; id <= sim->node_count; id++) {
            sim->nodes[id].stalled_until_ms = id == leader ? 0 : sim->now_ms + takes_ms;
        }
    }
    if (lot(sim, 2) == 0) { /* what is answered busy comes again, and later */
        sim->network.repetition = 5000;
        sim->network.straggling = 3000;
    }
    sim_count(sim, SIM_flood);
    unsigned node = lot(sim, 2) == 0 ? leader : any_node(sim)->id;
    sim_say(sim, "a crowd at node %u", node);
    sim_crowd_gather(sim, node, sim->now_ms + takes_ms);
}

static void rot_state(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    if (!sim_disk_state_rotten(node->disk)) {
        sim_disk_rot_state(node->disk, 1 + lot(sim, 200));
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
        if (node->up && lot(sim, 2) == 0) { /* somebody looks */
            sim_host_enter(node);
            enum conclave_code rv = replica_repair(node->replica, index);
            sim_host_leave(node);
            sim_say(sim, "node %u is to repair it: %s", node->id, conclave_code_name(rv));
            sim_node_settle(node);
        }
    }
}

static void no_memory(struct sim *sim)
{
    struct sim_node *node = any_node(sim);
    node->memory_fault = 1 + lot(sim, 60);
}

/* --- Membership: a server stands by, is a spare, is removed, and later votes again --- */

static bool change(struct sim *sim, unsigned leader, unsigned server, int role)
{
    static const char *const names[] = {"is removed", "stands by", "votes", "is a spare"};
    enum conclave_code rv = sim_node_change(sim, leader, server, role);
    SOMETIMES(sim, rv == CONCLAVE_OK, membership);
    SOMETIMES(sim, rv == CONCLAVE_OK && role == 2, membership_spare);
    SOMETIMES(sim, rv == CONCLAVE_OK && role == -1, membership_removed);
    sim_say(sim, "node %u %s: %s", server, names[role + 1], conclave_code_name(rv));
    return rv == CONCLAVE_OK;
}

/* A standby gets a vote, and is not told; soon another change is asked for. */
static void promote_in_the_dark(struct sim *sim, unsigned leader)
{
    for (unsigned server = 1; server <= sim->node_count; server++) {
        if (server != leader && sim_members_role(sim, server) == 0 &&
            change(sim, leader, server, 1)) {
            for (unsigned from = 1; from <= sim->node_count; from++) {
                sim->clogged[from][server] = from != server;
            }
            sim_count(sim, SIM_membership_dark);
            sim->faults->again_ms = sim->now_ms + 20 + lot(sim, 200);
            return;
        }
    }
}

static void membership(struct sim *sim)
{
    unsigned leader = sim_leader(sim);
    if (leader == 0 || sim->node_count < 3 || sim->by_command) {
        return;
    }
    sim->membership_changed = true;
    sim->faults->again_ms = 0;
    if (lot(sim, 2) == 0) {
        promote_in_the_dark(sim, leader);
    }
    for (unsigned i = 0; i < 4 && sim->nodes[leader].up; i++) { /* one upon the other */
        int role = lot(sim, 6) == 0 ? (lot(sim, 2) == 0 ? -1 : 2) : (int)lot(sim, 2);
        change(sim, leader, any_node(sim)->id, role);
    }
}

static const struct fault faults[] = {
    {heal_links, 60},   {partition, 40},        {bridge, 20},
    {cut_one_way, 30},  {isolate_leader, 40},   {clog_link, 20},
    {unclog_link, 30},  {network, 30},          {crash, 60},
    {doom, 120},        {crash_majority, 5},    {crash_all, 5},
    {wipe_state, 20},   {pause_node, 20},       {transfer, 10},
    {clock_jump, 10},   {clock_drift, 10},      {slow_disk, 15},
    {disk_trouble, 15}, {bit_rot, 10},          {rot_state, 10},
    {no_memory, 20},    {membership, 20},       {flood, 6},
    {depose, 10},       {lose_connections, 30}, {offer_snapshot, 5},
    {fill_disks, 3},
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
            drift(sim, &sim->nodes[id]);
        }
    }
    if (lot(sim, 3) != 0) {
        network(sim);
    }
    sim->wired = lot(sim, 3) == 0;
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
        if (sim->calm || lot(sim, 3) == 0) {
            sim_disk_heal(node->disk); /* somebody has looked after it */
        }
        sim_node_start(sim, id);
    }
}

void sim_faults_run(struct sim *sim)
{
    struct sim_faults *made = sim->faults;
    restart_due(sim);
    if (sim->deposed != 0) {
        watch_deposed(sim);
    }
    if (sim->calm || sim->broken[0] != 0) {
        return;
    }
    if (made->again_ms != 0 && sim->now_ms >= made->again_ms) {
        membership(sim);
        return;
    }
    if (sim->now_ms < made->next_ms) {
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
    sim->deposed = 0;
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
        if (node->up && node->failure != CONCLAVE_OK) {
            sim_node_settle(node); /* while what explains it is there */
        }
        node->slow = false;
        node->stalled_until_ms = 0;
        node->doom = 0;
        node->memory_fault = 0;
        node->paused_until_ms = 0;
        if (!node->up) {
            node->restart_ms = sim->now_ms;
        }
        sim_disk_heal(node->disk);
        sim_disk_mend(node->disk);
        if (node->drift < -50 || node->drift > 50) {
            sim_host_drift(node, 0);
        }
        if (node->up) {
            sim_node_settle(node);
        }
    }
    sim_say(sim, "the faults are over");
    if (!sim->membership_changed && lot(sim, 2) == 0) {
        leave_majority(sim);
    }
}
