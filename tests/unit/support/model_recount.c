/* See model_recount.h. */
#include "unit/support/model_recount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

const char *const recount_rules[RECOUNT_RULES] = {
    "{'method': 'yesno', 'pass': [1, 2, '>'], 'quorum': [1, 2, 'heads']}",
    "{'method': 'yesno', 'base': 'cast', 'pass': [2, 3, '>='], 'quorum': [1, 3, 'weight']}",
    "{'method': 'yesno', 'base': 'eligible', 'pass': [1, 4, '>'], 'revote': 'final'}",
    "{'method': 'score', 'min': 1, 'max': 10, 'pass': [60, 100, '>=']}",
    "{'method': 'score', 'min': 0, 'max': 5, 'pass': [1, 2, '>'], 'revote': 'final', "
    "'veto': {'class': 'c1', 'trigger': ['score', 1], 'justification': 4, 'share_of': 'roll', "
    "'reject': [1, 2], 'revise': [1, 4]}}",
    "{'method': 'yesno', 'pass': [1, 2, '>'], 'veto': {'class': 'c0', 'trigger': 'explicit', "
    "'justification': 0, 'share_of': 'answered', 'reject': [2, 3], 'revise': [1, 3]}}",
    "{'method': 'yesno', 'pass': [1, 2, '>'], "
    "'experts': {'domain': 'd', 'approvals': 1, 'objections': 0}}",
    "{'method': 'score', 'min': 1, 'max': 3, 'pass': [1, 1, '>='], 'quorum': [1, 1, 'heads'], "
    "'experts': {'domain': 'd', 'approvals': 0, 'objections': 1}}",
};

struct person {
    char id[16];
    bool active;
    uint64_t weight;
    json_t *classes;
    json_t *roles;
};

/* A question as asked, and its figures. */
struct question {
    json_t *rule;
    uint64_t yes[2], no[2], abstain[2], scored[2], sum;
    uint64_t vetoes, answered_of_class, of_class, approvals, objections, experts;
};

struct voter {
    bool on_roll;
    bool elector;
    bool expert;
    uint64_t weight;
    bool in_class[2]; /* c0, c1 */
    json_t *ballot;   /* the valid one's answers */
    uint64_t ballots;
};

struct poll {
    uint64_t closes_at;
    const char *state; /* NULL: never opened */
    uint64_t closed_ms;
    int question_count;
    struct question questions[RECOUNT_QUESTIONS];
    struct voter voters[RECOUNT_MEMBERS];
    uint64_t heads, weight;
};

static struct person people[RECOUNT_MEMBERS];
static struct poll polls[RECOUNT_POLLS];

static bool has_text(const json_t *array, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item)
    {
        if (strcmp(json_string_value(item), text) == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t number_at(const json_t *value, const char *path)
{
    return (uint64_t)json_integer_value(model_at(value, path));
}

static void recount_member(const struct recount_sent *one)
{
    struct person *person = &people[atoi(json_string_value(json_object_get(one->body, "id")) + 1)];
    json_t *value;
    if (strcmp(one->kind, "member.admit") == 0) {
        person->active = true;
        person->weight = 1;
    }
    if ((value = json_object_get(one->body, "weight")) != NULL) {
        person->weight = (uint64_t)json_integer_value(value);
    }
    if ((value = json_object_get(one->body, "classes")) != NULL) {
        person->classes = value;
    }
    if ((value = json_object_get(one->body, "roles")) != NULL) {
        person->roles = value;
    }
    if ((value = json_object_get(one->body, "status")) != NULL) {
        person->active = strcmp(json_string_value(value), "active") == 0;
    }
}

static void recount_open(const struct recount_sent *one)
{
    struct poll *poll = &polls[atoi(json_string_value(json_object_get(one->body, "id")) + 1)];
    const json_t *classes = json_object_get(one->body, "classes");
    const json_t *questions = json_object_get(one->body, "questions");
    bool domain = false;
    poll->state = "open";
    poll->closes_at = one->time_ms + number_at(one->body, "open_for_ms");
    poll->question_count = (int)json_array_size(questions);
    for (int i = 0; i < poll->question_count; i++) {
        const char *policy =
            json_string_value(json_object_get(json_array_get(questions, (size_t)i), "policy"));
        poll->questions[i].rule = model_json("%s", recount_rules[atoi(policy + 1)]);
        domain = domain || json_object_get(poll->questions[i].rule, "experts") != NULL;
    }
    poll->heads = poll->weight = classes == NULL ? 1 : 0; /* the chair, who has no class */
    for (int i = 0; i < RECOUNT_MEMBERS; i++) {
        const struct person *person = &people[i];
        struct voter *voter = &poll->voters[i];
        voter->elector = person->active && (classes == NULL || has_text(person->classes, "c0"));
        voter->expert = person->active && domain && has_text(person->roles, "expert:d");
        voter->on_roll = voter->elector || voter->expert;
        voter->weight = person->weight;
        voter->in_class[0] = voter->elector && has_text(person->classes, "c0");
        voter->in_class[1] = voter->elector && has_text(person->classes, "c1");
        poll->heads += voter->elector ? 1 : 0;
        poll->weight += voter->elector ? person->weight : 0;
    }
}

/* Is this one answer in order? NULL, or the code of the refusal. */
static const char *judge_answer(const struct poll *poll, const struct voter *voter,
                                const json_t *answer)
{
    int place = json_string_value(json_object_get(answer, "q"))[1] - '0';
    if (place >= poll->question_count) {
        return "unknown_question";
    }
    const json_t *rule = poll->questions[place].rule;
    const json_t *a = json_object_get(answer, "a");
    const json_t *review = json_object_get(answer, "review");
    const json_t *experts = json_object_get(rule, "experts");
    const json_t *veto_rule = json_object_get(rule, "veto");
    bool score = strcmp(json_string_value(json_object_get(rule, "method")), "score") == 0;
    if (a != NULL && !voter->elector) {
        return "not_on_roll";
    }
    if (a != NULL && json_is_integer(a)) {
        if (!score) {
            return "bad_answer";
        }
        if (json_integer_value(a) < json_integer_value(json_object_get(rule, "min")) ||
            json_integer_value(a) > json_integer_value(json_object_get(rule, "max"))) {
            return "score_out_of_range";
        }
    } else if (a != NULL && score && strcmp(json_string_value(a), "abstain") != 0) {
        return "bad_answer";
    }
    if (review != NULL && (experts == NULL || !voter->expert)) {
        return "not_expert";
    }
    if (json_is_true(json_object_get(answer, "veto"))) {
        if (veto_rule == NULL || !json_is_string(json_object_get(veto_rule, "trigger")) ||
            !voter->in_class[0]) {
            return "veto_not_allowed";
        }
        if (a == NULL || strcmp(json_string_value(a), "yes") == 0) {
            return "bad_answer";
        }
    }
    return a == NULL && review == NULL ? "bad_answer" : NULL;
}

static bool is_final(const struct poll *poll, const json_t *answers)
{
    size_t i;
    json_t *answer;
    json_array_foreach(answers, i, answer)
    {
        int place = json_string_value(json_object_get(answer, "q"))[1] - '0';
        if (json_object_get(poll->questions[place].rule, "revote") != NULL) {
            return true;
        }
    }
    return false;
}

/* Does the ballot count? "ok", or the code of the refusal. */
static const char *judge_ballot(const struct recount_sent *one, const struct poll *poll,
                                const struct voter *voter, const json_t *answers)
{
    if (voter == NULL) {
        return "unknown_author";
    }
    if (poll->state == NULL) {
        return "unknown_poll";
    }
    if (strcmp(poll->state, "open") != 0 || one->time_ms > poll->closes_at) {
        return "poll_closed";
    }
    if (!voter->on_roll) {
        return "not_on_roll";
    }
    if (json_array_size(answers) == 0) {
        return "ballot_empty";
    }
    size_t i;
    json_t *answer;
    json_array_foreach(answers, i, answer)
    {
        const char *code = judge_answer(poll, voter, answer);
        if (code != NULL) {
            return code;
        }
    }
    bool is_second = voter->ballot != NULL;
    return is_second && (is_final(poll, answers) || is_final(poll, voter->ballot)) ? "ballot_final"
                                                                                   : "ok";
}

static void recount_ballot(const struct recount_sent *one)
{
    struct poll *poll = &polls[atoi(json_string_value(json_object_get(one->body, "poll")) + 1)];
    int author = atoi(one->author + 1);
    struct voter *voter = author < RECOUNT_MEMBERS ? &poll->voters[author] : NULL;
    json_t *answers = json_object_get(one->body, "answers");
    const char *code = judge_ballot(one, poll, voter, answers);
    if (strcmp(code, one->code) != 0) {
        char *text = json_dumps(one->body, 0);
        fail_msg("%s got %s, and by the recount %s: %s", one->author, one->code, code, text);
    }
    if (strcmp(code, "ok") == 0) {
        voter->ballot = answers;
        voter->ballots++;
    }
}

static void recount_end(const struct recount_sent *one)
{
    struct poll *poll = &polls[atoi(json_string_value(json_object_get(one->body, "id")) + 1)];
    bool cancel = strcmp(one->kind, "poll.cancel") == 0;
    const char *expected = cancel && one->time_ms > poll->closes_at ? "poll_closed" : "ok";
    assert_string_equal(one->code, expected);
    if (strcmp(expected, "ok") == 0) {
        poll->state = cancel ? "cancelled" : "closed";
    }
}

/* Adds up the valid ballots of a question. */
static void count_question(struct poll *poll, int place)
{
    struct question *question = &poll->questions[place];
    const json_t *veto = json_object_get(question->rule, "veto");
    int veto_class = veto == NULL ? 0 : json_string_value(json_object_get(veto, "class"))[1] - '0';
    bool experts = json_object_get(question->rule, "experts") != NULL;
    for (int i = 0; i < RECOUNT_MEMBERS; i++) {
        struct voter *voter = &poll->voters[i];
        question->of_class += veto != NULL && voter->in_class[veto_class] ? 1 : 0;
        question->experts += experts && voter->expert ? 1 : 0;
        size_t j;
        json_t *answer;
        json_array_foreach(voter->ballot, j, answer)
        {
            if (json_string_value(json_object_get(answer, "q"))[1] - '0' != place) {
                continue;
            }
            const json_t *a = json_object_get(answer, "a");
            const json_t *review = json_object_get(answer, "review");
            uint64_t *sums = NULL;
            if (json_is_integer(a)) {
                sums = question->scored;
                question->sum += (uint64_t)json_integer_value(a) * voter->weight;
            } else if (a != NULL) {
                char first = json_string_value(a)[0];
                sums = first == 'y'   ? question->yes
                       : first == 'n' ? question->no
                                      : question->abstain;
            }
            if (sums != NULL) {
                sums[0]++;
                sums[1] += voter->weight;
            }
            if (review != NULL && json_string_value(review)[0] == 'a') {
                question->approvals++;
            } else if (review != NULL) {
                question->objections++;
            }
            if (veto != NULL && a != NULL && voter->in_class[veto_class]) {
                const char *why = json_string_value(json_object_get(answer, "why"));
                bool low = json_is_integer(a) && json_integer_value(a) <= 1 && why != NULL &&
                           strlen(why) >= 4 && json_is_array(json_object_get(veto, "trigger"));
                question->answered_of_class++;
                question->vetoes += low || json_is_true(json_object_get(answer, "veto")) ? 1 : 0;
            }
        }
    }
}

/* have/of against [n, d]: at least, or above. */
static bool reaches(uint64_t have, uint64_t of, const json_t *fraction, bool above)
{
    uint64_t left = have * number_at(fraction, "1");
    uint64_t right = of * number_at(fraction, "0");
    return of > 0 && (above ? left > right : left >= right);
}

static const char *decide(const struct poll *poll, const struct question *question)
{
    const json_t *rule = question->rule;
    const json_t *quorum = json_object_get(rule, "quorum");
    const json_t *veto = json_object_get(rule, "veto");
    const json_t *experts = json_object_get(rule, "experts");
    const json_t *pass = json_object_get(rule, "pass");
    const char *base = json_string_value(json_object_get(rule, "base"));
    if (quorum != NULL) {
        bool heads = strcmp(json_string_value(json_array_get(quorum, 2)), "heads") == 0;
        int k = heads ? 0 : 1;
        uint64_t have = question->yes[k] + question->no[k] + question->abstain[k] +
                        question->scored[k];
        if (!reaches(have, heads ? poll->heads : poll->weight, quorum, false)) {
            return "no_quorum";
        }
    }
    if (veto != NULL) {
        bool roll = strcmp(json_string_value(json_object_get(veto, "share_of")), "roll") == 0;
        uint64_t of = roll ? question->of_class : question->answered_of_class;
        if (reaches(question->vetoes, of, json_object_get(veto, "reject"), false)) {
            return "rejected_by_veto";
        }
        if (reaches(question->vetoes, of, json_object_get(veto, "revise"), false)) {
            return "to_revision";
        }
    }
    uint64_t have = question->yes[1];
    uint64_t of = question->yes[1] + question->no[1];
    if (json_object_get(rule, "max") != NULL) {
        have = question->sum;
        of = question->scored[1] * number_at(rule, "max");
    } else if (base != NULL) {
        of = strcmp(base, "cast") == 0 ? of + question->abstain[1] : poll->weight;
    }
    bool above = strcmp(json_string_value(json_array_get(pass, 2)), ">") == 0;
    if (have == 0 || !reaches(have, of, pass, above)) {
        return "failed";
    }
    if (experts != NULL && (question->approvals < number_at(experts, "approvals") ||
                            question->objections > number_at(experts, "objections"))) {
        return "experts_missing";
    }
    return "passed";
}

static void compare_question(struct model_fixture *fixture, int number, struct poll *poll,
                             int place)
{
    struct question *question = &poll->questions[place];
    count_question(poll, place);
    uint64_t voters = 0;
    uint64_t electors = 0;
    for (int i = 0; i < RECOUNT_MEMBERS; i++) {
        voters += poll->voters[i].ballot != NULL ? 1 : 0;
        electors += poll->voters[i].ballot != NULL && poll->voters[i].elector ? 1 : 0;
    }
    uint64_t answers = question->yes[0] + question->no[0] + question->abstain[0] +
                       question->scored[0];
    json_t *decision =
        model_ask(fixture, "decision.get", "{'poll': 'p%d', 'question': 'q%d'}", number, place);
    const json_t *tally = model_at(decision, "tally");
    model_expect_at(tally, "yes", "[%d, %d]", (int)question->yes[0], (int)question->yes[1]);
    model_expect_at(tally, "no", "[%d, %d]", (int)question->no[0], (int)question->no[1]);
    model_expect_at(tally, "abstain", "[%d, %d]", (int)question->abstain[0],
                    (int)question->abstain[1]);
    model_expect_at(tally, "scored", "[%d, %d]", (int)question->scored[0],
                    (int)question->scored[1]);
    assert_int_equal(number_at(tally, "score_sum"), question->sum);
    assert_int_equal(number_at(tally, "ballots"), voters);
    assert_int_equal(number_at(tally, "answers"), answers);
    assert_int_equal(number_at(tally, "left_out"), electors - answers);
    model_expect_at(tally, "roll", "{'heads': %d, 'weight': %d, 'veto_class': %d, 'experts': %d}",
                    (int)poll->heads, (int)poll->weight, (int)question->of_class,
                    (int)question->experts);
    assert_int_equal(number_at(tally, "verdict.veto.0"), question->vetoes);
    assert_int_equal(number_at(tally, "verdict.approvals"), question->approvals);
    assert_int_equal(number_at(tally, "verdict.objections"), question->objections);
    const char *outcome = strcmp(poll->state, "cancelled") == 0 ? "cancelled"
                                                                : decide(poll, question);
    model_expect_at(decision, "outcome", "'%s'", outcome);
    json_decref(decision);
}

void recount(struct model_fixture *fixture, const struct recount_sent *sent, size_t sent_count,
             size_t sent_again)
{
    memset(people, 0, sizeof people);
    memset(polls, 0, sizeof polls);
    for (size_t i = 0; i < sent_count; i++) {
        const struct recount_sent *one = &sent[i];
        if (strcmp(one->kind, "ballot.cast") == 0) {
            recount_ballot(one);
        } else if (strcmp(one->kind, "poll.close") == 0 || strcmp(one->kind, "poll.cancel") == 0) {
            recount_end(one);
        } else if (strcmp(one->code, "ok") != 0) {
            /* the run opens no poll on an empty roll but by chance */
            assert_string_equal(one->code, "empty_roll");
        } else if (strcmp(one->kind, "poll.open") == 0) {
            recount_open(one);
        } else if (strncmp(one->kind, "member.", 7) == 0) {
            recount_member(one);
        }
    }
    uint64_t ballots = 0;
    for (int i = 0; i < RECOUNT_POLLS; i++) {
        if (polls[i].state == NULL) {
            continue;
        }
        for (int j = 0; j < polls[i].question_count; j++) {
            compare_question(fixture, i, &polls[i], j);
            json_decref(polls[i].questions[j].rule);
        }
        for (int j = 0; j < RECOUNT_MEMBERS; j++) {
            ballots += polls[i].voters[j].ballots;
        }
    }
    json_t *cluster = model_ask(fixture, "cluster.get", "{}");
    assert_int_equal(number_at(cluster, "counts.ballots"), ballots);
    assert_int_equal(number_at(cluster, "counts.commands"), sent_count + 1 + sent_again);
    json_decref(cluster);
    assert_true(ballots > sent_count / 6); /* the run is no heap of refusals */
}
