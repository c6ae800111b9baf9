/* node.list: the nodes that are, or were, in the cluster. */
#include "model/node.h"
#include "model/query.h"

#define NODE_PAIRS 6u

static void write_node(struct buffer *buffer, const struct node_record *node)
{
    codec_write_map(buffer, NODE_PAIRS);
    pair_u64(buffer, "id", node->id);
    pair_string(buffer, "peer", node->peer);
    pair_string(buffer, "client", node->client);
    pair_text(buffer, "role", node_role_name(node->role));
    codec_write_text(buffer, "replaces");
    if (node->replaces == 0) {
        codec_write_nil(buffer);
    } else {
        codec_write_u64(buffer, node->replaces);
    }
    pair_u64(buffer, "index", node->index);
}

enum conclave_code query_node_list(const struct query *query)
{
    static const char *const wanted[] = {NULL};
    struct query_params params;
    struct node_list list;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code == CONCLAVE_OK) {
        code = node_list_load(query->transaction, &list);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    query_begin(query, 1);
    codec_write_text(query->answer, "items");
    codec_write_array(query->answer, list.count);
    for (uint32_t i = 0; i < list.count; i++) {
        write_node(query->answer, &list.nodes[i]);
    }
    return CONCLAVE_OK;
}
