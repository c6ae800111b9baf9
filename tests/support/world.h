/* A virtual world: real replicas in one process, over the in-memory twins, with a seeded clock,
 * network and disks. The same seed and the same calls give the same run, to the last message.
 *
 * The happy path is: world_open, world_start of every node, then world_run_until something holds.
 * Every step handles one event (a message that arrives, a write that ends, a deadline) of one node,
 * in virtual time; after it the world's own checks are made (world_check.h), which share no code
 * with what they check. A broken invariant stops the run: world_broken says what.
 *
 * What can go wrong is asked for: loss, repetition, delay and reordering of messages, cut links,
 * slow disks, crashes (a write under way is lost, or done but not reported, by lot), a state that
 * is wiped, clocks that differ. Nodes are numbered from 1, as their ids are.
 */
#ifndef TESTS_SUPPORT_WORLD_H
#define TESTS_SUPPORT_WORLD_H

#include "consensus/replica.h"
#include "kv/kv.h"
#include "log/log.h"
#include "support/actors.h"

#define WORLD_NODES LIMIT_NODES

struct world_config {
    uint64_t seed;
    unsigned node_count;
    unsigned heartbeat_ms; /* 0: 50 */
    unsigned election_ms;  /* 0: 300 */
};

/* How messages fare; may be changed at any time. */
struct world_network {
    uint64_t delay_min_ms;
    uint64_t delay_max_ms;
    unsigned loss;       /* of 10,000 messages */
    unsigned repetition; /* of 10,000 messages */
    unsigned straggling; /* of 10,000: delayed up to 20 times longer */
};

struct world_disks {
    uint64_t write_min_ms;
    uint64_t write_max_ms;
};

enum world_answer_state {
    WORLD_WAITING,
    WORLD_ANSWERED,
    WORLD_LOST
};

/* What became of a command or read: LOST when its node crashed first. */
struct world_answer {
    enum world_answer_state state;
    enum conclave_code code;
    uint64_t asked_ms;
    uint64_t answered_ms;
    unsigned node;
    struct slice reply; /* the world's */
};

struct world_node {
    struct world *world;
    unsigned id;
    bool up;
    uint64_t life; /* counts starts */
    struct log *log;
    struct kv *kv;
    struct replica *replica;
    struct replica_host host;
    struct auth_key key; /* signs checkpoints */
    struct replica_signer signer;
    bool signs;              /* true; a test may change it before a start */
    uint8_t *kept, *keeping; /* what host->keep keeps: durable, and under way */
    size_t kept_size, keeping_size;
    enum conclave_code keep_fault; /* what the next keeping ends with */
    struct clock clock;
    struct random random;
    uint64_t random_state;
    uint64_t tick_ms; /* when replica_tick is due */
    int64_t wall_skew_ms;
    const struct replica_write *write;      /* under way */
    struct replica_seat seats[LIMIT_NODES]; /* what its host was told */
    unsigned seat_count;
    enum conclave_code failure; /* of host->failed; OK: none */
    uint64_t events;
    uint64_t leader_events;
};

/* Told of what hosts are told: for simulators. May be left NULL. */
struct world_watch {
    void *context;
    void (*event)(void *context, unsigned node, struct slice event);
    void (*sent)(void *context, unsigned from, unsigned to, struct slice message);
};

struct world_event;
struct world_check;

struct world {
    struct world_config config;
    struct world_network network;
    struct world_disks disks;
    struct world_watch watch;
    uint64_t random_state;
    uint64_t now_ms;
    uint64_t steps;
    struct world_node nodes[WORLD_NODES + 1];   /* from 1 */
    bool cut[WORLD_NODES + 1][WORLD_NODES + 1]; /* from, to */

    struct actor chair;
    struct buffer genesis;
    uint8_t cluster_id[16];

    struct world_event *queue; /* a heap by time, then number */
    size_t queue_count;
    size_t queue_capacity;
    uint64_t queue_number;

    struct world_answer *answers; /* by token - 1 */
    size_t answer_count;
    size_t answer_capacity;

    struct world_check *check;
    char broken[256]; /* what invariant broke; empty: none */
};

/* A world whose nodes have bootstrapped disks and are down. Aborts when there is no memory. */
struct world *world_open(const struct world_config *config);
void world_close(struct world *world);

/* One more node, with the disk of one that joins, down; its number. */
unsigned world_add(struct world *world);

/* 0 to bound - 1, from the world's own lot. */
uint64_t world_random(struct world *world, uint64_t bound);

/* Wall clock of a node whose clock is right. */
uint64_t world_wall_ms(const struct world *world);

/* --- Nodes --- */

/* OK or what replica_open said; then the node stays down. */
enum conclave_code world_start(struct world *world, unsigned node);
void world_start_all(struct world *world);

/* As kill -9: what was not durable is gone; the state survives (its page cache did). */
void world_crash(struct world *world, unsigned node);

/* Empties the state of a node that is down, as after a power cut. */
void world_wipe_state(struct world *world, unsigned node);

/* Cuts both ways between `node` and all others; world_heal restores every link. */
void world_isolate(struct world *world, unsigned node);
void world_heal(struct world *world);

/* The node that leads and is ready in the highest term, or 0. */
unsigned world_leader(struct world *world);

/* --- Time --- */

/* Handles the next event. False when an invariant is broken. */
bool world_step(struct world *world);

/* Until `done` says so (true), or `timeout_ms` of virtual time have passed or an invariant broke
 * (false). `done` may be NULL: runs that long. */
bool world_run_until(struct world *world, bool (*done)(struct world *world, void *context),
                     void *context, uint64_t timeout_ms);
void world_run(struct world *world, uint64_t duration_ms);

/* Until some node leads and is ready; which, or 0. */
unsigned world_await_leader(struct world *world, uint64_t timeout_ms);

/* --- Clients --- */

/* Hands a command, or a read, to a node: the token; its answer is world_answer(token), which is
 * there at once when the replica refused. Asking a node that is down is answered UNREACHABLE. */
uint64_t world_submit(struct world *world, unsigned node, struct slice command,
                      uint64_t timeout_ms);
uint64_t world_read(struct world *world, unsigned node, uint64_t timeout_ms);

/* Waits for a final checkpoint of at least `size` leaves; a token. */
uint64_t world_await_final(struct world *world, unsigned node, uint64_t size, uint64_t timeout_ms);
const struct world_answer *world_answer(const struct world *world, uint64_t token);

/* Runs until a token is answered or lost, at most a minute. */
const struct world_answer *world_await(struct world *world, uint64_t token);

/* A query of what a node has now: `params` is a packed map. Replaces `answer`. */
enum conclave_code world_query(struct world *world, unsigned node, const char *method,
                               struct slice params, struct buffer *answer);

/* Until all nodes that are up have applied what any of them has committed. */
bool world_await_equal(struct world *world, uint64_t timeout_ms);

/* Delivers bytes to a node as a message from another: for crafted messages. */
void world_inject(struct world *world, unsigned from, unsigned to, struct slice message);

#endif
