/* cluster.get and request. */
#include "model/cluster.h"
#include "model/head.h"
#include "model/member.h"
#include "model/query.h"
#include "model/replies.h"

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
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer *answer = query->answer;
    query_begin(query, 8);
    pair_string(answer, "name", cluster.name);
    pair_bytes(answer, "cluster", slice_of(cluster.id, ENVELOPE_CLUSTER_BYTES));
    pair_u64(answer, "created", cluster.created_ms);
    pair_string(answer, "chair", cluster.chair);
    codec_write_text(answer, "nodes");
    codec_write_raw(answer, cluster.nodes);
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
