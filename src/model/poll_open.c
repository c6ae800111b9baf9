/* poll.open: everything is checked and worked out first, then frozen and written. See poll_apply.h.
 */
#include "model/decision.h"
#include "model/events.h"
#include "model/policy_store.h"
#include "model/poll_apply.h"
#include "model/poll_record.h"
#include "model/proposal.h"
#include "model/roll.h"

struct open_body {
    struct slice id;
    struct slice title;
    const msgpack_object *questions;
    uint64_t closes_at_ms;
    uint64_t open_for_ms;
    const msgpack_object *classes;
    const msgpack_object *imported;
};

struct imported_body {
    struct slice source;
    struct slice sha256;
};

struct question_body {
    struct slice id;
    struct slice proposal;
    struct slice title;
    struct slice policy;
    struct slice supersedes;
};

static enum conclave_code parse_times(struct model_context *context, const struct open_body *body,
                                      struct poll *poll)
{
    uint64_t now_ms = context->head.time_ms;
    bool has_end = body->closes_at_ms != UINT64_MAX;
    bool has_length = body->open_for_ms != UINT64_MAX;
    if (has_end == has_length) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "exactly one of closes_at and open_for_ms must be given");
    }
    if (has_end && body->closes_at_ms <= now_ms) {
        return refuse(context, CONCLAVE_BAD_VALUE, "closes_at %llu is not after log time %llu",
                      (unsigned long long)body->closes_at_ms, (unsigned long long)now_ms);
    }
    uint64_t length_ms = has_end ? body->closes_at_ms - now_ms : body->open_for_ms;
    if (length_ms < 1 || length_ms > LIMIT_POLL_DURATION_MS) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "the poll would be open for %llu ms, 1 to %llu are allowed",
                      (unsigned long long)length_ms, LIMIT_POLL_DURATION_MS);
    }
    poll->opened_at_ms = now_ms;
    poll->closes_at_ms = now_ms + length_ms;
    return CONCLAVE_OK;
}

static enum conclave_code parse_imported(struct model_context *context,
                                         const msgpack_object *imported, struct poll *poll)
{
    static const struct codec_field fields[] = {
        {"source", CODEC_STRING, true, offsetof(struct imported_body, source), 0, 0},
        {"sha256", CODEC_BYTES, true, offsetof(struct imported_body, sha256), 0, 0},
    };
    struct imported_body body = {0};
    enum conclave_code code = codec_decode_map(imported, fields, sizeof fields / sizeof fields[0],
                                               true, &body, &context->error);
    if (code == CONCLAVE_OK) {
        code = check_text(context, "imported.source", body.source, 1, LIMIT_TITLE_BYTES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (body.sha256.size != POLL_SHA256_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE, "imported.sha256 has %zu bytes, not 32",
                      body.sha256.size);
    }
    poll->imported = true;
    poll->imported_source = body.source;
    memcpy(poll->imported_sha256, body.sha256.data, POLL_SHA256_BYTES);
    return CONCLAVE_OK;
}

/* The place of a label among the distinct ones, which is made if it is new. */
static uint8_t label_place(struct slice *labels, uint32_t *count, struct slice label)
{
    for (uint32_t i = 0; i < *count; i++) {
        if (slice_equal(labels[i], label)) {
            return (uint8_t)i;
        }
    }
    ASSERT(*count < LIMIT_QUESTIONS);
    labels[*count] = label;
    return (uint8_t)(*count)++;
}

static enum conclave_code take_policy(struct model_context *context, struct poll *poll,
                                      struct poll_question *question)
{
    struct policy_version found;
    enum conclave_code code = policy_load(context->transaction, question->policy_id, 0, &found);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_POLICY,
                      "question \"%.*s\": there is no policy \"%.*s\"",
                      TEXT_ARGUMENTS(question->id), TEXT_ARGUMENTS(question->policy_id));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    question->policy = found.policy;
    question->policy_version = found.version;
    question->veto_label = POLL_NO_LABEL;
    question->expert_label = POLL_NO_LABEL;
    if (found.policy.rule.has_veto) {
        question->veto_label =
            label_place(poll->veto_classes, &poll->veto_class_count, found.policy.veto_class);
    }
    if (found.policy.rule.has_experts) {
        question->expert_label =
            label_place(poll->domains, &poll->domain_count, found.policy.expert_domain);
    }
    return CONCLAVE_OK;
}

/* Does the superseded decision, which exists, belong to this proposal? */
static enum conclave_code supersedes_proposal(struct model_context *context, struct slice id,
                                              struct slice proposal, bool *same)
{
    struct slice poll_id;
    struct slice question_id;
    struct decision decision;
    *same = false;
    if (!decision_id_split(id, &poll_id, &question_id)) {
        return CONCLAVE_OK;
    }
    enum conclave_code code = decision_load(context->transaction, poll_id, question_id, &decision);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_OK : code;
    }
    struct poll *earlier = poll_new();
    if (earlier == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    code = poll_load(context->transaction, decision.poll, earlier);
    if (code == CONCLAVE_OK && decision.question >= earlier->question_count) {
        code = CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        *same = slice_equal(earlier->questions[decision.question].proposal, proposal);
    }
    poll_free(earlier);
    return code;
}

/* The proposal's stage must allow it; title and revision are its. */
static enum conclave_code take_proposal(struct model_context *context,
                                        struct poll_question *question)
{
    struct proposal proposal;
    enum conclave_code code = proposal_load(context->transaction, question->proposal, &proposal);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_PROPOSAL,
                      "question \"%.*s\": there is no proposal \"%.*s\"",
                      TEXT_ARGUMENTS(question->id), TEXT_ARGUMENTS(question->proposal));
    }
    bool supersedes = false;
    if (code == CONCLAVE_OK && question->supersedes.size > 0) {
        code = supersedes_proposal(context, question->supersedes, question->proposal, &supersedes);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (!proposal_may_be_put(&proposal, supersedes)) {
        return refuse(context, CONCLAVE_WRONG_STAGE,
                      "question \"%.*s\": proposal \"%.*s\" has stage %s: "
                      "submitted or revision is needed",
                      TEXT_ARGUMENTS(question->id), TEXT_ARGUMENTS(question->proposal),
                      proposal_stage_name(proposal.stage));
    }
    question->proposal_revision = proposal.revision;
    if (question->title.size == 0) {
        question->title = proposal.title;
    }
    return CONCLAVE_OK;
}

/* Nothing may stand twice in one poll: no id, no proposal, no superseded decision. */
static enum conclave_code check_unique(struct model_context *context, const struct poll *poll,
                                       const struct poll_question *question)
{
    for (uint32_t i = 0; i < poll->question_count; i++) {
        const struct poll_question *earlier = &poll->questions[i];
        if (slice_equal(earlier->id, question->id)) {
            return refuse(context, CONCLAVE_DUPLICATE_ID, "question \"%.*s\" comes twice",
                          TEXT_ARGUMENTS(question->id));
        }
        if (question->proposal.size > 0 && slice_equal(earlier->proposal, question->proposal)) {
            return refuse(context, CONCLAVE_DUPLICATE_ID,
                          "proposal \"%.*s\" stands in two questions",
                          TEXT_ARGUMENTS(question->proposal));
        }
        if (question->supersedes.size > 0 &&
            slice_equal(earlier->supersedes, question->supersedes)) {
            return refuse(context, CONCLAVE_DUPLICATE_ID,
                          "decision \"%.*s\" is superseded by two questions",
                          TEXT_ARGUMENTS(question->supersedes));
        }
    }
    return CONCLAVE_OK;
}

static enum conclave_code parse_question(struct model_context *context, const msgpack_object *map,
                                         struct poll *poll)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct question_body, id), 0, 0},
        {"proposal", CODEC_STRING, false, offsetof(struct question_body, proposal), 0, 0},
        {"title", CODEC_STRING, false, offsetof(struct question_body, title), 0, 0},
        {"policy", CODEC_STRING, true, offsetof(struct question_body, policy), 0, 0},
        {"supersedes", CODEC_STRING, false, offsetof(struct question_body, supersedes), 0, 0},
    };
    struct question_body body = {0};
    enum conclave_code code = codec_decode_map(map, fields, sizeof fields / sizeof fields[0], true,
                                               &body, &context->error);
    if (code == CONCLAVE_OK) {
        code = check_id(context, "the question's id", body.id);
    }
    if (code == CONCLAVE_OK) {
        code = check_text(context, "the question's title", body.title, 0, LIMIT_TITLE_BYTES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll_question *question = &poll->questions[poll->question_count];
    *question = (struct poll_question){.id = body.id,
                                       .title = body.title,
                                       .proposal = body.proposal,
                                       .policy_id = body.policy,
                                       .supersedes = body.supersedes};
    code = check_unique(context, poll, question);
    if (code == CONCLAVE_OK) {
        code = take_policy(context, poll, question);
    }
    if (code == CONCLAVE_OK && body.supersedes.data != NULL) {
        code = decision_check_superseded(context, question->supersedes);
    }
    if (code == CONCLAVE_OK && body.proposal.data != NULL) {
        code = take_proposal(context, question);
    }
    if (code == CONCLAVE_OK && question->title.size == 0) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "question \"%.*s\" has neither a proposal nor a title",
                      TEXT_ARGUMENTS(question->id));
    }
    poll->question_count += code == CONCLAVE_OK ? 1 : 0;
    return code;
}

static enum conclave_code parse_questions(struct model_context *context,
                                          const msgpack_object *array, struct poll *poll)
{
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(array, 0, UINT32_MAX, &items, &count) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_REQUEST, "field \"questions\": expected an array");
    }
    if (count < 1) {
        return refuse(context, CONCLAVE_BAD_VALUE, "a poll needs at least one question");
    }
    if (count > LIMIT_QUESTIONS) {
        return refuse(context, CONCLAVE_LIMIT_REACHED,
                      "the poll has %u questions, at most %u are allowed", count, LIMIT_QUESTIONS);
    }
    poll->early_close = true;
    for (uint32_t i = 0; i < count; i++) {
        enum conclave_code code = parse_question(context, &items[i], poll);
        if (code != CONCLAVE_OK) {
            return code;
        }
        const struct policy *policy = &poll->questions[i].policy;
        poll->early_close = poll->early_close && policy->early_close;
        poll->min_open_ms = policy->min_open_ms > poll->min_open_ms ? policy->min_open_ms
                                                                    : poll->min_open_ms;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check_electorate(struct model_context *context,
                                           const msgpack_object *classes, struct poll *poll)
{
    if (classes != NULL) {
        enum conclave_code code =
            labels_parse(context, "classes", classes, LIMIT_CLASSES, &poll->electorate);
        if (code != CONCLAVE_OK) {
            return code;
        }
        if (poll->electorate.count == 0) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "classes is empty: leave it out for all active members");
        }
    }
    bool has;
    enum conclave_code code = roll_has_elector(context->transaction, &poll->electorate, &has);
    if (code == CONCLAVE_OK && !has) {
        return refuse(context, CONCLAVE_EMPTY_ROLL, "no active member has one of the classes");
    }
    return code;
}

/* Is there room, and is the id free? */
static enum conclave_code check_place(struct model_context *context, struct slice id)
{
    if (context->head.open_polls >= LIMIT_OPEN_POLLS) {
        return refuse(context, CONCLAVE_LIMIT_REACHED, "%u polls are open, the most there may be",
                      context->head.open_polls);
    }
    struct key key;
    key_of_id(&key, KEY_POLL_ID, id);
    bool taken;
    enum conclave_code code = store_has(context->transaction, &key, &taken);
    if (code == CONCLAVE_OK && taken) {
        return refuse(context, CONCLAVE_DUPLICATE_ID, "there is a poll \"%.*s\" already",
                      TEXT_ARGUMENTS(id));
    }
    return code;
}

static enum conclave_code parse_poll(struct model_context *context, const struct command *command,
                                     struct poll *poll)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct open_body, id), 0, 0},
        {"title", CODEC_STRING, true, offsetof(struct open_body, title), 0, 0},
        {"questions", CODEC_ARRAY, true, offsetof(struct open_body, questions), 0, 0},
        {"closes_at", CODEC_U64, false, offsetof(struct open_body, closes_at_ms), 0, 0},
        {"open_for_ms", CODEC_U64, false, offsetof(struct open_body, open_for_ms), 0, 0},
        {"classes", CODEC_ARRAY, false, offsetof(struct open_body, classes), 0, 0},
        {"imported", CODEC_MAP, false, offsetof(struct open_body, imported), 0, 0},
    };
    struct open_body body = {.closes_at_ms = UINT64_MAX, .open_for_ms = UINT64_MAX};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK) {
        code = check_id(context, "id", body.id);
    }
    if (code == CONCLAVE_OK) {
        code = check_text(context, "title", body.title, 1, LIMIT_TITLE_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_place(context, body.id);
    }
    if (code == CONCLAVE_OK) {
        code = parse_times(context, &body, poll);
    }
    if (code == CONCLAVE_OK && body.imported != NULL) {
        code = parse_imported(context, body.imported, poll);
    }
    if (code == CONCLAVE_OK) {
        code = parse_questions(context, body.questions, poll);
    }
    if (code == CONCLAVE_OK) {
        code = check_electorate(context, body.classes, poll);
    }
    poll->id = body.id;
    poll->title = body.title;
    poll->author = command->envelope->author;
    return code;
}

/* What opening does to others: the questions' proposals, and the decisions that will be superseded.
 */
static enum conclave_code write_links(struct model_context *context, const struct poll *poll)
{
    for (uint32_t i = 0; i < poll->question_count; i++) {
        const struct poll_question *question = &poll->questions[i];
        enum conclave_code code = CONCLAVE_OK;
        if (question->supersedes.size > 0) {
            code = decision_note_superseding(context, question->supersedes, poll->id, question->id);
        }
        if (code == CONCLAVE_OK && question->proposal.size > 0) {
            code = proposal_put_to_vote(context, question->proposal, poll->id);
        }
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    return CONCLAVE_OK;
}

/* Freezes and writes a poll that was checked. */
static enum conclave_code write_poll(struct model_context *context, struct poll *poll)
{
    poll->number = ++context->head.polls;
    poll->index = context->index;
    poll->state = POLL_STATE_OPEN;
    poll->due_ms = poll->closes_at_ms + 1;
    context->head.open_polls++;

    /* Policies and titles are slices of the store's until here: from now on they are the poll's
     * own. */
    buffer_clear(&context->record);
    poll_encode(&context->record, poll);
    if (context->record.status != CONCLAVE_OK) {
        return context->record.status;
    }
    enum conclave_code code = poll_decode(poll, buffer_slice(&context->record));
    if (code == CONCLAVE_OK) {
        code = roll_freeze(context, poll);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    poll->held = true;
    poll->dirty = true;
    buffer_clear(&context->record);
    poll_encode(&context->record, poll);
    struct key key;
    key_of_u32(&key, KEY_POLL, poll->number);
    code = store_put(context->transaction, &key, &context->record);
    if (code == CONCLAVE_OK) {
        key_of_id(&key, KEY_POLL_ID, poll->id);
        code = store_put_u32(context->transaction, &key, poll->number);
    }
    if (code == CONCLAVE_OK) {
        code = poll_put_state(context->transaction, poll);
    }
    if (code == CONCLAVE_OK) {
        code = poll_put_due(context->transaction, poll);
    }
    return code;
}

static void write_result(struct model_context *context, const struct poll *poll)
{
    struct buffer *result = &context->result;
    codec_write_map(result, 3);
    codec_write_text(result, "roll");
    codec_write_u64(result, poll->roll_heads);
    codec_write_text(result, "weight");
    codec_write_u64(result, poll->roll_weight);
    codec_write_text(result, "closes_at");
    codec_write_u64(result, poll->closes_at_ms);
}

enum conclave_code poll_apply_open(struct model_context *context, const struct command *command)
{
    enum conclave_code code = poll_flush(context);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct poll *poll = context->poll;
    poll_clear(poll);
    code = parse_poll(context, command, poll);
    if (code == CONCLAVE_OK) {
        code = write_poll(context, poll);
    }
    if (code == CONCLAVE_OK) {
        code = write_links(context, poll);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    write_result(context, poll);
    return event_poll_opened(context, poll->id, poll->title, poll->closes_at_ms);
}
