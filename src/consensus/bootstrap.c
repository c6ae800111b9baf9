/* The start of a log, and who a disk says it is. */
#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "consensus/bootstrap.h"
#include "consensus/configuration.h"
#include "consensus/replica.h"

#define IDENTITY_VERSION  2u
#define IDENTITY_ELEMENTS 7u
/* Of restored clusters: with the index at which they were. */
#define IDENTITY_RESTORED_VERSION  3u
#define IDENTITY_RESTORED_ELEMENTS 8u
/* Disks of before starts were counted: without the last two. */
#define IDENTITY_FIRST_VERSION  1u
#define IDENTITY_FIRST_ELEMENTS 5u
#define FIRST_TERM              1u

/* The identity: [version 2, cluster id, node id, disk id, joined, generation, start numbers], and
 * in version 3 after these the founded index. */
static enum conclave_code save_identity(struct log *log, const struct replica_identity *identity)
{
    struct buffer buffer;
    buffer_init(&buffer, LOG_IDENTITY_BYTES);
    bool restored = identity->founded_index > 0;
    codec_write_array(&buffer, restored ? IDENTITY_RESTORED_ELEMENTS : IDENTITY_ELEMENTS);
    codec_write_u64(&buffer, restored ? IDENTITY_RESTORED_VERSION : IDENTITY_VERSION);
    codec_write_bytes(&buffer, slice_of(identity->cluster_id, sizeof identity->cluster_id));
    codec_write_u64(&buffer, identity->node_id);
    codec_write_bytes(&buffer, slice_of(identity->disk_id, sizeof identity->disk_id));
    codec_write_bool(&buffer, identity->joined);
    codec_write_u64(&buffer, identity->generation);
    codec_write_bytes(
        &buffer, slice_of(identity->starts, (size_t)identity->start_count * REPLICA_START_BYTES));
    if (restored) {
        codec_write_u64(&buffer, identity->founded_index);
    }
    enum conclave_code rv = buffer.status;
    if (rv == CONCLAVE_OK) {
        rv = log_save_identity(log, buffer_slice(&buffer));
    }
    buffer_close(&buffer);
    return rv;
}

static bool decode_starts(const msgpack_object *items, struct replica_identity *identity)
{
    struct slice starts;
    if (codec_get_u64(&items[0], &identity->generation) != CONCLAVE_OK ||
        codec_get_bytes(&items[1], &starts) != CONCLAVE_OK) {
        return false;
    }
    uint64_t count = identity->generation < REPLICA_STARTS ? identity->generation : REPLICA_STARTS;
    if (starts.size != count * REPLICA_START_BYTES) {
        return false;
    }
    identity->start_count = (unsigned)count;
    if (starts.size > 0) {
        memcpy(identity->starts, starts.data, starts.size);
    }
    return true;
}

static bool decode_identity(const msgpack_object *object, struct replica_identity *identity)
{
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    struct slice cluster_id;
    struct slice disk_id;
    if (codec_get_array(object, IDENTITY_FIRST_ELEMENTS, IDENTITY_RESTORED_ELEMENTS, &items,
                        &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK ||
        !((version == IDENTITY_VERSION && count == IDENTITY_ELEMENTS) ||
          (version == IDENTITY_RESTORED_VERSION && count == IDENTITY_RESTORED_ELEMENTS) ||
          (version == IDENTITY_FIRST_VERSION && count == IDENTITY_FIRST_ELEMENTS)) ||
        codec_get_bytes(&items[1], &cluster_id) != CONCLAVE_OK ||
        cluster_id.size != sizeof identity->cluster_id ||
        codec_get_u64(&items[2], &identity->node_id) != CONCLAVE_OK || identity->node_id == 0 ||
        codec_get_bytes(&items[3], &disk_id) != CONCLAVE_OK ||
        disk_id.size != sizeof identity->disk_id ||
        codec_get_bool(&items[4], &identity->joined) != CONCLAVE_OK) {
        return false;
    }
    memcpy(identity->cluster_id, cluster_id.data, cluster_id.size);
    memcpy(identity->disk_id, disk_id.data, disk_id.size);
    if (version == IDENTITY_RESTORED_VERSION &&
        (codec_get_u64(&items[7], &identity->founded_index) != CONCLAVE_OK ||
         identity->founded_index == 0)) {
        return false;
    }
    return version == IDENTITY_FIRST_VERSION || decode_starts(&items[5], identity);
}

enum conclave_code replica_identity(struct log *log, struct replica_identity *identity)
{
    ASSERT(log != NULL && identity != NULL);
    uint8_t bytes[LOG_IDENTITY_BYTES];
    size_t size = 0;
    enum conclave_code rv = log_load_identity(log, bytes, &size);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct codec_tree tree;
    rv = codec_parse(&tree, slice_of(bytes, size));
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    *identity = (struct replica_identity){0};
    rv = decode_identity(&tree.root, identity) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
    codec_tree_close(&tree);
    return rv;
}

enum conclave_code replica_count_start(struct log *log, const struct random *random,
                                       struct replica_identity *identity)
{
    ASSERT(log != NULL && random != NULL && identity != NULL);
    enum conclave_code rv = replica_identity(log, identity);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (identity->start_count == REPLICA_STARTS) {
        memmove(identity->starts[0], identity->starts[1],
                (size_t)(REPLICA_STARTS - 1) * REPLICA_START_BYTES);
        identity->start_count--;
    }
    const uint64_t number = random_next(random);
    memcpy(identity->starts[identity->start_count], &number, REPLICA_START_BYTES);
    identity->start_count++;
    identity->generation++;
    return save_identity(log, identity);
}

enum conclave_code bootstrap_configuration(const struct genesis *genesis,
                                           struct raft_buffer *buffer)
{
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    int rv = 0;
    for (uint32_t i = 0; i < genesis->node_count && rv == 0; i++) {
        char address[LIMIT_ADDRESS_BYTES + 1];
        struct slice text = genesis->nodes[i].address;
        memcpy(address, text.data, text.size);
        address[text.size] = 0;
        rv = raft_configuration_add(&configuration, genesis->nodes[i].id, address, RAFT_VOTER);
    }
    if (rv == 0) {
        rv = raft_configuration_encode(&configuration, buffer);
    }
    raft_configuration_close(&configuration);
    ASSERT(rv == 0 || rv == RAFT_NOMEM); /* ids and addresses were checked */
    return rv == 0 ? CONCLAVE_OK : CONCLAVE_NO_MEMORY;
}

static enum conclave_code write_log(struct log *log, const struct genesis *genesis,
                                    struct slice command)
{
    struct raft_buffer configuration;
    enum conclave_code rv = bootstrap_configuration(genesis, &configuration);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct buffer batch;
    buffer_init(&batch, LIMIT_BATCH_BYTES);
    /* Every first node must write the same bytes: the time is the command's own. */
    batch_write(&batch, genesis->created_ms, NULL, 0, &command, 1);
    rv = batch.status;
    if (rv != CONCLAVE_OK) {
        goto out;
    }
    const struct log_entry entries[] = {
        {FIRST_TERM, LOG_ENTRY_CONFIGURATION, slice_of(configuration.base, configuration.len)},
        {FIRST_TERM, LOG_ENTRY_COMMAND, buffer_slice(&batch)},
    };
    rv = log_append(log, 1, entries, 2);
    if (rv != CONCLAVE_OK) {
        goto out;
    }
    rv = log_save_vote(log, (struct log_vote){.term = FIRST_TERM});

out:
    buffer_close(&batch);
    raft_free(configuration.base);
    return rv;
}

/* Is the log empty, or what a bootstrap left that was cut off before it saved the identity? */
static enum conclave_code check_empty(struct log *log, struct codec_error *error)
{
    struct replica_identity identity;
    enum conclave_code rv = replica_identity(log, &identity);
    if (rv != CONCLAVE_OK && rv != CONCLAVE_NOT_FOUND) {
        codec_error_set(error, "the log's identity cannot be read: %s", conclave_code_text(rv));
        return rv;
    }
    if (rv == CONCLAVE_OK || log_last_index(log) > REPLICA_BOOTSTRAP_ENTRIES) {
        codec_error_set(error, "the log is not empty: it belongs to a cluster already");
        return CONCLAVE_DUPLICATE_ID;
    }
    return CONCLAVE_OK;
}

/* Who this disk is from now on. */
static enum conclave_code make_identity(struct log *log, const uint8_t cluster_id[16],
                                        struct replica_identity identity,
                                        const struct random *random, struct codec_error *error)
{
    memcpy(identity.cluster_id, cluster_id, sizeof identity.cluster_id);
    const uint64_t disk_id[2] = {random_next(random), random_next(random)};
    memcpy(identity.disk_id, disk_id, sizeof identity.disk_id);
    enum conclave_code rv = save_identity(log, &identity);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the log could not be written: %s", conclave_code_text(rv));
    }
    return rv;
}

enum conclave_code bootstrap_identity(struct log *log, const uint8_t cluster_id[16],
                                      uint64_t node_id, uint64_t founded_index,
                                      const struct random *random, struct codec_error *error)
{
    const struct replica_identity identity = {.node_id = node_id, .founded_index = founded_index};
    return make_identity(log, cluster_id, identity, random, error);
}

enum conclave_code bootstrap_check(struct log *log, struct slice command, uint64_t node_id,
                                   struct genesis *genesis, struct codec_error *error)
{
    enum conclave_code rv = genesis_decode(genesis, command, error);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_BAD_REQUEST;
    }
    bool is_node = false;
    for (uint32_t i = 0; i < genesis->node_count; i++) {
        is_node |= genesis->nodes[i].id == node_id;
    }
    if (!is_node) {
        codec_error_set(error, "node %llu is not one of the nodes that genesis names",
                        (unsigned long long)node_id);
        return CONCLAVE_BAD_REQUEST;
    }
    return check_empty(log, error);
}

enum conclave_code replica_bootstrap(struct log *log, struct slice genesis_command,
                                     uint64_t node_id, const struct random *random,
                                     struct codec_error *error)
{
    ASSERT(log != NULL && random != NULL && error != NULL);
    struct genesis genesis;
    enum conclave_code rv = bootstrap_check(log, genesis_command, node_id, &genesis, error);
    if (rv == CONCLAVE_OK && genesis.former.count > 0) {
        codec_error_set(error, "it founds a cluster that is restored from a backup");
        rv = CONCLAVE_BAD_REQUEST;
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = write_log(log, &genesis, genesis_command);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the log could not be written: %s", conclave_code_text(rv));
        return rv;
    }
    return bootstrap_identity(log, genesis.cluster_id, node_id, 0, random, error);
}

enum conclave_code replica_join(struct log *log, const uint8_t cluster_id[16], uint64_t node_id,
                                const struct random *random, struct codec_error *error)
{
    ASSERT(log != NULL && cluster_id != NULL && node_id != 0 && random != NULL && error != NULL);
    enum conclave_code rv = check_empty(log, error);
    if (rv == CONCLAVE_OK && log_last_index(log) > 0) {
        codec_error_set(error, "the log is not empty: its first start was to make a new cluster");
        rv = CONCLAVE_DUPLICATE_ID;
    }
    const struct replica_identity identity = {.node_id = node_id, .joined = true};
    return rv == CONCLAVE_OK ? make_identity(log, cluster_id, identity, random, error) : rv;
}
