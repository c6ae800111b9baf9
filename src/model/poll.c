/* The records of polls. See poll.h; poll_hold.c keeps the poll at hand. */
#include "model/poll.h"

#include "base/memory.h"
#include "model/poll_record.h"
#include "model/tally_record.h"

#define POLL_VERSION     1u
#define PROGRESS_VERSION 1u

const char *poll_state_name(enum poll_state state)
{
    static const char *const names[] = {"open", "closed", "cancelled"};
    ASSERT(state >= POLL_STATE_OPEN && state <= POLL_STATE_CANCELLED);
    return names[state - POLL_STATE_OPEN];
}

const char *poll_closed_by_name(enum poll_closed_by by)
{
    static const char *const names[] = {NULL, "deadline", "settled", "chair", "cancelled"};
    ASSERT(by <= POLL_BY_CANCEL);
    return names[by];
}

struct poll *poll_new(void)
{
    struct poll *poll = memory_allocate_zeroed(1, sizeof *poll);
    if (poll != NULL) {
        buffer_init(&poll->bytes, KV_VALUE_BYTES);
        buffer_init(&poll->progress_bytes, KV_VALUE_BYTES);
    }
    return poll;
}

void poll_free(struct poll *poll)
{
    if (poll != NULL) {
        buffer_close(&poll->bytes);
        buffer_close(&poll->progress_bytes);
        memory_free(poll);
    }
}

void poll_clear(struct poll *poll)
{
    ASSERT(!poll->dirty);
    struct buffer bytes = poll->bytes;
    struct buffer progress_bytes = poll->progress_bytes;
    memset(poll, 0, sizeof *poll);
    poll->bytes = bytes;
    poll->progress_bytes = progress_bytes;
}

enum conclave_code poll_find(struct kv_transaction *transaction, struct slice id, uint32_t *number)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    struct key key;
    key_of_id(&key, KEY_POLL_ID, id);
    return store_get_u32(transaction, &key, number);
}

/* --- The record POLL --- */

static void encode_question(struct buffer *buffer, const struct poll_question *question)
{
    encode_slice(buffer, question->id);
    encode_slice(buffer, question->title);
    encode_slice(buffer, question->proposal);
    encode_u32(buffer, question->proposal_revision);
    encode_slice(buffer, question->policy_id);
    encode_u32(buffer, question->policy_version);
    encode_slice(buffer, question->supersedes);
    encode_u8(buffer, question->veto_label);
    encode_u8(buffer, question->expert_label);
    policy_encode(buffer, &question->policy);
}

static void decode_question(struct decoder *decoder, struct poll *poll,
                            struct poll_question *question)
{
    question->id = decode_slice(decoder);
    question->title = decode_slice(decoder);
    question->proposal = decode_slice(decoder);
    question->proposal_revision = decode_u32(decoder);
    question->policy_id = decode_slice(decoder);
    question->policy_version = decode_u32(decoder);
    question->supersedes = decode_slice(decoder);
    question->veto_label = decode_u8(decoder);
    question->expert_label = decode_u8(decoder);
    policy_decode(decoder, &question->policy);
    bool veto_known = question->policy.rule.has_veto ? question->veto_label < poll->veto_class_count
                                                     : question->veto_label == POLL_NO_LABEL;
    bool expert_known = question->policy.rule.has_experts
                            ? question->expert_label < poll->domain_count
                            : question->expert_label == POLL_NO_LABEL;
    if (!veto_known || !expert_known) {
        decoder->failed = true;
    }
}

static void encode_roll_labels(struct buffer *buffer, uint32_t count, const struct slice *labels,
                               const uint64_t *heads)
{
    encode_u8(buffer, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++) {
        encode_slice(buffer, labels[i]);
        encode_u64(buffer, heads[i]);
    }
}

static uint32_t decode_roll_labels(struct decoder *decoder, struct slice *labels, uint64_t *heads)
{
    uint32_t count = decode_u8(decoder);
    if (count > LIMIT_QUESTIONS) {
        decoder->failed = true;
        return 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        labels[i] = decode_slice(decoder);
        heads[i] = decode_u64(decoder);
    }
    return count;
}

void poll_encode(struct buffer *buffer, const struct poll *poll)
{
    encode_u8(buffer, POLL_VERSION);
    encode_u32(buffer, poll->number);
    encode_slice(buffer, poll->id);
    encode_slice(buffer, poll->title);
    encode_slice(buffer, poll->author);
    encode_u64(buffer, poll->index);
    encode_u64(buffer, poll->opened_at_ms);
    encode_u64(buffer, poll->closes_at_ms);
    encode_u8(buffer, poll->imported ? 1 : 0);
    encode_slice(buffer, poll->imported_source);
    encode_bytes(buffer, poll->imported_sha256, POLL_SHA256_BYTES);
    labels_encode(buffer, &poll->electorate);
    encode_u8(buffer, poll->early_close ? 1 : 0);
    encode_u64(buffer, poll->min_open_ms);
    encode_u64(buffer, poll->roll_heads);
    encode_u64(buffer, poll->roll_weight);
    encode_roll_labels(buffer, poll->veto_class_count, poll->veto_classes, poll->veto_heads);
    encode_roll_labels(buffer, poll->domain_count, poll->domains, poll->expert_heads);
    ASSERT(poll->question_count > 0 && poll->question_count <= LIMIT_QUESTIONS);
    encode_u8(buffer, (uint8_t)poll->question_count);
    for (uint32_t i = 0; i < poll->question_count; i++) {
        encode_question(buffer, &poll->questions[i]);
    }
}

enum conclave_code poll_decode(struct poll *poll, struct slice record)
{
    buffer_clear(&poll->bytes);
    buffer_append(&poll->bytes, record.data, record.size);
    if (poll->bytes.status != CONCLAVE_OK) {
        return poll->bytes.status;
    }
    struct decoder decoder = decoder_of(buffer_slice(&poll->bytes));
    if (decode_u8(&decoder) != POLL_VERSION) {
        return CONCLAVE_CORRUPT;
    }
    poll->number = decode_u32(&decoder);
    poll->id = decode_slice(&decoder);
    poll->title = decode_slice(&decoder);
    poll->author = decode_slice(&decoder);
    poll->index = decode_u64(&decoder);
    poll->opened_at_ms = decode_u64(&decoder);
    poll->closes_at_ms = decode_u64(&decoder);
    poll->imported = decode_u8(&decoder) != 0;
    poll->imported_source = decode_slice(&decoder);
    decode_bytes(&decoder, poll->imported_sha256, POLL_SHA256_BYTES);
    labels_decode(&decoder, &poll->electorate);
    poll->early_close = decode_u8(&decoder) != 0;
    poll->min_open_ms = decode_u64(&decoder);
    poll->roll_heads = decode_u64(&decoder);
    poll->roll_weight = decode_u64(&decoder);
    poll->veto_class_count = decode_roll_labels(&decoder, poll->veto_classes, poll->veto_heads);
    poll->domain_count = decode_roll_labels(&decoder, poll->domains, poll->expert_heads);
    poll->question_count = decode_u8(&decoder);
    if (poll->question_count == 0 || poll->question_count > LIMIT_QUESTIONS) {
        return CONCLAVE_CORRUPT;
    }
    for (uint32_t i = 0; i < poll->question_count; i++) {
        decode_question(&decoder, poll, &poll->questions[i]);
    }
    return decoder_done(&decoder) ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

/* --- The record PROGRESS --- */

void poll_encode_progress(struct buffer *buffer, const struct poll *poll)
{
    encode_u8(buffer, PROGRESS_VERSION);
    encode_u8(buffer, (uint8_t)poll->state);
    encode_u8(buffer, (uint8_t)poll->closed_by);
    encode_u64(buffer, poll->closed_at_ms);
    encode_u64(buffer, poll->closed_index);
    encode_slice(buffer, poll->reason);
    encode_u64(buffer, poll->due_ms);
    encode_u8(buffer, poll->settled ? 1 : 0);
    encode_u32(buffer, poll->voters);
    encode_u64(buffer, poll->cast_heads);
    encode_u64(buffer, poll->cast_weight);
    for (uint32_t i = 0; i < poll->question_count; i++) {
        tally_encode(buffer, &poll->counts[i].tally);
        encode_u64(buffer, poll->counts[i].veto_heads);
        encode_u64(buffer, poll->counts[i].expert_heads);
    }
}

static enum conclave_code decode_progress(struct poll *poll, struct slice record)
{
    buffer_clear(&poll->progress_bytes);
    buffer_append(&poll->progress_bytes, record.data, record.size);
    if (poll->progress_bytes.status != CONCLAVE_OK) {
        return poll->progress_bytes.status;
    }
    struct decoder decoder = decoder_of(buffer_slice(&poll->progress_bytes));
    uint8_t version = decode_u8(&decoder);
    poll->state = decode_u8(&decoder);
    poll->closed_by = decode_u8(&decoder);
    poll->closed_at_ms = decode_u64(&decoder);
    poll->closed_index = decode_u64(&decoder);
    poll->reason = decode_slice(&decoder);
    poll->due_ms = decode_u64(&decoder);
    poll->settled = decode_u8(&decoder) != 0;
    poll->voters = decode_u32(&decoder);
    poll->cast_heads = decode_u64(&decoder);
    poll->cast_weight = decode_u64(&decoder);
    for (uint32_t i = 0; i < poll->question_count; i++) {
        tally_decode(&decoder, &poll->counts[i].tally);
        poll->counts[i].veto_heads = decode_u64(&decoder);
        poll->counts[i].expert_heads = decode_u64(&decoder);
    }
    bool whole = decoder_done(&decoder) && version == PROGRESS_VERSION &&
                 poll->state >= POLL_STATE_OPEN && poll->state <= POLL_STATE_CANCELLED &&
                 poll->closed_by <= POLL_BY_CANCEL;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code poll_load(struct kv_transaction *transaction, uint32_t number, struct poll *poll)
{
    ASSERT(!poll->dirty);
    poll->held = false;
    struct key key;
    struct slice value;
    key_of_u32(&key, KEY_POLL, number);
    enum conclave_code code = store_get_known(transaction, &key, &value);
    if (code == CONCLAVE_OK) {
        code = poll_decode(poll, value);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    key_of_u32(&key, KEY_PROGRESS, number);
    code = store_get_known(transaction, &key, &value);
    if (code == CONCLAVE_OK) {
        code = decode_progress(poll, value);
    }
    poll->held = code == CONCLAVE_OK;
    return code;
}

/* --- Sums --- */

struct tally_roll poll_question_roll(const struct poll *poll, uint32_t question)
{
    ASSERT(question < poll->question_count);
    const struct poll_question *asked = &poll->questions[question];
    struct tally_roll roll = {.heads = poll->roll_heads, .weight = poll->roll_weight};
    if (asked->veto_label != POLL_NO_LABEL) {
        roll.veto_heads = poll->veto_heads[asked->veto_label];
    }
    if (asked->expert_label != POLL_NO_LABEL) {
        roll.expert_heads = poll->expert_heads[asked->expert_label];
    }
    return roll;
}

struct tally_outstanding poll_question_outstanding(const struct poll *poll, uint32_t question)
{
    struct tally_roll roll = poll_question_roll(poll, question);
    const struct poll_count *count = &poll->counts[question];
    ASSERT(poll->cast_heads <= roll.heads && poll->cast_weight <= roll.weight);
    ASSERT(count->veto_heads <= roll.veto_heads && count->expert_heads <= roll.expert_heads);
    return (struct tally_outstanding){.heads = roll.heads - poll->cast_heads,
                                      .weight = roll.weight - poll->cast_weight,
                                      .veto_heads = roll.veto_heads - count->veto_heads,
                                      .expert_heads = roll.expert_heads - count->expert_heads};
}

uint32_t poll_question_find(const struct poll *poll, struct slice id)
{
    for (uint32_t i = 0; i < poll->question_count; i++) {
        if (slice_equal(poll->questions[i].id, id)) {
            return i;
        }
    }
    return UINT32_MAX;
}
