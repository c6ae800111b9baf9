/* Seats: the leader brings raft's configuration to what the state wants (model/node.h), one change
 * at a time, each under the rules of membership.c.
 *
 * A new node first learns the log as a standby, and votes when it has what is committed. Nodes come
 * before nodes go; one that is replaced stays until its replacement votes. A leader that is to lose
 * its own seat hands over first. Whatever cannot be done now is tried again: a leader that dies in
 * between changes nothing, the next one reads the same state.
 */
#ifndef CONSENSUS_SEATS_H
#define CONSENSUS_SEATS_H

#include "consensus/configuration.h"
#include "model/node.h"

struct replica;

enum seats_action {
    SEATS_NONE,
    SEATS_CHANGE,  /* replica_change(node_id, address, role) */
    SEATS_TRANSFER /* node_id, or (0) any other, is to lead */
};

#define SEATS_REMOVE (-1)

struct seats_step {
    enum seats_action action;
    uint64_t node_id;
    int role; /* raft's, or SEATS_REMOVE */
    char address[LIMIT_ADDRESS_BYTES + 1];
};

/* What a leader knows of the others. */
struct seats_view {
    void *context;
    uint64_t lead_after; /* a wish for who leads counts when it was decided after this entry */
    bool (*has_log)(void *context, uint64_t node_id); /* a standby that may vote */
    bool (*is_up)(void *context, uint64_t node_id);
};

/* The next step from `configuration` to what `list` wants; pure. Nodes that no command was about
 * are left as they are. A step after which those that are up would be no majority of the voters
 * waits until they are, unless the command was forced. */
void seats_plan(const struct node_list *list, const struct raft_configuration *configuration,
                uint64_t self, const struct seats_view *view, struct seats_step *step);

/* A message came from a node. */
void seats_hear(struct replica *replica, uint64_t node_id);

/* Was there one in the last `within_ms`? */
bool seats_heard(const struct replica *replica, uint64_t node_id, uint64_t within_ms);

/* Tells the host who makes up the cluster, if that has changed since it was told. */
void seats_tell(struct replica *replica);

/* A leader's turn: takes the next step, if it is time to look and one can be taken. */
void seats_run(struct replica *replica);

#endif
