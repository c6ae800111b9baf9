/* What the api counts: each request once, by what came of it, by its code, by how long it took. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/api_metrics.h"
#include "support/api_fixture.h"

/* {"code": "ok", "index": 7}, {"code": "ballot_final", "index": 7}, and what is no reply */
#define ACCEPTED             \
    FIXTURE_BYTES("\x82\xa4" \
                  "code\xa2" \
                  "ok\xa5"   \
                  "index\x07")
#define FINAL                        \
    FIXTURE_BYTES("\x82\xa4"         \
                  "code\xac"         \
                  "ballot_final\xa5" \
                  "index\x07")
#define STRANGE              \
    FIXTURE_BYTES("\x81\xa5" \
                  "index\x07")

static int setup(void **state)
{
    *state = fixture_open();
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static void cast(struct api_fixture *fixture, uint32_t message_id)
{
    msgpack_sbuffer params;
    const struct fixture_command command = {.kind = "ballot.cast", .nonce = message_id};
    msgpack_sbuffer_init(&params);
    fixture_write_submit(fixture, &command, 0, &params);
    fixture_request(fixture, 1, message_id, "submit", fixture_slice(&params));
    msgpack_sbuffer_destroy(&params);
}

static void expect_counts(const struct metric_counter *counters, uint64_t answered,
                          uint64_t refused, uint64_t failed, uint64_t unknown)
{
    assert_int_equal(metric_value(&counters[API_ANSWERED]), answered);
    assert_int_equal(metric_value(&counters[API_REFUSED]), refused);
    assert_int_equal(metric_value(&counters[API_FAILED]), failed);
    assert_int_equal(metric_value(&counters[API_UNKNOWN]), unknown);
}

static void test_outcomes(void **state)
{
    (void)state;
    assert_int_equal(api_outcome(CONCLAVE_OK), API_ANSWERED);
    assert_int_equal(api_outcome(CONCLAVE_POLL_CLOSED), API_REFUSED);
    assert_int_equal(api_outcome(CONCLAVE_BAD_REQUEST), API_REFUSED);
    assert_int_equal(api_outcome(CONCLAVE_NOT_FOUND), API_REFUSED);
    assert_int_equal(api_outcome(CONCLAVE_BAD_SIGNATURE), API_REFUSED);
    assert_int_equal(api_outcome(CONCLAVE_NO_LEADER), API_FAILED);
    assert_int_equal(api_outcome(CONCLAVE_BUSY), API_FAILED);
    assert_int_equal(api_outcome(CONCLAVE_DISK_FULL), API_FAILED);
    assert_int_equal(api_outcome(CONCLAVE_UNKNOWN_OUTCOME), API_UNKNOWN);
}

static void test_ballots(void **state)
{
    struct api_fixture *fixture = *state;
    const struct api_metrics *metrics = api_metrics(fixture->api);
    for (uint32_t id = 1; id <= 4; id++) {
        cast(fixture, id);
    }
    fixture->now_ms += 30;
    fixture_verify(fixture);
    fixture->now_ms += 200;
    fixture_decide(fixture, 0, CONCLAVE_OK, ACCEPTED);
    fixture_decide(fixture, 1, CONCLAVE_OK, FINAL);
    fixture_decide(fixture, 2, CONCLAVE_BUSY, FIXTURE_NO_PARAMS);
    expect_counts(metrics->ballots, 1, 1, 1, 0);
    fixture_decide(fixture, 3, CONCLAVE_UNKNOWN_OUTCOME, FIXTURE_NO_PARAMS);
    expect_counts(metrics->ballots, 1, 1, 1, 1);
    expect_counts(metrics->requests, 1, 1, 1, 1);
    assert_int_equal(metric_value(&metrics->codes[CONCLAVE_BALLOT_FINAL]), 1);
    assert_int_equal(metric_value(&metrics->codes[CONCLAVE_BUSY]), 1);
    assert_int_equal(metric_value(&metrics->codes[CONCLAVE_UNKNOWN_OUTCOME]), 1);

    struct metric_reading reading;
    metric_read(&metrics->stage_us[API_STAGE_VERIFY], &reading);
    assert_int_equal(reading.count, 4);
    assert_int_equal(reading.sum, 4 * 30000);
    metric_read(&metrics->stage_us[API_STAGE_DECIDE], &reading);
    assert_int_equal(reading.sum, 4 * 200000);
    metric_read(&metrics->request_us[API_KIND_COMMAND], &reading);
    assert_int_equal(reading.count, 4);
    assert_int_equal(reading.sum, 4 * 230000);

    cast(fixture, 5);
    fixture_verify(fixture);
    fixture_decide(fixture, 4, CONCLAVE_OK, STRANGE); /* answered as it is, and counted as wrong */
    assert_int_equal(metric_value(&metrics->codes[CONCLAVE_INTERNAL]), 1);
}

static void test_other_requests(void **state)
{
    struct api_fixture *fixture = *state;
    const struct api_metrics *metrics = api_metrics(fixture->api);
    fixture_request(fixture, 1, 1, "status", FIXTURE_NO_PARAMS);
    fixture_request(fixture, 1, 2, "no.such", FIXTURE_NO_PARAMS);
    fixture_request(fixture, 1, 3, "tally", FIXTURE_NO_PARAMS);
    fixture->now_ms += 10;
    fixture_readable(fixture, 0, CONCLAVE_NO_LEADER);
    expect_counts(metrics->requests, 1, 1, 1, 0);
    expect_counts(metrics->ballots, 0, 0, 0, 0);
    struct metric_reading reading;
    metric_read(&metrics->request_us[API_KIND_LOCAL], &reading);
    assert_int_equal(reading.count, 2);
    metric_read(&metrics->request_us[API_KIND_READ], &reading);
    assert_int_equal(reading.sum, 10000);
    fixture_feed(fixture, 1, FIXTURE_BYTES("\xc1")); /* no message: nobody to answer */
    expect_counts(metrics->requests, 1, 1, 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcomes),
        cmocka_unit_test_setup_teardown(test_ballots, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_requests, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
