/* See seats.h. */
#include "consensus/seats.h"

#include "auth/join.h"
#include "base/logger.h"
#include "consensus/core.h"
#include "consensus/membership.h"

/* How often a leader compares; a change takes some round trips anyway. */
#define SEATS_PERIOD_MS 100u

#define SEATS_WAIT_MOST_MS 5000u

static void step_change(struct seats_step *step, const struct node_record *node, int role)
{
    ASSERT(node->peer.size <= LIMIT_ADDRESS_BYTES);
    *step = (struct seats_step){.action = SEATS_CHANGE, .node_id = node->id, .role = role};
    memcpy(step->address, node->peer.data, node->peer.size);
}

/* Nodes that are to be there, and votes that are to be given. */
static bool plan_coming(const struct node_record *node, const struct raft_server *server,
                        const struct seats_view *view, struct seats_step *step)
{
    if (node->role == NODE_REMOVED) {
        return false;
    }
    if (server == NULL) {
        step_change(step, node, RAFT_STANDBY);
        return true;
    }
    if (node->role == NODE_VOTER && server->role != RAFT_VOTER &&
        view->has_log(view->context, node->id)) {
        step_change(step, node, RAFT_VOTER);
        return true;
    }
    return false;
}

/* Does a node wait for the seat of `old` that does not vote yet? */
static bool awaited(const struct node_list *list, const struct raft_configuration *configuration,
                    uint64_t old)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node_record *node = &list->nodes[i];
        if (node->replaces == old && node->role == NODE_VOTER &&
            !configuration_is_voter(configuration, node->id)) {
            return true;
        }
    }
    return false;
}

/* Would a majority of the voters be up without this one? The arithmetic is the log's. */
static bool keeps_quorum(const struct raft_configuration *configuration, uint64_t without,
                         const struct seats_view *view)
{
    unsigned voters = 0;
    unsigned up = 0;
    for (unsigned i = 0; i < configuration->n; i++) {
        const struct raft_server *server = &configuration->servers[i];
        if (server->role == RAFT_VOTER && server->id != without) {
            voters++;
            up += view->is_up(view->context, server->id);
        }
    }
    if (2 * up > voters) {
        return true;
    }
    LOG_WARN("a node is to lose its vote, but then no majority would be up: waiting",
             FIELD_U64("node", without), FIELD_U64("voters_then", voters), FIELD_U64("up", up),
             FIELD_U64("needed", voters / 2 + 1));
    return false;
}

static bool plan_going(const struct node_list *list, const struct raft_configuration *configuration,
                       const struct node_record *node, uint64_t self, const struct seats_view *view,
                       struct seats_step *step)
{
    const struct raft_server *server = configuration_find(configuration, node->id);
    bool votes = server != NULL && server->role == RAFT_VOTER;
    bool leaves = node->role == NODE_REMOVED && !awaited(list, configuration, node->id);
    bool sits_back = node->role == NODE_STANDBY && votes;
    if (server == NULL || !(leaves || sits_back) ||
        (votes && !node->forced && !keeps_quorum(configuration, node->id, view))) {
        return false;
    }
    step_change(step, node, leaves ? SEATS_REMOVE : RAFT_STANDBY);
    if (node->id == self) {
        *step = (struct seats_step){.action = SEATS_TRANSFER};
    }
    return true;
}

/* The newest wish for who leads, of this leader's time: it was made of the leader that it reached,
 * and binds none that comes after. */
static void plan_lead(const struct node_list *list, const struct raft_configuration *configuration,
                      uint64_t self, const struct seats_view *view, struct seats_step *step)
{
    const struct node_record *wanted = NULL;
    uint64_t newest = view->lead_after;
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->nodes[i].lead_index > newest) {
            wanted = &list->nodes[i];
            newest = wanted->lead_index;
        }
    }
    if (wanted == NULL || wanted->id == self ||
        !configuration_is_voter(configuration, wanted->id) ||
        !view->is_up(view->context, wanted->id)) {
        return;
    }
    *step = (struct seats_step){.action = SEATS_TRANSFER, .node_id = wanted->id};
}

void seats_plan(const struct node_list *list, const struct raft_configuration *configuration,
                uint64_t self, const struct seats_view *view, struct seats_step *step)
{
    ASSERT(list != NULL && configuration != NULL && step != NULL);
    *step = (struct seats_step){.action = SEATS_NONE};
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node_record *node = &list->nodes[i];
        const struct raft_server *server = configuration_find(configuration, node->id);
        if (node->commanded && plan_coming(node, server, view, step)) {
            return;
        }
    }
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node_record *node = &list->nodes[i];
        if (node->commanded && plan_going(list, configuration, node, self, view, step)) {
            return;
        }
    }
    plan_lead(list, configuration, self, view, step);
}

/* --- What a leader knows of the others --- */

void seats_hear(struct replica *replica, uint64_t node_id)
{
    struct seats_heard *oldest = &replica->heard[0];
    for (size_t i = 0; i < sizeof replica->heard / sizeof replica->heard[0]; i++) {
        struct seats_heard *heard = &replica->heard[i];
        if (heard->node_id == node_id) {
            oldest = heard;
            break;
        }
        oldest = heard->at_ms < oldest->at_ms ? heard : oldest;
    }
    *oldest = (struct seats_heard){node_id, replica->now_ms};
}

bool seats_heard(const struct replica *replica, uint64_t node_id, uint64_t within_ms)
{
    for (size_t i = 0; i < sizeof replica->heard / sizeof replica->heard[0]; i++) {
        if (replica->heard[i].node_id == node_id) {
            return replica->now_ms - replica->heard[i].at_ms < within_ms;
        }
    }
    return false;
}

static bool is_up(void *context, uint64_t node_id)
{
    const struct replica *replica = context;
    return node_id == replica->config.node_id ||
           seats_heard(replica, node_id, 2u * (uint64_t)replica->config.election_ms);
}

static bool has_log(void *context, uint64_t node_id)
{
    return membership_may_vote(context, node_id);
}

/* What the state wants, as a step. */
static enum conclave_code next_step(struct replica *replica, struct seats_step *step)
{
    struct kv_transaction *transaction;
    struct node_list list;
    enum conclave_code code = kv_begin(replica->config.kv, false, &transaction);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = node_list_load(transaction, &list);
    if (code == CONCLAVE_OK) {
        const struct seats_view view = {replica, replica->ready_index, has_log, is_up};
        seats_plan(&list, &replica->raft.configuration, replica->config.node_id, &view, step);
    }
    kv_abort(transaction);
    return code;
}

/* While the core tries, nothing is decided. So the next try comes later each time, and to whoever
 * may lead it is another one: an heir whose log has more than the leader's takes nothing until the
 * leader has written again. */
static void hand_over(struct replica *replica, uint64_t node_id)
{
    uint64_t heir_id = node_id != 0 ? node_id : membership_heir(replica, replica->seats_heir_id);
    if (heir_id == 0) {
        return; /* nobody is heard of */
    }
    LOG_INFO("this node hands over, as was commanded", FIELD_U64("to", heir_id));
    replica->seats_heir_id = heir_id;
    replica->seats_wait_ms = replica->seats_wait_ms == 0 ? replica->config.election_ms
                             : replica->seats_wait_ms < SEATS_WAIT_MOST_MS
                                 ? 2 * replica->seats_wait_ms
                                 : replica->seats_wait_ms;
    replica->seats_ms = replica->now_ms + replica->config.election_ms + replica->seats_wait_ms;
    membership_transfer(replica, heir_id);
}

void seats_run(struct replica *replica)
{
    if (!replica_leads(replica)) {
        replica->seats_wait_ms = 0;
    }
    /* A state that is behind, because it is made anew, wants what was wanted long ago. */
    if (!replica_can_propose(replica) || !replica_leads_ready(replica) ||
        replica->state.applied_index < replica->ready_index ||
        replica->now_ms < replica->seats_ms) {
        return;
    }
    replica->seats_ms = replica->now_ms + SEATS_PERIOD_MS;
    struct seats_step step;
    enum conclave_code code = next_step(replica, &step);
    if (code != CONCLAVE_OK) {
        replica_fail(replica, code, "the state does not say which nodes are wanted");
        return;
    }
    if (step.action == SEATS_TRANSFER) {
        hand_over(replica, step.node_id);
    } else if (step.action == SEATS_CHANGE) {
        code = membership_change(replica, step.node_id, step.address, step.role);
        if (code != CONCLAVE_OK && code != CONCLAVE_BUSY && code != CONCLAVE_NOT_LEADER) {
            LOG_WARN("a wanted change of the nodes cannot be made", FIELD_U64("node", step.node_id),
                     FIELD_TEXT("code", conclave_code_name(code)));
        }
    }
}

bool replica_vouches(struct replica *replica, uint64_t node_id, struct slice token)
{
    ASSERT(replica != NULL);
    struct kv_transaction *transaction;
    struct node_list list;
    if (kv_begin(replica->config.kv, false, &transaction) != CONCLAVE_OK) {
        return false;
    }
    bool loaded = node_list_load(transaction, &list) == CONCLAVE_OK;
    const struct node_record *node = loaded ? node_list_find(&list, node_id) : NULL;
    uint8_t hash[AUTH_SHA256_BYTES];
    join_token_hash(token, hash);
    bool vouched =
        loaded && (node == NULL || !node->has_token || memcmp(hash, node->token, sizeof hash) == 0);
    kv_abort(transaction);
    return vouched;
}

void seats_tell(struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    struct replica_seat seats[LIMIT_NODES];
    ASSERT(configuration->n <= LIMIT_NODES);
    memset(seats, 0, sizeof seats); /* gaps too: they are compared as bytes */
    for (unsigned i = 0; i < configuration->n; i++) {
        const struct raft_server *server = &configuration->servers[i];
        seats[i].node_id = server->id;
        seats[i].voter = server->role == RAFT_VOTER;
        memcpy(seats[i].address, server->address, strnlen(server->address, LIMIT_ADDRESS_BYTES));
    }
    if (configuration->n == replica->told_count &&
        memcmp(seats, replica->told, configuration->n * sizeof seats[0]) == 0) {
        return;
    }
    memcpy(replica->told, seats, sizeof seats);
    replica->told_count = configuration->n;
    replica->config.host->seated(replica->config.host->context, seats, configuration->n);
}
