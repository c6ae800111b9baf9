/* Is a rule well formed? Policies come from outside: each refusal says what is wrong. */
#include "tally/tally.h"

#include <conclave/limits.h>

static bool fraction_valid(struct tally_fraction fraction)
{
    return fraction.denominator >= 1 && fraction.denominator <= LIMIT_FRACTION &&
           fraction.numerator <= fraction.denominator;
}

/* What is wrong with how support is measured; NULL when nothing is. */
static const char *support_fault(const struct tally_rule *rule)
{
    if (rule->method != TALLY_YESNO && rule->method != TALLY_SCORE) {
        return "the method is neither yesno nor score";
    }
    if (rule->method == TALLY_SCORE && rule->score_min >= rule->score_max) {
        return "the least score is not below the greatest";
    }
    if (rule->method == TALLY_SCORE && rule->score_max > LIMIT_SCORE) {
        return "the greatest score is over the limit of 1000";
    }
    if (rule->method == TALLY_YESNO && rule->base != TALLY_DECISIVE && rule->base != TALLY_CAST &&
        rule->base != TALLY_ELIGIBLE) {
        return "the base is none of decisive, cast and eligible";
    }
    if (!fraction_valid(rule->pass)) {
        return "the fraction to pass is not between 0 and 1 with a denominator of 1 to 1000000";
    }
    if (rule->comparison != TALLY_GREATER && rule->comparison != TALLY_AT_LEAST) {
        return "the comparison is neither > nor >=";
    }
    return NULL;
}

static const char *quorum_fault(const struct tally_rule *rule)
{
    if (rule->quorum == TALLY_QUORUM_NONE) {
        return NULL;
    }
    if (rule->quorum != TALLY_QUORUM_HEADS && rule->quorum != TALLY_QUORUM_WEIGHT) {
        return "the quorum is neither of heads nor of weight";
    }
    if (!fraction_valid(rule->quorum_share)) {
        return "the quorum is not between 0 and 1 with a denominator of 1 to 1000000";
    }
    return NULL;
}

static const char *veto_fault(const struct tally_rule *rule)
{
    if (!rule->has_veto) {
        return NULL;
    }
    if (rule->trigger != TALLY_TRIGGER_EXPLICIT && rule->trigger != TALLY_TRIGGER_SCORE) {
        return "the veto's trigger is neither explicit nor a score";
    }
    if (rule->trigger == TALLY_TRIGGER_SCORE && rule->method != TALLY_SCORE) {
        return "a score can trigger a veto only where the method is score";
    }
    if (rule->trigger == TALLY_TRIGGER_SCORE &&
        (rule->trigger_score < rule->score_min || rule->trigger_score > rule->score_max)) {
        return "the score that triggers a veto is outside the range of scores";
    }
    if (rule->veto_share_of != TALLY_OF_ROLL && rule->veto_share_of != TALLY_OF_ANSWERED) {
        return "the veto's share is neither of the roll nor of those who answered";
    }
    if (!fraction_valid(rule->veto_reject) || !fraction_valid(rule->veto_revise)) {
        return "a veto's threshold is not between 0 and 1 with a denominator of 1 to 1000000";
    }
    if (rule->veto_reject.numerator == 0 || rule->veto_revise.numerator == 0) {
        return "a veto's threshold of 0 would need no veto";
    }
    if ((uint64_t)rule->veto_revise.numerator * rule->veto_reject.denominator >
        (uint64_t)rule->veto_reject.numerator * rule->veto_revise.denominator) {
        return "the veto's threshold for revision is above the one for rejection";
    }
    return NULL;
}

static const char *experts_fault(const struct tally_rule *rule)
{
    if (rule->has_experts &&
        (rule->expert_approvals > LIMIT_MEMBERS || rule->expert_objections > LIMIT_MEMBERS)) {
        return "the expert gate asks for more experts than there can be members";
    }
    return NULL;
}

bool tally_rule_valid(const struct tally_rule *rule, const char **why)
{
    ASSERT(rule != NULL && why != NULL);
    const char *fault = support_fault(rule);
    fault = fault != NULL ? fault : quorum_fault(rule);
    fault = fault != NULL ? fault : veto_fault(rule);
    fault = fault != NULL ? fault : experts_fault(rule);
    if (fault != NULL) {
        *why = fault;
    }
    return fault == NULL;
}
