/* The state machine's way in: a batch is applied, and what admission, batching and the clock need
 * is told. See model.h. */
#include "model/model.h"

#include "auth/auth.h"
#include "base/mutant.h"
#include "model/cluster.h"
#include "model/command.h"
#include "model/head.h"
#include "model/member_key.h"
#include "model/poll_apply.h"
#include "model/replies.h"
#include "model/restore.h"

#define RESULT_BYTES (64u * 1024u)

/* Log times above this are no times: sums with them could wrap. */
#define TIME_MS_MAX (UINT64_MAX / 4)

static enum conclave_code context_open(struct model_context *context,
                                       struct kv_transaction *transaction, uint64_t index,
                                       const struct model_sink *sink)
{
    *context = (struct model_context){.transaction = transaction, .index = index, .sink = sink};
    buffer_init(&context->result, RESULT_BYTES);
    buffer_init(&context->reply, RESULT_BYTES);
    buffer_init(&context->event, RESULT_BYTES);
    buffer_init(&context->record, KV_VALUE_BYTES);
    buffer_init(&context->replies, KV_VALUE_BYTES / 2);
    buffer_init(&context->refusals, KV_VALUE_BYTES / 2);
    context->poll = poll_new();
    if (context->poll == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code code = head_load(transaction, &context->head);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct cluster_record cluster;
    code = cluster_load(transaction, &cluster);
    if (code == CONCLAVE_OK) {
        context->has_cluster = true;
        memcpy(context->cluster_id, cluster.id, ENVELOPE_CLUSTER_BYTES);
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

static void context_close(struct model_context *context)
{
    poll_free(context->poll);
    buffer_close(&context->result);
    buffer_close(&context->reply);
    buffer_close(&context->event);
    buffer_close(&context->record);
    buffer_close(&context->replies);
    buffer_close(&context->refusals);
}

static enum conclave_code apply_batch(struct model_context *context, const struct batch *batch)
{
    if (batch->time_ms > TIME_MS_MAX) {
        return CONCLAVE_CORRUPT;
    }
    if (MUTANT(32) || batch->time_ms > context->head.time_ms) {
        context->head.time_ms = batch->time_ms;
    }
    if (context->sink->begin != NULL) {
        context->sink->begin(context->sink->context, context->head.time_ms, batch);
    }
    enum conclave_code code = replies_drop_old(context);
    for (uint32_t i = 0; code == CONCLAVE_OK && i < batch->close_count; i++) {
        struct slice id;
        code = codec_get_string(&batch->closes[i], &id);
        code = code == CONCLAVE_OK ? poll_close_due(context, id) : CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; code == CONCLAVE_OK && i < batch->command_count; i++) {
        struct slice bytes;
        context->position = i;
        code = codec_get_bytes(&batch->commands[i], &bytes);
        code = code == CONCLAVE_OK ? command_apply(context, bytes) : CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        code = poll_flush(context);
    }
    if (code == CONCLAVE_OK) {
        code = batch_save(context, batch->command_count);
    }
    return code == CONCLAVE_OK ? head_save(context) : code;
}

enum conclave_code model_apply(struct kv_transaction *transaction, uint64_t index,
                               struct slice batch, const struct model_sink *sink)
{
    ASSERT(transaction != NULL && transaction->write);
    ASSERT(sink != NULL && sink->reply != NULL && sink->event != NULL);
    struct batch decoded;
    enum conclave_code code = batch_decode(&decoded, batch);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NO_MEMORY ? code : CONCLAVE_CORRUPT;
    }
    struct model_context context;
    code = context_open(&context, transaction, index, sink);
    if (code == CONCLAVE_OK) {
        code = apply_batch(&context, &decoded);
    }
    context_close(&context);
    batch_close(&decoded);
    ASSERT(code == CONCLAVE_OK || store_failed(code));
    return code;
}

enum conclave_code model_cluster(struct kv_transaction *transaction, struct model_cluster *cluster)
{
    ASSERT(cluster != NULL);
    struct cluster_record record;
    enum conclave_code code = cluster_load(transaction, &record);
    if (code != CONCLAVE_OK) {
        return code;
    }
    memcpy(cluster->id, record.id, sizeof cluster->id);
    cluster->name = record.name;
    cluster->nodes = record.nodes;
    return model_time(transaction, &cluster->time_ms);
}

enum conclave_code model_founding(struct kv_transaction *transaction,
                                  struct model_founding *founding)
{
    ASSERT(founding != NULL);
    struct cluster_record cluster;
    struct restore_record restored = {.count = 0};
    enum conclave_code code = cluster_load(transaction, &cluster);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = restore_load(transaction, &restored);
    *founding = (struct model_founding){.restored = code == CONCLAVE_OK, .index = restored.index};
    memcpy(founding->cluster_id, cluster.id, sizeof founding->cluster_id);
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code model_author(struct kv_transaction *transaction, struct slice author,
                                struct model_author *out)
{
    ASSERT(out != NULL);
    uint32_t number;
    bool key_changed;
    struct member member;
    enum conclave_code code = member_find(transaction, author, &number, &key_changed);
    if (code == CONCLAVE_OK) {
        code = member_load(transaction, number, &member);
    } else if (code == CONCLAVE_NOT_FOUND) {
        code = CONCLAVE_UNKNOWN_AUTHOR;
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    memcpy(out->public_key, member.public_key, sizeof out->public_key);
    out->roles = member_roles(&member);
    out->key_index = member.key_index;
    out->old_key_count = 0;
    for (uint32_t i = member.keys - 1; i > 0 && out->old_key_count < MODEL_OLD_KEYS; i--) {
        struct member_old_key old;
        code = member_old_key_load(transaction, number, i, &old);
        if (code != CONCLAVE_OK) {
            return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
        }
        memcpy(out->old_keys[out->old_key_count++], old.public_key, MEMBER_KEY_BYTES);
    }
    return CONCLAVE_OK;
}

enum conclave_code model_reply(struct kv_transaction *transaction, struct slice author,
                               struct slice nonce, struct slice envelope, struct buffer *reply)
{
    ASSERT(reply != NULL);
    uint32_t number;
    bool key_changed;
    struct stored_reply stored;
    uint8_t hash[REPLY_HASH_BYTES];
    enum conclave_code code = member_find(transaction, author, &number, &key_changed);
    if (code == CONCLAVE_OK) {
        code = reply_load(transaction, nonce, number, &stored);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    auth_sha256(envelope, hash);
    if (memcmp(hash, stored.hash, sizeof hash) != 0) {
        return CONCLAVE_NOT_FOUND;
    }
    buffer_append(reply, stored.packed.data, stored.packed.size);
    return reply->status;
}

enum conclave_code model_reads_public(struct kv_transaction *transaction, bool *reads_public)
{
    ASSERT(reads_public != NULL);
    struct cluster_record cluster;
    enum conclave_code code = cluster_load(transaction, &cluster);
    *reads_public = code == CONCLAVE_OK && cluster.reads == CLUSTER_READS_PUBLIC;
    return code;
}

enum conclave_code model_time(struct kv_transaction *transaction, uint64_t *time_ms)
{
    ASSERT(time_ms != NULL);
    struct model_head head;
    enum conclave_code code = head_load(transaction, &head);
    *time_ms = head.time_ms;
    return code;
}

/* The next of the due polls, in order of time. */
static enum conclave_code next_due(struct kv_transaction *transaction, struct scan *scan,
                                   uint64_t *due_ms, struct slice *poll)
{
    struct slice rest;
    enum conclave_code code = scan_next(transaction, scan, &rest, poll);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (rest.size != 8 + 4) {
        return CONCLAVE_CORRUPT;
    }
    *due_ms = load_be64(rest.data);
    return CONCLAVE_OK;
}

enum conclave_code model_due(struct kv_transaction *transaction, uint64_t now_ms,
                             struct slice *closes, uint32_t max, uint32_t *count)
{
    ASSERT(count != NULL && (closes != NULL || max == 0));
    uint64_t time_ms;
    enum conclave_code code = model_time(transaction, &time_ms);
    if (code != CONCLAVE_OK) {
        return code;
    }
    now_ms = now_ms > time_ms ? now_ms : time_ms; /* as the batch will be stamped */
    struct key prefix;
    key_begin(&prefix, KEY_DUE);
    struct scan scan;
    scan_begin(&scan, &prefix);
    *count = 0;
    while (*count < max) {
        uint64_t due_ms;
        struct slice poll;
        code = next_due(transaction, &scan, &due_ms, &poll);
        if (code != CONCLAVE_OK || due_ms > now_ms) {
            break;
        }
        closes[(*count)++] = poll;
    }
    return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
}

enum conclave_code model_next_due(struct kv_transaction *transaction, uint64_t *due_ms)
{
    ASSERT(due_ms != NULL);
    struct key prefix;
    key_begin(&prefix, KEY_DUE);
    struct scan scan;
    scan_begin(&scan, &prefix);
    struct slice poll;
    return next_due(transaction, &scan, due_ms, &poll);
}
