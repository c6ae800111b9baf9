/* hello, status, queries and watch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/api_fixture.h"

/* A cluster.get answer: {"index": 4, "name": "hive", "chair": nil, "nodes": [[1, "a:1", "a:2"], [2,
 * "b:1", "b:2"]]} */
#define CLUSTER                                           \
    FIXTURE_BYTES("\x84\xa5index\x04\xa4name\xa4hive\xa5" \
                  "chair\xc0\xa5nodes\x92"                \
                  "\x93\x01\xa3"                          \
                  "a:1\xa3"                               \
                  "a:2\x93\x02\xa3"                       \
                  "b:1\xa3"                               \
                  "b:2")

static int setup(void **state)
{
    struct api_fixture *fixture = fixture_open();
    fixture->replica->cluster_answer = CLUSTER;
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x05");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static void expect_u64(const msgpack_object *map, const char *key, uint64_t value)
{
    const msgpack_object *found = fixture_get(map, key);
    assert_int_equal(found->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(found->via.u64, value);
}

static void expect_text(const msgpack_object *map, const char *key, const char *value)
{
    const msgpack_object *found = fixture_get(map, key);
    assert_int_equal(found->type, MSGPACK_OBJECT_STR);
    assert_int_equal(found->via.str.size, strlen(value));
    assert_memory_equal(found->via.str.ptr, value, strlen(value));
}

static void expect_bool(const msgpack_object *map, const char *key, bool value)
{
    const msgpack_object *found = fixture_get(map, key);
    assert_int_equal(found->type, MSGPACK_OBJECT_BOOLEAN);
    assert_int_equal(found->via.boolean, value);
}

static void expect_nil(const msgpack_object *map, const char *key)
{
    assert_int_equal(fixture_get(map, key)->type, MSGPACK_OBJECT_NIL);
}

static void expect_bytes(const msgpack_object *map, const char *key, uint8_t byte)
{
    const msgpack_object *found = fixture_get(map, key);
    assert_int_equal(found->type, MSGPACK_OBJECT_BIN);
    assert_int_equal(found->via.bin.size, 16);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal((uint8_t)found->via.bin.ptr[i], byte);
    }
}

static void test_hello(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->status.leader_id = 3;
    /* {"cluster": 16 times 0xc1, "client": "me", "new": 1} */
    fixture_request(fixture, 1, 5, "hello",
                    FIXTURE_BYTES("\x83\xa7"
                                  "cluster\xc4\x10\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1\xc1"
                                  "\xc1\xc1\xc1\xc1\xc1\xc1\xa6"
                                  "client\xa2me\xa3new\x01"));
    msgpack_unpacked message;
    const msgpack_object *hello = fixture_expect_result(fixture, 1, 5, &message);
    assert_int_equal(hello->via.map.size, 9);
    expect_text(hello, "reads", "public");
    const msgpack_object *challenge = fixture_get(hello, "challenge");
    assert_int_equal(challenge->via.bin.size, 32);
    expect_bytes(hello, "cluster", 0xc1);
    expect_text(hello, "name", "hive");
    expect_u64(hello, "node", 2);
    expect_text(hello, "version", "9.8.7");
    expect_u64(hello, "protocol", 1);
    expect_u64(hello, "leader", 3);
    const msgpack_object *nodes = fixture_get(hello, "nodes");
    assert_int_equal(nodes->via.array.size, 2);
    const msgpack_object *second = nodes->via.array.ptr[1].via.array.ptr;
    assert_int_equal(second[0].via.u64, 2);
    assert_memory_equal(second[1].via.str.ptr, "b:1", 3);
    assert_memory_equal(second[2].via.str.ptr, "b:2", 3);
    msgpack_unpacked_destroy(&message);
}

static void refused_security(void *context, struct api_security *security)
{
    (void)context;
    *security = (struct api_security){.refusal = "node 2 was removed from the cluster: stop it"};
}

/* What a node that was shut out remembers of a leader sends nobody there. */
static void test_hello_of_one_shut_out(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->status.leader_id = 3;
    fixture->host.security = refused_security;
    fixture_request(fixture, 1, 5, "hello", FIXTURE_BYTES("\x80"));
    msgpack_unpacked message;
    const msgpack_object *hello = fixture_expect_result(fixture, 1, 5, &message);
    expect_u64(hello, "node", 2);
    expect_u64(hello, "leader", 0);
    msgpack_unpacked_destroy(&message);
}

static void test_hello_refused(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_request(fixture, 1, 5, "hello",
                    FIXTURE_BYTES("\x81\xa7"
                                  "cluster\xc4\x10\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"
                                  "\x01\x01\x01\x01\x01\x01"));
    fixture_expect_error(fixture, 1, 5, "wrong_cluster", "01010101010101010101010101010101");
    fixture_request(fixture, 1, 6, "hello",
                    FIXTURE_BYTES("\x81\xa7"
                                  "cluster\xc4\x01\x01"));
    fixture_expect_error(fixture, 1, 6, "bad_request", "\"cluster\"");
    fixture_request(fixture, 1, 7, "hello",
                    FIXTURE_BYTES("\x81\xa7"
                                  "cluster\xa1x"));
    fixture_expect_error(fixture, 1, 7, "bad_request", "\"cluster\"");
    fixture_request(fixture, 1, 8, "hello",
                    FIXTURE_BYTES("\x81\xa6"
                                  "client\x05"));
    fixture_expect_error(fixture, 1, 8, "bad_request", "\"client\"");
}

static void test_hello_before_genesis(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->cluster_answer = (struct slice){0};
    fixture_request(fixture, 1, 5, "hello", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    const msgpack_object *hello = fixture_expect_result(fixture, 1, 5, &message);
    expect_text(hello, "name", "");
    assert_int_equal(fixture_get(hello, "nodes")->via.array.size, 0);
    msgpack_unpacked_destroy(&message);
    /* nor does a state that says nonsense bring the node down */
    fixture->replica->cluster_answer = FIXTURE_BYTES("\x82\xa4name\xa1x\xa5nodes\x91\x05");
    fixture_request(fixture, 1, 6, "hello", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 6, "internal", "");
}

static void test_status(void **state)
{
    struct api_fixture *fixture = *state;
    struct replica_status *status = &fixture->replica->status;
    status->state = REPLICA_LEADER;
    status->node_id = 2;
    status->leader_id = 2;
    status->term = 11;
    status->commit_index = 12;
    status->applied_index = 13;
    status->last_index = 14;
    status->time_ms = UINT64_C(1700000000000);
    memset(status->digest, 0xdd, sizeof status->digest);
    status->ready = true;
    status->in_flight = 15;
    status->peer_count = 3;
    status->peers[0] = (struct replica_peer){1, "127.0.0.1:7101", true, true, 10, 4};
    status->peers[1] = (struct replica_peer){2, "127.0.0.1:7102", true, true, 14, 0}; /* itself */
    status->peers[2] = (struct replica_peer){3, "127.0.0.1:7103", true, false, 0, 0};
    fixture->peers[0] = (struct api_peer){3, false, "refused", "", true, 900};
    fixture->peers[1] = (struct api_peer){7, true, "", "", false, 0}; /* not in the configuration */
    fixture->peer_count = 2;
    fixture->now_ms += 1234;
    fixture_connect(fixture, 2);

    fixture_request(fixture, 2, 5, "status", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    const msgpack_object *answer = fixture_expect_result(fixture, 2, 5, &message);
    assert_int_equal(answer->via.map.size, 25);
    expect_nil(answer, "tls");
    expect_text(answer, "refusal", "");
    expect_bytes(answer, "cluster", 0xc1);
    expect_u64(answer, "node", 2);
    expect_text(answer, "name", "hive");
    expect_text(answer, "version", "9.8.7");
    expect_text(answer, "state", "leader");
    expect_u64(answer, "leader", 2);
    expect_u64(answer, "term", 11);
    expect_u64(answer, "commit", 12);
    expect_u64(answer, "applied", 13);
    expect_u64(answer, "last", 14);
    expect_u64(answer, "time", UINT64_C(1700000000000));
    expect_bytes(answer, "digest", 0xdd);
    expect_bool(answer, "ready", true);
    expect_u64(answer, "uptime_ms", 1234);
    expect_u64(answer, "connections", 2);
    expect_u64(answer, "in_flight", 15);
    expect_text(answer, "health", "degraded");
    expect_text(answer, "why", "peers: node 3");
    expect_text(answer, "http", "127.0.0.1:7301");
    const msgpack_object *latency = fixture_get(answer, "latency");
    assert_int_equal(latency->via.array.size, 17);
    const msgpack_object *last = latency->via.array.ptr[16].via.array.ptr;
    assert_int_equal(last[0].type, MSGPACK_OBJECT_NIL);
    assert_int_equal(last[1].via.u64, 0); /* no command was answered */
    const msgpack_object *peers = fixture_get(answer, "peers");
    assert_int_equal(peers->via.array.size, 3);
    const msgpack_object *peer = peers->via.array.ptr;
    assert_int_equal(peer[0].via.map.size, 9);
    expect_text(&peer[0], "seat", "voter");
    expect_u64(&peer[0], "node", 1); /* known to raft, no connection */
    expect_text(&peer[0], "address", "127.0.0.1:7101");
    expect_bool(&peer[0], "connected", false);
    expect_text(&peer[0], "error", "");
    expect_text(&peer[0], "reason", "");
    expect_nil(&peer[0], "last_seen_ms");
    expect_u64(&peer[0], "match", 10);
    expect_u64(&peer[0], "lag", 4);
    expect_u64(&peer[1], "node", 3); /* both */
    expect_text(&peer[1], "error", "refused");
    expect_u64(&peer[1], "last_seen_ms", 900);
    expect_nil(&peer[1], "match");
    expect_nil(&peer[1], "lag");
    expect_u64(&peer[2], "node", 7); /* a connection only */
    expect_text(&peer[2], "address", "");
    expect_bool(&peer[2], "connected", true);
    msgpack_unpacked_destroy(&message);
}

static void test_states(void **state)
{
    struct api_fixture *fixture = *state;
    static const struct {
        enum replica_state state;
        const char *name;
    } cases[] = {{REPLICA_UNAVAILABLE, "unavailable"},
                 {REPLICA_FOLLOWER, "follower"},
                 {REPLICA_CANDIDATE, "candidate"}};
    for (uint32_t i = 0; i < 3; i++) {
        fixture->replica->status.state = cases[i].state;
        fixture_request(fixture, 1, i, "status", FIXTURE_NO_PARAMS);
        msgpack_unpacked message;
        expect_text(fixture_expect_result(fixture, 1, i, &message), "state", cases[i].name);
        msgpack_unpacked_destroy(&message);
    }
    assert_int_equal(fixture->replica->read_count, 0); /* status never waits */
}

static void expect_index(struct api_fixture *fixture, uint32_t message_id, uint64_t index)
{
    msgpack_unpacked message;
    expect_u64(fixture_expect_result(fixture, 1, message_id, &message), "index", index);
    msgpack_unpacked_destroy(&message);
}

static void test_query(void **state)
{
    struct api_fixture *fixture = *state;
    struct fake_replica *fake = fixture->replica;
    /* linearizable: nothing is read before the round is over */
    fixture_request(fixture, 1, 5, "ballot.get",
                    FIXTURE_BYTES("\x83\xa4poll\xa1p\xa6member\xa1m\xaatimeout_ms\xcd\x03\xe8"));
    assert_int_equal(fake->query_count, 0);
    assert_int_equal(fake->reads[0].timeout_ms, 1000);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    expect_index(fixture, 5, 5);
    assert_string_equal(fake->query_method, "ballot.get");
    assert_int_equal(fake->query_param_count, 3);
    /* stale: at once */
    fixture_request(fixture, 1, 6, "poll.list", FIXTURE_BYTES("\x81\xa5stale\xc3"));
    expect_index(fixture, 6, 5);
    assert_int_equal(fake->read_count, 1);
    /* stale: false is as without */
    fixture_request(fixture, 1, 7, "poll.list", FIXTURE_BYTES("\x81\xa5stale\xc2"));
    assert_int_equal(fake->read_count, 2);
    assert_int_equal(fake->reads[1].timeout_ms, 5000);
    assert_true(fixture_silent(fixture, 1));
}

/* Every query of docs/PROTOCOL.md is there, and is linearizable. */
static void test_all_queries(void **state)
{
    struct api_fixture *fixture = *state;
    static const char *const names[] = {
        "request",     "cluster.get", "member.get",   "member.list",   "policy.get",
        "policy.list", "poll.get",    "proposal.get", "proposal.list", "poll.list",
        "poll.roll",   "tally",       "decision.get", "decision.list", "ballot.get",
        "ballot.list", "log.read",
    };
    unsigned count = sizeof names / sizeof names[0];
    for (unsigned i = 0; i < count; i++) {
        fixture_request(fixture, 1, i, names[i], FIXTURE_BYTES("\x81\xa2id\xa1x"));
        assert_int_equal(fixture->replica->read_count, i + 1);
        fixture_readable(fixture, i, CONCLAVE_OK);
        expect_index(fixture, i, 5);
        assert_string_equal(fixture->replica->query_method, names[i]);
    }
}

static void test_query_refused(void **state)
{
    struct api_fixture *fixture = *state;
    struct fake_replica *fake = fixture->replica;
    struct slice stale = FIXTURE_BYTES("\x81\xa5stale\xc3");
    fake->query_code = CONCLAVE_UNKNOWN_POLL;
    fake->query_error = "there is no poll \"p\"";
    fixture_request(fixture, 1, 1, "poll.get", stale);
    fixture_expect_error(fixture, 1, 1, "unknown_poll", "there is no poll \"p\"");
    fake->query_error = NULL; /* then the code's own sentence */
    fixture_request(fixture, 1, 2, "poll.get", stale);
    fixture_expect_error(fixture, 1, 2, "unknown_poll", "there is no such poll");
    /* a sentence cut within a character is still UTF-8 (msgpack strings are) */
    fake->query_error = "caf\xc3";
    fixture_request(fixture, 1, 3, "poll.get", stale);
    msgpack_unpacked message;
    assert_true(fixture_next(fixture, 1, &message));
    const msgpack_object *text = &message.data.via.array.ptr[2].via.array.ptr[1];
    assert_int_equal(text->via.str.size, 3);
    assert_memory_equal(text->via.str.ptr, "caf", 3);
    msgpack_unpacked_destroy(&message);

    fake->query_code = CONCLAVE_OK;
    fixture_request(fixture, 1, 4, "poll.get", FIXTURE_BYTES("\x81\xaatimeout_ms\x64"));
    fixture_readable(fixture, 0, CONCLAVE_NO_LEADER);
    fixture_expect_limit(fixture, 1, 4, "no_leader", "timeout_ms", 100);
    fixture_request(fixture, 1, 5, "poll.get", FIXTURE_NO_PARAMS);
    fixture_readable(fixture, 1, CONCLAVE_UNKNOWN_OUTCOME);
    fixture_expect_error(fixture, 1, 5, "no_leader", "`stale: true`");
    fake->read_code = CONCLAVE_BUSY;
    fixture_request(fixture, 1, 6, "poll.get", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 6, "busy", "");
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

/* An answer may pass 1 MiB (one log entry may), but not 4 MiB. */
static void test_answer_sizes(void **state)
{
    struct api_fixture *fixture = *state;
    static const struct {
        size_t content;
        bool fits;
    } cases[] = {{(size_t)2 * 1024 * 1024, true}, {(size_t)4 * 1024 * 1024, false}};
    for (uint32_t i = 0; i < 2; i++) {
        size_t size = cases[i].content + 12;
        uint8_t *answer = calloc(1, size);
        assert_non_null(answer);
        memcpy(answer, "\x81\xa5index\xc6", 8);
        for (size_t b = 0; b < 4; b++) {
            answer[8 + b] = (uint8_t)(cases[i].content >> (8 * (3 - b)));
        }
        fixture->replica->query_answer = slice_of(answer, size);
        fixture_request(fixture, 1, i, "log.read", FIXTURE_BYTES("\x81\xa5stale\xc3"));
        if (cases[i].fits) {
            msgpack_unpacked message;
            const msgpack_object *result = fixture_expect_result(fixture, 1, i, &message);
            assert_int_equal(fixture_get(result, "index")->via.bin.size, cases[i].content);
            msgpack_unpacked_destroy(&message);
        } else {
            fixture_expect_limit(fixture, 1, i, "too_large", "limit", 4 * 1024 * 1024);
        }
        free(answer);
    }
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x05");
    fixture_request(fixture, 1, 7, "tally", FIXTURE_BYTES("\x81\xa5stale\xc3"));
    expect_index(fixture, 7, 5); /* the failure is not remembered */
}

static void test_query_closed(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_request(fixture, 1, 1, "tally", FIXTURE_NO_PARAMS);
    fixture_request(fixture, 1, 2, "tally", FIXTURE_NO_PARAMS);
    api_readable(fixture->api, fixture->replica->reads[0].token, CONCLAVE_OK);
    fixture_disconnect(fixture, 1);
    assert_int_equal(api_requests_under_way(fixture->api), 1);
    fixture_readable(fixture, 1, CONCLAVE_OK);
    assert_int_equal(api_requests_under_way(fixture->api), 0);
    assert_int_equal(fixture->replica->query_count, 0); /* nobody is there to be told */
}

/* {"type": "poll.opened", "index": n} */
static struct slice event_of(uint8_t index, uint8_t bytes[26])
{
    memcpy(bytes, "\x82\xa4type\xabpoll.opened\xa5index", 25 - 1);
    bytes[24] = index;
    return slice_of(bytes, 25);
}

static void expect_event(struct api_fixture *fixture, uint64_t connection, uint8_t index)
{
    msgpack_unpacked message;
    assert_true(fixture_next(fixture, connection, &message));
    const msgpack_object *items = message.data.via.array.ptr;
    assert_int_equal(message.data.via.array.size, 3);
    assert_int_equal(items[0].via.u64, 2);
    assert_memory_equal(items[1].via.str.ptr, "event", 5);
    assert_int_equal(items[2].via.array.size, 1);
    expect_text(&items[2].via.array.ptr[0], "type", "poll.opened");
    expect_u64(&items[2].via.array.ptr[0], "index", index);
    msgpack_unpacked_destroy(&message);
}

static void send_event(struct api_fixture *fixture, uint8_t index)
{
    uint8_t bytes[26];
    api_event(fixture->api, event_of(index, bytes));
}

static void watch(struct api_fixture *fixture, uint64_t connection, uint64_t index)
{
    fixture->replica->status.applied_index = index;
    fixture_request(fixture, connection, 5, "watch", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    expect_u64(fixture_expect_result(fixture, connection, 5, &message), "index", index);
    msgpack_unpacked_destroy(&message);
}

static void test_watch(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_connect(fixture, 2);
    fixture_connect(fixture, 3);
    send_event(fixture, 1); /* nobody watches */
    watch(fixture, 1, 40);
    send_event(fixture, 41);
    send_event(fixture, 42);
    assert_true(fixture_silent(fixture, 1)); /* only queued */
    watch(fixture, 2, 42);                   /* which has seen neither 41 nor 42 by its index */
    api_run(fixture->api);
    send_event(fixture, 43);
    api_run(fixture->api);
    expect_event(fixture, 1, 41);
    expect_event(fixture, 1, 42);
    expect_event(fixture, 1, 43);
    expect_event(fixture, 2, 43);
    /* a watcher asks other things too, and watching twice is watching once */
    watch(fixture, 1, 43);
    send_event(fixture, 44);
    fixture_request(fixture, 1, 9, "tally", FIXTURE_BYTES("\x81\xa5stale\xc3"));
    expect_index(fixture, 9, 5);
    expect_event(fixture, 1, 44);
    expect_event(fixture, 2, 44);
    fixture_disconnect(fixture, 2);
    send_event(fixture, 45);
    api_run(fixture->api);
    expect_event(fixture, 1, 45);
    for (uint64_t id = 1; id <= 3; id++) {
        assert_true(fixture_silent(fixture, id));
    }
}

static void test_watch_limit(void **state)
{
    struct api_fixture *fixture = *state;
    for (uint64_t id = 2; id <= 258; id++) {
        fixture_connect(fixture, id);
    }
    for (uint64_t id = 1; id <= 256; id++) {
        watch(fixture, id, 1);
    }
    fixture_request(fixture, 257, 5, "watch", FIXTURE_NO_PARAMS);
    fixture_expect_limit(fixture, 257, 5, "busy", "limit", 256);
    watch(fixture, 7, 2); /* has its place already */
    fixture_disconnect(fixture, 100);
    watch(fixture, 258, 3);
    send_event(fixture, 9);
    api_run(fixture->api);
    for (uint64_t id = 1; id <= 258; id++) {
        if (id != 100 && id != 257) {
            expect_event(fixture, id, 9);
        }
        assert_true(fixture_silent(fixture, id));
    }
}

/* More events at once than are kept: a stream with a hole would be believed, so there is none. */
static void test_watch_overflow(void **state)
{
    struct api_fixture *fixture = *state;
    fixture_connect(fixture, 2);
    watch(fixture, 1, 1);
    uint8_t *large = calloc(1, 1024 * 1024);
    assert_non_null(large);
    memcpy(large, "\x81\xa4type\xc6\x00\x0f\xff\xf5", 11);
    for (unsigned i = 0; i < 9; i++) {
        api_event(fixture->api, slice_of(large, 1024 * 1024));
    }
    free(large);
    api_run(fixture->api);
    assert_true(fixture_silent(fixture, 1));
    assert_true(fixture->connections[1].close_asked);
    assert_false(fixture->connections[2].close_asked);
    fixture_disconnect(fixture, 1);
    watch(fixture, 2, 3); /* and it starts anew */
    send_event(fixture, 4);
    api_run(fixture->api);
    expect_event(fixture, 2, 4);
}

/* A watcher that is cut off for bytes that are no request gets no more events. */
static void test_watch_malformed(void **state)
{
    struct api_fixture *fixture = *state;
    watch(fixture, 1, 1);
    send_event(fixture, 2);
    fixture_feed(fixture, 1, FIXTURE_BYTES("\xc1"));
    send_event(fixture, 3);
    api_run(fixture->api);
    assert_true(fixture->connections[1].close_asked);
    assert_true(fixture_silent(fixture, 1));
}

static bool ask_with_failure(uint64_t countdown)
{
    static const char *const names[] = {"hello", "status", "watch", "tally"};
    void *opened;
    assert_int_equal(setup(&opened), 0);
    struct api_fixture *fixture = opened;
    memory_fault_arm(countdown);
    for (uint32_t i = 0; i < 4 && !fixture->connections[1].close_asked; i++) {
        fixture_request(fixture, 1, i, names[i], FIXTURE_NO_PARAMS);
    }
    if (fixture->replica->read_count == 1) {
        fixture_readable(fixture, 0, CONCLAVE_OK);
    }
    bool hit = memory_fault_hit() != 0;
    memory_fault_arm(0);
    unsigned answers = 0, errors = 0;
    msgpack_unpacked message;
    while (fixture_next(fixture, 1, &message)) {
        answers++;
        errors += message.data.via.array.ptr[2].type != MSGPACK_OBJECT_NIL;
        msgpack_unpacked_destroy(&message);
    }
    assert_true(answers == 4 || fixture->connections[1].close_asked);
    assert_true(errors <= 1);
    if (!hit) {
        assert_int_equal(errors, 0);
    }
    assert_int_equal(api_requests_under_way(fixture->api), 0);
    fixture_close(fixture);
    return hit;
}

static void test_allocation_failures(void **state)
{
    (void)state;
    uint64_t countdown = 1;
    while (countdown < 1000 && ask_with_failure(countdown)) {
        countdown++;
    }
    assert_true(countdown > 8 && countdown < 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_of_one_shut_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_before_genesis, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_query, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_query_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answer_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_query_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_overflow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_malformed, setup, teardown),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
