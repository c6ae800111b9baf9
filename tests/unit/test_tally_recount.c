/* Brute force: random polls, counted again by code that shares nothing with src/tally.
 *
 * The recount keeps every voter's last ballot in an array and counts in plain loops and 128-bit
 * integers, from docs/SEMANTICS.md. First test: after each ballot and revote of a random poll,
 * every figure of the verdict is the recount's. Second test: a poll is settled exactly when every
 * possible way to go on (each who has no ballot yet does anything the rules allow, or nothing)
 * comes to one outcome. Seeds are fixed: a failure comes again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <conclave/limits.h>

#include "tally/tally.h"

#define VOTERS_MAX  12u
#define OPTIONS_MAX 96u

/* --- The random numbers (splitmix64, Steele, Lea and Flood 2014). --- */

static uint64_t random_state;

static uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One of least..greatest. */
static uint32_t random_in(uint32_t least, uint32_t greatest)
{
    return least + (uint32_t)(random_next() % (greatest - least + 1u));
}

static bool random_one_in(uint32_t n)
{
    return random_next() % n == 0;
}

/* --- A poll as a list of voters and what each said last. --- */

struct person {
    uint64_t weight;
    bool votes, of_class, is_expert; /* votes: of the electorate */
    bool has_ballot;
    char said;       /* 'y' 'n' 'a' 's' and ' ' for nothing */
    uint32_t points; /* for 's' */
    bool vetoed;
    char reviewed; /* '+' '-' and ' ' for nothing */
};

struct poll {
    struct tally_rule rule;
    struct person people[VOTERS_MAX];
    uint32_t count;
};

struct recount {
    __int128 support, support_of, quorum_have, quorum_of;
    uint64_t veto_have, veto_of, approvals, objections;
    enum tally_outcome outcome;
};

/* n of d against a fraction: less than 0 below it, 0 on it, more than 0 above it. */
static int against(__int128 n, __int128 d, struct tally_fraction fraction)
{
    __int128 difference = n * fraction.denominator - d * fraction.numerator;
    return difference < 0 ? -1 : difference > 0;
}

static void recount_support(const struct poll *poll, struct recount *recount)
{
    for (uint32_t i = 0; i < poll->count; i++) {
        const struct person *person = &poll->people[i];
        if (!person->votes) {
            continue;
        }
        if (poll->rule.method == TALLY_SCORE) {
            for (uint64_t points = 0; person->said == 's' && points < person->points; points++) {
                recount->support += person->weight;
            }
            for (uint64_t points = 0; person->said == 's' && points < poll->rule.score_max;
                 points++) {
                recount->support_of += person->weight;
            }
            continue;
        }
        bool in_base = poll->rule.base == TALLY_ELIGIBLE || person->said == 'y' ||
                       person->said == 'n' ||
                       (poll->rule.base == TALLY_CAST && person->said == 'a');
        recount->support_of += in_base ? person->weight : 0;
        recount->support += person->said == 'y' ? person->weight : 0;
    }
}

static bool recount_passes(const struct poll *poll, const struct recount *recount)
{
    if (recount->support_of == 0 || recount->support == 0) {
        return false;
    }
    __int128 balance = 0;
    for (uint32_t i = 0; i < poll->count; i++) {
        __int128 weight = (__int128)poll->people[i].weight;
        balance += poll->people[i].said == 'y' ? weight : 0;
        balance -= poll->people[i].said == 'n' ? weight : 0;
    }
    struct tally_fraction pass = poll->rule.pass;
    bool minority_may_carry = pass.numerator < pass.denominator - pass.numerator;
    if (poll->rule.method == TALLY_YESNO && balance == 0 && !minority_may_carry) {
        return false;
    }
    int side = against(recount->support, recount->support_of, pass);
    return side > 0 || (side == 0 && poll->rule.comparison == TALLY_AT_LEAST);
}

static void recount_the_rest(const struct poll *poll, struct recount *recount)
{
    for (uint32_t i = 0; i < poll->count; i++) {
        const struct person *person = &poll->people[i];
        bool answered = person->said != ' ';
        recount->approvals += person->reviewed == '+';
        recount->objections += person->reviewed == '-';
        if (!person->votes) {
            continue;
        }
        __int128 unit = poll->rule.quorum == TALLY_QUORUM_WEIGHT ? (__int128)person->weight : 1;
        recount->quorum_of += unit;
        recount->quorum_have += answered ? unit : 0;
        if (poll->rule.has_veto && person->of_class) {
            recount->veto_of += answered || poll->rule.veto_share_of == TALLY_OF_ROLL;
            recount->veto_have += person->vetoed;
        }
    }
}

static struct recount recount_poll(const struct poll *poll)
{
    struct recount recount = {0};
    const struct tally_rule *rule = &poll->rule;
    recount_support(poll, &recount);
    recount_the_rest(poll, &recount);
    recount.outcome = TALLY_PASSED;
    if (rule->has_experts && (recount.approvals < rule->expert_approvals ||
                              recount.objections > rule->expert_objections)) {
        recount.outcome = TALLY_EXPERTS_MISSING;
    }
    if (!recount_passes(poll, &recount)) {
        recount.outcome = TALLY_FAILED;
    }
    if (recount.veto_have > 0) {
        __int128 have = (__int128)recount.veto_have, of = (__int128)recount.veto_of;
        if (against(have, of, rule->veto_revise) >= 0) {
            recount.outcome = TALLY_TO_REVISION;
        }
        if (against(have, of, rule->veto_reject) >= 0) {
            recount.outcome = TALLY_REJECTED_BY_VETO;
        }
    }
    if (rule->quorum != TALLY_QUORUM_NONE &&
        (recount.quorum_of == 0 ||
         against(recount.quorum_have, recount.quorum_of, rule->quorum_share) < 0)) {
        recount.outcome = TALLY_NO_QUORUM;
    }
    return recount;
}

/* --- Random rules and voters. --- */

static struct tally_fraction random_fraction(uint32_t least_numerator)
{
    static const uint32_t denominators[] = {1, 2, 3, 4, 5, 7, 10, 100, 1000000};
    uint32_t denominator =
        denominators[random_in(0, sizeof(denominators) / sizeof(denominators[0]) - 1)];
    return (struct tally_fraction){random_in(least_numerator, denominator), denominator};
}

static struct tally_rule random_rule(uint32_t score_max)
{
    struct tally_rule rule = {.method = (enum tally_method)random_in(1, 2)};
    if (rule.method == TALLY_SCORE) {
        rule.score_max = random_in(1, score_max);
        rule.score_min = random_in(0, rule.score_max - 1);
    } else {
        rule.base = (enum tally_base)random_in(1, 3);
    }
    rule.pass = random_one_in(3) ? (struct tally_fraction){1, 2} : random_fraction(0);
    rule.comparison = (enum tally_comparison)random_in(1, 2);
    rule.quorum = (enum tally_quorum)random_in(0, 2);
    rule.quorum_share = random_fraction(0);
    rule.has_veto = random_one_in(2);
    if (rule.has_veto) {
        rule.trigger = (enum tally_trigger)random_in(1, rule.method == TALLY_SCORE ? 2 : 1);
        rule.trigger_score = random_in(rule.score_min, rule.score_max);
        rule.veto_share_of = (enum tally_share_of)random_in(1, 2);
        rule.veto_reject = random_fraction(1);
        do {
            rule.veto_revise = random_fraction(1);
        } while (against(rule.veto_revise.numerator, rule.veto_revise.denominator,
                         rule.veto_reject) > 0);
    }
    rule.has_experts = random_one_in(3);
    rule.expert_approvals = random_in(0, 3);
    rule.expert_objections = random_in(0, 2);
    return rule;
}

static void random_people(struct poll *poll, uint32_t count_max, uint32_t weight_max)
{
    poll->count = random_in(1, count_max);
    bool equal = random_one_in(2);
    for (uint32_t i = 0; i < poll->count; i++) {
        poll->people[i] = (struct person){
            .weight = equal ? 1 : random_in(1, weight_max),
            .votes = !random_one_in(8),
            .of_class = random_one_in(2),
            .is_expert = poll->rule.has_experts && random_one_in(2),
            .said = ' ',
            .reviewed = ' ',
        };
        if (!poll->people[i].votes) {
            poll->people[i].of_class = false;
        }
    }
}

/* All that a voter can say in a ballot: the first option is nothing at all. */
static uint32_t options_of(const struct tally_rule *rule, const struct person *person,
                           struct person options[OPTIONS_MAX])
{
    struct person answers[OPTIONS_MAX];
    uint32_t answer_count = 0, count = 0;
    struct person base = *person;
    base.has_ballot = true;
    base.said = base.reviewed = ' ';
    base.vetoed = false;
    base.points = 0;
    answers[answer_count++] = base;
    const char *said = rule->method == TALLY_SCORE ? "a" : "any";
    for (; person->votes && *said != '\0'; said++) {
        base.said = *said;
        answers[answer_count++] = base;
    }
    for (uint32_t points = rule->score_min;
         person->votes && rule->method == TALLY_SCORE && points <= rule->score_max; points++) {
        base.said = 's';
        base.points = points;
        answers[answer_count++] = base;
    }
    uint32_t without_veto = answer_count;
    for (uint32_t i = 1; rule->has_veto && person->of_class && i < without_veto; i++) {
        if (rule->trigger == TALLY_TRIGGER_EXPLICIT ||
            (answers[i].said == 's' && answers[i].points <= rule->trigger_score)) {
            answers[answer_count] = answers[i];
            answers[answer_count++].vetoed = true;
        }
    }
    for (uint32_t i = 0; i < answer_count; i++) {
        for (const char *review = person->is_expert ? " +-" : " "; *review != '\0'; review++) {
            assert_true(count < OPTIONS_MAX);
            options[count] = answers[i];
            options[count++].reviewed = *review;
        }
    }
    return count;
}

/* --- The same poll in the terms of src/tally. --- */

static struct tally_voter voter_of(const struct person *person)
{
    return (struct tally_voter){.weight = person->weight,
                                .in_electorate = person->votes,
                                .in_veto_class = person->of_class};
}

static struct tally_answer answer_of(const struct person *person)
{
    struct tally_answer answer = {.score = person->points, .veto = person->vetoed};
    answer.choice = person->said == 'y'   ? TALLY_YES
                    : person->said == 'n' ? TALLY_NO
                    : person->said == 'a' ? TALLY_ABSTAIN
                    : person->said == 's' ? TALLY_SCORED
                                          : TALLY_NONE;
    answer.review = person->reviewed == '+'   ? TALLY_APPROVE
                    : person->reviewed == '-' ? TALLY_OBJECT
                                              : TALLY_REVIEW_NONE;
    return answer;
}

static struct tally_roll roll_of(const struct poll *poll)
{
    struct tally_roll roll = {0};
    for (uint32_t i = 0; i < poll->count; i++) {
        const struct person *person = &poll->people[i];
        roll.heads += person->votes;
        roll.weight += person->votes ? person->weight : 0;
        roll.veto_heads += poll->rule.has_veto && person->of_class;
        roll.expert_heads += person->is_expert;
    }
    return roll;
}

static void check_verdict(const struct poll *poll, const struct tally *tally,
                          const struct tally_roll *roll)
{
    struct tally_verdict verdict;
    struct recount recount = recount_poll(poll);
    tally_decide(tally, &poll->rule, roll, &verdict);
    assert_true(verdict.support == recount.support);
    assert_true(verdict.support_of == recount.support_of);
    assert_true(verdict.quorum_have == recount.quorum_have);
    assert_true(verdict.quorum_of == recount.quorum_of);
    assert_int_equal(verdict.veto_have, recount.veto_have);
    assert_int_equal(verdict.veto_of, recount.veto_of);
    assert_int_equal(verdict.approvals, recount.approvals);
    assert_int_equal(verdict.objections, recount.objections);
    assert_int_equal(verdict.outcome, recount.outcome);
}

/* A random member casts a random ballot; an earlier one is taken back. */
static void cast_random_ballot(struct poll *poll, struct tally *tally)
{
    struct person options[OPTIONS_MAX];
    struct person *person = &poll->people[random_in(0, poll->count - 1)];
    uint32_t count = options_of(&poll->rule, person, options);
    struct tally_voter voter = voter_of(person);
    if (person->has_ballot) {
        struct tally_answer earlier = answer_of(person);
        tally_remove(tally, &poll->rule, &voter, &earlier);
    }
    *person = options[random_in(0, count - 1)];
    struct tally_answer answer = answer_of(person);
    tally_add(tally, &poll->rule, &voter, &answer);
}

static void test_random_polls(void **state)
{
    (void)state;
    random_state = 1;
    uint32_t outcomes[TALLY_CANCELLED + 1] = {0};
    for (uint32_t round = 0; round < 10000; round++) {
        struct poll poll = {.rule = random_rule(12)};
        random_people(&poll, VOTERS_MAX, random_one_in(2) ? 5 : LIMIT_WEIGHT);
        struct tally tally = {0};
        struct tally_roll roll = roll_of(&poll);
        check_verdict(&poll, &tally, &roll);
        for (uint32_t ballot = 0; ballot < 2 * poll.count; ballot++) {
            cast_random_ballot(&poll, &tally);
            check_verdict(&poll, &tally, &roll);
        }
        outcomes[recount_poll(&poll).outcome]++;
    }
    for (int outcome = TALLY_PASSED; outcome < TALLY_CANCELLED; outcome++) {
        assert_true(outcomes[outcome] >= 100); /* the random polls reach them all */
    }
}

/* --- All ways to go on. --- */

static struct tally_outstanding outstanding_of(const struct poll *poll)
{
    struct tally_outstanding outstanding = {0};
    for (uint32_t i = 0; i < poll->count; i++) {
        const struct person *person = &poll->people[i];
        if (person->has_ballot) {
            continue;
        }
        outstanding.heads += person->votes;
        outstanding.weight += person->votes ? person->weight : 0;
        outstanding.veto_heads += poll->rule.has_veto && person->of_class;
        outstanding.expert_heads += person->is_expert;
    }
    return outstanding;
}

/* Does every completion by the voters from `next` on have this outcome? */
static bool all_completions_are(struct poll *poll, uint32_t next, enum tally_outcome outcome)
{
    while (next < poll->count && poll->people[next].has_ballot) {
        next++;
    }
    if (next == poll->count) {
        return recount_poll(poll).outcome == outcome;
    }
    struct person before = poll->people[next], options[OPTIONS_MAX];
    uint32_t count = options_of(&poll->rule, &before, options);
    bool same = true;
    for (uint32_t i = 0; i < count && same; i++) {
        poll->people[next] = options[i];
        same = all_completions_are(poll, next + 1, outcome);
    }
    poll->people[next] = before;
    return same;
}

static void test_settled_is_exact(void **state)
{
    (void)state;
    random_state = 2;
    uint32_t settled_count = 0, open_count = 0;
    uint32_t settled_outcomes[TALLY_CANCELLED + 1] = {0};
    for (uint32_t round = 0; round < 30000; round++) {
        struct poll poll = {.rule = random_rule(3)};
        random_people(&poll, 6, 3);
        uint32_t silent_max = random_in(1, 3);
        struct tally tally = {0};
        for (uint32_t i = silent_max; i < poll.count; i++) {
            struct person options[OPTIONS_MAX];
            uint32_t count = options_of(&poll.rule, &poll.people[i], options);
            poll.people[i] = options[random_in(0, count - 1)];
            struct tally_voter voter = voter_of(&poll.people[i]);
            struct tally_answer answer = answer_of(&poll.people[i]);
            tally_add(&tally, &poll.rule, &voter, &answer);
        }
        struct tally_roll roll = roll_of(&poll);
        struct tally_outstanding outstanding = outstanding_of(&poll);
        bool settled = tally_settled(&tally, &poll.rule, &roll, &outstanding);
        enum tally_outcome now = recount_poll(&poll).outcome;
        bool expected = all_completions_are(&poll, 0, now);
        if (settled != expected) {
            print_message("round %u: %s, now %s\n", round, settled ? "settled" : "open",
                          tally_outcome_name(now));
        }
        assert_int_equal(settled, expected);
        settled_count += settled;
        open_count += !settled;
        settled_outcomes[now] += settled;
    }
    assert_true(settled_count >= 1000 && open_count >= 1000);
    for (int outcome = TALLY_PASSED; outcome < TALLY_CANCELLED; outcome++) {
        assert_true(settled_outcomes[outcome] >= 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_polls),
        cmocka_unit_test(test_settled_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
