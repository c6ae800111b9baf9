/* Polls, ballots, closing and decisions. Figures are counted by hand. */
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

static void simple_vote(void **state)
{
    (void)state;
    admit("ann", "");
    admit("bob", "");
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'p', 'title': 'Poll', 'open_for_ms': 1000, "
             "'questions': [{'id': 'q', 'title': 'Question', 'policy': 'simple-majority'}]}");
    json_t *result = model_ok(&fixture, "ann", "ballot.cast",
                              "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes', 'why': 'good'}]}");
    model_expect(result, "{'ballot': 1, 'answered': 1}");
    model_ok(&fixture, "bob", "ballot.cast", "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'no'}]}");
    model_ok(&fixture, "chair", "ballot.cast",
             "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    fixture.time_ms += 1001;
    assert_int_equal(model_close_due(&fixture), 1);
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'p', 'question': 'q'}");
    model_expect_at(decision, "outcome", "'passed'");
    model_expect_at(decision, "text", "'2/3 > 1/2: yes'");
    json_decref(decision);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(simple_vote, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
