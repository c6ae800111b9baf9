/* The records of proposals and their stages. See proposal.h; proposal_apply.c has the commands. */
#include "model/proposal.h"

#include "model/events.h"
#include "model/proposal_record.h"

#define PROPOSAL_VERSION 1u
#define REVISION_VERSION 1u

static const char *const stage_names[] = {"submitted", "voting",   "accepted",
                                          "rejected",  "revision", "withdrawn"};

#define BIT(stage_) (1u << (stage_))

/* From each stage, the stages that may follow. Accepted and rejected go on only when a new poll
 * supersedes the decision. */
static const unsigned legal_next[] = {
    [PROPOSAL_SUBMITTED] = BIT(PROPOSAL_VOTING) | BIT(PROPOSAL_WITHDRAWN),
    [PROPOSAL_VOTING] = BIT(PROPOSAL_SUBMITTED) | BIT(PROPOSAL_ACCEPTED) | BIT(PROPOSAL_REJECTED) |
                        BIT(PROPOSAL_REVISION),
    [PROPOSAL_ACCEPTED] = BIT(PROPOSAL_VOTING),
    [PROPOSAL_REJECTED] = BIT(PROPOSAL_VOTING),
    [PROPOSAL_REVISION] = BIT(PROPOSAL_VOTING) | BIT(PROPOSAL_WITHDRAWN),
    [PROPOSAL_WITHDRAWN] = 0,
};

const char *proposal_stage_name(enum proposal_stage stage)
{
    ASSERT(stage >= PROPOSAL_SUBMITTED && stage <= PROPOSAL_WITHDRAWN);
    return stage_names[stage - 1];
}

int proposal_stage_from_name(struct slice name)
{
    for (int stage = PROPOSAL_SUBMITTED; stage <= PROPOSAL_WITHDRAWN; stage++) {
        if (slice_is_text(name, stage_names[stage - 1])) {
            return stage;
        }
    }
    return 0;
}

static bool stage_known(enum proposal_stage stage)
{
    return stage >= PROPOSAL_SUBMITTED && stage <= PROPOSAL_WITHDRAWN;
}

enum conclave_code proposal_decode(struct slice record, struct proposal *proposal)
{
    struct decoder decoder = decoder_of(record);
    uint8_t version = decode_u8(&decoder);
    proposal->number = decode_u32(&decoder);
    proposal->id = decode_slice(&decoder);
    proposal->author = decode_slice(&decoder);
    proposal->title = decode_slice(&decoder);
    proposal->category = decode_slice(&decoder);
    proposal->stage = decode_u8(&decoder);
    proposal->stage_before = decode_u8(&decoder);
    proposal->revision = decode_u32(&decoder);
    decode_bytes(&decoder, proposal->sha256, PROPOSAL_SHA256_BYTES);
    proposal->index = decode_u64(&decoder);
    proposal->time_ms = decode_u64(&decoder);
    proposal->poll = decode_slice(&decoder);
    bool whole = decoder_done(&decoder) && version == PROPOSAL_VERSION &&
                 stage_known(proposal->stage) && stage_known(proposal->stage_before);
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code proposal_load(struct kv_transaction *transaction, struct slice id,
                                 struct proposal *proposal)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    struct key key;
    key_of_id(&key, KEY_PROPOSAL, id);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    return code == CONCLAVE_OK ? proposal_decode(value, proposal) : code;
}

enum conclave_code proposal_load_copy(struct kv_transaction *transaction, struct slice id,
                                      struct buffer *copy, struct proposal *proposal)
{
    if (id.size == 0 || id.size > LIMIT_ID_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    struct key key;
    key_of_id(&key, KEY_PROPOSAL, id);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    buffer_append(copy, value.data, value.size);
    return copy->status == CONCLAVE_OK ? proposal_decode(buffer_slice(copy), proposal)
                                       : copy->status;
}

enum conclave_code proposal_revision_load(struct kv_transaction *transaction, uint32_t number,
                                          uint32_t revision, struct proposal_revision *out)
{
    struct key key;
    key_of_u32_u32(&key, KEY_REVISION, number, revision);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct decoder decoder = decoder_of(value);
    uint8_t version = decode_u8(&decoder);
    out->title = decode_slice(&decoder);
    out->category = decode_slice(&decoder);
    out->author = decode_slice(&decoder);
    decode_bytes(&decoder, out->sha256, PROPOSAL_SHA256_BYTES);
    out->index = decode_u64(&decoder);
    out->time_ms = decode_u64(&decoder);
    out->body_index = decode_u64(&decoder);
    out->body_position = decode_u32(&decoder);
    bool whole = decoder_done(&decoder) && version == REVISION_VERSION;
    return whole ? CONCLAVE_OK : CONCLAVE_CORRUPT;
}

enum conclave_code proposal_save(struct model_context *context, const struct proposal *proposal,
                                 enum proposal_stage stage_was)
{
    struct buffer *record = record_begin(context, PROPOSAL_VERSION);
    encode_u32(record, proposal->number);
    encode_slice(record, proposal->id);
    encode_slice(record, proposal->author);
    encode_slice(record, proposal->title);
    encode_slice(record, proposal->category);
    encode_u8(record, (uint8_t)proposal->stage);
    encode_u8(record, (uint8_t)proposal->stage_before);
    encode_u32(record, proposal->revision);
    encode_bytes(record, proposal->sha256, PROPOSAL_SHA256_BYTES);
    encode_u64(record, proposal->index);
    encode_u64(record, proposal->time_ms);
    encode_slice(record, proposal->poll);
    struct key key;
    key_of_id(&key, KEY_PROPOSAL, proposal->id);
    enum conclave_code code = store_put(context->transaction, &key, record);
    if (code == CONCLAVE_OK && stage_was != proposal->stage) {
        key_begin(&key, KEY_PROPOSAL_STAGE);
        key_u8(&key, (uint8_t)proposal->stage);
        key_bytes(&key, proposal->id);
        code = store_put_empty(context->transaction, &key);
        if (code == CONCLAVE_OK && stage_was != 0) {
            key.bytes[1] = (uint8_t)stage_was;
            code = store_remove(context->transaction, &key);
        }
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    return event_proposal_changed(context, proposal->id, proposal_stage_name(proposal->stage),
                                  proposal->revision);
}

enum conclave_code proposal_revision_save(struct model_context *context, uint32_t number,
                                          uint32_t revision, const struct proposal_revision *from)
{
    struct buffer *record = record_begin(context, REVISION_VERSION);
    encode_slice(record, from->title);
    encode_slice(record, from->category);
    encode_slice(record, from->author);
    encode_bytes(record, from->sha256, PROPOSAL_SHA256_BYTES);
    encode_u64(record, from->index);
    encode_u64(record, from->time_ms);
    encode_u64(record, from->body_index);
    encode_u32(record, from->body_position);
    struct key key;
    key_of_u32_u32(&key, KEY_REVISION, number, revision);
    return store_put(context->transaction, &key, record);
}

bool proposal_may_move(enum proposal_stage from, enum proposal_stage to)
{
    return (legal_next[from] & BIT(to)) != 0;
}

bool proposal_may_be_put(const struct proposal *proposal, bool supersedes)
{
    bool decided = proposal->stage == PROPOSAL_ACCEPTED || proposal->stage == PROPOSAL_REJECTED;
    return proposal_may_move(proposal->stage, PROPOSAL_VOTING) && (!decided || supersedes);
}

/* Where an outcome leads; 0: back to where it was before the vote. */
static enum proposal_stage stage_after(enum tally_outcome outcome)
{
    switch (outcome) {
    case TALLY_PASSED:
        return PROPOSAL_ACCEPTED;
    case TALLY_FAILED:
    case TALLY_REJECTED_BY_VETO:
        return PROPOSAL_REJECTED;
    case TALLY_TO_REVISION:
    case TALLY_EXPERTS_MISSING:
        return PROPOSAL_REVISION;
    case TALLY_NO_QUORUM:
    case TALLY_CANCELLED:
        return 0;
    }
    UNREACHABLE("outcome");
}

/* Loads, moves and saves: to VOTING in `poll`, or (poll empty) to where `outcome` leads. */
static enum conclave_code move_on(struct model_context *context, struct slice id, struct slice poll,
                                  enum tally_outcome outcome)
{
    struct buffer copy;
    buffer_init(&copy, KV_VALUE_BYTES);
    struct proposal proposal;
    enum conclave_code code = proposal_load_copy(context->transaction, id, &copy, &proposal);
    if (code == CONCLAVE_NOT_FOUND) {
        code = CONCLAVE_CORRUPT;
    }
    if (code == CONCLAVE_OK) {
        enum proposal_stage was = proposal.stage;
        enum proposal_stage next = PROPOSAL_VOTING;
        if (poll.size > 0) {
            proposal.poll = poll;
            proposal.stage_before = was;
        } else {
            next = stage_after(outcome);
            next = next == 0 ? proposal.stage_before : next;
        }
        ASSERT(proposal_may_move(was, next));
        proposal.stage = next;
        code = proposal_save(context, &proposal, was);
    }
    buffer_close(&copy);
    return code;
}

enum conclave_code proposal_put_to_vote(struct model_context *context, struct slice id,
                                        struct slice poll)
{
    ASSERT(poll.size > 0);
    return move_on(context, id, poll, TALLY_CANCELLED);
}

enum conclave_code proposal_decided(struct model_context *context, struct slice id,
                                    enum tally_outcome outcome)
{
    return move_on(context, id, slice_of("", 0), outcome);
}
