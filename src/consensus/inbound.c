/* Incoming messages. */
#include "consensus/inbound.h"

#include "base/logger.h"
#include "base/mutant.h"
#include "consensus/driver.h"
#include "consensus/forward.h"
#include "consensus/seats.h"

/* The core wants an address with every message, and copies it; addresses are not used to send. */
static const char *address_of(const struct replica *replica, uint64_t node_id)
{
    const struct raft_server *server = configuration_find(&replica->raft.configuration, node_id);
    return server == NULL ? "-" : server->address;
}

/* A step for a message. The address is copied first: the core may free the configuration that it
 * stands in while it handles the message. */
static void step_message(struct replica *replica, uint64_t node_id, struct raft_message *message)
{
    char address[LIMIT_ADDRESS_BYTES + 1];
    const char *known = address_of(replica, node_id);
    size_t size = strnlen(known, LIMIT_ADDRESS_BYTES);
    memcpy(address, known, size);
    address[size] = 0;
    message->server_id = node_id;
    message->server_address = address;
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = message}};
    driver_must_step(replica, &event, "the raft core refused a message");
    message->server_address = NULL;
}

/* Gives `count` entries from `first` on to the core, in one batch that the core frees. */
static bool step_part(struct replica *replica, uint64_t node_id, const struct raft_message *message,
                      unsigned first, unsigned count)
{
    const struct raft_append_entries *append = &message->append_entries;
    struct raft_message part = *message;
    part.append_entries.prev_log_index = append->prev_log_index + first;
    if (first > 0) {
        part.append_entries.prev_log_term = append->entries[first - 1].term;
    }
    part.append_entries.n_entries = count;
    part.append_entries.entries = count == 0 ? NULL : &append->entries[first];
    if (count > 0) {
        size_t size = 1;
        for (unsigned i = 0; i < count; i++) {
            size += part.append_entries.entries[i].buf.len;
        }
        uint8_t *batch = raft_malloc(size);
        if (batch == NULL) {
            replica_fail(replica, CONCLAVE_NO_MEMORY, "no memory for received entries");
            return false;
        }
        uint8_t *at = batch;
        for (unsigned i = 0; i < count; i++) {
            struct raft_entry *entry = &part.append_entries.entries[i];
            if (entry->buf.len > 0) {
                memcpy(at, entry->buf.base, entry->buf.len);
            }
            entry->buf.base = at;
            entry->batch = batch;
            at += entry->buf.len;
        }
    }
    step_message(replica, node_id, &part);
    return !replica->failed &&
           raft_last_index(&replica->raft) >= part.append_entries.prev_log_index + count;
}

/* K: the core's own answer to an append of an earlier term leaves the last index uninitialised, and
 * says "rejected: 0", which reads as success, when the append was for the start of the log; a peer
 * that meanwhile leads in our term would count what we do not have. So this answer is ours. */
static void refuse_append(struct replica *replica, uint64_t node_id,
                          const struct raft_append_entries *append)
{
    struct raft_message answer = {.type = RAFT_APPEND_ENTRIES_RESULT};
    struct raft_append_entries_result *result = &answer.append_entries_result;
    result->term = raft_current_term(&replica->raft);
    result->rejected = append->prev_log_index == 0 ? 1 : append->prev_log_index;
    result->last_log_index = result->rejected - 1;
    if (result->last_log_index > raft_last_index(&replica->raft)) {
        result->last_log_index = raft_last_index(&replica->raft);
    }
    message_write_raft(&replica->message, &answer);
    replica_send(replica, node_id);
}

static void receive_append(struct replica *replica, uint64_t node_id,
                           const struct raft_message *message)
{
    const struct raft_append_entries *append = &message->append_entries;
    if (append->term < raft_current_term(&replica->raft)) {
        refuse_append(replica, node_id, append);
        return;
    }
    if (replica_leads(replica) && append->term == raft_current_term(&replica->raft)) {
        /* A second leader of our own term: cannot be, and the core would go wrong on it. */
        LOG_ERROR("append from another leader of this term", FIELD_U64("peer", node_id),
                  FIELD_U64("term", append->term));
        replica->messages_dropped++;
        return;
    }
    unsigned first = 0;
    do {
        unsigned end = first + 1;
        while (end < append->n_entries && (MUTANT(8) || append->entries[end].type != RAFT_CHANGE)) {
            end++;
        }
        unsigned count = append->n_entries == 0 ? 0 : end - first;
        if (end < append->n_entries) {
            replica->mitigations[1]++; /* M1: a configuration is never a later entry of a message */
        }
        if (!step_part(replica, node_id, message, first, count)) {
            return; /* refused: the rest would be too */
        }
        first = end;
    } while (first < append->n_entries);
}

static void receive_append_result(struct replica *replica, uint64_t node_id,
                                  struct raft_message *message)
{
    const struct raft_append_entries_result *result = &message->append_entries_result;
    raft_index match_index;
    /* M4: a rejection at or below what the peer is known to have is old; the core would take it
     * and send what the peer has committed. */
    if (!MUTANT(6) && result->rejected > 0 && replica_leads(replica) &&
        result->term == raft_current_term(&replica->raft) &&
        raft_match_index(&replica->raft, node_id, &match_index) == 0 &&
        result->rejected <= match_index) {
        replica->mitigations[4]++;
        return;
    }
    step_message(replica, node_id, message);
}

static void receive_vote_result(struct replica *replica, uint64_t node_id,
                                struct raft_message *message)
{
    const struct raft_request_vote_result *result = &message->request_vote_result;
    /* Nobody grants a vote for a term beyond the one asked for. */
    if (result->vote_granted && result->term > raft_current_term(&replica->raft) + 1) {
        replica->messages_dropped++;
        return;
    }
    /* L: whether it is in a pre-vote, the core reads from memory that only a candidate has; by
     * chance it takes the term that a pre-vote asked about for one that somebody is in. */
    if (result->pre_vote && raft_state(&replica->raft) != RAFT_CANDIDATE) {
        replica->messages_dropped++;
        return;
    }
    step_message(replica, node_id, message);
}

static struct raft_server *find_server(struct raft_configuration *configuration, uint64_t node_id)
{
    for (unsigned i = 0; i < configuration->n; i++) {
        if (configuration->servers[i].id == node_id) {
            return &configuration->servers[i];
        }
    }
    return NULL;
}

/* Who has no vote never times out: it believes in the leader that it had for ever, and would refuse
 * all others. It does not when that one itself asks for votes, or was not heard from for long. */
static void forget_leader(struct replica *replica, uint64_t asker)
{
    struct raft *raft = &replica->raft;
    uint64_t leader_id = raft->state == RAFT_FOLLOWER ? raft->follower_state.current_leader.id : 0;
    if (leader_id != 0 &&
        (leader_id == asker || !seats_heard(replica, leader_id, replica->config.election_ms))) {
        raft_free(raft->follower_state.current_leader.address);
        raft->follower_state.current_leader.address = NULL;
        raft->follower_state.current_leader.id = 0;
    }
}

/* M3: the core refuses a vote when its own configuration says that it has none. But whoever
 * asks may have the configuration that made it a voter, and need its vote to be able to send that:
 * the only voter that takes in a second one would never lead again. So for this one message it is
 * one (Ongaro, chapter 4.1: servers vote whatever their own configuration says). It is the asker
 * that counts votes, and those of voters only. */
static void receive_vote(struct replica *replica, uint64_t node_id, struct raft_message *message)
{
    struct raft_configuration *configuration = &replica->raft.configuration;
    struct raft_server *self = find_server(configuration, replica->config.node_id);
    int role = self == NULL ? RAFT_VOTER : self->role;
    bool lent = role != RAFT_VOTER && !MUTANT(53);
    if (lent) {
        self->role = RAFT_VOTER;
        forget_leader(replica, node_id);
    }
    step_message(replica, node_id, message);
    self = find_server(configuration, replica->config.node_id);
    if (lent && self != NULL) {
        self->role = role;
    }
}

/* Who has a damaged entry does not vote. It takes appends in, as an entry that was never committed
 * may be replaced, but acknowledges none (outbound.c). */
static bool is_refrained(const struct replica *replica, enum message_type type)
{
    return replica->repair.index != 0 &&
           (type == MESSAGE_VOTE || type == MESSAGE_VOTE_RESULT || type == MESSAGE_TIMEOUT_NOW);
}

static void dispatch(struct replica *replica, uint64_t node_id, struct message *message)
{
    if (is_refrained(replica, message->type)) {
        replica->messages_dropped++;
        return;
    }
    switch (message->type) {
    case MESSAGE_APPEND:
        receive_append(replica, node_id, &message->raft);
        break;
    case MESSAGE_APPEND_RESULT:
        receive_append_result(replica, node_id, &message->raft);
        break;
    case MESSAGE_VOTE_RESULT:
        receive_vote_result(replica, node_id, &message->raft);
        break;
    case MESSAGE_VOTE:
        receive_vote(replica, node_id, &message->raft);
        break;
    case MESSAGE_TIMEOUT_NOW:
        if (replica->room.full) {
            break; /* the other one would not want it back */
        }
        step_message(replica, node_id, &message->raft);
        break;
    case MESSAGE_SNAPSHOT:
        replica->mitigations[5]++; /* M5 */
        if (MUTANT(55)) {
            message->raft.install_snapshot =
                (struct raft_install_snapshot){.term = raft_current_term(&replica->raft),
                                               .last_index = raft_last_index(&replica->raft) + 1,
                                               .last_term = raft_current_term(&replica->raft)};
            step_message(replica, node_id, &message->raft);
        }
        break;
    case MESSAGE_FORWARD:
        forward_receive(replica, node_id, &message->forward);
        break;
    case MESSAGE_FORWARD_RESULT:
        forward_result(replica, node_id, &message->forward_result);
        break;
    case MESSAGE_READ_PING:
        read_ping(replica, node_id, &message->read_round);
        break;
    case MESSAGE_READ_PONG:
        read_pong(replica, node_id, &message->read_round);
        break;
    case MESSAGE_READ_ASK:
        read_ask(replica, node_id, &message->read_ask);
        break;
    case MESSAGE_READ_ANSWER:
        read_answer(replica, node_id, &message->read_ask);
        break;
    case MESSAGE_REPAIR_ASK:
        repair_asked(replica, node_id, &message->repair);
        break;
    case MESSAGE_REPAIR_ENTRY:
        repair_answered(replica, &message->repair);
        break;
    case MESSAGE_CHECKPOINT:
        checkpoint_asked(replica, node_id, &message->checkpoint);
        break;
    case MESSAGE_CHECKPOINT_COSIGNED:
        checkpoint_cosigned(replica, node_id, &message->checkpoint);
        break;
    case MESSAGE_CHECKPOINT_FINAL:
        checkpoint_offered(replica, node_id, message->note);
        break;
    case MESSAGE_CHECKPOINT_HELD:
        checkpoint_held(replica, node_id, message->checkpoint.size);
        break;
    }
}

void inbound_receive(struct replica *replica, uint64_t node_id, struct slice bytes)
{
    if (node_id == 0 || node_id == replica->config.node_id) {
        replica->messages_malformed++;
        return;
    }
    struct message message;
    enum conclave_code rv = message_decode(&message, node_id, bytes);
    if (rv == CONCLAVE_NO_MEMORY) {
        replica->messages_dropped++;
        return;
    }
    if (rv != CONCLAVE_OK) {
        replica->messages_malformed++;
        LOG_WARN("malformed message from a peer", FIELD_U64("peer", node_id),
                 FIELD_U64("bytes", bytes.size), FIELD_TEXT("code", conclave_code_name(rv)));
        return;
    }
    dispatch(replica, node_id, &message);
    message_close(&message);
}
