/* The inside of a replica: what its parts share. Only files of this folder include it.
 *
 * Every public function of replica.h ends in replica_settle (or the part of it that may not
 * answer), which does the work that events left: replica.c has the order. No part calls another
 * back from within a raft_step.
 */
#ifndef CONSENSUS_CORE_H
#define CONSENSUS_CORE_H

#include <raft.h>

#include "consensus/cache.h"
#include "consensus/checkpoint.h"
#include "consensus/configuration.h"
#include "consensus/election.h"
#include "consensus/message.h"
#include "consensus/pending.h"
#include "consensus/read.h"
#include "consensus/repair.h"
#include "consensus/replica.h"
#include "consensus/replica_metrics.h"
#include "consensus/room.h"
#include "consensus/state.h"
#include "consensus/writer.h"
#include "record/tree.h"

/* Which forwarded attempts of a peer came already: a window over their numbers, so that an attempt
 * that was answered `busy` can never come a second time (RFC 4303, section 3.4.3). */
struct forward_window {
    uint64_t node_id; /* 0: free */
    uint64_t incarnation;
    uint64_t highest;
    uint64_t seen; /* bit i: attempt highest - i came */
};

#define CORE_PROPOSED_ENTRIES (2u * LIMIT_UNCOMMITTED_ENTRIES)

/* An entry on its way to a majority, as its leader measures it. */
struct proposed_entry {
    uint64_t index, proposed_us;
};

/* When a node was last heard of (seats.c). */
struct seats_heard {
    uint64_t node_id; /* 0: free */
    uint64_t at_ms;
};

struct replica {
    struct replica_config config;
    struct raft raft;
    uint8_t cluster_id[16];
    uint64_t founded_index; /* of the cluster.restore that founds this cluster; 0: genesis does */
    bool failed;            /* inert: the host was told */
    bool work_pending;      /* something can go on at once: the next tick is due */
    uint64_t now_ms;        /* monotonic, of the event being handled; never goes back */

    /* Timer (driver.c) */
    uint64_t timer_ms;     /* when RAFT_TIMEOUT is due */
    uint64_t timed_out_ms; /* when it last was given, or 0 */

    struct election election;
    struct room room;
    struct repair repair;

    /* Who leads, as far as this node knows (replica.c) */
    uint64_t leader_id;
    uint64_t leader_term;
    uint64_t leader_announced_term; /* of the last leader.changed event */

    uint64_t commit_index;      /* M7: the highest that was ever seen */
    uint64_t core_commit_index; /* what the core said last */
    uint64_t ready_index;       /* leader: serves once this is committed */
    struct cache cache;
    struct writer writer;

    /* The state machine (apply.c) */
    struct state state;
    struct merkle_tree tree; /* of the record, as applied */
    struct tree_append tree_append;
    uint64_t log_time_ms;
    uint64_t next_due_ms; /* wall clock; UINT64_MAX: nothing to close */

    struct pending pending;
    uint64_t incarnation; /* of this process, in forwards */
    uint64_t attempts;    /* forwards so far */
    struct forward_window windows[2 * LIMIT_NODES];

    struct reads reads;
    struct checkpoints checkpoints;

    /* Batches (batch.c) */
    uint64_t stamp_ms;         /* the last one given by this node */
    uint64_t closes_index;     /* our last batch with closes */
    uint64_t closes_retry_ms;  /* no closes before (monotonic) */
    struct buffer batch;       /* scratch */
    struct slice *batch_items; /* LIMIT_BATCH_COMMANDS of them: scratch */

    struct seats_heard heard[LIMIT_NODES];
    struct replica_seat told[LIMIT_NODES]; /* what the host was told (seats.c) */
    unsigned told_count;
    uint64_t seats_ms; /* a leader compares the configuration with the wanted one then (seats.c) */
    unsigned seats_wait_ms; /* after the last hand-over that did not come about */
    uint64_t seats_heir_id; /* to whom that was */

    struct buffer message; /* scratch: one outgoing message */
    struct buffer entries; /* scratch: its entries */

    uint64_t messages_malformed;
    uint64_t messages_dropped;
    uint64_t mitigations[9];

    struct replica_metrics metrics;
    struct proposed_entry proposed[CORE_PROPOSED_ENTRIES]; /* of this term, by index */
};

/* The replica cannot go on: tells the host once, with the code and what failed. */
void replica_fail(struct replica *replica, enum conclave_code code, const char *what);

/* This node's record is not that of the others: it takes part in nothing more, but can still be
 * asked what it has. */
void replica_stand_aside(struct replica *replica);

/* Reads the clock for the event that begins. */
void replica_advance(struct replica *replica);

static inline bool replica_leads(struct replica *replica)
{
    return raft_state(&replica->raft) == RAFT_LEADER;
}

/* Leader that may propose: not handing over. */
static inline bool replica_can_propose(struct replica *replica)
{
    return replica_leads(replica) && raft_transferee(&replica->raft) == 0;
}

/* Leader that has committed an entry of its term, or had nothing to commit. */
static inline bool replica_leads_ready(struct replica *replica)
{
    return replica_leads(replica) && replica->commit_index >= replica->ready_index;
}

/* Sends what `replica->message` holds to a node, or fails the replica when it could not be
 * built.
 */
void replica_send(struct replica *replica, uint64_t node_id);

#endif
