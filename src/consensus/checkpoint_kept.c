/* The bytes: [1, payload: bin, SHA-256 of the payload: bin], where the payload is [cluster id: bin,
 * signed size, signed root: bin, final note: bin or nil, [size, own root, other root] or nil]. And
 * how a node's checkpoints begin.
 */
#include "consensus/checkpoint_kept.h"

#include "base/logger.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "model/model.h"

#define KEPT_VERSION      1u
#define KEPT_ELEMENTS     3u
#define PAYLOAD_ELEMENTS  5u
#define KEPT_BYTES        (CHECKPOINT_NOTE_BYTES_MAX + 1024u)
#define GENESIS_LOG_INDEX 2u

/* --- Keeping --- */

static void write_root(struct buffer *buffer, const struct merkle_hash *root)
{
    codec_write_bytes(buffer, slice_of(root->bytes, MERKLE_HASH_BYTES));
}

static void write_payload(struct buffer *payload, const struct checkpoints *checkpoints)
{
    codec_write_array(payload, PAYLOAD_ELEMENTS);
    codec_write_bytes(payload, slice_of(checkpoints->nodes.cluster_id, CHECKPOINT_CLUSTER_BYTES));
    codec_write_u64(payload, MUTANT(47) ? 0 : checkpoints->signed_last.size);
    write_root(payload, &checkpoints->signed_last.root);
    if (checkpoints->final.size > 0) {
        codec_write_bytes(payload, buffer_slice(&checkpoints->final_note));
    } else {
        codec_write_nil(payload);
    }
    if (checkpoints->diverged) {
        codec_write_array(payload, 3);
        codec_write_u64(payload, checkpoints->own.size);
        write_root(payload, &checkpoints->own.root);
        write_root(payload, &checkpoints->other.root);
    } else {
        codec_write_nil(payload);
    }
}

void checkpoint_keep(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    const struct replica_host *host = replica->config.host;
    if (checkpoints->keeping) {
        checkpoints->keep_again = true;
        return;
    }
    if (host->keep == NULL) {
        return; /* a host without a signer */
    }
    struct buffer payload;
    struct buffer kept;
    uint8_t digest[AUTH_SHA256_BYTES];
    buffer_init(&payload, KEPT_BYTES);
    buffer_init(&kept, KEPT_BYTES);
    write_payload(&payload, checkpoints);
    auth_sha256(buffer_slice(&payload), digest);
    codec_write_array(&kept, KEPT_ELEMENTS);
    codec_write_u64(&kept, KEPT_VERSION);
    codec_write_bytes(&kept, buffer_slice(&payload));
    codec_write_bytes(&kept, slice_of(digest, sizeof digest));
    if (payload.status == CONCLAVE_OK && kept.status == CONCLAVE_OK) {
        checkpoints->keeping = true;
        host->keep(host->context, buffer_slice(&kept));
    } else {
        replica_fail(replica, CONCLAVE_NO_MEMORY, "no memory for what was signed");
    }
    buffer_close(&payload);
    buffer_close(&kept);
}

/* --- Loading --- */

static bool get_root(const msgpack_object *object, struct merkle_hash *root)
{
    struct slice bytes;
    if (codec_get_bytes(object, &bytes) != CONCLAVE_OK || bytes.size != MERKLE_HASH_BYTES) {
        return false;
    }
    memcpy(root->bytes, bytes.data, MERKLE_HASH_BYTES);
    return true;
}

/* The final note is a copy of what was verified; only its size and root are needed of it. */
static bool load_note(struct checkpoints *checkpoints, struct slice bytes)
{
    struct checkpoint checkpoint;
    struct note *note = memory_allocate(sizeof *note);
    if (note == NULL) {
        checkpoints->final_note.status = CONCLAVE_NO_MEMORY;
        return false;
    }
    bool good = note_decode(note, bytes) == CONCLAVE_OK &&
                checkpoint_decode(&checkpoint, note->text) == CONCLAVE_OK;
    memory_free(note);
    if (good) {
        checkpoints->final =
            (struct checkpoint_claim){.size = checkpoint.size, .root = checkpoint.root};
        buffer_append(&checkpoints->final_note, bytes.data, bytes.size);
    }
    return good && checkpoints->final_note.status == CONCLAVE_OK;
}

static bool load_payload(struct checkpoints *checkpoints, const msgpack_object *root)
{
    const msgpack_object *items;
    const msgpack_object *parts;
    uint32_t count;
    struct slice bytes;
    if (codec_get_array(root, PAYLOAD_ELEMENTS, PAYLOAD_ELEMENTS, &items, &count) != CONCLAVE_OK ||
        codec_get_bytes(&items[0], &bytes) != CONCLAVE_OK ||
        !slice_equal(bytes, slice_of(checkpoints->nodes.cluster_id, CHECKPOINT_CLUSTER_BYTES)) ||
        codec_get_u64(&items[1], &checkpoints->signed_last.size) != CONCLAVE_OK ||
        !get_root(&items[2], &checkpoints->signed_last.root)) {
        return false;
    }
    if (items[3].type != MSGPACK_OBJECT_NIL &&
        (codec_get_bytes(&items[3], &bytes) != CONCLAVE_OK || !load_note(checkpoints, bytes))) {
        return false;
    }
    if (items[4].type == MSGPACK_OBJECT_NIL) {
        return true;
    }
    if (codec_get_array(&items[4], 3, 3, &parts, &count) != CONCLAVE_OK ||
        codec_get_u64(&parts[0], &checkpoints->own.size) != CONCLAVE_OK ||
        !get_root(&parts[1], &checkpoints->own.root) ||
        !get_root(&parts[2], &checkpoints->other.root)) {
        return false;
    }
    checkpoints->other.size = checkpoints->own.size;
    checkpoints->diverged = true;
    return true;
}

static enum conclave_code load_parsed(struct checkpoints *checkpoints, const msgpack_object *root)
{
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    struct slice payload;
    struct slice digest;
    uint8_t expected[AUTH_SHA256_BYTES];
    if (codec_get_array(root, KEPT_ELEMENTS, KEPT_ELEMENTS, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK || version != KEPT_VERSION ||
        codec_get_bytes(&items[1], &payload) != CONCLAVE_OK ||
        codec_get_bytes(&items[2], &digest) != CONCLAVE_OK) {
        return CONCLAVE_CONFIG;
    }
    auth_sha256(payload, expected);
    if (!slice_equal(digest, slice_of(expected, sizeof expected))) {
        return CONCLAVE_CONFIG;
    }
    struct codec_tree tree;
    enum conclave_code rv = codec_parse(&tree, payload);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CONFIG;
    }
    bool whole = load_payload(checkpoints, &tree.root);
    codec_tree_close(&tree);
    if (checkpoints->final_note.status == CONCLAVE_NO_MEMORY) {
        return CONCLAVE_NO_MEMORY;
    }
    return whole ? CONCLAVE_OK : CONCLAVE_CONFIG;
}

enum conclave_code checkpoint_load_kept(struct replica *replica, struct slice bytes)
{
    if (bytes.size == 0) {
        return CONCLAVE_OK;
    }
    struct codec_tree tree;
    enum conclave_code rv = codec_parse(&tree, bytes);
    if (rv == CONCLAVE_OK) {
        rv = load_parsed(&replica->checkpoints, &tree.root);
        codec_tree_close(&tree);
    }
    if (rv != CONCLAVE_OK && rv != CONCLAVE_NO_MEMORY) {
        LOG_ERROR("what this node has signed is kept in bytes that are damaged, or are another "
                  "cluster's");
        return CONCLAVE_CONFIG;
    }
    return rv;
}

/* --- Opening --- */

static enum conclave_code take_genesis(struct replica *replica, struct slice command)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct genesis genesis;
    struct codec_error error;
    enum conclave_code rv = genesis_decode(&genesis, command, &error);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    if (memcmp(genesis.cluster_id, replica->cluster_id, sizeof replica->cluster_id) != 0) {
        checkpoints->awaits_restore = true;
        return CONCLAVE_OK;
    }
    buffer_append(&checkpoints->genesis, command.data, command.size);
    memcpy(checkpoints->nodes.cluster_id, genesis.cluster_id, CHECKPOINT_CLUSTER_BYTES);
    checkpoints->nodes.count = genesis.node_count;
    checkpoints->position = genesis.node_count;
    for (uint32_t i = 0; i < genesis.node_count; i++) {
        struct checkpoint_node *node = &checkpoints->nodes.nodes[i];
        node->id = genesis.nodes[i].id;
        memcpy(node->public_key, genesis.nodes[i].key.data, NOTE_PUBLIC_KEY_BYTES);
        if (node->id == replica->config.node_id) {
            checkpoints->position = i;
        }
    }
    return checkpoints->genesis.status;
}

/* Of the one command in an entry. */
struct founding {
    struct replica *replica;                      /* takes it; or NULL */
    uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES]; /* that it founds */
};

static enum conclave_code take_founding(struct founding *founding, struct slice command)
{
    struct genesis genesis;
    struct codec_error error;
    if (founding->replica != NULL) {
        return take_genesis(founding->replica, command);
    }
    enum conclave_code rv = genesis_decode(&genesis, command, &error);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    memcpy(founding->cluster_id, genesis.cluster_id, sizeof founding->cluster_id);
    return CONCLAVE_OK;
}

static enum conclave_code read_founding(void *context, uint64_t index,
                                        const struct log_entry *entry)
{
    (void)index;
    struct batch batch;
    struct slice command;
    enum conclave_code rv = batch_decode(&batch, entry->data);
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_CORRUPT;
    }
    rv = CONCLAVE_CORRUPT;
    if (batch.command_count == 1 && codec_get_bytes(&batch.commands[0], &command) == CONCLAVE_OK) {
        rv = take_founding(context, command);
    }
    batch_close(&batch);
    return rv;
}

static enum conclave_code read_entry(struct log *log, uint64_t index, struct founding *founding)
{
    enum conclave_code rv = log_read(log, index, index, read_founding, founding);
    return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : rv;
}

enum conclave_code checkpoint_founder(const struct replica *replica, uint64_t index,
                                      uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES])
{
    struct founding founding = {.replica = NULL};
    enum conclave_code rv =
        read_entry(replica->config.log, index == 0 ? GENESIS_LOG_INDEX : index, &founding);
    memcpy(cluster_id, founding.cluster_id, sizeof founding.cluster_id);
    return rv;
}

/* A node that joined a restored cluster: the state knows where it was, once it is as far. */
static enum conclave_code find_restore(struct replica *replica)
{
    struct kv_transaction *transaction;
    struct model_founding founding;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = model_founding(transaction, &founding);
    kv_abort(transaction);
    if (rv == CONCLAVE_OK &&
        memcmp(founding.cluster_id, replica->cluster_id, sizeof replica->cluster_id) == 0) {
        replica->founded_index = founding.index;
    }
    return rv == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : rv;
}

enum conclave_code checkpoint_open(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    const struct replica_signer *signer = replica->config.signer;
    struct founding founding = {.replica = replica};
    enum conclave_code rv = CONCLAVE_OK;
    if (checkpoints->awaits_restore && replica->founded_index == 0) {
        rv = find_restore(replica);
        if (rv != CONCLAVE_OK || replica->founded_index == 0) {
            return rv;
        }
        checkpoints->awaits_restore = false;
    }
    uint64_t index = replica->founded_index == 0 ? GENESIS_LOG_INDEX : replica->founded_index;
    if (log_last_index(replica->config.log) < index) {
        return CONCLAVE_OK; /* a node that joins: checkpoint_run does it when the entry is there */
    }
    rv = read_entry(replica->config.log, index, &founding);
    if (rv != CONCLAVE_OK || checkpoints->awaits_restore) {
        return rv == CONCLAVE_OK && replica->founded_index != 0 ? CONCLAVE_CORRUPT : rv;
    }
    if (signer != NULL && checkpoints->position < checkpoints->nodes.count &&
        memcmp(signer->public_key, checkpoints->nodes.nodes[checkpoints->position].public_key,
               NOTE_PUBLIC_KEY_BYTES) != 0) {
        LOG_ERROR("the node's key is not the one that genesis has for it",
                  FIELD_U64("node_id", replica->config.node_id));
        return CONCLAVE_CONFIG;
    }
    return checkpoint_load_kept(replica, replica->config.kept);
}

void checkpoint_close(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    while (checkpoints->waiters != NULL) {
        struct checkpoint_waiter *next = checkpoints->waiters->next;
        memory_free(checkpoints->waiters);
        checkpoints->waiters = next;
    }
    buffer_close(&checkpoints->genesis);
    buffer_close(&checkpoints->final_note);
    buffer_close(&checkpoints->offered_note);
}
