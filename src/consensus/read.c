/* ReadIndex rounds and questions. */
#include "consensus/read.h"

#include "base/memory.h"
#include "base/mutant.h"
#include "consensus/core.h"
#include "consensus/driver.h"

void read_init(struct reads *reads, uint64_t number_first)
{
    ASSERT(reads != NULL);
    *reads = (struct reads){.number = number_first, .deadline_ms = UINT64_MAX};
}

static void list_append(struct read_list *list, struct read_request *request)
{
    request->next = NULL;
    if (list->last == NULL) {
        list->first = request;
    } else {
        list->last->next = request;
    }
    list->last = request;
}

/* Moves all of `from` to the end of `to`. */
static void list_move(struct read_list *to, struct read_list *from)
{
    if (from->first == NULL) {
        return;
    }
    if (to->last == NULL) {
        to->first = from->first;
    } else {
        to->last->next = from->first;
    }
    to->last = from->last;
    *from = (struct read_list){0};
}

static void list_free(struct read_list *list)
{
    while (list->first != NULL) {
        struct read_request *next = list->first->next;
        memory_free(list->first);
        list->first = next;
    }
    list->last = NULL;
}

void read_close(struct reads *reads)
{
    ASSERT(reads != NULL);
    list_free(&reads->waiting);
    list_free(&reads->asked);
    list_free(&reads->indexed);
}

/* Takes every request that `goes` names out of the list and frees it. */
static void list_filter(struct replica *replica, struct read_list *list,
                        bool (*goes)(struct replica *replica, struct read_request *request))
{
    struct read_list kept = {0};
    struct read_request *request = list->first;
    while (request != NULL) {
        struct read_request *next = request->next;
        if (goes(replica, request)) {
            replica->reads.local_count -= request->node_id == 0;
            replica->reads.remote_count -= request->node_id != 0;
            memory_free(request);
        } else {
            list_append(&kept, request);
        }
        request = next;
    }
    *list = kept;
}

static enum conclave_code enter(struct replica *replica, const struct read_request *request)
{
    struct read_request *copy = memory_allocate(sizeof *copy);
    if (copy == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *copy = *request;
    struct reads *reads = &replica->reads;
    list_append(&reads->waiting, copy);
    reads->local_count += copy->node_id == 0;
    reads->remote_count += copy->node_id != 0;
    if (copy->deadline_ms < reads->deadline_ms) {
        reads->deadline_ms = copy->deadline_ms;
    }
    return CONCLAVE_OK;
}

enum conclave_code read_enter(struct replica *replica, uint64_t token, uint64_t deadline_ms)
{
    struct read_request request = {.token = token, .deadline_ms = deadline_ms};
    return enter(replica, &request);
}

/* --- The leader's round --- */

static void send_pings(struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    struct message_read_round ping = {.term = replica->reads.term, .round = replica->reads.number};
    for (unsigned i = 0; i < configuration->n; i++) {
        uint64_t node_id = configuration->servers[i].id;
        if (node_id != replica->config.node_id && configuration->servers[i].role == RAFT_VOTER) {
            message_write_read_round(&replica->message, MESSAGE_READ_PING, &ping);
            replica_send(replica, node_id);
        }
    }
}

static bool round_has_majority(const struct replica *replica)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    const struct reads *reads = &replica->reads;
    unsigned votes = configuration_is_voter(configuration, replica->config.node_id);
    for (unsigned i = 0; i < reads->voted_count; i++) {
        votes += configuration_is_voter(configuration, reads->voted[i]);
    }
    return MUTANT(14) || votes > configuration_voters(configuration) / 2;
}

static void start_round(struct replica *replica)
{
    struct reads *reads = &replica->reads;
    list_move(&reads->asked, &reads->waiting);
    reads->active = true;
    reads->number++;
    reads->term = raft_current_term(&replica->raft);
    reads->index = replica->commit_index;
    reads->voted_count = 0;
    reads->sent_ms = replica->now_ms;
    send_pings(replica);
}

/* --- The follower's question --- */

static void send_question(struct replica *replica)
{
    struct message_read_ask ask = {.ask = replica->reads.number};
    message_write_read_ask(&replica->message, &ask);
    replica_send(replica, replica->leader_id);
}

static void start_question(struct replica *replica)
{
    struct reads *reads = &replica->reads;
    list_move(&reads->asked, &reads->waiting);
    reads->active = true;
    reads->number++;
    reads->sent_ms = replica->now_ms;
    send_question(replica);
}

void read_run(struct replica *replica)
{
    struct reads *reads = &replica->reads;
    if (replica->failed) {
        return;
    }
    bool leads = replica_leads(replica);
    bool can_ask = !leads && replica->leader_id != 0 &&
                   replica->leader_id != replica->config.node_id;
    if (reads->active) {
        if (replica->now_ms - reads->sent_ms >= replica->config.heartbeat_ms) {
            reads->sent_ms = replica->now_ms;
            if (leads) {
                send_pings(replica);
            } else if (can_ask) {
                send_question(replica);
            }
        }
        return;
    }
    if (reads->waiting.first == NULL) {
        return;
    }
    if (leads && (MUTANT(17) || replica_leads_ready(replica))) {
        start_round(replica);
        if (round_has_majority(replica)) {
            replica->work_pending = true; /* the only voter: served by the next event */
        }
    } else if (can_ask) {
        start_question(replica);
    }
}

/* --- Serving --- */

static void tell(struct replica *replica, const struct read_request *request,
                 enum conclave_code code)
{
    const struct replica_host *host = replica->config.host;
    host->readable(host->context, request->token, code);
}

static bool serve_one(struct replica *replica, struct read_request *request)
{
    if (!MUTANT(16) && request->index > replica->state.applied_index) {
        return false;
    }
    tell(replica, request, CONCLAVE_OK);
    return true;
}

static bool answer_peer(struct replica *replica, struct read_request *request)
{
    if (request->node_id == 0) {
        return false;
    }
    struct message_read_ask answer = {
        .ask = request->token, .index = request->index, .term = replica->reads.term};
    message_write_read_answer(&replica->message, &answer);
    replica_send(replica, request->node_id);
    return true;
}

/* What was asked has its index. */
static void index_asked(struct replica *replica, uint64_t index)
{
    struct reads *reads = &replica->reads;
    reads->active = false;
    for (struct read_request *request = reads->asked.first; request != NULL;
         request = request->next) {
        request->index = index;
    }
    list_filter(replica, &reads->asked, answer_peer);
    list_move(&reads->indexed, &reads->asked);
}

static bool end_one(struct replica *replica, struct read_request *request)
{
    if (request->node_id == 0) {
        bool held = replica->room.held || replica->room.unsaved;
        tell(replica, request,
             held                      ? CONCLAVE_DISK_FULL
             : replica->leader_id == 0 ? CONCLAVE_NO_LEADER
                                       : CONCLAVE_UNKNOWN_OUTCOME);
    }
    return true;
}

static bool expire_one(struct replica *replica, struct read_request *request)
{
    if (request->deadline_ms > replica->now_ms) {
        if (request->deadline_ms < replica->reads.deadline_ms) {
            replica->reads.deadline_ms = request->deadline_ms;
        }
        return false;
    }
    return end_one(replica, request);
}

void read_serve(struct replica *replica)
{
    struct reads *reads = &replica->reads;
    if (replica->failed) {
        return;
    }
    if (reads->active && replica_leads(replica) &&
        raft_current_term(&replica->raft) == reads->term && round_has_majority(replica)) {
        index_asked(replica, reads->index);
        read_run(replica); /* what came during the round */
    }
    list_filter(replica, &reads->indexed, serve_one);
    read_expire(replica);
}

static void end_those(struct replica *replica,
                      bool (*ends)(struct replica *, struct read_request *))
{
    struct reads *reads = &replica->reads;
    reads->deadline_ms = UINT64_MAX;
    list_filter(replica, &reads->waiting, ends);
    list_filter(replica, &reads->asked, ends);
    list_filter(replica, &reads->indexed, ends);
}

void read_expire(struct replica *replica)
{
    if (replica->reads.deadline_ms <= replica->now_ms) {
        end_those(replica, expire_one);
    }
}

void read_give_up(struct replica *replica)
{
    end_those(replica, end_one);
}

static bool is_remote(struct replica *replica, struct read_request *request)
{
    (void)replica;
    return request->node_id != 0;
}

void read_reset(struct replica *replica)
{
    struct reads *reads = &replica->reads;
    reads->active = false;
    list_move(&reads->asked, &reads->waiting); /* those asked came first */
    list_move(&reads->waiting, &reads->asked);
    list_filter(replica, &reads->waiting, is_remote);
}

uint64_t read_deadline_ms(const struct replica *replica)
{
    const struct reads *reads = &replica->reads;
    uint64_t deadline_ms = reads->deadline_ms;
    if (reads->active && reads->sent_ms + replica->config.heartbeat_ms < deadline_ms) {
        deadline_ms = reads->sent_ms + replica->config.heartbeat_ms;
    }
    return deadline_ms;
}

/* --- Messages --- */

void read_ping(struct replica *replica, uint64_t node_id, const struct message_read_round *ping)
{
    /* Only a node of the same term vouches that no later leader is known to it. */
    if (!MUTANT(15) && raft_current_term(&replica->raft) != ping->term) {
        return;
    }
    message_write_read_round(&replica->message, MESSAGE_READ_PONG, ping);
    replica_send(replica, node_id);
}

void read_pong(struct replica *replica, uint64_t node_id, const struct message_read_round *pong)
{
    struct reads *reads = &replica->reads;
    if (!reads->active || !replica_leads(replica) || pong->round != reads->number ||
        pong->term != reads->term || raft_current_term(&replica->raft) != reads->term) {
        return;
    }
    for (unsigned i = 0; i < reads->voted_count; i++) {
        if (reads->voted[i] == node_id) {
            return;
        }
    }
    if (reads->voted_count < LIMIT_NODES) {
        reads->voted[reads->voted_count++] = node_id;
    }
}

void read_ask(struct replica *replica, uint64_t node_id, const struct message_read_ask *ask)
{
    /* Dropped questions are asked again by those who wait. */
    if (!replica_leads(replica) || replica->reads.remote_count >= LIMIT_READS_IN_FLIGHT) {
        replica->messages_dropped++;
        return;
    }
    struct read_request request = {.node_id = node_id,
                                   .token = ask->ask,
                                   .deadline_ms = replica->now_ms +
                                                  10u * replica->config.election_ms};
    if (enter(replica, &request) != CONCLAVE_OK) {
        replica->messages_dropped++;
    }
}

void read_answer(struct replica *replica, uint64_t node_id, const struct message_read_ask *answer)
{
    struct reads *reads = &replica->reads;
    if (!reads->active || replica_leads(replica) || (!MUTANT(42) && answer->ask != reads->number) ||
        node_id != replica->leader_id) {
        return;
    }
    driver_learn_commit(replica, answer->index, answer->term);
    index_asked(replica, answer->index);
}
