/* See cluster.h. */
#include "model/cluster.h"

#include <sodium.h>

#include "model/member.h"
#include "model/policy_store.h"

#define CLUSTER_VERSION 1u

struct genesis_body {
    struct slice name;
    const msgpack_object *nodes;
    const msgpack_object *chair;
    uint64_t created_ms;
};

struct chair_body {
    struct slice id;
    struct slice key;
    struct slice name;
};

enum conclave_code cluster_load(struct kv_transaction *transaction, struct cluster_record *cluster)
{
    struct key key;
    key_begin(&key, KEY_CLUSTER);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    decode_bytes(&decoder, cluster->id, ENVELOPE_CLUSTER_BYTES);
    cluster->name = decode_slice(&decoder);
    cluster->chair = decode_slice(&decoder);
    cluster->nodes = decode_slice(&decoder);
    cluster->created_ms = decode_u64(&decoder);
    bool whole = decoder_done(&decoder) && version == CLUSTER_VERSION;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

/* Packs the nodes anew, so that nothing but [id, peer address, client address] is kept. */
static enum conclave_code pack_nodes(struct model_context *context, const msgpack_object *array,
                                     struct buffer *packed)
{
    const msgpack_object *nodes;
    uint32_t count;
    if (codec_get_array(array, 1, LIMIT_NODES, &nodes, &count) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_VALUE, "nodes is not an array of 1 to %u nodes",
                      LIMIT_NODES);
    }
    uint64_t ids[LIMIT_NODES];
    codec_write_array(packed, count);
    for (uint32_t i = 0; i < count; i++) {
        const msgpack_object *parts;
        uint32_t part_count;
        struct slice peer;
        struct slice client;
        if (codec_get_array(&nodes[i], 3, 3, &parts, &part_count) != CONCLAVE_OK ||
            codec_get_u64(&parts[0], &ids[i]) != CONCLAVE_OK || ids[i] == 0 ||
            codec_get_string(&parts[1], &peer) != CONCLAVE_OK ||
            codec_get_string(&parts[2], &client) != CONCLAVE_OK || peer.size < 1 ||
            peer.size > LIMIT_ADDRESS_BYTES || client.size < 1 ||
            client.size > LIMIT_ADDRESS_BYTES) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "node %u is not [id from 1, peer address, client address]", i + 1);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (ids[j] == ids[i]) {
                return refuse(context, CONCLAVE_DUPLICATE_ID, "node id %llu comes twice",
                              (unsigned long long)ids[i]);
            }
        }
        codec_write_array(packed, 3);
        codec_write_u64(packed, ids[i]);
        codec_write_string(packed, peer);
        codec_write_string(packed, client);
    }
    return packed->status;
}

static enum conclave_code parse_chair(struct model_context *context, const struct command *command,
                                      const msgpack_object *map, struct member *chair)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct chair_body, id), 0, 0},
        {"key", CODEC_BYTES, true, offsetof(struct chair_body, key), 0, 0},
        {"name", CODEC_STRING, false, offsetof(struct chair_body, name), 0, 0},
    };
    struct chair_body body = {0};
    enum conclave_code code = codec_decode_map(map, fields, sizeof fields / sizeof fields[0], true,
                                               &body, &context->error);
    if (code == CONCLAVE_OK) {
        code = check_id(context, "chair.id", body.id);
    }
    if (code == CONCLAVE_OK && body.name.size > LIMIT_NAME_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "chair.name has %zu bytes, at most %u are allowed", body.name.size,
                      LIMIT_NAME_BYTES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (body.key.size != MEMBER_KEY_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE, "chair.key has %zu bytes, not 32",
                      body.key.size);
    }
    if (!slice_equal(body.id, command->envelope->author)) {
        return refuse(context, CONCLAVE_BAD_VALUE, "the author \"%.*s\" is not the chair \"%.*s\"",
                      TEXT_ARGUMENTS(command->envelope->author), TEXT_ARGUMENTS(body.id));
    }
    *chair = (struct member){.id = body.id,
                             .name = body.name.size == 0 ? body.id : body.name,
                             .kind = MEMBER_PERSON,
                             .status = MEMBER_ACTIVE,
                             .weight = 1,
                             .roles = {.count = 1, .items = {slice_of_text("chair")}}};
    memcpy(chair->public_key, body.key.data, MEMBER_KEY_BYTES);
    return CONCLAVE_OK;
}

static enum conclave_code write_cluster(struct model_context *context,
                                        const struct command *command,
                                        const struct genesis_body *body, struct slice nodes,
                                        struct member *chair)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, command->envelope->bytes.data, command->envelope->bytes.size);
    memcpy(context->cluster_id, hash, ENVELOPE_CLUSTER_BYTES);
    context->has_cluster = true;
    struct buffer *record = record_begin(context, CLUSTER_VERSION);
    encode_bytes(record, context->cluster_id, ENVELOPE_CLUSTER_BYTES);
    encode_slice(record, body->name);
    encode_slice(record, chair->id);
    encode_slice(record, nodes);
    encode_u64(record, body->created_ms);
    struct key key;
    key_begin(&key, KEY_CLUSTER);
    enum conclave_code code = store_put(context->transaction, &key, record);
    if (code == CONCLAVE_OK) {
        code = member_insert(context, chair);
    }
    size_t count;
    const struct policy_preset *presets = policy_presets(&count);
    for (size_t i = 0; code == CONCLAVE_OK && i < count; i++) {
        uint32_t version;
        code = policy_insert(context, slice_of_text(presets[i].id), chair->id, &presets[i].policy,
                             &version);
    }
    return code;
}

enum conclave_code cluster_apply_genesis(struct model_context *context, struct command *command)
{
    static const struct codec_field fields[] = {
        {"name", CODEC_STRING, true, offsetof(struct genesis_body, name), 0, 0},
        {"nodes", CODEC_ARRAY, true, offsetof(struct genesis_body, nodes), 0, 0},
        {"chair", CODEC_MAP, true, offsetof(struct genesis_body, chair), 0, 0},
        {"created", CODEC_U64, true, offsetof(struct genesis_body, created_ms), 0, 0},
    };
    ASSERT(!context->has_cluster && context->head.members == 0);
    struct genesis_body body = {0};
    struct member chair;
    struct buffer nodes;
    buffer_init(&nodes, UINT16_MAX);
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK && (body.name.size < 1 || body.name.size > LIMIT_NAME_BYTES)) {
        code = refuse(context, CONCLAVE_BAD_VALUE, "name has %zu bytes, 1 to %u are allowed",
                      body.name.size, LIMIT_NAME_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = pack_nodes(context, body.nodes, &nodes);
    }
    if (code == CONCLAVE_OK) {
        code = parse_chair(context, command, body.chair, &chair);
    }
    if (code == CONCLAVE_OK) {
        code = write_cluster(context, command, &body, buffer_slice(&nodes), &chair);
        command->author = chair.number;
    }
    buffer_close(&nodes);
    return code;
}
