/* See restore.h. */
#include "model/restore.h"

#include "model/cluster.h"
#include "model/member.h"
#include "model/node.h"

#define RESTORE_VERSION 1u

enum conclave_code restore_load(struct kv_transaction *transaction, struct restore_record *record)
{
    struct key key;
    struct slice value;
    key_begin(&key, KEY_RESTORE);
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    record->index = decode_u64(&decoder);
    record->count = decode_u32(&decoder);
    if (version != RESTORE_VERSION || record->count < 1 || record->count > GENESIS_FORMER_MAX) {
        return CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; i < record->count; i++) {
        decode_bytes(&decoder, record->clusters[i], ENVELOPE_CLUSTER_BYTES);
    }
    return decoder_done(&decoder) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

static enum conclave_code save_record(struct model_context *context,
                                      const struct genesis_former *former)
{
    struct key key;
    struct buffer *record = record_begin(context, RESTORE_VERSION);
    encode_u64(record, context->index);
    encode_u32(record, former->count);
    for (uint32_t i = 0; i < former->count; i++) {
        encode_bytes(record, former->clusters[i], ENVELOPE_CLUSTER_BYTES);
    }
    key_begin(&key, KEY_RESTORE);
    return store_put(context->transaction, &key, record);
}

/* Is it about what stands here, and nothing else? */
static enum conclave_code check_former(struct model_context *context,
                                       const struct genesis_former *former)
{
    struct restore_record before = {.count = 0};
    enum conclave_code code = restore_load(context->transaction, &before);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    if (context->position != 0 || former->index + 1 != context->index) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "it restores the record up to %llu, and stands at %llu, position %u",
                      (unsigned long long)former->index, (unsigned long long)context->index,
                      context->position);
    }
    if (former->count != before.count + 1 ||
        memcmp(former->clusters, before.clusters, before.count * sizeof before.clusters[0]) != 0 ||
        memcmp(former->clusters[before.count], context->cluster_id, ENVELOPE_CLUSTER_BYTES) != 0) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "it names other former clusters than this record was of");
    }
    return CONCLAVE_OK;
}

/* Signed by the key in it (genesis_decode has looked): is that a chair's, here and now? */
static enum conclave_code check_chair(struct model_context *context, const struct genesis *genesis,
                                      struct command *command)
{
    struct member chair;
    enum conclave_code code = member_find(context->transaction, genesis->chair, &command->author,
                                          &command->author_key_changed);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_AUTHOR, "there is no member \"%.*s\"",
                      TEXT_ARGUMENTS(genesis->chair));
    }
    if (code == CONCLAVE_OK) {
        code = member_load(context->transaction, command->author, &chair);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (!member_is_active_chair(&chair)) {
        return refuse(context, CONCLAVE_NOT_CHAIR,
                      "cluster.restore: member \"%.*s\" is not a chair",
                      TEXT_ARGUMENTS(genesis->chair));
    }
    if (!slice_equal(genesis->chair_key, slice_of(chair.public_key, MEMBER_KEY_BYTES))) {
        return refuse(context, CONCLAVE_KEY_REVOKED, "member \"%.*s\" has another key",
                      TEXT_ARGUMENTS(genesis->chair));
    }
    return CONCLAVE_OK;
}

static void pack_nodes(struct buffer *packed, const struct genesis *genesis)
{
    codec_write_array(packed, genesis->node_count);
    for (uint32_t i = 0; i < genesis->node_count; i++) {
        const struct genesis_node *node = &genesis->nodes[i];
        codec_write_array(packed, 4);
        codec_write_u64(packed, node->id);
        codec_write_string(packed, node->address);
        codec_write_string(packed, node->client_address);
        codec_write_bytes(packed, node->key);
    }
}

/* The commands about nodes were about those of the former cluster. */
static enum conclave_code forget_nodes(struct model_context *context)
{
    struct node_list list;
    enum conclave_code code = node_list_load(context->transaction, &list);
    for (uint32_t i = 0; code == CONCLAVE_OK && i < list.count; i++) {
        if (list.nodes[i].commanded) {
            struct key key;
            key_of_u64(&key, KEY_NODE, list.nodes[i].id);
            code = store_remove(context->transaction, &key);
        }
    }
    return code;
}

static enum conclave_code write_cluster(struct model_context *context,
                                        const struct genesis *genesis)
{
    struct cluster_record cluster;
    struct buffer nodes;
    enum conclave_code code = cluster_load(context->transaction, &cluster);
    if (code != CONCLAVE_OK) {
        return code;
    }
    buffer_init(&nodes, UINT16_MAX);
    pack_nodes(&nodes, genesis);
    memcpy(cluster.id, genesis->cluster_id, sizeof cluster.id);
    cluster.name = genesis->name;
    cluster.chair = genesis->chair;
    cluster.nodes = buffer_slice(&nodes);
    cluster.created_ms = genesis->created_ms;
    code = nodes.status == CONCLAVE_OK ? cluster_save(context, &cluster) : nodes.status;
    buffer_close(&nodes);
    return code;
}

enum conclave_code restore_apply(struct model_context *context, struct command *command,
                                 struct slice bytes)
{
    struct genesis genesis;
    enum conclave_code code = genesis_decode(&genesis, bytes, &context->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (genesis.former.count == 0) {
        return refuse(context, CONCLAVE_DUPLICATE_ID, "the cluster has had its genesis");
    }
    code = check_former(context, &genesis.former);
    if (code == CONCLAVE_OK) {
        code = check_chair(context, &genesis, command);
    }
    if (code == CONCLAVE_OK) {
        code = forget_nodes(context);
    }
    if (code == CONCLAVE_OK) {
        code = write_cluster(context, &genesis);
    }
    if (code == CONCLAVE_OK) {
        code = save_record(context, &genesis.former);
    }
    if (code == CONCLAVE_OK) {
        memcpy(context->cluster_id, genesis.cluster_id, ENVELOPE_CLUSTER_BYTES);
    }
    return code;
}
