/* Genesis, and the commands on members. */
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

static int open_empty(void **state)
{
    (void)state;
    model_open_empty(&fixture, NULL);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_close(&fixture);
    return 0;
}

/* 32 bytes of one kind. */
#define BYTES_4(byte_)  byte_ byte_ byte_ byte_
#define NODE_KEY(byte_) "'hex:" BYTES_4(BYTES_4(byte_)) BYTES_4(BYTES_4(byte_)) "'"

static const char GENESIS[] = "{'name': 'test', 'nodes': [[7, 'a:1', 'a:2', " NODE_KEY(
    "01") "]], 'chair': {'id': 'chair', 'key': '%s'}, "
          "'created': 5}";

/* --- Genesis --- */

static void genesis_makes_the_cluster(void **state)
{
    (void)state;
    json_t *cluster = model_ask(&fixture, "cluster.get", "{}");
    model_expect_at(cluster, "index", "1");
    model_expect_at(cluster, "name", "'test'");
    model_expect_at(cluster, "chair", "'chair'");
    model_expect_at(cluster, "created", "1000000");
    model_expect_at(cluster, "time", "1000000");
    model_expect_at(cluster, "nodes.2",
                    "[3, '127.0.0.1:7103', '127.0.0.1:7003', " NODE_KEY("03") "]");
    model_expect_at(cluster, "counts",
                    "{'members': 1, 'proposals': 0, 'polls': 0, 'ballots': 0, 'commands': 1, "
                    "'refused': 0}");
    json_decref(cluster);

    json_t *chair = model_ask(&fixture, "member.get", "{'id': 'chair'}");
    model_expect(chair,
                 "{'applied': 1, 'id': 'chair', 'number': 1, 'name': 'chair', 'kind': 'person', "
                 "'key': '%s', 'weight': 1, 'classes': [], 'roles': ['chair'], 'status': 'active', "
                 "'index': 1, 'time': 1000000, 'keys': [{'key': '%s', 'from': 1, 'until': null, "
                 "'until_time': null, 'ended': null, 'reason': null}]}",
                 model_key("chair"), model_key("chair"));
    json_decref(chair);

    struct kv_transaction *transaction;
    struct model_cluster out;
    struct model_author author;
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_cluster(transaction, &out), CONCLAVE_OK);
    assert_memory_equal(out.id, fixture.cluster, sizeof out.id);
    assert_true(slice_is_text(out.name, "test"));
    assert_int_equal(out.time_ms, 1000000);
    assert_int_equal(model_author(transaction, slice_of_text("chair"), &author), CONCLAVE_OK);
    assert_int_equal(author.roles, ROLE_SET(ROLE_MEMBER) | ROLE_SET(ROLE_CHAIR));
    assert_memory_equal(author.public_key, "chair", 6);
    assert_int_equal(model_author(transaction, slice_of_text("nobody"), &author),
                     CONCLAVE_UNKNOWN_AUTHOR);
    assert_int_equal(model_author(transaction, slice_of("", 0), &author), CONCLAVE_UNKNOWN_AUTHOR);
    kv_abort(transaction);
}

static void nothing_before_genesis(void **state)
{
    (void)state;
    struct kv_transaction *transaction;
    struct model_cluster cluster;
    uint64_t time_ms;
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_cluster(transaction, &cluster), CONCLAVE_NOT_FOUND);
    assert_int_equal(model_time(transaction, &time_ms), CONCLAVE_OK);
    assert_int_equal(time_ms, 0);
    kv_abort(transaction);
    model_refused(&fixture, "wrong_cluster", "chair", "proposal.submit",
                  "{'id': 'x', 'title': 'X', 'body': ''}");
    model_ask_refused(&fixture, CONCLAVE_NOT_FOUND, "cluster.get", "{}");
}

static void genesis_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *body;
    } cases[] = {
        {"bad_request", "{}"},
        {"bad_request", "{'name': 'test', 'nodes': [[7, 'a:1', 'a:2', " NODE_KEY(
                            "01") "]], 'chair': {'id': 'chair'}, "
                                  "'created': 5}"},
        {"bad_value", "{'name': '', 'nodes': [[7, 'a:1', 'a:2', " NODE_KEY(
                          "01") "]], 'chair': {'id': 'chair', "
                                "'key': 'hex:00'}, 'created': 5}"},
        {"bad_value", "{'name': 'test', 'nodes': [], 'chair': {'id': 'chair', 'key': 'hex:00'}, "
                      "'created': 5}"},
        {"bad_value", "{'name': 'test', 'nodes': [[0, 'a:1', 'a:2', " NODE_KEY(
                          "01") "]], 'chair': {'id': 'chair', "
                                "'key': 'hex:00'}, 'created': 5}"},
        {"bad_value", "{'name': 'test', 'nodes': [[7, 'a:1', 'a:3']], 'chair': {'id': 'chair', "
                      "'key': 'hex:00'}, 'created': 5}"},
        {"bad_value", "{'name': 'test', 'nodes': [[7, 'a:1', 'a:3', 'hex:00']], 'chair': "
                      "{'id': 'chair', 'key': 'hex:00'}, 'created': 5}"},
        {"duplicate_id",
         "{'name': 'test', 'nodes': [[1, 'a:1', 'a:2', " NODE_KEY(
             "01") "], [1, 'b:1', 'b:2', " NODE_KEY("02") "]], "
                                                          "'chair': {'id': 'chair', 'key': "
                                                          "'hex:00'}, 'created': 5}"},
        {"bad_value", "{'name': 'test', 'nodes': [[7, 'a:1', 'a:2', " NODE_KEY(
                          "01") "]], 'chair': {'id': 'chair', "
                                "'key': 'hex:00'}, 'created': 5}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(fixture.cluster, 0, sizeof fixture.cluster);
        model_refused(&fixture, cases[i].code, "chair", "genesis", "%s", cases[i].body);
    }
    /* by somebody else than the chair */
    memset(fixture.cluster, 0, sizeof fixture.cluster);
    json_t *body = model_json(GENESIS, model_key("chair"));
    char *text = json_dumps(body, 0);
    model_refused(&fixture, "bad_value", "other", "genesis", "%s", text);
    free(text);
    json_decref(body);
}

static void genesis_comes_once(void **state)
{
    (void)state;
    json_t *body = model_json(GENESIS, model_key("chair"));
    char *text = json_dumps(body, 0);
    const char *message = model_refused(&fixture, "duplicate_id", "chair", "genesis", "%s", text);
    assert_non_null(strstr(message, "genesis"));
    uint8_t cluster[16];
    memcpy(cluster, fixture.cluster, sizeof cluster);
    memset(fixture.cluster, 0, sizeof fixture.cluster);
    model_refused(&fixture, "wrong_cluster", "chair", "genesis", "%s", text);
    memcpy(fixture.cluster, cluster, sizeof cluster);
    free(text);
    json_decref(body);
}

/* --- member.admit --- */

static void admit_and_show(void **state)
{
    (void)state;
    json_t *result = model_ok(&fixture, "chair", "member.admit",
                              "{'id': 'ann', 'key': '%s', 'name': 'Ann', 'kind': 'service', "
                              "'weight': 1000000000, 'classes': ['general', 'collaborator'], "
                              "'roles': ['expert:technical']}",
                              model_key("ann"));
    model_expect(result, "{'number': 2}");
    model_expect(fixture.events,
                 "[{'type': 'member.changed', 'index': 2, 'time': 1000000, 'member': 'ann', "
                 "'status': 'active'}]");
    json_t *member = model_ask(&fixture, "member.get", "{'id': 'ann'}");
    model_expect(member,
                 "{'applied': 2, 'id': 'ann', 'number': 2, 'name': 'Ann', 'kind': 'service', "
                 "'key': '%s', 'weight': 1000000000, 'classes': ['general', 'collaborator'], "
                 "'roles': ['expert:technical'], 'status': 'active', 'index': 2, 'time': 1000000, "
                 "'keys': [{'key': '%s', 'from': 2, 'until': null, "
                 "'until_time': null, 'ended': null, 'reason': null}]}",
                 model_key("ann"), model_key("ann"));
    json_decref(member);
    model_ok(&fixture, "chair", "member.admit", "{'id': 'bob', 'key': '%s'}", model_key("bob"));
    member = model_ask(&fixture, "member.get", "{'id': 'bob'}");
    model_expect_at(member, "name", "'bob'");
    model_expect_at(member, "kind", "'model'");
    model_expect_at(member, "weight", "1");
    json_decref(member);
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_MEMBER, "member.get", "{'id': 'cid'}");
}

static void admit_refusals(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "member.admit", "{'id': 'ann', 'key': '%s'}", model_key("ann"));
    static const struct {
        const char *code;
        const char *rest;
    } cases[] = {
        {"bad_value", "'id': '', 'key': 'hex:00'"},
        {"bad_value", "'id': '-x', 'key': 'hex:00'"},
        {"bad_value", "'id': 'a b', 'key': 'hex:00'"},
        {"bad_value", "'id': 'x', 'key': 'hex:00'"},
        {"bad_request", "'id': 'x'"},
        {"bad_request", "'id': 'x', 'key': 'text'"},
        {"bad_request", "'id': 'x', 'key': 'hex:00', 'status': 'active'"},
        {"bad_request", "'id': 'x', 'key': 'hex:00', 'weight': -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_refused(&fixture, cases[i].code, "chair", "member.admit", "{%s}", cases[i].rest);
    }
    static const struct {
        const char *code;
        const char *rest;
        const char *names;
    } more[] = {
        {"bad_value", "'weight': 0", "weight 0"},
        {"bad_value", "'weight': 1000000001", "weight 1000000001"},
        {"bad_value", "'kind': 'robot'", "robot"},
        {"bad_value", "'name': 'a\\tb'", "name"},
        {"bad_value", "'classes': ['a', 'a']", "\"a\" comes twice"},
        {"bad_value", "'classes': ['a b']", "\"a b\""},
        {"bad_value", "'roles': ['']", "roles"},
        {"bad_request", "'roles': [1]", "roles"},
        {"limit_reached",
         "'classes': ['1','2','3','4','5','6','7','8','9','10','11','12','13','14','15','16','17']",
         "17"},
    };
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        const char *message = model_refused(&fixture, more[i].code, "chair", "member.admit",
                                            "{'id': 'x', 'key': '%s', %s}", model_key("x"),
                                            more[i].rest);
        if (strstr(message, more[i].names) == NULL) {
            fail_msg("\"%s\" does not name %s", message, more[i].names);
        }
    }
    model_refused(&fixture, "duplicate_id", "chair", "member.admit", "{'id': 'ann', 'key': '%s'}",
                  model_key("new"));
    const char *message = model_refused(&fixture, "duplicate_key", "chair", "member.admit",
                                        "{'id': 'new', 'key': '%s'}", model_key("ann"));
    assert_non_null(strstr(message, "ann"));
    message = model_refused(&fixture, "not_chair", "ann", "member.admit",
                            "{'id': 'new', 'key': '%s'}", model_key("new"));
    assert_non_null(strstr(message, "ann"));
    model_refused(&fixture, "unknown_author", "nobody", "member.admit",
                  "{'id': 'new', 'key': '%s'}", model_key("new"));
    json_t *cluster = model_ask(&fixture, "cluster.get", "{}");
    model_expect_at(cluster, "counts.members", "2");
    model_expect_at(cluster, "counts.commands", "23");
    model_expect_at(cluster, "counts.refused", "21");
    json_decref(cluster);
}

/* --- member.update --- */

static void update_replaces_what_is_given(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "member.admit",
             "{'id': 'ann', 'key': '%s', 'classes': ['a'], 'roles': ['chair']}", model_key("ann"));
    model_expect(model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'weight': 5}"), "{}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'classes': ['b', 'c']}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'name': 'Ann B.'}");
    json_t *member = model_ask(&fixture, "member.get", "{'id': 'ann'}");
    model_expect(member,
                 "{'applied': 5, 'id': 'ann', 'number': 2, 'name': 'Ann B.', 'kind': 'model', "
                 "'key': '%s', 'weight': 5, 'classes': ['b', 'c'], 'roles': ['chair'], "
                 "'status': 'active', 'index': 2, 'time': 1000000, 'keys': [{'key': '%s', 'from': "
                 "2, 'until': null, "
                 "'until_time': null, 'ended': null, 'reason': null}]}",
                 model_key("ann"), model_key("ann"));
    json_decref(member);
    model_ok(&fixture, "ann", "member.update", "{'id': 'ann', 'status': 'suspended'}");
    model_expect_at(fixture.events, "0.status", "'suspended'");
    model_refused(&fixture, "not_active", "ann", "member.update",
                  "{'id': 'ann', 'status': 'active'}");
    model_refused(&fixture, "not_active", "ann", "proposal.submit",
                  "{'id': 'x', 'title': 'X', 'body': ''}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'status': 'active'}");
    model_ok(&fixture, "ann", "member.update", "{'id': 'ann', 'weight': 6}");
}

static void update_refusals(void **state)
{
    (void)state;
    model_refused(&fixture, "unknown_member", "chair", "member.update", "{'id': 'ann'}");
    model_refused(&fixture, "unknown_member", "chair", "member.update", "{'id': ''}");
    model_refused(&fixture, "bad_request", "chair", "member.update",
                  "{'id': 'chair', 'key': 'hex:00'}");
    model_refused(&fixture, "bad_value", "chair", "member.update",
                  "{'id': 'chair', 'status': 'applicant'}");
    model_refused(&fixture, "bad_value", "chair", "member.update", "{'id': 'chair', 'weight': 0}");
}

static void the_last_chair_stays(void **state)
{
    (void)state;
    model_refused(&fixture, "last_chair", "chair", "member.update",
                  "{'id': 'chair', 'status': 'suspended'}");
    model_refused(&fixture, "last_chair", "chair", "member.update",
                  "{'id': 'chair', 'status': 'retired'}");
    model_refused(&fixture, "last_chair", "chair", "member.update", "{'id': 'chair', 'roles': []}");
    model_ok(&fixture, "chair", "member.admit", "{'id': 'ann', 'key': '%s', 'roles': ['chair']}",
             model_key("ann"));
    model_ok(&fixture, "chair", "member.update", "{'id': 'chair', 'roles': ['expert:x']}");
    model_refused(&fixture, "not_chair", "chair", "member.update", "{'id': 'ann', 'weight': 2}");
    model_refused(&fixture, "last_chair", "ann", "member.update",
                  "{'id': 'ann', 'status': 'suspended'}");
    /* a suspended chair does not count */
    model_ok(&fixture, "ann", "member.update",
             "{'id': 'chair', 'roles': ['chair'], 'status': 'suspended'}");
    model_refused(&fixture, "last_chair", "ann", "member.update", "{'id': 'ann', 'roles': []}");
    model_ok(&fixture, "ann", "member.update", "{'id': 'chair', 'status': 'active'}");
    model_ok(&fixture, "ann", "member.update", "{'id': 'ann', 'status': 'retired'}");
    model_refused(&fixture, "last_chair", "chair", "member.update", "{'id': 'chair', 'roles': []}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(genesis_makes_the_cluster, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(nothing_before_genesis, open_empty, close_fixture),
        cmocka_unit_test_setup_teardown(genesis_is_checked, open_empty, close_fixture),
        cmocka_unit_test_setup_teardown(genesis_comes_once, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(admit_and_show, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(admit_refusals, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(update_replaces_what_is_given, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(update_refusals, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(the_last_chair_stays, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
