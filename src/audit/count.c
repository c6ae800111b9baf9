/* Counting. */
#include "audit/count.h"

static const char PASSED[] = "passed";
static const char FAILED[] = "failed";
static const char NO_QUORUM[] = "no_quorum";
static const char REJECTED[] = "rejected_by_veto";
static const char TO_REVISION[] = "to_revision";
static const char EXPERTS_MISSING[] = "experts_missing";

static void raise(uint64_t pair[2], uint64_t weight)
{
    pair[0]++;
    pair[1] += weight;
}

/* What one answer adds. `veto_answered`: heads of the veto's class that answered. */
static void add(struct audit_figures *figures, const struct audit_voter *voter, unsigned question,
                const struct audit_answer *answer, uint64_t *veto_answered)
{
    switch ((enum audit_choice)answer->choice) {
    case AUDIT_YES:
        raise(figures->yes, voter->weight);
        break;
    case AUDIT_NO:
        raise(figures->no, voter->weight);
        break;
    case AUDIT_ABSTAIN:
        raise(figures->abstain, voter->weight);
        break;
    case AUDIT_SCORE:
        raise(figures->scored, voter->weight);
        figures->score_sum += answer->score * voter->weight;
        break;
    case AUDIT_LEFT_OUT:
        break;
    }
    if (answer->choice != AUDIT_LEFT_OUT) {
        figures->answers++;
        if ((voter->vetoer >> question & 1u) != 0) {
            ++*veto_answered;
            figures->veto[0] += answer->veto;
        }
    } else if (voter->elector) {
        figures->left_out++;
    }
    figures->approvals += answer->review > 0;
    figures->objections += answer->review < 0;
}

/* have/of against a fraction: below, at or above it. */
static int compare(uint64_t have, uint64_t of, struct audit_share fraction)
{
    __extension__ typedef unsigned __int128 wide;
    wide left = (wide)have * fraction.denominator;
    wide right = (wide)of * fraction.numerator;
    return left < right ? -1 : left > right;
}

static bool reaches(const uint64_t pair[2], struct audit_share fraction)
{
    return pair[1] > 0 && compare(pair[0], pair[1], fraction) >= 0;
}

static bool supported(const struct audit_rule *rule, struct audit_figures *figures)
{
    uint64_t yes = figures->yes[1];
    uint64_t no = figures->no[1];
    figures->support[0] = rule->score ? figures->score_sum : yes;
    if (rule->score) {
        figures->support[1] = rule->max * figures->scored[1];
    } else if (rule->base == AUDIT_BASE_DECISIVE) {
        figures->support[1] = yes + no;
    } else if (rule->base == AUDIT_BASE_CAST) {
        figures->support[1] = yes + no + figures->abstain[1];
    } else {
        figures->support[1] = figures->roll_weight;
    }
    if (figures->support[0] == 0 || figures->support[1] == 0) {
        return false; /* nothing never passes */
    }
    bool asks_half = 2 * rule->pass.numerator >= rule->pass.denominator;
    if (!rule->score && asks_half && yes == no) {
        return false; /* a tie is not passed */
    }
    int side = compare(figures->support[0], figures->support[1], rule->pass);
    return rule->at_least ? side >= 0 : side > 0;
}

static const char *decide(const struct audit_rule *rule, struct audit_figures *figures,
                          uint64_t veto_answered)
{
    unsigned by = rule->quorum == AUDIT_QUORUM_WEIGHT ? 1 : 0;
    figures->quorum[0] = figures->yes[by] + figures->no[by] + figures->abstain[by] +
                         figures->scored[by];
    figures->quorum[1] = by == 1 ? figures->roll_weight : figures->roll_heads;
    if (rule->veto) {
        figures->veto[1] = rule->veto_of_roll ? figures->roll_veto_class : veto_answered;
    }
    bool passes = supported(rule, figures);
    if (rule->quorum != AUDIT_QUORUM_NONE && !reaches(figures->quorum, rule->quorum_share)) {
        return NO_QUORUM;
    }
    if (rule->veto && reaches(figures->veto, rule->reject)) {
        return REJECTED;
    }
    if (rule->veto && reaches(figures->veto, rule->revise)) {
        return TO_REVISION;
    }
    if (!passes) {
        return FAILED;
    }
    if (rule->experts &&
        (figures->approvals < rule->approvals || figures->objections > rule->objections)) {
        return EXPERTS_MISSING;
    }
    return PASSED;
}

static void count_roll(const struct audit_roll *roll, unsigned question,
                       struct audit_figures *figures)
{
    for (size_t i = 0; i < roll->count; i++) {
        const struct audit_voter *voter = &roll->voters[i];
        if (voter->elector) {
            figures->roll_heads++;
            figures->roll_weight += voter->weight;
            figures->roll_veto_class += voter->vetoer >> question & 1u;
        }
        figures->roll_experts += voter->expert >> question & 1u;
    }
}

/* How those who have no ballot yet are thought to go on. */
enum rest {
    REST_SILENT,
    REST_IN_FAVOUR,
    REST_AGAINST
};

static struct audit_answer answer_of_rest(const struct audit_rule *rule,
                                          const struct audit_voter *voter, unsigned question,
                                          enum rest rest)
{
    struct audit_answer answer = {.choice = AUDIT_LEFT_OUT};
    bool favour = rest == REST_IN_FAVOUR;
    if (voter->elector) {
        answer.choice = rule->score ? AUDIT_SCORE : favour ? AUDIT_YES : AUDIT_NO;
        answer.score = (uint16_t)(favour ? rule->max : rule->min);
        answer.veto = !favour && (voter->vetoer >> question & 1u) != 0;
    }
    if ((voter->expert >> question & 1u) != 0) {
        answer.review = favour ? 1 : -1;
    }
    return answer;
}

static void count(const struct audit_roll *roll, const struct audit_rule *rule, unsigned question,
                  enum rest rest, struct audit_figures *figures)
{
    uint64_t veto_answered = 0;
    *figures = (struct audit_figures){0};
    count_roll(roll, question, figures);
    for (size_t i = 0; i < roll->count; i++) {
        const struct audit_voter *voter = &roll->voters[i];
        if (voter->answers != NULL) {
            figures->ballots++;
            add(figures, voter, question, &voter->answers[question], &veto_answered);
        } else if (rest != REST_SILENT) {
            struct audit_answer answer = answer_of_rest(rule, voter, question, rest);
            add(figures, voter, question, &answer, &veto_answered);
        }
    }
    figures->outcome = decide(rule, figures, veto_answered);
}

void audit_count(const struct audit_roll *roll, const struct audit_rule *rule, unsigned question,
                 struct audit_figures *figures)
{
    count(roll, rule, question, REST_SILENT, figures);
}

bool audit_count_settled(const struct audit_roll *roll, const struct audit_rule *rule,
                         unsigned question)
{
    struct audit_figures now;
    struct audit_figures favour;
    struct audit_figures against;
    count(roll, rule, question, REST_SILENT, &now);
    count(roll, rule, question, REST_IN_FAVOUR, &favour);
    count(roll, rule, question, REST_AGAINST, &against);
    return now.outcome == favour.outcome && now.outcome == against.outcome;
}

/* --- Comparing --- */

struct figure {
    const char *name;
    size_t offset;
};

#define FIGURE(member)                                  \
    {                                                   \
#member, offsetof(struct audit_figures, member) \
    }
#define PAIR(member)                                                            \
    {#member ".0", offsetof(struct audit_figures, member)},                     \
    {                                                                           \
#member ".1", offsetof(struct audit_figures, member) + sizeof(uint64_t) \
    }

static const struct figure figure_table[] = {
    FIGURE(ballots),
    FIGURE(answers),
    FIGURE(left_out),
    PAIR(yes),
    PAIR(no),
    PAIR(abstain),
    PAIR(scored),
    FIGURE(score_sum),
    FIGURE(roll_heads),
    FIGURE(roll_weight),
    FIGURE(roll_veto_class),
    FIGURE(roll_experts),
    PAIR(support),
    PAIR(quorum),
    PAIR(veto),
    FIGURE(approvals),
    FIGURE(objections),
};

static uint64_t figure_of(const struct audit_figures *figures, const struct figure *figure)
{
    uint64_t value;
    memcpy(&value, (const uint8_t *)figures + figure->offset, sizeof value);
    return value;
}

bool audit_figures_differ(const struct audit_figures *said, const struct audit_figures *counted,
                          struct audit_difference *difference)
{
    ASSERT(said != NULL && counted != NULL && difference != NULL);
    for (size_t i = 0; i < sizeof figure_table / sizeof figure_table[0]; i++) {
        difference->name = figure_table[i].name;
        difference->said = figure_of(said, &figure_table[i]);
        difference->is = figure_of(counted, &figure_table[i]);
        if (difference->said != difference->is) {
            return true;
        }
    }
    return false;
}
