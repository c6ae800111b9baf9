/* See command.h. The order of the checks is part of what the log means:
 *
 *   0. what begins a cluster: genesis, and cluster.restore, which is no client's to send.
 *   1. decodable, of this cluster, by a known author, not expired. Refused so, it is replied to and
 *      counted, but not kept in the table of replies.
 *   2. the same author and nonce before: the first reply again, or nonce_reused. Neither changes
 *      the table.
 *   3. signed with the key that the author has now, where it was another before (member_key.h).
 *      Refused so, it is not kept either: it is nobody's.
 *   4. not_after not too far, the kind, the author's status and role, the kind's own rules. The
 *      reply is kept, whatever it is.
 *
 * A command that has expired is refused even when its reply is still in the table: otherwise the
 * answer would depend on when the table is cleaned.
 */
#include "model/command.h"

#include "base/mutant.h"
#include "base/sha256.h"
#include "model/ballot.h"
#include "model/cluster.h"
#include "model/member_key.h"
#include "model/node.h"
#include "model/policy_store.h"
#include "model/poll_apply.h"
#include "model/proposal.h"
#include "model/replies.h"
#include "model/restore.h"

/* Who may is told by the rules of auth/roles.h. */
struct command_kind {
    const char *name;
    enum conclave_code (*apply)(struct model_context *, const struct command *);
};

static const struct command_kind kinds[] = {
    {"ballot.cast", ballot_apply_cast},
    {"cluster.set", cluster_apply_set},
    {"member.admit", member_apply_admit},
    {"member.revoke", member_apply_revoke},
    {"member.rotate-key", member_apply_rotate_key},
    {"member.update", member_apply_update},
    {"node.add", node_apply_add},
    {"node.lead", node_apply_lead},
    {"node.remove", node_apply_remove},
    {"node.update", node_apply_update},
    {"policy.put", policy_apply_put},
    {"poll.cancel", poll_apply_cancel},
    {"poll.close", poll_apply_close},
    {"poll.open", poll_apply_open},
    {"proposal.revise", proposal_apply_revise},
    {"proposal.submit", proposal_apply_submit},
    {"proposal.withdraw", proposal_apply_withdraw},
};

/* Roles that the poll or proposal at hand gives: the kind's own rule looks at them. */
#define ROLES_OF_ROLL     (ROLE_SET(ROLE_VOTER) | ROLE_SET(ROLE_EXPERT))
#define ROLES_OF_PROPOSAL ROLE_SET(ROLE_AUTHOR)

static const char GENESIS[] = GENESIS_KIND;

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

static void tell(struct model_context *context, const struct envelope *envelope,
                 enum conclave_code decided, bool repeated, struct slice reply)
{
    bool decodable = envelope->bytes.size > 0;
    const struct model_decided told = {
        .position = context->position,
        .code = decided,
        .repeated = repeated,
        .author = envelope->author,
        .nonce = envelope->nonce,
        .envelope_hash = slice_of(context->envelope_hash, decodable ? REPLY_HASH_BYTES : 0),
        .signature = envelope->signature,
        .reply = reply,
    };
    context->sink->reply(context->sink->context, &told);
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
    tell(context, envelope, decided, false, buffer_slice(&context->reply));
    return CONCLAVE_OK;
}

/* --- Deciding --- */

/* Whose place on a poll's roll says whether they may: their status is not even read. */
static bool is_up_to_roll(const struct command *command)
{
    return (command->rule->allowed & ROLES_OF_ROLL) != 0 && !MUTANT(13);
}

static enum conclave_code check_author(struct model_context *context, const struct command *command)
{
    const struct role_rule *rule = command->rule;
    if (is_up_to_roll(command) || role_allows(rule, command->author_roles, false)) {
        return CONCLAVE_OK;
    }
    if ((command->author_roles & ROLE_SET(ROLE_MEMBER)) == 0) {
        return refuse(context, CONCLAVE_NOT_ACTIVE, "member \"%.*s\" is not active",
                      TEXT_ARGUMENTS(command->envelope->author));
    }
    if ((rule->allowed & (ROLES_OF_PROPOSAL | ROLES_OF_ROLL)) != 0) {
        return CONCLAVE_OK;
    }
    return refuse(context, CONCLAVE_NOT_CHAIR, "%s: member \"%.*s\" is not a chair", rule->name,
                  TEXT_ARGUMENTS(command->envelope->author));
}

static enum conclave_code load_author(struct model_context *context, struct command *command)
{
    if (is_up_to_roll(command)) {
        return CONCLAVE_OK;
    }
    struct member author;
    enum conclave_code code = member_load(context->transaction, command->author, &author);
    if (code == CONCLAVE_OK) {
        command->author_roles = member_roles(&author);
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
            command->rule = role_rule_find(ROLE_COMMAND, envelope->kind);
            ASSERT(command->rule != NULL);
            enum conclave_code code = load_author(context, command);
            if (code == CONCLAVE_OK) {
                code = check_author(context, command);
            }
            return code == CONCLAVE_OK ? kinds[i].apply(context, command) : code;
        }
    }
    return refuse(context, CONCLAVE_UNKNOWN_KIND, "there is no kind of command \"%.*s\"",
                  TEXT_ARGUMENTS(envelope->kind));
}

/* Decides a command that is new, and keeps the reply. */
static enum conclave_code decide_and_keep(struct model_context *context, struct command *command)
{
    enum conclave_code decided = decide(context, command);
    if (store_failed(decided)) {
        return decided;
    }
    enum conclave_code code = conclude(context, command->envelope, decided);
    return code == CONCLAVE_OK ? reply_save(context, command, context->envelope_hash, decided)
                               : code;
}

/* A command whose author and nonce have been here: the first reply again, or a refusal that leaves
 * it standing. */
static enum conclave_code repeat(struct model_context *context, const struct envelope *envelope,
                                 const struct stored_reply *first)
{
    if (!MUTANT(11) && memcmp(first->hash, context->envelope_hash, REPLY_HASH_BYTES) != 0) {
        return conclude(context, envelope,
                        refuse(context, CONCLAVE_NONCE_REUSED,
                               "another command of \"%.*s\" had this nonce",
                               TEXT_ARGUMENTS(envelope->author)));
    }
    batch_note_code(context, first->code);
    tell(context, envelope, first->code, true, first->packed);
    return CONCLAVE_OK;
}

/* Where a backup ends: docs/RECORD.md, "Restoring". */
static enum conclave_code apply_restore(struct model_context *context,
                                        const struct envelope *envelope, struct slice bytes)
{
    struct command command = {.envelope = envelope};
    enum conclave_code decided = restore_apply(context, &command, bytes);
    if (store_failed(decided)) {
        return decided;
    }
    enum conclave_code code = conclude(context, envelope, decided);
    if (code != CONCLAVE_OK || decided != CONCLAVE_OK) {
        return code;
    }
    return reply_save(context, &command, context->envelope_hash, CONCLAVE_OK);
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
    return reply_save(context, &command, context->envelope_hash, CONCLAVE_OK);
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
    enum conclave_code code = member_find(context->transaction, envelope->author, &command.author,
                                          &command.author_key_changed);
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
    struct stored_reply first;
    code = MUTANT(10) ? CONCLAVE_NOT_FOUND
                      : reply_load(context->transaction, envelope->nonce, command.author, &first);
    if (code == CONCLAVE_OK) {
        return repeat(context, envelope, &first);
    }
    if (code != CONCLAVE_NOT_FOUND) {
        return code;
    }
    if (command.author_key_changed) {
        code = member_key_check(context, &command);
        if (code != CONCLAVE_OK) {
            return store_failed(code) ? code : conclude(context, envelope, code);
        }
    }
    return decide_and_keep(context, &command);
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
    sha256(envelope.bytes, context->envelope_hash);
    bool restores = context->has_cluster && genesis_founds(&envelope) &&
                    slice_is_text(envelope.kind, GENESIS_RESTORE_KIND);
    code = restores ? apply_restore(context, &envelope, bytes) : apply_envelope(context, &envelope);
    envelope_close(&envelope);
    return code;
}
