/* Sums of answers, and the gates that decide. */
#include "tally/tally.h"

#include <conclave/limits.h>

#include "base/mutant.h"

/* Every figure of a tally. */
#define FIGURES(X)      \
    X(yes_heads)        \
    X(yes_weight)       \
    X(no_heads)         \
    X(no_weight)        \
    X(abstain_heads)    \
    X(abstain_weight)   \
    X(scored_heads)     \
    X(scored_weight)    \
    X(score_sum)        \
    X(veto_heads)       \
    X(veto_class_heads) \
    X(approvals)        \
    X(objections)

#define COUNT_ONE(figure) +1
_Static_assert(sizeof(struct tally) == sizeof(uint64_t) * (0 FIGURES(COUNT_ONE)),
               "FIGURES names every member of struct tally");

/* The weight of the largest roll there can be. */
#define ROLL_WEIGHT_MAX ((uint64_t)LIMIT_MEMBERS * LIMIT_WEIGHT)
_Static_assert(ROLL_WEIGHT_MAX <= INT64_MAX / LIMIT_SCORE, "the largest score_sum fits");

static void assert_fits(const struct tally_rule *rule, const struct tally_voter *voter,
                        const struct tally_answer *answer)
{
    ASSERT(rule != NULL && voter != NULL && answer != NULL);
    ASSERT(voter->weight >= 1 && voter->weight <= LIMIT_WEIGHT);
    ASSERT(voter->in_electorate || answer->choice == TALLY_NONE);
    if (answer->choice == TALLY_SCORED) {
        ASSERT(rule->method == TALLY_SCORE);
        ASSERT(answer->score >= rule->score_min && answer->score <= rule->score_max);
    }
    if (answer->choice == TALLY_YES || answer->choice == TALLY_NO) {
        ASSERT(rule->method == TALLY_YESNO);
    }
    if (answer->veto) {
        ASSERT(rule->has_veto && voter->in_veto_class && answer->choice != TALLY_NONE);
        ASSERT(rule->trigger != TALLY_TRIGGER_SCORE ||
               (answer->choice == TALLY_SCORED && answer->score <= rule->trigger_score));
    }
    ASSERT(answer->review == TALLY_REVIEW_NONE || rule->has_experts);
}

/* What one answer brings to a tally. */
static struct tally figures_of(const struct tally_rule *rule, const struct tally_voter *voter,
                               const struct tally_answer *answer)
{
    assert_fits(rule, voter, answer);
    struct tally figures = {0};
    switch (answer->choice) {
    case TALLY_NONE:
        break;
    case TALLY_ABSTAIN:
        figures.abstain_heads = 1;
        figures.abstain_weight = voter->weight;
        break;
    case TALLY_NO:
        figures.no_heads = 1;
        figures.no_weight = voter->weight;
        break;
    case TALLY_YES:
        figures.yes_heads = 1;
        figures.yes_weight = voter->weight;
        break;
    case TALLY_SCORED:
        figures.scored_heads = 1;
        figures.scored_weight = voter->weight;
        figures.score_sum = voter->weight * answer->score;
        break;
    default:
        UNREACHABLE("choice");
    }
    if (answer->choice != TALLY_NONE && rule->has_veto && voter->in_veto_class) {
        figures.veto_class_heads = 1;
        figures.veto_heads = answer->veto ? 1 : 0;
    }
    figures.approvals = answer->review == TALLY_APPROVE ? 1 : 0;
    figures.objections = answer->review == TALLY_OBJECT ? 1 : 0;
    return figures;
}

void tally_add(struct tally *tally, const struct tally_rule *rule, const struct tally_voter *voter,
               const struct tally_answer *answer)
{
    ASSERT(tally != NULL);
    struct tally figures = figures_of(rule, voter, answer);
#define ADD(figure) ASSERT(!__builtin_add_overflow(tally->figure, figures.figure, &tally->figure));
    FIGURES(ADD)
}

void tally_remove(struct tally *tally, const struct tally_rule *rule,
                  const struct tally_voter *voter, const struct tally_answer *answer)
{
    ASSERT(tally != NULL);
    struct tally figures = figures_of(rule, voter, answer);
#define SUBTRACT(figure) \
    ASSERT(!__builtin_sub_overflow(tally->figure, figures.figure, &tally->figure));
    FIGURES(SUBTRACT)
}

bool tally_share_reaches(uint64_t share, uint64_t of, struct tally_fraction fraction,
                         enum tally_comparison comparison)
{
    ASSERT(fraction.denominator > 0);
    ASSERT(comparison == TALLY_GREATER || comparison == TALLY_AT_LEAST);
    if (of == 0) {
        return false;
    }
    unsigned __int128 left = (unsigned __int128)share * fraction.denominator;
    unsigned __int128 right = (unsigned __int128)of * fraction.numerator;
    return comparison == TALLY_GREATER ? left > right : left >= right;
}

static void decide_support(const struct tally *tally, const struct tally_rule *rule,
                           const struct tally_roll *roll, struct tally_verdict *verdict)
{
    bool tie_matters = false;
    if (rule->method == TALLY_SCORE) {
        verdict->support = tally->score_sum;
        verdict->support_of = tally->scored_weight * rule->score_max;
    } else {
        verdict->support = tally->yes_weight;
        verdict->support_of = tally->yes_weight + tally->no_weight;
        if (rule->base == TALLY_CAST) {
            verdict->support_of += tally->abstain_weight;
        } else if (rule->base == TALLY_ELIGIBLE) {
            verdict->support_of = roll->weight;
        }
        /* Below one half a minority may carry, and a tie is more than was asked for. */
        tie_matters = (uint64_t)rule->pass.numerator * 2 >= rule->pass.denominator;
    }
    bool tie = !MUTANT(24) && tie_matters && tally->yes_weight == tally->no_weight;
    verdict->support_passes =
        verdict->support > 0 && !tie &&
        tally_share_reaches(verdict->support, verdict->support_of, rule->pass, rule->comparison);
}

static void decide_quorum(const struct tally *tally, const struct tally_rule *rule,
                          const struct tally_roll *roll, struct tally_verdict *verdict)
{
    uint64_t heads = tally->yes_heads + tally->no_heads + tally->scored_heads +
                     (MUTANT(25) ? 0 : tally->abstain_heads);
    uint64_t weight = tally->yes_weight + tally->no_weight + tally->abstain_weight +
                      tally->scored_weight;
    ASSERT(heads <= roll->heads && weight <= roll->weight);
    bool by_weight = rule->quorum == TALLY_QUORUM_WEIGHT;
    verdict->quorum_have = by_weight ? weight : heads;
    verdict->quorum_of = by_weight ? roll->weight : roll->heads;
    verdict->quorum_met = rule->quorum == TALLY_QUORUM_NONE ||
                          tally_share_reaches(verdict->quorum_have, verdict->quorum_of,
                                              rule->quorum_share, TALLY_AT_LEAST);
}

static void decide_veto(const struct tally *tally, const struct tally_rule *rule,
                        const struct tally_roll *roll, struct tally_verdict *verdict)
{
    if (!rule->has_veto) {
        return;
    }
    ASSERT(tally->veto_heads <= tally->veto_class_heads);
    ASSERT(tally->veto_class_heads <= roll->veto_heads && roll->veto_heads <= roll->heads);
    verdict->veto_have = tally->veto_heads;
    bool of_roll = MUTANT(23) || rule->veto_share_of == TALLY_OF_ROLL;
    verdict->veto_of = of_roll ? roll->veto_heads : tally->veto_class_heads;
    verdict->veto_rejects = tally_share_reaches(verdict->veto_have, verdict->veto_of,
                                                rule->veto_reject, TALLY_AT_LEAST);
    verdict->veto_revises = !verdict->veto_rejects &&
                            tally_share_reaches(verdict->veto_have, verdict->veto_of,
                                                rule->veto_revise, TALLY_AT_LEAST);
}

static void decide_experts(const struct tally *tally, const struct tally_rule *rule,
                           const struct tally_roll *roll, struct tally_verdict *verdict)
{
    verdict->approvals = tally->approvals;
    verdict->objections = tally->objections;
    ASSERT(!rule->has_experts || tally->approvals + tally->objections <= roll->expert_heads);
    verdict->experts_met = !rule->has_experts || (tally->approvals >= rule->expert_approvals &&
                                                  tally->objections <= rule->expert_objections);
}

void tally_decide(const struct tally *tally, const struct tally_rule *rule,
                  const struct tally_roll *roll, struct tally_verdict *verdict)
{
    ASSERT(tally != NULL && rule != NULL && roll != NULL && verdict != NULL);
    const char *why;
    ASSERT(tally_rule_valid(rule, &why));
    ASSERT(roll->heads <= LIMIT_MEMBERS && roll->weight <= ROLL_WEIGHT_MAX);
    *verdict = (struct tally_verdict){0};
    decide_quorum(tally, rule, roll, verdict);
    decide_veto(tally, rule, roll, verdict);
    decide_support(tally, rule, roll, verdict);
    decide_experts(tally, rule, roll, verdict);
    if (!verdict->quorum_met) {
        verdict->outcome = TALLY_NO_QUORUM;
    } else if (verdict->veto_rejects) {
        verdict->outcome = TALLY_REJECTED_BY_VETO;
    } else if (verdict->veto_revises) {
        verdict->outcome = TALLY_TO_REVISION;
    } else if (!verdict->support_passes) {
        verdict->outcome = TALLY_FAILED;
    } else if (!verdict->experts_met) {
        verdict->outcome = TALLY_EXPERTS_MISSING;
    } else {
        verdict->outcome = TALLY_PASSED;
    }
}
