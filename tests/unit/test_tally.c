/* The counting rules, each as a table of polls with results counted by hand. tests/unit/support/
 * tally_notation.h explains how a poll is written; the text expected is the hand count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tally/tally.h"
#include "unit/support/tally_notation.h"
#include "unit/support/tally_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct poll_case {
    const struct tally_rule *rule;
    const char *poll;
    enum tally_outcome outcome;
    const char *text;
};

static void check_polls(const struct poll_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct notation poll;
        struct tally_verdict verdict;
        char text[TALLY_TEXT_BYTES];
        notation_read(cases[i].poll, cases[i].rule, &poll);
        tally_decide(&poll.tally, cases[i].rule, &poll.roll, &verdict);
        tally_explain(&verdict, cases[i].rule, text);
        if (verdict.outcome != cases[i].outcome || strcmp(text, cases[i].text) != 0) {
            print_message("\"%s\": %s, %s\n", cases[i].poll, tally_outcome_name(verdict.outcome),
                          text);
        }
        assert_string_equal(text, cases[i].text);
        assert_int_equal(verdict.outcome, cases[i].outcome);
    }
}

/* --- The presets. --- */

static void test_simple_majority(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        /* 3 yes, 2 no; 5 of 6 answered */
        {&simple_majority, "y y y n n -", TALLY_PASSED, "3/5 > 1/2: yes"},
        /* a tie */
        {&simple_majority, "y y n n", TALLY_FAILED, "2/4 > 1/2: no"},
        {&simple_majority, "y y n n n", TALLY_FAILED, "2/5 > 1/2: no"},
        /* 2 of 4 answered: exactly half is a quorum */
        {&simple_majority, "y y - -", TALLY_PASSED, "2/2 > 1/2: yes"},
        {&simple_majority, "y - -", TALLY_NO_QUORUM, "quorum 1/3 >= 1/2 of heads: no"},
        /* abstentions count for the quorum and not against the proposal */
        {&simple_majority, "y a - -", TALLY_PASSED, "1/1 > 1/2: yes"},
        {&simple_majority, "y y a a a n", TALLY_PASSED, "2/3 > 1/2: yes"},
        /* a question that a ballot leaves out has no answer there */
        {&simple_majority, "y _ _", TALLY_NO_QUORUM, "quorum 1/3 >= 1/2 of heads: no"},
        {&simple_majority, "a a a", TALLY_FAILED, "0/0 > 1/2: no"},
        {&simple_majority, "- - -", TALLY_NO_QUORUM, "quorum 0/3 >= 1/2 of heads: no"},
        {&simple_majority, "_ _ _", TALLY_NO_QUORUM, "quorum 0/3 >= 1/2 of heads: no"},
        {&simple_majority, "y", TALLY_PASSED, "1/1 > 1/2: yes"},
        {&simple_majority, "n", TALLY_FAILED, "0/1 > 1/2: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_super_majority(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&super_majority_80, "y y y y n", TALLY_PASSED, "4/5 >= 80/100: yes"},
        {&super_majority_80, "y y y n", TALLY_FAILED, "3/4 >= 80/100: no"},
        {&super_majority_80, "y y y y n a a", TALLY_PASSED, "4/5 >= 80/100: yes"},
        /* one part in a million on either side of the line */
        {&super_majority_80, "y*800000 n*200000", TALLY_PASSED, "800000/1000000 >= 80/100: yes"},
        {&super_majority_80, "y*799999 n*200001", TALLY_FAILED, "799999/1000000 >= 80/100: no"},
        {&super_majority_80, "y y y y - - - - -", TALLY_NO_QUORUM,
         "quorum 4/9 >= 1/2 of heads: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_unanimous(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&unanimous, "y y y", TALLY_PASSED, "3/3 >= 1/1: yes"},
        {&unanimous, "y y a", TALLY_PASSED, "2/2 >= 1/1: yes"}, /* abstaining does not block */
        {&unanimous, "y a a", TALLY_PASSED, "1/1 >= 1/1: yes"},
        {&unanimous, "y y -", TALLY_NO_QUORUM, "quorum 2/3 >= 1/1 of heads: no"},
        {&unanimous, "y y _", TALLY_NO_QUORUM, "quorum 2/3 >= 1/1 of heads: no"},
        {&unanimous, "y y n", TALLY_FAILED, "2/3 >= 1/1: no"},
        {&unanimous, "y*1000000000 y n", TALLY_FAILED, "1000000001/1000000002 >= 1/1: no"},
        {&unanimous, "a a a", TALLY_FAILED, "0/0 >= 1/1: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_expert_review(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&expert_review, "yE+ yE+ y", TALLY_PASSED, "3/3 > 1/2: yes"},
        {&expert_review, "yE+ yE y", TALLY_EXPERTS_MISSING,
         "experts: 1 of 2 approvals, 0 objections of at most 0: no"},
        {&expert_review, "y y y", TALLY_EXPERTS_MISSING,
         "experts: 0 of 2 approvals, 0 objections of at most 0: no"},
        {&expert_review, "yE+ yE+ yE+ yEx", TALLY_EXPERTS_MISSING,
         "experts: 3 of 2 approvals, 1 objections of at most 0: no"},
        /* experts outside the electorate review; they count neither for quorum nor for support */
        {&expert_review, "y y _oE+ _oE+", TALLY_PASSED, "2/2 > 1/2: yes"},
        {&expert_review, "y - - _oE+ _oE+", TALLY_NO_QUORUM, "quorum 1/3 >= 1/2 of heads: no"},
        /* a review is not a vote: an expert may vote no and approve, or leave the question out */
        {&expert_review, "y y nE+ _E+", TALLY_PASSED, "2/3 > 1/2: yes"},
        /* and never a weight */
        {&expert_review, "n n yE+*1 yE+*1", TALLY_FAILED, "2/4 > 1/2: no"},
        {&expert_review, "yE+*9 y", TALLY_EXPERTS_MISSING,
         "experts: 1 of 2 approvals, 0 objections of at most 0: no"},
        {&no_objections, "y", TALLY_PASSED, "1/1 > 1/2: yes"},
        {&no_objections, "y _oEx", TALLY_EXPERTS_MISSING,
         "experts: 0 of 0 approvals, 1 objections of at most 0: no"},
    };
    check_polls(cases, COUNT(cases));
}

/* --- The parts of a policy. --- */

static void test_base(void **state)
{
    (void)state;
    /* 3 yes, 1 no, 2 abstentions, 2 silent */
    static const struct poll_case cases[] = {
        {&decisive, "y y y n a a - -", TALLY_PASSED, "3/4 > 1/2: yes"},
        {&cast, "y y y n a a - -", TALLY_FAILED, "3/6 > 1/2: no"},
        {&eligible, "y y y n a a - -", TALLY_FAILED, "3/8 > 1/2: no"},
        {&cast, "y y y y n a a - -", TALLY_PASSED, "4/7 > 1/2: yes"},
        {&eligible, "y y y y y n a - -", TALLY_PASSED, "5/9 > 1/2: yes"},
        /* what is left out is outside decisive and cast, but still eligible */
        {&cast, "y n n y y _ _", TALLY_PASSED, "3/5 > 1/2: yes"},
        {&eligible, "y n n y y _ _", TALLY_FAILED, "3/7 > 1/2: no"},
        /* experts without a vote are not eligible */
        {&eligible, "y y - -o -oE", TALLY_PASSED, "2/3 > 1/2: yes"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_weights(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&decisive, "y*5 n*2 n*2", TALLY_PASSED, "5/9 > 1/2: yes"}, /* one head against two */
        {&decisive, "y*2 y*2 n*5", TALLY_FAILED, "4/9 > 1/2: no"},
        {&cast, "y*5 n*2 a*3", TALLY_FAILED, "5/10 > 1/2: no"},
        {&eligible, "y*6 n*2 -*3", TALLY_PASSED, "6/11 > 1/2: yes"},
        {&score_60, "10*3 1", TALLY_PASSED, "31/40 >= 60/100: yes"}, /* 30 + 1 of 10 x 4 */
        {&score_60, "10 1*3", TALLY_FAILED, "13/40 >= 60/100: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_quorum(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&third_of_heads, "y*9 -*1 -*1", TALLY_PASSED, "9/9 > 1/2: yes"}, /* 1 of 3 */
        {&third_of_heads, "y*9 -*1 -*1 -*1", TALLY_NO_QUORUM, "quorum 1/4 >= 1/3 of heads: no"},
        {&third_of_weight, "y*9 -*1 -*1 -*1", TALLY_PASSED, "9/9 > 1/2: yes"}, /* 9 of 12 */
        {&third_of_weight, "y y y -*9", TALLY_NO_QUORUM, "quorum 3/12 >= 1/3 of weight: no"},
        {&third_of_weight, "y y y -*6", TALLY_PASSED, "3/3 > 1/2: yes"}, /* 3 of 9 */
        {&third_of_weight, "a*3 -*6", TALLY_FAILED, "0/0 > 1/2: no"},    /* abstentions count */
        {&score_60_half, "10 a - -", TALLY_PASSED, "10/10 >= 60/100: yes"},
        {&score_60_half, "10 - -", TALLY_NO_QUORUM, "quorum 1/3 >= 1/2 of heads: no"},
        /* no quorum by default: one ballot decides */
        {&decisive, "y - - - - - - - - -", TALLY_PASSED, "1/1 > 1/2: yes"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_ties_and_nothing(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&decisive, "y n", TALLY_FAILED, "1/2 > 1/2: no"},
        {&decisive, "y*3 n*2 n", TALLY_FAILED, "3/6 > 1/2: no"}, /* weights make it a tie */
        {&decisive_at_least_half, "y n", TALLY_FAILED, "1/2 >= 1/2: no, a tie"},
        {&decisive_at_least_half, "y y n", TALLY_PASSED, "2/3 >= 1/2: yes"},
        {&decisive_at_least_half, "y n n", TALLY_FAILED, "1/3 >= 1/2: no"},
        {&eligible_at_least_half, "y y n n", TALLY_FAILED, "2/4 >= 1/2: no, a tie"},
        /* exactly half of the base, but more yes than no: no tie */
        {&eligible_at_least_half, "y y n -", TALLY_PASSED, "2/4 >= 1/2: yes"},
        {&cast_at_least_half, "y y n a", TALLY_PASSED, "2/4 >= 50/100: yes"},
        {&cast_at_least_half, "y n a", TALLY_FAILED, "1/3 >= 50/100: no"},
        /* a policy that lets a minority carry lets a tie carry */
        {&at_least_40, "y y n n n", TALLY_PASSED, "2/5 >= 40/100: yes"},
        {&at_least_40, "y n", TALLY_PASSED, "1/2 >= 40/100: yes"},
        {&at_least_40, "y n n", TALLY_FAILED, "1/3 >= 40/100: no"},
        /* 0 >= 0 never passes */
        {&at_least_nothing, "n n", TALLY_FAILED, "0/2 >= 0/1: no, nothing in favour"},
        {&at_least_nothing, "a a", TALLY_FAILED, "0/0 >= 0/1: no"},
        {&at_least_nothing, "- -", TALLY_FAILED, "0/0 >= 0/1: no"},
        {&cast_at_least_nothing, "a a", TALLY_FAILED, "0/2 >= 0/1: no, nothing in favour"},
        {&eligible_at_least_nothing, "- -", TALLY_FAILED, "0/2 >= 0/1: no, nothing in favour"},
        {&at_least_nothing, "y n n", TALLY_PASSED, "1/3 >= 0/1: yes"},
        {&more_than_nothing, "n n", TALLY_FAILED, "0/2 > 0/1: no"},
        {&more_than_nothing, "y n n", TALLY_PASSED, "1/3 > 0/1: yes"},
        /* more than all never passes */
        {&more_than_all, "y y y", TALLY_FAILED, "3/3 > 1/1: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_score(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        /* 6 + 6 of 20: exactly 60 % */
        {&score_60, "6 6", TALLY_PASSED, "12/20 >= 60/100: yes"},
        {&score_60, "6 5", TALLY_FAILED, "11/20 >= 60/100: no"},
        {&score_60, "10 2", TALLY_PASSED, "12/20 >= 60/100: yes"},
        /* only those who scored this question are in the base: not who abstained, left it out or
         * was silent */
        {&score_60, "10 8 a _ -", TALLY_PASSED, "18/20 >= 60/100: yes"},
        {&score_60, "10 8 1 1 1", TALLY_FAILED, "21/50 >= 60/100: no"},
        {&score_60, "a a", TALLY_FAILED, "0/0 >= 60/100: no"},
        {&score_60, "_ -", TALLY_FAILED, "0/0 >= 60/100: no"},
        {&score_from_0, "0 0", TALLY_FAILED, "0/20 >= 0/1: no, nothing in favour"},
        {&score_from_0, "0 1", TALLY_PASSED, "1/20 >= 0/1: yes"},
        /* scores have no ties: 2/3 is reached by 2 of 3 exactly */
        {&score_0_to_3, "2 2", TALLY_PASSED, "4/6 >= 2/3: yes"},
        {&score_0_to_3, "3 0 3", TALLY_PASSED, "6/9 >= 2/3: yes"},
        {&score_0_to_3, "3 0 2", TALLY_FAILED, "5/9 >= 2/3: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_veto_thresholds(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        /* 8 of a class of 10: at the upper threshold */
        {&hive, "1c! 1c! 1c! 1c! 2c! 2c! 2c! 2c! 10c 10c", TALLY_REJECTED_BY_VETO,
         "veto 8/10 >= 80/100 of class: yes"},
        {&hive, "1c! 1c! 1c! 1c! 2c! 2c! 2c! 10c 10c 10c", TALLY_TO_REVISION,
         "veto 7/10 >= 50/100 of class: yes"},
        {&hive, "1c! 1c! 1c! 1c! 1c! 10c 10c 10c 10c 10c", TALLY_TO_REVISION,
         "veto 5/10 >= 50/100 of class: yes"},
        /* 4 of 10: nothing happens, the scores decide: 4 + 60 */
        {&hive, "1c! 1c! 1c! 1c! 10c 10c 10c 10c 10c 10c", TALLY_PASSED, "64/100 >= 60/100: yes"},
        /* a low score without the justification is a score and no veto: 5 + 50 */
        {&hive, "1c 1c! 1c! 1c! 1c! 10c 10c 10c 10c 10c", TALLY_FAILED, "55/100 >= 60/100: no"},
        /* a low score by somebody outside the class is a score */
        {&hive, "1 1 1 1 10c 10c 10c 10c 10c 10c", TALLY_PASSED, "64/100 >= 60/100: yes"},
        /* a veto decides before the scores: 1 + 80 of 90 */
        {&hive, "1c! 10 10 10 10 10 10 10 10", TALLY_REJECTED_BY_VETO,
         "veto 1/1 >= 80/100 of class: yes"},
        /* nobody of the class is on the roll: there is nobody to veto */
        {&hive, "10 10", TALLY_PASSED, "20/20 >= 60/100: yes"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_veto_share(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        /* 2 vetoes, a class of 6, 3 of them answered */
        {&hive, "1c! 1c! 10c -c -c -c", TALLY_FAILED, "12/30 >= 60/100: no"},
        {&hive_answered, "1c! 1c! 10c -c -c -c", TALLY_TO_REVISION,
         "veto 2/3 >= 50/100 of class who answered: yes"},
        /* who left the question out has not answered; who abstained has */
        {&hive_answered, "1c! _c 10c", TALLY_TO_REVISION,
         "veto 1/2 >= 50/100 of class who answered: yes"},
        {&hive_answered, "1c! ac 10c", TALLY_FAILED, "11/20 >= 60/100: no"},
        {&hive_answered, "1c! -c -c -c 10 10 10", TALLY_REJECTED_BY_VETO,
         "veto 1/1 >= 80/100 of class who answered: yes"},
        /* nobody of the class answered */
        {&hive_answered, "10 -c -c", TALLY_PASSED, "10/10 >= 60/100: yes"},
        /* shares are of heads, whatever the weight: 1 of 3; 1000 x 1 + 10 + 10 of 10 x 1002 */
        {&hive, "1c!*1000 10c 10c", TALLY_FAILED, "1020/10020 >= 60/100: no"},
    };
    check_polls(cases, COUNT(cases));
}

static void test_veto_explicit(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&explicit_veto, "y y y nc! nc", TALLY_TO_REVISION, "veto 1/2 >= 50/100 of class: yes"},
        {&explicit_veto, "y y y nc! nc!", TALLY_REJECTED_BY_VETO,
         "veto 2/2 >= 80/100 of class: yes"},
        {&explicit_veto, "y y y nc! nc nc", TALLY_FAILED, "3/6 > 1/2: no"},
        /* an abstention with a veto: outside support, inside the veto */
        {&explicit_veto, "y ac! -c", TALLY_TO_REVISION, "veto 1/2 >= 50/100 of class: yes"},
        {&explicit_veto, "y y ac! -c -c", TALLY_PASSED, "2/2 > 1/2: yes"},
    };
    check_polls(cases, COUNT(cases));
}

/* Every gate fires alone and beside all later ones: the first decides. */
static void test_order_of_gates(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        /* 1 of 3 answered, all of the class vetoed, no yes, no approval */
        {&all_gates, "nc! - -", TALLY_NO_QUORUM, "quorum 1/3 >= 1/2 of heads: no"},
        {&all_gates, "nc! n -", TALLY_REJECTED_BY_VETO, "veto 1/1 >= 80/100 of class: yes"},
        {&all_gates, "nc! nc -", TALLY_TO_REVISION, "veto 1/2 >= 50/100 of class: yes"},
        {&all_gates, "n nc -", TALLY_FAILED, "0/2 > 1/2: no"},
        {&all_gates, "y yc -", TALLY_EXPERTS_MISSING,
         "experts: 0 of 1 approvals, 0 objections of at most 1: no"},
        {&all_gates, "y yc yE+ yEx yEx", TALLY_EXPERTS_MISSING,
         "experts: 1 of 1 approvals, 2 objections of at most 1: no"},
        {&all_gates, "y yc yE+ yEx", TALLY_PASSED, "4/4 > 1/2: yes"},
    };
    check_polls(cases, COUNT(cases));
}

/* Whatever decided, every gate is worked out. */
static void test_verdict_has_all_figures(void **state)
{
    (void)state;
    struct notation poll;
    struct tally_verdict verdict;
    notation_read("y*5c!E+ n*2c a*3E _oEx -*4 -c _", &all_gates, &poll);
    tally_decide(&poll.tally, &all_gates, &poll.roll, &verdict);
    /* the electorate: 6 heads (5, 2, 3, 4, 1, 1); a class of 3; 3 experts; 3 answers */
    assert_int_equal(poll.roll.heads, 6);
    assert_int_equal(poll.roll.weight, 16);
    assert_int_equal(poll.roll.veto_heads, 3);
    assert_int_equal(poll.roll.expert_heads, 3);
    assert_int_equal(verdict.quorum_have, 3);
    assert_int_equal(verdict.quorum_of, 6);
    assert_true(verdict.quorum_met);
    assert_int_equal(verdict.veto_have, 1);
    assert_int_equal(verdict.veto_of, 3);
    assert_false(verdict.veto_rejects || verdict.veto_revises);
    assert_int_equal(verdict.support, 5);
    assert_int_equal(verdict.support_of, 7);
    assert_true(verdict.support_passes);
    assert_int_equal(verdict.approvals, 1);
    assert_int_equal(verdict.objections, 1);
    assert_true(verdict.experts_met);
    assert_int_equal(verdict.outcome, TALLY_PASSED);
    assert_int_equal(poll.tally.yes_heads, 1);
    assert_int_equal(poll.tally.no_weight, 2);
    assert_int_equal(poll.tally.abstain_weight, 3);
    assert_int_equal(poll.tally.veto_class_heads, 2);
}

/* --- The hive's minutes: published figures were wrong, these are the counts of the ballots. --- */

/* Ten voters whose scores have this sum, as even as they can be. */
static void ten_scores(uint32_t sum, const struct tally_rule *rule, struct tally *tally)
{
    static const struct tally_voter voter = {.weight = 1, .in_electorate = true};
    for (uint32_t i = 0; i < 10; i++) {
        struct tally_answer answer = {.choice = TALLY_SCORED,
                                      .score = sum / 10 + (i < sum % 10 ? 1 : 0)};
        tally_add(tally, rule, &voter, &answer);
    }
}

static void test_minute_0003(void **state)
{
    (void)state;
    static const struct {
        const char *proposal;
        uint32_t sum;
        const struct tally_rule *rule;
        enum tally_outcome outcome;
        const char *text;
    } cases[] = {
        {"037", 100, &score_70, TALLY_PASSED, "100/100 >= 70/100: yes"},
        {"021", 93, &score_60, TALLY_PASSED, "93/100 >= 60/100: yes"},
        {"023", 92, &score_60, TALLY_PASSED, "92/100 >= 60/100: yes"},
        {"025", 91, &score_60, TALLY_PASSED, "91/100 >= 60/100: yes"},
        {"024", 90, &score_60, TALLY_PASSED, "90/100 >= 60/100: yes"},
        {"036", 89, &score_60, TALLY_PASSED, "89/100 >= 60/100: yes"},
        {"035", 88, &score_60, TALLY_PASSED, "88/100 >= 60/100: yes"},
        {"022", 84, &score_60, TALLY_PASSED, "84/100 >= 60/100: yes"},
        {"027", 84, &score_60, TALLY_PASSED, "84/100 >= 60/100: yes"},
        {"026", 83, &score_60, TALLY_PASSED, "83/100 >= 60/100: yes"},
        {"030", 83, &score_60, TALLY_PASSED, "83/100 >= 60/100: yes"},
        {"033", 82, &score_60, TALLY_PASSED, "82/100 >= 60/100: yes"},
        {"034", 81, &score_60, TALLY_PASSED, "81/100 >= 60/100: yes"},
        {"010", 74, &score_60, TALLY_PASSED, "74/100 >= 60/100: yes"},
        {"015", 73, &score_60, TALLY_PASSED, "73/100 >= 60/100: yes"},
        {"013", 71, &score_60, TALLY_PASSED, "71/100 >= 60/100: yes"},
        {"016", 63, &score_60, TALLY_PASSED, "63/100 >= 60/100: yes"},
        {"031", 57, &score_60, TALLY_FAILED, "57/100 >= 60/100: no"}, /* published: 64, approved */
        {"014", 56, &score_60, TALLY_FAILED, "56/100 >= 60/100: no"},
        {"003", 55, &score_60, TALLY_FAILED, "55/100 >= 60/100: no"},
        {"003, as one of security", 55, &score_55, TALLY_PASSED, "55/100 >= 55/100: yes"},
        {"029", 47, &score_60, TALLY_FAILED, "47/100 >= 60/100: no"},
        {"004", 46, &score_60, TALLY_FAILED, "46/100 >= 60/100: no"},
        {"028", 30, &score_60, TALLY_FAILED, "30/100 >= 60/100: no"},
        {"020", 25, &score_60, TALLY_FAILED, "25/100 >= 60/100: no"},
    };
    static const struct tally_roll roll = {.heads = 10, .weight = 10};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct tally tally = {0};
        struct tally_verdict verdict;
        char text[TALLY_TEXT_BYTES];
        ten_scores(cases[i].sum, cases[i].rule, &tally);
        tally_decide(&tally, cases[i].rule, &roll, &verdict);
        tally_explain(&verdict, cases[i].rule, text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(verdict.outcome, cases[i].outcome);
    }
}

static void test_minute_0002(void **state)
{
    (void)state;
    static const struct poll_case cases[] = {
        {&decisive, "y y y y y y y y y y", TALLY_PASSED, "10/10 > 1/2: yes"},
        {&decisive, "y y y y y y y y y n", TALLY_PASSED, "9/10 > 1/2: yes"}, /* P-029 */
        {&decisive, "y y y y y y n n n n", TALLY_PASSED, "6/10 > 1/2: yes"}, /* P-037 */
        {&decisive, "y y n n n n n n n n", TALLY_FAILED, "2/10 > 1/2: no"},  /* P-041 */
        {&decisive, "y n n n n n n n n n", TALLY_FAILED, "1/10 > 1/2: no"},  /* P-049 */
    };
    check_polls(cases, COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simple_majority),
        cmocka_unit_test(test_super_majority),
        cmocka_unit_test(test_unanimous),
        cmocka_unit_test(test_expert_review),
        cmocka_unit_test(test_base),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_quorum),
        cmocka_unit_test(test_ties_and_nothing),
        cmocka_unit_test(test_score),
        cmocka_unit_test(test_veto_thresholds),
        cmocka_unit_test(test_veto_share),
        cmocka_unit_test(test_veto_explicit),
        cmocka_unit_test(test_order_of_gates),
        cmocka_unit_test(test_verdict_has_all_figures),
        cmocka_unit_test(test_minute_0003),
        cmocka_unit_test(test_minute_0002),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
