/* The count at its edges: revotes, the largest poll there can be, exact comparisons past 64 bits,
 * rules that are not well formed, and answers that a caller must have refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <conclave/limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tally/tally.h"
#include "unit/support/tally_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void test_revote(void **state)
{
    (void)state;
    static const struct tally_voter ann = {
        .weight = 3, .in_electorate = true, .in_veto_class = true};
    static const struct tally_voter bob = {.weight = 2, .in_electorate = true};
    static const struct tally_answer low = {.choice = TALLY_SCORED, .score = 2, .veto = true};
    static const struct tally_answer high = {.choice = TALLY_SCORED, .score = 9};
    static const struct tally_answer abstain = {.choice = TALLY_ABSTAIN};
    static const struct tally_answer left_out = {.choice = TALLY_NONE};
    struct tally tally = {0};
    tally_add(&tally, &hive, &ann, &low);  /* 2 x 3 */
    tally_add(&tally, &hive, &bob, &high); /* 9 x 2 */
    assert_int_equal(tally.score_sum, 24);
    assert_int_equal(tally.scored_weight, 5);
    assert_int_equal(tally.veto_heads, 1);

    tally_remove(&tally, &hive, &ann, &low);
    tally_add(&tally, &hive, &ann, &high); /* 9 x 3 + 9 x 2 */
    assert_int_equal(tally.score_sum, 45);
    assert_int_equal(tally.scored_heads, 2);
    assert_int_equal(tally.veto_heads, 0);
    assert_int_equal(tally.veto_class_heads, 1);

    tally_remove(&tally, &hive, &ann, &high);
    tally_add(&tally, &hive, &ann, &abstain);
    tally_remove(&tally, &hive, &bob, &high);
    tally_add(&tally, &hive, &bob, &left_out); /* the second ballot left the question out */
    static const struct tally expected = {
        .abstain_heads = 1, .abstain_weight = 3, .veto_class_heads = 1};
    assert_memory_equal(&tally, &expected, sizeof(tally));

    tally_remove(&tally, &hive, &bob, &left_out);
    tally_remove(&tally, &hive, &ann, &abstain);
    static const struct tally nothing;
    assert_memory_equal(&tally, &nothing, sizeof(tally));
}

/* As many members as there can be, as heavy as they can be, with the greatest score there is. */
static void test_largest_poll(void **state)
{
    (void)state;
    static const struct tally_rule rule = {SCORE(0, LIMIT_SCORE, LIMIT_FRACTION, LIMIT_FRACTION)};
    static const struct tally_voter voter = {.weight = LIMIT_WEIGHT, .in_electorate = true};
    struct tally_answer answer = {.choice = TALLY_SCORED, .score = LIMIT_SCORE};
    static const struct tally_roll roll = {.heads = 1000000, .weight = 1000000000000000};
    struct tally tally = {0};
    for (uint32_t i = 0; i < LIMIT_MEMBERS - 1; i++) {
        tally_add(&tally, &rule, &voter, &answer);
    }
    answer.score = LIMIT_SCORE - 1;
    tally_add(&tally, &rule, &voter, &answer);
    struct tally_verdict verdict;
    char text[TALLY_TEXT_BYTES];
    tally_decide(&tally, &rule, &roll, &verdict);
    tally_explain(&verdict, &rule, text);
    assert_string_equal(text, "999999999000000000/1000000000000000000 >= 1000000/1000000: no");

    tally_remove(&tally, &rule, &voter, &answer);
    answer.score = LIMIT_SCORE;
    tally_add(&tally, &rule, &voter, &answer);
    tally_decide(&tally, &rule, &roll, &verdict);
    tally_explain(&verdict, &rule, text);
    assert_string_equal(text, "1000000000000000000/1000000000000000000 >= 1000000/1000000: yes");
    assert_int_equal(verdict.outcome, TALLY_PASSED);
}

static void test_share_reaches(void **state)
{
    (void)state;
    static const struct {
        uint64_t share, of;
        struct tally_fraction fraction;
        bool at_least, greater;
    } cases[] = {
        {57, 100, {60, 100}, false, false},
        {60, 100, {60, 100}, true, false},
        {61, 100, {60, 100}, true, true},
        {6, 10, {60, 100}, true, false},
        {1, 3, {333333, 1000000}, true, true},
        {1, 3, {333334, 1000000}, false, false},
        {2, 6, {1, 3}, true, false},
        {0, 0, {0, 1}, false, false}, /* of nothing */
        {0, 0, {1, 2}, false, false},
        {0, 5, {0, 1}, true, false},
        {5, 5, {1, 1}, true, false},
        /* products far past 64 bits: 2^64 - 1 is odd, half of it is 2^63 - 1/2 */
        {UINT64_MAX / 2, UINT64_MAX, {500000, 1000000}, false, false},
        {UINT64_MAX / 2 + 1, UINT64_MAX, {500000, 1000000}, true, true},
        {UINT64_MAX, UINT64_MAX, {1000000, 1000000}, true, false},
        {UINT64_MAX - 1, UINT64_MAX, {1000000, 1000000}, false, false},
        {UINT64_MAX - 1, UINT64_MAX, {999999, 1000000}, true, true},
        /* where doubles would say equal: 10^18 / 3 */
        {333333333333333333, 1000000000000000000, {1, 3}, false, false},
        {333333333333333334, 1000000000000000000, {1, 3}, true, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(
            tally_share_reaches(cases[i].share, cases[i].of, cases[i].fraction, TALLY_AT_LEAST),
            cases[i].at_least);
        assert_int_equal(
            tally_share_reaches(cases[i].share, cases[i].of, cases[i].fraction, TALLY_GREATER),
            cases[i].greater);
    }
}

static void test_rule_valid(void **state)
{
    (void)state;
    const char *why = NULL;
    const struct tally_rule *const valid[] = {
        &simple_majority,  &super_majority_80, &unanimous, &expert_review, &hive,
        &at_least_nothing, &more_than_all,     &all_gates, &hive_answered, &third_of_weight};
    for (size_t i = 0; i < COUNT(valid); i++) {
        assert_true(tally_rule_valid(valid[i], &why));
    }
#define BUT(base_rule, field_, value_)           \
    rule = base_rule;                            \
    rule.field_ = value_;                        \
    why = NULL;                                  \
    assert_false(tally_rule_valid(&rule, &why)); \
    assert_non_null(why)
    struct tally_rule rule;
    BUT(simple_majority, method, 0);
    BUT(simple_majority, method, 3);
    BUT(simple_majority, base, 0);
    BUT(simple_majority, base, 4);
    BUT(simple_majority, comparison, 0);
    BUT(simple_majority, comparison, 3);
    BUT(simple_majority, pass.denominator, 0);
    BUT(simple_majority, pass.denominator, LIMIT_FRACTION + 1);
    BUT(simple_majority, pass.numerator, 3); /* 3/2 */
    BUT(simple_majority, quorum, 3);
    BUT(simple_majority, quorum_share.denominator, 0);
    BUT(simple_majority, quorum_share.numerator, 3);
    BUT(score_60, score_min, 10); /* 10..10 */
    BUT(score_60, score_min, 11);
    BUT(score_60, score_max, LIMIT_SCORE + 1);
    BUT(hive, trigger, 0);
    BUT(hive, trigger_score, 0); /* below 1 */
    BUT(hive, trigger_score, 11);
    BUT(explicit_veto, trigger, TALLY_TRIGGER_SCORE); /* yesno has no scores */
    BUT(hive, veto_share_of, 0);
    BUT(hive, veto_share_of, 3);
    BUT(hive, veto_reject.numerator, 0);
    BUT(hive, veto_revise.numerator, 0);
    BUT(hive, veto_reject.numerator, 101);
    BUT(hive, veto_revise.numerator, 81); /* 81/100 > 80/100 */
    BUT(expert_review, expert_approvals, LIMIT_MEMBERS + 1);
    BUT(expert_review, expert_objections, LIMIT_MEMBERS + 1);
#undef BUT
    /* revise = reject: the veto only ever rejects. 4/5 = 80/100. */
    rule = hive;
    rule.veto_revise = (struct tally_fraction){4, 5};
    assert_true(tally_rule_valid(&rule, &why));
    /* what a method or an absent part does not use is not looked at */
    rule = simple_majority;
    rule.score_max = 5000;
    rule.veto_reject.denominator = 0;
    assert_true(tally_rule_valid(&rule, &why));
}

static void test_outcome_names(void **state)
{
    (void)state;
    assert_string_equal(tally_outcome_name(TALLY_PASSED), "passed");
    assert_string_equal(tally_outcome_name(TALLY_FAILED), "failed");
    assert_string_equal(tally_outcome_name(TALLY_NO_QUORUM), "no_quorum");
    assert_string_equal(tally_outcome_name(TALLY_REJECTED_BY_VETO), "rejected_by_veto");
    assert_string_equal(tally_outcome_name(TALLY_TO_REVISION), "to_revision");
    assert_string_equal(tally_outcome_name(TALLY_EXPERTS_MISSING), "experts_missing");
    assert_string_equal(tally_outcome_name(TALLY_CANCELLED), "cancelled");
    struct tally_verdict cancelled = {.outcome = TALLY_CANCELLED};
    char text[TALLY_TEXT_BYTES];
    tally_explain(&cancelled, &simple_majority, text);
    assert_string_equal(text, "cancelled");
}

/* The longest texts there can be fit. */
static void test_longest_text(void **state)
{
    (void)state;
    struct tally_rule rule = hive_answered;
    rule.pass = rule.quorum_share = rule.veto_reject =
        (struct tally_fraction){LIMIT_FRACTION, LIMIT_FRACTION};
    rule.expert_approvals = rule.expert_objections = UINT32_MAX;
    struct tally_verdict verdict = {.support = UINT64_MAX,
                                    .support_of = UINT64_MAX,
                                    .quorum_have = UINT64_MAX,
                                    .quorum_of = UINT64_MAX,
                                    .veto_have = UINT64_MAX,
                                    .veto_of = UINT64_MAX,
                                    .approvals = UINT64_MAX,
                                    .objections = UINT64_MAX};
    for (int outcome = TALLY_PASSED; outcome <= TALLY_CANCELLED; outcome++) {
        char text[TALLY_TEXT_BYTES];
        verdict.outcome = (enum tally_outcome)outcome;
        tally_explain(&verdict, &rule, text);
        assert_true(strlen(text) > 0 && strlen(text) < TALLY_TEXT_BYTES);
    }
}

/* --- What the caller must have refused ends the program instead of spoiling a count. --- */

static bool add_aborts(const struct tally_rule *rule, const struct tally_voter *voter,
                       const struct tally_answer *answer, bool removes)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit no_core = {0};
        setrlimit(RLIMIT_CORE, &no_core);
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        struct tally tally = {0};
        if (removes) {
            tally_remove(&tally, rule, voter, answer);
        } else {
            tally_add(&tally, rule, voter, answer);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void test_answers_that_do_not_fit_abort(void **state)
{
    (void)state;
    static const struct tally_voter member = {.weight = 1, .in_electorate = true};
    static const struct tally_voter of_class = {
        .weight = 1, .in_electorate = true, .in_veto_class = true};
    static const struct tally_voter outside = {.weight = 1};
    static const struct tally_voter too_light = {.in_electorate = true};
    static const struct tally_voter too_heavy = {.weight = LIMIT_WEIGHT + 1ull,
                                                 .in_electorate = true};
    static const struct tally_answer yes = {.choice = TALLY_YES};
    static const struct tally_answer seven = {.choice = TALLY_SCORED, .score = 7};
    static const struct tally_answer eleven = {.choice = TALLY_SCORED, .score = 11};
    static const struct tally_answer zero = {.choice = TALLY_SCORED, .score = 0};
    static const struct tally_answer veto_of_7 = {.choice = TALLY_SCORED, .score = 7, .veto = true};
    static const struct tally_answer veto_of_1 = {.choice = TALLY_SCORED, .score = 1, .veto = true};
    static const struct tally_answer no_veto = {.choice = TALLY_NO, .veto = true};
    static const struct tally_answer silent_veto = {.veto = true};
    static const struct tally_answer review = {.review = TALLY_APPROVE};
    const struct {
        const struct tally_rule *rule;
        const struct tally_voter *voter;
        const struct tally_answer *answer;
        bool removes, aborts;
    } cases[] = {
        {&decisive, &member, &yes, false, false},
        {&decisive, &member, &yes, true, true}, /* was never added */
        {&hive, &member, &yes, false, true},
        {&hive, &member, &seven, false, false},
        {&decisive, &member, &seven, false, true},
        {&hive, &member, &eleven, false, true},
        {&hive, &member, &zero, false, true},
        {&decisive, &outside, &yes, false, true},
        {&decisive, &too_light, &yes, false, true},
        {&decisive, &too_heavy, &yes, false, true},
        {&hive, &of_class, &veto_of_1, false, false},
        {&hive, &member, &veto_of_1, false, true},
        {&score_60, &of_class, &veto_of_1, false, true}, /* a rule without veto */
        {&hive, &of_class, &veto_of_7, false, true},
        {&explicit_veto, &of_class, &no_veto, false, false},
        {&explicit_veto, &of_class, &silent_veto, false, true},
        {&expert_review, &outside, &review, false, false},
        {&decisive, &outside, &review, false, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(
            add_aborts(cases[i].rule, cases[i].voter, cases[i].answer, cases[i].removes),
            cases[i].aborts);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revote),
        cmocka_unit_test(test_largest_poll),
        cmocka_unit_test(test_share_reaches),
        cmocka_unit_test(test_rule_valid),
        cmocka_unit_test(test_outcome_names),
        cmocka_unit_test(test_longest_text),
        cmocka_unit_test(test_answers_that_do_not_fit_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
