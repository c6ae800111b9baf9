/* The state in a few numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "model/overview.h"
#include "unit/support/model_fixture.h"

static struct model_overview look(struct model_fixture *fixture, uint64_t now_ms)
{
    struct kv_transaction *transaction;
    struct model_overview overview;
    assert_int_equal(kv_begin(fixture->stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_overview(transaction, now_ms, &overview), CONCLAVE_OK);
    kv_abort(transaction);
    return overview;
}

static void test_overview(void **state)
{
    (void)state;
    static struct model_fixture fixture;
    static const char *const voters[] = {"ada", "bob", "eve"};
    model_open(&fixture, NULL);
    uint64_t start_ms = fixture.time_ms;
    struct model_overview overview = look(&fixture, start_ms);
    assert_int_equal(overview.members, 1);
    assert_int_equal(overview.open, 0);

    for (size_t i = 0; i < 3; i++) {
        model_ok(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s'}", voters[i],
                 model_key(voters[i]));
    }
    uint64_t opened_ms = fixture.time_ms;
    for (int i = 0; i < 2; i++) { /* one of an hour, one of two */
        model_ok(&fixture, "chair", "poll.open",
                 "{'id': 'p%d', 'title': 'P', 'closes_at': %llu, 'questions': [{'id': 'q', "
                 "'title': 'Q', 'policy': 'simple-majority'}]}",
                 i, (unsigned long long)(opened_ms + (uint64_t)(i + 1) * MODEL_HOUR_MS));
    }
    model_ok(&fixture, "ada", "ballot.cast", "{'poll': 'p0', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    model_refused(&fixture, "unknown_poll", "bob", "ballot.cast",
                  "{'poll': 'px', 'answers': [{'q': 'q', 'a': 'yes'}]}");
    overview = look(&fixture, opened_ms + 1);
    assert_int_equal(overview.members, 4);
    assert_int_equal(overview.polls, 2);
    assert_int_equal(overview.open, 2);
    assert_int_equal(overview.ballots, 1);
    assert_int_equal(overview.refused, 1);
    assert_int_equal(overview.rolled, 8);
    assert_int_equal(overview.voted, 1);
    assert_int_equal(overview.slow, 0);
    assert_int_equal(overview.overdue, 0);

    /* 40 minutes: half of the time of p0 is over, and one of four has voted. */
    overview = look(&fixture, opened_ms + 40 * 60000);
    assert_int_equal(overview.slow, 1);
    model_ok(&fixture, "bob", "ballot.cast", "{'poll': 'p0', 'answers': [{'q': 'q', 'a': 'no'}]}");
    overview = look(&fixture, opened_ms + 40 * 60000);
    assert_int_equal(overview.slow, 0); /* two of four are half */

    /* 10 s after its end p0 is still open: nobody closes it here. */
    overview = look(&fixture, opened_ms + MODEL_HOUR_MS + 10000);
    assert_int_equal(overview.overdue, 1);
    assert_int_equal(overview.overdue_ms_max, 10000);
    fixture.time_ms = opened_ms + MODEL_HOUR_MS + 10000;
    assert_int_equal(model_close_due(&fixture), 1);
    overview = look(&fixture, fixture.time_ms);
    assert_int_equal(overview.overdue, 0);
    assert_int_equal(overview.open, 1);
    model_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_overview)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
