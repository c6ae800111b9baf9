/* See command.h. The order of the checks is part of what the log means:
 *
 *   1. decodable, of this cluster, by a known author, not expired. Refused so, it is replied to and
 *      counted, but not kept in the table of replies.
 *   2. the same author and nonce before: the first reply again, or nonce_reused. Neither changes
 *      the table.
 *   3. not_after not too far, the kind, the author's status and role, the kind's own rules. The
 *      reply is kept, whatever it is.
 *
 * A command that has expired is refused even when its reply is still in the table: otherwise the
 * answer would depend on when the table is cleaned.
 */
#include "model/command.h"

#include <sodium.h>

#include "base/mutant.h"
#include "model/ballot.h"
#include "model/cluster.h"
#include "model/member.h"
#include "model/policy_store.h"
#include "model/poll_apply.h"
#include "model/proposal.h"
#include "model/replies.h"

enum command_author {
    AUTHOR_CHAIR,  /* an active chair */
    AUTHOR_ACTIVE, /* any active member */
    AUTHOR_VOTER   /* whoever is on the poll's roll, whatever became of them since */
};

struct command_kind {
    const char *name;
    enum command_author who;
    enum conclave_code (*apply)(struct model_context *, const struct command *);
};

static const struct command_kind kinds[] = {
    {"ballot.cast", AUTHOR_VOTER, ballot_apply_cast},
    {"member.admit", AUTHOR_CHAIR, member_apply_admit},
    {"member.update", AUTHOR_CHAIR, member_apply_update},
    {"policy.put", AUTHOR_CHAIR, policy_apply_put},
    {"poll.cancel", AUTHOR_CHAIR, poll_apply_cancel},
    {"poll.close", AUTHOR_CHAIR, poll_apply_close},
    {"poll.open", AUTHOR_CHAIR, poll_apply_open},
    {"proposal.revise", AUTHOR_ACTIVE, proposal_apply_revise},
    {"proposal.submit", AUTHOR_ACTIVE, proposal_apply_submit},
    {"proposal.withdraw", AUTHOR_ACTIVE, proposal_apply_withdraw},
};

static const char GENESIS[] = "genesis";

/* --- Replies --- */

/* Packs the reply of the command at hand into context->reply. */
static enum conclave_code pack_reply(struct model_context *context, enum conclave_code decided)
{
    struct buffer *reply = &context->reply;
    if (context->result.status != CONCLAVE_OK) {
        return CONCLAVE_NO_MEMORY;
    }
    buffer_clear(reply);
    codec_write_map(reply, 6);
    codec_write_text(reply, "code");
    codec_write_text(reply, conclave_code_name(decided));
    codec_write_text(reply, "message");
    if (decided == CONCLAVE_OK) {
        codec_write_text(reply, "");
    } else {
        codec_write_string(reply, text_whole(context->error.text));
    }
    codec_write_text(reply, "index");
    codec_write_u64(reply, context->index);
    codec_write_text(reply, "position");
    codec_write_u64(reply, context->position);
    codec_write_text(reply, "time");
    codec_write_u64(reply, context->head.time_ms);
    codec_write_text(reply, "result");
    if (decided == CONCLAVE_OK && context->result.size > 0) {
        codec_write_raw(reply, buffer_slice(&context->result));
    } else {
        codec_write_map(reply, 0);
    }
    return reply->status;
}

static void tell(struct model_context *context, const struct envelope *envelope, struct slice reply)
{
    context->sink->reply(context->sink->context, context->position, envelope->author,
                         envelope->nonce, reply);
}

/* Replies, counts and notes a decision that was made here and now. */
static enum conclave_code conclude(struct model_context *context, const struct envelope *envelope,
                                   enum conclave_code decided)
{
    ASSERT(!store_failed(decided));
    enum conclave_code code = pack_reply(context, decided);
    if (code != CONCLAVE_OK) {
        return code;
    }
    context->head.commands++;
    context->head.refused += decided == CONCLAVE_OK ? 0 : 1;
    batch_note_code(context, decided);
    tell(context, envelope, buffer_slice(&context->reply));
    return CONCLAVE_OK;
}

/* --- Deciding --- */

static enum conclave_code check_author(struct model_context *context,
                                       const struct command_kind *kind,
                                       const struct command *command)
{
    if (kind->who == AUTHOR_VOTER && !MUTANT(13)) {
        return CONCLAVE_OK;
    }
    if (!command->author_active) {
        return refuse(context, CONCLAVE_NOT_ACTIVE, "member \"%.*s\" is not active",
                      TEXT_ARGUMENTS(command->envelope->author));
    }
    if (kind->who == AUTHOR_CHAIR && !command->author_chair) {
        return refuse(context, CONCLAVE_NOT_CHAIR, "%s: member \"%.*s\" is not a chair", kind->name,
                      TEXT_ARGUMENTS(command->envelope->author));
    }
    return CONCLAVE_OK;
}

/* The author's standing: only who needs it reads the record (a ballot does not). */
static enum conclave_code load_author(struct model_context *context,
                                      const struct command_kind *kind, struct command *command)
{
    if (kind->who == AUTHOR_VOTER && !MUTANT(13)) {
        return CONCLAVE_OK;
    }
    struct member author;
    enum conclave_code code = member_load(context->transaction, command->author, &author);
    if (code == CONCLAVE_OK) {
        command->author_active = author.status == MEMBER_ACTIVE;
        command->author_chair = member_is_active_chair(&author);
    }
    return code;
}

static enum conclave_code decide(struct model_context *context, struct command *command)
{
    const struct envelope *envelope = command->envelope;
    uint64_t latest_ms = context->head.time_ms + LIMIT_NOT_AFTER_AHEAD_MS;
    if (envelope->not_after_ms > latest_ms) {
        return refuse(context, CONCLAVE_NOT_AFTER_TOO_FAR,
                      "not_after %llu is more than 24 hours after log time %llu",
                      (unsigned long long)envelope->not_after_ms,
                      (unsigned long long)context->head.time_ms);
    }
    if (slice_is_text(envelope->kind, GENESIS)) {
        return refuse(context, CONCLAVE_DUPLICATE_ID, "the cluster has had its genesis");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_is_text(envelope->kind, kinds[i].name)) {
            enum conclave_code code = load_author(context, &kinds[i], command);
            if (code == CONCLAVE_OK) {
                code = check_author(context, &kinds[i], command);
            }
            return code == CONCLAVE_OK ? kinds[i].apply(context, command) : code;
        }
    }
    return refuse(context, CONCLAVE_UNKNOWN_KIND, "there is no kind of command \"%.*s\"",
                  TEXT_ARGUMENTS(envelope->kind));
}

/* Decides a command that is new, and keeps the reply. */
static enum conclave_code decide_and_keep(struct model_context *context, struct command *command,
                                          const uint8_t hash[REPLY_HASH_BYTES])
{
    enum conclave_code decided = decide(context, command);
    if (store_failed(decided)) {
        return decided;
    }
    enum conclave_code code = conclude(context, command->envelope, decided);
    return code == CONCLAVE_OK ? reply_save(context, command, hash, decided) : code;
}

/* A command whose author and nonce have been here: the first reply again, or a refusal that leaves
 * it standing. */
static enum conclave_code repeat(struct model_context *context, const struct envelope *envelope,
                                 const uint8_t hash[REPLY_HASH_BYTES],
                                 const struct stored_reply *first)
{
    if (!MUTANT(11) && memcmp(first->hash, hash, REPLY_HASH_BYTES) != 0) {
        return conclude(context, envelope,
                        refuse(context, CONCLAVE_NONCE_REUSED,
                               "another command of \"%.*s\" had this nonce",
                               TEXT_ARGUMENTS(envelope->author)));
    }
    batch_note_code(context, first->code);
    tell(context, envelope, first->packed);
    return CONCLAVE_OK;
}

static enum conclave_code apply_genesis(struct model_context *context,
                                        const struct envelope *envelope)
{
    static const uint8_t no_cluster[ENVELOPE_CLUSTER_BYTES];
    struct command command = {.envelope = envelope};
    enum conclave_code decided;
    if (!slice_is_text(envelope->kind, GENESIS) ||
        !slice_equal(envelope->cluster, slice_of(no_cluster, sizeof no_cluster))) {
        decided = refuse(context, CONCLAVE_WRONG_CLUSTER,
                         "there is no cluster yet: the first command must be genesis, "
                         "with a cluster id of zeros");
    } else {
        decided = cluster_apply_genesis(context, &command);
    }
    if (store_failed(decided)) {
        return decided;
    }
    enum conclave_code code = conclude(context, envelope, decided);
    if (code != CONCLAVE_OK || decided != CONCLAVE_OK) {
        return code;
    }
    uint8_t hash[REPLY_HASH_BYTES];
    crypto_hash_sha256(hash, envelope->bytes.data, envelope->bytes.size);
    return reply_save(context, &command, hash, CONCLAVE_OK);
}

/* A decoded command. */
static enum conclave_code apply_envelope(struct model_context *context,
                                         const struct envelope *envelope)
{
    if (!context->has_cluster) {
        return apply_genesis(context, envelope);
    }
    if (!slice_equal(envelope->cluster, slice_of(context->cluster_id, ENVELOPE_CLUSTER_BYTES))) {
        return conclude(
            context, envelope,
            refuse(context, CONCLAVE_WRONG_CLUSTER, "the command is signed for another cluster"));
    }
    struct command command = {.envelope = envelope};
    enum conclave_code code = member_find(context->transaction, envelope->author, &command.author);
    if (code == CONCLAVE_NOT_FOUND) {
        return conclude(context, envelope,
                        refuse(context, CONCLAVE_UNKNOWN_AUTHOR, "there is no member \"%.*s\"",
                               TEXT_ARGUMENTS(envelope->author)));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (!MUTANT(12) && envelope->not_after_ms < context->head.time_ms) {
        return conclude(context, envelope,
                        refuse(context, CONCLAVE_EXPIRED, "not_after %llu has passed: it is %llu",
                               (unsigned long long)envelope->not_after_ms,
                               (unsigned long long)context->head.time_ms));
    }
    uint8_t hash[REPLY_HASH_BYTES];
    struct stored_reply first;
    crypto_hash_sha256(hash, envelope->bytes.data, envelope->bytes.size);
    code = MUTANT(10) ? CONCLAVE_NOT_FOUND
                      : reply_load(context->transaction, envelope->nonce, command.author, &first);
    if (code == CONCLAVE_OK) {
        return repeat(context, envelope, hash, &first);
    }
    return code == CONCLAVE_NOT_FOUND ? decide_and_keep(context, &command, hash) : code;
}

enum conclave_code command_apply(struct model_context *context, struct slice bytes)
{
    struct envelope envelope;
    buffer_clear(&context->result);
    enum conclave_code code = envelope_decode(&envelope, bytes, &context->error);
    if (store_failed(code)) {
        return code;
    }
    if (code != CONCLAVE_OK) {
        envelope = (struct envelope){0};
        return conclude(context, &envelope, code);
    }
    code = apply_envelope(context, &envelope);
    envelope_close(&envelope);
    return code;
}
