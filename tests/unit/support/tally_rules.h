/* Rules for tests of the count: the presets, and one for each part of a policy. */
#ifndef TESTS_UNIT_SUPPORT_TALLY_RULES_H
#define TESTS_UNIT_SUPPORT_TALLY_RULES_H

#include "tally/tally.h"

#define HALF_OF_HEADS .quorum = TALLY_QUORUM_HEADS, .quorum_share = {1, 2}
#define YESNO(base_, numerator_, denominator_, comparison_)                   \
    .method = TALLY_YESNO, .base = base_, .pass = {numerator_, denominator_}, \
    .comparison = comparison_
#define SCORE(min_, max_, numerator_, denominator_)              \
    .method = TALLY_SCORE, .score_min = min_, .score_max = max_, \
    .pass = {numerator_, denominator_}, .comparison = TALLY_AT_LEAST
#define HIVE_VETO(trigger_, share_of_)                                                     \
    .has_veto = true, .trigger = trigger_, .trigger_score = 2, .veto_share_of = share_of_, \
    .veto_reject = {80, 100}, .veto_revise = {50, 100}

static const struct tally_rule simple_majority = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                                  HALF_OF_HEADS};
static const struct tally_rule super_majority_80 = {YESNO(TALLY_DECISIVE, 80, 100, TALLY_AT_LEAST),
                                                    HALF_OF_HEADS};
static const struct tally_rule unanimous = {YESNO(TALLY_DECISIVE, 1, 1, TALLY_AT_LEAST),
                                            .quorum = TALLY_QUORUM_HEADS, .quorum_share = {1, 1}};
static const struct tally_rule expert_review = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                                HALF_OF_HEADS, .has_experts = true,
                                                .expert_approvals = 2, .expert_objections = 0};
static const struct tally_rule decisive = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER)};
static const struct tally_rule cast = {YESNO(TALLY_CAST, 1, 2, TALLY_GREATER)};
static const struct tally_rule eligible = {YESNO(TALLY_ELIGIBLE, 1, 2, TALLY_GREATER)};
static const struct tally_rule decisive_at_least_half = {
    YESNO(TALLY_DECISIVE, 1, 2, TALLY_AT_LEAST)};
static const struct tally_rule cast_at_least_half = {YESNO(TALLY_CAST, 50, 100, TALLY_AT_LEAST)};
static const struct tally_rule eligible_at_least_half = {
    YESNO(TALLY_ELIGIBLE, 1, 2, TALLY_AT_LEAST)};
static const struct tally_rule at_least_40 = {YESNO(TALLY_DECISIVE, 40, 100, TALLY_AT_LEAST)};
static const struct tally_rule at_least_nothing = {YESNO(TALLY_DECISIVE, 0, 1, TALLY_AT_LEAST)};
static const struct tally_rule cast_at_least_nothing = {YESNO(TALLY_CAST, 0, 1, TALLY_AT_LEAST)};
static const struct tally_rule eligible_at_least_nothing = {
    YESNO(TALLY_ELIGIBLE, 0, 1, TALLY_AT_LEAST)};
static const struct tally_rule more_than_nothing = {YESNO(TALLY_DECISIVE, 0, 1, TALLY_GREATER)};
static const struct tally_rule more_than_all = {YESNO(TALLY_DECISIVE, 1, 1, TALLY_GREATER)};
static const struct tally_rule third_of_weight = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                                  .quorum = TALLY_QUORUM_WEIGHT,
                                                  .quorum_share = {1, 3}};
static const struct tally_rule third_of_heads = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                                 .quorum = TALLY_QUORUM_HEADS,
                                                 .quorum_share = {1, 3}};
static const struct tally_rule score_60 = {SCORE(1, 10, 60, 100)};
static const struct tally_rule score_55 = {SCORE(1, 10, 55, 100)};
static const struct tally_rule score_70 = {SCORE(1, 10, 70, 100)};
static const struct tally_rule score_60_half = {SCORE(1, 10, 60, 100), HALF_OF_HEADS};
static const struct tally_rule score_from_0 = {SCORE(0, 10, 0, 1)};
static const struct tally_rule score_0_to_3 = {SCORE(0, 3, 2, 3)};
static const struct tally_rule hive = {SCORE(1, 10, 60, 100),
                                       HIVE_VETO(TALLY_TRIGGER_SCORE, TALLY_OF_ROLL)};
static const struct tally_rule hive_answered = {SCORE(1, 10, 60, 100),
                                                HIVE_VETO(TALLY_TRIGGER_SCORE, TALLY_OF_ANSWERED)};
static const struct tally_rule explicit_veto = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                                HIVE_VETO(TALLY_TRIGGER_EXPLICIT, TALLY_OF_ROLL)};
static const struct tally_rule all_gates = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                            HALF_OF_HEADS,
                                            HIVE_VETO(TALLY_TRIGGER_EXPLICIT, TALLY_OF_ROLL),
                                            .has_experts = true,
                                            .expert_approvals = 1,
                                            .expert_objections = 1};
static const struct tally_rule no_objections = {YESNO(TALLY_DECISIVE, 1, 2, TALLY_GREATER),
                                                .has_experts = true, .expert_approvals = 0,
                                                .expert_objections = 0};

#endif
