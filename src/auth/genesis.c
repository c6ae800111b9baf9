/* Reading a genesis command: docs/PROTOCOL.md, "Kinds of commands". */
#include "auth/genesis.h"

#include <stddef.h>

struct genesis_body {
    struct slice name;
    const msgpack_object *nodes;
    const msgpack_object *chair;
    uint64_t created_ms;
    struct slice reads; /* the model's business */
    const msgpack_object *former;
};

static const struct codec_field body_fields[] = {
    {"name", CODEC_STRING, true, offsetof(struct genesis_body, name), 1, LIMIT_NAME_BYTES},
    {"nodes", CODEC_ARRAY, true, offsetof(struct genesis_body, nodes), 1, LIMIT_NODES},
    {"chair", CODEC_MAP, true, offsetof(struct genesis_body, chair), 1, 8},
    {"created", CODEC_U64, true, offsetof(struct genesis_body, created_ms), 0, 0},
    {"reads", CODEC_STRING, false, offsetof(struct genesis_body, reads), 0, 16},
    {"former", CODEC_MAP, false, offsetof(struct genesis_body, former), 1, 8},
};

struct genesis_chair {
    struct slice id;
    struct slice key;
    struct slice name;
};

static const struct codec_field chair_fields[] = {
    {"id", CODEC_STRING, true, offsetof(struct genesis_chair, id), 1, LIMIT_ID_BYTES},
    {"key", CODEC_BYTES, true, offsetof(struct genesis_chair, key), AUTH_PUBLIC_KEY_BYTES,
     AUTH_PUBLIC_KEY_BYTES},
    {"name", CODEC_STRING, false, offsetof(struct genesis_chair, name), 0, LIMIT_NAME_BYTES},
};

struct former_body {
    const msgpack_object *clusters;
    uint64_t index;
    struct slice digest;
    uint64_t leaves;
    struct slice root;
    struct slice backup;
};

static const struct codec_field former_fields[] = {
    {"clusters", CODEC_ARRAY, true, offsetof(struct former_body, clusters), 1, GENESIS_FORMER_MAX},
    {"index", CODEC_U64, true, offsetof(struct former_body, index), 1, UINT32_MAX},
    {"digest", CODEC_BYTES, true, offsetof(struct former_body, digest), GENESIS_DIGEST_BYTES,
     GENESIS_DIGEST_BYTES},
    {"leaves", CODEC_U64, true, offsetof(struct former_body, leaves), 1, UINT64_MAX},
    {"root", CODEC_BYTES, true, offsetof(struct former_body, root), GENESIS_HASH_BYTES,
     GENESIS_HASH_BYTES},
    {"backup", CODEC_BYTES, true, offsetof(struct former_body, backup), GENESIS_HASH_BYTES,
     GENESIS_HASH_BYTES},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_address(struct slice address)
{
    return address.size >= 1 && address.size <= LIMIT_ADDRESS_BYTES &&
           memchr(address.data, 0, address.size) == NULL;
}

static enum conclave_code decode_node(struct genesis *genesis, uint32_t position,
                                      const msgpack_object *object, struct codec_error *error)
{
    const msgpack_object *items;
    uint32_t count;
    struct genesis_node *node = &genesis->nodes[position];
    if (codec_get_array(object, 4, 4, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &node->id) != CONCLAVE_OK ||
        codec_get_string(&items[1], &node->address) != CONCLAVE_OK ||
        codec_get_string(&items[2], &node->client_address) != CONCLAVE_OK ||
        codec_get_bytes(&items[3], &node->key) != CONCLAVE_OK ||
        node->key.size != AUTH_PUBLIC_KEY_BYTES) {
        codec_error_set(error,
                        "genesis: node %u is not [id, peer address, client address, key of %u "
                        "bytes]",
                        position + 1, AUTH_PUBLIC_KEY_BYTES);
        return CONCLAVE_BAD_REQUEST;
    }
    if (node->id == 0 || !is_address(node->address) || !is_address(node->client_address)) {
        codec_error_set(error,
                        "genesis: node %u needs an id that is not 0 and addresses of 1 to %u bytes",
                        position + 1, LIMIT_ADDRESS_BYTES);
        return CONCLAVE_BAD_REQUEST;
    }
    for (uint32_t i = 0; i < position; i++) {
        if (genesis->nodes[i].id == node->id ||
            slice_equal(genesis->nodes[i].address, node->address) ||
            slice_equal(genesis->nodes[i].key, node->key)) {
            codec_error_set(error, "genesis: nodes %u and %u have the same id, peer address or key",
                            i + 1, position + 1);
            return CONCLAVE_BAD_REQUEST;
        }
    }
    return CONCLAVE_OK;
}

static const uint8_t zeros[ENVELOPE_CLUSTER_BYTES];

bool genesis_founds(const struct envelope *envelope)
{
    ASSERT(envelope != NULL);
    return slice_equal(envelope->cluster, slice_of(zeros, sizeof zeros)) &&
           (slice_is_text(envelope->kind, GENESIS_KIND) ||
            slice_is_text(envelope->kind, GENESIS_RESTORE_KIND));
}

static enum conclave_code decode_former(struct genesis_former *former, const msgpack_object *object,
                                        struct codec_error *error)
{
    struct former_body body = {0};
    const msgpack_object *clusters;
    enum conclave_code rv =
        codec_decode_map(object, former_fields, COUNT_OF(former_fields), true, &body, error);
    if (rv == CONCLAVE_OK) {
        rv = codec_get_array(body.clusters, 1, GENESIS_FORMER_MAX, &clusters, &former->count);
    }
    for (uint32_t i = 0; rv == CONCLAVE_OK && i < former->count; i++) {
        struct slice id;
        if (codec_get_bytes(&clusters[i], &id) != CONCLAVE_OK || id.size != AUTH_CLUSTER_ID_BYTES) {
            codec_error_set(error, "cluster.restore: a former cluster is not an id of %u bytes",
                            AUTH_CLUSTER_ID_BYTES);
            return CONCLAVE_BAD_REQUEST;
        }
        memcpy(former->clusters[i], id.data, id.size);
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    former->index = body.index;
    former->leaves = body.leaves;
    memcpy(former->digest, body.digest.data, sizeof former->digest);
    memcpy(former->root, body.root.data, sizeof former->root);
    memcpy(former->backup, body.backup.data, sizeof former->backup);
    return CONCLAVE_OK;
}

static enum conclave_code check_signature(struct genesis *genesis, const struct envelope *envelope,
                                          const msgpack_object *object, struct codec_error *error)
{
    struct genesis_chair chair = {0};
    enum conclave_code rv =
        codec_decode_map(object, chair_fields, COUNT_OF(chair_fields), true, &chair, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (!envelope_id_valid(chair.id) || !slice_equal(chair.id, envelope->author)) {
        codec_error_set(error, "genesis: the author is not the chair");
        return CONCLAVE_BAD_REQUEST;
    }
    if (!auth_verify(chair.key.data, envelope->bytes, envelope->signature.data)) {
        codec_error_set(error, "genesis: the signature does not verify with the chair's key");
        return CONCLAVE_BAD_SIGNATURE;
    }
    genesis->chair = chair.id;
    genesis->chair_key = chair.key;
    return CONCLAVE_OK;
}

static enum conclave_code decode_envelope(struct genesis *genesis, const struct envelope *envelope,
                                          struct codec_error *error)
{
    bool restores = slice_is_text(envelope->kind, GENESIS_RESTORE_KIND);
    if (!restores && !slice_is_text(envelope->kind, GENESIS_KIND)) {
        codec_error_set(error, "the command is not of kind genesis");
        return CONCLAVE_BAD_REQUEST;
    }
    if (!slice_equal(envelope->cluster, slice_of(zeros, sizeof zeros))) {
        codec_error_set(error, "genesis: the cluster id must be 16 zero bytes");
        return CONCLAVE_BAD_REQUEST;
    }
    struct genesis_body body = {0};
    enum conclave_code rv =
        codec_decode_map(envelope->body, body_fields, COUNT_OF(body_fields), true, &body, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (restores != (body.former != NULL)) {
        codec_error_set(error, restores ? "cluster.restore: it does not say what it restores"
                                        : "genesis: unknown field \"former\"");
        return CONCLAVE_BAD_REQUEST;
    }
    if (restores) {
        rv = decode_former(&genesis->former, body.former, error);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    const msgpack_object *nodes;
    rv = codec_get_array(body.nodes, 1, LIMIT_NODES, &nodes, &genesis->node_count);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "genesis: 1 to %u nodes are needed", LIMIT_NODES);
        return rv;
    }
    for (uint32_t i = 0; i < genesis->node_count; i++) {
        rv = decode_node(genesis, i, &nodes[i], error);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    genesis->name = body.name;
    genesis->created_ms = body.created_ms;
    auth_cluster_id(envelope->bytes, genesis->cluster_id);
    return check_signature(genesis, envelope, body.chair, error);
}

enum conclave_code genesis_decode(struct genesis *genesis, struct slice command,
                                  struct codec_error *error)
{
    ASSERT(genesis != NULL && error != NULL);
    *genesis = (struct genesis){0};
    struct envelope envelope;
    enum conclave_code rv = envelope_decode(&envelope, command, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = decode_envelope(genesis, &envelope, error);
    envelope_close(&envelope);
    return rv;
}
