/* The cluster as its nodes see it, each asked for its own view, and what that makes of the whole.
 * For `status`, once, and `top`, again and again.
 */
#ifndef CONCLAVE_CLUSTER_VIEW_H
#define CONCLAVE_CLUSTER_VIEW_H

#include "cli.h"

struct cluster_node {
    char node[24];
    char address[LIMIT_ADDRESS_BYTES + 33];
    bool up;
    char why[320];  /* "" when all is well */
    json_t *status; /* its answer; NULL: none */
};

struct cluster_view {
    uint64_t deadline_ms; /* of all that is asked */
    char cluster[CONCLAVE_CLUSTER_ID_BYTES * 2 + 1];
    char name[LIMIT_NAME_BYTES + 1];
    struct cluster_node nodes[LIMIT_ENDPOINTS];
    size_t node_count;
    bool named;                     /* the nodes are the cluster's own list */
    struct conclave_client *client; /* of the nodes, by place; NULL until they were asked */
    size_t up;
    size_t voters, voters_up;
    size_t leader; /* place in `nodes`; SIZE_MAX: none */
    const char *health;
};

/* Asks the endpoints in turn until one says which nodes there are. Where none does, the endpoints
 * stand in their place, each with why not. Nonzero: the exit status. */
int cluster_view_find(struct cli *cli, struct cluster_view *view) MUST_USE;

/* Asks every node for its own view, and judges. `patiently`: not those that hung before, and for a
 * while again when an election may be under way. Nonzero: the exit status. */
int cluster_view_ask(struct cli *cli, struct cluster_view *view, bool patiently) MUST_USE;

/* What the leader answers to a method without parameters: a new reference, or NULL where nobody
 * leads or it gives no answer. After cluster_view_ask. */
json_t *cluster_view_ask_leader(struct cluster_view *view, const char *method);

/* Where nobody named the nodes. */
void cluster_view_judge(struct cluster_view *view);

bool cluster_view_no_quorum(const struct cluster_view *view);

/* Does the node vote, as the leader has it? "voter", "standby" or "none"; NULL when no leader says.
 */
const char *cluster_view_seat(const struct cluster_view *view, size_t place);

/* Entries of the leader's log that a node has not stored yet, as the leader knows it; false when
 * nobody does. What a node has applied may be one heartbeat older: that is no lag. */
bool cluster_view_lag(const struct cluster_view *view, size_t place, uint64_t *lag) MUST_USE;

/* The line "cluster NAME (ID): healthy", and the table of the nodes. */
void cluster_view_print(const struct output *output, const struct cluster_view *view);

/* A line that says whether connections are encrypted, and which certificate ends first; nothing
 * where they are not. */
void cluster_view_print_security(const struct output *output, const struct cluster_view *view);

void cluster_view_close(struct cluster_view *view);

#endif
