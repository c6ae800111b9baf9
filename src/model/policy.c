/* Policies from maps. See policy.h; policy_write.c is the way back. */
#include "model/policy.h"

struct name_of {
    const char *name;
    int value;
};

static const struct name_of methods[] = {{"yesno", TALLY_YESNO}, {"score", TALLY_SCORE}};
static const struct name_of bases[] = {
    {"decisive", TALLY_DECISIVE}, {"cast", TALLY_CAST}, {"eligible", TALLY_ELIGIBLE}};
static const struct name_of comparisons[] = {{">", TALLY_GREATER}, {">=", TALLY_AT_LEAST}};
static const struct name_of quorums[] = {{"heads", TALLY_QUORUM_HEADS},
                                         {"weight", TALLY_QUORUM_WEIGHT}};
static const struct name_of shares[] = {{"roll", TALLY_OF_ROLL}, {"answered", TALLY_OF_ANSWERED}};
static const struct name_of modes[] = {
    {"none", RATIONALE_NONE}, {"optional", RATIONALE_OPTIONAL}, {"required", RATIONALE_REQUIRED}};
static const struct name_of revotes[] = {{"final", 0}, {"allowed", 1}};

#define COUNT_OF(array_) (sizeof(array_) / sizeof((array_)[0]))
#define FIELD(type_, name_, kind_, required_, member_)                       \
    {                                                                        \
        (name_), (kind_), (required_), offsetof(struct type_, member_), 0, 0 \
    }

/* Sets `value` by the name; BAD_VALUE when it is none of those. */
static enum conclave_code parse_name(struct model_context *context, const char *field,
                                     const struct name_of *names, size_t count, struct slice name,
                                     int *value)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is_text(name, names[i].name)) {
            *value = names[i].value;
            return CONCLAVE_OK;
        }
    }
    return refuse(context, CONCLAVE_BAD_VALUE, "policy: %s \"%.*s\" is not known", field,
                  TEXT_ARGUMENTS(name));
}

static enum conclave_code parse_number(struct model_context *context, const char *field,
                                       uint64_t number, uint32_t most, uint32_t *value)
{
    if (number > most) {
        return refuse(context, CONCLAVE_BAD_VALUE, "policy: %s %llu is more than %u", field,
                      (unsigned long long)number, most);
    }
    *value = (uint32_t)number;
    return CONCLAVE_OK;
}

/* [numerator, denominator] at the start of an array of `count` elements. */
static enum conclave_code parse_fraction(struct model_context *context, const char *field,
                                         const msgpack_object *array, uint32_t count,
                                         struct tally_fraction *fraction,
                                         const msgpack_object **items)
{
    uint32_t found;
    uint64_t numerator;
    uint64_t denominator;
    if (codec_get_array(array, count, count, items, &found) != CONCLAVE_OK ||
        codec_get_u64(&(*items)[0], &numerator) != CONCLAVE_OK ||
        codec_get_u64(&(*items)[1], &denominator) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_REQUEST,
                      "policy: %s is not an array of %u that starts with numerator and denominator",
                      field, count);
    }
    if (denominator < 1 || denominator > LIMIT_FRACTION || numerator > denominator) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: %s %llu/%llu is not a share: 0 <= numerator <= denominator, "
                      "1 <= denominator <= %u",
                      field, (unsigned long long)numerator, (unsigned long long)denominator,
                      LIMIT_FRACTION);
    }
    *fraction = (struct tally_fraction){.numerator = (uint32_t)numerator,
                                        .denominator = (uint32_t)denominator};
    return CONCLAVE_OK;
}

/* [numerator, denominator, name]. */
static enum conclave_code parse_named_fraction(struct model_context *context, const char *field,
                                               const msgpack_object *array,
                                               const struct name_of *names, size_t count,
                                               struct tally_fraction *fraction, int *value)
{
    const msgpack_object *items;
    struct slice name;
    enum conclave_code code = parse_fraction(context, field, array, 3, fraction, &items);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (codec_get_string(&items[2], &name) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_REQUEST, "policy: the third part of %s is not a string",
                      field);
    }
    return parse_name(context, field, names, count, name, value);
}

static enum conclave_code parse_label(struct model_context *context, const char *field,
                                      struct slice label)
{
    if (envelope_label_valid(label)) {
        return CONCLAVE_OK;
    }
    return refuse(context, CONCLAVE_BAD_VALUE,
                  "policy: %s \"%.*s\" is not a label: 1 to %u letters, digits and _ - . :", field,
                  TEXT_ARGUMENTS(label), LIMIT_LABEL_BYTES);
}

static enum conclave_code parse_trigger(struct model_context *context,
                                        const msgpack_object *trigger, struct policy *policy)
{
    struct slice name;
    if (codec_get_string(trigger, &name) == CONCLAVE_OK && slice_is_text(name, "explicit")) {
        policy->rule.trigger = TALLY_TRIGGER_EXPLICIT;
        return CONCLAVE_OK;
    }
    const msgpack_object *items;
    uint32_t count;
    uint64_t score;
    if (codec_get_array(trigger, 2, 2, &items, &count) != CONCLAVE_OK ||
        codec_get_string(&items[0], &name) != CONCLAVE_OK || !slice_is_text(name, "score") ||
        codec_get_u64(&items[1], &score) != CONCLAVE_OK) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: veto.trigger is neither \"explicit\" nor [\"score\", k]");
    }
    if (policy->rule.method != TALLY_SCORE) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: veto.trigger by score needs the method score");
    }
    policy->rule.trigger = TALLY_TRIGGER_SCORE;
    return parse_number(context, "veto.trigger", score, LIMIT_SCORE, &policy->rule.trigger_score);
}

struct veto_map {
    struct slice class;
    const msgpack_object *trigger;
    uint64_t justification;
    struct slice share_of;
    const msgpack_object *reject;
    const msgpack_object *revise;
};

static enum conclave_code parse_veto(struct model_context *context, const msgpack_object *map,
                                     struct policy *policy)
{
    static const struct codec_field fields[] = {
        FIELD(veto_map, "class", CODEC_STRING, true, class),
        FIELD(veto_map, "trigger", CODEC_ANY, true, trigger),
        FIELD(veto_map, "justification", CODEC_U64, false, justification),
        FIELD(veto_map, "share_of", CODEC_STRING, true, share_of),
        FIELD(veto_map, "reject", CODEC_ARRAY, true, reject),
        FIELD(veto_map, "revise", CODEC_ARRAY, true, revise),
    };
    struct veto_map veto = {0};
    const msgpack_object *items;
    int share_of = 0;
    enum conclave_code code =
        codec_decode_map(map, fields, COUNT_OF(fields), true, &veto, &context->error);
    if (code == CONCLAVE_OK) {
        code = parse_label(context, "veto.class", veto.class);
    }
    if (code == CONCLAVE_OK) {
        code = parse_trigger(context, veto.trigger, policy);
    }
    if (code == CONCLAVE_OK) {
        code = parse_number(context, "veto.justification", veto.justification,
                            LIMIT_RATIONALE_BYTES, &policy->justification_min);
    }
    if (code == CONCLAVE_OK) {
        code = parse_name(context, "veto.share_of", shares, COUNT_OF(shares), veto.share_of,
                          &share_of);
    }
    if (code == CONCLAVE_OK) {
        code = parse_fraction(context, "veto.reject", veto.reject, 2, &policy->rule.veto_reject,
                              &items);
    }
    if (code == CONCLAVE_OK) {
        code = parse_fraction(context, "veto.revise", veto.revise, 2, &policy->rule.veto_revise,
                              &items);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (policy->rule.veto_reject.numerator == 0 || policy->rule.veto_revise.numerator == 0) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: veto.reject and veto.revise need a numerator of at least 1");
    }
    policy->rule.has_veto = true;
    policy->rule.veto_share_of = (enum tally_share_of)share_of;
    policy->veto_class = veto.class;
    return CONCLAVE_OK;
}

struct experts_map {
    struct slice domain;
    uint64_t approvals;
    uint64_t objections;
};

static enum conclave_code parse_experts(struct model_context *context, const msgpack_object *map,
                                        struct policy *policy)
{
    static const struct codec_field fields[] = {
        FIELD(experts_map, "domain", CODEC_STRING, true, domain),
        FIELD(experts_map, "approvals", CODEC_U64, true, approvals),
        FIELD(experts_map, "objections", CODEC_U64, true, objections),
    };
    struct experts_map experts = {0};
    enum conclave_code code =
        codec_decode_map(map, fields, COUNT_OF(fields), true, &experts, &context->error);
    if (code == CONCLAVE_OK) {
        code = parse_label(context, "experts.domain", experts.domain);
    }
    if (code == CONCLAVE_OK) {
        code = parse_number(context, "experts.approvals", experts.approvals, LIMIT_MEMBERS,
                            &policy->rule.expert_approvals);
    }
    if (code == CONCLAVE_OK) {
        code = parse_number(context, "experts.objections", experts.objections, LIMIT_MEMBERS,
                            &policy->rule.expert_objections);
    }
    policy->rule.has_experts = code == CONCLAVE_OK;
    policy->expert_domain = experts.domain;
    return code;
}

struct rationale_map {
    struct slice mode;
    uint64_t min;
    uint64_t max;
    const msgpack_object *sections;
};

static enum conclave_code parse_sections(struct model_context *context, const msgpack_object *array,
                                         struct policy *policy)
{
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(array, 0, UINT32_MAX, &items, &count) != CONCLAVE_OK ||
        count > LIMIT_SECTIONS) {
        return refuse(context, CONCLAVE_LIMIT_REACHED,
                      "policy: rationale.sections has more than %u sections", LIMIT_SECTIONS);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (codec_get_string(&items[i], &policy->sections[i]) != CONCLAVE_OK) {
            return refuse(context, CONCLAVE_BAD_REQUEST,
                          "policy: rationale.sections: expected strings");
        }
        enum conclave_code code = check_text(context, "policy: a section of the rationale",
                                             policy->sections[i], 1, LIMIT_TITLE_BYTES);
        if (code != CONCLAVE_OK) {
            return code;
        }
    }
    policy->section_count = count;
    return CONCLAVE_OK;
}

static enum conclave_code parse_rationale(struct model_context *context, const msgpack_object *map,
                                          struct policy *policy)
{
    static const struct codec_field fields[] = {
        FIELD(rationale_map, "mode", CODEC_STRING, true, mode),
        FIELD(rationale_map, "min", CODEC_U64, false, min),
        FIELD(rationale_map, "max", CODEC_U64, false, max),
        FIELD(rationale_map, "sections", CODEC_ARRAY, false, sections),
    };
    struct rationale_map rationale = {.max = LIMIT_RATIONALE_BYTES};
    int mode = 0;
    enum conclave_code code =
        codec_decode_map(map, fields, COUNT_OF(fields), true, &rationale, &context->error);
    if (code == CONCLAVE_OK) {
        code = parse_name(context, "rationale.mode", modes, COUNT_OF(modes), rationale.mode, &mode);
    }
    if (code == CONCLAVE_OK) {
        code = parse_number(context, "rationale.min", rationale.min, LIMIT_RATIONALE_BYTES,
                            &policy->rationale_min);
    }
    if (code == CONCLAVE_OK) {
        code = parse_number(context, "rationale.max", rationale.max, LIMIT_RATIONALE_BYTES,
                            &policy->rationale_max);
    }
    if (code == CONCLAVE_OK && rationale.sections != NULL) {
        code = parse_sections(context, rationale.sections, policy);
    }
    if (code == CONCLAVE_OK && policy->rationale_min > policy->rationale_max) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: rationale.min %u is above rationale.max %u", policy->rationale_min,
                      policy->rationale_max);
    }
    policy->rationale = (enum rationale_mode)mode;
    return code;
}

struct policy_map {
    struct slice title;
    struct slice purpose;
    struct slice method;
    uint64_t min;
    uint64_t max;
    struct slice base;
    const msgpack_object *pass;
    const msgpack_object *quorum;
    const msgpack_object *veto;
    const msgpack_object *experts;
    const msgpack_object *rationale;
    struct slice revote;
    const msgpack_object *early_close;
};

/* Method, range and base: what belongs to one method only is refused with the other. */
static enum conclave_code parse_method(struct model_context *context, const struct policy_map *map,
                                       struct policy *policy)
{
    int method = 0;
    int base = TALLY_DECISIVE;
    enum conclave_code code =
        parse_name(context, "method", methods, COUNT_OF(methods), map->method, &method);
    if (code != CONCLAVE_OK) {
        return code;
    }
    policy->rule.method = (enum tally_method)method;
    bool has_min = map->min != UINT64_MAX;
    bool has_max = map->max != UINT64_MAX;
    if (method == TALLY_YESNO) {
        if (has_min || has_max) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "policy: min and max belong to the method score");
        }
        if (map->base.data != NULL) {
            code = parse_name(context, "base", bases, COUNT_OF(bases), map->base, &base);
        }
        policy->rule.base = (enum tally_base)base;
        return code;
    }
    if (map->base.data != NULL) {
        return refuse(context, CONCLAVE_BAD_VALUE, "policy: base belongs to the method yesno");
    }
    if (!has_min || !has_max) {
        return refuse(context, CONCLAVE_BAD_VALUE, "policy: the method score needs min and max");
    }
    if (map->min >= map->max || map->max > LIMIT_SCORE) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: the range %llu..%llu is not within 0 <= min < max <= %u",
                      (unsigned long long)map->min, (unsigned long long)map->max, LIMIT_SCORE);
    }
    policy->rule.base = TALLY_DECISIVE;
    policy->rule.score_min = (uint32_t)map->min;
    policy->rule.score_max = (uint32_t)map->max;
    return CONCLAVE_OK;
}

static enum conclave_code parse_gates(struct model_context *context, const struct policy_map *map,
                                      struct policy *policy)
{
    int comparison = 0;
    int quorum = TALLY_QUORUM_NONE;
    enum conclave_code code = parse_named_fraction(context, "pass", map->pass, comparisons,
                                                   COUNT_OF(comparisons), &policy->rule.pass,
                                                   &comparison);
    if (code == CONCLAVE_OK && map->quorum != NULL) {
        code = parse_named_fraction(context, "quorum", map->quorum, quorums, COUNT_OF(quorums),
                                    &policy->rule.quorum_share, &quorum);
    }
    policy->rule.comparison = (enum tally_comparison)comparison;
    policy->rule.quorum = (enum tally_quorum)quorum;
    if (code == CONCLAVE_OK && map->veto != NULL) {
        code = parse_veto(context, map->veto, policy);
    }
    if (code == CONCLAVE_OK && map->experts != NULL) {
        code = parse_experts(context, map->experts, policy);
    }
    return code;
}

struct early_close_map {
    uint64_t min_open_ms;
};

static enum conclave_code parse_conduct(struct model_context *context, const struct policy_map *map,
                                        struct policy *policy)
{
    static const struct codec_field fields[] = {
        FIELD(early_close_map, "min_open_ms", CODEC_U64, true, min_open_ms)};
    int revote_allowed = 1;
    enum conclave_code code = CONCLAVE_OK;
    if (map->rationale != NULL) {
        code = parse_rationale(context, map->rationale, policy);
    }
    if (code == CONCLAVE_OK && map->revote.data != NULL) {
        code =
            parse_name(context, "revote", revotes, COUNT_OF(revotes), map->revote, &revote_allowed);
    }
    policy->revote_allowed = revote_allowed != 0;
    if (code != CONCLAVE_OK || map->early_close == NULL) {
        return code;
    }
    struct early_close_map early = {0};
    code =
        codec_decode_map(map->early_close, fields, COUNT_OF(fields), true, &early, &context->error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (policy->revote_allowed) {
        return refuse(context, CONCLAVE_BAD_VALUE, "policy: early_close needs revote \"final\"");
    }
    if (early.min_open_ms > LIMIT_POLL_DURATION_MS) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: early_close.min_open_ms %llu is more than %llu",
                      (unsigned long long)early.min_open_ms, LIMIT_POLL_DURATION_MS);
    }
    policy->early_close = true;
    policy->min_open_ms = early.min_open_ms;
    return CONCLAVE_OK;
}

/* What only shows when all is read. */
static enum conclave_code check_whole(struct model_context *context, const struct policy *policy)
{
    if (policy->rule.has_veto && policy->rationale != RATIONALE_NONE &&
        policy->justification_min > policy->rationale_max) {
        return refuse(context, CONCLAVE_BAD_VALUE,
                      "policy: veto.justification %u is above rationale.max %u",
                      policy->justification_min, policy->rationale_max);
    }
    const char *why = "";
    if (!tally_rule_valid(&policy->rule, &why)) {
        return refuse(context, CONCLAVE_BAD_VALUE, "policy: %s", why);
    }
    return CONCLAVE_OK;
}

enum conclave_code policy_parse(struct model_context *context, const msgpack_object *map,
                                struct policy *policy)
{
    static const struct codec_field fields[] = {
        FIELD(policy_map, "title", CODEC_STRING, false, title),
        FIELD(policy_map, "for", CODEC_STRING, false, purpose),
        FIELD(policy_map, "method", CODEC_STRING, true, method),
        FIELD(policy_map, "min", CODEC_U64, false, min),
        FIELD(policy_map, "max", CODEC_U64, false, max),
        FIELD(policy_map, "base", CODEC_STRING, false, base),
        FIELD(policy_map, "pass", CODEC_ARRAY, true, pass),
        FIELD(policy_map, "quorum", CODEC_ARRAY, false, quorum),
        FIELD(policy_map, "veto", CODEC_MAP, false, veto),
        FIELD(policy_map, "experts", CODEC_MAP, false, experts),
        FIELD(policy_map, "rationale", CODEC_MAP, false, rationale),
        FIELD(policy_map, "revote", CODEC_STRING, false, revote),
        FIELD(policy_map, "early_close", CODEC_MAP, false, early_close),
    };
    *policy = (struct policy){.rationale = RATIONALE_OPTIONAL,
                              .rationale_max = LIMIT_RATIONALE_BYTES,
                              .revote_allowed = true};
    struct policy_map parts = {.min = UINT64_MAX, .max = UINT64_MAX};
    enum conclave_code code =
        codec_decode_map(map, fields, COUNT_OF(fields), true, &parts, &context->error);
    if (code == CONCLAVE_OK) {
        code = check_text(context, "policy: title", parts.title, 0, LIMIT_TITLE_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = check_text(context, "policy: for", parts.purpose, 0, LIMIT_TITLE_BYTES);
    }
    if (code == CONCLAVE_OK) {
        code = parse_method(context, &parts, policy);
    }
    if (code == CONCLAVE_OK) {
        code = parse_gates(context, &parts, policy);
    }
    if (code == CONCLAVE_OK) {
        code = parse_conduct(context, &parts, policy);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    policy->title = parts.title;
    policy->purpose = parts.purpose;
    return check_whole(context, policy);
}
