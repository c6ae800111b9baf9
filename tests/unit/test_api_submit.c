/* Admission of commands: what is refused before the log, what reaches the replica, and connections
 * that close on the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/api_fixture.h"

/* {"code": "ok", "index": 7} */
#define REPLY                \
    FIXTURE_BYTES("\x82\xa4" \
                  "code\xa2ok\xa5index\x07")

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

static void submit(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                   const struct fixture_command *command, uint64_t timeout_ms)
{
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    fixture_write_submit(fixture, command, timeout_ms, &params);
    fixture_request(fixture, connection, message_id, "submit", fixture_slice(&params));
    msgpack_sbuffer_destroy(&params);
}

static void expect_reply(struct api_fixture *fixture, uint64_t connection, uint32_t message_id)
{
    msgpack_unpacked message;
    const msgpack_object *reply = fixture_expect_result(fixture, connection, message_id, &message);
    assert_int_equal(reply->via.map.size, 2);
    assert_int_equal(fixture_get(reply, "index")->via.u64, 7);
    msgpack_unpacked_destroy(&message);
}

static void test_decided(void **state)
{
    struct api_fixture *fixture = *state;
    struct fixture_command command = {.body_bytes = 10};
    submit(fixture, 1, 5, &command, 3000);
    assert_int_equal(fixture->replica->submit_count, 0); /* not before the signature is checked */
    fixture->now_ms += 400;
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 1);
    assert_int_equal(fixture->replica->submits[0].timeout_ms, 2600); /* what is left */
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    fixture_write_command(fixture, &command, &bytes);
    assert_int_equal(fixture->replica->submits[0].command_size, bytes.size);
    assert_memory_equal(fixture->replica->submits[0].command, bytes.data,
                        bytes.size); /* verbatim */
    msgpack_sbuffer_destroy(&bytes);
    assert_true(fixture_silent(fixture, 1));
    fixture_decide(fixture, 0, CONCLAVE_OK, REPLY);
    expect_reply(fixture, 1, 5);
    assert_int_equal(api_requests_under_way(fixture->api), 0);
    assert_int_equal(fixture->replica->read_count, 0);
}

static void test_timeouts(void **state)
{
    struct api_fixture *fixture = *state;
    submit(fixture, 1, 1, &(struct fixture_command){.nonce = 1}, 0);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submits[0].timeout_ms, 5000); /* the default */
    submit(fixture, 1, 2, &(struct fixture_command){.nonce = 2}, 60000);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submits[1].timeout_ms, 60000);
    submit(fixture, 1, 3, &(struct fixture_command){.nonce = 3}, 60001);
    fixture_expect_error(fixture, 1, 3, "bad_request", "\"timeout_ms\": 60001, at most 60000");
    /* the check of the signature took too long: never handed in, so certain */
    submit(fixture, 1, 4, &(struct fixture_command){.nonce = 4}, 100);
    fixture->now_ms += 100;
    fixture_verify(fixture);
    fixture_expect_error(fixture, 1, 4, "busy", "not in the log");
    assert_int_equal(fixture->replica->submit_count, 2);
}

static void test_bad_signature(void **state)
{
    struct api_fixture *fixture = *state;
    submit(fixture, 1, 5, &(struct fixture_command){.bad_signature = true}, 0);
    fixture_verify(fixture);
    /* the author may have another key elsewhere: that is asked first */
    assert_true(fixture_silent(fixture, 1));
    assert_int_equal(fixture->replica->read_count, 1);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 5, "bad_signature", "\"ada\"");
    assert_int_equal(fixture->replica->submit_count, 0);
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

static void test_wrong_cluster(void **state)
{
    struct api_fixture *fixture = *state;
    static const uint8_t zeros[16];
    submit(fixture, 1, 5, &(struct fixture_command){.cluster = zeros}, 0);
    fixture_expect_error(fixture, 1, 5, "wrong_cluster",
                         "signed for cluster 00000000000000000000000000000000, but this node "
                         "serves c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1");
    /* a genesis, for the cluster that there is */
    submit(fixture, 1, 6, &(struct fixture_command){.cluster = zeros, .kind = "genesis"}, 0);
    fixture_expect_error(fixture, 1, 6, "wrong_cluster", "");
    assert_int_equal(fixture->verify_count, 0);
    assert_int_equal(fixture->replica->author_calls, 0);
}

static void test_malformed_commands(void **state)
{
    struct api_fixture *fixture = *state;
    static const struct {
        struct slice params;
        const char *code, *fragment;
    } cases[] = {
        {FIXTURE_LITERAL("\x81\xa7"
                         "command\xc4\x00"),
         "bad_request", "command"},
        {FIXTURE_LITERAL("\x81\xa7"
                         "command\xc4\x01\xc1"),
         "bad_request", "command"},
        {FIXTURE_LITERAL("\x81\xa7"
                         "command\xc4\x01\x90"),
         "bad_request", "envelope"},
        {FIXTURE_LITERAL("\x81\xa7"
                         "command\xc4\x05\x92\xc4\x00\xc4\x00"),
         "bad_request", "signature"},
        {FIXTURE_LITERAL("\x81\xa7"
                         "command\xc0"),
         "bad_request", "\"command\""},
        {FIXTURE_LITERAL("\x81\xa7"
                         "comment\xc0"),
         "bad_request", "\"command\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fixture_request(fixture, 1, 5, "submit", cases[i].params);
        fixture_expect_error(fixture, 1, 5, cases[i].code, cases[i].fragment);
    }
    /* well signed, but no envelope: an author that is no id */
    submit(fixture, 1, 6, &(struct fixture_command){.author = "a b"}, 0);
    fixture_expect_error(fixture, 1, 6, "bad_request", "author");
    assert_int_equal(fixture->verify_count, 0);
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

/* The size of the envelope around the body's text: array 1, version 1, cluster 18, author 4, nonce
 * 18, not_after 5 (below 2^32), kind 1 + its length, map 1, key 3, the text's head 5 (str 32). */
static size_t body_for(size_t envelope_bytes, const char *kind)
{
    return envelope_bytes - (1 + 1 + 18 + 4 + 18 + 5 + 1 + strlen(kind) + 1 + 3 + 5);
}

static void test_sizes(void **state)
{
    struct api_fixture *fixture = *state;
    static const struct {
        const char *kind;
        size_t envelope_bytes;
        uint64_t limit; /* 0: taken */
    } cases[] = {
        {"ballot.cast", 65536, 0},         {"ballot.cast", 65537, 65536},
        {"proposal.submit", 65537 + 4, 0}, {"proposal.submit", 98304, 0},
        {"proposal.submit", 98305, 98304}, {"proposal.submit", 200000, 98304},
        {"ballot.cast", 98305, 98304},
    };
    unsigned taken = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t body_bytes = body_for(cases[i].envelope_bytes, cases[i].kind);
        if (body_bytes < 65536) {
            body_bytes += 2; /* then the text's head is a str 16 */
        }
        struct fixture_command command = {.kind = cases[i].kind, .body_bytes = body_bytes};
        submit(fixture, 1, (uint32_t)i, &command, 0);
        fixture_verify(fixture);
        if (cases[i].limit != 0) {
            fixture_expect_limit(fixture, 1, (uint32_t)i, "too_large", "limit", cases[i].limit);
        } else {
            taken++;
            assert_int_equal(fixture->verify_count, taken);
            assert_true(fixture_silent(fixture, 1));
        }
    }
    assert_int_equal(fixture->replica->submit_count, taken);
}

static void test_unknown_author(void **state)
{
    struct api_fixture *fixture = *state;
    submit(fixture, 1, 5, &(struct fixture_command){.author = "bob"}, 2000);
    assert_true(fixture_silent(fixture, 1)); /* another node may know better */
    assert_int_equal(fixture->replica->read_count, 1);
    assert_int_equal(fixture->replica->reads[0].timeout_ms, 2000);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 5, "unknown_author", "\"bob\"");
    assert_int_equal(fixture->verify_count, 0);
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

/* The author was admitted on another node a moment ago. */
static void test_author_known_after_read(void **state)
{
    struct api_fixture *fixture = *state;
    struct fake_replica *fake = fixture->replica;
    submit(fixture, 1, 5, &(struct fixture_command){.author = "bob"}, 2000);
    fake->authors[1].id = "bob";
    fake->authors[1].author = fake->authors[0].author; /* the fixture signs with this key */
    fake->author_count = 2;
    fixture->now_ms += 500;
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_verify(fixture);
    assert_int_equal(fake->submit_count, 1);
    assert_int_equal(fake->submits[0].timeout_ms, 1500);
    fixture_decide(fixture, 0, CONCLAVE_OK, REPLY);
    expect_reply(fixture, 1, 5);
}

static void test_author_read_fails(void **state)
{
    struct api_fixture *fixture = *state;
    struct fixture_command command = {.author = "bob"};
    submit(fixture, 1, 1, &command, 0);
    fixture_readable(fixture, 0, CONCLAVE_NO_LEADER);
    fixture_expect_error(fixture, 1, 1, "no_leader", "not in the log");
    submit(fixture, 1, 2, &command, 0);
    fixture_readable(fixture, 1, CONCLAVE_UNKNOWN_OUTCOME);
    fixture_expect_error(fixture, 1, 2, "no_leader", "not in the log"); /* nothing is unknown */
    fixture->replica->read_code = CONCLAVE_BUSY;
    submit(fixture, 1, 3, &command, 0);
    fixture_expect_error(fixture, 1, 3, "busy", "not in the log");
    fixture->replica->author_code = CONCLAVE_IO;
    submit(fixture, 1, 4, &command, 0);
    fixture_expect_error(fixture, 1, 4, "io", "");
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

static void test_replica_refuses(void **state)
{
    struct api_fixture *fixture = *state;
    static const struct {
        enum conclave_code code;
        const char *name, *fragment;
    } late[] = {
        {CONCLAVE_NO_LEADER, "no_leader", "not in the log"},
        {CONCLAVE_BUSY, "busy", "not in the log"},
        {CONCLAVE_UNKNOWN_OUTCOME, "unknown_outcome", "`request`"},
    };
    for (unsigned i = 0; i < 3; i++) {
        submit(fixture, 1, i, &(struct fixture_command){.nonce = i}, 0);
        fixture_verify(fixture);
        fixture_decide(fixture, i, late[i].code, (struct slice){0});
        fixture_expect_error(fixture, 1, i, late[i].name, late[i].fragment);
    }
    for (unsigned i = 0; i < 2; i++) {
        fixture->replica->submit_code = late[i].code;
        submit(fixture, 1, i, &(struct fixture_command){.nonce = i}, 0);
        fixture_verify(fixture);
        fixture_expect_error(fixture, 1, i, late[i].name, late[i].fragment);
    }
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

/* What is not known comes with what names the command. */
static void test_unknown_outcome_details(void **state)
{
    struct api_fixture *fixture = *state;
    submit(fixture, 1, 5, &(struct fixture_command){.nonce = 0x0102}, 0);
    fixture_verify(fixture);
    fixture_decide(fixture, 0, CONCLAVE_UNKNOWN_OUTCOME, (struct slice){0});
    msgpack_unpacked message;
    assert_true(fixture_next(fixture, 1, &message));
    const msgpack_object *details = &message.data.via.array.ptr[2].via.array.ptr[2];
    assert_int_equal(details->via.map.size, 2);
    const msgpack_object *nonce = fixture_get(details, "nonce");
    assert_int_equal(nonce->type, MSGPACK_OBJECT_BIN);
    assert_int_equal(nonce->via.bin.size, 16);
    assert_memory_equal(nonce->via.bin.ptr, "\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(fixture_get(details, "author")->via.str.size, 3);
    msgpack_unpacked_destroy(&message);
}

/* The same command twice while the first is under way: both go to the replica, whose table of
 * replies gives both the same answer; each request gets its own. */
static void test_duplicate(void **state)
{
    struct api_fixture *fixture = *state;
    struct fixture_command command = {.nonce = 9};
    fixture_connect(fixture, 2);
    submit(fixture, 1, 5, &command, 0);
    submit(fixture, 1, 6, &command, 0);
    submit(fixture, 2, 5, &command, 0);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 3);
    struct fake_call *submits = fixture->replica->submits;
    assert_true(submits[0].token != submits[1].token && submits[1].token != submits[2].token &&
                submits[0].token != submits[2].token);
    fixture_decide(fixture, 2, CONCLAVE_OK, REPLY);
    expect_reply(fixture, 2, 5);
    fixture_decide(fixture, 0, CONCLAVE_OK, REPLY);
    expect_reply(fixture, 1, 5);
    fixture_decide(fixture, 1, CONCLAVE_OK, REPLY);
    expect_reply(fixture, 1, 6);
    assert_true(fixture_silent(fixture, 1) && fixture_silent(fixture, 2));
}

/* The replica may answer before api_run, several at once, in any order. */
static void test_many_at_once(void **state)
{
    struct api_fixture *fixture = *state;
    for (uint32_t i = 0; i < 200; i++) {
        submit(fixture, 1, i, &(struct fixture_command){.nonce = i}, 0);
    }
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 200);
    for (unsigned i = 200; i > 0; i--) {
        api_decided(fixture->api, fixture->replica->submits[i - 1].token, CONCLAVE_OK, REPLY);
    }
    assert_true(fixture_silent(fixture, 1)); /* only queued */
    api_run(fixture->api);
    for (uint32_t i = 200; i > 0; i--) {
        expect_reply(fixture, 1, i - 1);
    }
}

static void test_commands_limit(void **state)
{
    struct api_fixture *fixture = *state;
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    fixture_write_submit(fixture, &(struct fixture_command){0}, 0, &params);
    for (uint64_t id = 2; id <= 33; id++) { /* 32 x 256 = 8192 */
        fixture_connect(fixture, id);
        for (uint32_t i = 0; i < 256; i++) {
            fixture_request(fixture, id, i, "submit", fixture_slice(&params));
        }
    }
    assert_int_equal(api_requests_under_way(fixture->api), 8192);
    fixture_request(fixture, 1, 5, "submit", fixture_slice(&params));
    fixture_expect_error(fixture, 1, 5, "busy", "not in the log");
    /* queries have a limit of their own */
    fixture_request(fixture, 1, 6, "tally", FIXTURE_NO_PARAMS);
    assert_true(fixture_silent(fixture, 1));
    assert_int_equal(fixture->replica->read_count, 1);
    msgpack_sbuffer_destroy(&params);
    fixture_verify(fixture);
}

static void test_closed_on_the_way(void **state)
{
    (void)state;
    enum stage {
        AUTHOR,
        AUTHOR_BACK,
        VERIFYING,
        VERIFIED,
        DECIDING,
        DECIDED,
        STAGES
    };
    for (int stage = AUTHOR; stage < STAGES; stage++) {
        struct api_fixture *fixture = fixture_open();
        struct fake_replica *fake = fixture->replica;
        bool lookup = stage <= AUTHOR_BACK;
        submit(fixture, 1, 5, &(struct fixture_command){.author = lookup ? "bob" : NULL}, 0);
        if (stage >= DECIDING) {
            fixture_verify(fixture);
        }
        if (stage == AUTHOR_BACK) {
            api_readable(fixture->api, fake->reads[0].token, CONCLAVE_OK);
        } else if (stage == VERIFIED) {
            fixture->verify_first->valid = true;
            api_verified(fixture->api, fixture->verify_first);
            fixture->verify_first = fixture->verify_last = NULL;
        } else if (stage == DECIDED) {
            api_decided(fixture->api, fake->submits[0].token, CONCLAVE_OK, REPLY);
        }
        fixture_disconnect(fixture, 1); /* and runs the api */
        assert_int_equal(api_connection_count(fixture->api), 0);
        /* what is still with others comes back later, and is dropped */
        bool waits = stage == AUTHOR || stage == VERIFYING || stage == DECIDING;
        assert_int_equal(api_requests_under_way(fixture->api), waits ? 1 : 0);
        if (stage == AUTHOR) {
            fixture_readable(fixture, 0, CONCLAVE_OK);
        } else if (stage == VERIFYING) {
            fixture_verify(fixture);
        } else if (stage == DECIDING) {
            fixture_decide(fixture, 0, CONCLAVE_OK, REPLY);
        }
        assert_int_equal(api_requests_under_way(fixture->api), 0);
        assert_int_equal(fake->submit_count, stage >= DECIDING ? 1 : 0);
        assert_true(fixture_silent(fixture, 1));
        fixture_close(fixture);
    }
}

/* The api closes with requests in every stage: the address sanitizer tells what is left. */
static void test_close_with_requests(void **state)
{
    struct api_fixture *fixture = *state;
    submit(fixture, 1, 1, &(struct fixture_command){.nonce = 1}, 0);
    fixture_verify(fixture);
    submit(fixture, 1, 2, &(struct fixture_command){.nonce = 2}, 0);
    submit(fixture, 1, 3, &(struct fixture_command){.author = "bob"}, 0);
    fixture_request(fixture, 1, 4, "tally", FIXTURE_NO_PARAMS);
    fixture_connect(fixture, 2);
    submit(fixture, 2, 1, &(struct fixture_command){.nonce = 3}, 0);
    fixture_disconnect(fixture, 2);
    api_decided(fixture->api, fixture->replica->submits[0].token, CONCLAVE_OK, REPLY);
    fixture_feed(fixture, 1, FIXTURE_BYTES("\x94\x00\x07"));
    assert_int_equal(api_requests_under_way(fixture->api), 5);
}

/* The whole way of a command on a new connection, with the n-th allocation failing, for every n:
 * always an answer or a close; never a wrong "refused" for what is decided. */
static bool way_with_failure(uint64_t countdown)
{
    struct api_fixture *fixture = fixture_open();
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x05");
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    fixture_write_submit(fixture, &(struct fixture_command){.body_bytes = 3000}, 0, &params);
    fixture_pack_request(&stream, 5, "submit", fixture_slice(&params));
    fixture_pack_request(&stream, 6, "watch", FIXTURE_NO_PARAMS);
    msgpack_sbuffer_destroy(&params);

    bool hit;
    memory_fault_arm(countdown);
    enum conclave_code rv = api_connection_opened(fixture->api, 2);
    if (rv == CONCLAVE_OK) {
        struct fixture_connection *connection = &fixture->connections[2];
        connection->open = true;
        fixture_feed(fixture, 2, fixture_slice(&stream));
        fixture_verify(fixture);
        bool submitted = fixture->replica->submit_count == 1;
        if (submitted) {
            fixture_decide(fixture, 0, CONCLAVE_OK, REPLY);
        }
        api_event(fixture->api, FIXTURE_BYTES("\x81\xa4type\xa1x"));
        api_run(fixture->api);
        hit = memory_fault_hit() != 0;
        memory_fault_arm(0);
        msgpack_unpacked message;
        bool answered = false;
        while (fixture_next(fixture, 2, &message)) {
            const msgpack_object *items = message.data.via.array.ptr;
            if (items[0].via.u64 == 1 && items[1].via.u64 == 5) {
                answered = true;
                if (items[2].type == MSGPACK_OBJECT_ARRAY) {
                    const msgpack_object *code = &items[2].via.array.ptr[0];
                    const char *wanted = submitted ? "unknown_outcome" : "no_memory";
                    assert_int_equal(code->via.str.size, strlen(wanted));
                    assert_memory_equal(code->via.str.ptr, wanted, strlen(wanted));
                }
            }
            msgpack_unpacked_destroy(&message);
        }
        assert_true(answered || connection->close_asked);
        fixture_disconnect(fixture, 2);
    } else {
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
        hit = true;
        memory_fault_arm(0);
    }
    assert_int_equal(api_requests_under_way(fixture->api), 0);
    msgpack_sbuffer_destroy(&stream);
    fixture_close(fixture);
    return hit;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    uint64_t countdown = 1;
    bool hit = true;
    for (; hit && countdown < 1000; countdown++) {
        hit = way_with_failure(countdown);
    }
    assert_false(hit);
    assert_true(countdown > 6); /* connection, input, request, two parses, reply, ... */
}

static void test_open_without_memory(void **state)
{
    struct api_fixture *fixture = *state;
    for (uint64_t countdown = 1; countdown <= 2; countdown++) {
        struct api_config config = {
            .replica = fake_replica_handle(fixture->replica),
            .operations = &fake_replica_operations,
            .clock = &fixture->clock,
            .host = &fixture->host,
            .version = "1",
        };
        struct api *api;
        memory_fault_arm(countdown);
        assert_int_equal(api_open(&config, &api), CONCLAVE_NO_MEMORY);
        memory_fault_arm(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_decided, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timeouts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_malformed_commands, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_author, setup, teardown),
        cmocka_unit_test_setup_teardown(test_author_known_after_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_author_read_fails, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replica_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_outcome_details, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicate, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_commands_limit, setup, teardown),
        cmocka_unit_test(test_closed_on_the_way),
        cmocka_unit_test_setup_teardown(test_close_with_requests, setup, teardown),
        cmocka_unit_test(test_allocation_failures),
        cmocka_unit_test_setup_teardown(test_open_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
