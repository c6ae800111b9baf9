/* Can further answers still change the outcome?
 *
 * It is enough to look at three completions: nobody else answers (now), everybody outstanding is in
 * favour, and everybody outstanding is against.
 *
 * - Support: a further answer in full favour (yes, or the greatest score) never lowers the share
 * and a further one in full disfavour (no, or the least score) never raises it, whatever its weight
 *   (the mediant of two fractions lies between them); anything else lies between. So the share of
 *   any completion lies between those of the last two, and so does whether it passes.
 * - Veto: a further veto never lowers the share, a further answer without one never raises it.
 * - Experts: a further approval helps, a further objection harms.
 * - Quorum: every answer helps; silence is its worst case, and it is met by both of the last two
 *   alike.
 *
 * If the three have one outcome, all completions have it. no_quorum: not met even when all answer.
 * Any other: the quorum is met now, so always; and then rejected_by_veto: even with the fewest
 * vetoes; to_revision: with the fewest and the most; failed: not with the most vetoes revised, not
 * with the greatest support passed; experts_missing and passed: not with the most vetoes revised,
 * passed even with the least support, and the experts' gate the same both ways. The converse is
 * plain, because the three are completions. */
#include "tally/tally.h"

#include "base/mutant.h"

static void assert_outstanding_fits(const struct tally *tally, const struct tally_rule *rule,
                                    const struct tally_roll *roll,
                                    const struct tally_outstanding *outstanding)
{
    ASSERT(outstanding->veto_heads <= outstanding->heads);
    ASSERT(outstanding->weight >= outstanding->heads);
    ASSERT(outstanding->weight <= roll->weight);
    ASSERT(!rule->has_veto ||
           outstanding->veto_heads + tally->veto_class_heads <= roll->veto_heads);
    ASSERT(!rule->has_experts || outstanding->expert_heads <= roll->expert_heads);
}

/* The tally if everybody outstanding were in favour. */
static struct tally all_in_favour(const struct tally *tally, const struct tally_rule *rule,
                                  const struct tally_outstanding *outstanding)
{
    struct tally then = *tally;
    if (rule->method == TALLY_SCORE) {
        then.scored_heads += outstanding->heads;
        then.scored_weight += outstanding->weight;
        then.score_sum += outstanding->weight * rule->score_max;
    } else {
        then.yes_heads += outstanding->heads;
        then.yes_weight += outstanding->weight;
    }
    if (rule->has_veto) {
        then.veto_class_heads += outstanding->veto_heads;
    }
    if (rule->has_experts) {
        then.approvals += outstanding->expert_heads;
    }
    return then;
}

/* The tally if everybody outstanding were against. A least score triggers any veto that scores
 * trigger. */
static struct tally all_against(const struct tally *tally, const struct tally_rule *rule,
                                const struct tally_outstanding *outstanding)
{
    struct tally then = *tally;
    if (rule->method == TALLY_SCORE) {
        then.scored_heads += outstanding->heads;
        then.scored_weight += outstanding->weight;
        then.score_sum += outstanding->weight * rule->score_min;
    } else {
        then.no_heads += outstanding->heads;
        then.no_weight += outstanding->weight;
    }
    if (rule->has_veto) {
        then.veto_class_heads += outstanding->veto_heads;
        then.veto_heads += outstanding->veto_heads;
    }
    if (rule->has_experts) {
        then.objections += outstanding->expert_heads;
    }
    return then;
}

bool tally_settled(const struct tally *tally, const struct tally_rule *rule,
                   const struct tally_roll *roll, const struct tally_outstanding *outstanding)
{
    ASSERT(tally != NULL && rule != NULL && roll != NULL && outstanding != NULL);
    assert_outstanding_fits(tally, rule, roll, outstanding);
    struct tally favour = all_in_favour(tally, rule, outstanding);
    struct tally against = all_against(tally, rule, outstanding);
    struct tally_verdict verdict_now, verdict_favour, verdict_against;
    tally_decide(tally, rule, roll, &verdict_now);
    tally_decide(&favour, rule, roll, &verdict_favour);
    tally_decide(&against, rule, roll, &verdict_against);
    return verdict_now.outcome == verdict_favour.outcome &&
           (MUTANT(26) || verdict_now.outcome == verdict_against.outcome);
}
