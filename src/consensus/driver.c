/* raft_step and its effects. */
#include "consensus/driver.h"

#include "base/logger.h"
#include "base/mutant.h"
#include "consensus/batch.h"
#include "consensus/core.h"
#include "consensus/outbound.h"

/* M6: the core can ask for a time that has passed, for ever; it is not called more often than this.
 */
#define TIMER_FLOOR_MS 5u

enum conclave_code driver_code(int error)
{
    switch (error) {
    case 0:
        return CONCLAVE_OK;
    case RAFT_NOMEM:
        return CONCLAVE_NO_MEMORY;
    case RAFT_NOTLEADER:
        return CONCLAVE_NOT_LEADER;
    case RAFT_CANTCHANGE:
        return CONCLAVE_BUSY;
    case RAFT_CORRUPT:
    case RAFT_MALFORMED:
        return CONCLAVE_CORRUPT;
    case RAFT_SHUTDOWN: /* a committed entry that another node denies: nothing to rebuild here */
    default:
        return CONCLAVE_INTERNAL;
    }
}

void driver_save_vote(struct replica *replica)
{
    struct log_vote vote = {.term = raft_current_term(&replica->raft),
                            .voted_for = MUTANT(4) ? 0 : raft_voted_for(&replica->raft)};
    enum conclave_code rv = MUTANT(3) ? CONCLAVE_OK : log_save_vote(replica->config.log, vote);
    if (rv != CONCLAVE_OK && rv != CONCLAVE_DISK_FULL && !MUTANT(38)) {
        replica_fail(replica, rv, "term and vote could not be saved");
        return;
    }
    room_vote_saved(replica, rv == CONCLAVE_OK || MUTANT(38));
}

/* New entries replace what stood at their indexes and after. The batch is ours to free. */
static void take_entries(struct replica *replica, const struct raft_update *update)
{
    uint64_t first_index = update->entries.index;
    const struct raft_entry *entries = update->entries.batch;
    ASSERT(first_index >= 1 && update->entries.n >= 1);
    if (first_index <= replica->state.applied_index) {
        replica_fail(replica, CONCLAVE_INTERNAL, "a peer replaces entries that are committed here");
        return;
    }
    cache_truncate(&replica->cache, first_index);
    for (unsigned i = 0; i < update->entries.n; i++) {
        struct log_entry entry = {.term = entries[i].term,
                                  .type = (enum log_entry_type)entries[i].type,
                                  .data = slice_of(entries[i].buf.base, entries[i].buf.len)};
        if (cache_push(&replica->cache, &entry) != CONCLAVE_OK) {
            replica_fail(replica, CONCLAVE_NO_MEMORY, "no memory for new log entries");
            return;
        }
    }
    writer_entries(&replica->writer, first_index);
}

static void note_state(struct replica *replica)
{
    metric_add(&replica->metrics.candidacies, raft_state(&replica->raft) == RAFT_CANDIDATE);
    if (raft_state(&replica->raft) != RAFT_LEADER) {
        return;
    }
    /* The core appends a barrier when something of earlier terms may be uncommitted: once all up to
     * here is committed, everything acknowledged before is known. */
    replica->ready_index = raft_last_index(&replica->raft);
    /* Closes that we proposed as an earlier term's leader are applied then too, or lost. */
    replica->closes_index = 0;
    memset(replica->proposed, 0, sizeof replica->proposed);
    metric_add(&replica->metrics.elections_won, 1);
    LOG_INFO("elected leader", FIELD_U64("term", raft_current_term(&replica->raft)),
             FIELD_U64("last_index", replica->ready_index));
}

static void note_commit(struct replica *replica)
{
    uint64_t commit_index = raft_commit_index(&replica->raft);
    replica->mitigations[7] += commit_index < replica->core_commit_index; /* M7 */
    replica->core_commit_index = commit_index;
    if (commit_index > replica->commit_index || MUTANT(5)) {
        if (raft_state(&replica->raft) == RAFT_LEADER) {
            batch_committed(replica, replica->commit_index + 1, commit_index);
        }
        replica->commit_index = commit_index;
    }
}

void driver_learn_commit(struct replica *replica, uint64_t index, uint64_t term)
{
    const struct raft *raft = &replica->raft;
    if (raft->state != RAFT_FOLLOWER || raft_current_term(raft) != term) {
        return;
    }
    /* How far our log was checked against that of the leader of this term. */
    uint64_t match_index = raft->follower_state.match;
    uint64_t commit_index = index < match_index ? index : match_index;
    if (commit_index > replica->commit_index || MUTANT(5)) {
        replica->commit_index = commit_index;
    }
}

static void arm_timer(struct replica *replica)
{
    uint64_t wanted_ms = raft_timeout(&replica->raft);
    uint64_t floor_ms = MUTANT(54) ? 0 : replica->timed_out_ms + TIMER_FLOOR_MS;
    /* M6. The floor counts from the last timeout, not from now: steps in between must not put the
     * timer off for ever. */
    if (replica->timed_out_ms == replica->now_ms && wanted_ms <= replica->now_ms) {
        replica->mitigations[6]++;
    }
    replica->timer_ms = wanted_ms > floor_ms ? wanted_ms : floor_ms;
}

int driver_step(struct replica *replica, struct raft_event *event)
{
    ASSERT(!replica->failed);
    struct raft_update update = {0};
    event->time = replica->now_ms;
    event->capacity = 0;
    int rv = raft_step(&replica->raft, event, &update);
    if (rv != 0) {
        return rv;
    }
    ASSERT((update.flags & RAFT_UPDATE_SNAPSHOT) == 0); /* M5: none is ever received */
    if ((update.flags & (RAFT_UPDATE_CURRENT_TERM | RAFT_UPDATE_VOTED_FOR)) != 0) {
        driver_save_vote(replica); /* if it cannot, nothing leaves any more: replica_send */
    }
    if ((update.flags & RAFT_UPDATE_ENTRIES) != 0) {
        if (!replica->failed) {
            take_entries(replica, &update);
        }
        raft_free(update.entries.batch[0].batch);
    }
    if (replica->failed) {
        return 0;
    }
    if ((update.flags & RAFT_UPDATE_STATE) != 0) {
        note_state(replica);
    }
    if ((update.flags & RAFT_UPDATE_MESSAGES) != 0) {
        for (unsigned i = 0; i < update.messages.n && !replica->failed; i++) {
            outbound_send(replica, &update.messages.batch[i]);
        }
    }
    note_commit(replica);
    arm_timer(replica);
    return 0;
}

void driver_must_step(struct replica *replica, struct raft_event *event, const char *what)
{
    int rv = driver_step(replica, event);
    if (rv != 0) {
        replica_fail(replica, driver_code(rv), what);
    }
}

static void give_timeout(struct replica *replica)
{
    replica->timed_out_ms = replica->now_ms;
    struct raft_event event = {.type = RAFT_TIMEOUT};
    driver_must_step(replica, &event, "the raft core refused a timeout");
}

void driver_time_out(struct replica *replica)
{
    struct raft *raft = &replica->raft;
    ASSERT(!replica_leads(replica));
    /* When the core's timer runs out is the sum of two of its fields; it sets both anew when it
     * does. */
    raft_time expires_ms = raft_timeout(raft);
    if (expires_ms > replica->now_ms) {
        raft_time early_ms = expires_ms - replica->now_ms;
        if (early_ms > raft->election_timer_start) {
            return; /* the clock has hardly begun: the timeout itself will come */
        }
        raft->election_timer_start -= early_ms;
    }
    give_timeout(replica);
}

void driver_tick(struct replica *replica)
{
    if (replica->now_ms >= replica->timer_ms) {
        give_timeout(replica);
    }
}
