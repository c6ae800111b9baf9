/* Policies as maps and as records, and the presets. See policy.h. */
#include "model/policy.h"

static void write_fraction(struct buffer *buffer, const char *key, struct tally_fraction fraction,
                           const char *third)
{
    codec_write_text(buffer, key);
    codec_write_array(buffer, third == NULL ? 2 : 3);
    codec_write_u64(buffer, fraction.numerator);
    codec_write_u64(buffer, fraction.denominator);
    if (third != NULL) {
        codec_write_text(buffer, third);
    }
}

static void write_number(struct buffer *buffer, const char *key, uint64_t number)
{
    codec_write_text(buffer, key);
    codec_write_u64(buffer, number);
}

static void write_name(struct buffer *buffer, const char *key, const char *name)
{
    codec_write_text(buffer, key);
    codec_write_text(buffer, name);
}

static void write_veto(struct buffer *buffer, const struct policy *policy)
{
    const struct tally_rule *rule = &policy->rule;
    codec_write_text(buffer, "veto");
    codec_write_map(buffer, 6);
    codec_write_text(buffer, "class");
    codec_write_string(buffer, policy->veto_class);
    codec_write_text(buffer, "trigger");
    if (rule->trigger == TALLY_TRIGGER_EXPLICIT) {
        codec_write_text(buffer, "explicit");
    } else {
        codec_write_array(buffer, 2);
        codec_write_text(buffer, "score");
        codec_write_u64(buffer, rule->trigger_score);
    }
    write_number(buffer, "justification", policy->justification_min);
    write_name(buffer, "share_of", rule->veto_share_of == TALLY_OF_ROLL ? "roll" : "answered");
    write_fraction(buffer, "reject", rule->veto_reject, NULL);
    write_fraction(buffer, "revise", rule->veto_revise, NULL);
}

static void write_rationale(struct buffer *buffer, const struct policy *policy)
{
    static const char *const names[] = {"none", "optional", "required"};
    codec_write_text(buffer, "rationale");
    codec_write_map(buffer, 4);
    write_name(buffer, "mode", names[policy->rationale - RATIONALE_NONE]);
    write_number(buffer, "min", policy->rationale_min);
    write_number(buffer, "max", policy->rationale_max);
    codec_write_text(buffer, "sections");
    codec_write_array(buffer, policy->section_count);
    for (uint32_t i = 0; i < policy->section_count; i++) {
        codec_write_string(buffer, policy->sections[i]);
    }
}

static void write_method(struct buffer *buffer, const struct tally_rule *rule)
{
    static const char *const bases[] = {"decisive", "cast", "eligible"};
    if (rule->method == TALLY_YESNO) {
        write_name(buffer, "method", "yesno");
        write_name(buffer, "base", bases[rule->base - TALLY_DECISIVE]);
    } else {
        write_name(buffer, "method", "score");
        write_number(buffer, "min", rule->score_min);
        write_number(buffer, "max", rule->score_max);
    }
    write_fraction(buffer, "pass", rule->pass, rule->comparison == TALLY_GREATER ? ">" : ">=");
}

void policy_write(struct buffer *buffer, const struct policy *policy)
{
    const struct tally_rule *rule = &policy->rule;
    uint32_t pairs =
        rule->method == TALLY_YESNO ? 7 : 8; /* title, for, method.., pass, rationale, revote */
    pairs += rule->quorum != TALLY_QUORUM_NONE ? 1 : 0;
    pairs += rule->has_veto ? 1 : 0;
    pairs += rule->has_experts ? 1 : 0;
    pairs += policy->early_close ? 1 : 0;
    codec_write_map(buffer, pairs);
    codec_write_text(buffer, "title");
    codec_write_string(buffer, policy->title);
    codec_write_text(buffer, "for");
    codec_write_string(buffer, policy->purpose);
    write_method(buffer, rule);
    if (rule->quorum != TALLY_QUORUM_NONE) {
        write_fraction(buffer, "quorum", rule->quorum_share,
                       rule->quorum == TALLY_QUORUM_HEADS ? "heads" : "weight");
    }
    if (rule->has_veto) {
        write_veto(buffer, policy);
    }
    if (rule->has_experts) {
        codec_write_text(buffer, "experts");
        codec_write_map(buffer, 3);
        codec_write_text(buffer, "domain");
        codec_write_string(buffer, policy->expert_domain);
        write_number(buffer, "approvals", rule->expert_approvals);
        write_number(buffer, "objections", rule->expert_objections);
    }
    write_rationale(buffer, policy);
    write_name(buffer, "revote", policy->revote_allowed ? "allowed" : "final");
    if (policy->early_close) {
        codec_write_text(buffer, "early_close");
        codec_write_map(buffer, 1);
        write_number(buffer, "min_open_ms", policy->min_open_ms);
    }
}

/* --- Records. A gate that is absent has its fields all the same, as zeros. --- */

static void encode_fraction(struct buffer *buffer, struct tally_fraction fraction)
{
    encode_u32(buffer, fraction.numerator);
    encode_u32(buffer, fraction.denominator);
}

static struct tally_fraction decode_fraction(struct decoder *decoder)
{
    struct tally_fraction fraction;
    fraction.numerator = decode_u32(decoder);
    fraction.denominator = decode_u32(decoder);
    return fraction;
}

static void encode_rule(struct buffer *buffer, const struct tally_rule *rule)
{
    encode_u8(buffer, (uint8_t)rule->method);
    encode_u32(buffer, rule->score_min);
    encode_u32(buffer, rule->score_max);
    encode_u8(buffer, (uint8_t)rule->base);
    encode_fraction(buffer, rule->pass);
    encode_u8(buffer, (uint8_t)rule->comparison);
    encode_u8(buffer, (uint8_t)rule->quorum);
    encode_fraction(buffer, rule->quorum_share);
    encode_u8(buffer, rule->has_veto ? 1 : 0);
    encode_u8(buffer, (uint8_t)rule->trigger);
    encode_u32(buffer, rule->trigger_score);
    encode_u8(buffer, (uint8_t)rule->veto_share_of);
    encode_fraction(buffer, rule->veto_reject);
    encode_fraction(buffer, rule->veto_revise);
    encode_u8(buffer, rule->has_experts ? 1 : 0);
    encode_u32(buffer, rule->expert_approvals);
    encode_u32(buffer, rule->expert_objections);
}

static void decode_rule(struct decoder *decoder, struct tally_rule *rule)
{
    rule->method = decode_u8(decoder);
    rule->score_min = decode_u32(decoder);
    rule->score_max = decode_u32(decoder);
    rule->base = decode_u8(decoder);
    rule->pass = decode_fraction(decoder);
    rule->comparison = decode_u8(decoder);
    rule->quorum = decode_u8(decoder);
    rule->quorum_share = decode_fraction(decoder);
    rule->has_veto = decode_u8(decoder) != 0;
    rule->trigger = decode_u8(decoder);
    rule->trigger_score = decode_u32(decoder);
    rule->veto_share_of = decode_u8(decoder);
    rule->veto_reject = decode_fraction(decoder);
    rule->veto_revise = decode_fraction(decoder);
    rule->has_experts = decode_u8(decoder) != 0;
    rule->expert_approvals = decode_u32(decoder);
    rule->expert_objections = decode_u32(decoder);
}

void policy_encode(struct buffer *buffer, const struct policy *policy)
{
    encode_slice(buffer, policy->title);
    encode_slice(buffer, policy->purpose);
    encode_rule(buffer, &policy->rule);
    encode_slice(buffer, policy->veto_class);
    encode_u32(buffer, policy->justification_min);
    encode_slice(buffer, policy->expert_domain);
    encode_u8(buffer, (uint8_t)policy->rationale);
    encode_u32(buffer, policy->rationale_min);
    encode_u32(buffer, policy->rationale_max);
    ASSERT(policy->section_count <= LIMIT_SECTIONS);
    encode_u8(buffer, (uint8_t)policy->section_count);
    for (uint32_t i = 0; i < policy->section_count; i++) {
        encode_slice(buffer, policy->sections[i]);
    }
    encode_u8(buffer, policy->revote_allowed ? 1 : 0);
    encode_u8(buffer, policy->early_close ? 1 : 0);
    encode_u64(buffer, policy->min_open_ms);
}

void policy_decode(struct decoder *decoder, struct policy *policy)
{
    *policy = (struct policy){0};
    policy->title = decode_slice(decoder);
    policy->purpose = decode_slice(decoder);
    decode_rule(decoder, &policy->rule);
    policy->veto_class = decode_slice(decoder);
    policy->justification_min = decode_u32(decoder);
    policy->expert_domain = decode_slice(decoder);
    policy->rationale = decode_u8(decoder);
    policy->rationale_min = decode_u32(decoder);
    policy->rationale_max = decode_u32(decoder);
    policy->section_count = decode_u8(decoder);
    if (policy->section_count > LIMIT_SECTIONS) {
        policy->section_count = 0;
        decoder->failed = true;
    }
    for (uint32_t i = 0; i < policy->section_count; i++) {
        policy->sections[i] = decode_slice(decoder);
    }
    policy->revote_allowed = decode_u8(decoder) != 0;
    policy->early_close = decode_u8(decoder) != 0;
    policy->min_open_ms = decode_u64(decoder);
    const char *why;
    if (policy->rationale < RATIONALE_NONE || policy->rationale > RATIONALE_REQUIRED ||
        !tally_rule_valid(&policy->rule, &why)) {
        decoder->failed = true;
    }
}

/* --- Presets --- */

#define TEXT(text_)                                                 \
    {                                                               \
        .data = (const uint8_t *)(text_), .size = sizeof(text_) - 1 \
    }
#define HALF_OF_HEADS .quorum = TALLY_QUORUM_HEADS, .quorum_share = {1, 2}
#define COMMON \
    .rationale = RATIONALE_OPTIONAL, .rationale_max = LIMIT_RATIONALE_BYTES, .revote_allowed = true

static const struct policy_preset presets[] = {
    {"simple-majority",
     {.title = TEXT("Simple majority"),
      .purpose = TEXT("routine proposals"),
      .rule = {.method = TALLY_YESNO,
               .base = TALLY_DECISIVE,
               .pass = {1, 2},
               .comparison = TALLY_GREATER,
               HALF_OF_HEADS},
      COMMON}},
    {"super-majority-80",
     {.title = TEXT("Super majority of 80 in 100"),
      .purpose = TEXT("architecture"),
      .rule = {.method = TALLY_YESNO,
               .base = TALLY_DECISIVE,
               .pass = {80, 100},
               .comparison = TALLY_AT_LEAST,
               HALF_OF_HEADS},
      COMMON}},
    /* Everybody answers and nobody says no: yes >= 1 because nothing of nothing never passes. */
    {"unanimous",
     {.title = TEXT("Unanimous"),
      .purpose = TEXT("breaking changes and security"),
      .rule = {.method = TALLY_YESNO,
               .base = TALLY_DECISIVE,
               .pass = {1, 1},
               .comparison = TALLY_AT_LEAST,
               .quorum = TALLY_QUORUM_HEADS,
               .quorum_share = {1, 1}},
      COMMON}},
    {"expert-review",
     {.title = TEXT("Simple majority with expert review"),
      .purpose = TEXT("technical proposals"),
      .rule = {.method = TALLY_YESNO,
               .base = TALLY_DECISIVE,
               .pass = {1, 2},
               .comparison = TALLY_GREATER,
               HALF_OF_HEADS,
               .has_experts = true,
               .expert_approvals = 2,
               .expert_objections = 0},
      .expert_domain = TEXT("technical"),
      COMMON}},
};

const struct policy_preset *policy_presets(size_t *count)
{
    *count = sizeof presets / sizeof presets[0];
    return presets;
}
