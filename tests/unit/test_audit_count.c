/* The auditor's count against the examples of docs/SEMANTICS.md, which were counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "audit/count.h"

#define VOTERS_MAX 12u

/* Who is on the roll, and what they gave: a letter each.
 *   y n a  yes, no, abstain      .  a ballot that leaves the question out      _  no ballot
 *   0..9   that score, X: ten    v  (after a letter) of the veto's class, who vetoes
 *   c      (after) of the class, who does not veto       + -  (after) an expert's review
 * A weight other than 1 stands before, in parentheses: "(3)y". */
struct roll {
    struct audit_voter voters[VOTERS_MAX];
    struct audit_answer answers[VOTERS_MAX];
    struct audit_roll roll;
};

static void set_choice(struct audit_voter *voter, struct audit_answer *answer, char letter)
{
    static const char choices[] = ".yna";
    const char *at = strchr(choices, letter);
    voter->answers = letter == '_' ? NULL : answer;
    voter->elector = true;
    if (at != NULL) {
        answer->choice = (uint8_t)(at - choices);
    } else if (letter != '_') {
        answer->choice = AUDIT_SCORE;
        answer->score = letter == 'X' ? 10 : (uint16_t)(letter - '0');
    }
}

/* The marks behind a letter. */
static const char *set_marks(struct audit_voter *voter, struct audit_answer *answer,
                             const char *text)
{
    for (; *text != '\0' && strchr("vc+-", *text) != NULL; text++) {
        voter->vetoer |= *text == 'v' || *text == 'c';
        answer->veto = answer->veto || *text == 'v';
        voter->expert |= *text == '+' || *text == '-';
        answer->review = *text == '+' ? 1 : *text == '-' ? -1 : answer->review;
    }
    return text;
}

static void make_roll(struct roll *roll, const char *text)
{
    memset(roll, 0, sizeof *roll);
    roll->roll.voters = roll->voters;
    while (*text != '\0') {
        size_t i = roll->roll.count++;
        assert_true(i < VOTERS_MAX);
        roll->voters[i].member = (uint32_t)i;
        roll->voters[i].weight = 1;
        if (*text == '(') {
            roll->voters[i].weight = (uint64_t)(text[1] - '0');
            text += 3;
        }
        set_choice(&roll->voters[i], &roll->answers[i], *text);
        text = set_marks(&roll->voters[i], &roll->answers[i], text + 1);
    }
}

/* Rules that the examples use. */
static const struct audit_rule majority = {.pass = {1, 2}};
static const struct audit_rule majority_cast = {.pass = {1, 2}, .base = AUDIT_BASE_CAST};
static const struct audit_rule majority_eligible = {.pass = {1, 2}, .base = AUDIT_BASE_ELIGIBLE};
static const struct audit_rule half_at_least = {.pass = {1, 2}, .at_least = true};
static const struct audit_rule forty = {.pass = {40, 100}, .at_least = true};
static const struct audit_rule half_of_cast = {
    .pass = {50, 100}, .at_least = true, .base = AUDIT_BASE_CAST};
static const struct audit_rule sixty = {
    .score = true, .min = 1, .max = 10, .pass = {60, 100}, .at_least = true};
static const struct audit_rule quorum_half = {
    .pass = {1, 2}, .quorum = AUDIT_QUORUM_HEADS, .quorum_share = {1, 2}};
static const struct audit_rule quorum_third_of_weight = {
    .pass = {1, 2}, .quorum = AUDIT_QUORUM_WEIGHT, .quorum_share = {1, 3}};
static const struct audit_rule quorum_third_of_heads = {
    .pass = {1, 2}, .quorum = AUDIT_QUORUM_HEADS, .quorum_share = {1, 3}};
static const struct audit_rule veto_of_roll = {.score = true,
                                               .min = 1,
                                               .max = 10,
                                               .pass = {60, 100},
                                               .at_least = true,
                                               .veto = true,
                                               .veto_of_roll = true,
                                               .veto_score = 2,
                                               .reject = {80, 100},
                                               .revise = {50, 100}};
static const struct audit_rule veto_of_answered = {.score = true,
                                                   .min = 1,
                                                   .max = 10,
                                                   .pass = {60, 100},
                                                   .at_least = true,
                                                   .veto = true,
                                                   .veto_score = 2,
                                                   .reject = {80, 100},
                                                   .revise = {50, 100}};
static const struct audit_rule reviewed = {
    .pass = {1, 2}, .experts = true, .approvals = 2, .objections = 0};
static const struct audit_rule unanimous = {
    .pass = {1, 1}, .at_least = true, .quorum = AUDIT_QUORUM_HEADS, .quorum_share = {1, 1}};

struct example {
    const struct audit_rule *rule;
    const char *roll;
    const char *outcome;
    uint64_t support, of; /* as SEMANTICS prints them */
};

static const struct example examples[] = {
    /* scores */
    {&sixty, "66", "passed", 12, 20},
    {&sixty, "65", "failed", 11, 20},
    {&sixty, "X8a._", "passed", 18, 20},
    {&sixty, "(3)X1", "passed", 31, 40},
    {&sixty, "6666666555", "failed", 57, 100},
    /* base: 3 yes, 1 no, 2 abstain, 2 silent */
    {&majority, "yyynaa__", "passed", 3, 4},
    {&majority_cast, "yyynaa__", "failed", 3, 6},
    {&majority_eligible, "yyynaa__", "failed", 3, 8},
    /* nothing, ties */
    {&majority, "aaa", "failed", 0, 0},
    {&majority, "___", "failed", 0, 0},
    {&half_at_least, "yn", "failed", 1, 2},
    {&half_of_cast, "yyna", "passed", 2, 4},
    {&forty, "yn", "passed", 1, 2},
    /* quorum */
    {&quorum_half, "yy__", "passed", 2, 2},
    {&quorum_half, "y..", "no_quorum", 1, 1},
    {&quorum_third_of_weight, "(9)y___", "passed", 9, 9},
    {&quorum_third_of_heads, "(9)y___", "no_quorum", 9, 9},
    /* vetoes */
    {&veto_of_roll, "1v1v1v1v1v1v1v1vXcXc", "rejected_by_veto", 28, 100},
    {&veto_of_roll, "1v1v1v1v1vXcXcXcXcXc", "to_revision", 55, 100},
    {&veto_of_roll, "1v1v1v1vXcXcXcXcXcXc", "passed", 64, 100},
    {&veto_of_roll, "1v1v1v1v1cXcXcXcXcXc", "failed", 55, 100},
    {&veto_of_roll, "1v1vXc_c_c_c", "failed", 12, 30},
    {&veto_of_answered, "1v1vXc_c_c_c", "to_revision", 12, 30},
    /* experts */
    {&reviewed, "y+y+y", "passed", 3, 3},
    {&reviewed, "y+y", "experts_missing", 2, 2},
    {&reviewed, "y+y+y+y-", "experts_missing", 4, 4},
    {&reviewed, "nny+y+", "failed", 2, 4},
    /* unanimous */
    {&unanimous, "yya", "passed", 2, 2},
    {&unanimous, "yy_", "no_quorum", 2, 2},
    {&unanimous, "aaa", "failed", 0, 0},
};

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        struct roll roll;
        struct audit_figures figures;
        make_roll(&roll, examples[i].roll);
        audit_count(&roll.roll, examples[i].rule, 0, &figures);
        print_message("%s\n", examples[i].roll);
        assert_string_equal(figures.outcome, examples[i].outcome);
        assert_int_equal(figures.support[0], examples[i].support);
        assert_int_equal(figures.support[1], examples[i].of);
    }
}

/* Both counts are always shown: ballots in the poll, answers to the question. */
static void test_figures(void **state)
{
    (void)state;
    struct roll roll;
    struct audit_figures figures;
    make_roll(&roll, "(2)yn(3)a._v+");
    audit_count(&roll.roll, &reviewed, 0, &figures);
    assert_int_equal(figures.ballots, 4);
    assert_int_equal(figures.answers, 3);
    assert_int_equal(figures.left_out, 1);
    assert_int_equal(figures.yes[0], 1);
    assert_int_equal(figures.yes[1], 2);
    assert_int_equal(figures.abstain[1], 3);
    assert_int_equal(figures.roll_heads, 5);
    assert_int_equal(figures.roll_weight, 8);
    assert_int_equal(figures.roll_veto_class, 1);
    assert_int_equal(figures.roll_experts, 1);
    assert_int_equal(figures.approvals, 0); /* who has no ballot has no review */
}

/* docs/SEMANTICS.md, "Early close". */
static void test_settled(void **state)
{
    (void)state;
    static const struct {
        const struct audit_rule *rule;
        const char *roll;
        bool settled;
    } cases[] = {
        {&majority, "yyy__", true},         {&majority, "yy___", false},
        {&majority, "nnn___", true},        {&majority, "(5)y(2)_(2)_", true},
        {&majority, "(5)y(2)_(3)_", false}, {&quorum_half, "y..._", true},
        {&unanimous, "yn_", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roll roll;
        make_roll(&roll, cases[i].roll);
        print_message("%s\n", cases[i].roll);
        assert_int_equal(audit_count_settled(&roll.roll, cases[i].rule, 0), cases[i].settled);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
