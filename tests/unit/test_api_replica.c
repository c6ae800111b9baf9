/* The api over a real replica: one node on the in-memory twins and a clock of the test's, from a
 * client's bytes to the log and back. What the client expects is docs/PROTOCOL.md's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "support/api_fixture.h"

struct node {
    struct api_fixture *fixture;
    struct replica *replica;
    struct log *log;
    struct kv *kv;
    struct replica_host host;
    struct random random;
    uint64_t random_state;
    const struct replica_write *write; /* to be done */
    bool failed;
};

static void node_send(void *context, uint64_t node_id, struct slice message)
{
    (void)context; /* the other nodes are down */
    (void)node_id;
    (void)message;
}

static void node_persist(void *context, const struct replica_write *write)
{
    struct node *node = context;
    assert_null(node->write);
    node->write = write;
}

static void node_decided(void *context, uint64_t token, enum conclave_code code, struct slice reply)
{
    api_decided(((struct node *)context)->fixture->api, token, code, reply);
}

static void node_readable(void *context, uint64_t token, enum conclave_code code)
{
    api_readable(((struct node *)context)->fixture->api, token, code);
}

static void node_event(void *context, struct slice event)
{
    struct node *node = context;
    if (node->fixture->api != NULL) {
        api_event(node->fixture->api, event);
    }
}

static void node_seated(void *context, const struct replica_seat *seats, unsigned count)
{
    (void)context;
    assert_non_null(seats);
    assert_true(count <= LIMIT_NODES);
}

static void node_failed(void *context, enum conclave_code code, const char *what)
{
    print_error("the replica failed: %s, %s\n", conclave_code_name(code), what);
    ((struct node *)context)->failed = true;
}

static uint64_t node_random(void *context)
{
    struct node *node = context;
    node->random_state = node->random_state * 6364136223846793005u + 1442695040888963407u;
    return node->random_state >> 16 | node->random_state << 48;
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

/* The genesis of a cluster of `node_count` nodes whose chair is "ada". Sets the fixture's cluster
 * id, by the rule of PROTOCOL.md. */
static void write_genesis(struct api_fixture *fixture, unsigned node_count, msgpack_sbuffer *out)
{
    msgpack_sbuffer body;
    msgpack_sbuffer_init(&body);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &body, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 4);
    pack_text(&packer, "name");
    pack_text(&packer, "hive");
    pack_text(&packer, "nodes");
    msgpack_pack_array(&packer, node_count);
    for (unsigned i = 1; i <= node_count; i++) {
        uint8_t key[32] = {(uint8_t)i};
        msgpack_pack_array(&packer, 4);
        msgpack_pack_uint64(&packer, i);
        char address[] = "127.0.0.1:7101";
        address[13] = (char)('0' + i);
        pack_text(&packer, address);
        address[11] = '2';
        pack_text(&packer, address);
        msgpack_pack_bin(&packer, sizeof key);
        msgpack_pack_bin_body(&packer, key, sizeof key);
    }
    pack_text(&packer, "chair");
    msgpack_pack_map(&packer, 2);
    pack_text(&packer, "id");
    pack_text(&packer, "ada");
    pack_text(&packer, "key");
    msgpack_pack_bin(&packer, sizeof fixture->public_key);
    msgpack_pack_bin_body(&packer, fixture->public_key, sizeof fixture->public_key);
    pack_text(&packer, "created");
    msgpack_pack_uint64(&packer, FIXTURE_NOW_MS);
    static const uint8_t zeros[16];
    fixture_write_command(
        fixture,
        &(struct fixture_command){
            .kind = "genesis", .cluster = zeros, .nonce = 1, .body = fixture_slice(&body)},
        out);
    msgpack_sbuffer_destroy(&body);

    msgpack_unpacked command;
    msgpack_unpacked_init(&command);
    size_t offset = 0;
    assert_int_equal(msgpack_unpack_next(&command, out->data, out->size, &offset),
                     MSGPACK_UNPACK_SUCCESS);
    const msgpack_object *envelope = &command.data.via.array.ptr[0];
    uint8_t digest[32];
    crypto_hash_sha256(digest, (const uint8_t *)envelope->via.bin.ptr, envelope->via.bin.size);
    memcpy(fixture->cluster, digest, sizeof fixture->cluster);
    msgpack_unpacked_destroy(&command);
}

/* Does what there is to do at this moment: writes, signatures, the api's queue, the replica's
 * timers. */
static void node_settle(struct node *node)
{
    bool busy = true;
    for (unsigned i = 0; busy && i < 1000; i++) {
        busy = node->write != NULL || node->fixture->verify_first != NULL;
        if (node->write != NULL) {
            const struct replica_write *write = node->write;
            node->write = NULL;
            replica_persisted(node->replica, log_append(node->log, write->first_index,
                                                        write->entries, write->entry_count));
        }
        replica_tick(node->replica);
        api_run(node->fixture->api);
        fixture_verify(node->fixture);
        busy = busy || node->write != NULL;
    }
    assert_false(busy);
    assert_false(node->failed);
}

static void node_wait(struct node *node, uint64_t time_ms)
{
    for (uint64_t i = 0; i < time_ms; i += 10) {
        node->fixture->now_ms += 10;
        node_settle(node);
    }
}

static struct node *node_open(unsigned node_count)
{
    struct node *node = calloc(1, sizeof *node);
    assert_non_null(node);
    node->fixture = fixture_prepare();
    node->random_state = 42;
    node->random = (struct random){node, node_random};
    node->host = (struct replica_host){.context = node,
                                       .send = node_send,
                                       .persist = node_persist,
                                       .decided = node_decided,
                                       .readable = node_readable,
                                       .event = node_event,
                                       .seated = node_seated,
                                       .failed = node_failed};
    assert_int_equal(log_memory_open(&node->log), CONCLAVE_OK);
    assert_int_equal(kv_memory_open(&node->kv), CONCLAVE_OK);
    msgpack_sbuffer genesis;
    msgpack_sbuffer_init(&genesis);
    write_genesis(node->fixture, node_count, &genesis);
    struct codec_error error = {.text = ""};
    enum conclave_code rv =
        replica_bootstrap(node->log, fixture_slice(&genesis), 1, &node->random, &error);
    msgpack_sbuffer_destroy(&genesis);
    assert_string_equal(error.text, "");
    assert_int_equal(rv, CONCLAVE_OK);
    const struct replica_config config = {
        .node_id = 1,
        .heartbeat_ms = 50,
        .election_ms = 300,
        .log = node->log,
        .kv = node->kv,
        .clock = &node->fixture->clock,
        .random = &node->random,
        .host = &node->host,
    };
    assert_int_equal(replica_open(&config, &node->replica), CONCLAVE_OK);
    fixture_start(node->fixture, node->replica, NULL);
    node_wait(node, 2000); /* far longer than an election */
    return node;
}

static void node_close(struct node *node)
{
    replica_close(node->replica);
    fixture_close(node->fixture);
    kv_close(node->kv);
    log_close(node->log);
    free(node);
}

static int setup(void **state)
{
    *state = node_open(1);
    return 0;
}

static int teardown(void **state)
{
    node_close(*state);
    return 0;
}

static void ask(struct node *node, uint32_t message_id, const char *method, struct slice params)
{
    fixture_request(node->fixture, 1, message_id, method, params);
    node_settle(node);
}

/* member.admit of a member whose id is one letter; its key is that letter 32 times. */
static void submit_admit(struct node *node, uint32_t message_id, char letter, uint64_t nonce,
                         const char *author)
{
    uint8_t body[] = "\x82\xa2id\xa1?\xa3key\xc4\x20................................";
    body[5] = (uint8_t)letter;
    memset(body + 12, letter, 32);
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    fixture_write_submit(node->fixture,
                         &(struct fixture_command){.kind = "member.admit",
                                                   .author = author,
                                                   .nonce = nonce,
                                                   .body = slice_of(body, sizeof body - 1)},
                         0, &params);
    ask(node, message_id, "submit", fixture_slice(&params));
    msgpack_sbuffer_destroy(&params);
}

static bool is_text(const msgpack_object *object, const char *text)
{
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, strlen(text)) == 0;
}

static void expect_reply(struct node *node, uint32_t message_id, const char *code)
{
    msgpack_unpacked message;
    const msgpack_object *reply = fixture_expect_result(node->fixture, 1, message_id, &message);
    const msgpack_object *found = fixture_get(reply, "code");
    if (!is_text(found, code)) {
        fail_msg("code %.*s, not %s", (int)found->via.str.size, found->via.str.ptr, code);
    }
    msgpack_unpacked_destroy(&message);
}

/* The bytes of what was sent since `from`, without the message id (one byte, the third). */
static void expect_same_answer(struct node *node, size_t first, size_t second)
{
    const struct fixture_connection *connection = &node->fixture->connections[1];
    size_t size = second - first;
    assert_int_equal(connection->size - second, size);
    assert_memory_equal(connection->output + first + 3, connection->output + second + 3, size - 3);
}

static void test_command(void **state)
{
    struct node *node = *state;
    const struct fixture_connection *connection = &node->fixture->connections[1];
    submit_admit(node, 5, 'b', 7, NULL);
    size_t first_end = connection->size;
    assert_true(first_end > 0);
    node_wait(node, 500);
    /* sent again, later: no second effect, the first reply byte for byte */
    submit_admit(node, 6, 'b', 7, NULL);
    expect_same_answer(node, 0, first_end);
    msgpack_unpacked message;
    const msgpack_object *reply = fixture_expect_result(node->fixture, 1, 5, &message);
    assert_int_equal(reply->via.map.size, 6);
    assert_true(is_text(fixture_get(reply, "code"), "ok"));
    assert_true(is_text(fixture_get(reply, "message"), ""));
    assert_int_equal(fixture_get(reply, "position")->via.u64, 0);
    assert_true(fixture_get(reply, "index")->via.u64 > 2); /* 1 and 2 are the cluster's own */
    assert_int_equal(fixture_get(reply, "result")->via.map.size, 1);
    msgpack_unpacked_destroy(&message);
    expect_reply(node, 6, "ok");
    /* the nonce for something else; the id again; by someone who is nobody */
    submit_admit(node, 7, 'c', 7, NULL);
    expect_reply(node, 7, "nonce_reused");
    submit_admit(node, 8, 'b', 8, NULL);
    expect_reply(node, 8, "duplicate_id");
    submit_admit(node, 9, 'd', 9, "zoe");
    fixture_expect_error(node->fixture, 1, 9, "unknown_author", "\"zoe\"");
    /* not_after has passed: the state machine's to say, so it is in the log */
    node->fixture->now_ms += 120000;
    node_wait(node, 100);
    submit_admit(node, 10, 'e', 10, NULL);
    expect_reply(node, 10, "expired");
}

static void test_queries(void **state)
{
    struct node *node = *state;
    submit_admit(node, 5, 'b', 7, NULL);
    expect_reply(node, 5, "ok");
    ask(node, 6, "member.get",
        FIXTURE_BYTES("\x81\xa2id\xa1"
                      "b"));
    msgpack_unpacked message;
    const msgpack_object *member = fixture_expect_result(node->fixture, 1, 6, &message);
    const msgpack_object *key = fixture_get(member, "key");
    assert_int_equal(key->via.bin.size, 32);
    assert_int_equal(key->via.bin.ptr[31], 'b');
    assert_true(is_text(fixture_get(member, "status"), "active"));
    msgpack_unpacked_destroy(&message);
    ask(node, 7, "member.get",
        FIXTURE_BYTES("\x82\xa2id\xa1"
                      "c\xa5stale\xc3"));
    fixture_expect_error(node->fixture, 1, 7, "unknown_member", "");
    ask(node, 8, "member.get", FIXTURE_BYTES("\x81\xa2id\x05"));
    fixture_expect_error(node->fixture, 1, 8, "bad_request", "id");
    /* {"author": "ada", "nonce": 07 00 ...}, then a nonce that nobody used */
    char params[] = "\x82\xa6"
                    "author\xa3"
                    "ada\xa5nonce\xc4\x10\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    ask(node, 9, "request", slice_of(params, sizeof params - 1));
    const msgpack_object *request = fixture_expect_result(node->fixture, 1, 9, &message);
    assert_true(is_text(fixture_get(request, "state"), "committed"));
    assert_true(is_text(fixture_get(fixture_get(request, "reply"), "code"), "ok"));
    msgpack_unpacked_destroy(&message);
    params[sizeof params - 1 - 16] = 0x55;
    ask(node, 10, "request", slice_of(params, sizeof params - 1));
    request = fixture_expect_result(node->fixture, 1, 10, &message);
    assert_false(is_text(fixture_get(request, "state"), "committed"));
    msgpack_unpacked_destroy(&message);
}

/* The log has the command's bytes as they were signed. */
static void test_log(void **state)
{
    struct node *node = *state;
    submit_admit(node, 5, 'b', 7, NULL);
    expect_reply(node, 5, "ok");
    ask(node, 6, "log.read",
        FIXTURE_BYTES("\x81\xa4"
                      "from\x01"));
    msgpack_unpacked message;
    const msgpack_object *page = fixture_expect_result(node->fixture, 1, 6, &message);
    const msgpack_object *items = fixture_get(page, "items");
    assert_true(items->via.array.size >= 3);
    const msgpack_object *last = &items->via.array.ptr[items->via.array.size - 1];
    const msgpack_object *commands = fixture_get(last, "commands");
    assert_int_equal(commands->via.array.size, 1);
    const msgpack_object *command = fixture_get(&commands->via.array.ptr[0], "command");
    uint8_t key[32];
    memset(key, 'b', sizeof key);
    assert_non_null(memmem(command->via.bin.ptr, command->via.bin.size, key, sizeof key));
    assert_true(is_text(fixture_get(&commands->via.array.ptr[0], "code"), "ok"));
    msgpack_unpacked_destroy(&message);
}

static void test_hello_and_status(void **state)
{
    struct node *node = *state;
    ask(node, 5, "hello", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    const msgpack_object *hello = fixture_expect_result(node->fixture, 1, 5, &message);
    const msgpack_object *cluster = fixture_get(hello, "cluster");
    assert_int_equal(cluster->via.bin.size, 16);
    assert_memory_equal(cluster->via.bin.ptr, node->fixture->cluster, 16);
    assert_true(is_text(fixture_get(hello, "name"), "hive"));
    assert_int_equal(fixture_get(hello, "leader")->via.u64, 1);
    const msgpack_object *nodes = fixture_get(hello, "nodes");
    assert_int_equal(nodes->via.array.size, 1);
    assert_true(is_text(&nodes->via.array.ptr[0].via.array.ptr[1], "127.0.0.1:7101"));
    assert_true(is_text(&nodes->via.array.ptr[0].via.array.ptr[2], "127.0.0.1:7201"));
    msgpack_unpacked_destroy(&message);
    ask(node, 6, "status", FIXTURE_NO_PARAMS);
    const msgpack_object *status = fixture_expect_result(node->fixture, 1, 6, &message);
    assert_true(is_text(fixture_get(status, "state"), "leader"));
    assert_true(fixture_get(status, "ready")->via.boolean);
    assert_int_equal(fixture_get(status, "peers")->via.array.size, 0);
    assert_int_equal(fixture_get(status, "applied")->via.u64, fixture_get(status, "last")->via.u64);
    msgpack_unpacked_destroy(&message);
}

static void test_watch(void **state)
{
    struct node *node = *state;
    ask(node, 5, "watch", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    const msgpack_object *watch = fixture_expect_result(node->fixture, 1, 5, &message);
    uint64_t index = fixture_get(watch, "index")->via.u64;
    msgpack_unpacked_destroy(&message);
    submit_admit(node, 6, 'b', 7, NULL);
    unsigned events = 0, replies = 0;
    while (fixture_next(node->fixture, 1, &message)) {
        const msgpack_object *items = message.data.via.array.ptr;
        if (items[0].via.u64 == 2) {
            const msgpack_object *event = &items[2].via.array.ptr[0];
            assert_true(is_text(fixture_get(event, "type"), "member.changed"));
            assert_true(is_text(fixture_get(event, "member"), "b"));
            assert_int_equal(fixture_get(event, "index")->via.u64, index + 1);
            events++;
        } else {
            replies++;
        }
        msgpack_unpacked_destroy(&message);
    }
    assert_int_equal(events, 1);
    assert_int_equal(replies, 1);
}

/* Two hundred commands on one connection at once: each decided once, in order. */
static void test_pipeline(void **state)
{
    struct node *node = *state;
    msgpack_sbuffer stream;
    msgpack_sbuffer_init(&stream);
    for (uint32_t i = 0; i < 200; i++) {
        msgpack_sbuffer params;
        msgpack_sbuffer_init(&params);
        fixture_write_submit(
            node->fixture,
            &(struct fixture_command){.kind = "poll.close", .nonce = i + 100, .body_bytes = 1}, 0,
            &params);
        fixture_pack_request(&stream, i, "submit", fixture_slice(&params));
        msgpack_sbuffer_destroy(&params);
    }
    fixture_feed(node->fixture, 1, fixture_slice(&stream));
    msgpack_sbuffer_destroy(&stream);
    node_settle(node);
    uint64_t place_last = 0;
    for (uint32_t i = 0; i < 200; i++) {
        msgpack_unpacked message;
        const msgpack_object *reply = fixture_expect_result(node->fixture, 1, i, &message);
        assert_true(is_text(fixture_get(reply, "code"), "unknown_poll"));
        uint64_t place = fixture_get(reply, "index")->via.u64 * 1000 +
                         fixture_get(reply, "position")->via.u64;
        assert_true(place > place_last);
        place_last = place;
        msgpack_unpacked_destroy(&message);
    }
    assert_int_equal(api_requests_under_way(node->fixture->api), 0);
}

/* One of three nodes, alone: everything that needs a majority is refused within its time, the rest
 * is answered. */
static void test_no_quorum(void **state)
{
    (void)state;
    struct node *node = node_open(3);
    submit_admit(node, 5, 'b', 7, NULL);
    node_wait(node, 6000);
    fixture_expect_error(node->fixture, 1, 5, "no_leader", "not in the log");
    ask(node, 6, "cluster.get", FIXTURE_NO_PARAMS);
    node_wait(node, 6000);
    fixture_expect_error(node->fixture, 1, 6, "no_leader", "`stale: true`");
    assert_int_equal(api_requests_under_way(node->fixture->api), 0);
    ask(node, 7, "status", FIXTURE_NO_PARAMS);
    msgpack_unpacked message;
    const msgpack_object *status = fixture_expect_result(node->fixture, 1, 7, &message);
    assert_false(is_text(fixture_get(status, "state"), "leader"));
    assert_false(fixture_get(status, "ready")->via.boolean);
    assert_int_equal(fixture_get(status, "peers")->via.array.size, 2);
    msgpack_unpacked_destroy(&message);
    node_close(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hello_and_status, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pipeline, setup, teardown),
        cmocka_unit_test(test_no_quorum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
