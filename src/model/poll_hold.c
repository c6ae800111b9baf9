/* The poll at hand while a batch is applied, and the places of polls among the states and the due
 * ones. See poll.h. */
#include "model/poll.h"
#include "model/poll_record.h"

enum conclave_code poll_put_state(struct kv_transaction *transaction, const struct poll *poll)
{
    struct key key;
    key_begin(&key, KEY_POLL_STATE);
    key_u8(&key, (uint8_t)poll->state);
    key_bytes(&key, poll->id);
    return store_put_u32(transaction, &key, poll->number);
}

enum conclave_code poll_move_state(struct kv_transaction *transaction, const struct poll *poll,
                                   enum poll_state was)
{
    ASSERT(was != poll->state);
    struct key key;
    key_begin(&key, KEY_POLL_STATE);
    key_u8(&key, (uint8_t)was);
    key_bytes(&key, poll->id);
    enum conclave_code code = store_remove(transaction, &key);
    return code == CONCLAVE_OK ? poll_put_state(transaction, poll) : code;
}

static void due_key(struct key *key, const struct poll *poll)
{
    key_of_u64(key, KEY_DUE, poll->due_ms);
    key_u32(key, poll->number);
}

enum conclave_code poll_put_due(struct kv_transaction *transaction, const struct poll *poll)
{
    struct key key;
    due_key(&key, poll);
    return kv_put(transaction, key_slice(&key), poll->id);
}

enum conclave_code poll_remove_due(struct kv_transaction *transaction, const struct poll *poll)
{
    struct key key;
    due_key(&key, poll);
    return store_remove(transaction, &key);
}

enum conclave_code poll_hold(struct model_context *context, struct slice id, struct poll **poll)
{
    struct poll *held = context->poll;
    *poll = held;
    if (held->held && slice_equal(held->id, id)) {
        return CONCLAVE_OK;
    }
    uint32_t number;
    enum conclave_code code = poll_find(context->transaction, id, &number);
    if (code == CONCLAVE_NOT_FOUND) {
        return refuse(context, CONCLAVE_UNKNOWN_POLL, "there is no poll \"%.*s\"",
                      TEXT_ARGUMENTS(id));
    }
    if (code == CONCLAVE_OK) {
        code = poll_flush(context);
    }
    if (code == CONCLAVE_OK) {
        code = poll_load(context->transaction, number, held);
    }
    return code;
}

static bool all_settled(const struct poll *poll)
{
    for (uint32_t i = 0; i < poll->question_count; i++) {
        struct tally_roll roll = poll_question_roll(poll, i);
        struct tally_outstanding outstanding = poll_question_outstanding(poll, i);
        if (!tally_settled(&poll->counts[i].tally, &poll->questions[i].policy.rule, &roll,
                           &outstanding)) {
            return false;
        }
    }
    return true;
}

/* Once settled, a poll stays so: revotes are off. It is due when it has been open long enough, and
 * never after its deadline. */
static enum conclave_code note_settled(struct model_context *context, struct poll *poll)
{
    if (poll->state != POLL_STATE_OPEN || !poll->early_close || poll->settled ||
        !all_settled(poll)) {
        return CONCLAVE_OK;
    }
    poll->settled = true;
    uint64_t due_ms = poll->opened_at_ms + poll->min_open_ms;
    due_ms = due_ms > context->head.time_ms ? due_ms : context->head.time_ms;
    if (due_ms >= poll->due_ms) {
        return CONCLAVE_OK;
    }
    enum conclave_code code = poll_remove_due(context->transaction, poll);
    poll->due_ms = due_ms;
    return code == CONCLAVE_OK ? poll_put_due(context->transaction, poll) : code;
}

enum conclave_code poll_flush(struct model_context *context)
{
    struct poll *poll = context->poll;
    if (!poll->held || !poll->dirty) {
        return CONCLAVE_OK;
    }
    enum conclave_code code = note_settled(context, poll);
    if (code != CONCLAVE_OK) {
        return code;
    }
    buffer_clear(&context->record);
    poll_encode_progress(&context->record, poll);
    struct key key;
    key_of_u32(&key, KEY_PROGRESS, poll->number);
    code = store_put(context->transaction, &key, &context->record);
    poll->dirty = code != CONCLAVE_OK;
    return code;
}
