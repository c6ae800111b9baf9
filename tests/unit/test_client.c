/* libconclave against nodes that do as they are told: what it says when nodes are down, fail,
 * answer late, or answer something else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <conclave/client.h>
#include <conclave/limits.h>
#include <sodium.h>

#include "base/clock.h"
#include "client/address.h"
#include "codec/envelope.h"
#include "codec/writer.h"
#include "unit/support/fake_node.h"

#define SCRIPT(script) (script), sizeof(script) / sizeof((script)[0])

/* {"answer": 42} as MessagePack, by its specification. */
static const uint8_t answer_42[] = {0x81, 0xa6, 'a', 'n', 's', 'w', 'e', 'r', 0x2a};
/* {"code": "ok"} */
static const uint8_t reply_ok[] = {0x81, 0xa4, 'c', 'o', 'd', 'e', 0xa2, 'o', 'k'};
/* {"code": "poll_closed"} */
static const uint8_t reply_closed[] = {0x81, 0xa4, 'c', 'o', 'd', 'e', 0xab, 'p', 'o',
                                       'l',  'l',  '_', 'c', 'l', 'o', 's',  'e', 'd'};
/* {"index": 7} */
static const uint8_t index_7[] = {0x81, 0xa5, 'i', 'n', 'd', 'e', 'x', 0x07};
/* {"type": "x"} */
static const uint8_t event_x[] = {0x81, 0xa4, 't', 'y', 'p', 'e', 0xa1, 'x'};

#define PACKED(array)          \
    {                          \
        (array), sizeof(array) \
    }

static struct conclave_client *open_client(const char *const *endpoints, size_t count,
                                           uint64_t timeout_ms)
{
    const struct conclave_options options = {
        .endpoints = endpoints, .endpoint_count = count, .timeout_ms = timeout_ms};
    struct conclave_client *client;
    assert_int_equal(conclave_open(&options, &client), CONCLAVE_OK);
    return client;
}

static struct conclave_client *open_one(const struct fake_node *node, uint64_t timeout_ms)
{
    const char *endpoint = fake_node_address(node);
    return open_client(&endpoint, 1, timeout_ms);
}

static void assert_bytes(struct conclave_bytes bytes, const uint8_t *expected, size_t size)
{
    assert_int_equal(bytes.size, size);
    assert_memory_equal(bytes.data, expected, size);
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

static enum conclave_code submit(struct conclave_client *client, uint8_t nonce[16],
                                 struct conclave_bytes *reply)
{
    static const uint8_t body[] = {0x80};
    static const uint8_t seed[32] = {1, 2, 3};
    uint8_t public_key[32];
    uint8_t secret_key[64];
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, seed), 0);
    return conclave_submit(client, "alice", secret_key, "poll.close", body, sizeof body, nonce,
                           reply);
}

static void addresses_are_host_and_port(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:7201", "[::1]:7201", "node-1.example:1",
                                       "a:65535"};
    static const char *const bad[] = {
        "",        "127.0.0.1", "127.0.0.1:",   ":7201",    "a:0",  "a:65536", "a:72 01", "a b:1",
        "::1:720", "[::1:7201", "http://a:80/", "a:123456", "[]:1", "a:-1",    "a:+1",    "a\n:1"};
    struct client_address address;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(client_address_parse(&address, good[i]), CONCLAVE_OK);
        assert_string_equal(address.text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(client_address_parse(&address, bad[i]), CONCLAVE_USAGE);
    }
    assert_int_equal(client_address_parse(&address, "[::1]:7201"), CONCLAVE_OK);
    assert_string_equal(address.host, "::1");
    assert_string_equal(address.port, "7201");
}

static void open_refuses_what_is_no_address(void **state)
{
    (void)state;
    const char *endpoints[LIMIT_ENDPOINTS + 1];
    for (size_t i = 0; i < LIMIT_ENDPOINTS + 1; i++) {
        endpoints[i] = "127.0.0.1:1";
    }
    struct conclave_options options = {.endpoints = endpoints};
    struct conclave_client *client;
    assert_int_equal(conclave_open(&options, &client), CONCLAVE_USAGE);
    options.endpoint_count = LIMIT_ENDPOINTS + 1;
    assert_int_equal(conclave_open(&options, &client), CONCLAVE_USAGE);
    options.endpoint_count = 2;
    endpoints[1] = "nonsense";
    assert_int_equal(conclave_open(&options, &client), CONCLAVE_USAGE);
    assert_null(client);
}

static void cluster_id_is_asked_once(void **state)
{
    (void)state;
    static const struct fake_script script[] = {{.step = FAKE_HELLO}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 2000);
    uint8_t expected[16];
    uint8_t cluster[16];
    memset(expected, FAKE_CLUSTER_BYTE, sizeof expected);
    assert_int_equal(conclave_cluster_id(client, cluster), CONCLAVE_OK);
    assert_int_equal(conclave_cluster_id(client, cluster), CONCLAVE_OK);
    assert_memory_equal(cluster, expected, sizeof expected);
    assert_int_equal(fake_node_request_count(node), 1);
    assert_true(slice_is_text(fake_node_method(node, 0), "hello"));
    conclave_close(client);
    fake_node_stop(node);
}

/* The params of a query reach the node with `timeout_ms` added, whatever the form of the map's
 * head. */
static void params_get_a_timeout(void **state)
{
    (void)state;
    static const struct fake_script script[] = {{.step = FAKE_ANSWER, .result = PACKED(answer_42)}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 9000);
    for (uint32_t count = 0; count < 18; count++) {
        struct buffer params;
        buffer_init(&params, 4096);
        codec_write_map(&params, count);
        for (uint32_t i = 0; i < count; i++) {
            char key[3] = {'k', (char)('a' + i), 0};
            codec_write_text(&params, key);
            codec_write_u64(&params, i);
        }
        struct conclave_bytes result;
        assert_int_equal(conclave_query(client, "poll.get", params.data, params.size, &result),
                         CONCLAVE_OK);
        buffer_close(&params);
        struct codec_tree tree;
        assert_int_equal(codec_parse(&tree, fake_node_params(node, count)), CONCLAVE_OK);
        assert_int_equal(tree.root.type, MSGPACK_OBJECT_MAP);
        assert_int_equal(tree.root.via.map.size, count + 1);
        const msgpack_object_kv *last = &tree.root.via.map.ptr[count];
        assert_int_equal(last->key.via.str.size, strlen("timeout_ms"));
        assert_memory_equal(last->key.via.str.ptr, "timeout_ms", strlen("timeout_ms"));
        assert_int_equal(last->val.via.u64, 3000); /* a third: there are others to try */
        codec_tree_close(&tree);
    }
    conclave_close(client);
    fake_node_stop(node);
}

static void query_is_answered(void **state)
{
    static const enum fake_step steps[] = {FAKE_ANSWER, FAKE_WRONG_FIRST, FAKE_TRICKLE};
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        const struct fake_script script[] = {
            {.step = steps[i], .result = PACKED(answer_42), .event = PACKED(event_x)}};
        struct fake_node *node = fake_node_start(SCRIPT(script));
        struct conclave_client *client = open_one(node, 5000);
        struct conclave_bytes result;
        assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
        assert_bytes(result, answer_42, sizeof answer_42);
        assert_int_equal(fake_node_request_count(node), 1);
        conclave_close(client);
        fake_node_stop(node);
    }
}

static void query_goes_on_where_nodes_fail(void **state)
{
    (void)state;
    static const struct fake_script failing[][1] = {{{.step = FAKE_ERROR, .text = "no_leader"}},
                                                    {{.step = FAKE_ERROR, .text = "not_leader"}},
                                                    {{.step = FAKE_ERROR, .text = "busy"}},
                                                    {{.step = FAKE_ERROR, .text = "shutting_down"}},
                                                    {{.step = FAKE_ERROR, .text = "io"}},
                                                    {{.step = FAKE_HANG_UP}},
                                                    {{.step = FAKE_GARBAGE}},
                                                    {{.step = FAKE_SILENCE}}};
    static const struct fake_script well[] = {{.step = FAKE_ANSWER, .result = PACKED(answer_42)}};
    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        struct fake_node *bad = fake_node_start(failing[i], 1);
        struct fake_node *good = fake_node_start(SCRIPT(well));
        const char *endpoints[] = {fake_node_nobody(), fake_node_address(bad),
                                   fake_node_address(good)};
        struct conclave_client *client = open_client(endpoints, 3, 3000);
        struct conclave_bytes result;
        assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
        assert_bytes(result, answer_42, sizeof answer_42);
        assert_int_equal(fake_node_request_count(bad), 1);
        /* The one that answered is asked first from now on. */
        assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
        assert_int_equal(fake_node_request_count(bad), 1);
        conclave_close(client);
        fake_node_stop(bad);
        fake_node_stop(good);
    }
}

/* A node that hangs costs a query about a second, however long the time-out is; and one that is
 * asked alone costs no more than it was given. */
static void a_hung_node_costs_a_second(void **state)
{
    (void)state;
    static const struct fake_script silent[] = {{.step = FAKE_SILENCE}};
    static const struct fake_script well[] = {{.step = FAKE_ANSWER, .result = PACKED(answer_42)}};
    struct fake_node *bad = fake_node_start(SCRIPT(silent));
    struct fake_node *good = fake_node_start(SCRIPT(well));
    const char *endpoints[] = {fake_node_address(bad), fake_node_address(good)};
    struct conclave_client *client = open_client(endpoints, 2, 30000);
    struct conclave_bytes result;
    uint64_t start_ms = now_ms();
    assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
    assert_in_range(now_ms() - start_ms, 900, 5000);
    assert_int_equal(fake_node_request_count(bad), 1);
    conclave_close(client);
    client = open_client(endpoints, 1, 2000);
    start_ms = now_ms();
    assert_int_equal(conclave_ask(client, 0, "status", NULL, 0, 300, &result),
                     CONCLAVE_UNKNOWN_OUTCOME);
    assert_in_range(now_ms() - start_ms, 250, 2000);
    conclave_close(client);
    fake_node_stop(bad);
    fake_node_stop(good);
}

/* The node says when it wants to be asked again: until then neither it nor another is. */
static void rate_limits_are_waited_for(void **state)
{
    (void)state;
    static const struct fake_script limited[] = {
        {.step = FAKE_LIMITED, .text = "300"}, {.step = FAKE_ANSWER, .result = PACKED(answer_42)}};
    static const struct fake_script always[] = {{.step = FAKE_LIMITED, .text = "200"}};
    struct fake_node *node = fake_node_start(SCRIPT(limited));
    struct fake_node *other = fake_node_start(SCRIPT(always));
    const char *endpoints[] = {fake_node_address(node), fake_node_address(other)};
    struct conclave_client *client = open_client(endpoints, 2, 20000);
    struct conclave_bytes result;
    uint64_t start_ms = now_ms();
    assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
    assert_bytes(result, answer_42, sizeof answer_42);
    assert_in_range(now_ms() - start_ms, 290, 15000);
    assert_int_equal(fake_node_request_count(node), 2);
    assert_int_equal(fake_node_request_count(other), 0);
    conclave_close(client);
    client = open_client(&endpoints[1], 1, 1000);
    start_ms = now_ms();
    assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_RATE_LIMITED);
    assert_in_range(now_ms() - start_ms, 900, 15000);
    assert_in_range(fake_node_request_count(other), 2, 6);
    conclave_close(client);
    fake_node_stop(node);
    fake_node_stop(other);
}

/* A connection that the node closed between two requests is made again. */
static void query_survives_an_idle_connection_lost(void **state)
{
    (void)state;
    static const struct fake_script script[] = {
        {.step = FAKE_EVENT, .result = PACKED(answer_42), .event = PACKED(event_x)},
        {.step = FAKE_ANSWER, .result = PACKED(answer_42)}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 2000);
    struct conclave_bytes result;
    assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
    assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_OK);
    assert_bytes(result, answer_42, sizeof answer_42);
    conclave_close(client);
    fake_node_stop(node);
}

static void query_says_why_it_failed(void **state)
{
    (void)state;
    static const struct {
        struct fake_script script;
        enum conclave_code code;
        bool at_once;
    } cases[] = {
        {{.step = FAKE_ERROR, .text = "unknown_poll"}, CONCLAVE_UNKNOWN_POLL, true},
        {{.step = FAKE_ERROR, .text = "bad_request"}, CONCLAVE_BAD_REQUEST, true},
        {{.step = FAKE_ERROR, .text = "corrupt"}, CONCLAVE_CORRUPT, true},
        {{.step = FAKE_ERROR, .text = "no_leader"}, CONCLAVE_NO_LEADER, false},
        {{.step = FAKE_ERROR, .text = "not_leader"}, CONCLAVE_NO_LEADER, false},
        {{.step = FAKE_ERROR, .text = "busy"}, CONCLAVE_BUSY, false},
        {{.step = FAKE_SILENCE}, CONCLAVE_NO_LEADER, false},
        {{.step = FAKE_HANG_UP}, CONCLAVE_NO_LEADER, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_node *node = fake_node_start(&cases[i].script, 1);
        struct conclave_client *client = open_one(node, 400);
        struct conclave_bytes result;
        uint64_t start_ms = now_ms();
        assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), cases[i].code);
        uint64_t took_ms = now_ms() - start_ms;
        assert_true(cases[i].at_once ? took_ms < 300 : took_ms >= 400 && took_ms < 3000);
        assert_int_equal(result.size, 0);
        const struct conclave_failure *failure = conclave_last_failure(client);
        assert_int_equal(failure->code, cases[i].code);
        assert_true(failure->message[0] != '\0');
        assert_string_equal(failure->endpoint, fake_node_address(node));
        if (cases[i].at_once) {
            assert_string_equal(failure->message, "the node says so");
        }
        conclave_close(client);
        fake_node_stop(node);
    }
}

static void nobody_is_unreachable(void **state)
{
    (void)state;
    const char *endpoints[] = {fake_node_nobody()};
    struct conclave_client *client = open_client(endpoints, 1, 300);
    struct conclave_bytes result;
    uint8_t nonce[16];
    static const uint8_t none[16];
    assert_int_equal(conclave_query(client, "tally", NULL, 0, &result), CONCLAVE_UNREACHABLE);
    assert_non_null(strstr(conclave_last_failure(client)->message, "connection refused"));
    assert_int_equal(submit(client, nonce, &result), CONCLAVE_UNREACHABLE);
    assert_memory_equal(nonce, none, sizeof none);
    assert_int_equal(conclave_last_command(client).size, 0);
    conclave_close(client);
}

/* The command that a node got, checked as docs/PROTOCOL.md says. */
static void assert_command(struct fake_node *node, size_t n, const uint8_t nonce[16])
{
    struct codec_tree params;
    assert_true(slice_is_text(fake_node_method(node, n), "submit"));
    assert_int_equal(codec_parse(&params, fake_node_params(node, n)), CONCLAVE_OK);
    const msgpack_object_kv *pair = &params.root.via.map.ptr[0];
    assert_int_equal(pair->val.type, MSGPACK_OBJECT_BIN);
    struct envelope envelope;
    struct codec_error error;
    assert_int_equal(
        envelope_decode(&envelope, slice_of(pair->val.via.bin.ptr, pair->val.via.bin.size), &error),
        CONCLAVE_OK);
    static const uint8_t seed[32] = {1, 2, 3};
    uint8_t public_key[32];
    uint8_t secret_key[64];
    uint8_t cluster[16];
    memset(cluster, FAKE_CLUSTER_BYTE, sizeof cluster);
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, seed), 0);
    assert_int_equal(crypto_sign_verify_detached(envelope.signature.data, envelope.bytes.data,
                                                 envelope.bytes.size, public_key),
                     0);
    assert_memory_equal(envelope.cluster.data, cluster, sizeof cluster);
    assert_memory_equal(envelope.nonce.data, nonce, 16);
    assert_true(slice_is_text(envelope.author, "alice"));
    assert_true(slice_is_text(envelope.kind, "poll.close"));
    uint64_t wall_ms = clock_wall_ms(&clock_system);
    assert_in_range(envelope.not_after_ms, wall_ms + 3590u * 1000u, wall_ms + 3600u * 1000u);
    envelope_close(&envelope);
    codec_tree_close(&params);
}

static void commands_are_signed(void **state)
{
    (void)state;
    static const struct fake_script script[] = {{.step = FAKE_HELLO},
                                                {.step = FAKE_ANSWER, .result = PACKED(reply_ok)}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 2000);
    uint8_t nonces[2][16];
    struct conclave_bytes reply;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(submit(client, nonces[i], &reply), CONCLAVE_OK);
        assert_bytes(reply, reply_ok, sizeof reply_ok);
        assert_command(node, i + 1, nonces[i]);
    }
    assert_memory_not_equal(nonces[0], nonces[1], 16);
    conclave_close(client);
    fake_node_stop(node);
}

/* The same bytes again after an answer was lost, at another node: the first reply counts. */
static void commands_are_sent_again_byte_for_byte(void **state)
{
    (void)state;
    static const enum fake_step lost[] = {FAKE_HANG_UP, FAKE_SILENCE, FAKE_GARBAGE};
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        const struct fake_script first[] = {{.step = FAKE_HELLO}, {.step = lost[i]}};
        static const struct fake_script second[] = {
            {.step = FAKE_ANSWER, .result = PACKED(reply_ok)}};
        struct fake_node *one = fake_node_start(SCRIPT(first));
        struct fake_node *two = fake_node_start(SCRIPT(second));
        const char *endpoints[] = {fake_node_address(one), fake_node_address(two)};
        struct conclave_client *client = open_client(endpoints, 2, 4000);
        uint8_t nonce[16];
        struct conclave_bytes reply;
        assert_int_equal(submit(client, nonce, &reply), CONCLAVE_OK);
        assert_bytes(reply, reply_ok, sizeof reply_ok);
        assert_command(one, 1, nonce);
        assert_command(two, 0, nonce);
        struct conclave_bytes command = conclave_last_command(client);
        for (int which = 0; which < 2; which++) {
            /* {command: bin, timeout_ms}: the command is the bytes behind the bin's head */
            struct slice params = which == 0 ? fake_node_params(one, 1) : fake_node_params(two, 0);
            assert_true(params.size > command.size);
            assert_non_null(memmem(params.data, params.size, command.data, command.size));
        }
        conclave_close(client);
        fake_node_stop(one);
        fake_node_stop(two);
    }
}

static void unknown_outcomes_are_said(void **state)
{
    (void)state;
    static const struct {
        struct fake_script steps[3];
        enum conclave_code code;
    } cases[] = {
        /* sent, and nothing heard */
        {{{.step = FAKE_HELLO}, {.step = FAKE_SILENCE}, {.step = FAKE_SILENCE}},
         CONCLAVE_UNKNOWN_OUTCOME},
        {{{.step = FAKE_HELLO}, {.step = FAKE_HANG_UP}, {.step = FAKE_HANG_UP}},
         CONCLAVE_UNKNOWN_OUTCOME},
        /* sent and lost, later nobody takes it: the first may stand */
        {{{.step = FAKE_HELLO}, {.step = FAKE_HANG_UP}, {.step = FAKE_ERROR, .text = "no_leader"}},
         CONCLAVE_UNKNOWN_OUTCOME},
        {{{.step = FAKE_HELLO},
          {.step = FAKE_ERROR, .text = "unknown_outcome"},
          {.step = FAKE_ERROR, .text = "busy"}},
         CONCLAVE_UNKNOWN_OUTCOME},
        /* sent and lost, then a refusal that may be younger than the decision */
        {{{.step = FAKE_HELLO}, {.step = FAKE_HANG_UP}, {.step = FAKE_ERROR, .text = "expired"}},
         CONCLAVE_UNKNOWN_OUTCOME},
        {{{.step = FAKE_HELLO}, {.step = FAKE_HANG_UP}, {.step = FAKE_ERROR, .text = "not_active"}},
         CONCLAVE_UNKNOWN_OUTCOME},
        /* sent and lost, then a refusal that was true all the time */
        {{{.step = FAKE_HELLO},
          {.step = FAKE_HANG_UP},
          {.step = FAKE_ERROR, .text = "bad_signature"}},
         CONCLAVE_BAD_SIGNATURE},
        /* never taken by anybody */
        {{{.step = FAKE_HELLO},
          {.step = FAKE_ERROR, .text = "no_leader"},
          {.step = FAKE_ERROR, .text = "no_leader"}},
         CONCLAVE_NO_LEADER},
        {{{.step = FAKE_HELLO},
          {.step = FAKE_ERROR, .text = "busy"},
          {.step = FAKE_ERROR, .text = "busy"}},
         CONCLAVE_BUSY},
        {{{.step = FAKE_HELLO},
          {.step = FAKE_ERROR, .text = "unknown_author"},
          {.step = FAKE_SILENCE}},
         CONCLAVE_UNKNOWN_AUTHOR},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake_node *node = fake_node_start(cases[i].steps, 3);
        struct conclave_client *client = open_one(node, 400);
        uint8_t nonce[16];
        struct conclave_bytes reply;
        assert_int_equal(submit(client, nonce, &reply), cases[i].code);
        assert_int_equal(reply.size, 0);
        assert_int_equal(conclave_last_failure(client)->code, cases[i].code);
        assert_command(node, 1, nonce);
        conclave_close(client);
        fake_node_stop(node);
    }
}

/* The cluster is known, and then all nodes are gone: the command went nowhere. */
static void commands_that_went_nowhere_are_not_unknown(void **state)
{
    (void)state;
    static const struct fake_script script[] = {{.step = FAKE_HELLO}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 300);
    uint8_t bytes[16];
    struct conclave_bytes reply;
    assert_int_equal(conclave_cluster_id(client, bytes), CONCLAVE_OK);
    fake_node_stop(node);
    assert_int_equal(submit(client, bytes, &reply), CONCLAVE_UNREACHABLE);
    assert_true(conclave_last_command(client).size > 0);
    conclave_close(client);
}

static void refusals_carry_the_reply(void **state)
{
    (void)state;
    static const struct fake_script script[] = {
        {.step = FAKE_HELLO}, {.step = FAKE_ANSWER, .result = PACKED(reply_closed)}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 2000);
    uint8_t nonce[16];
    struct conclave_bytes reply;
    assert_int_equal(submit(client, nonce, &reply), CONCLAVE_POLL_CLOSED);
    assert_bytes(reply, reply_closed, sizeof reply_closed);
    assert_string_equal(conclave_last_failure(client)->message,
                        conclave_code_text(CONCLAVE_POLL_CLOSED));
    /* The same command again, as it stands. */
    struct conclave_bytes command = conclave_last_command(client);
    assert_int_equal(conclave_submit_signed(client, command.data, command.size, &reply),
                     CONCLAVE_POLL_CLOSED);
    assert_command(node, 2, nonce);
    conclave_close(client);
    fake_node_stop(node);
}

static void commands_have_a_limit(void **state)
{
    (void)state;
    static const struct fake_script script[] = {{.step = FAKE_HELLO}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    struct conclave_client *client = open_one(node, 2000);
    struct buffer body;
    struct conclave_bytes reply;
    uint8_t nonce[16];
    uint8_t secret_key[64] = {0};
    static const uint8_t filling[LIMIT_COMMAND_BYTES];
    buffer_init(&body, 2 * LIMIT_COMMAND_BYTES);
    codec_write_map(&body, 1);
    codec_write_text(&body, "x");
    codec_write_bytes(&body, slice_of(filling, sizeof filling));
    assert_int_equal(
        conclave_submit(client, "alice", secret_key, "x", body.data, body.size, nonce, &reply),
        CONCLAVE_TOO_LARGE);
    assert_int_equal(fake_node_request_count(node), 1);
    buffer_close(&body);
    conclave_close(client);
    fake_node_stop(node);
}

static void asking_one_node_does_not_try_again(void **state)
{
    (void)state;
    static const struct fake_script silent[] = {{.step = FAKE_SILENCE}};
    static const struct fake_script no_leader[] = {{.step = FAKE_ERROR, .text = "no_leader"}};
    struct fake_node *one = fake_node_start(SCRIPT(silent));
    struct fake_node *two = fake_node_start(SCRIPT(no_leader));
    const char *endpoints[] = {fake_node_address(one), fake_node_address(two), fake_node_nobody()};
    struct conclave_client *client = open_client(endpoints, 3, 5000);
    struct conclave_bytes result;
    uint64_t start_ms = now_ms();
    assert_int_equal(conclave_ask(client, 0, "status", NULL, 0, 100, &result),
                     CONCLAVE_UNKNOWN_OUTCOME);
    assert_int_equal(conclave_ask(client, 1, "status", NULL, 0, 100, &result), CONCLAVE_NO_LEADER);
    assert_int_equal(conclave_ask(client, 2, "status", NULL, 0, 100, &result),
                     CONCLAVE_UNREACHABLE);
    assert_string_equal(conclave_last_failure(client)->message, "connection refused");
    assert_string_equal(conclave_last_failure(client)->endpoint, endpoints[2]);
    assert_true(now_ms() - start_ms < 2000);
    assert_int_equal(fake_node_request_count(one), 1);
    assert_int_equal(fake_node_request_count(two), 1);
    conclave_close(client);
    fake_node_stop(one);
    fake_node_stop(two);
}

static void events_follow_a_watch(void **state)
{
    (void)state;
    static const struct fake_script script[] = {
        {.step = FAKE_EVENT, .result = PACKED(index_7), .event = PACKED(event_x)},
        {.step = FAKE_ANSWER, .result = PACKED(index_7)}};
    struct fake_node *node = fake_node_start(SCRIPT(script));
    const char *endpoints[] = {fake_node_nobody(), fake_node_address(node)};
    struct conclave_client *client = open_client(endpoints, 2, 2000);
    struct conclave_bytes event;
    uint64_t index = 0;
    assert_int_equal(conclave_next_event(client, 10, &event), CONCLAVE_UNREACHABLE);
    assert_int_equal(conclave_watch(client, &index), CONCLAVE_OK);
    assert_int_equal(index, 7);
    assert_int_equal(conclave_next_event(client, 2000, &event), CONCLAVE_OK);
    assert_bytes(event, event_x, sizeof event_x);
    assert_int_equal(conclave_next_event(client, 2000, &event), CONCLAVE_UNREACHABLE);
    assert_int_equal(conclave_watch(client, &index), CONCLAVE_OK);
    assert_int_equal(conclave_next_event(client, 20, &event), CONCLAVE_UNKNOWN_OUTCOME);
    conclave_close(client);
    fake_node_stop(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rate_limits_are_waited_for),
        cmocka_unit_test(addresses_are_host_and_port),
        cmocka_unit_test(open_refuses_what_is_no_address),
        cmocka_unit_test(cluster_id_is_asked_once),
        cmocka_unit_test(params_get_a_timeout),
        cmocka_unit_test(query_is_answered),
        cmocka_unit_test(query_goes_on_where_nodes_fail),
        cmocka_unit_test(a_hung_node_costs_a_second),
        cmocka_unit_test(query_survives_an_idle_connection_lost),
        cmocka_unit_test(query_says_why_it_failed),
        cmocka_unit_test(nobody_is_unreachable),
        cmocka_unit_test(commands_are_signed),
        cmocka_unit_test(commands_are_sent_again_byte_for_byte),
        cmocka_unit_test(unknown_outcomes_are_said),
        cmocka_unit_test(commands_that_went_nowhere_are_not_unknown),
        cmocka_unit_test(refusals_carry_the_reply),
        cmocka_unit_test(commands_have_a_limit),
        cmocka_unit_test(asking_one_node_does_not_try_again),
        cmocka_unit_test(events_follow_a_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
