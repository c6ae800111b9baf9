/* The simulator: replicas as the daemon links them, in a world that one integer decides.
 *
 * sim_run builds the world of a seed, lets faults loose on it while clients govern, heals it, and
 * checks. Time is virtual; a step is one event (a message arrives, a write ends, a deadline is
 * due) of one node. After each step the checkers look (sim_check.h, sim_model.h); the first broken
 * invariant ends the run and is in `broken`.
 *
 * Parts: sim_world.c nodes, network and time; sim_disk.c disks that can be frozen, fail and rot;
 * sim_faults.c what goes wrong; sim_clients.c governance; sim_model.c the independent recount.
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
    struct replica_host host;
    struct clock clock;
    struct random random;
    struct sim_random lot;
    uint64_t tick_ms; /* when replica_tick is due, world time */
    uint64_t paused_until_ms;
    uint64_t restart_ms; /* when down: when it comes back */
    int64_t skew_ms;     /* of its wall clock */
    int drift;           /* of its monotonic clock, in thousandths */
    bool slow;
    const struct replica_write *write; /* under way */
    uint64_t doom;                     /* dies at the doom-th call of its host from now; 0: no */
    bool doomed;                       /* dead within this event: nothing gets out any more */
    uint64_t memory_fault;             /* the n-th allocation of its next event fails */
    bool excused;                      /* a failure of this life has a cause */
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
    struct sim_report report;
    struct sim_random lot;   /* network and disks */
    struct sim_random chaos; /* faults */
    struct sim_random whim;  /* clients */
    uint64_t now_ms;
    uint64_t step;
    uint64_t trace;
    bool calm; /* faults are over */
    char broken[SIM_BROKEN_SIZE];

    struct actor chair;
    struct buffer genesis;
    uint8_t cluster_id[16];
    struct sim_node nodes[SIM_NODES + 1]; /* from 1 */
    struct sim_network network;
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

void *sim_checked(void *memory);
void sim_trace(struct sim *sim, uint64_t value);
void sim_trace_bytes(struct sim *sim, struct slice bytes);

/* --- sim_world.c --- */

void sim_world_open(struct sim *sim);
void sim_world_close(struct sim *sim);
uint64_t sim_wall_ms(const struct sim *sim); /* the true time */

void sim_node_start(struct sim *sim, unsigned node);
void sim_node_crash(struct sim *sim, unsigned node);

/* Tells a replica something from outside its events; then its checks are made. */
void sim_node_transfer(struct sim *sim, unsigned node);
enum conclave_code sim_node_change(struct sim *sim, unsigned node, uint64_t server, int role);

/* The ready leader of the highest term, or 0. */
unsigned sim_leader(struct sim *sim);

void sim_unclog(struct sim *sim, unsigned from, unsigned to);
bool sim_world_step(struct sim *sim); /* one event, or 10 ms of nothing */

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
