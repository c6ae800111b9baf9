/* ballot.cast. See ballot.h. */
#include <sodium.h>

#include "base/mutant.h"
#include "model/ballot_check.h"
#include "model/events.h"

#define TIMESTAMP_BYTES 64u

struct cast_body {
    struct slice poll;
    const msgpack_object *answers;
    uint64_t claimed_at_ms;
    const msgpack_object *imported;
};

struct imported_body {
    struct slice file;
    struct slice sha256;
    struct slice bytes;
    struct slice timestamp;
};

static enum conclave_code check_imported(struct model_context *context,
                                         const msgpack_object *imported)
{
    static const struct codec_field fields[] = {
        {"file", CODEC_STRING, true, offsetof(struct imported_body, file), 0, 0},
        {"sha256", CODEC_BYTES, true, offsetof(struct imported_body, sha256), 0, 0},
        {"bytes", CODEC_BYTES, true, offsetof(struct imported_body, bytes), 0, 0},
        {"timestamp", CODEC_STRING, false, offsetof(struct imported_body, timestamp), 0, 0},
    };
    struct imported_body body = {0};
    enum conclave_code code = codec_decode_map(imported, fields, sizeof fields / sizeof fields[0],
                                               true, &body, &context->error);
    if (code == CONCLAVE_OK) {
        code = check_text(context, "imported.file", body.file, 1, LIMIT_TITLE_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_text(context, "imported.timestamp", body.timestamp, 0, TIMESTAMP_BYTES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint8_t sha256[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(sha256, body.bytes.data, body.bytes.size);
    if (!slice_equal(body.sha256, slice_of(sha256, sizeof sha256))) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "imported.sha256 is not the SHA-256 of imported.bytes");
    }
    return CONCLAVE_OK;
}

/* Does the poll take ballots at this log time, and this one by its origin? */
static enum conclave_code check_poll(struct model_context *context, const struct poll *poll,
                                     const struct cast_body *body)
{
    if (poll->state != POLL_STATE_OPEN) {
        return refuse(context, CONCLAVE_POLL_CLOSED, "poll \"%.*s\" is %s",
                      TEXT_ARGUMENTS(poll->id), poll_state_name(poll->state));
    }
    uint64_t time_ms = MUTANT(20) ? body->claimed_at_ms : context->head.time_ms + MUTANT(21);
    if (time_ms > poll->closes_at_ms) {
        return refuse(context, CONCLAVE_POLL_CLOSED, "poll \"%.*s\" closed at %llu, it is %llu",
                      TEXT_ARGUMENTS(poll->id), (unsigned long long)poll->closes_at_ms,
                      (unsigned long long)context->head.time_ms);
    }
    if (poll->imported != (body->imported != NULL)) {
        return refuse(context, CONCLAVE_NOT_IMPORTED,
                      poll->imported ? "poll \"%.*s\" is imported: it takes imported ballots only"
                                     : "poll \"%.*s\" is not imported: it takes no imported ballot",
                      TEXT_ARGUMENTS(poll->id));
    }
    return body->imported == NULL ? CONCLAVE_OK : check_imported(context, body->imported);
}

/* A second ballot replaces the first only where all that either answers may be answered again. */
static enum conclave_code check_revote(struct model_context *context, const struct poll *poll,
                                       const struct ballot *earlier, const struct ballot *later)
{
    if (earlier->answer_count != poll->question_count) {
        return CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; i < poll->question_count; i++) {
        bool answered = ballot_answers(&earlier->answers[i]) || ballot_answers(&later->answers[i]);
        if (!MUTANT(22) && answered && !poll->questions[i].policy.revote_allowed) {
            return refuse(context, CONCLAVE_BALLOT_FINAL,
                          "question \"%.*s\" takes one ballot a member: "
                          "the one of log index %llu stands",
                          TEXT_ARGUMENTS(poll->questions[i].id),
                          (unsigned long long)earlier->index);
        }
    }
    return CONCLAVE_OK;
}

static struct tally_voter voter_at(const struct poll_question *question,
                                   const struct roll_voter *voter)
{
    return (struct tally_voter){.weight = voter->weight,
                                .in_electorate = voter->elector,
                                .in_veto_class = question->veto_label != POLL_NO_LABEL &&
                                                 (voter->veto_mask >> question->veto_label & 1u) !=
                                                     0};
}

static void count_answers(struct poll *poll, const struct roll_voter *voter,
                          const struct ballot *ballot,
                          void (*count)(struct tally *, const struct tally_rule *,
                                        const struct tally_voter *, const struct tally_answer *))
{
    for (uint32_t i = 0; i < poll->question_count; i++) {
        const struct poll_question *question = &poll->questions[i];
        if (ballot_answers(&ballot->answers[i])) {
            struct tally_voter as = voter_at(question, voter);
            count(&poll->counts[i].tally, &question->policy.rule, &as, &ballot->answers[i]);
        }
    }
}

/* A voter's first ballot raises the sums of those who have voted. */
static void count_voter(struct poll *poll, const struct roll_voter *voter)
{
    poll->voters++;
    if (voter->elector) {
        poll->cast_heads++;
        poll->cast_weight += voter->weight;
    }
    for (uint32_t i = 0; i < poll->question_count; i++) {
        const struct poll_question *question = &poll->questions[i];
        if (question->veto_label != POLL_NO_LABEL) {
            poll->counts[i].veto_heads += voter->veto_mask >> question->veto_label & 1u;
        }
        if (question->expert_label != POLL_NO_LABEL) {
            poll->counts[i].expert_heads += voter->expert_mask >> question->expert_label & 1u;
        }
    }
}

static enum conclave_code accept_ballot(struct model_context *context,
                                        const struct command *command, struct poll *poll,
                                        const struct roll_voter *voter,
                                        const struct ballot *earlier, const struct ballot *ballot)
{
    if (earlier != NULL) {
        count_answers(poll, voter, earlier, MUTANT(19) ? tally_add : tally_remove);
    } else {
        count_voter(poll, voter);
    }
    count_answers(poll, voter, ballot, tally_add);
    poll->dirty = true;
    context->head.ballots++;
    enum conclave_code code = ballot_save(context, poll->number, voter->member, ballot);
    if (code != CONCLAVE_OK) {
        return code;
    }
    uint32_t answered = 0;
    for (uint32_t i = 0; i < poll->question_count; i++) {
        answered += ballot_answers(&ballot->answers[i]) ? 1 : 0;
    }
    codec_write_map(&context->result, 2);
    codec_write_text(&context->result, "ballot");
    codec_write_u64(&context->result, ballot->number);
    codec_write_text(&context->result, "answered");
    codec_write_u64(&context->result, answered);
    return event_ballot_in(context, poll->id, command->envelope->author, ballot->number,
                           poll->voters);
}

static enum conclave_code parse_cast(struct model_context *context, const struct command *command,
                                     struct cast_body *body)
{
    static const struct codec_field fields[] = {
        {"poll", CODEC_STRING, true, offsetof(struct cast_body, poll), 0, 0},
        {"answers", CODEC_ARRAY, true, offsetof(struct cast_body, answers), 0, 0},
        {"claimed_at", CODEC_U64, false, offsetof(struct cast_body, claimed_at_ms), 0, 0},
        {"imported", CODEC_MAP, false, offsetof(struct cast_body, imported), 0, 0},
    };
    if (command->envelope->bytes.size > LIMIT_BALLOT_BYTES) {
        return refuse(context, CONCLAVE_TOO_LARGE,
                      "the ballot's envelope has %zu bytes, at most %u are allowed",
                      command->envelope->bytes.size, LIMIT_BALLOT_BYTES);
    }
    *body = (struct cast_body){.claimed_at_ms = UINT64_MAX};
    return codec_decode_map(command->envelope->body, fields, sizeof fields / sizeof fields[0], true,
                            body, &context->error);
}

static role_set roles_on_roll(const struct roll_voter *voter)
{
    return (role_set)((voter->elector ? ROLE_SET(ROLE_VOTER) : 0u) |
                      (voter->expert_mask != 0 ? ROLE_SET(ROLE_EXPERT) : 0u));
}

enum conclave_code ballot_apply_cast(struct model_context *context, const struct command *command)
{
    struct cast_body body;
    struct poll *poll;
    struct roll_voter voter;
    enum conclave_code code = parse_cast(context, command, &body);
    if (code == CONCLAVE_OK) {
        code = poll_hold(context, body.poll, &poll);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    code = check_poll(context, poll, &body);
    if (code != CONCLAVE_OK) {
        return code;
    }
    /* Who is on the roll votes, whatever became of the membership since the poll opened. */
    code = roll_find(context->transaction, poll->number, command->author, &voter);
    bool allowed = code == CONCLAVE_OK &&
                   role_allows(command->rule, roles_on_roll(&voter) | command->author_roles, false);
    if (code == CONCLAVE_NOT_FOUND || (code == CONCLAVE_OK && !allowed)) {
        return refuse(context, CONCLAVE_NOT_ON_ROLL,
                      "member \"%.*s\" is not on the roll of poll \"%.*s\"",
                      TEXT_ARGUMENTS(command->envelope->author), TEXT_ARGUMENTS(poll->id));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct ballot ballot = {.index = context->index,
                            .position = context->position,
                            .time_ms = context->head.time_ms,
                            .number = 1,
                            .has_claimed = body.claimed_at_ms != UINT64_MAX,
                            .claimed_at_ms = body.claimed_at_ms};
    ballot.claimed_at_ms = ballot.has_claimed ? body.claimed_at_ms : 0;
    code = ballot_check_answers(context, poll, &voter, body.answers, &ballot);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct ballot earlier;
    code = ballot_load(context->transaction, poll->number, voter.member, &earlier);
    if (code == CONCLAVE_NOT_FOUND) {
        return accept_ballot(context, command, poll, &voter, NULL, &ballot);
    }
    if (code == CONCLAVE_OK) {
        code = check_revote(context, poll, &earlier, &ballot);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    ballot.number = earlier.number + 1;
    return accept_ballot(context, command, poll, &voter, &earlier, &ballot);
}
