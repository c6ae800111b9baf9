/* The replica's outer functions, and the order in which its work is done. */
#include "consensus/replica.h"

#include "base/logger.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "codec/writer.h"
#include "consensus/apply.h"
#include "consensus/batch.h"
#include "consensus/core.h"
#include "consensus/driver.h"
#include "consensus/forward.h"
#include "consensus/inbound.h"
#include "consensus/seats.h"
#include "consensus/start.h"

#define BATCH_BUFFER_BYTES   (LIMIT_BATCH_BYTES + 256u * 1024u)
#define ENTRIES_BUFFER_BYTES (LIMIT_APPEND_BYTES + 2u * BATCH_BUFFER_BYTES)
#define INFLIGHT_ENTRIES     64u

/* A signed envelope and its wrapping. */
#define COMMAND_BYTES_MAX (LIMIT_COMMAND_BYTES + 128u)

/* How long to wait before trying what could not go on although its time had come. */
#define BACKOFF_MS 1u

void replica_fail(struct replica *replica, enum conclave_code code, const char *what)
{
    ASSERT(code != CONCLAVE_OK && what != NULL);
    if (replica->failed) {
        return;
    }
    replica->failed = true;
    LOG_ERROR("the replica stops", FIELD_TEXT("what", what),
              FIELD_TEXT("code", conclave_code_name(code)));
    const struct replica_host *host = replica->config.host;
    host->failed(host->context, code, what);
}

void replica_stand_aside(struct replica *replica)
{
    replica->failed = true;
    replica->work_pending = true; /* those who wait are told by the next event */
}

void replica_advance(struct replica *replica)
{
    uint64_t now_ms = clock_monotonic_ms(replica->config.clock);
    if (now_ms > replica->now_ms) {
        replica->now_ms = now_ms;
    }
}

void replica_send(struct replica *replica, uint64_t node_id)
{
    ASSERT(node_id != 0 && node_id != replica->config.node_id);
    if (replica->message.status != CONCLAVE_OK) {
        replica_fail(replica, replica->message.status, "a message to a peer could not be built");
    } else if (!replica->failed && !replica->room.unsaved) {
        const struct replica_host *host = replica->config.host;
        host->send(host->context, node_id, buffer_slice(&replica->message));
    }
    buffer_clear(&replica->message);
}

/* --- Who leads --- */

static void announce_leader(struct replica *replica)
{
    struct buffer event;
    buffer_init(&event, 256);
    codec_write_map(&event, 5);
    codec_write_text(&event, "type");
    codec_write_text(&event, "leader.changed");
    codec_write_text(&event, "index");
    codec_write_u64(&event, replica->state.applied_index);
    codec_write_text(&event, "time");
    codec_write_u64(&event, replica->log_time_ms);
    codec_write_text(&event, "leader");
    codec_write_u64(&event, replica->leader_id);
    codec_write_text(&event, "term");
    codec_write_u64(&event, replica->leader_term);
    if (event.status == CONCLAVE_OK) { /* else watchers miss an event: no reason to stop */
        const struct replica_host *host = replica->config.host;
        host->event(host->context, buffer_slice(&event));
    }
    buffer_close(&event);
}

/* What was on its way to another leader, or in a batch of an earlier term of ours, goes again. */
static void update_leader(struct replica *replica)
{
    raft_id leader_id = 0;
    const char *address = NULL;
    raft_leader(&replica->raft, &leader_id, &address);
    raft_term term = raft_current_term(&replica->raft);
    if (leader_id == replica->leader_id && term == replica->leader_term) {
        return;
    }
    metric_add(&replica->metrics.leader_changes, leader_id != 0);
    metric_add(&replica->metrics.leader_losses, leader_id == 0 && replica->leader_id != 0);
    replica->leader_id = leader_id;
    replica->leader_term = term;
    pending_requeue(&replica->pending);
    pending_drop_remote(&replica->pending);
    read_reset(replica);
    if (leader_id != 0 && replica->leader_announced_term != term) {
        replica->leader_announced_term = term;
        announce_leader(replica);
    }
}

/* --- The work that an event left --- */

/* A node that stands aside still answers those who wait, when their time has passed. */
static void settle_aside(struct replica *replica)
{
    replica->work_pending = false;
    forward_expire(replica);
    read_expire(replica);
    checkpoint_expire(replica);
}

/* Writes are started before entries are applied, so that the disk works meanwhile. */
static void settle(struct replica *replica)
{
    replica->work_pending = false;
    if (replica->failed) {
        return;
    }
    if (!room_look(replica)) {
        settle_aside(replica);
        return;
    }
    if (replica->failed) {
        return;
    }
    update_leader(replica);
    room_hand_over(replica);
    batch_propose(replica);
    writer_start(replica);
    apply_run(replica);
    if (replica->failed) {
        return;
    }
    update_leader(replica); /* a configuration that was applied may end our lead */
    checkpoint_run(replica);
    if (replica->failed) {
        return;
    }
    repair_run(replica);
    forward_run(replica);
    read_run(replica);
    read_serve(replica);
    forward_expire(replica);
    checkpoint_expire(replica);
    if (!replica->failed) {
        seats_run(replica);
        seats_tell(replica);
    }
}

/* --- Opening and closing --- */

static void free_parts(struct replica *replica)
{
    checkpoint_close(replica);
    read_close(&replica->reads);
    pending_close(&replica->pending);
    writer_close(&replica->writer);
    cache_close(&replica->cache);
    tree_append_close(&replica->tree_append);
    buffer_close(&replica->batch);
    buffer_close(&replica->message);
    buffer_close(&replica->entries);
    memory_free(replica->batch_items);
    memory_free(replica);
}

static enum conclave_code make_parts(const struct replica_config *config,
                                     struct replica **replica_out)
{
    struct replica *replica = memory_allocate_zeroed(1, sizeof *replica);
    if (replica == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    replica->config = *config;
    replica->next_due_ms = UINT64_MAX;
    cache_init(&replica->cache, 1);
    writer_init(&replica->writer, 1);
    tree_append_open(&replica->tree_append);
    buffer_init(&replica->checkpoints.genesis, COMMAND_BYTES_MAX);
    buffer_init(&replica->checkpoints.final_note, CHECKPOINT_NOTE_BYTES_MAX);
    buffer_init(&replica->checkpoints.offered_note, CHECKPOINT_NOTE_BYTES_MAX);
    buffer_init(&replica->batch, BATCH_BUFFER_BYTES);
    buffer_init(&replica->entries, ENTRIES_BUFFER_BYTES);
    buffer_init(&replica->message, LIMIT_PEER_FRAME_BYTES);
    read_init(&replica->reads, random_next(config->random));
    replica->incarnation = random_next(config->random);
    metric_histogram_init(&replica->metrics.batch_commands, &metric_scale_count);
    metric_histogram_init(&replica->metrics.replicate_us, &metric_scale_us);
    metric_histogram_init(&replica->metrics.apply_us, &metric_scale_us);
    replica->batch_items = memory_allocate(LIMIT_BATCH_COMMANDS * sizeof *replica->batch_items);
    if (replica->batch_items == NULL || pending_open(&replica->pending) != CONCLAVE_OK) {
        free_parts(replica);
        return CONCLAVE_NO_MEMORY;
    }
    *replica_out = replica;
    return CONCLAVE_OK;
}

static enum conclave_code make_raft(struct replica *replica)
{
    struct raft *raft = &replica->raft;
    /* The core keeps an address of its own that nothing of ours asks for. */
    if (raft_init(raft, NULL, NULL, replica->config.node_id, "-") != 0) {
        return CONCLAVE_NO_MEMORY;
    }
    raft->tracer = NULL;
    raft_set_heartbeat_timeout(raft, replica->config.heartbeat_ms);
    raft_set_election_timeout(raft, replica->config.election_ms);
    raft_set_pre_vote(raft, true);
    raft_set_max_inflight_entries(raft, INFLIGHT_ENTRIES);
    raft_seed(raft, (unsigned)(random_next(replica->config.random) & UINT32_MAX));
    return CONCLAVE_OK;
}

enum conclave_code replica_open(const struct replica_config *config, struct replica **replica_out)
{
    ASSERT(config != NULL && replica_out != NULL);
    ASSERT(config->log != NULL && config->kv != NULL && config->host != NULL);
    if (config->node_id == 0 || config->heartbeat_ms == 0 ||
        config->election_ms / 3 < config->heartbeat_ms) {
        return CONCLAVE_CONFIG;
    }
    struct replica *replica;
    enum conclave_code rv = make_parts(config, &replica);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = make_raft(replica);
    if (rv != CONCLAVE_OK) {
        free_parts(replica);
        return rv;
    }
    replica_advance(replica);
    rv = start_run(replica);
    if (rv != CONCLAVE_OK) {
        replica_close(replica);
        return rv;
    }
    room_applied(replica, true);
    if (replica->failed) {
        replica_close(replica);
        return CONCLAVE_IO;
    }
    seats_tell(replica);
    replica->work_pending = true;
    *replica_out = replica;
    return CONCLAVE_OK;
}

void replica_close(struct replica *replica)
{
    if (replica == NULL) {
        return;
    }
    raft_close(&replica->raft, NULL);
    free_parts(replica);
}

/* --- Events --- */

void replica_give_up(struct replica *replica)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    if (!replica->failed) {
        forward_give_up(replica);
        read_give_up(replica);
        checkpoint_give_up(replica);
    }
}

void replica_tick(struct replica *replica)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    if (replica->checkpoints.diverged && replica->failed) {
        settle_aside(replica);
    }
    if (replica->failed) {
        return;
    }
    bool stands = !replica->room.unsaved && (replica->repair.index == 0 || replica_leads(replica));
    if (stands) {
        driver_tick(replica);
    }
    if (!replica->failed && stands) {
        election_tick(replica);
    }
    settle(replica);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t replica_deadline_ms(const struct replica *replica)
{
    ASSERT(replica != NULL);
    bool aside = replica->failed && replica->checkpoints.diverged;
    if (replica->failed && !aside) {
        return UINT64_MAX;
    }
    if (replica->work_pending) {
        return replica->now_ms;
    }
    uint64_t deadline_ms = forward_deadline_ms(replica);
    deadline_ms = earlier(deadline_ms, read_deadline_ms(replica));
    deadline_ms = earlier(deadline_ms, checkpoint_deadline_ms(replica));
    deadline_ms = earlier(deadline_ms, aside ? UINT64_MAX : room_deadline_ms(replica));
    deadline_ms = earlier(deadline_ms, aside ? UINT64_MAX : repair_deadline_ms(replica));
    bool stands = replica->repair.index == 0 || replica_leads((struct replica *)(uintptr_t)replica);
    if (!aside && !replica->room.unsaved && stands) {
        deadline_ms = earlier(deadline_ms, replica->timer_ms);
        deadline_ms = earlier(deadline_ms, election_deadline_ms(replica));
        deadline_ms = earlier(deadline_ms, batch_deadline_ms((struct replica *)(uintptr_t)replica));
    }
    /* Whatever was due at the last event and is still due could not be done: not at once again. */
    return deadline_ms <= replica->now_ms && !MUTANT(54) ? replica->now_ms + BACKOFF_MS
                                                         : deadline_ms;
}

void replica_receive(struct replica *replica, uint64_t node_id, struct slice message)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    if (replica->failed) {
        return;
    }
    if (replica->room.unsaved) {
        replica->messages_dropped++;
        settle(replica);
        return;
    }
    seats_hear(replica, node_id);
    election_heard(replica, node_id);
    inbound_receive(replica, node_id, message);
    settle(replica);
}

void replica_peer_lost(struct replica *replica, uint64_t node_id)
{
    ASSERT(replica != NULL && node_id != 0);
    replica_advance(replica);
    if (!replica->failed && !replica->room.unsaved) {
        update_leader(replica);
        election_peer_lost(replica, node_id);
    }
}

void replica_persisted(struct replica *replica, enum conclave_code code)
{
    ASSERT(replica != NULL && replica->writer.active);
    replica_advance(replica);
    if (replica->failed) {
        return;
    }
    room_written(replica, code != CONCLAVE_DISK_FULL || MUTANT(37));
    if (code == CONCLAVE_DISK_FULL && !MUTANT(37)) {
        settle(replica);
        return;
    }
    if (code != CONCLAVE_OK && !MUTANT(37)) {
        /* Never retried, never acknowledged: what the disk holds now is unknown. */
        replica_fail(replica, code, "a write of the log failed");
        return;
    }
    if (replica->room.unsaved) {
        replica->room.written = true; /* told once the core's term is durable */
    } else {
        writer_done(replica);
    }
    settle(replica);
}

void replica_kept(struct replica *replica, enum conclave_code code)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    checkpoint_kept(replica, code);
    settle(replica);
}

/* --- Requests --- */

enum conclave_code replica_submit(struct replica *replica, struct slice command, uint64_t token,
                                  uint64_t timeout_ms)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    if (replica->failed) {
        return CONCLAVE_SHUTTING_DOWN;
    }
    if (command.size == 0 || command.size > COMMAND_BYTES_MAX) {
        return CONCLAVE_TOO_LARGE;
    }
    if (replica->room.unsaved) {
        return CONCLAVE_DISK_FULL;
    }
    update_leader(replica);
    if (replica->leader_id == 0) {
        return CONCLAVE_NO_LEADER;
    }
    if (replica_leads(replica) && replica_disk_full(replica)) {
        return CONCLAVE_DISK_FULL;
    }
    if (replica_leads(replica) && batch_capped(replica)) {
        replica->mitigations[8]++; /* M8 */
        return CONCLAVE_BUSY;
    }
    if (!forward_has_room(replica, command.size)) {
        return CONCLAVE_BUSY;
    }
    struct pending_record *record = pending_enter(&replica->pending, command);
    if (record == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    struct pending_waiter waiter = {.token = token, .deadline_ms = replica->now_ms + timeout_ms};
    if (pending_wait(&replica->pending, record, &waiter) != CONCLAVE_OK) {
        if (record->waiters == NULL) {
            pending_remove(&replica->pending, record);
            pending_record_free(record);
        }
        return CONCLAVE_NO_MEMORY;
    }
    /* Nothing here may answer: that is left to the next event. */
    batch_propose(replica);
    writer_start(replica);
    forward_run(replica);
    return CONCLAVE_OK;
}

enum conclave_code replica_read(struct replica *replica, uint64_t token, uint64_t timeout_ms)
{
    ASSERT(replica != NULL);
    replica_advance(replica);
    if (replica->failed) {
        return CONCLAVE_SHUTTING_DOWN;
    }
    if (replica->room.unsaved) {
        return CONCLAVE_DISK_FULL;
    }
    update_leader(replica);
    if (replica->leader_id == 0) {
        return CONCLAVE_NO_LEADER;
    }
    if (replica->reads.local_count >= LIMIT_READS_IN_FLIGHT) {
        return CONCLAVE_BUSY;
    }
    enum conclave_code rv = read_enter(replica, token, replica->now_ms + timeout_ms);
    if (rv == CONCLAVE_OK) {
        read_run(replica);
    }
    return rv;
}
