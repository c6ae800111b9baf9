/* Lists and their pages, filters, and queries that are not well formed. */
#include <conclave/limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/writer.h"
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

/* The values of `key` in all items of a list, page after page, as one text "a b c". The last item's
 * `cursor` goes on. */
static void expect_pages(const char *method, const char *params, const char *key,
                         const char *cursor, int limit, const char *expected)
{
    char text[4096] = "";
    char after[256] = "";
    for (int page = 0; page < 1000; page++) {
        json_t *answer = model_ask(&fixture, method, "{%s%s 'limit': %d}", params, after, limit);
        const json_t *items = model_at(answer, "items");
        size_t i;
        json_t *item;
        assert_true(json_array_size(items) <= (size_t)limit);
        json_array_foreach(items, i, item)
        {
            size_t size = strlen(text);
            snprintf(text + size, sizeof text - size, "%s%s", size == 0 ? "" : " ",
                     json_string_value(json_object_get(item, key)));
            snprintf(after, sizeof after, "'after': '%s',",
                     json_string_value(json_object_get(item, cursor)));
        }
        bool more = json_is_true(model_at(answer, "more"));
        assert_true(!more || json_array_size(items) == (size_t)limit);
        model_expect_at(answer, "index", "%llu", (unsigned long long)fixture.index);
        json_decref(answer);
        if (!more) {
            assert_string_equal(text, expected);
            return;
        }
    }
    fail_msg("the list does not end");
}

static void expect_all_pages(const char *method, const char *params, const char *key,
                             const char *cursor, const char *expected)
{
    for (int limit = 1; limit <= 6; limit++) {
        expect_pages(method, params, key, cursor, limit, expected);
    }
}

static void members_by_id(void **state)
{
    (void)state;
    static const char *const ids[] = {"m", "b", "a", "Z", "a-1"};
    for (size_t i = 0; i < 5; i++) {
        model_ok(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s'}", ids[i],
                 model_key(ids[i]));
    }
    expect_all_pages("member.list", "", "id", "id", "Z a a-1 b chair m");
    json_t *page = model_ask(&fixture, "member.list", "{'after': 'zz'}");
    model_expect(page, "{'index': 6, 'items': [], 'more': false}");
    json_decref(page);
    page = model_ask(&fixture, "member.list", "{'after': 'a.', 'limit': 1}"); /* need not exist */
    model_expect_at(page, "items.0.id", "'b'");
    json_decref(page);
}

static void lists_filter_by_state_and_stage(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++) {
        model_ok(&fixture, "chair", "proposal.submit", "{'id': 'a%d', 'title': 'T', 'body': ''}",
                 i);
        model_ok(&fixture, "chair", "poll.open",
                 "{'id': 'p%d', 'title': 'P', 'open_for_ms': 1000, "
                 "'questions': [{'id': 'q', 'proposal': 'a%d', 'policy': 'simple-majority'}]}",
                 i, i);
    }
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p1'}");
    model_ok(&fixture, "chair", "poll.cancel", "{'id': 'p2', 'reason': 'r'}");
    model_ok(&fixture, "chair", "poll.close", "{'id': 'p4'}");
    expect_all_pages("poll.list", "", "id", "id", "p0 p1 p2 p3 p4 p5");
    expect_all_pages("poll.list", "'state': 'open',", "id", "id", "p0 p3 p5");
    expect_all_pages("poll.list", "'state': 'closed',", "id", "id", "p1 p4");
    expect_all_pages("poll.list", "'state': 'cancelled',", "id", "id", "p2");
    expect_all_pages("proposal.list", "", "id", "id", "a0 a1 a2 a3 a4 a5");
    expect_all_pages("proposal.list", "'stage': 'voting',", "id", "id", "a0 a3 a5");
    expect_all_pages("proposal.list", "'stage': 'submitted',", "id", "id", "a1 a2 a4");
    expect_all_pages("proposal.list", "'stage': 'accepted',", "id", "id", "");
    expect_all_pages("decision.list", "", "id", "id", "p1/q p2/q p4/q");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "poll.list", "{'state': 'ajar'}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "proposal.list", "{'stage': 'central'}");
    json_t *list = model_ask(&fixture, "poll.list", "{'limit': 1}");
    assert_null(json_object_get(json_array_get(model_at(list, "items"), 0), "questions"));
    json_decref(list);
    list = model_ask(&fixture, "proposal.list", "{'limit': 1}");
    assert_null(json_object_get(json_array_get(model_at(list, "items"), 0), "body"));
    assert_null(json_object_get(json_array_get(model_at(list, "items"), 0), "history"));
    json_decref(list);
}

static void decisions_of_one_poll(void **state)
{
    (void)state;
    static const char *const polls[] = {"a", "a-b", "a.b", "b"};
    for (size_t i = 0; i < 4; i++) {
        model_ok(&fixture, "chair", "poll.open",
                 "{'id': '%s', 'title': 'P', 'open_for_ms': 1000, 'questions': ["
                 "{'id': 'y', 'title': 'T', 'policy': 'simple-majority'}, "
                 "{'id': 'x', 'title': 'T', 'policy': 'simple-majority'}]}",
                 polls[i]);
    }
    expect_all_pages("decision.list", "", "id", "id", "");
    for (size_t i = 0; i < 4; i++) {
        model_ok(&fixture, "chair", "poll.close", "{'id': '%s'}", polls[i]);
    }
    expect_all_pages("decision.list", "'poll': 'a',", "id", "id", "a/x a/y");
    expect_all_pages("decision.list", "'poll': 'a-b',", "question", "id", "x y");
    expect_all_pages("decision.list", "", "id", "id", "a-b/x a-b/y a.b/x a.b/y a/x a/y b/x b/y");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLL, "decision.list", "{'poll': 'c'}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "decision.list",
                      "{'poll': 'a', 'after': 'b/x'}");
    model_ask_refused(&fixture, CONCLAVE_NOT_FOUND, "decision.get",
                      "{'poll': 'a', 'question': 'z'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLL, "decision.get",
                      "{'poll': 'c', 'question': 'z'}");
}

static void ballots_in_the_order_of_admission(void **state)
{
    (void)state;
    static const char *const ids[] = {"zoe", "bob", "ann"};
    for (size_t i = 0; i < 3; i++) {
        model_ok(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s'}", ids[i],
                 model_key(ids[i]));
    }
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'p', 'title': 'P', 'open_for_ms': 1000, "
             "'questions': [{'id': 'q', 'title': 'T', 'policy': 'simple-majority'}]}");
    expect_all_pages("ballot.list", "'poll': 'p',", "member", "member", "");
    model_ok(&fixture, "ann", "ballot.cast", "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'no'}]}");
    model_ok(&fixture, "zoe", "ballot.cast",
             "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes', 'why': 'so'}]}");
    expect_all_pages("ballot.list", "'poll': 'p',", "member", "member", "zoe ann");
    expect_all_pages("poll.roll", "'id': 'p',", "member", "member", "chair zoe bob ann");
    json_t *list =
        model_ask(&fixture, "ballot.list", "{'poll': 'p', 'after': 'chair', 'limit': 1}");
    model_expect_at(list, "items.0",
                    "{'poll': 'p', 'member': 'zoe', 'ballot': 1, 'index': 7, 'position': 0, "
                    "'time': 1000000, 'claimed_at': null, 'weight': 1, 'imported': null, "
                    "'answers': [{'q': 'q', 'a': 'yes', 'veto': false, 'review': null, "
                    "'why': 'so'}]}");
    json_decref(list);
    json_t *roll = model_ask(&fixture, "poll.roll", "{'id': 'p', 'after': 'chair', 'limit': 2}");
    model_expect_at(roll, "items.0.voted", "true");
    model_expect_at(roll, "items.1.voted", "false");
    json_decref(roll);
    model_ask_refused(&fixture, CONCLAVE_NOT_FOUND, "ballot.get", "{'poll': 'p', 'member': 'bob'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_MEMBER, "ballot.get",
                      "{'poll': 'p', 'member': 'eve'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLL, "ballot.get",
                      "{'poll': 'x', 'member': 'bob'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_MEMBER, "ballot.list",
                      "{'poll': 'p', 'after': 'eve'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLL, "poll.roll", "{'id': 'x'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLL, "poll.get", "{'id': 'x'}");
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_POLL, "tally", "{'poll': 'x'}");
}

/* Ballots with long rationales: a page ends before 512 KiB, says so, and nothing is lost between
 * pages. */
static void pages_are_bounded_in_bytes(void **state)
{
    (void)state;
    char *why = malloc(8001);
    assert_non_null(why);
    memset(why, 'w', 8000);
    why[8000] = '\0';
    for (int i = 0; i < 150; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%03d", i);
        model_add(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s'}", id,
                  model_key(id));
    }
    model_apply_batch(&fixture, NULL);
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'p', 'title': 'P', 'open_for_ms': 1000, "
             "'questions': [{'id': 'q', 'title': 'T', 'policy': 'simple-majority'}]}");
    for (int i = 0; i < 150; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%03d", i);
        model_add(&fixture, id, "ballot.cast",
                  "{'poll': 'p', 'answers': [{'q': 'q', 'a': 'yes', 'why': '%s'}]}", why);
    }
    model_apply_batch(&fixture, NULL);
    free(why);
    int seen = 0;
    char after[32] = "";
    for (int page = 0; page < 10; page++) {
        json_t *list = model_ask(&fixture, "ballot.list", "{'poll': 'p', %s 'limit': 1000}", after);
        const json_t *items = model_at(list, "items");
        size_t i;
        json_t *item;
        json_array_foreach(items, i, item)
        {
            snprintf(after, sizeof after, "'after': '%s',",
                     json_string_value(json_object_get(item, "member")));
            char expected[32];
            snprintf(expected, sizeof expected, "'after': 'm%03d',", seen++);
            assert_string_equal(after, expected);
        }
        /* 64 or 65 items of 8000 bytes and a little are 512 KiB */
        assert_true(json_array_size(items) <= 65);
        bool more = json_is_true(model_at(list, "more"));
        json_decref(list);
        assert_true(more == (seen < 150));
        if (!more) {
            break;
        }
    }
    assert_int_equal(seen, 150);
}

static void parameters_are_checked(void **state)
{
    (void)state;
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.list", "{'limit': 0}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.list", "{'limit': 1001}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.list", "{'limit': 'ten'}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.list", "{'after': 5}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.get", "{}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.get", "[]");
    char long_id[200];
    memset(long_id, 'x', sizeof long_id);
    long_id[199] = '\0';
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "member.list", "{'after': '%s'}", long_id);
    static const struct {
        enum conclave_code code;
        const char *method;
        const char *key;
    } cases[] = {
        {CONCLAVE_UNKNOWN_MEMBER, "member.get", "id"},
        {CONCLAVE_UNKNOWN_POLICY, "policy.get", "id"},
        {CONCLAVE_UNKNOWN_PROPOSAL, "proposal.get", "id"},
        {CONCLAVE_UNKNOWN_POLL, "poll.get", "id"},
        {CONCLAVE_UNKNOWN_POLL, "tally", "poll"},
        {CONCLAVE_UNKNOWN_POLL, "decision.list", "poll"},
        {CONCLAVE_UNKNOWN_POLL, "ballot.list", "poll"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        model_ask_refused(&fixture, cases[i].code, cases[i].method, "{'%s': '%s'}", cases[i].key,
                          long_id);
        model_ask_refused(&fixture, cases[i].code, cases[i].method, "{'%s': ''}", cases[i].key);
    }
    /* what a query does not know is skipped: the node reads some of it */
    json_t *cluster =
        model_ask(&fixture, "cluster.get", "{'stale': true, 'timeout_ms': 5, 'x': 1}");
    json_decref(cluster);
}

static void unknown_methods(void **state)
{
    (void)state;
    struct kv_transaction *transaction;
    struct codec_tree tree;
    struct codec_error error;
    struct buffer answer;
    buffer_init(&answer, LIMIT_FRAME_BYTES);
    assert_int_equal(codec_parse(&tree, slice_of("\x80", 1)), CONCLAVE_OK);
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_false(model_is_query(slice_of_text("submit")));
    assert_int_equal(model_query(transaction, NULL, slice_of_text("submit"), &tree.root, 1,
                                 slice_of("", 0), &answer, &error),
                     CONCLAVE_UNKNOWN_METHOD);
    assert_int_equal(answer.size, 0);
    kv_abort(transaction);
    codec_tree_close(&tree);
    buffer_close(&answer);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(members_by_id),
        TEST(lists_filter_by_state_and_stage),
        TEST(decisions_of_one_poll),
        TEST(ballots_in_the_order_of_admission),
        TEST(pages_are_bounded_in_bytes),
        TEST(parameters_are_checked),
        TEST(unknown_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
