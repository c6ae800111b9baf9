/* Proposals: submit, revise, withdraw, and the stages that polls lead to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "unit/support/model_fixture.h"

/* SHA-256 of "one" and "two" (sha256sum). */
#define SHA_ONE "hex:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
#define SHA_TWO "hex:3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"

static struct model_fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    model_open(&fixture, NULL);
    model_ok(&fixture, "chair", "member.admit", "{'id': 'ann', 'key': '%s'}", model_key("ann"));
    model_ok(&fixture, "chair", "member.admit", "{'id': 'bob', 'key': '%s'}", model_key("bob"));
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_close(&fixture);
    return 0;
}

static void submit_one(const char *id)
{
    model_ok(&fixture, "ann", "proposal.submit", "{'id': '%s', 'title': 'Title', 'body': 'one'}",
             id);
}

static void expect_stage(const char *id, const char *stage)
{
    json_t *proposal = model_ask(&fixture, "proposal.get", "{'id': '%s'}", id);
    model_expect_at(proposal, "stage", "'%s'", stage);
    json_decref(proposal);
    json_t *list = model_ask(&fixture, "proposal.list", "{'stage': '%s'}", stage);
    size_t i;
    json_t *item;
    size_t found = 0;
    json_array_foreach(model_at(list, "items"), i, item)
    {
        found += strcmp(json_string_value(json_object_get(item, "id")), id) == 0 ? 1 : 0;
    }
    assert_int_equal(found, 1);
    json_decref(list);
}

static void submit_and_revise(void **state)
{
    (void)state;
    json_t *result = model_ok(&fixture, "ann", "proposal.submit",
                              "{'id': 'P-1', 'title': 'Title', 'category': 'Process', "
                              "'body': 'one'}");
    model_expect(result, "{'revision': 1, 'sha256': '" SHA_ONE "'}");
    model_expect_at(fixture.events, "0.stage", "'submitted'");
    fixture.time_ms += 7;
    result = model_ok(&fixture, "ann", "proposal.revise", "{'id': 'P-1', 'title': 'Other'}");
    model_expect(result, "{'revision': 2, 'sha256': '" SHA_ONE "'}");
    result = model_ok(&fixture, "chair", "proposal.revise", "{'id': 'P-1', 'body': 'two'}");
    model_expect(result, "{'revision': 3, 'sha256': '" SHA_TWO "'}");
    model_expect(fixture.events,
                 "[{'type': 'proposal.changed', 'index': 6, 'time': 1000007, 'proposal': 'P-1', "
                 "'stage': 'submitted', 'revision': 3}]");
    json_t *proposal = model_ask(&fixture, "proposal.get", "{'id': 'P-1'}");
    model_expect(proposal,
                 "{'applied': 6, 'id': 'P-1', 'number': 1, 'title': 'Other', "
                 "'category': 'Process', 'author': 'ann', 'stage': 'submitted', 'revision': 3, "
                 "'sha256': '" SHA_TWO "', 'index': 4, 'time': 1000000, 'poll': null, "
                 "'body': 'two', 'history': ["
                 "{'revision': 1, 'title': 'Title', 'category': 'Process', 'sha256': '" SHA_ONE
                 "', 'author': 'ann', 'index': 4, 'time': 1000000}, "
                 "{'revision': 2, 'title': 'Other', 'category': 'Process', 'sha256': '" SHA_ONE
                 "', 'author': 'ann', 'index': 5, 'time': 1000007}, "
                 "{'revision': 3, 'title': 'Other', 'category': 'Process', 'sha256': '" SHA_TWO
                 "', 'author': 'chair', 'index': 6, 'time': 1000007}]}");
    json_decref(proposal);
    proposal = model_ask(&fixture, "proposal.get", "{'id': 'P-1', 'revision': 2}");
    model_expect_at(proposal, "body", "'one'");
    model_expect_at(proposal, "title", "'Other'");
    model_expect_at(proposal, "revision", "2");
    json_decref(proposal);
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_PROPOSAL, "proposal.get",
                      "{'id': 'P-1', 'revision': 4}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_PROPOSAL, "proposal.get", "{'id': 'P-2'}");
}

static void refusals(void **state)
{
    (void)state;
    submit_one("a");
    static const struct {
        const char *code;
        const char *kind;
        const char *body;
    } cases[] = {
        {"duplicate_id", "proposal.submit", "{'id': 'a', 'title': 'T', 'body': ''}"},
        {"bad_value", "proposal.submit", "{'id': 'a/b', 'title': 'T', 'body': ''}"},
        {"bad_value", "proposal.submit", "{'id': 'b', 'title': '', 'body': ''}"},
        {"bad_value", "proposal.submit", "{'id': 'b', 'title': 'a\\nb', 'body': ''}"},
        {"bad_request", "proposal.submit", "{'id': 'b', 'title': 'T'}"},
        {"unknown_proposal", "proposal.revise", "{'id': 'b', 'title': 'T'}"},
        {"bad_value", "proposal.revise", "{'id': 'a'}"},
        {"bad_value", "proposal.revise", "{'id': 'a', 'title': ''}"},
        {"unknown_proposal", "proposal.withdraw", "{'id': 'b'}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_refused(&fixture, cases[i].code, "ann", cases[i].kind, "%s", cases[i].body);
    }
    const char *message = model_refused(&fixture, "not_author", "bob", "proposal.revise",
                                        "{'id': 'a', 'title': 'Mine'}");
    assert_non_null(strstr(message, "ann"));
    model_refused(&fixture, "not_author", "bob", "proposal.withdraw", "{'id': 'a'}");
    char *body = malloc(65538);
    assert_non_null(body);
    memset(body, 'x', 65537);
    body[65537] = '\0';
    model_refused(&fixture, "too_large", "ann", "proposal.submit",
                  "{'id': 'c', 'title': 'T', 'body': '%s'}", body);
    model_ok(&fixture, "ann", "proposal.submit", "{'id': 'c', 'title': 'T', 'body': '%s'}",
             body + 1);
    free(body);
}

static void withdrawn_is_the_end(void **state)
{
    (void)state;
    submit_one("a");
    model_expect(model_ok(&fixture, "ann", "proposal.withdraw", "{'id': 'a', 'reason': 'no'}"),
                 "{}");
    expect_stage("a", "withdrawn");
    const char *message =
        model_refused(&fixture, "wrong_stage", "ann", "proposal.revise", "{'id': 'a', 'body': ''}");
    assert_non_null(strstr(message, "withdrawn"));
    model_refused(&fixture, "wrong_stage", "ann", "proposal.withdraw", "{'id': 'a'}");
    model_refused(&fixture, "wrong_stage", "chair", "poll.open",
                  "{'id': 'p', 'title': 'P', 'open_for_ms': 10, "
                  "'questions': [{'id': 'q', 'proposal': 'a', 'policy': 'simple-majority'}]}");
}

static void many_revisions(void **state)
{
    (void)state;
    submit_one("a");
    for (int i = 2; i <= 1000; i++) {
        model_add(&fixture, "ann", "proposal.revise", "{'id': 'a', 'category': 'c%d'}", i);
    }
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "998.result.revision", "1000");
    model_refused(&fixture, "limit_reached", "ann", "proposal.revise",
                  "{'id': 'a', 'category': 'c'}");
}

/* One poll a proposal, one ballot, one end: where it leads. The table in docs/SEMANTICS.md. */
static void stages_after_a_vote(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "policy.put",
             "{'id': 'any', 'policy': {'method': 'yesno', 'pass': [1, 2, '>'], "
             "'veto': {'class': 'v', 'trigger': 'explicit', 'share_of': 'answered', "
             "'reject': [1, 1], 'revise': [1, 2]}}}");
    model_ok(&fixture, "chair", "policy.put",
             "{'id': 'experts', 'policy': {'method': 'yesno', 'pass': [1, 2, '>'], "
             "'experts': {'domain': 'x', 'approvals': 1, 'objections': 0}}}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'classes': ['v']}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'bob', 'classes': ['v']}");
    static const struct {
        const char *policy;
        const char *ann;
        const char *bob;
        const char *outcome;
        const char *stage;
    } cases[] = {
        {"any", "'a': 'yes'", "'a': 'yes'", "passed", "accepted"},
        {"any", "'a': 'no'", "'a': 'no'", "failed", "rejected"},
        {"any", "'a': 'no', 'veto': true", "'a': 'no', 'veto': true", "rejected_by_veto",
         "rejected"},
        {"any", "'a': 'no', 'veto': true", "'a': 'yes'", "to_revision", "revision"},
        {"experts", "'a': 'yes'", "'a': 'yes'", "experts_missing", "revision"},
        {"unanimous", "'a': 'yes'", "'a': 'yes'", "no_quorum", "submitted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char id[16];
        snprintf(id, sizeof id, "p%zu", i);
        submit_one(id);
        model_ok(&fixture, "chair", "poll.open",
                 "{'id': '%s', 'title': 'P', 'open_for_ms': 10, "
                 "'questions': [{'id': 'q', 'proposal': '%s', 'policy': '%s'}]}",
                 id, id, cases[i].policy);
        expect_stage(id, "voting");
        model_refused(&fixture, "wrong_stage", "ann", "proposal.revise",
                      "{'id': '%s', 'body': 'x'}", id);
        model_refused(&fixture, "wrong_stage", "ann", "proposal.withdraw", "{'id': '%s'}", id);
        model_ok(&fixture, "ann", "ballot.cast", "{'poll': '%s', 'answers': [{'q': 'q', %s}]}", id,
                 cases[i].ann);
        model_ok(&fixture, "bob", "ballot.cast", "{'poll': '%s', 'answers': [{'q': 'q', %s}]}", id,
                 cases[i].bob);
        json_t *result = model_ok(&fixture, "chair", "poll.close", "{'id': '%s'}", id);
        model_expect(result, "{'decisions': [['q', '%s']]}", cases[i].outcome);
        expect_stage(id, cases[i].stage);
    }
}

static void a_cancelled_poll_gives_the_proposal_back(void **state)
{
    (void)state;
    submit_one("a");
    for (int i = 0; i < 2; i++) {
        model_ok(&fixture, "chair", "poll.open",
                 "{'id': 'p%d', 'title': 'P', 'open_for_ms': 10, "
                 "'questions': [{'id': 'q', 'proposal': 'a', 'policy': 'simple-majority'}]}",
                 i);
        model_refused(&fixture, "wrong_stage", "chair", "poll.open",
                      "{'id': 'other', 'title': 'P', 'open_for_ms': 10, "
                      "'questions': [{'id': 'q', 'proposal': 'a', 'policy': 'simple-majority'}]}");
        model_ok(&fixture, "chair", "poll.cancel", "{'id': 'p%d', 'reason': 'why'}", i);
        expect_stage("a", "submitted");
    }
    json_t *proposal = model_ask(&fixture, "proposal.get", "{'id': 'a'}");
    model_expect_at(proposal, "poll", "'p1'");
    json_decref(proposal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(submit_and_revise, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(refusals, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(withdrawn_is_the_end, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(many_revisions, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(stages_after_a_vote, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_cancelled_poll_gives_the_proposal_back, open_fixture,
                                        close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
