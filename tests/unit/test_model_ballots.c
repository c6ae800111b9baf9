/* Ballots: what is accepted, refused, replaced and counted. Figures are counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/support/model_fixture.h"

static struct model_fixture fixture;

static void put_policy(const char *id, const char *policy)
{
    model_ok(&fixture, "chair", "policy.put", "{'id': '%s', 'policy': {%s}}", id, policy);
}

static void open_poll(const char *id, const char *policies)
{
    char questions[1024];
    size_t size = 0;
    size_t number = 0;
    char copy[256];
    snprintf(copy, sizeof copy, "%s", policies);
    for (char *at = copy; *at != '\0';) {
        size_t length = strcspn(at, " ");
        char end = at[length];
        at[length] = '\0';
        size += (size_t)snprintf(questions + size, sizeof questions - size,
                                 "%s{'id': 'q%zu', 'title': 'T', 'policy': '%s'}",
                                 number == 0 ? "" : ",", number + 1, at);
        number++;
        at += length + (end == '\0' ? 0 : 1);
    }
    model_ok(&fixture, "chair", "poll.open",
             "{'id': '%s', 'title': 'Poll', 'open_for_ms': 100000, 'questions': [%s]}", id,
             questions);
}

/* ann, bob and cid; ann is of class g; bob is an expert of "x"; policies of all sorts. */
static int open_fixture(void **state)
{
    (void)state;
    model_open(&fixture, NULL);
    model_ok(&fixture, "chair", "member.admit",
             "{'id': 'ann', 'key': '%s', 'classes': ['g'], 'weight': 2}", model_key("ann"));
    model_ok(&fixture, "chair", "member.admit",
             "{'id': 'bob', 'key': '%s', 'roles': ['expert:x'], 'weight': 3}", model_key("bob"));
    model_ok(&fixture, "chair", "member.admit", "{'id': 'cid', 'key': '%s'}", model_key("cid"));
    put_policy("yesno", "'method': 'yesno', 'pass': [1, 2, '>']");
    put_policy("final", "'method': 'yesno', 'pass': [1, 2, '>'], 'revote': 'final'");
    put_policy("score", "'method': 'score', 'min': 1, 'max': 10, 'pass': [60, 100, '>=']");
    put_policy("experts", "'method': 'yesno', 'pass': [1, 2, '>'], "
                          "'experts': {'domain': 'x', 'approvals': 1, 'objections': 0}");
    put_policy("veto", "'method': 'yesno', 'pass': [1, 2, '>'], "
                       "'veto': {'class': 'g', 'trigger': 'explicit', 'justification': 5, "
                       "'share_of': 'roll', 'reject': [1, 1], 'revise': [1, 1]}");
    put_policy("low", "'method': 'score', 'min': 1, 'max': 10, 'pass': [60, 100, '>='], "
                      "'veto': {'class': 'g', 'trigger': ['score', 2], 'justification': 5, "
                      "'share_of': 'roll', 'reject': [1, 1], 'revise': [1, 1]}");
    put_policy("silent", "'method': 'yesno', 'pass': [1, 2, '>'], 'rationale': {'mode': 'none'}, "
                         "'veto': {'class': 'g', 'trigger': 'explicit', 'justification': 5, "
                         "'share_of': 'roll', 'reject': [1, 1], 'revise': [1, 1]}");
    put_policy("required", "'method': 'yesno', 'pass': [1, 2, '>'], "
                           "'rationale': {'mode': 'required', 'min': 4, 'max': 10, "
                           "'sections': ['Pro:']}, "
                           "'experts': {'domain': 'x', 'approvals': 1, 'objections': 0}");
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_close(&fixture);
    return 0;
}

static void cast(const char *member, const char *poll, const char *answers)
{
    model_ok(&fixture, member, "ballot.cast", "{'poll': '%s', 'answers': [%s]}", poll, answers);
}

static void refuse(const char *code, const char *names, const char *member, const char *poll,
                   const char *answers)
{
    const char *message = model_refused(&fixture, code, member, "ballot.cast",
                                        "{'poll': '%s', 'answers': [%s]}", poll, answers);
    if (strstr(message, names) == NULL) {
        fail_msg("\"%s\" does not name %s", message, names);
    }
}

static void answers_are_checked(void **state)
{
    (void)state;
    open_poll("p", "yesno score");
    static const struct {
        const char *code;
        const char *names;
        const char *answers;
    } cases[] = {
        {"ballot_empty", "no question", ""},
        {"unknown_question", "q3", "{'q': 'q3', 'a': 'yes'}"},
        {"duplicate_answer", "q1", "{'q': 'q1', 'a': 'yes'}, {'q': 'q1', 'a': 'no'}"},
        {"bad_answer", "maybe", "{'q': 'q1', 'a': 'maybe'}"},
        {"bad_answer", "q1", "{'q': 'q1', 'a': 1}"},
        {"bad_answer", "q1", "{'q': 'q1', 'a': null}"},
        {"bad_answer", "q1", "{'q': 'q1', 'a': true}"},
        {"bad_answer", "neither", "{'q': 'q1'}"},
        {"bad_answer", "neither", "{'q': 'q1', 'why': 'because'}"},
        {"bad_answer", "1..10", "{'q': 'q2', 'a': 'yes'}"},
        {"bad_answer", "1..10", "{'q': 'q2', 'a': 5.5}"},
        {"score_out_of_range", "score 0 is outside 1..10 for question \"q2\"",
         "{'q': 'q2', 'a': 0}"},
        {"score_out_of_range", "score 11 is outside 1..10 for question \"q2\"",
         "{'q': 'q2', 'a': 11}"},
        {"score_out_of_range", "score -1 is outside 1..10", "{'q': 'q2', 'a': -1}"},
        {"bad_request", "colour", "{'q': 'q1', 'a': 'yes', 'colour': 'red'}"},
        {"bad_request", "\"q\"", "{'a': 'yes'}"},
        {"bad_request", "map", "1"},
        {"not_expert", "no expert review", "{'q': 'q1', 'a': 'yes', 'review': 'approve'}"},
        {"veto_not_allowed", "no explicit veto", "{'q': 'q1', 'a': 'no', 'veto': true}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refuse(cases[i].code, cases[i].names, "ann", "p", cases[i].answers);
    }
    model_refused(&fixture, "unknown_poll", "ann", "ballot.cast",
                  "{'poll': 'x', 'answers': [{'q': 'q1', 'a': 'yes'}]}");
    model_refused(&fixture, "bad_request", "ann", "ballot.cast", "{'poll': 'p'}");
    /* one wrong answer refuses the whole ballot */
    refuse("score_out_of_range", "q2", "ann", "p", "{'q': 'q1', 'a': 'yes'}, {'q': 'q2', 'a': 99}");
    cast("ann", "p", "{'q': 'q1', 'a': 'abstain', 'veto': false}, {'q': 'q2', 'a': 'abstain'}");
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
    model_expect_at(tally, "questions.0.abstain", "[1, 2]");
    model_expect_at(tally, "questions.1.abstain", "[1, 2]");
    json_decref(tally);
}

static void scores_add_up(void **state)
{
    (void)state;
    open_poll("p", "score score");
    cast("chair", "p", "{'q': 'q1', 'a': 10}");
    cast("ann", "p", "{'q': 'q1', 'a': 1}, {'q': 'q2', 'a': 7}");
    cast("bob", "p", "{'q': 'q1', 'a': 'abstain'}");
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
    /* 10 x 1 + 1 x 2 of 10 x (1 + 2) */
    model_expect_at(tally, "questions.0.scored", "[2, 3]");
    model_expect_at(tally, "questions.0.score_sum", "12");
    model_expect_at(tally, "questions.0.abstain", "[1, 3]");
    model_expect_at(tally, "questions.0.verdict.support", "[12, 30]");
    model_expect_at(tally, "questions.0.verdict.outcome", "'failed'");
    model_expect_at(tally, "questions.1.ballots", "3");
    model_expect_at(tally, "questions.1.answers", "1");
    model_expect_at(tally, "questions.1.left_out", "2");
    model_expect_at(tally, "questions.1.verdict.support", "[14, 20]");
    model_expect_at(tally, "questions.1.verdict.outcome", "'passed'");
    json_decref(tally);
    tally = model_ask(&fixture, "tally", "{'poll': 'p', 'question': 'q2'}");
    assert_int_equal(json_array_size(model_at(tally, "questions")), 1);
    model_expect_at(tally, "questions.0.question", "'q2'");
    json_decref(tally);
    model_ask_refused(&fixture, CONCLAVE_NOT_FOUND, "tally", "{'poll': 'p', 'question': 'q3'}");
}

static void a_revote_replaces_as_a_whole(void **state)
{
    (void)state;
    open_poll("p", "yesno score experts");
    cast("bob", "p",
         "{'q': 'q1', 'a': 'yes'}, {'q': 'q2', 'a': 9}, "
         "{'q': 'q3', 'a': 'yes', 'review': 'approve'}");
    cast("ann", "p", "{'q': 'q1', 'a': 'no'}");
    model_expect(model_ok(&fixture, "bob", "ballot.cast",
                          "{'poll': 'p', 'answers': [{'q': 'q1', 'a': 'no'}]}"),
                 "{'ballot': 2, 'answered': 1}");
    model_expect_at(fixture.events, "0.ballots", "2"); /* voters, not ballots */
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
    model_expect_at(tally, "questions.0.yes", "[0, 0]");
    model_expect_at(tally, "questions.0.no", "[2, 5]");
    model_expect_at(tally, "questions.1.scored", "[0, 0]");
    model_expect_at(tally, "questions.1.score_sum", "0");
    model_expect_at(tally, "questions.1.left_out", "2");
    model_expect_at(tally, "questions.2.yes", "[0, 0]");
    model_expect_at(tally, "questions.2.verdict.approvals", "0");
    json_decref(tally);
    json_t *ballot = model_ask(&fixture, "ballot.get", "{'poll': 'p', 'member': 'bob'}");
    model_expect_at(ballot, "ballot", "2");
    model_expect_at(ballot, "answers",
                    "[{'q': 'q1', 'a': 'no', 'veto': false, 'review': null, 'why': null}]");
    json_decref(ballot);
    json_t *cluster = model_ask(&fixture, "cluster.get", "{}");
    model_expect_at(cluster, "counts.ballots", "3");
    json_decref(cluster);
}

static void a_final_ballot_stands(void **state)
{
    (void)state;
    open_poll("p", "yesno final");
    cast("ann", "p", "{'q': 'q1', 'a': 'yes'}");
    refuse("ballot_final", "q2", "ann", "p", "{'q': 'q1', 'a': 'no'}, {'q': 'q2', 'a': 'no'}");
    cast("ann", "p", "{'q': 'q1', 'a': 'no'}"); /* neither answers the final question */
    cast("bob", "p", "{'q': 'q2', 'a': 'yes'}");
    refuse("ballot_final", "q2", "bob", "p", "{'q': 'q1', 'a': 'yes'}");
    refuse("ballot_final", "q2", "bob", "p", "{'q': 'q2', 'a': 'yes'}");
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
    model_expect_at(tally, "questions.0.no", "[1, 2]");
    model_expect_at(tally, "questions.1.yes", "[1, 3]");
    json_decref(tally);
}

static void rationales(void **state)
{
    (void)state;
    open_poll("p", "required silent yesno");
    refuse("rationale_missing", "q1", "ann", "p", "{'q': 'q1', 'a': 'yes'}");
    refuse("rationale_missing", "q1", "ann", "p", "{'q': 'q1', 'a': 'abstain', 'why': ''}");
    refuse("rationale_length", "3 bytes, 4 to 10", "ann", "p",
           "{'q': 'q1', 'a': 'yes', 'why': 'abc'}");
    refuse("rationale_length", "11 bytes, 4 to 10", "ann", "p",
           "{'q': 'q1', 'a': 'yes', 'why': 'Pro: 678901'}");
    refuse("rationale_section", "Pro:", "ann", "p", "{'q': 'q1', 'a': 'yes', 'why': 'pro: x'}");
    refuse("rationale_not_wanted", "q2", "ann", "p", "{'q': 'q2', 'a': 'yes', 'why': 'x'}");
    char *why = malloc(8194);
    char *answer = malloc(8300);
    assert_true(why != NULL && answer != NULL);
    memset(why, 'w', 8193);
    why[8193] = '\0';
    snprintf(answer, 8300, "{'q': 'q3', 'a': 'yes', 'why': '%s'}", why);
    refuse("rationale_length", "8193", "ann", "p", answer);
    snprintf(answer, 8300, "{'q': 'q3', 'a': 'yes', 'why': '%s'}", why + 1);
    cast("cid", "p", answer);
    free(why);
    free(answer);
    /* bytes, not letters: 10 bytes of UTF-8 */
    cast("ann", "p",
         "{'q': 'q1', 'a': 'yes', 'why': 'Pro: \\u00e9\\u20ac'}, "
         "{'q': 'q2', 'a': 'yes'}");
    /* a review needs none, and has its lengths bound when there is one */
    cast("bob", "p", "{'q': 'q1', 'review': 'object'}");
    refuse("rationale_length", "q1", "bob", "p", "{'q': 'q1', 'review': 'object', 'why': 'x'}");
    json_t *ballot = model_ask(&fixture, "ballot.get", "{'poll': 'p', 'member': 'ann'}");
    model_expect_at(ballot, "answers.0.why", "'Pro: \\u00e9\\u20ac'");
    json_decref(ballot);
}

static void explicit_vetoes(void **state)
{
    (void)state;
    open_poll("p", "veto silent");
    refuse("justification_length", "4 bytes, at least 5", "ann", "p",
           "{'q': 'q1', 'a': 'no', 'veto': true, 'why': 'four'}");
    refuse("justification_length", "q1", "ann", "p", "{'q': 'q1', 'a': 'no', 'veto': true}");
    refuse("veto_not_allowed", "\"g\"", "bob", "p",
           "{'q': 'q1', 'a': 'no', 'veto': true, 'why': 'because'}");
    refuse("bad_answer", "not yes", "ann", "p",
           "{'q': 'q1', 'a': 'yes', 'veto': true, 'why': 'because'}");
    refuse("bad_answer", "needs an answer", "ann", "p",
           "{'q': 'q1', 'veto': true, 'why': 'because'}");
    /* where no rationale is taken, a veto's justification is */
    cast("ann", "p",
         "{'q': 'q1', 'a': 'abstain', 'veto': true, 'why': 'fives'}, "
         "{'q': 'q2', 'a': 'no', 'veto': true, 'why': 'fives'}");
    cast("bob", "p", "{'q': 'q1', 'a': 'yes'}, {'q': 'q2', 'a': 'yes'}");
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
    model_expect_at(tally, "questions.0.verdict.veto", "[1, 1]");
    model_expect_at(tally, "questions.0.verdict.outcome", "'rejected_by_veto'");
    model_expect_at(tally, "questions.0.roll.veto_class", "1");
    model_expect_at(tally, "questions.1.verdict.veto", "[1, 1]");
    json_decref(tally);
    json_t *ballot = model_ask(&fixture, "ballot.get", "{'poll': 'p', 'member': 'ann'}");
    model_expect_at(ballot, "answers.0",
                    "{'q': 'q1', 'a': 'abstain', 'veto': true, "
                    "'review': null, 'why': 'fives'}");
    json_decref(ballot);
}

static void vetoes_by_score(void **state)
{
    (void)state;
    open_poll("p", "low");
    refuse("veto_not_allowed", "no explicit veto", "ann", "p",
           "{'q': 'q1', 'a': 1, 'veto': true, 'why': 'because'}");
    static const struct {
        const char *member;
        const char *answer;
        int vetoes;
    } cases[] = {
        {"ann", "{'q': 'q1', 'a': 2, 'why': 'fives'}", 1}, /* at the trigger, justified */
        {"ann", "{'q': 'q1', 'a': 2, 'why': 'four'}", 0},  /* only a score */
        {"ann", "{'q': 'q1', 'a': 1}", 0},
        {"ann", "{'q': 'q1', 'a': 3, 'why': 'because'}", 0},
        {"bob", "{'q': 'q1', 'a': 1, 'why': 'because'}", 0}, /* not of the class */
        {"ann", "{'q': 'q1', 'a': 1, 'why': 'because'}", 1},
        {"ann", "{'q': 'q1', 'a': 'abstain', 'why': 'because'}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cast(cases[i].member, "p", cases[i].answer);
        json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
        model_expect_at(tally, "questions.0.verdict.veto", "[%d, 1]", cases[i].vetoes);
        json_decref(tally);
    }
}

static void experts(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "member.admit",
             "{'id': 'eve', 'key': '%s', 'roles': ['expert:x', 'expert:y']}", model_key("eve"));
    put_policy("experts-y", "'method': 'yesno', 'pass': [1, 2, '>'], "
                            "'experts': {'domain': 'y', 'approvals': 1, 'objections': 0}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'bob', 'classes': ['g']}");
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'p', 'title': 'P', 'open_for_ms': 1000, 'classes': ['g'], 'questions': ["
             "{'id': 'q1', 'title': 'T', 'policy': 'experts'}, "
             "{'id': 'q2', 'title': 'T', 'policy': 'experts-y'}, "
             "{'id': 'q3', 'title': 'T', 'policy': 'yesno'}]}");
    refuse("not_on_roll", "expert only", "eve", "p", "{'q': 'q1', 'a': 'yes'}");
    refuse("not_on_roll", "expert only", "eve", "p",
           "{'q': 'q1', 'a': 'yes', 'review': 'approve'}");
    refuse("not_expert", "no expert of its domain", "bob", "p", "{'q': 'q2', 'review': 'approve'}");
    refuse("not_expert", "no expert of its domain", "ann", "p", "{'q': 'q1', 'review': 'approve'}");
    refuse("bad_answer", "perhaps", "bob", "p", "{'q': 'q1', 'review': 'perhaps'}");
    cast("bob", "p", "{'q': 'q1', 'a': 'no', 'review': 'approve'}, {'q': 'q2', 'a': 'yes'}");
    cast("eve", "p", "{'q': 'q1', 'review': 'object'}, {'q': 'q2', 'review': 'approve'}");
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'p'}");
    model_expect_at(tally, "questions.0.roll",
                    "{'heads': 2, 'weight': 5, 'veto_class': 0, 'experts': 2}");
    model_expect_at(tally, "questions.0.verdict.approvals", "1");
    model_expect_at(tally, "questions.0.verdict.objections", "1");
    model_expect_at(tally, "questions.0.no", "[1, 3]");
    model_expect_at(tally, "questions.1.roll.experts", "1");
    model_expect_at(tally, "questions.1.verdict.outcome", "'passed'");
    model_expect_at(tally, "questions.2.ballots", "2");
    model_expect_at(tally, "questions.2.left_out", "1"); /* eve could not have answered it */
    json_decref(tally);
}

/* SHA-256 of "{}" (sha256sum). */
#define SHA_EMPTY_MAP "hex:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

static void imported_ballots(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'old', 'title': 'P', 'open_for_ms': 1000, "
             "'imported': {'source': 'minutes/0003', 'sha256': '" SHA_EMPTY_MAP "'}, "
             "'questions': [{'id': 'q1', 'title': 'T', 'policy': 'yesno'}]}");
    open_poll("new", "yesno");
#define IMPORTED(hash_, bytes_)                                                             \
    "'imported': {'file': 'votes/ann.json', 'sha256': '" hash_ "', 'bytes': '" bytes_ "', " \
    "'timestamp': '2025-09-07T00:00:00Z'}"
#define ANSWERS "'answers': [{'q': 'q1', 'a': 'yes'}]"
    model_refused(&fixture, "not_imported", "ann", "ballot.cast", "{'poll': 'old', " ANSWERS "}");
    model_refused(&fixture, "not_imported", "ann", "ballot.cast",
                  "{'poll': 'new', " ANSWERS ", " IMPORTED(SHA_EMPTY_MAP, "hex:7b7d") "}");
    model_refused(&fixture, "bad_value", "ann", "ballot.cast",
                  "{'poll': 'old', " ANSWERS ", " IMPORTED(SHA_EMPTY_MAP, "hex:7b7e") "}");
    model_refused(&fixture, "bad_request", "ann", "ballot.cast",
                  "{'poll': 'old', " ANSWERS ", 'imported': {'file': 'x'}}");
    model_ok(&fixture, "ann", "ballot.cast",
             "{'poll': 'old', " ANSWERS
             ", 'claimed_at': 1757203200000, " IMPORTED(SHA_EMPTY_MAP, "hex:7b7d") "}");
    json_t *ballot = model_ask(&fixture, "ballot.get", "{'poll': 'old', 'member': 'ann'}");
    model_expect(ballot,
                 "{'applied': %llu, 'poll': 'old', 'member': 'ann', 'ballot': 1, 'index': %llu, "
                 "'position': 0, 'time': 1000000, 'claimed_at': 1757203200000, 'weight': 2, "
                 "'imported': {'file': 'votes/ann.json', 'sha256': '" SHA_EMPTY_MAP
                 "', 'timestamp': '2025-09-07T00:00:00Z'}, "
                 "'answers': [{'q': 'q1', 'a': 'yes', 'veto': false, 'review': null, "
                 "'why': null}]}",
                 (unsigned long long)fixture.index, (unsigned long long)fixture.index);
    json_decref(ballot);
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'old'}");
    model_expect_at(poll, "imported", "{'source': 'minutes/0003', 'sha256': '" SHA_EMPTY_MAP "'}");
    json_decref(poll);
}

static void ballots_have_a_size_limit(void **state)
{
    (void)state;
    char questions[1024] = "yesno";
    for (int i = 0; i < 8; i++) {
        strncat(questions, " yesno", sizeof questions - strlen(questions) - 1);
    }
    open_poll("p", questions);
    size_t room = 9 * 8300;
    char *answers = malloc(room);
    char *why = malloc(8001);
    assert_true(answers != NULL && why != NULL);
    memset(why, 'w', 8000);
    why[8000] = '\0';
    size_t size = 0;
    for (int i = 1; i <= 9; i++) {
        size += (size_t)snprintf(answers + size, room - size,
                                 "%s{'q': 'q%d', 'a': 'yes', 'why': '%s'}", i == 1 ? "" : ",", i,
                                 why);
    }
    refuse("too_large", "65536", "ann", "p", answers); /* 9 x 8000 bytes and more */
    answers[0] = ' ';
    char *rest = strchr(answers, ',');
    while (rest != NULL && strncmp(rest, ",{'q': 'q2'", 11) != 0) {
        rest = strchr(rest + 1, ',');
    }
    assert_non_null(rest);
    cast("ann", "p", rest + 1); /* 8 x 8000 */
    free(answers);
    free(why);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_are_checked),       TEST(scores_add_up), TEST(a_revote_replaces_as_a_whole),
        TEST(a_final_ballot_stands),     TEST(rationales),    TEST(explicit_vetoes),
        TEST(vetoes_by_score),           TEST(experts),       TEST(imported_ballots),
        TEST(ballots_have_a_size_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
