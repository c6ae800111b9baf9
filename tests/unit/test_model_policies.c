/* policy.put, its checks, versions and presets. */
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

static void expect_policy(const char *id, const char *policy)
{
    json_t *answer = model_ask(&fixture, "policy.get", "{'id': '%s'}", id);
    model_expect_at(answer, "policy", "%s", policy);
    json_decref(answer);
}

#define OPTIONAL_RATIONALE \
    "'rationale': {'mode': 'optional', 'min': 0, 'max': 8192, 'sections': []}"

/* The table of presets in docs/SEMANTICS.md. */
static void presets(void **state)
{
    (void)state;
    expect_policy("simple-majority",
                  "{'title': 'Simple majority', 'for': 'routine proposals', 'method': 'yesno', "
                  "'base': 'decisive', 'pass': [1, 2, '>'], 'quorum': [1, 2, 'heads'], "
                  "" OPTIONAL_RATIONALE ", 'revote': 'allowed'}");
    expect_policy("super-majority-80",
                  "{'title': 'Super majority of 80 in 100', 'for': 'architecture', "
                  "'method': 'yesno', 'base': 'decisive', 'pass': [80, 100, '>='], "
                  "'quorum': [1, 2, 'heads'], " OPTIONAL_RATIONALE ", 'revote': 'allowed'}");
    expect_policy("unanimous",
                  "{'title': 'Unanimous', 'for': 'breaking changes and security', "
                  "'method': 'yesno', 'base': 'decisive', 'pass': [1, 1, '>='], "
                  "'quorum': [1, 1, 'heads'], " OPTIONAL_RATIONALE ", 'revote': 'allowed'}");
    expect_policy("expert-review",
                  "{'title': 'Simple majority with expert review', 'for': 'technical proposals', "
                  "'method': 'yesno', 'base': 'decisive', 'pass': [1, 2, '>'], "
                  "'quorum': [1, 2, 'heads'], "
                  "'experts': {'domain': 'technical', 'approvals': 2, 'objections': 0}, "
                  "" OPTIONAL_RATIONALE ", 'revote': 'allowed'}");
    json_t *list = model_ask(&fixture, "policy.list", "{}");
    assert_int_equal(json_array_size(model_at(list, "items")), 4);
    json_decref(list);
}

/* With everything given, what is read is what was written; what is read can be put again. */
static void round_trip(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "{'title': 'Minutes', 'for': 'the hive', 'method': 'score', 'min': 1, 'max': 10, "
        "'pass': [60, 100, '>='], 'quorum': [1, 3, 'weight'], "
        "'veto': {'class': 'general', 'trigger': ['score', 2], 'justification': 20, "
        "'share_of': 'answered', 'reject': [80, 100], 'revise': [50, 100]}, "
        "'experts': {'domain': 'safety', 'approvals': 0, 'objections': 3}, "
        "'rationale': {'mode': 'required', 'min': 10, 'max': 1000, 'sections': ['Pro:', 'Con:']}, "
        "'revote': 'final', 'early_close': {'min_open_ms': 60000}}",
        "{'title': '', 'for': '', 'method': 'yesno', 'base': 'eligible', 'pass': [0, 1, '>'], "
        "'veto': {'class': 'x', 'trigger': 'explicit', 'justification': 0, 'share_of': 'roll', "
        "'reject': [1, 1], 'revise': [1, 1000000]}, "
        "'rationale': {'mode': 'none', 'min': 0, 'max': 0, 'sections': []}, "
        "'revote': 'allowed'}",
    };
    for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++) {
        json_t *result =
            model_ok(&fixture, "chair", "policy.put", "{'id': 'p', 'policy': %s}", policies[i]);
        model_expect(result, "{'version': %zu}", 2 * i + 1);
        expect_policy("p", policies[i]);
        json_t *answer = model_ask(&fixture, "policy.get", "{'id': 'p'}");
        char *text = json_dumps(model_at(answer, "policy"), 0);
        model_ok(&fixture, "chair", "policy.put", "{'id': 'p', 'policy': %s}", text);
        expect_policy("p", policies[i]);
        free(text);
        json_decref(answer);
    }
}

static void versions(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "policy.put",
             "{'id': 'p', 'policy': {'method': 'yesno', 'pass': [1, 2, '>']}}");
    model_expect(fixture.events,
                 "[{'type': 'policy.changed', 'index': 2, 'time': 1000000, 'policy': 'p', "
                 "'version': 1}]");
    fixture.time_ms += 5;
    model_ok(&fixture, "chair", "policy.put",
             "{'id': 'p', 'policy': {'method': 'yesno', 'pass': [2, 3, '>']}}");
    json_t *newest = model_ask(&fixture, "policy.get", "{'id': 'p'}");
    model_expect_at(newest, "version", "2");
    model_expect_at(newest, "author", "'chair'");
    model_expect_at(newest, "index", "3");
    model_expect_at(newest, "time", "1000005");
    model_expect_at(newest, "policy.pass", "[2, 3, '>']");
    json_decref(newest);
    json_t *first = model_ask(&fixture, "policy.get", "{'id': 'p', 'version': 1}");
    model_expect_at(first, "policy.pass", "[1, 2, '>']");
    model_expect_at(first, "index", "2");
    json_decref(first);
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLICY, "policy.get", "{'id': 'p', 'version': 3}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLICY, "policy.get", "{'id': 'nope'}");
    json_t *list = model_ask(&fixture, "policy.list", "{'after': 'expert-review', 'limit': 1}");
    model_expect_at(list, "items.0.id", "'p'");
    model_expect_at(list, "items.0.version", "2");
    model_expect_at(list, "more", "true");
    json_decref(list);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *policy;
        const char *names;
    } cases[] = {
        {"bad_request", "{}", "method"},
        {"bad_request", "{'method': 'yesno'}", "pass"},
        {"bad_request", "{'method': 'yesno', 'pass': [1, 2, '>'], 'colour': 'red'}", "colour"},
        {"bad_value", "{'method': 'ranked', 'pass': [1, 2, '>']}", "ranked"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '=']}", "pass"},
        {"bad_request", "{'method': 'yesno', 'pass': [1, 2]}", "pass"},
        {"bad_request", "{'method': 'yesno', 'pass': [1.5, 2, '>']}", "pass"},
        {"bad_request", "{'method': 'yesno', 'pass': [1, 2, 3]}", "pass"},
        {"bad_value", "{'method': 'yesno', 'pass': [3, 2, '>']}", "pass 3/2"},
        {"bad_value", "{'method': 'yesno', 'pass': [0, 0, '>']}", "pass 0/0"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 1000001, '>']}", "1000001"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '>'], 'base': 'all'}", "all"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '>'], 'min': 1}", "min"},
        {"bad_value", "{'method': 'score', 'pass': [1, 2, '>']}", "min and max"},
        {"bad_value", "{'method': 'score', 'min': 5, 'max': 5, 'pass': [1, 2, '>']}", "5..5"},
        {"bad_value", "{'method': 'score', 'min': 0, 'max': 1001, 'pass': [1, 2, '>']}", "1001"},
        {"bad_value",
         "{'method': 'score', 'min': 0, 'max': 9, 'base': 'cast', "
         "'pass': [1, 2, '>']}",
         "base"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '>'], 'quorum': [1, 2, 'hats']}", "hats"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '>'], 'quorum': [2, 1, 'heads']}",
         "quorum 2/1"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '>'], 'revote': 'never'}", "never"},
        {"bad_value",
         "{'method': 'yesno', 'pass': [1, 2, '>'], "
         "'early_close': {'min_open_ms': 0}}",
         "early_close"},
        {"bad_value",
         "{'method': 'yesno', 'pass': [1, 2, '>'], 'revote': 'final', "
         "'early_close': {'min_open_ms': 31622400001}}",
         "31622400001"},
        {"bad_value", "{'method': 'yesno', 'pass': [1, 2, '>'], 'rationale': {'mode': 'maybe'}}",
         "maybe"},
        {"bad_value",
         "{'method': 'yesno', 'pass': [1, 2, '>'], "
         "'rationale': {'mode': 'optional', 'min': 5, 'max': 4}}",
         "rationale.min 5"},
        {"bad_value",
         "{'method': 'yesno', 'pass': [1, 2, '>'], "
         "'rationale': {'mode': 'optional', 'max': 8193}}",
         "8193"},
        {"bad_value",
         "{'method': 'yesno', 'pass': [1, 2, '>'], "
         "'rationale': {'mode': 'optional', 'sections': ['']}}",
         "section"},
        {"limit_reached",
         "{'method': 'yesno', 'pass': [1, 2, '>'], 'rationale': {'mode': 'optional', 'sections': "
         "['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17']}}",
         "sections"},
        {"bad_value",
         "{'method': 'yesno', 'pass': [1, 2, '>'], "
         "'experts': {'domain': 'a b', 'approvals': 1, 'objections': 0}}",
         "a b"},
        {"bad_request", "{'method': 'yesno', 'pass': [1, 2, '>'], 'experts': {'domain': 'a'}}",
         "approvals"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *message = model_refused(&fixture, cases[i].code, "chair", "policy.put",
                                            "{'id': 'p', 'policy': %s}", cases[i].policy);
        if (strstr(message, cases[i].names) == NULL) {
            fail_msg("\"%s\" does not name %s", message, cases[i].names);
        }
    }
    model_refused(&fixture, "bad_value", "chair", "policy.put",
                  "{'id': '', 'policy': {'method': 'yesno', 'pass': [1, 2, '>']}}");
    model_refused(&fixture, "bad_request", "chair", "policy.put", "{'id': 'p', 'policy': 1}");
}

static void veto_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *veto;
    } cases[] = {
        {"yesno", "'class': 'g', 'trigger': ['score', 2], 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [1, 3]"},
        {"score", "'class': 'g', 'trigger': ['score', 11], 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [1, 3]"},
        {"score", "'class': 'g', 'trigger': 'often', 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [1, 3]"},
        {"score", "'class': 'g', 'trigger': ['score'], 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [1, 3]"},
        {"score", "'class': 'g h', 'trigger': 'explicit', 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [1, 3]"},
        {"score", "'class': 'g', 'trigger': 'explicit', 'share_of': 'all', 'reject': [1, 2], "
                  "'revise': [1, 3]"},
        {"score", "'class': 'g', 'trigger': 'explicit', 'share_of': 'roll', 'reject': [1, 3], "
                  "'revise': [1, 2]"},
        {"score", "'class': 'g', 'trigger': 'explicit', 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [0, 2]"},
        {"score", "'class': 'g', 'trigger': 'explicit', 'share_of': 'roll', 'reject': [1, 2], "
                  "'revise': [1, 2], 'justification': 8193"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_refused(&fixture, "bad_value", "chair", "policy.put",
                      "{'id': 'p', 'policy': {'method': '%s', %s 'pass': [1, 2, '>'], "
                      "'veto': {%s}}}",
                      cases[i].method,
                      strcmp(cases[i].method, "score") == 0 ? "'min': 1, 'max': 10," : "",
                      cases[i].veto);
    }
    /* no rationale could be long enough to justify this veto */
    model_refused(&fixture, "bad_value", "chair", "policy.put",
                  "{'id': 'p', 'policy': {'method': 'yesno', 'pass': [1, 2, '>'], "
                  "'veto': {'class': 'g', 'trigger': 'explicit', 'share_of': 'roll', "
                  "'reject': [1, 2], 'revise': [1, 2], 'justification': 100}, "
                  "'rationale': {'mode': 'optional', 'max': 99}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(presets, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(round_trip, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(versions, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(refusals, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(veto_refusals, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
