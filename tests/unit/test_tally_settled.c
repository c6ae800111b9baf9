/* When a poll is settled: cases worked out by hand. test_tally_recount.c does the same by brute
 * force. tests/unit/support/tally_notation.h explains how a poll is written: "-" can still vote,
 * "_" has a ballot in that leaves the question out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tally/tally.h"
#include "unit/support/tally_notation.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct tally_rule simple_majority = {.method = TALLY_YESNO,
                                                  .base = TALLY_DECISIVE,
                                                  .pass = {1, 2},
                                                  .comparison = TALLY_GREATER,
                                                  .quorum = TALLY_QUORUM_HEADS,
                                                  .quorum_share = {1, 2}};
static const struct tally_rule decisive = {
    .method = TALLY_YESNO, .base = TALLY_DECISIVE, .pass = {1, 2}, .comparison = TALLY_GREATER};
static const struct tally_rule at_least_half = {
    .method = TALLY_YESNO, .base = TALLY_DECISIVE, .pass = {1, 2}, .comparison = TALLY_AT_LEAST};
static const struct tally_rule cast = {
    .method = TALLY_YESNO, .base = TALLY_CAST, .pass = {1, 2}, .comparison = TALLY_GREATER};
static const struct tally_rule eligible = {
    .method = TALLY_YESNO, .base = TALLY_ELIGIBLE, .pass = {1, 2}, .comparison = TALLY_GREATER};
static const struct tally_rule more_than_all = {
    .method = TALLY_YESNO, .base = TALLY_DECISIVE, .pass = {1, 1}, .comparison = TALLY_GREATER};
static const struct tally_rule unanimous = {.method = TALLY_YESNO,
                                            .base = TALLY_DECISIVE,
                                            .pass = {1, 1},
                                            .comparison = TALLY_AT_LEAST,
                                            .quorum = TALLY_QUORUM_HEADS,
                                            .quorum_share = {1, 1}};
static const struct tally_rule score_60 = {.method = TALLY_SCORE,
                                           .score_min = 1,
                                           .score_max = 10,
                                           .pass = {60, 100},
                                           .comparison = TALLY_AT_LEAST};
static const struct tally_rule hive = {.method = TALLY_SCORE,
                                       .score_min = 1,
                                       .score_max = 10,
                                       .pass = {60, 100},
                                       .comparison = TALLY_AT_LEAST,
                                       .has_veto = true,
                                       .trigger = TALLY_TRIGGER_SCORE,
                                       .trigger_score = 2,
                                       .veto_share_of = TALLY_OF_ROLL,
                                       .veto_reject = {80, 100},
                                       .veto_revise = {50, 100}};
static const struct tally_rule hive_answered = {.method = TALLY_SCORE,
                                                .score_min = 1,
                                                .score_max = 10,
                                                .pass = {60, 100},
                                                .comparison = TALLY_AT_LEAST,
                                                .has_veto = true,
                                                .trigger = TALLY_TRIGGER_SCORE,
                                                .trigger_score = 2,
                                                .veto_share_of = TALLY_OF_ANSWERED,
                                                .veto_reject = {80, 100},
                                                .veto_revise = {50, 100}};
static const struct tally_rule experts = {.method = TALLY_YESNO,
                                          .base = TALLY_DECISIVE,
                                          .pass = {1, 2},
                                          .comparison = TALLY_GREATER,
                                          .has_experts = true,
                                          .expert_approvals = 2,
                                          .expert_objections = 0};

struct settled_case {
    const struct tally_rule *rule;
    const char *poll;
    bool settled;
};

static void check_settled(const struct settled_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct notation poll;
        notation_read(cases[i].poll, cases[i].rule, &poll);
        bool settled = tally_settled(&poll.tally, cases[i].rule, &poll.roll, &poll.outstanding);
        if (settled != cases[i].settled) {
            print_message("\"%s\": %s\n", cases[i].poll, settled ? "settled" : "open");
        }
        assert_int_equal(settled, cases[i].settled);
    }
}

static void test_yesno(void **state)
{
    (void)state;
    static const struct settled_case cases[] = {
        {&decisive, "y y y - -", true},      /* at worst 3 of 5 */
        {&decisive, "y y y - - -", false},   /* at worst 3 of 6, a tie */
        {&decisive, "y y - - -", false},     /* at worst 2 of 5 */
        {&decisive, "n n n - -", true},      /* at best 2 of 5 */
        {&decisive, "n n n - - -", true},    /* at best 3 of 6, a tie: not passed */
        {&decisive, "n n n - - - -", false}, /* at best 4 of 7 */
        {&at_least_half, "n n - -", true},   /* at best 2 of 4, and a tie is not passed */
        {&at_least_half, "y y - -", false},  /* at worst a tie */
        {&at_least_half, "y y y - -", true},
        {&decisive, "y y n n -", false}, /* a tie now; one more yes passes */
        {&decisive, "a a a - -", false}, /* nothing decisive yet */
        {&decisive, "a a a _ _", true},  /* and nobody left to be decisive */
        {&decisive, "- - -", false},
        {&decisive, "", true},
        {&decisive, "y n y", true},      /* all have voted */
        {&more_than_all, "- - -", true}, /* cannot pass, whoever votes what */
        {&cast, "y y y a n - -", false}, /* 3 of 5 now; at worst 3 of 7 */
        {&cast, "y y y y a n -", true},  /* at worst 4 of 7 */
        {&cast, "a a a - -", true},      /* at best 2 of 5 */
        {&eligible, "y y y - -", true},  /* 3 of 5 for good */
        {&eligible, "y y - -", false},
        {&eligible, "a a a - -", true}, /* at best 2 of 5 */
        {&eligible, "_ _ - -", true},   /* at best 2 of 4, not more than half */
    };
    check_settled(cases, COUNT(cases));
}

static void test_weights(void **state)
{
    (void)state;
    static const struct settled_case cases[] = {
        {&decisive, "y*5 -*2 -*2", true},  /* at worst 5 of 9 */
        {&decisive, "y*5 -*2 -*3", false}, /* at worst 5 of 10 */
        {&decisive, "y y y -*3", false},   /* one heavy voter is enough */
        {&decisive, "n*5 -*3 -*2", true},  /* at best 5 of 10 */
        {&decisive, "n*5 -*3 -*3", false},
    };
    check_settled(cases, COUNT(cases));
}

static void test_quorum(void **state)
{
    (void)state;
    static const struct settled_case cases[] = {
        {&simple_majority, "y y - - -", false}, /* 2 of 5 is no quorum yet */
        {&simple_majority, "y y y - -", true},
        {&simple_majority, "y _ _ -", false},   /* one more makes it 2 of 4 */
        {&simple_majority, "y _ _ _ -", true},  /* at most 2 of 5: no quorum any more */
        {&simple_majority, "n n _ _ -", false}, /* 2 of 5 now: no_quorum, or failed */
        {&unanimous, "y y -", false},
        {&unanimous, "y n -", false}, /* cannot pass, but failed or no_quorum is still open */
        {&unanimous, "y _ -", true},  /* never 3 of 3 */
        {&unanimous, "y y a", true},
    };
    check_settled(cases, COUNT(cases));
}

static void test_score(void **state)
{
    (void)state;
    static const struct settled_case cases[] = {
        {&score_60, "10 10 10 -", true},     /* at worst 31 of 40 */
        {&score_60, "10 10 - -", false},     /* at worst 22 of 40 */
        {&score_60, "1 1 1 -", true},        /* at best 13 of 40 */
        {&score_60, "1 1 1 - - -", true},    /* at best 33 of 60 */
        {&score_60, "1 1 1 - - - -", false}, /* at best 43 of 70 */
        {&score_60, "1 1 - - -", false},     /* at best 32 of 50 */
        {&score_60, "6 6 - -", false},       /* at worst 14 of 40 */
        {&score_60, "10 1 -", false},        /* 11 of 20 now, at best 21 of 30 */
        {&score_60, "a a -", false},         {&score_60, "a a _", true},
        {&score_60, "10*3 -", true},  /* at worst 31 of 40 */
        {&score_60, "10 -*3", false}, /* at worst 13 of 40 */
    };
    check_settled(cases, COUNT(cases));
}

static void test_veto(void **state)
{
    (void)state;
    static const struct settled_case cases[] = {
        /* at most 1 veto of 4 in the class; at worst 31 of 40 */
        {&hive, "10c 10c 10c -c", true},
        /* 2 of 4 would be sent to revision */
        {&hive, "10c 10c 10 10 10 10 -c -c", false},
        /* the same with one outside the class: at worst 62 of 80 */
        {&hive, "10c 10c 10c 10 10 10 -c -", true},
        /* 4 of 5: rejected, whatever the fifth does */
        {&hive, "1c! 1c! 1c! 1c! -c", true},
        {&hive, "1c! 1c! 1c! 10c -c", false},   /* 3 of 5, or 4 of 5 */
        {&hive, "1c! 1c! 1c! 10c 10c -", true}, /* 3 of 5 for good: to_revision */
        /* of those who answered: 4 of 4 now, 4 of 5 at least */
        {&hive_answered, "1c! 1c! 1c! 1c! -c", true},
        {&hive_answered, "1c! 1c! 1c! 1c! -c -c", false}, /* or 4 of 6 */
        {&hive_answered, "1c! 10c 10c 10c -", true},      /* 1 of 4; at worst 32 of 50 */
        {&hive_answered, "10c 10c 10c -c", true},         /* at most 1 of 4 */
        {&hive_answered, "10c 10 10 10 -c", false},       /* 1 of 2 would be enough */
        /* failed for sure, but a veto would make it rejected */
        {&hive, "1 1 1 1 -c", false},
    };
    check_settled(cases, COUNT(cases));
}

static void test_experts(void **state)
{
    (void)state;
    static const struct settled_case cases[] = {
        {&experts, "yE+ yE+ y", true},
        {&experts, "yE+ yE+ y -oE", false},  /* may object */
        {&experts, "yE+ y y -oE", false},    /* may approve */
        {&experts, "yEx y y -oE -oE", true}, /* one objection is one too many */
        {&experts, "yE y y -oE", true},      /* at most 1 approval: his ballot had no review */
        {&experts, "yE y y -oE -oE", false},
        {&experts, "n n n -oE -oE", true}, /* failed, whatever the experts say */
        {&experts, "y y n -E", false},     /* votes and reviews */
        {&experts, "yE+ _oE+ y -", true},  /* at worst 2 of 3 */
    };
    check_settled(cases, COUNT(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yesno),  cmocka_unit_test(test_weights),
        cmocka_unit_test(test_quorum), cmocka_unit_test(test_score),
        cmocka_unit_test(test_veto),   cmocka_unit_test(test_experts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
