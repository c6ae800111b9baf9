/* cluster.get and request. */
#include "model/cluster.h"
#include "model/head.h"
#include "model/member.h"
#include "model/node.h"
#include "model/query.h"
#include "model/replies.h"
#include "model/restore.h"

/* The nodes that make up the cluster now, as commands after genesis have it. */
static void write_nodes(struct buffer *answer, const struct node_list *list)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        count += list->nodes[i].role != NODE_REMOVED;
    }
    codec_write_text(answer, "nodes");
    codec_write_array(answer, count);
    for (uint32_t i = 0; i < list->count; i++) {
        const struct node_record *node = &list->nodes[i];
        if (node->role == NODE_REMOVED) {
            continue;
        }
        codec_write_array(answer, 4);
        codec_write_u64(answer, node->id);
        codec_write_string(answer, node->peer);
        codec_write_string(answer, node->client);
        if (node->key.size > 0) {
            codec_write_bytes(answer, node->key);
        } else {
            codec_write_nil(answer);
        }
    }
}

/* What the cluster was before it was restored from a backup, or nil. */
static void write_restored(struct buffer *answer, const struct restore_record *restored)
{
    codec_write_text(answer, "restored");
    if (restored->count == 0) {
        codec_write_nil(answer);
        return;
    }
    codec_write_map(answer, 2);
    pair_u64(answer, "index", restored->index);
    codec_write_text(answer, "clusters");
    codec_write_array(answer, restored->count);
    for (uint32_t i = 0; i < restored->count; i++) {
        codec_write_bytes(answer, slice_of(restored->clusters[i], ENVELOPE_CLUSTER_BYTES));
    }
}

enum conclave_code query_cluster_get(const struct query *query)
{
    struct cluster_record cluster;
    struct model_head head;
    enum conclave_code code = cluster_load(query->transaction, &cluster);
    if (code == CONCLAVE_NOT_FOUND) {
        return query_refuse(query, code, "the cluster has no genesis yet");
    }
    if (code == CONCLAVE_OK) {
        code = head_load(query->transaction, &head);
    }
    struct node_list nodes;
    if (code == CONCLAVE_OK) {
        code = node_list_load(query->transaction, &nodes);
    }
    struct restore_record restored = {.count = 0};
    if (code == CONCLAVE_OK) {
        code = restore_load(query->transaction, &restored);
        code = code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer *answer = query->answer;
    query_begin(query, 10);
    pair_string(answer, "name", cluster.name);
    pair_bytes(answer, "cluster", slice_of(cluster.id, ENVELOPE_CLUSTER_BYTES));
    pair_u64(answer, "created", cluster.created_ms);
    pair_string(answer, "chair", cluster.chair);
    pair_text(answer, "reads", cluster_reads_name(cluster.reads));
    write_nodes(answer, &nodes);
    write_restored(answer, &restored);
    pair_bytes(answer, "digest", query->digest);
    pair_u64(answer, "time", head.time_ms);
    codec_write_text(answer, "counts");
    codec_write_map(answer, 6);
    pair_u64(answer, "members", head.members);
    pair_u64(answer, "proposals", head.proposals);
    pair_u64(answer, "polls", head.polls);
    pair_u64(answer, "ballots", head.ballots);
    pair_u64(answer, "commands", head.commands);
    pair_u64(answer, "refused", head.refused);
    return CONCLAVE_OK;
}

/* Would the table still have the reply of a command with this nonce, had it been decided? Nonces
 * start with the time they were made at. What the table keeps reaches back 25 hours; one that is no
 * such time says nothing about when it was made. */
static bool table_reaches(const struct model_head *head, struct slice nonce)
{
    uint64_t made_ms = load_be64(nonce.data);
    if (made_ms + LIMIT_NOT_AFTER_AHEAD_MS < head->time_ms &&
        made_ms <= UINT64_MAX - LIMIT_NOT_AFTER_AHEAD_MS) {
        return false;
    }
    bool is_time = made_ms <= UINT64_MAX / 2 && made_ms <= head->time_ms + LIMIT_NOT_AFTER_AHEAD_MS;
    return is_time || head->replies_dropped == 0;
}

enum conclave_code query_request(const struct query *query)
{
    static const char *const wanted[] = {"!author", "!nonce", NULL};
    struct query_params params;
    enum conclave_code code = query_parse(query, wanted, &params);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (params.nonce.size != ENVELOPE_NONCE_BYTES) {
        return query_refuse(query, CONCLAVE_BAD_REQUEST, "nonce has %zu bytes, not %u",
                            params.nonce.size, ENVELOPE_NONCE_BYTES);
    }
    struct model_head head;
    code = head_load(query->transaction, &head);
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint32_t author = 0;
    struct stored_reply reply;
    code = query_member_number(query, params.author, &author);
    if (code == CONCLAVE_OK) {
        code = reply_load(query->transaction, params.nonce, author, &reply);
    }
    if (code == CONCLAVE_OK) {
        query_begin(query, 2);
        pair_text(query->answer, "state", "committed");
        codec_write_text(query->answer, "reply");
        codec_write_raw(query->answer, reply.packed);
        return CONCLAVE_OK;
    }
    if (code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    query_begin(query, 1);
    pair_text(query->answer, "state", table_reaches(&head, params.nonce) ? "absent" : "unknown");
    return CONCLAVE_OK;
}
