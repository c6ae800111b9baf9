/* Connections: fragments, pipelines, limits, bytes that are no requests, and the node that stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/rpc_message.h"
#include "support/api_fixture.h"

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

static bool asked_to_close(const struct api_fixture *fixture, uint64_t connection)
{
    return fixture->connections[connection].close_asked;
}

/* A request and its answer, byte by byte, put together by hand from the specifications. */
static void test_bytes_of_an_answer(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->status.applied_index = 300;
    fixture_feed(fixture, 1, FIXTURE_BYTES("\x94\x00\x07\xa5watch\x91\x80"));
    api_run(fixture->api);
    static const char expected[] = "\x94\x01\x07\xc0\x81\xa5index\xcd\x01\x2c";
    assert_int_equal(fixture->connections[1].size, sizeof expected - 1);
    assert_memory_equal(fixture->connections[1].output, expected, sizeof expected - 1);
}

static void test_bytes_of_an_error(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_feed(fixture, 1,
                 FIXTURE_BYTES("\x94\x00\xce\xff\xff\xff\xff\xa3"
                               "ask\x91\x80"));
    static const char head[] = "\x94\x01\xce\xff\xff\xff\xff\x93\xaeunknown_method";
    assert_true(fixture->connections[1].size > sizeof head);
    assert_memory_equal(fixture->connections[1].output, head, sizeof head - 1);
    assert_int_equal(fixture->connections[1].output[fixture->connections[1].size - 1], 0xc0);
    assert_false(asked_to_close(fixture, 1));
}

/* Five requests of all kinds, one after the other. */
static void write_stream(struct api_fixture *fixture, msgpack_sbuffer *stream)
{
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    fixture_write_submit(fixture, &(struct fixture_command){.body_bytes = 40}, 0, &params);
    fixture_pack_request(stream, 1, "hello", FIXTURE_NO_PARAMS);
    fixture_pack_request(stream, 70000, "submit", fixture_slice(&params));
    fixture_pack_request(stream, 3, "poll.get", FIXTURE_BYTES("\x82\xa2id\xa1p\xa5stale\xc3"));
    fixture_pack_request(stream, 4, "no.such", FIXTURE_NO_PARAMS);
    fixture_pack_request(stream, 5, "watch", FIXTURE_NO_PARAMS);
    msgpack_sbuffer_destroy(&params);
}

/* Feeds the stream in the pieces [0, first), [first, second), [second, end) and returns what came
 * back. */
static struct slice outcome_of(struct slice stream, size_t piece, size_t cut)
{
    struct api_fixture *fixture = fixture_open();
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x09");
    if (cut > 0) {
        fixture_feed(fixture, 1, slice_of(stream.data, cut));
    }
    for (size_t at = cut; at < stream.size; at += piece) {
        size_t size = stream.size - at < piece ? stream.size - at : piece;
        fixture_feed(fixture, 1, slice_of(stream.data + at, size));
    }
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 1);
    fixture_decide(fixture, 0, CONCLAVE_OK,
                   FIXTURE_BYTES("\x81\xa4"
                                 "code\xa2ok"));
    struct slice outcome = slice_of(fixture->connections[1].output, fixture->connections[1].size);
    fixture->connections[1].output = NULL; /* the caller frees it */
    assert_false(asked_to_close(fixture, 1));
    fixture_close(fixture);
    return outcome;
}

static void test_fragments(void **state)
{
    struct api_fixture *fixture = *state;
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    write_stream(fixture, &stream);
    struct slice whole = outcome_of(fixture_slice(&stream), stream.size, 0);
    /* five answers in the whole outcome */
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    size_t offset = 0;
    unsigned answers = 0;
    while (msgpack_unpack_next(&message, (const char *)whole.data, whole.size, &offset) ==
           MSGPACK_UNPACK_SUCCESS) {
        answers++;
    }
    msgpack_unpacked_destroy(&message);
    assert_int_equal(answers, 5);
    assert_int_equal(offset, whole.size);

    for (size_t cut = 1; cut < stream.size; cut++) {
        struct slice outcome = outcome_of(fixture_slice(&stream), stream.size, cut);
        assert_int_equal(outcome.size, whole.size);
        assert_memory_equal(outcome.data, whole.data, whole.size);
        free((void *)(uintptr_t)outcome.data);
    }
    struct slice outcome = outcome_of(fixture_slice(&stream), 1, 0);
    assert_int_equal(outcome.size, whole.size);
    assert_memory_equal(outcome.data, whole.data, whole.size);
    free((void *)(uintptr_t)outcome.data);
    free((void *)(uintptr_t)whole.data);
    msgpack_sbuffer_destroy(&stream);
}

static void test_pipeline(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x05");
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    for (uint32_t i = 0; i < 257; i++) {
        fixture_pack_request(&stream, i, "poll.list", FIXTURE_NO_PARAMS);
    }
    fixture_feed(fixture, 1, fixture_slice(&stream));
    api_run(fixture->api);
    assert_int_equal(api_requests_under_way(fixture->api), 256);
    fixture_expect_limit(fixture, 1, 256, "busy", "limit", 256);
    assert_true(fixture_silent(fixture, 1));
    /* another connection has its own queue */
    fixture_connect(fixture, 2);
    fixture_request(fixture, 2, 1, "poll.list", FIXTURE_NO_PARAMS);
    assert_true(fixture_silent(fixture, 2));
    /* answers come in the order of what is done, and make room */
    fixture_readable(fixture, 255, CONCLAVE_OK);
    msgpack_unpacked message;
    fixture_expect_result(fixture, 1, 255, &message);
    msgpack_unpacked_destroy(&message);
    fixture_request(fixture, 1, 999, "poll.list", FIXTURE_NO_PARAMS);
    assert_true(fixture_silent(fixture, 1));
    for (unsigned i = 0; i < 255; i++) {
        fixture_readable(fixture, i, CONCLAVE_OK);
        fixture_expect_result(fixture, 1, i, &message);
        msgpack_unpacked_destroy(&message);
    }
    assert_int_equal(api_requests_under_way(fixture->api), 2);
    assert_false(asked_to_close(fixture, 1));
    msgpack_sbuffer_destroy(&stream);
}

/* A message of exactly 1 MiB is taken; one byte more is refused. */
static void test_largest_message(void **state)
{
    struct api_fixture *fixture = *state;
    for (size_t extra = 0; extra < 2; extra++) {
        size_t size = (size_t)1024 * 1024 + extra;
        uint8_t *bytes = calloc(1, size);
        assert_non_null(bytes);
        /* [0, 9, "hello", [{"x": bin 32}]]: 3 + 6 + 1 + 1 + 2 + 5 bytes before the bin's content */
        static const char head[] = "\x94\x00\x09\xa5hello\x91\x81\xa1x\xc6";
        size_t head_size = sizeof head - 1;
        memcpy(bytes, head, head_size);
        size_t content = size - head_size - 4;
        for (size_t i = 0; i < 4; i++) {
            bytes[head_size + i] = (uint8_t)(content >> (8 * (3 - i)));
        }
        for (size_t at = 0; at < size && !asked_to_close(fixture, 1); at += 65536) {
            fixture_feed(fixture, 1, slice_of(bytes + at, size - at < 65536 ? size - at : 65536));
        }
        free(bytes);
        if (extra == 0) {
            msgpack_unpacked message;
            fixture_expect_result(fixture, 1, 9, &message);
            msgpack_unpacked_destroy(&message);
        } else {
            fixture_expect_limit(fixture, 1, 9, "too_large", "limit", 1048576);
            assert_true(asked_to_close(fixture, 1));
        }
    }
}

/* What declares itself too large is refused by its head alone. */
static void test_declared_too_large(void **state)
{
    static const struct {
        struct slice head;
        const char *why;
    } cases[] = {
        {FIXTURE_LITERAL("\x94\x00\x09\xa5hello\x91\x81\xa1x\xc6\x00\x10\x00\x00"), "bin of 1 MiB"},
        {FIXTURE_LITERAL("\x94\x00\x09\xdb\x00\x20\x00\x00"), "method of 2 MiB"},
        {FIXTURE_LITERAL("\x94\x00\x09\xa5hello\xdd\x00\x10\x00\x00"), "params of 2^20 values"},
        {FIXTURE_LITERAL("\x94\x00\x09\xa5hello\x91\xdf\x00\x08\x00\x00"), "map of 2^19 pairs"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_fixture *fixture = fixture_open();
        fixture_feed(fixture, 1, cases[i].head);
        fixture_expect_limit(fixture, 1, 9, "too_large", "limit", 1048576);
        assert_true(asked_to_close(fixture, 1));
        /* what comes after is not looked at */
        fixture_request(fixture, 1, 10, "hello", FIXTURE_NO_PARAMS);
        assert_true(fixture_silent(fixture, 1));
        fixture_close(fixture);
    }
}

/* A message whose parts are all small and which does not end: refused when the limit is reached,
 * not later. */
static void test_endless_message(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_feed(fixture, 1, FIXTURE_BYTES("\x94\x00\x09\xa5hello\xdc\x01\x2c")); /* params: 300 */
    uint8_t text[4096] = {0xda, 0x0f, 0xfd}; /* str 16 of 4093 bytes */
    for (size_t fed = 12 + sizeof text; fed <= (size_t)1024 * 1024; fed += sizeof text) {
        fixture_feed(fixture, 1, slice_of(text, sizeof text));
        assert_false(asked_to_close(fixture, 1));
    }
    assert_true(fixture_silent(fixture, 1));
    fixture_feed(fixture, 1, slice_of(text, sizeof text)); /* passes 1 MiB within a text */
    assert_true(asked_to_close(fixture, 1));
    fixture_expect_limit(fixture, 1, 9, "too_large", "limit", 1048576);
    fixture_feed(fixture, 1, slice_of(text, sizeof text));
    assert_true(fixture_silent(fixture, 1));
}

static void test_malformed(void **state)
{
    static const struct {
        struct slice bytes;
        const char *code; /* NULL: no msgid can be read, so there is no answer */
        const char *fragment;
    } cases[] = {
        {FIXTURE_LITERAL("\xc1"), NULL, ""},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hello\xc1"), "bad_request", "not MessagePack"},
        {FIXTURE_LITERAL("\x94\x00\x07\xc1"), "bad_request", "not MessagePack"},
        {FIXTURE_LITERAL("\x94\x00\xc1"), NULL, ""},
        {FIXTURE_LITERAL("\x94\x00\x07\xd4\x01\x00"), "bad_request", "ext"},
        {FIXTURE_LITERAL(
             "\x94\x00\x07\xa5hello\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"
             "\x91\x91\x91\x91"),
         "bad_request", "deeper than 16"},
        {FIXTURE_LITERAL(
             "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91"),
         NULL, ""},
        {FIXTURE_LITERAL("GET / HTTP/1.1\r\n"), NULL, ""},
        {FIXTURE_LITERAL("\x2a"), NULL, ""}, /* 42 */
        {FIXTURE_LITERAL("\x80"), NULL, ""}, /* a map */
        {FIXTURE_LITERAL("\x90"), NULL, ""}, /* an empty array */
        {FIXTURE_LITERAL("\x93\x00\x07\xa5hello"), "bad_request", "4 elements"}, /* no params */
        {FIXTURE_LITERAL("\x95\x00\x07\xa5hello\x91\x80\xc0"), "bad_request", "4 elements"},
        {FIXTURE_LITERAL("\x94\x01\x07\xc0\xc0"), NULL, ""}, /* a response */
        {FIXTURE_LITERAL("\x93\x02\xa5"
                         "event\x91\x80"),
         NULL, ""},                                                   /* a notification */
        {FIXTURE_LITERAL("\x94\xff\x07\xa5hello\x91\x80"), NULL, ""}, /* type -1 */
        {FIXTURE_LITERAL("\x94\x00\xa1"
                         "7\xa5hello\x91\x80"),
         NULL, ""},                                                   /* msgid "7" */
        {FIXTURE_LITERAL("\x94\x00\xff\xa5hello\x91\x80"), NULL, ""}, /* msgid -1 */
        {FIXTURE_LITERAL("\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa5hello\x91\x80"), NULL,
         ""},
        {FIXTURE_LITERAL("\x94\x00\x07\x05\x91\x80"), "bad_request", "method is not a string"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa2\xff\xfe\x91\x80"), "bad_request",
         "method is not a string"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hello\x80"), "bad_request", "params is not an array"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hello\xc0"), "bad_request", "params is not an array"},
        {FIXTURE_LITERAL("\xdc\x00\x04\x00\xcc\x07\xa5hello\x80"), "bad_request",
         "params is not an array"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct api_fixture *fixture = fixture_open();
        fixture_feed(fixture, 1, cases[i].bytes);
        api_run(fixture->api);
        if (cases[i].code != NULL) {
            fixture_expect_error(fixture, 1, 7, cases[i].code, cases[i].fragment);
        }
        if (!fixture_silent(fixture, 1) || !asked_to_close(fixture, 1)) {
            fail_msg("case %zu: not closed, or more was said", i);
        }
        fixture_disconnect(fixture, 1);
        assert_int_equal(api_connection_count(fixture->api), 0);
        fixture_close(fixture);
    }
}

/* The right shape with wrong content costs the request, not the connection. */
static void test_wrong_params(void **state)
{
    struct api_fixture *fixture = *state;
    static const struct {
        struct slice bytes;
        const char *code, *fragment;
    } cases[] = {
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hello\x90"), "bad_request", "exactly one map"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hello\x92\x80\x80"), "bad_request", "exactly one map"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hello\x91\x01"), "bad_request", "exactly one map"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5hellO\x91\x80"), "unknown_method", "\"hellO\""},
        {FIXTURE_LITERAL("\x94\x00\x07\xa0\x91\x80"), "unknown_method", "..."},
        {FIXTURE_LITERAL("\x94\x00\x07\xa3"
                         "a\nb\x91\x80"),
         "unknown_method", "..."},
        {FIXTURE_LITERAL("\x94\x00\x07\xa4tall\x91\x80"), "unknown_method", "\"tall\""},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5tally\x91\x81\xaatimeout_ms\xa1"
                         "5"),
         "bad_request", "timeout_ms"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5tally\x91\x81\xaatimeout_ms\xff"), "bad_request",
         "timeout_ms"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5tally\x91\x81\xaatimeout_ms\x00"), "bad_request",
         "timeout_ms"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5tally\x91\x81\xaatimeout_ms\xcd\xea\x61"), "bad_request",
         "60000"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5tally\x91\x81\xa5stale\x01"), "bad_request", "stale"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa5tally\x91\x81\x01\x01"), "bad_request", ""},
        {FIXTURE_LITERAL("\x94\x00\x07\xa6submit\x91\x80"), "bad_request", "command"},
        {FIXTURE_LITERAL("\x94\x00\x07\xa6submit\x91\x81\xa7"
                         "command\xa1x"),
         "bad_request", "command"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_feed(fixture, 1, cases[i].bytes);
        fixture_expect_error(fixture, 1, 7, cases[i].code, cases[i].fragment);
        assert_true(fixture_silent(fixture, 1));
    }
    assert_false(asked_to_close(fixture, 1));
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

/* A good request before the bad bytes is answered. */
static void test_good_then_malformed(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_feed(fixture, 1,
                 FIXTURE_BYTES("\x94\x00\x01\xa5hello\x91\x80\xc1\x94\x00\x02\xa5hello\x91\x80"));
    msgpack_unpacked message;
    fixture_expect_result(fixture, 1, 1, &message);
    msgpack_unpacked_destroy(&message);
    assert_true(fixture_silent(fixture, 1));
    assert_true(asked_to_close(fixture, 1));
}

static void test_connection_limit(void **state)
{
    struct api_fixture *fixture = *state;
    for (uint64_t id = 2; id <= 4096; id++) {
        fixture_connect(fixture, id);
    }
    assert_int_equal(api_connection_count(fixture->api), 4096);
    assert_int_equal(api_connection_opened(fixture->api, 4097), CONCLAVE_BUSY);
    fixture_disconnect(fixture, 77);
    fixture_connect(fixture, 4098);
    fixture_request(fixture, 4098, 1, "watch", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    fixture_expect_result(fixture, 4098, 1, &message);
    msgpack_unpacked_destroy(&message);
}

static void test_reads_limit(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->query_answer = FIXTURE_BYTES("\x80");
    for (uint64_t id = 2; id <= 33; id++) { /* 32 x 256 = 8192 */
        fixture_connect(fixture, id);
        for (uint32_t i = 0; i < 256; i++) {
            fixture_request(fixture, id, i, "tally", FIXTURE_NO_PARAMS);
        }
        assert_true(fixture_silent(fixture, id));
    }
    assert_int_equal(api_requests_under_way(fixture->api), 8192);
    fixture_request(fixture, 1, 5, "tally", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 5, "busy", "");
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_request(fixture, 1, 6, "tally", FIXTURE_NO_PARAMS);
    assert_true(fixture_silent(fixture, 1));
}

static void test_stop(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x05");
    fixture_request(fixture, 1, 1, "tally", FIXTURE_NO_PARAMS);
    api_stop(fixture->api);
    fixture_request(fixture, 1, 2, "tally", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 2, "shutting_down", "another node");
    fixture_request(fixture, 1, 3, "hello", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 3, "shutting_down", "another node");
    fixture_readable(fixture, 0, CONCLAVE_OK);
    msgpack_unpacked message;
    fixture_expect_result(fixture, 1, 1, &message);
    msgpack_unpacked_destroy(&message);
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

/* Requests with bytes flipped, cut out and doubled: whatever comes, the api answers or closes, and
 * holds nothing after. */
static void test_damaged_streams(void **state)
{
    struct api_fixture *prototype = *state;
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    write_stream(prototype, &stream);
    uint64_t random = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
    unsigned closed = 0;
    for (unsigned round = 0; round < 3000; round++) {
        struct api_fixture *fixture = fixture_open();
        fixture->replica->query_answer = FIXTURE_BYTES("\x80");
        uint8_t *bytes = malloc(stream.size);
        assert_non_null(bytes);
        memcpy(bytes, stream.data, stream.size);
        for (unsigned damage = 0; damage <= round % 4; damage++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes[(random >> 8) % stream.size] = (uint8_t)random;
        }
        size_t cut = (random >> 24) % stream.size;
        fixture_feed(fixture, 1, slice_of(bytes, cut));
        fixture_feed(fixture, 1, slice_of(bytes + cut, stream.size - cut));
        free(bytes);
        api_run(fixture->api);
        fixture_verify(fixture);
        msgpack_unpacked message;
        while (fixture_next(fixture, 1, &message)) { /* every byte sent is MessagePack */
            msgpack_unpacked_destroy(&message);
        }
        closed += asked_to_close(fixture, 1);
        for (unsigned i = 0; i < fixture->replica->read_count; i++) {
            fixture_readable(fixture, i, CONCLAVE_OK);
        }
        for (unsigned i = 0; i < fixture->replica->submit_count; i++) {
            fixture_decide(fixture, i, CONCLAVE_OK, FIXTURE_BYTES("\x80"));
        }
        assert_int_equal(api_requests_under_way(fixture->api), 0);
        fixture_close(fixture);
    }
    assert_true(closed > 300 && closed < 3000); /* both kinds came */
    msgpack_sbuffer_destroy(&stream);
}

static void test_peek_id(void **state)
{
    (void)state;
    uint32_t id = 0;
    assert_true(rpc_message_peek_id(FIXTURE_BYTES("\x94\x00\x7f"), &id));
    assert_int_equal(id, 127);
    assert_true(rpc_message_peek_id(FIXTURE_BYTES("\x94\x00\xcc\x80"), &id));
    assert_int_equal(id, 128);
    assert_true(rpc_message_peek_id(FIXTURE_BYTES("\x94\x00\xcd\x01\x02"), &id));
    assert_int_equal(id, 258);
    assert_true(
        rpc_message_peek_id(FIXTURE_BYTES("\xdd\x00\x00\x00\x04\x00\xce\x01\x02\x03\x04"), &id));
    assert_int_equal(id, 0x01020304);
    assert_true(rpc_message_peek_id(
        FIXTURE_BYTES("\x94\xcc\x00\xcf\x00\x00\x00\x00\xff\xff\xff\xff"), &id));
    assert_int_equal(id, UINT32_MAX);
    assert_false(rpc_message_peek_id(FIXTURE_BYTES(""), &id));
    assert_false(rpc_message_peek_id(FIXTURE_BYTES("\x94"), &id));
    assert_false(rpc_message_peek_id(FIXTURE_BYTES("\x94\x00"), &id));
    assert_false(rpc_message_peek_id(FIXTURE_BYTES("\x94\x00\xcd\x01"), &id));
    assert_false(rpc_message_peek_id(FIXTURE_BYTES("\xdc\x00"), &id));
    assert_false(rpc_message_peek_id(FIXTURE_BYTES("\x91\x00\x01"), &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bytes_of_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_of_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipeline, setup, teardown),
        cmocka_unit_test_setup_teardown(test_largest_message, setup, teardown),
        cmocka_unit_test(test_declared_too_large),
        cmocka_unit_test_setup_teardown(test_endless_message, setup, teardown),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test_setup_teardown(test_wrong_params, setup, teardown),
        cmocka_unit_test_setup_teardown(test_good_then_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connection_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reads_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_streams, setup, teardown),
        cmocka_unit_test(test_peek_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
