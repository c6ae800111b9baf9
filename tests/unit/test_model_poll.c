/* Polls: opening, the frozen roll, closing, cancelling, superseding. Figures are counted by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/support/model_fixture.h"

static struct model_fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    model_open(&fixture, NULL);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_close(&fixture);
    return 0;
}

static void admit(const char *id, const char *rest)
{
    model_ok(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s'%s}", id, model_key(id),
             rest);
}

static void put_policy(const char *id, const char *rest)
{
    model_ok(&fixture, "chair", "policy.put",
             "{'id': '%s', 'policy': {'method': 'yesno', 'pass': [1, 2, '>'], %s}}", id, rest);
}

#define QUESTION "{'id': 'q', 'title': 'Question', 'policy': 'simple-majority'}"

static void open_poll(const char *id, uint64_t open_for_ms, const char *questions)
{
    model_ok(&fixture, "chair", "poll.open",
             "{'id': '%s', 'title': 'Poll', 'open_for_ms': %llu, 'questions': [%s]}", id,
             (unsigned long long)open_for_ms, questions);
}

static void vote(const char *member, const char *poll, const char *answer)
{
    model_ok(&fixture, member, "ballot.cast", "{'poll': '%s', 'answers': [{'q': 'q', 'a': '%s'}]}",
             poll, answer);
}

static void expect_outcome(const char *poll, const char *question, const char *outcome,
                           const char *text)
{
    json_t *decision =
        model_ask(&fixture, "decision.get", "{'poll': '%s', 'question': '%s'}", poll, question);
    model_expect_at(decision, "outcome", "'%s'", outcome);
    model_expect_at(decision, "text", "'%s'", text);
    json_decref(decision);
}

/* --- The whole way --- */

static void from_opening_to_decision(void **state)
{
    (void)state;
    admit("ann", ", 'weight': 3");
    admit("bob", "");
    json_t *result = model_ok(&fixture, "chair", "poll.open",
                              "{'id': 'p', 'title': 'Poll', 'open_for_ms': 1000, "
                              "'questions': [" QUESTION "]}");
    model_expect(result, "{'roll': 3, 'weight': 5, 'closes_at': 1001000}");
    model_expect(fixture.events, "[{'type': 'poll.opened', 'index': 4, 'time': 1000000, "
                                 "'poll': 'p', 'title': 'Poll', 'closes_at': 1001000}]");
    result = model_ok(&fixture, "ann", "ballot.cast",
                      "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes', 'why': 'good'}]}");
    model_expect(result, "{'ballot': 1, 'answered': 1}");
    model_expect(fixture.events, "[{'type': 'ballot.in', 'index': 5, 'time': 1000000, "
                                 "'poll': 'p', 'member': 'ann', 'ballot': 1, 'ballots': 1}]");
    vote("bob", "p", "no");

    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "state", "'open'");
    model_expect_at(poll, "closed_at", "null");
    model_expect_at(poll, "closed_by", "null");
    model_expect_at(poll, "ballots", "2");
    model_expect_at(poll, "roll", "{'heads': 3, 'weight': 5}");
    model_expect_at(poll, "questions.0.yes", "[1, 3]");
    model_expect_at(poll, "questions.0.no", "[1, 1]");
    model_expect_at(poll, "questions.0.verdict.outcome", "'passed'");
    json_decref(poll);
    model_ask_refused(&fixture, CONCLAVE_NOT_FOUND, "decision.get",
                      "{'poll': 'p', 'question': 'q'}");

    fixture.time_ms = 1001001;
    assert_int_equal(model_close_due(&fixture), 1);
    model_expect(fixture.events,
                 "[{'type': 'poll.closed', 'index': 7, 'time': 1001001, 'poll': 'p', "
                 "'by': 'deadline', 'decisions': [['q', 'passed']]}]");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'p', 'question': 'q'}");
    json_object_del((json_t *)(uintptr_t)model_at(decision, "tally"), "rule");
    model_expect(decision,
                 "{'applied': 7, 'poll': 'p', 'question': 'q', 'id': 'p/q', 'outcome': 'passed', "
                 "'text': '3/4 > 1/2: yes', 'index': 7, 'time': 1001001, 'reason': '', "
                 "'superseded_by': null, 'roll_changes': [], 'tally': {"
                 "'question': 'q', 'title': 'Question', 'proposal': null, 'proposal_revision': 0, "
                 "'policy': 'simple-majority', 'policy_version': 1, 'method': 'yesno', "
                 "'ballots': 2, 'answers': 2, 'yes': [1, 3], 'no': [1, 1], 'abstain': [0, 0], "
                 "'scored': [0, 0], 'score_sum': 0, 'left_out': 0, "
                 "'roll': {'heads': 3, 'weight': 5, 'veto_class': 0, 'experts': 0}, "
                 "'supersedes': null, "
                 "'verdict': {'outcome': 'passed', 'text': '3/4 > 1/2: yes', 'support': [3, 4], "
                 "'passes': true, 'quorum': [2, 3], 'quorum_met': true, 'veto': [0, 0], "
                 "'veto_rejects': false, 'veto_revises': false, 'approvals': 0, 'objections': 0, "
                 "'experts_met': true}}}");
    json_decref(decision);
    poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "state", "'closed'");
    model_expect_at(poll, "closed_at", "1001001");
    model_expect_at(poll, "closed_by", "'deadline'");
    model_expect_at(poll, "index", "4");
    json_decref(poll);
}

/* --- Refusals --- */

static void open_refusals(void **state)
{
    (void)state;
    open_poll("taken", 5, QUESTION);
    static const struct {
        const char *code;
        const char *body;
        const char *names;
    } cases[] = {
        {"bad_request", "{'id': 'p', 'title': 'P', 'open_for_ms': 5}", "questions"},
        {"duplicate_id",
         "{'id': 'taken', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "]}", "taken"},
        {"bad_value", "{'id': 'p/', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "]}",
         "p/"},
        {"bad_value", "{'id': 'p', 'title': '', 'open_for_ms': 5, 'questions': [" QUESTION "]}",
         "title"},
        {"bad_value", "{'id': 'p', 'title': 'P', 'questions': [" QUESTION "]}", "exactly one"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'closes_at': 1000005, 'questions': [" QUESTION
         "]}",
         "exactly one"},
        {"bad_value", "{'id': 'p', 'title': 'P', 'open_for_ms': 0, 'questions': [" QUESTION "]}",
         "open for 0"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 31622400001, 'questions': [" QUESTION "]}",
         "31622400001"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'closes_at': 1000000, 'questions': [" QUESTION "]}", "1000000"},
        {"bad_value", "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': []}",
         "at least one"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [{'id': 'q', "
         "'policy': 'simple-majority'}]}",
         "title"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [{'id': '', 'title': 'T', "
         "'policy': 'simple-majority'}]}",
         "id"},
        {"bad_request",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [{'id': 'q', 'title': 'T'}]}",
         "policy"},
        {"unknown_policy",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [{'id': 'q', 'title': 'T', "
         "'policy': 'dice'}]}",
         "dice"},
        {"unknown_proposal",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [{'id': 'q', "
         "'proposal': 'none', 'policy': 'simple-majority'}]}",
         "none"},
        {"duplicate_id",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "," QUESTION "]}",
         "twice"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "], "
         "'classes': []}",
         "classes"},
        {"empty_roll",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "], "
         "'classes': ['nobody']}",
         "classes"},
        {"bad_value",
         "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "], "
         "'imported': {'source': 's', 'sha256': 'hex:00'}}",
         "sha256"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *message =
            model_refused(&fixture, cases[i].code, "chair", "poll.open", "%s", cases[i].body);
        if (strstr(message, cases[i].names) == NULL) {
            fail_msg("\"%s\" does not name %s", message, cases[i].names);
        }
    }
    admit("ann", "");
    model_refused(&fixture, "not_chair", "ann", "poll.open",
                  "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "]}");
    model_refused(&fixture, "not_chair", "ann", "poll.close", "{'id': 'taken'}");
    model_refused(&fixture, "not_chair", "ann", "poll.cancel", "{'id': 'taken', 'reason': 'r'}");
}

static void one_proposal_stands_once(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "proposal.submit", "{'id': 'a', 'title': 'T', 'body': 'b'}");
    model_refused(&fixture, "duplicate_id", "chair", "poll.open",
                  "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': ["
                  "{'id': 'q', 'proposal': 'a', 'policy': 'simple-majority'}, "
                  "{'id': 'r', 'proposal': 'a', 'policy': 'simple-majority'}]}");
}

/* Adds `count` questions to a JSON text. */
static char *many_questions(unsigned count)
{
    char *text = malloc(count * 80 + 1);
    assert_non_null(text);
    size_t size = 0;
    for (unsigned i = 0; i < count; i++) {
        size += (size_t)snprintf(text + size, 80,
                                 "%s{'id': 'q%u', 'title': 'T', 'policy': 'simple-majority'}",
                                 i == 0 ? "" : ",", i);
    }
    return text;
}

static void limits(void **state)
{
    (void)state;
    char *questions = many_questions(65);
    const char *message =
        model_refused(&fixture, "limit_reached", "chair", "poll.open",
                      "{'id': 'p', 'title': 'P', 'open_for_ms': 5, 'questions': [%s]}", questions);
    assert_non_null(strstr(message, "65"));
    free(questions);
    questions = many_questions(64);
    open_poll("p0", 5, questions);
    free(questions);
    for (int i = 1; i < 1024; i++) {
        model_add(&fixture, "chair", "poll.open",
                  "{'id': 'p%d', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION "]}", i);
    }
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "1022.code", "'ok'");
    message = model_refused(&fixture, "limit_reached", "chair", "poll.open",
                            "{'id': 'more', 'title': 'P', 'open_for_ms': 5, 'questions': [" QUESTION
                            "]}");
    assert_non_null(strstr(message, "1024"));
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p7'}");
    open_poll("more", 5, QUESTION);
}

/* --- Closing --- */

static void the_closing_instant_is_inclusive(void **state)
{
    (void)state;
    admit("ann", "");
    open_poll("p", 1000, QUESTION);
    struct kv_transaction *transaction;
    uint64_t due_ms;
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_next_due(transaction, &due_ms), CONCLAVE_OK);
    kv_abort(transaction);
    assert_int_equal(due_ms, 1001001);

    fixture.time_ms = 1001000;
    assert_int_equal(model_close_due(&fixture), 0);
    model_apply_batch(&fixture, "['p']"); /* a leader may not close it yet */
    vote("chair", "p", "yes");
    fixture.time_ms = 1001001;
    const char *message = model_refused(&fixture, "poll_closed", "ann", "ballot.cast",
                                        "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    assert_non_null(strstr(message, "1001000"));
    model_refused(&fixture, "poll_closed", "chair", "poll.cancel",
                  "{'id': 'p', 'reason': 'I do not like it'}");
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "state", "'open'"); /* until the closing entry */
    json_decref(poll);
    assert_int_equal(model_close_due(&fixture), 1);
    assert_int_equal(model_close_due(&fixture), 0);
    model_refused(&fixture, "poll_closed", "ann", "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_refused(&fixture, "poll_closed", "chair", "poll.close", "{'id': 'p'}");
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_next_due(transaction, &due_ms), CONCLAVE_NOT_FOUND);
    kv_abort(transaction);
}

/* Log time never goes back: a leader with a slow clock reopens nothing. */
static void log_time_does_not_go_back(void **state)
{
    (void)state;
    open_poll("p", 1000, QUESTION);
    fixture.time_ms = 1001001;
    model_apply_batch(&fixture, NULL);
    fixture.time_ms = 1000500;
    model_refused(&fixture, "poll_closed", "chair", "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_expect_at(fixture.replies, "0.time", "1001001");
    model_apply_batch(&fixture, "['p']");
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "closed_at", "1001001");
    json_decref(poll);
}

static void closes_in_a_batch_come_before_its_commands(void **state)
{
    (void)state;
    open_poll("p", 1000, QUESTION);
    fixture.time_ms = 1001001;
    model_add(&fixture, "chair", "ballot.cast",
              "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_apply_batch(&fixture, "['p', 'p', 'unknown']");
    model_expect_at(fixture.replies, "0.code", "'poll_closed'");
    assert_int_equal(json_array_size(fixture.events), 1);
    expect_outcome("p", "q", "no_quorum", "quorum 0/1 >= 1/2 of heads: no");
}

static void a_chair_closes(void **state)
{
    (void)state;
    open_poll("p", 1000, QUESTION);
    vote("chair", "p", "yes");
    fixture.time_ms += 10;
    model_expect(model_ok(&fixture, "chair", "poll.close", "{'id': 'p'}"),
                 "{'decisions': [['q', 'passed']]}");
    model_expect_at(fixture.events, "0.by", "'chair'");
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "closed_by", "'chair'");
    model_expect_at(poll, "closed_at", "1000010");
    model_expect_at(poll, "closes_at", "1001000");
    json_decref(poll);
    model_refused(&fixture, "unknown_poll", "chair", "poll.close", "{'id': 'none'}");

    /* after the deadline it was the deadline that closed it */
    open_poll("late", 1000, QUESTION);
    fixture.time_ms += 1001;
    model_ok(&fixture, "chair", "poll.close", "{'id': 'late'}");
    model_expect_at(fixture.events, "0.by", "'deadline'");
}

static void a_chair_cancels(void **state)
{
    (void)state;
    open_poll("p", 1000, QUESTION ", {'id': 'r', 'title': 'R', 'policy': 'unanimous'}");
    vote("chair", "p", "yes");
    model_refused(&fixture, "bad_value", "chair", "poll.cancel", "{'id': 'p', 'reason': ''}");
    model_refused(&fixture, "bad_request", "chair", "poll.cancel", "{'id': 'p'}");
    model_refused(&fixture, "unknown_poll", "chair", "poll.cancel", "{'id': 'x', 'reason': 'r'}");
    model_expect(model_ok(&fixture, "chair", "poll.cancel", "{'id': 'p', 'reason': 'a mistake'}"),
                 "{}");
    model_expect_at(fixture.events, "0.by", "'cancelled'");
    model_expect_at(fixture.events, "0.decisions", "[['q', 'cancelled'], ['r', 'cancelled']]");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'p', 'question': 'q'}");
    model_expect_at(decision, "outcome", "'cancelled'");
    model_expect_at(decision, "reason", "'a mistake'");
    model_expect_at(decision, "tally.yes", "[1, 1]"); /* what was cast stays on record */
    json_decref(decision);
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "state", "'cancelled'");
    model_expect_at(poll, "closed_by", "'cancelled'");
    json_decref(poll);
    model_refused(&fixture, "poll_closed", "chair", "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
}

static void due_polls_come_in_order_of_time(void **state)
{
    (void)state;
    open_poll("c", 30, QUESTION);
    open_poll("a", 10, QUESTION);
    open_poll("b", 20, QUESTION);
    fixture.time_ms += 25;
    struct kv_transaction *transaction;
    struct slice closes[2];
    uint32_t count;
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_due(transaction, fixture.time_ms, closes, 2, &count), CONCLAVE_OK);
    assert_int_equal(count, 2);
    assert_true(slice_is_text(closes[0], "a") && slice_is_text(closes[1], "b"));
    assert_int_equal(model_due(transaction, fixture.time_ms + 100, closes, 1, &count), CONCLAVE_OK);
    assert_int_equal(count, 1);
    kv_abort(transaction);
}

/* --- Early close --- */

static void settled_polls_close_early(void **state)
{
    (void)state;
    admit("ann", "");
    admit("bob", "");
    admit("cid", "");
    put_policy("early", "'revote': 'final', 'early_close': {'min_open_ms': 100}");
    put_policy("later", "'revote': 'final', 'early_close': {'min_open_ms': 500}");
    open_poll("p", 10000,
              "{'id': 'q', 'title': 'Q', 'policy': 'early'}, "
              "{'id': 'r', 'title': 'R', 'policy': 'later'}");
    fixture.time_ms += 10;
    vote("chair", "p", "yes");
    vote("ann", "p", "yes");
    /* q: two of at most four is a tie yet; r: nobody, but two have cast their only ballot */
    assert_int_equal(model_close_due(&fixture), 0);
    model_ok(&fixture, "bob", "ballot.cast",
             "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}, {'q': 'r', 'a': 'no'}]}");
    /* q: at worst 3 of 4; r: at best 1 of 2, a tie: both settled, but not open long enough */
    struct kv_transaction *transaction;
    uint64_t due_ms;
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_next_due(transaction, &due_ms), CONCLAVE_OK);
    kv_abort(transaction);
    assert_int_equal(due_ms, 1000500);
    fixture.time_ms = 1000499;
    assert_int_equal(model_close_due(&fixture), 0);
    vote("cid", "p", "no"); /* who comes late may still vote */
    fixture.time_ms = 1000500;
    assert_int_equal(model_close_due(&fixture), 1);
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "closed_by", "'settled'");
    json_decref(poll);
    expect_outcome("p", "q", "passed", "3/4 > 1/2: yes");
    expect_outcome("p", "r", "failed", "0/1 > 1/2: no");
}

static void one_policy_without_early_close_keeps_a_poll_open(void **state)
{
    (void)state;
    put_policy("early", "'revote': 'final', 'early_close': {'min_open_ms': 0}");
    put_policy("final", "'revote': 'final'");
    open_poll("p", 10000,
              "{'id': 'q', 'title': 'Q', 'policy': 'early'}, "
              "{'id': 'r', 'title': 'R', 'policy': 'final'}");
    open_poll("e", 10000, "{'id': 'q', 'title': 'Q', 'policy': 'early'}");
    vote("chair", "p", "yes");
    assert_int_equal(model_close_due(&fixture), 0);
    vote("chair", "e", "yes");
    assert_int_equal(model_close_due(&fixture), 1);
    expect_outcome("e", "q", "passed", "1/1 > 1/2: yes");
    /* settled, but not before its deadline has passed: then it is the deadline */
    fixture.time_ms += 10001;
    assert_int_equal(model_close_due(&fixture), 1);
    model_expect_at(fixture.events, "0.by", "'deadline'");
}

/* A leader says so, but it is not true: nothing happens. */
static void closes_that_are_not_due_are_ignored(void **state)
{
    (void)state;
    admit("ann", "");
    put_policy("early", "'revote': 'final', 'early_close': {'min_open_ms': 0}");
    open_poll("p", 10000, "{'id': 'q', 'title': 'Q', 'policy': 'early'}");
    vote("chair", "p", "yes");
    model_apply_batch(&fixture, "['p']");
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    model_expect_at(poll, "state", "'open'");
    json_decref(poll);
}

/* --- Superseding --- */

#define AGAIN(poll_, rest_)                                                              \
    "{'id': '" poll_ "', 'title': 'P', 'open_for_ms': 1000, 'questions': [{'id': 'q2', " \
    "'policy': 'simple-majority', " rest_ "}]}"

/* Nobody votes in a poll that should supersede p4/q2: that decides nothing, and the decision
 * stands. */
static void no_quorum_supersedes_nothing(void)
{
    model_ok(&fixture, "chair", "poll.open", AGAIN("n", "'proposal': 'a', 'supersedes': 'p4/q2'"));
    model_ok(&fixture, "chair", "poll.close", "{'id': 'n'}");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'n', 'question': 'q2'}");
    model_expect_at(decision, "outcome", "'no_quorum'");
    json_decref(decision);
    decision = model_ask(&fixture, "decision.get", "{'poll': 'p4', 'question': 'q2'}");
    model_expect_at(decision, "superseded_by", "null");
    json_decref(decision);
    json_t *proposal = model_ask(&fixture, "proposal.get", "{'id': 'a'}");
    model_expect_at(proposal, "stage", "'accepted'");
    json_decref(proposal);
}

static void superseding(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "proposal.submit", "{'id': 'a', 'title': 'T', 'body': 'b'}");
    model_ok(&fixture, "chair", "proposal.submit", "{'id': 'b', 'title': 'T', 'body': 'b'}");
    open_poll("p1", 1000, "{'id': 'q', 'proposal': 'a', 'policy': 'simple-majority'}");
    model_refused(&fixture, "poll_open", "chair", "poll.open",
                  AGAIN("p2", "'title': 'T', 'supersedes': 'p1/q'"));
    vote("chair", "p1", "no");
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p1'}"); /* a is rejected */
    static const struct {
        const char *code;
        const char *supersedes;
    } cases[] = {
        {"bad_value", "p1"},     {"bad_value", "p1/"},       {"bad_value", ""},
        {"bad_value", "p1/q/r"}, {"unknown_poll", "none/q"}, {"unknown_question", "p1/none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_refused(&fixture, cases[i].code, "chair", "poll.open",
                      AGAIN("p2", "'title': 'T', 'supersedes': '%s'"), cases[i].supersedes);
    }
    /* a decided proposal comes back only to supersede its own decision */
    model_refused(&fixture, "wrong_stage", "chair", "poll.open", AGAIN("p2", "'proposal': 'a'"));
    model_ok(&fixture, "chair", "poll.open", AGAIN("p2", "'proposal': 'b', 'supersedes': 'p1/q'"));
    const char *message = model_refused(&fixture, "bad_value", "chair", "poll.open",
                                        AGAIN("p3", "'title': 'T', 'supersedes': 'p1/q'"));
    assert_non_null(strstr(message, "p2/q2"));
    model_ok(&fixture, "chair", "poll.cancel", "{'id': 'p2', 'reason': 'the wrong proposal'}");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'p1', 'question': 'q'}");
    model_expect_at(decision, "superseded_by", "null");
    json_decref(decision);

    model_ok(&fixture, "chair", "poll.open", AGAIN("p4", "'proposal': 'a', 'supersedes': 'p1/q'"));
    json_t *proposal = model_ask(&fixture, "proposal.get", "{'id': 'a'}");
    model_expect_at(proposal, "stage", "'voting'");
    json_decref(proposal);
    model_ok(&fixture, "chair", "ballot.cast",
             "{'poll': 'p4', 'answers': [{'q': 'q2', 'a': 'yes'}]}");
    decision = model_ask(&fixture, "decision.get", "{'poll': 'p1', 'question': 'q'}");
    model_expect_at(decision, "superseded_by", "null"); /* not before it is decided */
    json_decref(decision);
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p4'}");
    decision = model_ask(&fixture, "decision.get", "{'poll': 'p1', 'question': 'q'}");
    model_expect_at(decision, "superseded_by", "'p4/q2'");
    model_expect_at(decision, "outcome", "'failed'"); /* a decision never changes */
    json_decref(decision);
    decision = model_ask(&fixture, "decision.get", "{'poll': 'p4', 'question': 'q2'}");
    model_expect_at(decision, "tally.supersedes", "'p1/q'");
    model_expect_at(decision, "outcome", "'passed'");
    json_decref(decision);
    proposal = model_ask(&fixture, "proposal.get", "{'id': 'a'}");
    model_expect_at(proposal, "stage", "'accepted'");
    json_decref(proposal);
    model_refused(&fixture, "bad_value", "chair", "poll.open",
                  AGAIN("p5", "'title': 'T', 'supersedes': 'p1/q'"));
    /* two questions of one poll cannot supersede the same decision */
    model_refused(&fixture, "duplicate_id", "chair", "poll.open",
                  "{'id': 'p5', 'title': 'P', 'open_for_ms': 1000, 'questions': ["
                  "{'id': 'x', 'title': 'X', 'policy': 'simple-majority', 'supersedes': 'p4/q2'}, "
                  "{'id': 'y', 'title': 'Y', 'policy': 'simple-majority', "
                  "'supersedes': 'p4/q2'}]}");
    no_quorum_supersedes_nothing();
    /* cancelled: back to what it was */
    model_ok(&fixture, "chair", "poll.open", AGAIN("p5", "'proposal': 'a', 'supersedes': 'p4/q2'"));
    model_ok(&fixture, "chair", "poll.cancel", "{'id': 'p5', 'reason': 'no need'}");
    proposal = model_ask(&fixture, "proposal.get", "{'id': 'a'}");
    model_expect_at(proposal, "stage", "'accepted'");
    json_decref(proposal);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(from_opening_to_decision),
        TEST(open_refusals),
        TEST(one_proposal_stands_once),
        TEST(limits),
        TEST(the_closing_instant_is_inclusive),
        TEST(log_time_does_not_go_back),
        TEST(closes_in_a_batch_come_before_its_commands),
        TEST(a_chair_closes),
        TEST(a_chair_cancels),
        TEST(due_polls_come_in_order_of_time),
        TEST(settled_polls_close_early),
        TEST(one_policy_without_early_close_keeps_a_poll_open),
        TEST(closes_that_are_not_due_are_ignored),
        TEST(superseding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
