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

static void the_roll_is_frozen(void **state)
{
    (void)state;
    admit("ann", ", 'weight': 2, 'classes': ['g']");
    admit("bob", ", 'weight': 3, 'classes': ['g', 'h']");
    admit("cid", ", 'classes': ['h']");
    admit("dan", ", 'roles': ['expert:technical']");
    model_ok(&fixture, "chair", "member.update", "{'id': 'cid', 'status': 'suspended'}");
    model_ok(&fixture, "chair", "policy.put",
             "{'id': 'gate', 'policy': {'method': 'yesno', 'pass': [1, 2, '>'], "
             "'experts': {'domain': 'technical', 'approvals': 1, 'objections': 0}}}");
    json_t *result = model_ok(&fixture, "chair", "poll.open",
                              "{'id': 'p', 'title': 'P', 'open_for_ms': 1000, "
                              "'classes': ['g', 'h'], "
                              "'questions': [{'id': 'q', 'title': 'Q', 'policy': 'gate'}]}");
    model_expect(result, "{'roll': 2, 'weight': 5, 'closes_at': 1001000}");
    json_t *roll = model_ask(&fixture, "poll.roll", "{'id': 'p'}");
    model_expect_at(roll, "items",
                    "[{'member': 'ann', 'weight': 2, 'classes': ['g'], 'elector': true, "
                    "'domains': [], 'voted': false}, "
                    "{'member': 'bob', 'weight': 3, 'classes': ['g', 'h'], 'elector': true, "
                    "'domains': [], 'voted': false}, "
                    "{'member': 'dan', 'weight': 1, 'classes': [], 'elector': false, "
                    "'domains': ['technical'], 'voted': false}]");
    json_decref(roll);

    /* everything changes, the roll does not */
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'weight': 100, 'classes': ['z']}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'bob', 'status': 'suspended'}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'cid', 'status': 'active'}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'dan', 'roles': []}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'dan', 'name': 'Dan'}");
    admit("eve", ", 'classes': ['g']");
    model_ok(&fixture, "chair", "policy.put",
             "{'id': 'gate', 'policy': {'method': 'score', 'min': 0, 'max': 1, "
             "'pass': [1, 2, '>']}}");
    vote("ann", "p", "yes");
    vote("bob", "p", "no"); /* suspended since, but on this roll */
    model_ok(&fixture, "dan", "ballot.cast",
             "{'poll': 'p', 'answers': [{'q': 'q', 'review': 'approve'}]}");
    model_refused(&fixture, "not_on_roll", "cid", "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_refused(&fixture, "not_on_roll", "eve", "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_refused(&fixture, "not_on_roll", "chair", "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p'}");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'p', 'question': 'q'}");
    model_expect_at(decision, "text", "'2/5 > 1/2: no'");
    model_expect_at(decision, "tally.roll",
                    "{'heads': 2, 'weight': 5, 'veto_class': 0, 'experts': 1}");
    model_expect_at(decision, "tally.policy_version", "1");
    model_expect_at(decision, "tally.ballots", "3");
    model_expect_at(decision, "tally.answers", "2");
    model_expect_at(decision, "tally.left_out", "0");
    model_expect_at(decision, "roll_changes",
                    "[{'member': 'ann', 'what': 'classes', 'index': 9}, "
                    "{'member': 'ann', 'what': 'weight', 'index': 9}, "
                    "{'member': 'bob', 'what': 'suspended', 'index': 10}, "
                    "{'member': 'dan', 'what': 'roles', 'index': 12}]");
    json_decref(decision);
    /* closed: later changes are no longer told */
    model_ok(&fixture, "chair", "member.update", "{'id': 'bob', 'status': 'active'}");
    decision = model_ask(&fixture, "decision.get", "{'poll': 'p', 'question': 'q'}");
    assert_int_equal(json_array_size(model_at(decision, "roll_changes")), 4);
    json_decref(decision);
}

static void at_most_100_changes_are_kept(void **state)
{
    (void)state;
    admit("ann", "");
    open_poll("p", 1000, QUESTION);
    for (int i = 2; i < 122; i++) {
        model_add(&fixture, "chair", "member.update", "{'id': 'ann', 'weight': %d}", i);
    }
    model_apply_batch(&fixture, NULL);
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p'}");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'p', 'question': 'q'}");
    assert_int_equal(json_array_size(model_at(decision, "roll_changes")), 100);
    json_decref(decision);
}

/* More members than fit one chunk of the roll: who votes is found, with their own weight. */
static void large_rolls(void **state)
{
    (void)state;
    for (int i = 0; i < 600; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        model_add(&fixture, "chair", "member.admit",
                  "{'id': '%s', 'key': '%s', 'weight': %d, 'classes': ['%s']}", id, model_key(id),
                  i + 1, i % 3 == 0 ? "third" : "rest");
    }
    model_apply_batch(&fixture, NULL);
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'p', 'title': 'P', 'open_for_ms': 1000, 'classes': ['third', 'rest'], "
             "'questions': [" QUESTION "]}");
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 't', 'title': 'P', 'open_for_ms': 1000, 'classes': ['third'], "
             "'questions': [" QUESTION "]}");
    model_expect_at(fixture.replies, "0.result.roll", "200");
    /* 1 + 4 + ... + 598 = 200 x (1 + 598) / 2 */
    model_expect_at(fixture.replies, "0.result.weight", "59900");
    for (int i = 0; i < 600; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        model_add(&fixture, id, "ballot.cast", "{'poll': 'p', 'answers': [{'q': 'q', 'a': '%s'}]}",
                  i % 2 == 0 ? "yes" : "no");
    }
    model_apply_batch(&fixture, NULL);
    for (int i = 0; i < 600; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        model_add(&fixture, id, "ballot.cast",
                  "{'poll': 't', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    }
    model_apply_batch(&fixture, NULL);
    for (int i = 0; i < 600; i++) {
        char path[32];
        snprintf(path, sizeof path, "%d.code", i);
        model_expect_at(fixture.replies, path, i % 3 == 0 ? "'ok'" : "'not_on_roll'");
    }
    json_t *poll = model_ask(&fixture, "poll.get", "{'id': 'p'}");
    /* odd weights 1..599 say yes: 300^2; even weights 2..600 say no: 300 x 301 */
    model_expect_at(poll, "questions.0.yes", "[300, 90000]");
    model_expect_at(poll, "questions.0.no", "[300, 90300]");
    json_decref(poll);
    /* the roll in pages, in the order of admission */
    json_t *page = model_ask(&fixture, "poll.roll", "{'id': 'p', 'limit': 400}");
    model_expect_at(page, "items.399.member", "'m399'");
    model_expect_at(page, "more", "true");
    json_decref(page);
    page = model_ask(&fixture, "poll.roll", "{'id': 'p', 'after': 'm399', 'limit': 400}");
    assert_int_equal(json_array_size(model_at(page, "items")), 200);
    model_expect_at(page, "items.0.member", "'m400'");
    model_expect_at(page, "items.199.member", "'m599'");
    model_expect_at(page, "items.199.weight", "600");
    model_expect_at(page, "more", "false");
    json_decref(page);
    page = model_ask(&fixture, "poll.roll", "{'id': 't', 'after': 'm597'}");
    model_expect_at(page, "items", "[]");
    json_decref(page);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_roll_is_frozen),
        TEST(at_most_100_changes_are_kept),
        TEST(large_rolls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
