/* The simulator: replicas as the daemon links them, in a world that one integer decides.
 *
 * sim_run builds the world of a seed, lets faults loose on it while clients govern, heals it, and
 * checks. Time is virtual; a step is one event (a message arrives, a write ends, a deadline is
 * due) of one node. After each step the checkers look (sim_check.h, sim_model.h); the first broken
 * invariant ends the run and is in `broken`.
 *
 * Parts: sim_world.c nodes, network and time; sim_host.c what a replica stands on; sim_disk.c disks
 * that can be frozen, torn, fail and rot; sim_faults.c what goes wrong; sim_clients.c governance,
 * and sim_crowd.c too much of it; sim_door.c a node's ports, and sim_intruders.c who comes there;
 * sim_check.c, sim_members.c, sim_seats.c, sim_record.c and sim_op.c what must hold; sim_model.c
 * the independent recount.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "consensus/replica.h"
#include "sim/sim_random.h"
#include "sim/sim_report.h"
#include "support/actors.h"

#define SIM_NODES       LIMIT_NODES
#define SIM_ELECTION_MS 300u
#define SIM_BROKEN_SIZE 320u

struct sim_options {
    uint64_t seed;
    unsigned node_count; /* 0: drawn from the seed */
    uint64_t until_step; /* stop there; 0: run to the end */
    bool verbose;        /* every event on stdout */
};

struct sim_result {
    bool passed;
    bool stopped; /* at until_step */
    char broken[SIM_BROKEN_SIZE];
    uint64_t step; /* where it broke, or the last */
    uint64_t time_ms;
    unsigned node_count;
    uint64_t trace; /* hash of every event and answer */
    struct sim_report report;
};

/* One run. Aborts only when there is no memory. */
void sim_run(const struct sim_options *options, struct sim_result *result);

/* --- What the parts of the simulator share --- */

struct sim;
struct sim_disk;
struct sim_check;
struct sim_model;
struct sim_clients;
struct sim_faults;
struct sim_ops;
struct sim_crowd;
struct sim_intruders;
struct sim_members;
struct sim_door;
struct sim_record;
struct sim_seats;

struct sim_network {
    uint64_t delay_min_ms;
    uint64_t delay_max_ms;
    unsigned loss; /* these are of 10,000 messages */
    unsigned repetition;
    unsigned straggling;
    unsigned replay;
    unsigned truncation;
};

struct sim_node {
    struct sim *sim;
    unsigned id;
    bool up;
    uint64_t life; /* counts starts and ends: what was under way then is void */
    struct sim_disk *disk;
    struct replica *replica;
    struct sim_door *door;
    struct replica_host host;
    struct clock clock;
    struct random random;
    struct sim_random lot;
    uint64_t tick_ms; /* when replica_tick is due, world time */
    uint64_t paused_until_ms;
    uint64_t restart_ms; /* when down: when it comes back */
    int64_t skew_ms;     /* of its wall clock */
    int drift;           /* of its monotonic clock, in thousandths, since rate_since_ms */
    uint64_t rate_since_ms;
    uint64_t rate_local_ms; /* what it showed then */
    bool slow;
    uint64_t stalled_until_ms;         /* its disk begins no write before */
    const struct replica_write *write; /* under way */
    uint64_t doom;                     /* dies when it comes there for the doom-th time; 0: no */
    enum sim_count doom_point;
    bool doomed;           /* dead within this event: nothing gets out any more */
    uint64_t memory_fault; /* the n-th allocation of its next event fails */
    bool excused;          /* a failure of this life has a cause */
    enum conclave_code failure;
    const char *failure_what;
    unsigned ticks_now; /* deadlines handled without time passing */
};

enum sim_request_state {
    SIM_WAITING,
    SIM_ANSWERED,
    SIM_LOST
};

struct sim_request {
    enum sim_request_state state;
    enum conclave_code code;
    unsigned node;
    struct slice reply; /* the simulator's */
};

struct sim_event;

struct sim {
    struct sim_options options;
    unsigned node_count;
    unsigned genesis_count; /* nodes at first: more may join */
    bool by_command;        /* the members change by signed commands, not by hand */
    struct sim_report report;
    struct sim_random lot;   /* network and disks */
    struct sim_random chaos; /* faults */
    struct sim_random whim;  /* clients */
    struct sim_random foe;   /* intruders */
    uint64_t now_ms;
    uint64_t step;
    uint64_t trace;
    bool calm;   /* faults are over */
    bool wired;  /* messages of peers come as frames on connections */
    bool secure; /* connections have certificates */
    char broken[SIM_BROKEN_SIZE];

    struct actor chair;
    struct buffer genesis;
    uint8_t cluster_id[16];
    struct sim_node nodes[SIM_NODES + 1]; /* from 1 */
    struct sim_network network;
    unsigned deposed; /* a leader that does not know that it is none any more; 0: none */
    uint64_t deposed_until_ms;
    bool cut[SIM_NODES + 1][SIM_NODES + 1];     /* from, to */
    bool clogged[SIM_NODES + 1][SIM_NODES + 1]; /* held back until unclogged */

    struct sim_event *queue; /* a heap by time, then number */
    size_t queue_count, queue_capacity;
    uint64_t queue_number;
    struct sim_event *held; /* on clogged links */
    size_t held_count, held_capacity;
    struct sim_event *past; /* a ring of messages that may come again */
    size_t past_count;

    struct sim_request *requests; /* by token - 1 */
    size_t request_count, request_capacity;

    struct sim_check *check;
    struct sim_model *model;
    struct sim_clients *clients;
    struct sim_faults *faults;
    struct sim_ops *ops;
    struct sim_crowd *crowd;
    struct sim_intruders *intruders;
    struct sim_members *members;
    struct sim_record *record;
    struct sim_seats *seats;
    bool membership_changed;
};

/* Notes a broken invariant; the first one counts. */
void sim_break(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of the readable trace. */
void sim_say(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void sim_count(struct sim *sim, enum sim_count count)
{
    sim->report.counts[count]++;
}

/* Counts an interesting state that was reached (FoundationDB's "sometimes" assertions). */
#define SOMETIMES(sim, condition, mark) ((sim)->report.counts[SIM_##mark] += (condition) ? 1u : 0u)

/* Of both ends: it changes when one of them starts or ends. */
static inline uint64_t sim_link_life(const struct sim *sim, unsigned from, unsigned to)
{
    return sim->nodes[from].life + sim->nodes[to].life;
}

void *sim_checked(void *memory);
void sim_trace(struct sim *sim, uint64_t value);
void sim_trace_bytes(struct sim *sim, struct slice bytes);

/* --- sim_world.c --- */

void sim_world_open(struct sim *sim);
void sim_world_close(struct sim *sim);
uint64_t sim_wall_ms(const struct sim *sim); /* the true time */

void sim_node_start(struct sim *sim, unsigned node);
void sim_node_crash(struct sim *sim, unsigned node);
/* Node `to` is told, in a while, that its connections with `from` are gone. */
void sim_lose_connection(struct sim *sim, unsigned from, unsigned to);

/* After anything that a node did: its ends, the checks, when it is due again. */
void sim_node_settle(struct sim_node *node);

/* Tells a replica something from outside its events; then its checks are made. */
void sim_node_transfer(struct sim *sim, unsigned node);
/* One more node: its disk is to join, and it is down for a while. */
void sim_node_join(struct sim *sim);

enum conclave_code sim_node_change(struct sim *sim, unsigned node, uint64_t server, int role);

/* The ready leader of the highest term, or 0. */
unsigned sim_leader(struct sim *sim);

void sim_unclog(struct sim *sim, unsigned from, unsigned to);
bool sim_world_step(struct sim *sim); /* one event, or 10 ms of nothing */

/* --- sim_host.c --- */

uint64_t sim_submit(struct sim *sim, unsigned node, struct slice command, uint64_t timeout_ms);
uint64_t sim_read(struct sim *sim, unsigned node, uint64_t timeout_ms);
const struct sim_request *sim_request(const struct sim *sim, uint64_t token);

/* --- sim_faults.c --- */

void sim_faults_open(struct sim *sim);
void sim_faults_close(struct sim *sim);
void sim_faults_run(struct sim *sim);
void sim_faults_end(struct sim *sim); /* fair weather from now on */
uint64_t sim_faults_restart_ms(struct sim *sim);

#endif
