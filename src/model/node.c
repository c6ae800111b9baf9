/* The records of nodes. Those of genesis have none until a command is about them. */
#include "model/node.h"

#include "model/cluster.h"
#include "model/restore.h"

#define NODE_VERSION        1u
#define GENESIS_NODE_PARTS  4u /* id, peer address, client address, key */
#define GENESIS_INDEX       2u
#define GENESIS_PARTS_LIMIT 8u

const char *node_role_name(enum node_role role)
{
    static const char *const names[] = {"voter", "standby", "removed"};
    ASSERT(role >= NODE_VOTER && role <= NODE_REMOVED);
    return names[role - NODE_VOTER];
}

static enum conclave_code decode(struct slice rest, struct slice record, struct node_record *node)
{
    struct decoder decoder = decoder_of(record);
    uint8_t version = decode_u8(&decoder);
    uint8_t role = decode_u8(&decoder);
    *node = (struct node_record){.role = (enum node_role)role, .commanded = true};
    node->peer = decode_slice(&decoder);
    node->client = decode_slice(&decoder);
    node->forced = decode_u8(&decoder) != 0;
    node->has_token = decode_u8(&decoder) != 0;
    decode_bytes(&decoder, node->token, sizeof node->token);
    node->replaces = decode_u64(&decoder);
    node->index = decode_u64(&decoder);
    node->lead_index = decode_u64(&decoder);
    if (!decoder_done(&decoder) || version != NODE_VERSION || role < NODE_VOTER ||
        role > NODE_REMOVED || rest.size != sizeof node->id) {
        return CONCLAVE_CORRUPT;
    }
    node->id = load_be64(rest.data);
    return CONCLAVE_OK;
}

/* Puts a node into its place by id, or over the one that is there, whose key stays. */
static enum conclave_code place(struct node_list *list, const struct node_record *node)
{
    uint32_t at = 0;
    while (at < list->count && list->nodes[at].id < node->id) {
        at++;
    }
    if (at == list->count || list->nodes[at].id != node->id) {
        if (list->count == LIMIT_NODE_IDS) {
            return CONCLAVE_CORRUPT;
        }
        memmove(&list->nodes[at + 1], &list->nodes[at], (list->count - at) * sizeof list->nodes[0]);
        list->count++;
        list->nodes[at].key = slice_of(NULL, 0);
    }
    struct slice key = node->key.size > 0 ? node->key : list->nodes[at].key;
    list->nodes[at] = *node;
    list->nodes[at].key = key;
    return CONCLAVE_OK;
}

static enum conclave_code place_of_genesis(struct node_list *list, const msgpack_object *entry,
                                           uint64_t index)
{
    const msgpack_object *parts;
    uint32_t part_count;
    struct node_record node = {.role = NODE_VOTER, .index = index};
    if (codec_get_array(entry, GENESIS_NODE_PARTS, GENESIS_PARTS_LIMIT, &parts, &part_count) !=
            CONCLAVE_OK ||
        codec_get_u64(&parts[0], &node.id) != CONCLAVE_OK ||
        codec_get_string(&parts[1], &node.peer) != CONCLAVE_OK ||
        codec_get_string(&parts[2], &node.client) != CONCLAVE_OK ||
        codec_get_bytes(&parts[3], &node.key) != CONCLAVE_OK) {
        return CONCLAVE_CORRUPT;
    }
    return place(list, &node);
}

static enum conclave_code load_genesis(struct kv_transaction *transaction, struct node_list *list)
{
    struct cluster_record cluster;
    struct restore_record restored;
    enum conclave_code code = cluster_load(transaction, &cluster);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    code = restore_load(transaction, &restored);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    uint64_t index = code == CONCLAVE_OK ? restored.index : GENESIS_INDEX;
    struct codec_tree tree;
    const msgpack_object *entries;
    uint32_t count;
    code = codec_parse(&tree, cluster.nodes);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NO_MEMORY ? code : CONCLAVE_CORRUPT;
    }
    if (codec_get_array(&tree.root, 1, LIMIT_NODES, &entries, &count) != CONCLAVE_OK) {
        code = CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; code == CONCLAVE_OK && i < count; i++) {
        code = place_of_genesis(list, &entries[i], index);
    }
    codec_tree_close(&tree); /* the texts point into the record, not into the tree */
    return code;
}

enum conclave_code node_list_load(struct kv_transaction *transaction, struct node_list *list)
{
    struct key prefix;
    struct scan scan;
    struct slice rest;
    struct slice value;
    list->count = 0;
    enum conclave_code code = load_genesis(transaction, list);
    if (code != CONCLAVE_OK) {
        return code;
    }
    key_begin(&prefix, KEY_NODE);
    scan_begin(&scan, &prefix);
    while ((code = scan_next(transaction, &scan, &rest, &value)) == CONCLAVE_OK) {
        struct node_record node;
        code = decode(rest, value, &node);
        if (code == CONCLAVE_OK) {
            code = place(list, &node);
        }
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

const struct node_record *node_list_find(const struct node_list *list, uint64_t id)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (list->nodes[i].id == id) {
            return &list->nodes[i];
        }
    }
    return NULL;
}

enum conclave_code node_save(struct model_context *context, const struct node_record *node)
{
    struct buffer *record = record_begin(context, NODE_VERSION);
    encode_u8(record, (uint8_t)node->role);
    encode_slice(record, node->peer);
    encode_slice(record, node->client);
    encode_u8(record, node->forced ? 1 : 0);
    encode_u8(record, node->has_token ? 1 : 0);
    encode_bytes(record, node->token, sizeof node->token);
    encode_u64(record, node->replaces);
    encode_u64(record, node->index);
    encode_u64(record, node->lead_index);
    struct key key;
    key_of_u64(&key, KEY_NODE, node->id);
    return store_put(context->transaction, &key, record);
}
