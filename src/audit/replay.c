/* Replaying through src/model, in memory. */
#include "audit/replay.h"

#include "auth/auth.h"
#include "codec/envelope.h"
#include "kv/kv_memory.h"
#include "model/model.h"

/* A batch on its way through the model. */
struct replaying {
    struct audit_replay *replay;
    uint64_t index, time_ms;
    const struct batch *batch;
    enum conclave_code failure;
};

enum conclave_code audit_replay_open(struct audit_replay *replay)
{
    *replay = (struct audit_replay){0};
    buffer_init(&replay->leaf, LEAF_BYTES_MAX);
    tree_append_open(&replay->append);
    return kv_memory_open(&replay->kv);
}

void audit_replay_close(struct audit_replay *replay)
{
    kv_close(replay->kv);
    replay->kv = NULL;
    audit_expect_close(&replay->expect);
    buffer_close(&replay->leaf);
    tree_append_close(&replay->append);
}

/* --- Leaves --- */

static void append_leaf(struct replaying *replaying, uint32_t position)
{
    struct audit_replay *replay = replaying->replay;
    struct merkle_hash nodes[MERKLE_LEVELS];
    struct merkle_hash hash;
    if (replay->leaf.status != CONCLAVE_OK) {
        replaying->failure = replay->leaf.status;
        return;
    }
    merkle_hash_leaf(buffer_slice(&replay->leaf), &hash);
    (void)merkle_append(&replay->tree, &hash, nodes);
    if (replay->broken == NULL) {
        replay->broken = audit_expect_check(&replay->expect, &replay->tree, &hash);
        replay->broken_at = replay->tree.size - 1;
        replay->broken_position = position;
    }
}

static void on_begin(void *context, uint64_t time_ms, const struct batch *batch)
{
    struct replaying *replaying = context;
    replaying->time_ms = time_ms;
    replaying->batch = batch;
    struct audit_replay *replay = replaying->replay;
    tree_append_begin(&replay->append, &replay->kept, replaying->index, time_ms);
    if (batch->close_count > 0) {
        struct buffer *leaf = &replay->leaf;
        tree_append_closing(&replay->append, batch->closes, batch->close_count);
        buffer_clear(leaf);
        leaf_write_closing(leaf, replaying->index, time_ms, batch->closes, batch->close_count);
        append_leaf(replaying, UINT32_MAX);
    }
}

/* docs/RECORD.md, "Leaves". */
static void on_reply(void *context, const struct model_decided *decided)
{
    struct replaying *replaying = context;
    struct buffer *buffer = &replaying->replay->leaf;
    uint8_t envelope[LEAF_DIGEST_BYTES];
    uint8_t reply[AUTH_SHA256_BYTES];
    struct slice command;
    struct leaf leaf = {
        .kind = decided->repeated ? LEAF_COPY : LEAF_COMMAND,
        .index = replaying->index,
        .time_ms = replaying->time_ms,
        .position = decided->position,
        .code = slice_of_text(conclave_code_name(decided->code)),
        .envelope = slice_of(envelope, sizeof envelope),
        .reply = slice_of(reply, sizeof reply),
    };
    enum conclave_code code =
        codec_get_bytes(&replaying->batch->commands[decided->position], &command);
    if (code == CONCLAVE_OK) {
        code = leaf_bind(command, envelope, &leaf.signature);
    }
    if (code != CONCLAVE_OK) {
        replaying->failure = code;
        return;
    }
    tree_append_command(&replaying->replay->append, &leaf, decided->reply);
    auth_sha256(decided->reply, reply);
    buffer_clear(buffer);
    leaf_write(buffer, &leaf);
    append_leaf(replaying, decided->position);
}

static void ignore_event(void *context, struct slice event)
{
    (void)context;
    (void)event;
}

/* --- Entries --- */

static enum conclave_code apply(struct audit_replay *replay, struct kv_transaction *transaction,
                                uint64_t index, struct slice batch)
{
    struct replaying replaying = {.replay = replay, .index = index};
    const struct model_sink sink = {&replaying, on_begin, on_reply, ignore_event};
    struct kv_digest digest;
    memcpy(replay->digest_before, replay->digest, sizeof replay->digest);
    replay->tree_before = replay->tree;
    enum conclave_code code = kv_digest_open(&digest, transaction, replay->digest);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = model_apply(&digest.base, index, batch, &sink);
    code = code == CONCLAVE_OK ? replaying.failure : code;
    if (code == CONCLAVE_OK) {
        code = tree_append_finish(&replay->append, &digest.base);
    }
    kv_digest_value(&digest, replay->digest);
    kv_digest_close(&digest);
    replay->command_count = 0;
    if (code == CONCLAVE_OK) {
        code = model_codes(transaction, index, replay->codes, LIMIT_BATCH_COMMANDS,
                           &replay->command_count);
        code = code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code; /* it only closed polls */
    }
    return code == CONCLAVE_OK ? model_time(transaction, &replay->time_ms) : code;
}

enum conclave_code audit_replay_batch(struct audit_replay *replay, uint64_t index,
                                      struct slice batch)
{
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(replay->kv, true, &transaction);
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = apply(replay, transaction, index, batch);
    if (code != CONCLAVE_OK) {
        kv_abort(transaction);
        return code == CONCLAVE_NO_MEMORY ? code : CONCLAVE_BAD_REQUEST;
    }
    return kv_commit(transaction);
}
