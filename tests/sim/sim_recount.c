/* Counting by docs/SEMANTICS.md, from the ballots, in the plainest way. */
#include "sim/sim_model.h"

/* What the gates look at. */
struct sums {
    uint64_t yes[2], no[2], abstain[2], scored[2]; /* heads, weight */
    uint64_t score_sum;
    uint64_t vetoes, veto_answered;
    uint64_t approvals, objections;
};

static void raise(uint64_t sum[2], uint64_t weight)
{
    sum[0]++;
    sum[1] += weight;
}

static void add(struct sums *sums, const struct sim_voter *voter, unsigned question,
                const struct sim_answer *given)
{
    if (given->choice == SIM_YES) {
        raise(sums->yes, voter->weight);
    } else if (given->choice == SIM_NO) {
        raise(sums->no, voter->weight);
    } else if (given->choice == SIM_ABSTAIN) {
        raise(sums->abstain, voter->weight);
    } else if (given->choice == SIM_SCORE) {
        raise(sums->scored, voter->weight);
        sums->score_sum += given->score * voter->weight;
    }
    if (given->choice != SIM_LEFT_OUT && voter->vetoer[question]) {
        sums->veto_answered++;
        sums->vetoes += given->veto;
    }
    sums->approvals += given->review > 0;
    sums->objections += given->review < 0;
}

/* share/of against a fraction, as -1, 0 or 1. */
static int compare(uint64_t share, uint64_t of, struct sim_share fraction)
{
    __extension__ typedef unsigned __int128 wide;
    wide left = (wide)share * fraction.denominator;
    wide right = (wide)of * fraction.numerator;
    return left < right ? -1 : left > right;
}

static bool reaches(uint64_t share, uint64_t of, struct sim_share fraction)
{
    return of > 0 && compare(share, of, fraction) >= 0;
}

static void roll_of(const struct sim_poll *poll, unsigned question, struct sim_figures *figures)
{
    for (unsigned i = 0; i < poll->voter_count; i++) {
        const struct sim_voter *voter = &poll->voters[i];
        if (voter->elector) {
            figures->heads++;
            figures->weight += voter->weight;
            figures->veto_class += voter->vetoer[question];
        }
        figures->experts += voter->expert[question];
    }
}

static bool supports(const struct sim_rule *rule, const struct sums *sums,
                     struct sim_figures *figures)
{
    uint64_t of = 0;
    uint64_t have = sums->yes[1];
    if (rule->score) {
        have = sums->score_sum;
        of = rule->max * sums->scored[1];
    } else if (rule->base == 'd') {
        of = sums->yes[1] + sums->no[1];
    } else if (rule->base == 'c') {
        of = sums->yes[1] + sums->no[1] + sums->abstain[1];
    } else {
        of = figures->weight;
    }
    figures->support[0] = have;
    figures->support[1] = of;
    if (have == 0 || of == 0) {
        return false; /* nothing never passes */
    }
    bool half = 2 * rule->pass.numerator >= rule->pass.denominator;
    if (!rule->score && half && sums->yes[1] <= sums->no[1]) {
        return false; /* a tie is not passed */
    }
    int side = compare(have, of, rule->pass);
    return rule->at_least ? side >= 0 : side > 0;
}

static const char *decide(const struct sim_rule *rule, const struct sums *sums,
                          struct sim_figures *figures)
{
    unsigned by = rule->quorum == 'w' ? 1 : 0;
    figures->quorum[0] = sums->yes[by] + sums->no[by] + sums->abstain[by] + sums->scored[by];
    figures->quorum[1] = by == 1 ? figures->weight : figures->heads;
    if (rule->veto) {
        figures->veto[0] = sums->vetoes;
        figures->veto[1] = rule->veto_of_roll ? figures->veto_class : sums->veto_answered;
    }
    figures->approvals = sums->approvals;
    figures->objections = sums->objections;
    bool passes = supports(rule, sums, figures);
    if (rule->quorum != 0 && !reaches(figures->quorum[0], figures->quorum[1], rule->quorum_share)) {
        return "no_quorum";
    }
    if (rule->veto && reaches(figures->veto[0], figures->veto[1], rule->reject)) {
        return "rejected_by_veto";
    }
    if (rule->veto && reaches(figures->veto[0], figures->veto[1], rule->revise)) {
        return "to_revision";
    }
    if (!passes) {
        return "failed";
    }
    if (rule->experts &&
        (sums->approvals < rule->approvals || sums->objections > rule->objections)) {
        return "experts_missing";
    }
    return "passed";
}

static void sum_up(const struct sim_poll *poll, unsigned question, struct sums *sums)
{
    for (unsigned i = 0; i < poll->voter_count; i++) {
        const struct sim_voter *voter = &poll->voters[i];
        if (voter->ballots > 0) {
            add(sums, voter, question, &voter->answers[question]);
        }
    }
}

void sim_recount(const struct sim_poll *poll, unsigned question, struct sim_figures *figures)
{
    *figures = (struct sim_figures){0};
    struct sums sums = {0};
    sum_up(poll, question, &sums);
    roll_of(poll, question, figures);
    for (unsigned i = 0; i < poll->voter_count; i++) {
        const struct sim_voter *voter = &poll->voters[i];
        figures->ballots += voter->ballots > 0;
        figures->left_out += voter->ballots > 0 && voter->elector &&
                             voter->answers[question].choice == SIM_LEFT_OUT;
    }
    for (unsigned i = 0; i < 2; i++) {
        figures->yes[i] = sums.yes[i];
        figures->no[i] = sums.no[i];
        figures->abstain[i] = sums.abstain[i];
        figures->scored[i] = sums.scored[i];
    }
    figures->score_sum = sums.score_sum;
    figures->outcome = decide(&poll->rules[question], &sums, figures);
}

/* All who have no ballot yet go one way, with every veto and review there is for it. */
static const char *completed(const struct sim_poll *poll, unsigned question, bool favour)
{
    const struct sim_rule *rule = &poll->rules[question];
    struct sums sums = {0};
    struct sim_figures figures = {0};
    sum_up(poll, question, &sums);
    roll_of(poll, question, &figures);
    for (unsigned i = 0; i < poll->voter_count; i++) {
        const struct sim_voter *voter = &poll->voters[i];
        if (voter->ballots > 0) {
            continue;
        }
        struct sim_answer given = {0};
        if (voter->elector && rule->score) {
            given.choice = SIM_SCORE;
            given.score = favour ? rule->max : rule->min;
        } else if (voter->elector) {
            given.choice = favour ? SIM_YES : SIM_NO;
        }
        given.veto = voter->elector && !favour && voter->vetoer[question];
        given.review = !voter->expert[question] ? 0 : favour ? 1 : -1;
        add(&sums, voter, question, &given);
    }
    return decide(rule, &sums, &figures);
}

bool sim_recount_settled(const struct sim_poll *poll, unsigned question)
{
    struct sim_figures figures;
    sim_recount(poll, question, &figures);
    /* Outcomes are literals of this file: one text, one place. */
    return figures.outcome == completed(poll, question, true) &&
           figures.outcome == completed(poll, question, false);
}
