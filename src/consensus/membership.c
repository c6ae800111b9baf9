/* Changes of the raft configuration, one server at a time (Ongaro, "Consensus: Bridging Theory and
 * Practice", chapter 4). */
#include "consensus/membership.h"

#include "base/logger.h"
#include "base/mutant.h"
#include "consensus/batch.h"
#include "consensus/core.h"
#include "consensus/driver.h"
#include "consensus/seats.h"

#define ROLE_REMOVE (-1)

static bool knows_that_it_votes(const struct replica *replica, const struct state_voter *voter)
{
    raft_index match_index = 0;
    if (voter->since_index <= REPLICA_BOOTSTRAP_ENTRIES ||
        voter->since_index < replica->state.configuration_index) {
        return true;
    }
    return raft_match_index(&replica->raft, voter->node_id, &match_index) == 0 &&
           match_index >= voter->since_index;
}

/* M3: a node that does not know yet that it votes refuses to, so with changes one upon the other
 * those that lag can leave the others short of a majority for ever (every node up). So no change is
 * under way, and every voter has the configuration that made it one.
 *
 * Of a voter of genesis that is certain: its disk began with it. Of one that a later change than
 * the last one made a voter, too: this rule held for the changes since. So a voter that has been
 * one for a while may lag, or be dead, and can be replaced by a leader that never heard of it. */
static bool may_change(struct replica *replica)
{
    const struct raft *raft = &replica->raft;
    const struct state *state = &replica->state;
    if (raft->configuration_uncommitted_index != 0 || raft_transferee(raft) != 0 ||
        state->configuration_index != raft->configuration_committed_index) {
        return false;
    }
    for (uint32_t i = 0; !MUTANT(9) && i < state->voter_count; i++) {
        if (!knows_that_it_votes(replica, &state->voters[i])) {
            replica->mitigations[3]++;
            return false;
        }
    }
    return true;
}

bool membership_may_vote(struct replica *replica, uint64_t node_id)
{
    raft_index match_index = 0;
    int rv = raft_match_index(&replica->raft, node_id, &match_index);
    return rv == 0 && match_index >= replica->commit_index;
}

/* The configuration as it will be. */
static enum conclave_code change_configuration(const struct replica *replica, uint64_t node_id,
                                               const char *address, int role,
                                               struct raft_configuration *configuration)
{
    const struct raft_configuration *old = &replica->raft.configuration;
    const struct raft_server *known = configuration_find(old, node_id);
    raft_configuration_init(configuration);
    int rv = 0;
    for (unsigned i = 0; i < old->n && rv == 0; i++) {
        const struct raft_server *server = &old->servers[i];
        if (server != known) {
            rv = raft_configuration_add(configuration, server->id, server->address, server->role);
        } else if (role != ROLE_REMOVE) {
            rv = raft_configuration_add(configuration, server->id, address, role);
        }
    }
    if (known == NULL && rv == 0) {
        rv = raft_configuration_add(configuration, node_id, address, role);
    }
    if (rv != 0) {
        raft_configuration_close(configuration);
        return rv == RAFT_NOMEM ? CONCLAVE_NO_MEMORY : CONCLAVE_BAD_VALUE;
    }
    return CONCLAVE_OK;
}

/* J: the entry is submitted alone. */
static enum conclave_code submit_configuration(struct replica *replica,
                                               const struct raft_configuration *configuration)
{
    struct raft_entry entry = {.term = raft_current_term(&replica->raft), .type = RAFT_CHANGE};
    if (raft_configuration_encode(configuration, &entry.buf) != 0) {
        return CONCLAVE_NO_MEMORY;
    }
    entry.batch = entry.buf.base;
    struct raft_event event = {.type = RAFT_SUBMIT, .submit = {.entries = &entry, .n = 1}};
    int rv = driver_step(replica, &event);
    if (rv != 0) {
        raft_free(entry.batch);
    }
    return driver_code(rv);
}

/* The core makes a server that finds itself the only voter the leader at once, in the term that it
 * has: the one who led until then may lead in that very term. So there are never fewer than two,
 * where there were two. */
static bool leaves_one_voter(const struct raft_configuration *configuration,
                             const struct raft_server *server)
{
    return !MUTANT(40) && server->role == RAFT_VOTER && configuration_voters(configuration) <= 2;
}

static enum conclave_code check_arguments(const struct replica *replica, uint64_t node_id,
                                          const char *address, int role)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    const struct raft_server *known = configuration_find(configuration, node_id);
    if (node_id == 0 || role < ROLE_REMOVE || role > RAFT_SPARE) {
        return CONCLAVE_BAD_VALUE;
    }
    if (role == ROLE_REMOVE) {
        return known == NULL || leaves_one_voter(configuration, known) ? CONCLAVE_BAD_VALUE
                                                                       : CONCLAVE_OK;
    }
    if (address == NULL || address[0] == 0 || strlen(address) > LIMIT_ADDRESS_BYTES) {
        return CONCLAVE_BAD_VALUE;
    }
    if (known == NULL) {
        /* A new server first learns the log, without a vote. */
        return role == RAFT_VOTER || configuration->n >= LIMIT_NODES ? CONCLAVE_BAD_VALUE
                                                                     : CONCLAVE_OK;
    }
    return role != RAFT_VOTER && leaves_one_voter(configuration, known) ? CONCLAVE_BAD_VALUE
                                                                        : CONCLAVE_OK;
}

enum conclave_code membership_change(struct replica *replica, uint64_t node_id, const char *address,
                                     int role)
{
    if (!replica_leads(replica)) {
        return CONCLAVE_NOT_LEADER;
    }
    enum conclave_code rv = check_arguments(replica, node_id, address, role);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (!replica_leads_ready(replica) || batch_capped(replica) || !may_change(replica) ||
        (role == RAFT_VOTER && !membership_may_vote(replica, node_id))) {
        return CONCLAVE_BUSY;
    }
    struct raft_configuration configuration;
    rv = change_configuration(replica, node_id, address, role, &configuration);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = submit_configuration(replica, &configuration);
    raft_configuration_close(&configuration);
    if (rv == CONCLAVE_OK) {
        LOG_INFO("configuration change proposed", FIELD_U64("server", node_id),
                 FIELD_I64("role", role));
        writer_start(replica);
    }
    return rv;
}

enum conclave_code replica_change(struct replica *replica, uint64_t node_id, const char *address,
                                  int role)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    return replica->failed || replica->room.unsaved
               ? CONCLAVE_NOT_LEADER
               : membership_change(replica, node_id, address, role);
}

void membership_transfer(struct replica *replica, uint64_t node_id)
{
    if (!replica_can_propose(replica)) {
        return;
    }
    struct raft_event event = {.type = RAFT_TRANSFER, .transfer = {.server_id = node_id}};
    int rv = driver_step(replica, &event);
    if (rv != 0 && rv != RAFT_NOTFOUND && rv != RAFT_NOTLEADER && rv != RAFT_BADID) {
        replica_fail(replica, driver_code(rv), "leadership could not be handed over");
    }
    replica->work_pending = true; /* who leads changed: the next tick looks */
}

uint64_t membership_heir(const struct replica *replica, uint64_t last_id)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    unsigned begin = 0;
    while (begin < configuration->n && configuration->servers[begin].id != last_id) {
        begin++;
    }
    for (unsigned i = 1; i <= configuration->n; i++) {
        const struct raft_server *server = &configuration->servers[(begin + i) % configuration->n];
        if (server->role == RAFT_VOTER && server->id != replica->config.node_id &&
            seats_heard(replica, server->id, replica->config.election_ms)) {
            return server->id;
        }
    }
    return 0;
}

void replica_transfer(struct replica *replica)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    if (!replica->failed && !replica->room.unsaved) {
        membership_transfer(replica, 0);
    }
}
