/* From disk to a running raft core. */
#include "consensus/start.h"

#include "base/logger.h"
#include "base/mutant.h"
#include "auth/auth.h"
#include "consensus/apply.h"
#include "consensus/checkpoint_kept.h"
#include "consensus/driver.h"
#include "model/model.h"

static enum conclave_code check_identity(struct replica *replica,
                                         struct replica_identity *identity_out)
{
    struct replica_identity identity;
    enum conclave_code rv = replica_identity(replica->config.log, &identity);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    *identity_out = identity;
    if (identity.node_id != replica->config.node_id) {
        LOG_ERROR("the disk belongs to another node", FIELD_U64("disk_node", identity.node_id),
                  FIELD_U64("node_id", replica->config.node_id));
        return CONCLAVE_CONFIG;
    }
    memcpy(replica->cluster_id, identity.cluster_id, sizeof replica->cluster_id);
    replica->founded_index = identity.founded_index;
    return CONCLAVE_OK;
}

/* Is the state of this cluster? One that is behind may still be of a former one: that whose entries
 * this log has before it was restored. A node that joined does not know where that was. */
static enum conclave_code check_cluster(const struct replica *replica,
                                        struct kv_transaction *transaction, bool joined)
{
    struct model_founding founding;
    enum conclave_code rv = model_founding(transaction, &founding);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : rv;
    }
    bool same = memcmp(founding.cluster_id, replica->cluster_id, sizeof replica->cluster_id) == 0;
    bool behind = replica->state.applied_index < replica->founded_index;
    if (!same && !behind && joined) {
        uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
        rv = checkpoint_founder(replica, founding.restored ? founding.index : 0, cluster_id);
        behind = rv == CONCLAVE_OK &&
                 memcmp(founding.cluster_id, cluster_id, sizeof cluster_id) == 0;
    }
    if (rv == CONCLAVE_OK && !same && !behind) {
        LOG_ERROR("log and state belong to different clusters");
        rv = CONCLAVE_WRONG_CLUSTER;
    }
    return rv;
}

/* How far the state is, and whether it is of this cluster. */
static enum conclave_code load_state(struct replica *replica, bool joined)
{
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = state_load(transaction, &replica->state);
    if (rv != CONCLAVE_OK) {
        goto out;
    }
    rv = check_cluster(replica, transaction, joined);
    if (rv == CONCLAVE_OK) {
        rv = apply_refresh(replica, transaction);
    }
    if (rv == CONCLAVE_OK) {
        rv = tree_load(transaction, &replica->tree);
    }

out:
    kv_abort(transaction);
    return rv;
}

/* The state must be one that this log leads to. If it is sound and is not, the log has lost entries
 * that were committed (it was cut, or put back from a copy). That is INTERNAL, not CORRUPT: the
 * state is the only witness, and a node that made it anew would take part without them. */
static enum conclave_code check_state(struct replica *replica, uint64_t last_index)
{
    const struct state *state = &replica->state;
    if (state->applied_index == 0) {
        return CONCLAVE_OK;
    }
    if (state->applied_index > last_index) {
        LOG_ERROR("the log is shorter than the state", FIELD_U64("last_index", last_index),
                  FIELD_U64("applied_index", state->applied_index));
        return CONCLAVE_INTERNAL;
    }
    uint64_t term;
    enum log_entry_type type;
    enum conclave_code rv =
        log_read_header(replica->config.log, state->applied_index, &term, &type);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
    }
    if (state->configuration_index == 0) {
        return CONCLAVE_CORRUPT;
    }
    if (term != state->applied_term) {
        LOG_ERROR("log and state differ in the term of the last applied entry",
                  FIELD_U64("applied_index", state->applied_index), FIELD_U64("log_term", term),
                  FIELD_U64("state_term", state->applied_term));
        return CONCLAVE_INTERNAL;
    }
    return CONCLAVE_OK;
}

/* The core wants the term and type of every entry, and the data of configurations. */
struct loading {
    struct raft_entry *entries;
    struct buffer configurations;
};

static enum conclave_code load_configuration(void *context, uint64_t index,
                                             const struct log_entry *entry)
{
    struct loading *loading = context;
    if (!configuration_valid(entry->data)) {
        return CONCLAVE_CORRUPT;
    }
    struct raft_entry *target = &loading->entries[index - 1];
    /* The buffer may move: an offset now, an address when all are there. */
    target->buf.base = (void *)(uintptr_t)loading->configurations.size;
    target->buf.len = entry->data.size;
    buffer_append(&loading->configurations, entry->data.data, entry->data.size);
    return loading->configurations.status;
}

static enum conclave_code load_headers(struct log *log, struct loading *loading,
                                       uint64_t last_index, uint64_t vote_term)
{
    uint64_t previous_term = 1;
    for (uint64_t index = 1; index <= last_index; index++) {
        uint64_t term;
        enum log_entry_type type;
        enum conclave_code rv = log_read_header(log, index, &term, &type);
        if (rv != CONCLAVE_OK) {
            return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
        }
        if (term < previous_term || term > vote_term || type < LOG_ENTRY_COMMAND ||
            type > LOG_ENTRY_CONFIGURATION || (index == 1 && type != LOG_ENTRY_CONFIGURATION)) {
            LOG_ERROR("the log is not in order", FIELD_U64("index", index), FIELD_U64("term", term),
                      FIELD_U64("saved_term", vote_term));
            return CONCLAVE_CORRUPT;
        }
        previous_term = term;
        loading->entries[index - 1] =
            (struct raft_entry){.term = term, .type = (enum raft_entry_type)type};
        if (type == LOG_ENTRY_CONFIGURATION) {
            rv = log_read(log, index, index, load_configuration, loading);
            if (rv != CONCLAVE_OK) {
                return rv;
            }
        }
    }
    return CONCLAVE_OK;
}

/* One block of the library's memory holds all data: the library frees it, or we do. */
static enum conclave_code load_entries(struct log *log, uint64_t last_index, uint64_t vote_term,
                                       struct raft_entry **entries, void **batch)
{
    struct loading loading = {.entries = raft_calloc(last_index, sizeof *loading.entries)};
    if (loading.entries == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    buffer_init(&loading.configurations, SIZE_MAX);
    enum conclave_code rv = load_headers(log, &loading, last_index, vote_term);
    uint8_t *block = NULL;
    if (rv == CONCLAVE_OK) {
        block = raft_malloc(loading.configurations.size + 1);
        rv = block == NULL ? CONCLAVE_NO_MEMORY : CONCLAVE_OK;
    }
    if (rv != CONCLAVE_OK) {
        buffer_close(&loading.configurations);
        raft_free(loading.entries);
        return rv;
    }
    memcpy(block, loading.configurations.data, loading.configurations.size);
    buffer_close(&loading.configurations);
    for (uint64_t i = 0; i < last_index; i++) {
        loading.entries[i].buf.base = block + (uintptr_t)loading.entries[i].buf.base;
        loading.entries[i].batch = block;
    }
    *entries = loading.entries;
    *batch = block;
    return CONCLAVE_OK;
}

static enum conclave_code give_start(struct replica *replica, struct log_vote vote,
                                     uint64_t last_index, struct raft_entry *entries, void *batch)
{
    /* The state's record stands in for a snapshot's: what it holds is known to be committed. */
    const struct state *state = &replica->state;
    struct raft_snapshot_metadata metadata = {.index = state->applied_index,
                                              .term = state->applied_term,
                                              .configuration_index = state->configuration_index};
    if (state->applied_index > 0) {
        enum conclave_code code = configuration_decode(
            slice_of(state->configuration, state->configuration_size), &metadata.configuration);
        if (code != CONCLAVE_OK) {
            raft_free(batch);
            raft_free(entries);
            return code;
        }
    }
    struct raft_event event = {.type = RAFT_START,
                               .start = {.term = vote.term,
                                         .voted_for = vote.voted_for,
                                         .metadata = state->applied_index > 0 ? &metadata : NULL,
                                         .start_index = 1,
                                         .entries = entries,
                                         .n_entries = (unsigned)last_index}};
    int rv = driver_step(replica, &event);
    if (rv != 0) {
        return driver_code(rv); /* the library freed both, and owns the configuration */
    }
    raft_free(batch);
    raft_free(entries);
    return replica->failed ? CONCLAVE_IO : CONCLAVE_OK;
}

/* Is this node the only voter, by the last configuration in its log? */
static enum conclave_code is_sole_voter(const struct replica *replica,
                                        const struct raft_entry *entries, uint64_t last_index,
                                        bool *sole)
{
    struct raft_configuration configuration;
    uint64_t index = last_index;
    *sole = false;
    while (index > 0 && entries[index - 1].type != RAFT_CHANGE) {
        index--;
    }
    if (index == 0) {
        return CONCLAVE_OK;
    }
    const struct raft_buffer *buffer = &entries[index - 1].buf;
    enum conclave_code rv =
        configuration_decode(slice_of(buffer->base, buffer->len), &configuration);
    if (rv == CONCLAVE_OK) {
        *sole = configuration_is_voter(&configuration, replica->config.node_id) &&
                configuration_voters(&configuration) == 1;
        raft_configuration_close(&configuration);
    }
    return rv;
}

/* The core makes an only voter the leader again in the term that it has. But what that node sent to
 * its standbys before it died it may have lost, and written other entries of the same term and
 * index since, which they would take for the same. So it leads in a term of its own. */
static enum conclave_code renew_term(struct replica *replica, const struct raft_entry *entries,
                                     uint64_t last_index, struct log_vote *vote)
{
    bool sole;
    enum conclave_code rv = is_sole_voter(replica, entries, last_index, &sole);
    if (rv != CONCLAVE_OK || !sole || MUTANT(52)) {
        return rv;
    }
    *vote = (struct log_vote){.term = vote->term + 1, .voted_for = replica->config.node_id};
    return log_save_vote(replica->config.log, *vote);
}

enum conclave_code start_run(struct replica *replica)
{
    struct log *log = replica->config.log;
    struct replica_identity identity;
    enum conclave_code rv = check_identity(replica, &identity);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = checkpoint_open(replica);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct log_vote vote;
    rv = log_load_vote(log, &vote);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    uint64_t last_index = log_last_index(log);
    bool fresh = identity.joined && last_index == 0;
    if ((!fresh && (vote.term == 0 || last_index == 0)) || last_index > UINT32_MAX) {
        return CONCLAVE_CORRUPT; /* an identity without what bootstrap writes before it */
    }
    rv = load_state(replica, identity.joined);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = check_state(replica, last_index);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct raft_entry *entries = NULL;
    void *batch = NULL;
    rv = fresh ? CONCLAVE_OK : load_entries(log, last_index, vote.term, &entries, &batch);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = renew_term(replica, entries, last_index, &vote);
    if (rv != CONCLAVE_OK) {
        raft_free(batch);
        raft_free(entries);
        return rv;
    }
    cache_init(&replica->cache, last_index + 1);
    writer_init(&replica->writer, last_index + 1);
    replica->commit_index = replica->state.applied_index;
    return give_start(replica, vote, last_index, entries, batch);
}
