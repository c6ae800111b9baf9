/* See tally_record.h. */
#include "model/tally_record.h"

void tally_encode(struct buffer *buffer, const struct tally *tally)
{
    encode_u64(buffer, tally->yes_heads);
    encode_u64(buffer, tally->yes_weight);
    encode_u64(buffer, tally->no_heads);
    encode_u64(buffer, tally->no_weight);
    encode_u64(buffer, tally->abstain_heads);
    encode_u64(buffer, tally->abstain_weight);
    encode_u64(buffer, tally->scored_heads);
    encode_u64(buffer, tally->scored_weight);
    encode_u64(buffer, tally->score_sum);
    encode_u64(buffer, tally->veto_heads);
    encode_u64(buffer, tally->veto_class_heads);
    encode_u64(buffer, tally->approvals);
    encode_u64(buffer, tally->objections);
}

void tally_decode(struct decoder *decoder, struct tally *tally)
{
    tally->yes_heads = decode_u64(decoder);
    tally->yes_weight = decode_u64(decoder);
    tally->no_heads = decode_u64(decoder);
    tally->no_weight = decode_u64(decoder);
    tally->abstain_heads = decode_u64(decoder);
    tally->abstain_weight = decode_u64(decoder);
    tally->scored_heads = decode_u64(decoder);
    tally->scored_weight = decode_u64(decoder);
    tally->score_sum = decode_u64(decoder);
    tally->veto_heads = decode_u64(decoder);
    tally->veto_class_heads = decode_u64(decoder);
    tally->approvals = decode_u64(decoder);
    tally->objections = decode_u64(decoder);
}

/* The booleans of a verdict as bits of one byte. */
enum {
    SUPPORT_PASSES = 1,
    QUORUM_MET = 2,
    VETO_REJECTS = 4,
    VETO_REVISES = 8,
    EXPERTS_MET = 16
};

void verdict_encode(struct buffer *buffer, const struct tally_verdict *verdict)
{
    encode_u8(buffer, (uint8_t)verdict->outcome);
    encode_u64(buffer, verdict->support);
    encode_u64(buffer, verdict->support_of);
    encode_u64(buffer, verdict->quorum_have);
    encode_u64(buffer, verdict->quorum_of);
    encode_u64(buffer, verdict->veto_have);
    encode_u64(buffer, verdict->veto_of);
    encode_u64(buffer, verdict->approvals);
    encode_u64(buffer, verdict->objections);
    encode_u8(buffer, (uint8_t)((verdict->support_passes ? SUPPORT_PASSES : 0) |
                                (verdict->quorum_met ? QUORUM_MET : 0) |
                                (verdict->veto_rejects ? VETO_REJECTS : 0) |
                                (verdict->veto_revises ? VETO_REVISES : 0) |
                                (verdict->experts_met ? EXPERTS_MET : 0)));
}

void verdict_decode(struct decoder *decoder, struct tally_verdict *verdict)
{
    verdict->outcome = decode_u8(decoder);
    verdict->support = decode_u64(decoder);
    verdict->support_of = decode_u64(decoder);
    verdict->quorum_have = decode_u64(decoder);
    verdict->quorum_of = decode_u64(decoder);
    verdict->veto_have = decode_u64(decoder);
    verdict->veto_of = decode_u64(decoder);
    verdict->approvals = decode_u64(decoder);
    verdict->objections = decode_u64(decoder);
    uint8_t bits = decode_u8(decoder);
    verdict->support_passes = (bits & SUPPORT_PASSES) != 0;
    verdict->quorum_met = (bits & QUORUM_MET) != 0;
    verdict->veto_rejects = (bits & VETO_REJECTS) != 0;
    verdict->veto_revises = (bits & VETO_REVISES) != 0;
    verdict->experts_met = (bits & EXPERTS_MET) != 0;
    if (verdict->outcome < TALLY_PASSED || verdict->outcome > TALLY_CANCELLED) {
        decoder->failed = true;
    }
}
