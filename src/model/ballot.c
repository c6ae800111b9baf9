/* The records of ballots. See ballot.h; ballot_apply.c has the command. */
#include "model/ballot.h"

#define BALLOT_VERSION      1u
#define BALLOT_HEADER_BYTES 34u
#define BALLOT_ANSWER_BYTES 4u

enum {
    BALLOT_HAS_CLAIMED = 1
};

/* An answer in 32 bits: choice (3), veto (1), review (2), unused (10), score (16). */
static uint32_t pack_answer(const struct tally_answer *answer)
{
    ASSERT(answer->score <= LIMIT_SCORE);
    return (uint32_t)answer->choice | (answer->veto ? 1u : 0u) << 3 |
           (uint32_t)answer->review << 4 | answer->score << 16;
}

static bool unpack_answer(uint32_t packed, struct tally_answer *answer)
{
    answer->choice = packed & 7u;
    answer->veto = (packed >> 3 & 1u) != 0;
    answer->review = packed >> 4 & 3u;
    answer->score = packed >> 16;
    return answer->choice <= TALLY_SCORED && answer->review <= TALLY_OBJECT &&
           answer->score <= LIMIT_SCORE && (packed >> 6 & 0x3ffu) == 0;
}

enum conclave_code ballot_decode(struct slice record, struct ballot *ballot)
{
    const uint8_t *bytes = record.data;
    if (record.size < BALLOT_HEADER_BYTES || bytes[0] != BALLOT_VERSION ||
        (record.size - BALLOT_HEADER_BYTES) % BALLOT_ANSWER_BYTES != 0) {
        return CONCLAVE_CORRUPT;
    }
    size_t count = (record.size - BALLOT_HEADER_BYTES) / BALLOT_ANSWER_BYTES;
    if (count < 1 || count > LIMIT_QUESTIONS) {
        return CONCLAVE_CORRUPT;
    }
    ballot->has_claimed = (bytes[1] & BALLOT_HAS_CLAIMED) != 0;
    ballot->index = load_be64(bytes + 2);
    ballot->position = load_be32(bytes + 10);
    ballot->time_ms = load_be64(bytes + 14);
    ballot->number = load_be32(bytes + 22);
    ballot->claimed_at_ms = load_be64(bytes + 26);
    ballot->answer_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *packed = bytes + BALLOT_HEADER_BYTES + i * BALLOT_ANSWER_BYTES;
        if (!unpack_answer(load_be32(packed), &ballot->answers[i])) {
            return CONCLAVE_CORRUPT;
        }
    }
    return CONCLAVE_OK;
}

enum conclave_code ballot_load(struct kv_transaction *transaction, uint32_t poll, uint32_t member,
                               struct ballot *ballot)
{
    struct key key;
    key_of_u32_u32(&key, KEY_BALLOT, poll, member);
    struct slice value;
    enum conclave_code code = store_get(transaction, &key, &value);
    return code == CONCLAVE_OK ? ballot_decode(value, ballot) : code;
}

enum conclave_code ballot_save(struct model_context *context, uint32_t poll, uint32_t member,
                               const struct ballot *ballot)
{
    ASSERT(ballot->answer_count >= 1 && ballot->answer_count <= LIMIT_QUESTIONS);
    uint8_t bytes[BALLOT_HEADER_BYTES + LIMIT_QUESTIONS * BALLOT_ANSWER_BYTES];
    bytes[0] = BALLOT_VERSION;
    bytes[1] = ballot->has_claimed ? BALLOT_HAS_CLAIMED : 0;
    store_be64(bytes + 2, ballot->index);
    store_be32(bytes + 10, ballot->position);
    store_be64(bytes + 14, ballot->time_ms);
    store_be32(bytes + 22, ballot->number);
    store_be64(bytes + 26, ballot->claimed_at_ms);
    for (uint32_t i = 0; i < ballot->answer_count; i++) {
        store_be32(bytes + BALLOT_HEADER_BYTES + i * BALLOT_ANSWER_BYTES,
                   pack_answer(&ballot->answers[i]));
    }
    size_t size = BALLOT_HEADER_BYTES + ballot->answer_count * BALLOT_ANSWER_BYTES;
    struct key key;
    key_of_u32_u32(&key, KEY_BALLOT, poll, member);
    return kv_put(context->transaction, key_slice(&key), slice_of(bytes, size));
}
