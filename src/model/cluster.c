/* See cluster.h. */
#include "model/cluster.h"

#include <sodium.h>

#include "model/events.h"
#include "model/member.h"
#include "model/policy_store.h"

#define CLUSTER_VERSION 2u

struct genesis_body {
    struct slice name;
    const msgpack_object *nodes;
    const msgpack_object *chair;
    uint64_t created_ms;
    struct slice reads;
};

struct chair_body {
    struct slice id;
    struct slice key;
    struct slice name;
};

const char *cluster_reads_name(enum cluster_reads reads)
{
    ASSERT(reads == CLUSTER_READS_PUBLIC || reads == CLUSTER_READS_MEMBERS);
    return reads == CLUSTER_READS_PUBLIC ? "public" : "members";
}

static enum conclave_code parse_reads(struct model_context *context, struct slice text,
                                      enum cluster_reads *reads)
{
    if (slice_is_text(text, "public")) {
        *reads = CLUSTER_READS_PUBLIC;
    } else if (slice_is_text(text, "members")) {
        *reads = CLUSTER_READS_MEMBERS;
    } else {
        return refuse(context, CONCLAVE_BAD_VALUE, "reads \"%.*s\" is not public or members",
                      TEXT_ARGUMENTS(text));
    }
    return CONCLAVE_OK;
}

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
    cluster->reads = decode_u8(&decoder);
    bool whole =
        decoder_done(&decoder) && version == CLUSTER_VERSION &&
        (cluster->reads == CLUSTER_READS_PUBLIC || cluster->reads == CLUSTER_READS_MEMBERS);
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code cluster_save(struct model_context *context, const struct cluster_record *cluster)
{
    struct buffer *record = record_begin(context, CLUSTER_VERSION);
    encode_bytes(record, cluster->id, ENVELOPE_CLUSTER_BYTES);
    encode_slice(record, cluster->name);
    encode_slice(record, cluster->chair);
    encode_slice(record, cluster->nodes);
    encode_u64(record, cluster->created_ms);
    encode_u8(record, (uint8_t)cluster->reads);
    struct key key;
    key_begin(&key, KEY_CLUSTER);
    return store_put(context->transaction, &key, record);
}

/* Packs the nodes anew, so that nothing but [id, peer address, client address, key] is kept. */
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
        struct slice node_key;
        if (codec_get_array(&nodes[i], 4, 4, &parts, &part_count) != CONCLAVE_OK ||
            codec_get_u64(&parts[0], &ids[i]) != CONCLAVE_OK || ids[i] == 0 ||
            codec_get_string(&parts[1], &peer) != CONCLAVE_OK ||
            codec_get_string(&parts[2], &client) != CONCLAVE_OK ||
            codec_get_bytes(&parts[3], &node_key) != CONCLAVE_OK ||
            node_key.size != MEMBER_KEY_BYTES || peer.size < 1 || peer.size > LIMIT_ADDRESS_BYTES ||
            client.size < 1 || client.size > LIMIT_ADDRESS_BYTES) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "node %u is not [id from 1, peer address, client address, key of %u "
                          "bytes]",
                          i + 1, MEMBER_KEY_BYTES);
        }
        for (uint32_t j = 0; j < i; j++) {
            if (ids[j] == ids[i]) {
                return refuse(context, CONCLAVE_DUPLICATE_ID, "node id %llu comes twice",
                              (unsigned long long)ids[i]);
            }
        }
        codec_write_array(packed, 4);
        codec_write_u64(packed, ids[i]);
        codec_write_string(packed, peer);
        codec_write_string(packed, client);
        codec_write_bytes(packed, node_key);
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
                                        enum cluster_reads reads, struct member *chair)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, command->envelope->bytes.data, command->envelope->bytes.size);
    memcpy(context->cluster_id, hash, ENVELOPE_CLUSTER_BYTES);
    context->has_cluster = true;
    struct cluster_record cluster = {.name = body->name,
                                     .chair = chair->id,
                                     .nodes = nodes,
                                     .created_ms = body->created_ms,
                                     .reads = reads};
    memcpy(cluster.id, context->cluster_id, ENVELOPE_CLUSTER_BYTES);
    enum conclave_code code = cluster_save(context, &cluster);
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
        {"reads", CODEC_STRING, false, offsetof(struct genesis_body, reads), 0, 0},
    };
    ASSERT(!context->has_cluster && context->head.members == 0);
    struct genesis_body body = {0};
    enum cluster_reads reads = CLUSTER_READS_PUBLIC;
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
    if (code == CONCLAVE_OK && body.reads.data != NULL) {
        code = parse_reads(context, body.reads, &reads);
    }
    if (code == CONCLAVE_OK) {
        code = pack_nodes(context, body.nodes, &nodes);
    }
    if (code == CONCLAVE_OK) {
        code = parse_chair(context, command, body.chair, &chair);
    }
    if (code == CONCLAVE_OK) {
        code = write_cluster(context, command, &body, buffer_slice(&nodes), reads, &chair);
        command->author = chair.number;
    }
    buffer_close(&nodes);
    return code;
}

enum conclave_code cluster_apply_set(struct model_context *context, const struct command *command)
{
    struct set_body {
        struct slice reads;
    } body = {0};
    static const struct codec_field fields[] = {
        {"reads", CODEC_STRING, true, offsetof(struct set_body, reads), 0, 0},
    };
    enum cluster_reads reads = CLUSTER_READS_PUBLIC;
    enum conclave_code code =
        codec_decode_map(command->envelope->body, fields, 1, true, &body, &context->error);
    if (code == CONCLAVE_OK) {
        code = parse_reads(context, body.reads, &reads);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key key;
    key_begin(&key, KEY_CLUSTER);
    struct slice value;
    code = store_get_known(context->transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    /* The last byte of the record: all else stays as genesis said. */
    struct buffer *record = &context->record;
    buffer_clear(record);
    encode_bytes(record, value.data, value.size);
    if (record->status == CONCLAVE_OK) {
        record->data[record->size - 1] = (uint8_t)reads;
        code = store_put(context->transaction, &key, record);
    } else {
        code = record->status;
    }
    return code == CONCLAVE_OK ? event_cluster_changed(context, cluster_reads_name(reads)) : code;
}
