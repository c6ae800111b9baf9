/* Commands and due polls become entries. */
#include "consensus/batch.h"

#include "base/mutant.h"
#include "codec/envelope.h"
#include "consensus/driver.h"
#include "model/model.h"

/* What a batch has besides commands: closes, their heads, the time. */
#define BATCH_OVERHEAD_BYTES 64u
#define COMMAND_HEAD_BYTES   5u

bool batch_capped(struct replica *replica)
{
    uint64_t last_index = raft_last_index(&replica->raft);
    return !MUTANT(33) && last_index >= replica->commit_index + LIMIT_UNCOMMITTED_ENTRIES;
}

/* The time of a batch made now. */
static uint64_t stamp_now(const struct replica *replica)
{
    uint64_t stamp_ms = clock_wall_ms(replica->config.clock);
    if (stamp_ms < replica->log_time_ms) {
        stamp_ms = replica->log_time_ms;
    }
    return stamp_ms < replica->stamp_ms ? replica->stamp_ms : stamp_ms;
}

/* May this node propose closes: does it lead, knowing all that was committed before, and is what it
 * proposed last applied? */
static bool may_close(struct replica *replica)
{
    return replica_can_propose(replica) && replica_leads_ready(replica) &&
           replica->state.applied_index >= replica->ready_index &&
           replica->state.applied_index >= replica->closes_index;
}

static bool closes_due(struct replica *replica, uint64_t stamp_ms)
{
    return replica->next_due_ms <= stamp_ms && replica->now_ms >= replica->closes_retry_ms &&
           may_close(replica);
}

/* --- Measuring --- */

static struct proposed_entry *proposed_entry(struct replica *replica, uint64_t index)
{
    return &replica->proposed[index % CORE_PROPOSED_ENTRIES];
}

void batch_committed(struct replica *replica, uint64_t first_index, uint64_t last_index)
{
    uint64_t now_us = clock_monotonic_us(replica->config.clock);
    if (last_index >= first_index + CORE_PROPOSED_ENTRIES) {
        first_index = last_index - CORE_PROPOSED_ENTRIES + 1; /* those before were not ours */
    }
    for (uint64_t index = first_index; index <= last_index; index++) {
        struct proposed_entry *entry = proposed_entry(replica, index);
        if (entry->index == index) {
            metric_observe(&replica->metrics.replicate_us, now_us - entry->proposed_us);
            entry->index = 0;
        }
    }
}

/* --- Proposing --- */

/* The submit itself: a copy of replica->batch becomes an entry. */
static bool submit(struct replica *replica)
{
    struct slice data = buffer_slice(&replica->batch);
    void *copy = raft_malloc(data.size);
    if (copy == NULL) {
        replica_fail(replica, CONCLAVE_NO_MEMORY, "no memory for a batch");
        return false;
    }
    memcpy(copy, data.data, data.size);
    struct raft_entry entry = {.term = raft_current_term(&replica->raft),
                               .type = RAFT_COMMAND,
                               .buf = {.base = copy, .len = data.size},
                               .batch = copy};
    struct raft_event event = {.type = RAFT_SUBMIT, .submit = {.entries = &entry, .n = 1}};
    uint64_t index = raft_last_index(&replica->raft) + 1;
    *proposed_entry(replica, index) = (struct proposed_entry){
        .index = index, .proposed_us = clock_monotonic_us(replica->config.clock)};
    int rv = driver_step(replica, &event);
    if (rv == 0) {
        return !replica->failed;
    }
    raft_free(copy);
    if (rv != RAFT_NOTLEADER) {
        replica_fail(replica, driver_code(rv), "the raft core refused a batch");
    }
    return false;
}

/* Takes waiting commands, in order, as many as one entry holds. */
static uint32_t gather(struct replica *replica)
{
    size_t bytes = BATCH_OVERHEAD_BYTES;
    uint32_t count = 0;
    const struct pending_record *record = replica->pending.queued.first;
    while (record != NULL && count < LIMIT_BATCH_COMMANDS) {
        bytes += record->size + COMMAND_HEAD_BYTES;
        if (count > 0 && bytes > LIMIT_BATCH_BYTES) {
            break;
        }
        replica->batch_items[count++] = slice_of(record->bytes, record->size);
        record = record->next;
    }
    return count;
}

static void mark_proposed(struct replica *replica, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct pending_record *record = replica->pending.queued.first;
        ASSERT(record != NULL);
        record->proposed = true;
        record->sent_ms = 0;
        pending_mark_sent(&replica->pending, record);
    }
}

/* Writes the batch: closes come out of the state, and are written while its transaction is open. */
static enum conclave_code write_batch(struct replica *replica, uint64_t stamp_ms, bool with_closes,
                                      uint32_t command_count, uint32_t *close_count)
{
    buffer_clear(&replica->batch);
    *close_count = 0;
    struct kv_transaction *transaction = NULL;
    struct slice closes[LIMIT_OPEN_POLLS];
    if (with_closes) {
        enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        rv = model_due(transaction, stamp_ms, closes, LIMIT_OPEN_POLLS, close_count);
        if (rv != CONCLAVE_OK) {
            kv_abort(transaction);
            return rv;
        }
    }
    batch_write(&replica->batch, stamp_ms, closes, *close_count, replica->batch_items,
                command_count);
    if (transaction != NULL) {
        kv_abort(transaction);
    }
    return replica->batch.status;
}

/* One entry. False when nothing was proposed. */
static bool propose_one(struct replica *replica)
{
    uint64_t stamp_ms = stamp_now(replica);
    bool with_closes = closes_due(replica, stamp_ms);
    uint32_t command_count = gather(replica);
    if (command_count == 0 && !with_closes) {
        return false;
    }
    uint32_t close_count;
    enum conclave_code rv =
        write_batch(replica, stamp_ms, with_closes, command_count, &close_count);
    if (rv != CONCLAVE_OK) {
        replica_fail(replica, rv, "a batch could not be made");
        return false;
    }
    if (with_closes) {
        /* Also when nothing was due after all: not again at once. */
        replica->closes_retry_ms = replica->now_ms + replica->config.heartbeat_ms;
    }
    if (command_count == 0 && close_count == 0) {
        return false;
    }
    if (!submit(replica)) {
        return false;
    }
    metric_observe(&replica->metrics.batch_commands, command_count);
    replica->stamp_ms = stamp_ms;
    if (close_count > 0) {
        replica->closes_index = raft_last_index(&replica->raft);
    }
    mark_proposed(replica, command_count);
    return true;
}

void batch_propose(struct replica *replica)
{
    if (replica->failed || replica->room.full || !replica_can_propose(replica) ||
        !writer_idle(replica)) {
        return;
    }
    while (!batch_capped(replica) && propose_one(replica)) {
    }
}

uint64_t batch_deadline_ms(struct replica *replica)
{
    if (replica->next_due_ms == UINT64_MAX || replica->failed || replica->room.full ||
        !may_close(replica) || !writer_idle(replica) || batch_capped(replica)) {
        return UINT64_MAX;
    }
    uint64_t stamp_ms = stamp_now(replica);
    uint64_t deadline_ms = replica->now_ms;
    if (replica->next_due_ms > stamp_ms) {
        deadline_ms += replica->next_due_ms - stamp_ms;
    }
    return deadline_ms < replica->closes_retry_ms ? replica->closes_retry_ms : deadline_ms;
}
