/* Policies. */
#include "audit/rule.h"

#include "base/memory.h"

#define POLICIES_FIRST_CAPACITY 16u

/* docs/SEMANTICS.md, "Presets". */
static const struct audit_policy presets[] = {
    {"expert-review",
     1,
     {.pass = {1, 2},
      .quorum = AUDIT_QUORUM_HEADS,
      .quorum_share = {1, 2},
      .experts = true,
      .domain = "technical",
      .approvals = 2,
      .objections = 0}},
    {"simple-majority", 1, {.pass = {1, 2}, .quorum = AUDIT_QUORUM_HEADS, .quorum_share = {1, 2}}},
    {"super-majority-80",
     1,
     {.pass = {80, 100}, .at_least = true, .quorum = AUDIT_QUORUM_HEADS, .quorum_share = {1, 2}}},
    {"unanimous",
     1,
     {.pass = {1, 1}, .at_least = true, .quorum = AUDIT_QUORUM_HEADS, .quorum_share = {1, 1}}},
};

enum conclave_code audit_policies_open(struct audit_policies *policies)
{
    *policies = (struct audit_policies){
        .all = memory_allocate(POLICIES_FIRST_CAPACITY * sizeof *policies->all),
        .capacity = POLICIES_FIRST_CAPACITY,
        .count = sizeof presets / sizeof presets[0]};
    if (policies->all == NULL) {
        *policies = (struct audit_policies){0};
        return CONCLAVE_NO_MEMORY;
    }
    memcpy(policies->all, presets, sizeof presets);
    return CONCLAVE_OK;
}

void audit_policies_close(struct audit_policies *policies)
{
    memory_free(policies->all);
    *policies = (struct audit_policies){0};
}

static struct audit_policy *find(const struct audit_policies *policies, struct slice id)
{
    for (size_t i = 0; i < policies->count; i++) {
        if (slice_is_text(id, policies->all[i].id)) {
            return &policies->all[i];
        }
    }
    return NULL;
}

const struct audit_policy *audit_policies_find(const struct audit_policies *policies,
                                               struct slice id)
{
    return find(policies, id);
}

static struct audit_share share_of(const msgpack_object *array)
{
    return (struct audit_share){value_u64(value_item(array, 0), 0),
                                value_u64(value_item(array, 1), 1)};
}

/* False when it is longer than a label. */
static bool copy_label(char label[LIMIT_LABEL_BYTES + 1], const msgpack_object *value)
{
    struct slice text = value_bytes(value);
    if (text.size > LIMIT_LABEL_BYTES) {
        return false;
    }
    memset(label, 0, LIMIT_LABEL_BYTES + 1);
    memcpy(label, text.data, text.size);
    return true;
}

static bool read_veto(struct audit_rule *rule, const msgpack_object *veto)
{
    if (veto == NULL) {
        return true;
    }
    const msgpack_object *trigger = value_get(veto, "trigger");
    rule->veto = true;
    rule->veto_explicit = value_is(trigger, "explicit");
    rule->veto_score = value_u64(value_item(trigger, 1), 0);
    rule->justification_bytes = value_u64(value_get(veto, "justification"), 0);
    rule->veto_of_roll = value_is(value_get(veto, "share_of"), "roll");
    rule->reject = share_of(value_get(veto, "reject"));
    rule->revise = share_of(value_get(veto, "revise"));
    return copy_label(rule->veto_class, value_get(veto, "class"));
}

static bool read_experts(struct audit_rule *rule, const msgpack_object *experts)
{
    if (experts == NULL) {
        return true;
    }
    rule->experts = true;
    rule->approvals = value_u64(value_get(experts, "approvals"), 0);
    rule->objections = value_u64(value_get(experts, "objections"), 0);
    return copy_label(rule->domain, value_get(experts, "domain"));
}

static bool read_rule(struct audit_rule *rule, const msgpack_object *map)
{
    *rule = (struct audit_rule){.score = value_is(value_get(map, "method"), "score"),
                                .min = value_u64(value_get(map, "min"), 0),
                                .max = value_u64(value_get(map, "max"), 0),
                                .pass = share_of(value_get(map, "pass")),
                                .at_least = value_is(value_item(value_get(map, "pass"), 2), ">="),
                                .final = value_is(value_get(map, "revote"), "final")};
    const msgpack_object *base = value_get(map, "base");
    if (value_is(base, "cast")) {
        rule->base = AUDIT_BASE_CAST;
    } else if (value_is(base, "eligible")) {
        rule->base = AUDIT_BASE_ELIGIBLE;
    }
    const msgpack_object *quorum = value_get(map, "quorum");
    if (quorum != NULL) {
        rule->quorum = value_is(value_item(quorum, 2), "weight") ? AUDIT_QUORUM_WEIGHT
                                                                 : AUDIT_QUORUM_HEADS;
        rule->quorum_share = share_of(quorum);
    }
    const msgpack_object *early = value_get(map, "early_close");
    rule->early = early != NULL;
    rule->min_open_ms = value_u64(value_get(early, "min_open_ms"), 0);
    return read_veto(rule, value_get(map, "veto")) && read_experts(rule, value_get(map, "experts"));
}

static enum conclave_code grow(struct audit_policies *policies)
{
    if (policies->count < policies->capacity) {
        return CONCLAVE_OK;
    }
    struct audit_policy *all =
        memory_resize(policies->all, 2 * policies->capacity * sizeof *policies->all);
    if (all == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    policies->all = all;
    policies->capacity *= 2;
    return CONCLAVE_OK;
}

enum conclave_code audit_policies_put(struct audit_policies *policies, const msgpack_object *body)
{
    struct slice id = value_bytes(value_get(body, "id"));
    struct audit_rule rule;
    if (id.size == 0 || id.size > LIMIT_ID_BYTES || !read_rule(&rule, value_get(body, "policy"))) {
        return CONCLAVE_BAD_REQUEST;
    }
    struct audit_policy *policy = find(policies, id);
    if (policy == NULL) {
        enum conclave_code code = grow(policies);
        if (code != CONCLAVE_OK) {
            return code;
        }
        policy = &policies->all[policies->count++];
        *policy = (struct audit_policy){0};
        memcpy(policy->id, id.data, id.size);
    }
    policy->version++;
    policy->rule = rule;
    return CONCLAVE_OK;
}
