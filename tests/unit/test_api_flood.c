/* What clients may do in a time, in what order they have their turns, and who is closed. Figures
 * are counted by hand from the limits that each test gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/api_fixture.h"

#define MEMBER ROLE_SET(ROLE_MEMBER)
#define CHAIR  (ROLE_SET(ROLE_MEMBER) | ROLE_SET(ROLE_CHAIR))

static struct api_fixture *open_with(struct api_limits limits)
{
    struct api_fixture *fixture = fixture_open_limited(&limits);
    fixture->replica->authors[0].author.roles = MEMBER;
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x07");
    return fixture;
}

static void ask(struct api_fixture *fixture, uint64_t connection, uint32_t message_id)
{
    fixture_request(fixture, connection, message_id, "status", FIXTURE_NO_PARAMS);
}

static void expect_answers(struct api_fixture *fixture, uint64_t connection, uint32_t first,
                           uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        msgpack_unpacked message;
        (void)fixture_expect_result(fixture, connection, first + i, &message);
        msgpack_unpacked_destroy(&message);
    }
}

static void submit_on(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                      bool bad_signature)
{
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    const struct fixture_command command = {.nonce = message_id, .bad_signature = bad_signature};
    fixture_write_submit(fixture, &command, 0, &params);
    fixture_request(fixture, connection, message_id, "submit", fixture_slice(&params));
    msgpack_sbuffer_destroy(&params);
}

static void submit(struct api_fixture *fixture, uint32_t message_id, bool bad_signature)
{
    submit_on(fixture, 1, message_id, bad_signature);
}

static void pass(struct api_fixture *fixture, uint64_t ms)
{
    fixture->now_ms += ms;
    api_run(fixture->api);
}

/* --- rates --- */

static void a_connection_has_a_rate(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.connection = {10, 20}});
    for (uint32_t i = 0; i < 20; i++) {
        ask(fixture, 1, i);
    }
    expect_answers(fixture, 1, 0, 20);
    assert_false(fixture->connections[1].paused);
    ask(fixture, 1, 20);
    fixture_expect_limit(fixture, 1, 20, "rate_limited", "retry_after_ms", 100);
    /* what comes all the same waits, and the host was asked to let nothing come */
    assert_true(fixture->connections[1].paused);
    ask(fixture, 1, 21);
    ask(fixture, 1, 22);
    assert_true(fixture_silent(fixture, 1));
    assert_int_equal(api_deadline_ms(fixture->api), FIXTURE_NOW_MS + 100);
    pass(fixture, 99);
    assert_true(fixture_silent(fixture, 1));
    pass(fixture, 1);
    expect_answers(fixture, 1, 21, 1);
    fixture_expect_limit(fixture, 1, 22, "rate_limited", "retry_after_ms", 100);
    /* another connection is another bucket */
    fixture_connect(fixture, 2);
    ask(fixture, 2, 1);
    expect_answers(fixture, 2, 1, 1);
    /* full again after two seconds */
    pass(fixture, 2100);
    assert_false(fixture->connections[1].paused);
    assert_int_equal(api_deadline_ms(fixture->api), UINT64_MAX);
    for (uint32_t i = 0; i < 20; i++) {
        ask(fixture, 1, 100 + i);
    }
    expect_answers(fixture, 1, 100, 20);
    fixture_close(fixture);
}

/* One connection may carry the ballots of thousands. */
static void good_commands_cost_a_connection_nothing(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.connection = {1, 2}});
    for (uint32_t i = 0; i < 1000; i++) {
        submit(fixture, i, false);
        fixture_verify(fixture);
        assert_int_equal(fixture->replica->submit_count, i + 1);
        fixture_decide(fixture, i, CONCLAVE_OK, FIXTURE_BYTES("\x80"));
        expect_answers(fixture, 1, i, 1);
    }
    fixture_close(fixture);
}

/* A bad signature costs 500: with 2,000 there are four, and then silence until one token is back.
 */
static void bad_signatures_cost_much(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.connection = {40, 80}});
    for (uint32_t i = 0; i < 4; i++) {
        submit(fixture, i, true);
        fixture_verify(fixture);
        fixture_readable(fixture, i, CONCLAVE_OK);
        fixture_expect_error(fixture, 1, i, "bad_signature", "");
    }
    unsigned checked = fixture->verify_count;
    submit(fixture, 9, true);
    fixture_expect_limit(fixture, 1, 9, "rate_limited", "retry_after_ms", 125);
    assert_int_equal(fixture->verify_count, checked);
    fixture_close(fixture);
}

static void unknown_authors_cost_much(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.connection = {10, 20}});
    fixture->replica->author_count = 0;
    for (uint32_t i = 0; i < 2; i++) {
        submit(fixture, i, false);
        fixture_readable(fixture, i, CONCLAVE_OK);
        fixture_expect_error(fixture, 1, i, "unknown_author", "");
    }
    submit(fixture, 9, false);
    fixture_expect_limit(fixture, 1, 9, "rate_limited", "retry_after_ms", 300);
    assert_int_equal(fixture->replica->read_count, 2);
    fixture_close(fixture);
}

/* An answer of 40,960 bytes costs two tokens, and the request one. */
static void long_answers_cost_more(void **state)
{
    (void)state;
    static uint8_t page[40960];
    memset(page, 0, sizeof page);
    memcpy(page, "\xc5\x9f\xf9", 3); /* with the four before it 40,960 */
    struct api_fixture *fixture = open_with((struct api_limits){.connection = {10, 6}});
    fixture->replica->query_answer = slice_of(page, 3 + 0x9ff9);
    for (uint32_t i = 0; i < 2; i++) {
        fixture_request(fixture, 1, i, "log.read", FIXTURE_BYTES("\x81\xa5stale\xc3"));
        expect_answers(fixture, 1, i, 1);
    }
    ask(fixture, 1, 2);
    fixture_expect_limit(fixture, 1, 2, "rate_limited", "retry_after_ms", 100);
    fixture_close(fixture);
}

static void a_member_has_a_rate(void **state)
{
    (void)state;
    struct api_fixture *fixture =
        open_with((struct api_limits){.connection = {1000, 2000}, .member = {5, 10}});
    for (uint32_t i = 0; i < 10; i++) {
        submit(fixture, i, false);
        fixture_verify(fixture);
    }
    assert_int_equal(fixture->replica->submit_count, 10);
    submit(fixture, 10, false);
    fixture_verify(fixture);
    fixture_expect_limit(fixture, 1, 10, "rate_limited", "retry_after_ms", 200);
    assert_int_equal(fixture->replica->submit_count, 10);
    assert_false(fixture->connections[1].paused); /* it may carry others' */
    pass(fixture, 200);
    submit(fixture, 11, false);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 11);
    /* forgeries in its name cost it nothing */
    submit(fixture, 12, true);
    fixture_verify(fixture);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 12, "bad_signature", "");
    pass(fixture, 200);
    submit(fixture, 13, false);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 12);
    /* a chair admits thousands */
    fixture->replica->authors[0].author.roles = CHAIR;
    for (uint32_t i = 20; i < 70; i++) {
        submit(fixture, i, false);
        fixture_verify(fixture);
    }
    assert_int_equal(fixture->replica->submit_count, 62);
    fixture_close(fixture);
}

/* --- turns --- */

static uint64_t ticking_us; /* 100 more at each look */

static uint64_t tick(void *context)
{
    (void)context;
    ticking_us += 100;
    return ticking_us;
}

static void feed_requests(struct api_fixture *fixture, uint64_t connection, uint32_t count)
{
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    for (uint32_t i = 0; i < count; i++) {
        fixture_pack_request(&stream, i, "status", FIXTURE_NO_PARAMS);
    }
    fixture_feed(fixture, connection, fixture_slice(&stream));
    msgpack_sbuffer_destroy(&stream);
}

static uint32_t count_answers(struct api_fixture *fixture, uint64_t connection)
{
    uint32_t count = 0;
    msgpack_unpacked message;
    while (fixture_next(fixture, connection, &message)) {
        msgpack_unpacked_destroy(&message);
        count++;
    }
    return count;
}

static void a_connection_has_its_share(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.turn_us = 1000000});
    fixture_connect(fixture, 2);
    feed_requests(fixture, 1, 200);
    expect_answers(fixture, 1, 0, 64);
    assert_true(fixture_silent(fixture, 1));
    assert_true(fixture->connections[1].paused);
    assert_true(api_has_work(fixture->api));
    feed_requests(fixture, 2, 1);
    expect_answers(fixture, 2, 0, 1); /* at once */
    /* the rest goes on when nobody else wants anything */
    api_run(fixture->api);
    expect_answers(fixture, 1, 64, 136);
    assert_false(fixture->connections[1].paused);
    assert_false(api_has_work(fixture->api));
    fixture_close(fixture);
}

/* Time for 2 ms a turn; nobody is passed over, and who asks for more gets no more. */
static void turns_go_round(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.turn_us = 2000});
    fixture->clock.monotonic_us = tick;
    for (uint64_t id = 2; id <= 50; id++) {
        fixture_connect(fixture, id);
    }
    for (uint64_t id = 1; id <= 50; id++) {
        feed_requests(fixture, id, 1000);
    }
    uint32_t answered[51] = {0}, total = 0;
    unsigned turns = 0;
    while (api_has_work(fixture->api)) {
        api_run(fixture->api);
        turns++;
        uint32_t in_turn = 0, most = 0, least = UINT32_MAX;
        for (uint64_t id = 1; id <= 50; id++) {
            uint32_t count = count_answers(fixture, id);
            answered[id] += count;
            in_turn += count;
            most = answered[id] > most ? answered[id] : most;
            least = answered[id] < least ? answered[id] : least;
        }
        total += in_turn;
        if (turns > 1) {
            assert_true(in_turn <= 64); /* each looks at the clock more than once */
        }
        assert_true(most - least <= 2 * 64);
        assert_true(turns < 50000);
    }
    assert_int_equal(total, 50 * 1000);
    fixture_close(fixture);
}

/* While there is time for all, only what costs much is held against anybody; when there is not,
 * everybody has a rate. */
static void a_rate_is_for_those_who_press(void **state)
{
    (void)state;
    struct api_fixture *fixture =
        open_with((struct api_limits){.connection = {10, 20}, .turn_us = 2000});
    for (uint32_t i = 0; i < 50; i++) {
        ask(fixture, 1, i);
    }
    expect_answers(fixture, 1, 0, 50);
    fixture->clock.monotonic_us = tick; /* each look takes 100 us, and there is more than 2 ms */
    ticking_us = 1000 * FIXTURE_NOW_MS;
    fixture_connect(fixture, 2);
    feed_requests(fixture, 2, 200);
    api_run(fixture->api);
    assert_true(api_has_work(fixture->api));
    fixture->clock.monotonic_us = NULL;
    fixture->now_ms = (ticking_us + 999) / 1000;
    ask(fixture, 1, 60);
    fixture_expect_limit(fixture, 1, 60, "rate_limited", "retry_after_ms", 100);
    /* five seconds without: not any more */
    pass(fixture, 1000);
    (void)count_answers(fixture, 2);
    pass(fixture, 5000);
    for (uint32_t i = 0; i < 50; i++) {
        ask(fixture, 1, 100 + i);
    }
    expect_answers(fixture, 1, 100, 50);
    fixture_close(fixture);
}

static void a_held_connection_may_close(void **state)
{
    (void)state;
    struct api_fixture *fixture =
        open_with((struct api_limits){.connection = {10, 300}, .turn_us = 1000000});
    for (uint64_t id = 2; id <= 4; id++) {
        fixture_connect(fixture, id);
        feed_requests(fixture, id, 100);
        (void)count_answers(fixture, id);
    }
    fixture_disconnect(fixture, 3); /* of those that wait for their turn: the middle, the last */
    fixture_disconnect(fixture, 4);
    fixture_connect(fixture, 5);
    feed_requests(fixture, 5, 400);
    api_run(fixture->api);
    assert_int_equal(count_answers(fixture, 2), 36);
    assert_int_equal(count_answers(fixture, 5), 400);
    submit_on(fixture, 5, 500, true); /* on credit */
    fixture_verify(fixture);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 5, 500, "bad_signature", "");
    ask(fixture, 5, 600);
    assert_true(fixture->connections[5].paused);
    fixture_disconnect(fixture, 5); /* of those that have passed their rate */
    assert_int_equal(api_deadline_ms(fixture->api), UINT64_MAX);
    assert_false(api_has_work(fixture->api));
    fixture_close(fixture);
}

static void who_does_not_read_is_not_answered(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.turn_us = 1000000});
    fixture->connections[1].unsent = 1048576;
    ask(fixture, 1, 1);
    expect_answers(fixture, 1, 1, 1);
    fixture->connections[1].unsent = 1048577;
    ask(fixture, 1, 2);
    ask(fixture, 1, 3);
    assert_true(fixture_silent(fixture, 1));
    assert_true(fixture->connections[1].paused);
    pass(fixture, 100);
    assert_true(fixture_silent(fixture, 1));
    fixture->connections[1].unsent = 0;
    pass(fixture, 99);
    assert_true(fixture_silent(fixture, 1));
    pass(fixture, 1);
    expect_answers(fixture, 1, 2, 2);
    assert_false(fixture->connections[1].paused);
    fixture_close(fixture);
}

/* --- patience --- */

static bool asked_to_close(const struct api_fixture *fixture, uint64_t connection)
{
    return fixture->connections[connection].close_asked;
}

static void who_says_nothing_is_closed(void **state)
{
    (void)state;
    struct api_fixture *fixture =
        open_with((struct api_limits){.silent_ms = 10000, .message_ms = 30000, .idle_ms = 600000});
    for (uint64_t id = 2; id <= 6; id++) {
        fixture_connect(fixture, id);
    }
    ask(fixture, 2, 1);                                            /* idle from now on */
    fixture_feed(fixture, 3, FIXTURE_BYTES("\x94\x00\x05\xa6st")); /* never ends */
    fixture_request(fixture, 4, 1, "watch", FIXTURE_NO_PARAMS);    /* watches */
    fixture_request(fixture, 5, 1, "tally", FIXTURE_NO_PARAMS);    /* waits for an answer */
    pass(fixture, 9999);
    assert_false(asked_to_close(fixture, 1));
    pass(fixture, 1001);
    assert_true(asked_to_close(fixture, 1));
    assert_true(asked_to_close(fixture, 6));
    assert_false(asked_to_close(fixture, 3));
    fixture_feed(fixture, 3, FIXTURE_BYTES("a")); /* a byte now and then does not help */
    pass(fixture, 18999);
    assert_false(asked_to_close(fixture, 3));
    pass(fixture, 1000);
    fixture_expect_limit(fixture, 3, 5, "bad_request", "limit", 30000);
    assert_true(asked_to_close(fixture, 3));
    pass(fixture, 560000);
    assert_false(asked_to_close(fixture, 2));
    pass(fixture, 10000);
    assert_true(asked_to_close(fixture, 2));
    assert_false(asked_to_close(fixture, 4));
    assert_false(asked_to_close(fixture, 5));
    fixture_close(fixture);
}

/* A message that follows another at once begins when that one ended. */
static void a_message_begins_after_the_one_before(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.message_ms = 1000});
    for (uint32_t i = 0; i < 5; i++) {
        fixture_feed(fixture, 1, FIXTURE_BYTES("\x94\x00\x05\xa6stat"));
        pass(fixture, 900);
        fixture_feed(fixture, 1, FIXTURE_BYTES("us\x91\x80"));
        expect_answers(fixture, 1, 5, 1);
    }
    fixture_feed(fixture, 1, FIXTURE_BYTES("\x94\x00\x05\xa6stat"));
    pass(fixture, 999);
    assert_false(asked_to_close(fixture, 1));
    pass(fixture, 1001);
    assert_true(asked_to_close(fixture, 1));
    fixture_close(fixture);
}

static void the_longest_idle_makes_room(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.idle_ms = 600000});
    fixture_request(fixture, 1, 1, "watch", FIXTURE_NO_PARAMS);
    for (uint64_t id = 2; id <= 4096; id++) {
        fixture_connect(fixture, id);
        ask(fixture, id, 1);
    }
    pass(fixture, 9999);
    assert_int_equal(api_connection_opened(fixture->api, 4097), CONCLAVE_BUSY);
    ask(fixture, 2, 2);
    pass(fixture, 1);
    fixture_connect(fixture, 4098);
    assert_false(asked_to_close(fixture, 1)); /* it watches */
    assert_false(asked_to_close(fixture, 2));
    assert_true(asked_to_close(fixture, 3));
    fixture_connect(fixture, 4099);
    assert_true(asked_to_close(fixture, 4));
    /* not for ever, while none of them is gone */
    for (uint64_t id = 4100; id < 4100 + 46; id++) {
        fixture_connect(fixture, id);
    }
    assert_int_equal(api_connection_opened(fixture->api, 4200), CONCLAVE_BUSY);
    fixture_close(fixture);
}

static void the_oldest_silent_makes_room(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.silent_ms = 10000});
    for (uint64_t id = 2; id <= 1025; id++) {
        fixture_connect(fixture, id);
        if (id == 2) {
            ask(fixture, 1, 1);
        }
    }
    assert_false(asked_to_close(fixture, 2));
    fixture_connect(fixture, 1026);
    assert_false(asked_to_close(fixture, 1)); /* it has asked */
    assert_true(asked_to_close(fixture, 2));
    assert_false(asked_to_close(fixture, 3));
    fixture_close(fixture);
}

/* --- memory --- */

/* 170 commands of 98,000 bytes are 16,660,000; the 172nd would pass 16 MiB. */
static void a_connection_has_so_many_bytes(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.idle_ms = 0});
    unsigned taken = 0;
    for (uint32_t i = 0; i < 180; i++) {
        msgpack_sbuffer params;
        msgpack_sbuffer_init(&params);
        fixture_write_submit(fixture, &(struct fixture_command){.nonce = i, .body_bytes = 97800}, 0,
                             &params);
        fixture_request(fixture, 1, i, "submit", fixture_slice(&params));
        msgpack_sbuffer_destroy(&params);
        if (!fixture_silent(fixture, 1)) {
            fixture_expect_limit(fixture, 1, i, "busy", "limit", 16777216);
        } else {
            taken++;
        }
    }
    assert_in_range(taken, 170, 171);
    fixture_close(fixture);
}

static void a_read_is_short(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.idle_ms = 0});
    char params[5000];
    memset(params, 'x', sizeof params);
    memcpy(params, "\x81\xa2id\xda\x12\x00", 7); /* a text of 4,608 bytes */
    fixture_request(fixture, 1, 1, "poll.get", slice_of(params, 7 + 0x1200));
    fixture_expect_limit(fixture, 1, 1, "too_large", "limit", 4096);
    assert_int_equal(fixture->replica->read_count, 0);
    fixture_close(fixture);
}

/* Messages of 1 MiB, of which the last byte never comes: 256 MiB of them, and no more. */
static void long_messages_have_so_much_room(void **state)
{
    (void)state;
    struct api_fixture *fixture = open_with((struct api_limits){.idle_ms = 0});
    size_t size = 700000;
    uint8_t *part = calloc(1, size);
    assert_non_null(part);
    memcpy(part, "\x94\x00\x05\xc6\x00\x0f\xff\xf0", 8);
    unsigned closed = 0;
    for (uint64_t id = 1; id <= 300; id++) {
        if (id > 1) {
            fixture_connect(fixture, id);
        }
        fixture_feed(fixture, id, slice_of(part, size));
        if (asked_to_close(fixture, id)) {
            fixture_expect_limit(fixture, id, 5, "busy", "limit", 268435456);
            closed++;
            fixture_disconnect(fixture, id);
        }
    }
    free(part);
    assert_in_range(closed, 44, 150); /* by how the memory grew */
    fixture_connect(fixture, 400);
    ask(fixture, 400, 1); /* short ones have theirs */
    expect_answers(fixture, 400, 1, 1);
    fixture_close(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_has_a_rate),
        cmocka_unit_test(good_commands_cost_a_connection_nothing),
        cmocka_unit_test(bad_signatures_cost_much),
        cmocka_unit_test(unknown_authors_cost_much),
        cmocka_unit_test(long_answers_cost_more),
        cmocka_unit_test(a_member_has_a_rate),
        cmocka_unit_test(a_connection_has_its_share),
        cmocka_unit_test(turns_go_round),
        cmocka_unit_test(a_rate_is_for_those_who_press),
        cmocka_unit_test(a_held_connection_may_close),
        cmocka_unit_test(who_does_not_read_is_not_answered),
        cmocka_unit_test(who_says_nothing_is_closed),
        cmocka_unit_test(a_message_begins_after_the_one_before),
        cmocka_unit_test(the_longest_idle_makes_room),
        cmocka_unit_test(the_oldest_silent_makes_room),
        cmocka_unit_test(a_connection_has_so_many_bytes),
        cmocka_unit_test(a_read_is_short),
        cmocka_unit_test(long_messages_have_so_much_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
