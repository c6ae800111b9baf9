/* Linearizable reads without writing: ReadIndex (Ongaro, "Consensus: Bridging Theory and Practice",
 * section 6.4). The raft library has none.
 *
 * A leader that is ready takes its commit index, then asks the voters whether they are still in its
 * term; when a majority is (itself counted), every read that had arrived before the round began may
 * be served once the state has that index. One round at a time serves all that wait. A follower
 * asks the leader for the index, one question at a time for all its reads. Failure modes: a lost
 * message (asked again after a heartbeat), a leader lost on the way (the reads wait for the next
 * one), nobody leads until the deadline.
 */
#ifndef CONSENSUS_READ_H
#define CONSENSUS_READ_H

#include "consensus/message.h"
#include "consensus/replica.h"

struct read_request {
    struct read_request *next;
    uint64_t node_id; /* 0: a token of this node's host; else a peer's question */
    uint64_t token;   /* or the peer's number of the question */
    uint64_t deadline_ms;
    uint64_t index; /* ready to be served when this is applied */
};

struct read_list {
    struct read_request *first;
    struct read_request *last;
};

struct reads {
    struct read_list waiting; /* for the next round or question */
    struct read_list asked;   /* in the round or question under way */
    struct read_list indexed; /* their index is known */
    size_t local_count;
    size_t remote_count;
    uint64_t deadline_ms; /* not later than the earliest deadline; UINT64_MAX: none */

    bool active; /* a round or question is under way */
    uint64_t number;
    uint64_t sent_ms;
    /* Of a round: */
    uint64_t term;
    uint64_t index;
    uint64_t voted[LIMIT_NODES]; /* nodes that answered */
    unsigned voted_count;
};

void read_init(struct reads *reads, uint64_t number_first);
void read_close(struct reads *reads);

/* A read of this node's host. NO_MEMORY. */
enum conclave_code read_enter(struct replica *replica, uint64_t token, uint64_t deadline_ms)
    MUST_USE;

/* Starts what can be started (a round, a question), or sends it again. Serves nobody. */
void read_run(struct replica *replica);

/* Ends a round that has its majority, serves what the state has reached, lets deadlines pass. */
void read_serve(struct replica *replica);

/* Lets deadlines pass; or ends all that waits, as if they all had. */
void read_expire(struct replica *replica);
void read_give_up(struct replica *replica);

/* The leader changed: all begins anew; questions of peers are dropped (they ask again). */
void read_reset(struct replica *replica);

/* When read_run or read_serve has something to do by time alone. */
uint64_t read_deadline_ms(const struct replica *replica);

/* Messages. */
void read_ping(struct replica *replica, uint64_t node_id, const struct message_read_round *ping);
void read_pong(struct replica *replica, uint64_t node_id, const struct message_read_round *pong);
void read_ask(struct replica *replica, uint64_t node_id, const struct message_read_ask *ask);
void read_answer(struct replica *replica, uint64_t node_id, const struct message_read_ask *answer);

#endif
