/* Policies, once more: what policy.put says, read again without the product's code. */
#include "sim/sim_policy.h"

#include "sim/sim_unpack.h"

void sim_model_name(char name[SIM_NAME], const msgpack_object *value)
{
    struct slice text = unpack_bytes(value);
    ASSERT(text.size < SIM_NAME);
    memset(name, 0, SIM_NAME);
    memcpy(name, text.data, text.size);
}

struct sim_policy *sim_policy_of(struct sim_model *model, struct slice id)
{
    for (unsigned i = 0; i < model->policy_count; i++) {
        if (slice_is_text(id, model->policies[i].id)) {
            return &model->policies[i];
        }
    }
    return NULL;
}

static struct sim_share share_of(const msgpack_object *array)
{
    return (struct sim_share){unpack_u64(unpack_item(array, 0), 0),
                              unpack_u64(unpack_item(array, 1), 1)};
}

static void set_veto(struct sim_rule *rule, const msgpack_object *veto)
{
    if (veto == NULL) {
        return;
    }
    rule->veto = true;
    sim_model_name(rule->veto_class, unpack_get(veto, "class"));
    const msgpack_object *trigger = unpack_get(veto, "trigger");
    rule->veto_explicit = unpack_is(trigger, "explicit");
    rule->veto_score = unpack_u64(unpack_item(trigger, 1), 0);
    rule->justification = unpack_u64(unpack_get(veto, "justification"), 0);
    rule->veto_of_roll = unpack_is(unpack_get(veto, "share_of"), "roll");
    rule->reject = share_of(unpack_get(veto, "reject"));
    rule->revise = share_of(unpack_get(veto, "revise"));
}

const char *sim_policy_put(struct sim_model *model, const msgpack_object *body)
{
    struct sim_policy *policy = sim_policy_of(model, unpack_bytes(unpack_get(body, "id")));
    if (policy == NULL) {
        ASSERT(model->policy_count < SIM_MEMBERS);
        policy = &model->policies[model->policy_count++];
        sim_model_name(policy->id, unpack_get(body, "id"));
    }
    const msgpack_object *map = unpack_get(body, "policy");
    struct sim_rule rule = {.base = 'd', .max = 1};
    rule.score = unpack_is(unpack_get(map, "method"), "score");
    rule.min = unpack_u64(unpack_get(map, "min"), 0);
    rule.max = unpack_u64(unpack_get(map, "max"), 1);
    if (unpack_get(map, "base") != NULL) {
        rule.base = (char)unpack_bytes(unpack_get(map, "base")).data[0];
    }
    rule.pass = share_of(unpack_get(map, "pass"));
    rule.at_least = unpack_is(unpack_item(unpack_get(map, "pass"), 2), ">=");
    const msgpack_object *quorum = unpack_get(map, "quorum");
    if (quorum != NULL) {
        rule.quorum = (char)unpack_bytes(unpack_item(quorum, 2)).data[0];
        rule.quorum_share = share_of(quorum);
    }
    set_veto(&rule, unpack_get(map, "veto"));
    const msgpack_object *experts = unpack_get(map, "experts");
    if (experts != NULL) {
        rule.experts = true;
        sim_model_name(rule.domain, unpack_get(experts, "domain"));
        rule.approvals = unpack_u64(unpack_get(experts, "approvals"), 0);
        rule.objections = unpack_u64(unpack_get(experts, "objections"), 0);
    }
    rule.required = unpack_is(unpack_get(unpack_get(map, "rationale"), "mode"), "required");
    rule.final = unpack_is(unpack_get(map, "revote"), "final");
    const msgpack_object *early = unpack_get(map, "early_close");
    rule.early = early != NULL;
    rule.min_open_ms = unpack_u64(unpack_get(early, "min_open_ms"), 0);
    policy->rule = rule;
    return "ok";
}
