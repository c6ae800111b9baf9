/* Closing and cancelling polls. See poll_apply.h. */
#include "model/decision.h"
#include "model/poll_apply.h"

struct close_body {
    struct slice id;
    struct slice reason;
};

/* How a poll that is due closes at this log time. */
static enum poll_closed_by due_by(const struct model_context *context, const struct poll *poll)
{
    return context->head.time_ms > poll->closes_at_ms ? POLL_BY_DEADLINE : POLL_BY_SETTLED;
}

enum conclave_code poll_close_due(struct model_context *context, struct slice id)
{
    struct poll *poll;
    enum conclave_code code = poll_hold(context, id, &poll);
    if (code != CONCLAVE_OK) {
        return store_failed(code) ? code : CONCLAVE_OK;
    }
    if (poll->state != POLL_STATE_OPEN || context->head.time_ms < poll->due_ms) {
        return CONCLAVE_OK;
    }
    struct buffer decisions;
    buffer_init(&decisions, KV_VALUE_BYTES);
    code = decision_close(context, poll, due_by(context, poll), slice_of("", 0), &decisions);
    buffer_close(&decisions);
    return code;
}

/* The open poll that a command names. */
static enum conclave_code hold_open(struct model_context *context, struct slice id,
                                    struct poll **poll)
{
    enum conclave_code code = poll_hold(context, id, poll);
    if (code == CONCLAVE_OK && (*poll)->state != POLL_STATE_OPEN) {
        return refuse(context, CONCLAVE_POLL_CLOSED, "poll \"%.*s\" is %s already",
                      TEXT_ARGUMENTS(id), poll_state_name((*poll)->state));
    }
    return code;
}

enum conclave_code poll_apply_close(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct close_body, id), 0, 0},
    };
    struct close_body body = {0};
    struct poll *poll;
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK) {
        code = hold_open(context, body.id, &poll);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    /* After the deadline the chair only brings the closing entry forward. */
    bool past = context->head.time_ms > poll->closes_at_ms;
    struct buffer decisions;
    buffer_init(&decisions, KV_VALUE_BYTES);
    code = decision_close(context, poll, past ? POLL_BY_DEADLINE : POLL_BY_CHAIR, slice_of("", 0),
                          &decisions);
    if (code == CONCLAVE_OK) {
        codec_write_map(&context->result, 1);
        codec_write_text(&context->result, "decisions");
        codec_write_raw(&context->result, buffer_slice(&decisions));
    }
    buffer_close(&decisions);
    return code;
}

enum conclave_code poll_apply_cancel(struct model_context *context, const struct command *command)
{
    static const struct codec_field fields[] = {
        {"id", CODEC_STRING, true, offsetof(struct close_body, id), 0, 0},
        {"reason", CODEC_STRING, true, offsetof(struct close_body, reason), 0, 0},
    };
    struct close_body body = {0};
    struct poll *poll;
    enum conclave_code code = codec_decode_map(command->envelope->body, fields,
                                               sizeof fields / sizeof fields[0], true, &body,
                                               &context->error);
    if (code == CONCLAVE_OK && (body.reason.size < 1 || body.reason.size > LIMIT_RATIONALE_BYTES)) {
        return refuse(context, CONCLAVE_BAD_VALUE, "reason has %zu bytes, 1 to %u are allowed",
                      body.reason.size, LIMIT_RATIONALE_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = hold_open(context, body.id, &poll);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (context->head.time_ms > poll->closes_at_ms) {
        return refuse(context, CONCLAVE_POLL_CLOSED,
                      "poll \"%.*s\" closed at %llu: what was voted stands",
                      TEXT_ARGUMENTS(body.id), (unsigned long long)poll->closes_at_ms);
    }
    struct buffer decisions;
    buffer_init(&decisions, KV_VALUE_BYTES);
    code = decision_close(context, poll, POLL_BY_CANCEL, body.reason, &decisions);
    buffer_close(&decisions);
    return code;
}
