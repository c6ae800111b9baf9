/* Applying entries. */
#include "consensus/apply.h"

#include "base/memory.h"
#include "base/mutant.h"
#include "codec/envelope.h"
#include "consensus/driver.h"
#include "consensus/forward.h"
#include "model/model.h"

/* One transaction, and one turn of the loop, take at most about this much. */
#define TRANSACTION_ENTRIES 64u
#define TRANSACTION_BYTES   (4u * 1024u * 1024u)
#define TURN_TRANSACTIONS   4u
#define EVENT_BYTES         (64u * 1024u * 1024u)

/* A command of ours that was decided: told once the transaction is committed. */
struct decision {
    struct decision *next;
    struct pending_record *record;
    size_t reply_size;
    uint8_t reply[];
};

struct applying {
    struct replica *replica;
    struct kv_transaction *transaction;
    struct state state; /* these become the replica's when the transaction is committed */
    struct merkle_tree tree;
    size_t bytes;
    bool configured;            /* the last entry was a configuration */
    enum conclave_code failure; /* of a sink function */

    const struct batch *batch; /* of the entry being applied */

    struct decision *first;
    struct decision **last;
    struct buffer events; /* each with its size before it */
};

/* Off only in conclaved-without-record, which bench/record compares with. */
#ifdef CONCLAVE_WITHOUT_RECORD
#define KEEPS_RECORD false
#else
#define KEEPS_RECORD true
#endif

static void sink_begin(void *context, uint64_t time_ms, const struct batch *batch)
{
    struct applying *applying = context;
    applying->batch = batch;
    if (!KEEPS_RECORD) {
        return;
    }
    struct tree_append *append = &applying->replica->tree_append;
    tree_append_begin(append, &applying->tree, applying->state.applied_index + 1, time_ms);
    if (batch->close_count > 0 && !MUTANT(48)) {
        tree_append_closing(append, batch->closes, batch->close_count);
    }
}

/* The leaf of a command. */
static enum conclave_code add_leaf(struct applying *applying, const struct model_decided *decided,
                                   struct slice command)
{
    uint8_t digest[LEAF_DIGEST_BYTES];
    struct leaf leaf = {
        .kind = decided->repeated && !MUTANT(49) ? LEAF_COPY : LEAF_COMMAND,
        .code = slice_of_text(conclave_code_name(decided->code)),
        .envelope = decided->envelope_hash,
        .signature = decided->signature,
    };
    if (decided->envelope_hash.size == 0) { /* not decodable */
        enum conclave_code rv = leaf_bind(command, digest, &leaf.signature);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        leaf.envelope = slice_of(digest, sizeof digest);
    }
    tree_append_command(&applying->replica->tree_append, &leaf, decided->reply);
    return CONCLAVE_OK;
}

/* A command that waits here for its decision gets it once the transaction is committed. */
static enum conclave_code note_decision(struct applying *applying, struct slice command,
                                        struct slice reply)
{
    struct pending *pending = &applying->replica->pending;
    if (pending_count(pending) == 0 || command.size == 0) {
        return CONCLAVE_OK;
    }
    struct pending_record *record = pending_find_command(pending, command);
    if (record == NULL) {
        return CONCLAVE_OK;
    }
    struct decision *decision = memory_allocate(sizeof *decision + reply.size);
    if (decision == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *decision = (struct decision){.record = record, .reply_size = reply.size};
    if (reply.size > 0) {
        memcpy(decision->reply, reply.data, reply.size);
    }
    pending_remove(pending, record);
    *applying->last = decision;
    applying->last = &decision->next;
    return CONCLAVE_OK;
}

static void sink_reply(void *context, const struct model_decided *decided)
{
    struct applying *applying = context;
    ASSERT(decided->position < applying->batch->command_count);
    struct slice command = slice_of(NULL, 0);
    if (applying->failure == CONCLAVE_OK) {
        applying->failure =
            codec_get_bytes(&applying->batch->commands[decided->position], &command);
    }
    if (applying->failure == CONCLAVE_OK && KEEPS_RECORD) {
        applying->failure = add_leaf(applying, decided, command);
    }
    if (applying->failure == CONCLAVE_OK) {
        applying->failure = note_decision(applying, command, decided->reply);
    }
}

static void sink_event(void *context, struct slice event)
{
    struct applying *applying = context;
    uint64_t size = event.size;
    buffer_append(&applying->events, &size, sizeof size);
    buffer_append(&applying->events, event.data, event.size);
}

static enum conclave_code apply_batch(struct applying *applying, uint64_t index, struct slice data)
{
    struct kv_digest digest;
    enum conclave_code rv = kv_digest_open(&digest, applying->transaction, applying->state.digest);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    const struct model_sink sink = {
        .context = applying, .begin = sink_begin, .reply = sink_reply, .event = sink_event};
    rv = model_apply(&digest.base, index, data, &sink);
    if (rv == CONCLAVE_OK) {
        rv = applying->failure;
    }
    if (rv == CONCLAVE_OK && KEEPS_RECORD) {
        rv = tree_append_finish(&applying->replica->tree_append, &digest.base);
    }
    if (rv == CONCLAVE_OK) {
        kv_digest_value(&digest, applying->state.digest);
    }
    kv_digest_close(&digest);
    return rv;
}

static enum conclave_code apply_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct applying *applying = context;
    struct state *state = &applying->state;
    ASSERT(index == state->applied_index + 1);
    enum conclave_code rv = CONCLAVE_OK;
    switch (entry->type) {
    case LOG_ENTRY_COMMAND:
        rv = apply_batch(applying, index, entry->data);
        break;
    case LOG_ENTRY_CONFIGURATION:
        rv = state_configure(state, index, entry->data);
        applying->configured = true;
        break;
    case LOG_ENTRY_BARRIER:
        break;
    default:
        rv = CONCLAVE_CORRUPT;
        break;
    }
    if (rv == CONCLAVE_OK) {
        state->applied_index = index;
        state->applied_term = entry->term;
        applying->bytes += entry->data.size;
    }
    return rv;
}

/* Applies the next entry, from the cache or the log. */
static enum conclave_code apply_next(struct applying *applying)
{
    struct replica *replica = applying->replica;
    uint64_t index = applying->state.applied_index + 1;
    struct cache_entry *entry = cache_get(&replica->cache, index);
    if (entry != NULL) {
        struct log_entry view = cache_entry_view(entry);
        return apply_entry(applying, index, &view);
    }
    return log_read(replica->config.log, index, index, apply_entry, applying);
}

/* Entries to `last_index`, at most what one transaction takes; a configuration ends it. */
static enum conclave_code apply_transaction(struct applying *applying, uint64_t last_index,
                                            unsigned entries_max)
{
    struct replica *replica = applying->replica;
    enum conclave_code rv = kv_begin(replica->config.kv, true, &applying->transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    for (unsigned i = 0; i < entries_max && applying->bytes < TRANSACTION_BYTES &&
                         !applying->configured && applying->state.applied_index < last_index;
         i++) {
        rv = apply_next(applying);
        if (rv != CONCLAVE_OK) {
            goto err;
        }
    }
    rv = state_save(applying->transaction, &applying->state);
    if (rv != CONCLAVE_OK) {
        goto err;
    }
    rv = apply_refresh(replica, applying->transaction);
    if (rv != CONCLAVE_OK) {
        goto err;
    }
    rv = applying->events.status;
    if (rv != CONCLAVE_OK) {
        goto err;
    }
    return kv_commit(applying->transaction);

err:
    ASSERT(rv != CONCLAVE_OK);
    kv_abort(applying->transaction);
    return rv;
}

enum conclave_code apply_refresh(struct replica *replica, struct kv_transaction *transaction)
{
    enum conclave_code rv = model_time(transaction, &replica->log_time_ms);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = model_next_due(transaction, &replica->next_due_ms);
    if (rv == CONCLAVE_NOT_FOUND) {
        replica->next_due_ms = UINT64_MAX;
        rv = CONCLAVE_OK;
    }
    return rv;
}

static void tell_events(struct replica *replica, const struct buffer *events)
{
    const struct replica_host *host = replica->config.host;
    size_t offset = 0;
    while (offset < events->size) {
        uint64_t size;
        memcpy(&size, events->data + offset, sizeof size);
        offset += sizeof size;
        host->event(host->context, slice_of(events->data + offset, (size_t)size));
        offset += (size_t)size;
    }
}

/* Tells the decisions when `committed`; else whoever waits for them waits on. */
static void end_decisions(struct applying *applying, bool committed)
{
    while (applying->first != NULL) {
        struct decision *decision = applying->first;
        applying->first = decision->next;
        if (committed) {
            forward_decided(applying->replica, decision->record,
                            slice_of(decision->reply, decision->reply_size));
            pending_record_free(decision->record);
        } else {
            pending_return(&applying->replica->pending, decision->record);
        }
        memory_free(decision);
    }
}

static void tell_configuration(struct replica *replica)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION,
                               .configuration = {.index = replica->state.configuration_index}};
    enum conclave_code rv = configuration_decode(
        slice_of(replica->state.configuration, replica->state.configuration_size),
        &event.configuration.conf);
    if (rv != CONCLAVE_OK) {
        replica_fail(replica, rv, "a committed configuration could not be decoded");
        return;
    }
    driver_must_step(replica, &event, "the raft core refused a committed configuration");
}

static void apply_some(struct replica *replica, uint64_t last_index, unsigned entries_max)
{
    struct applying applying = {.replica = replica, .state = replica->state, .tree = replica->tree};
    uint64_t started_us = clock_monotonic_us(replica->config.clock);
    applying.last = &applying.first;
    buffer_init(&applying.events, EVENT_BYTES);
    enum conclave_code rv = apply_transaction(&applying, last_index, entries_max);
    if (rv == CONCLAVE_OK) {
        metric_observe(&replica->metrics.apply_us,
                       clock_monotonic_us(replica->config.clock) - started_us);
        replica->state = applying.state;
        replica->tree = applying.tree;
        tell_events(replica, &applying.events);
    } else if (rv != CONCLAVE_DISK_FULL &&
               (rv != CONCLAVE_CORRUPT ||
                !repair_take(replica, applying.state.applied_index + 1))) {
        replica_fail(replica, rv, "committed entries could not be applied");
    }
    end_decisions(&applying, rv == CONCLAVE_OK);
    if (!replica->failed && rv != CONCLAVE_CORRUPT) {
        room_applied(replica, rv == CONCLAVE_OK);
    }
    buffer_close(&applying.events);
    if (rv == CONCLAVE_OK && applying.configured && !replica->failed) {
        tell_configuration(replica);
    }
}

void apply_run(struct replica *replica)
{
    for (unsigned i = 0; !replica->failed; i++) {
        /* The commit index may run ahead of what is stored here. */
        uint64_t last_index = MUTANT(2) ? replica->raft.last_stored : replica->commit_index;
        if (last_index > replica->raft.last_stored) {
            last_index = replica->raft.last_stored;
        }
        if (replica->state.applied_index >= last_index) {
            break;
        }
        unsigned entries_max = room_may_apply(replica, TRANSACTION_ENTRIES);
        if (entries_max == 0 || replica->repair.index != 0) {
            break;
        }
        if (i >= TURN_TRANSACTIONS) {
            replica->work_pending = true;
            break;
        }
        apply_some(replica, last_index, entries_max);
    }
    if (!replica->failed) {
        cache_evict(&replica->cache,
                    replica->raft.last_stored < replica->state.applied_index
                        ? replica->raft.last_stored
                        : replica->state.applied_index,
                    LIMIT_CACHE_BYTES);
    }
}
