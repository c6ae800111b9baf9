/* The commands on proposals: submit, revise, withdraw. See proposal.h. */
#include <sodium.h>

#include "model/proposal_record.h"

struct proposal_body {
    struct slice id;
    struct slice title;
    struct slice category;
    struct slice body;
    struct slice reason;
};

static enum conclave_code check_body(struct model_context *context, struct slice body)
{
    if (body.size > LIMIT_PROPOSAL_BODY_BYTES) {
        return refuse(context, CONCLAVE_TOO_LARGE, "body has %zu bytes, at most %u are allowed",
                      body.size, LIMIT_PROPOSAL_BODY_BYTES);
    }
    return CONCLAVE_OK;
}

static void hash_body(struct slice body, uint8_t sha256[PROPOSAL_SHA256_BYTES])
{
    crypto_hash_sha256(sha256, body.data, body.size);
}

static void write_result(struct model_context *context, const struct proposal *proposal)
{
    codec_write_map(&context->result, 2);
    codec_write_text(&context->result, "revision");
    codec_write_u64(&context->result, proposal->revision);
    codec_write_text(&context->result, "sha256");
    codec_write_bytes(&context->result, slice_of(proposal->sha256, PROPOSAL_SHA256_BYTES));
}

static enum conclave_code insert(struct model_context *context, const struct command *command,
                                 const struct proposal_body *body)
{
    struct proposal proposal = {.number = ++context->head.proposals,
                                .id = body->id,
                                .author = command->envelope->author,
                                .title = body->title,
                                .category = body->category,
                                .stage = PROPOSAL_SUBMITTED,
                                .stage_before = PROPOSAL_SUBMITTED,
                                .revision = 1,
                                .index = context->index,
                                .time_ms = context->head.time_ms};
    hash_body(body->body, proposal.sha256);
    struct proposal_revision revision = {.title = body->title,
                                         .category = body->category,
                                         .author = command->envelope->author,
                                         .index = context->index,
                                         .time_ms = context->head.time_ms,
                                         .body_index = context->index,
                                         .body_position = context->position};
    memcpy(revision.sha256, proposal.sha256, PROPOSAL_SHA256_BYTES);
    enum conclave_code code = proposal_revision_save(context, proposal.number, 1, &revision);
    if (code == CONCLAVE_OK) {
        code = proposal_save(context, &proposal, 0);
    }
    write_result(context, &proposal);
    return code;
}

enum conclave_code proposal_apply_submit(struct model_context *context,
                                         const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct proposal_body, id), 0, 0},
        {"title", CODEC_STRING, true, offsetof(struct proposal_body, title), 0, 0},
        {"category", CODEC_STRING, false, offsetof(struct proposal_body, category), 0, 0},
        {"body", CODEC_STRING, true, offsetof(struct proposal_body, body), 0, 0},
    };
    struct proposal_body body = {0};
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
        code = check_text(context, "category", body.category, 0, LIMIT_NAME_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_body(context, body.body);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key key;
    key_of_id(&key, KEY_PROPOSAL, body.id);
    bool taken;
    code = store_has(context->transaction, &key, &taken);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (taken) {
        return refuse(context, CONCLAVE_DUPLICATE_ID, "there is a proposal \"%.*s\" already",
                      TEXT_ARGUMENTS(body.id));
    }
    return insert(context, command, &body);
}

/* The proposal that revise and withdraw name, when its stage and the author allow it. */
static enum conclave_code load_editable(struct model_context *context,
                                        const struct command *command, struct slice id,
                                        struct buffer *copy, struct proposal *proposal)
{
    enum conclave_code code = proposal_load_copy(context->transaction, id, copy, proposal);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_PROPOSAL, "there is no proposal \"%.*s\"",
                      TEXT_ARGUMENTS(id));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    bool author = slice_equal(proposal->author, command->envelope->author);
    role_set roles = (role_set)(command->author_roles | (author ? ROLE_SET(ROLE_AUTHOR) : 0u));
    if (!role_allows(command->rule, roles, false)) {
        return refuse(context, CONCLAVE_NOT_AUTHOR,
                      "proposal \"%.*s\" is by \"%.*s\": only they or a chair may do this",
                      TEXT_ARGUMENTS(id), TEXT_ARGUMENTS(proposal->author));
    }
    if (proposal->stage != PROPOSAL_SUBMITTED && proposal->stage != PROPOSAL_REVISION) {
        return refuse(context, CONCLAVE_WRONG_STAGE,
                      "proposal \"%.*s\" has stage %s: submitted or revision is needed",
                      TEXT_ARGUMENTS(id), proposal_stage_name(proposal->stage));
    }
    return CONCLAVE_OK;
}

static enum conclave_code revise(struct model_context *context, const struct command *command,
                                 const struct proposal_body *body, struct proposal *proposal)
{
    if (proposal->revision >= LIMIT_REVISIONS) {
        return refuse(context, CONCLAVE_LIMIT_REACHED,
                      "proposal \"%.*s\" has %u revisions, the most it may",
                      TEXT_ARGUMENTS(proposal->id), proposal->revision);
    }
    struct proposal_revision last;
    enum conclave_code code =
        proposal_revision_load(context->transaction, proposal->number, proposal->revision, &last);
    if (code != CONCLAVE_OK) {
        return code == CONCLAVE_NOT_FOUND ? CONCLAVE_CORRUPT : code;
    }
    if (body->title.data != NULL) {
        proposal->title = body->title;
    }
    if (body->category.data != NULL) {
        proposal->category = body->category;
    }
    if (body->body.data != NULL) {
        hash_body(body->body, proposal->sha256);
    }
    struct proposal_revision revision = {
        .title = proposal->title,
        .category = proposal->category,
        .author = command->envelope->author,
        .index = context->index,
        .time_ms = context->head.time_ms,
        .body_index = body->body.data != NULL ? context->index : last.body_index,
        .body_position = body->body.data != NULL ? context->position : last.body_position};
    memcpy(revision.sha256, proposal->sha256, PROPOSAL_SHA256_BYTES);
    proposal->revision++;
    code = proposal_revision_save(context, proposal->number, proposal->revision, &revision);
    if (code == CONCLAVE_OK) {
        code = proposal_save(context, proposal, proposal->stage);
    }
    write_result(context, proposal);
    return code;
}

enum conclave_code proposal_apply_revise(struct model_context *context,
                                         const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct proposal_body, id), 0, 0},
        {"title", CODEC_STRING, false, offsetof(struct proposal_body, title), 0, 0},
        {"category", CODEC_STRING, false, offsetof(struct proposal_body, category), 0, 0},
        {"body", CODEC_STRING, false, offsetof(struct proposal_body, body), 0, 0},
    };
    struct proposal_body body = {0};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK && body.title.data == NULL && body.category.data == NULL &&
        body.body.data == NULL) {
        return refuse(context, CONCLAVE_BAD_VALUE, "title, category or body must be given");
    }
    if (code == CONCLAVE_OK && body.title.data != NULL) {
        code = check_text(context, "title", body.title, 1, LIMIT_TITLE_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_text(context, "category", body.category, 0, LIMIT_NAME_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_body(context, body.body);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer copy;
    buffer_init(&copy, KV_VALUE_BYTES);
    struct proposal proposal;
    code = load_editable(context, command, body.id, &copy, &proposal);
    if (code == CONCLAVE_OK) {
        code = revise(context, command, &body, &proposal);
    }
    buffer_close(&copy);
    return code;
}

enum conclave_code proposal_apply_withdraw(struct model_context *context,
                                           const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct proposal_body, id), 0, 0},
        {"reason", CODEC_STRING, false, offsetof(struct proposal_body, reason), 0, 0},
    };
    struct proposal_body body = {0};
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK && body.reason.size > LIMIT_RATIONALE_BYTES) {
        return refuse(context, CONCLAVE_BAD_VALUE, "reason has %zu bytes, at most %u are allowed",
                      body.reason.size, LIMIT_RATIONALE_BYTES);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct buffer copy;
    buffer_init(&copy, KV_VALUE_BYTES);
    struct proposal proposal;
    code = load_editable(context, command, body.id, &copy, &proposal);
    if (code == CONCLAVE_OK) {
        enum proposal_stage was = proposal.stage;
        ASSERT(proposal_may_move(was, PROPOSAL_WITHDRAWN));
        proposal.stage = PROPOSAL_WITHDRAWN;
        code = proposal_save(context, &proposal, was);
    }
    buffer_close(&copy);
    return code;
}
