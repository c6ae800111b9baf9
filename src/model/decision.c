/* See decision.h. */
#include "model/decision.h"

#include "model/events.h"
#include "model/proposal.h"
#include "model/tally_record.h"

#define DECISION_VERSION   1u
#define SUPERSEDES_VERSION 1u

enum {
    SUPERSEDES_CLAIMED = 0,
    SUPERSEDES_DECIDED = 1
};

bool decision_id_split(struct slice id, struct slice *poll, struct slice *question)
{
    const uint8_t *slash = id.size == 0 ? NULL : memchr(id.data, '/', id.size);
    if (slash == NULL) {
        return false;
    }
    *poll = slice_of(id.data, (size_t)(slash - id.data));
    *question = slice_of(slash + 1, id.size - poll->size - 1);
    return envelope_id_valid(*poll) && envelope_id_valid(*question);
}

static void decision_key(struct key *key, enum key_space space, struct slice poll,
                         struct slice question)
{
    key_of_id(key, space, poll);
    key_u8(key, '/');
    key_bytes(key, question);
}

enum conclave_code decision_decode(struct slice record, struct decision *decision)
{
    struct decoder decoder = decoder_of(record);
    uint8_t version = decode_u8(&decoder);
    decision->poll = decode_u32(&decoder);
    decision->question = decode_u8(&decoder);
    decision->index = decode_u64(&decoder);
    decision->time_ms = decode_u64(&decoder);
    verdict_decode(&decoder, &decision->verdict);
    decision->text = decode_slice(&decoder);
    bool whole = decoder_done(&decoder) && version == DECISION_VERSION;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code decision_load(struct kv_transaction *transaction, struct slice poll,
                                 struct slice question, struct decision *decision)
{
    struct key key;
    decision_key(&key, KEY_DECISION, poll, question);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    return code == CONCLAVE_OK ? decision_decode(value, decision) : code;
}

void decision_verdict_now(const struct poll *poll, uint32_t question, struct tally_verdict *verdict)
{
    struct tally_roll roll = poll_question_roll(poll, question);
    tally_decide(&poll->counts[question].tally, &poll->questions[question].policy.rule, &roll,
                 verdict);
}

/* --- What supersedes what --- */

enum conclave_code decision_check_superseded(struct model_context *context, struct slice id)
{
    struct slice poll;
    struct slice question;
    if (!decision_id_split(id, &poll, &question)) {
        return refuse(context, CONCLAVE_BAD_VALUE, "supersedes \"%.*s\" is not \"poll/question\"",
                      TEXT_ARGUMENTS(id));
    }
    uint32_t number;
    enum conclave_code code = poll_find(context->transaction, poll, &number);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_POLL, "supersedes: there is no poll \"%.*s\"",
                      TEXT_ARGUMENTS(poll));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decision decision;
    code = decision_load(context->transaction, poll, question, &decision);
    if (code == CONCLAVE_NOT_FOUND) {
        struct key open;
        key_begin(&open, KEY_POLL_STATE);
        key_u8(&open, POLL_STATE_OPEN);
        key_bytes(&open, poll);
        bool is_open;
        code = store_has(context->transaction, &open, &is_open);
        if (code != CONCLAVE_OK) {
            return code;
        }
        return is_open ? refuse(context, CONCLAVE_POLL_OPEN,
                                "supersedes: poll \"%.*s\" is open and has no decisions yet",
                                TEXT_ARGUMENTS(poll))
                       : refuse(context, CONCLAVE_UNKNOWN_QUESTION,
                                "supersedes: poll \"%.*s\" has no question \"%.*s\"",
                                TEXT_ARGUMENTS(poll), TEXT_ARGUMENTS(question));
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct key key;
    struct slice value;
    decision_key(&key, KEY_SUPERSEDES, poll, question);
    code = store_get(context->transaction, &key, &value);
    if (code == CONCLAVE_NOT_FOUND) {
        return CONCLAVE_OK;
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    (void)decode_u16(&decoder);
    struct slice by = decode_slice(&decoder);
    return refuse(context, CONCLAVE_BAD_VALUE, "\"%.*s\" is superseded by \"%.*s\" already",
                  TEXT_ARGUMENTS(id), TEXT_ARGUMENTS(by));
}

enum conclave_code decision_note_superseding(struct model_context *context, struct slice id,
                                             struct slice by_poll, struct slice by_question)
{
    uint8_t by[2 * LIMIT_ID_BYTES + 1];
    ASSERT(by_poll.size + by_question.size < sizeof by);
    memcpy(by, by_poll.data, by_poll.size);
    by[by_poll.size] = '/';
    memcpy(by + by_poll.size + 1, by_question.data, by_question.size);
    struct buffer *record = record_begin(context, SUPERSEDES_VERSION);
    encode_u8(record, SUPERSEDES_CLAIMED);
    encode_slice(record, slice_of(by, by_poll.size + 1 + by_question.size));
    struct key key;
    key_of_id(&key, KEY_SUPERSEDES, id);
    return store_put(context->transaction, &key, record);
}

/* The new question is decided: the link stands. Cancelled or without a quorum it decided nothing,
 * and another poll may supersede the decision. */
static enum conclave_code settle_superseding(struct model_context *context, const struct poll *poll,
                                             const struct poll_question *question,
                                             enum tally_outcome outcome)
{
    struct key key;
    key_of_id(&key, KEY_SUPERSEDES, question->supersedes);
    if (outcome == TALLY_CANCELLED || outcome == TALLY_NO_QUORUM) {
        return store_remove(context->transaction, &key);
    }
    enum conclave_code code =
        decision_note_superseding(context, question->supersedes, poll->id, question->id);
    if (code != CONCLAVE_OK) {
        return code;
    }
    context->record.data[1] = SUPERSEDES_DECIDED; /* the record that was just put */
    return store_put(context->transaction, &key, &context->record);
}

enum conclave_code decision_superseded_by(struct kv_transaction *transaction, struct slice poll,
                                          struct slice question, struct slice *by)
{
    struct key key;
    struct slice value;
    decision_key(&key, KEY_SUPERSEDES, poll, question);
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    uint8_t state = decode_u8(&decoder);
    *by = decode_slice(&decoder);
    if (!decoder_done(&decoder) || version != SUPERSEDES_VERSION) {
        return CONCLAVE_CORRUPT;
    }
    return state == SUPERSEDES_DECIDED ? CONCLAVE_OK : CONCLAVE_NOT_FOUND;
}

/* --- Closing --- */

static enum conclave_code decide(struct model_context *context, const struct poll *poll, uint32_t i,
                                 enum poll_closed_by by, struct buffer *decisions)
{
    const struct poll_question *question = &poll->questions[i];
    struct tally_verdict verdict;
    char text[TALLY_TEXT_BYTES];
    decision_verdict_now(poll, i, &verdict);
    if (by == POLL_BY_CANCEL) {
        verdict.outcome = TALLY_CANCELLED;
    }
    tally_explain(&verdict, &question->policy.rule, text);
    struct buffer *record = record_begin(context, DECISION_VERSION);
    encode_u32(record, poll->number);
    encode_u8(record, (uint8_t)i);
    encode_u64(record, context->index);
    encode_u64(record, context->head.time_ms);
    verdict_encode(record, &verdict);
    encode_slice(record, slice_of_text(text));
    struct key key;
    decision_key(&key, KEY_DECISION, poll->id, question->id);
    enum conclave_code code = store_put(context->transaction, &key, record);
    if (code == CONCLAVE_OK && question->supersedes.size > 0) {
        code = settle_superseding(context, poll, question, verdict.outcome);
    }
    if (code == CONCLAVE_OK && question->proposal.size > 0) {
        code = proposal_decided(context, question->proposal, verdict.outcome);
    }
    codec_write_array(decisions, 2);
    codec_write_string(decisions, question->id);
    codec_write_text(decisions, tally_outcome_name(verdict.outcome));
    return code;
}

enum conclave_code decision_close(struct model_context *context, struct poll *poll,
                                  enum poll_closed_by by, struct slice reason,
                                  struct buffer *decisions)
{
    ASSERT(poll->held && poll->state == POLL_STATE_OPEN && by != POLL_BY_NOBODY);
    ASSERT(context->head.open_polls > 0);
    enum conclave_code code = poll_remove_due(context->transaction, poll);
    if (code != CONCLAVE_OK) {
        return code;
    }
    poll->state = by == POLL_BY_CANCEL ? POLL_STATE_CANCELLED : POLL_STATE_CLOSED;
    poll->closed_by = by;
    poll->closed_at_ms = context->head.time_ms;
    poll->closed_index = context->index;
    poll->reason = reason;
    poll->dirty = true;
    context->head.open_polls--;
    code = poll_move_state(context->transaction, poll, POLL_STATE_OPEN);
    codec_write_array(decisions, poll->question_count);
    for (uint32_t i = 0; code == CONCLAVE_OK && i < poll->question_count; i++) {
        code = decide(context, poll, i, by, decisions);
    }
    if (code == CONCLAVE_OK && decisions->status != CONCLAVE_OK) {
        code = decisions->status;
    }
    if (code == CONCLAVE_OK) {
        /* At once: `reason` belongs to the command. */
        code = poll_flush(context);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    poll->reason = slice_of("", 0);
    poll->held = false;
    return event_poll_closed(context, poll->id, poll_closed_by_name(by), buffer_slice(decisions));
}
