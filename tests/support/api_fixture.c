/* A host and a client for tests of the api. */
#include "support/api_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

static struct fixture_connection *connection_of(struct api_fixture *fixture, uint64_t id)
{
    ASSERT(id >= 1 && id < FIXTURE_CONNECTIONS);
    return &fixture->connections[id];
}

static void host_send(void *context, uint64_t id, struct slice bytes)
{
    struct fixture_connection *connection = connection_of(context, id);
    ASSERT(connection->open);
    ASSERT(!connection->close_asked); /* nothing follows a close */
    ASSERT(bytes.size > 0);
    connection->output = realloc(connection->output, connection->size + bytes.size);
    ASSERT(connection->output != NULL);
    memcpy(connection->output + connection->size, bytes.data, bytes.size);
    connection->size += bytes.size;
}

static void host_close(void *context, uint64_t id)
{
    struct fixture_connection *connection = connection_of(context, id);
    ASSERT(connection->open && !connection->close_asked);
    connection->close_asked = true;
}

static void host_pause(void *context, uint64_t id, bool paused)
{
    struct fixture_connection *connection = connection_of(context, id);
    ASSERT(connection->open && connection->paused != paused);
    connection->paused = paused;
}

static size_t host_unsent(void *context, uint64_t id)
{
    return connection_of(context, id)->unsent;
}

static void host_verify(void *context, struct api_verification *verification)
{
    struct api_fixture *fixture = context;
    verification->next = NULL;
    if (fixture->verify_last != NULL) {
        fixture->verify_last->next = verification;
    } else {
        fixture->verify_first = verification;
    }
    fixture->verify_last = verification;
    fixture->verify_count++;
}

/* Challenges are told apart: the first bytes are 1, those of the next 2. */
static void host_random_bytes(void *context, uint8_t *bytes, size_t size)
{
    struct api_fixture *fixture = context;
    fixture->random_calls++;
    memset(bytes, (int)fixture->random_calls, size);
}

static unsigned host_peers(void *context, struct api_peer *peers)
{
    struct api_fixture *fixture = context;
    memcpy(peers, fixture->peers, sizeof fixture->peers);
    return fixture->peer_count;
}

static void host_health(void *context, struct api_health *health)
{
    (void)context;
    *health =
        (struct api_health){.state = "degraded", .why = "peers: node 3", .http = "127.0.0.1:7301"};
}

static uint64_t clock_now(void *context)
{
    return ((struct api_fixture *)context)->now_ms;
}

struct api_fixture *fixture_prepare(void)
{
    ASSERT(sodium_init() >= 0);
    struct api_fixture *fixture = calloc(1, sizeof *fixture);
    ASSERT(fixture != NULL);
    fixture->connections = calloc(FIXTURE_CONNECTIONS, sizeof *fixture->connections);
    ASSERT(fixture->connections != NULL);
    fixture->now_ms = FIXTURE_NOW_MS;
    static const uint8_t seed[32] = "the seed of ada's key, 32 bytes";
    ASSERT(crypto_sign_seed_keypair(fixture->public_key, fixture->secret_key, seed) == 0);
    fixture->clock = (struct clock){fixture, clock_now, clock_now, NULL};
    fixture->host = (struct api_host){.context = fixture,
                                      .send = host_send,
                                      .close = host_close,
                                      .pause = host_pause,
                                      .unsent = host_unsent,
                                      .verify = host_verify,
                                      .random_bytes = host_random_bytes,
                                      .peers = host_peers,
                                      .health = host_health};
    return fixture;
}

void fixture_start(struct api_fixture *fixture, struct replica *replica,
                   const struct api_replica_operations *operations)
{
    struct api_config config = {
        .replica = replica,
        .operations = operations,
        .clock = &fixture->clock,
        .host = &fixture->host,
        .version = "9.8.7",
        .limits = fixture->limits,
    };
    ASSERT(api_open(&config, &fixture->api) == CONCLAVE_OK);
    fixture_connect(fixture, 1);
}

struct api_fixture *fixture_open(void)
{
    return fixture_open_limited(&(struct api_limits){.idle_ms = 0});
}

struct api_fixture *fixture_open_limited(const struct api_limits *limits)
{
    struct api_fixture *fixture = fixture_prepare();
    fixture->limits = *limits;
    struct fake_replica *fake = fake_replica_open();
    fixture->replica = fake;
    memset(fixture->cluster, 0xc1, sizeof fixture->cluster);
    memcpy(fake->status.cluster_id, fixture->cluster, sizeof fixture->cluster);
    fake->status.node_id = 2;
    fake->authors[0].id = "ada";
    fake->author_count = 1;
    memcpy(fake->authors[0].author.public_key, fixture->public_key, sizeof fixture->public_key);
    fixture_start(fixture, fake_replica_handle(fake), &fake_replica_operations);
    return fixture;
}

void fixture_close(struct api_fixture *fixture)
{
    api_close(fixture->api);
    for (size_t i = 0; i < FIXTURE_CONNECTIONS; i++) {
        free(fixture->connections[i].output);
    }
    free(fixture->connections);
    if (fixture->replica != NULL) {
        fake_replica_close(fixture->replica);
    }
    free(fixture);
}

void fixture_connect(struct api_fixture *fixture, uint64_t id)
{
    struct fixture_connection *connection = connection_of(fixture, id);
    ASSERT(!connection->open);
    connection->open = true;
    assert_int_equal(api_connection_opened(fixture->api, id), CONCLAVE_OK);
}

void fixture_disconnect(struct api_fixture *fixture, uint64_t id)
{
    struct fixture_connection *connection = connection_of(fixture, id);
    ASSERT(connection->open);
    connection->open = false;
    connection->close_asked = false;
    api_connection_closed(fixture->api, id);
    api_run(fixture->api);
}

void fixture_feed(struct api_fixture *fixture, uint64_t id, struct slice bytes)
{
    /* A copy of the exact size: the address sanitizer then sees a read past the end. */
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);
    ASSERT(copy != NULL);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    api_connection_received(fixture->api, id, slice_of(copy, bytes.size));
    free(copy);
}

static void pack_text(msgpack_packer *packer, const char *text)
{
    msgpack_pack_str(packer, strlen(text));
    msgpack_pack_str_body(packer, text, strlen(text));
}

static void pack_bin(msgpack_packer *packer, const void *bytes, size_t size)
{
    msgpack_pack_bin(packer, size);
    msgpack_pack_bin_body(packer, bytes, size);
}

void fixture_pack_request(msgpack_sbuffer *out, uint32_t message_id, const char *method,
                          struct slice params)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_uint8(&packer, 0);
    msgpack_pack_uint32(&packer, message_id);
    pack_text(&packer, method);
    msgpack_pack_array(&packer, 1);
    if (params.data == NULL) {
        msgpack_pack_map(&packer, 0);
    } else {
        msgpack_sbuffer_write(out, (const char *)params.data, params.size);
    }
}

void fixture_request(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                     const char *method, struct slice params)
{
    msgpack_sbuffer request;
    msgpack_sbuffer_init(&request);
    fixture_pack_request(&request, message_id, method, params);
    fixture_feed(fixture, connection, fixture_slice(&request));
    api_run(fixture->api);
    msgpack_sbuffer_destroy(&request);
}

void fixture_verify(struct api_fixture *fixture)
{
    while (fixture->verify_first != NULL) {
        struct api_verification *verification = fixture->verify_first;
        fixture->verify_first = verification->next;
        if (fixture->verify_first == NULL) {
            fixture->verify_last = NULL;
        }
        verification->valid =
            crypto_sign_verify_detached(verification->signature, verification->message.data,
                                        verification->message.size, verification->public_key) == 0;
        api_verified(fixture->api, verification);
    }
    api_run(fixture->api);
}

void fixture_decide(struct api_fixture *fixture, unsigned number, enum conclave_code code,
                    struct slice reply)
{
    ASSERT(number < fixture->replica->submit_count);
    api_decided(fixture->api, fixture->replica->submits[number].token, code, reply);
    api_run(fixture->api);
}

void fixture_readable(struct api_fixture *fixture, unsigned number, enum conclave_code code)
{
    ASSERT(number < fixture->replica->read_count);
    api_readable(fixture->api, fixture->replica->reads[number].token, code);
    api_run(fixture->api);
}

bool fixture_silent(struct api_fixture *fixture, uint64_t id)
{
    struct fixture_connection *connection = connection_of(fixture, id);
    return connection->taken == connection->size;
}

bool fixture_next(struct api_fixture *fixture, uint64_t id, msgpack_unpacked *message)
{
    struct fixture_connection *connection = connection_of(fixture, id);
    msgpack_unpacked_init(message);
    if (fixture_silent(fixture, id)) {
        return false;
    }
    msgpack_unpack_return rv = msgpack_unpack_next(message, (const char *)connection->output,
                                                   connection->size, &connection->taken);
    assert_int_equal(rv, MSGPACK_UNPACK_SUCCESS);
    return true;
}

const msgpack_object *fixture_get(const msgpack_object *map, const char *key)
{
    assert_int_equal(map->type, MSGPACK_OBJECT_MAP);
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *name = &map->via.map.ptr[i].key;
        if (name->type == MSGPACK_OBJECT_STR && name->via.str.size == strlen(key) &&
            memcmp(name->via.str.ptr, key, strlen(key)) == 0) {
            return &map->via.map.ptr[i].val;
        }
    }
    fail_msg("the map has no key \"%s\"", key);
    return NULL;
}

/* [1, msgid, error, result]: returns the array's elements. */
static const msgpack_object *expect_response(struct api_fixture *fixture, uint64_t connection,
                                             uint32_t message_id, msgpack_unpacked *message)
{
    if (!fixture_next(fixture, connection, message)) {
        fail_msg("request %u has no answer", message_id);
    }
    const msgpack_object *root = &message->data;
    assert_int_equal(root->type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(root->via.array.size, 4);
    assert_int_equal(root->via.array.ptr[0].via.u64, 1);
    assert_int_equal(root->via.array.ptr[1].via.u64, message_id);
    return root->via.array.ptr;
}

/* The three elements of an error. */
static const msgpack_object *expect_error(struct api_fixture *fixture, uint64_t connection,
                                          uint32_t message_id, msgpack_unpacked *message,
                                          const char *code)
{
    const msgpack_object *items = expect_response(fixture, connection, message_id, message);
    assert_int_equal(items[3].type, MSGPACK_OBJECT_NIL);
    assert_int_equal(items[2].type, MSGPACK_OBJECT_ARRAY);
    assert_int_equal(items[2].via.array.size, 3);
    const msgpack_object *error = items[2].via.array.ptr;
    char text[64] = "";
    assert_int_equal(error[0].type, MSGPACK_OBJECT_STR);
    assert_true(error[0].via.str.size < sizeof text);
    memcpy(text, error[0].via.str.ptr, error[0].via.str.size);
    assert_string_equal(text, code);
    assert_int_equal(error[1].type, MSGPACK_OBJECT_STR);
    assert_true(error[1].via.str.size > 0);
    assert_int_equal(error[2].type, MSGPACK_OBJECT_MAP);
    return error;
}

void fixture_expect_error(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                          const char *code, const char *fragment)
{
    msgpack_unpacked message;
    const msgpack_object *error = expect_error(fixture, connection, message_id, &message, code);
    if (memmem(error[1].via.str.ptr, error[1].via.str.size, fragment, strlen(fragment)) == NULL) {
        fail_msg("\"%.*s\" does not have \"%s\"", (int)error[1].via.str.size, error[1].via.str.ptr,
                 fragment);
    }
    msgpack_unpacked_destroy(&message);
}

void fixture_expect_limit(struct api_fixture *fixture, uint64_t connection, uint32_t message_id,
                          const char *code, const char *detail, uint64_t detail_value)
{
    msgpack_unpacked message;
    const msgpack_object *error = expect_error(fixture, connection, message_id, &message, code);
    const msgpack_object *value = fixture_get(&error[2], detail);
    assert_int_equal(value->type, MSGPACK_OBJECT_POSITIVE_INTEGER);
    assert_int_equal(value->via.u64, detail_value);
    msgpack_unpacked_destroy(&message);
}

const msgpack_object *fixture_expect_result(struct api_fixture *fixture, uint64_t connection,
                                            uint32_t message_id, msgpack_unpacked *message)
{
    const msgpack_object *items = expect_response(fixture, connection, message_id, message);
    if (items[2].type != MSGPACK_OBJECT_NIL) {
        const msgpack_object *text = &items[2].via.array.ptr[1];
        fail_msg("an error instead of a result: %.*s", (int)text->via.str.size, text->via.str.ptr);
    }
    return &items[3];
}

/* PROTOCOL.md, "Commands": the envelope's seven elements. */
static void pack_envelope(struct api_fixture *fixture, const struct fixture_command *command,
                          msgpack_sbuffer *out)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    uint8_t nonce[16] = {0};
    memcpy(nonce, &command->nonce, sizeof command->nonce);
    msgpack_pack_array(&packer, 7);
    msgpack_pack_uint8(&packer, 1);
    pack_bin(&packer, command->cluster != NULL ? command->cluster : fixture->cluster, 16);
    pack_text(&packer, command->author != NULL ? command->author : "ada");
    pack_bin(&packer, nonce, sizeof nonce);
    msgpack_pack_uint64(&packer, FIXTURE_NOW_MS + 60000);
    pack_text(&packer, command->kind != NULL ? command->kind : "poll.close");
    if (command->body.size > 0) {
        msgpack_sbuffer_write(out, (const char *)command->body.data, command->body.size);
        return;
    }
    msgpack_pack_map(&packer, 1);
    pack_text(&packer, "id");
    char *text = malloc(command->body_bytes + 1);
    ASSERT(text != NULL);
    memset(text, 'x', command->body_bytes);
    msgpack_pack_str(&packer, command->body_bytes);
    msgpack_pack_str_body(&packer, text, command->body_bytes);
    free(text);
}

void fixture_write_command(struct api_fixture *fixture, const struct fixture_command *command,
                           msgpack_sbuffer *out)
{
    msgpack_sbuffer envelope;
    msgpack_sbuffer_init(&envelope);
    pack_envelope(fixture, command, &envelope);
    uint8_t signature[64];
    ASSERT(crypto_sign_detached(signature, NULL, (const uint8_t *)envelope.data, envelope.size,
                                fixture->secret_key) == 0);
    signature[20] ^= command->bad_signature ? 1 : 0;
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 2);
    pack_bin(&packer, envelope.data, envelope.size);
    pack_bin(&packer, signature, sizeof signature);
    msgpack_sbuffer_destroy(&envelope);
}

void fixture_write_submit(struct api_fixture *fixture, const struct fixture_command *command,
                          uint64_t timeout_ms, msgpack_sbuffer *params)
{
    msgpack_sbuffer packed;
    msgpack_sbuffer_init(&packed);
    fixture_write_command(fixture, command, &packed);
    msgpack_packer packer;
    msgpack_packer_init(&packer, params, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, timeout_ms != 0 ? 2 : 1);
    pack_text(&packer, "command");
    pack_bin(&packer, packed.data, packed.size);
    if (timeout_ms != 0) {
        pack_text(&packer, "timeout_ms");
        msgpack_pack_uint64(&packer, timeout_ms);
    }
    msgpack_sbuffer_destroy(&packed);
}

/* --- sessions --- */

void fixture_hello(struct api_fixture *fixture, uint64_t connection)
{
    msgpack_unpacked message;
    fixture_request(fixture, connection, 900, "hello", FIXTURE_NO_PARAMS);
    (void)fixture_expect_result(fixture, connection, 900, &message);
    msgpack_unpacked_destroy(&message);
}

/* What is signed in a session with node 2 of cluster c1c1..., whose challenge is `challenge` 32
 * times. */
static size_t statement(uint8_t text[256], const char *member, uint8_t challenge,
                        const uint8_t *binding)
{
    static const char line[] = "conclave session v1\n";
    size_t size = sizeof line - 1;
    memcpy(text, line, size);
    memset(text + size, 0xc1, 16);
    size += 16;
    memset(text + size, 0, 7);
    text[size + 7] = 2;
    size += 8;
    memset(text + size, challenge, 32);
    size += 32;
    text[size++] = binding == NULL ? 0 : 32;
    if (binding != NULL) {
        memcpy(text + size, binding, 32);
        size += 32;
    }
    memcpy(text + size, member, strlen(member));
    return size + strlen(member);
}

void fixture_send_proof(struct api_fixture *fixture, uint32_t message_id, const char *member,
                        uint8_t challenge, const uint8_t secret_key[64], const uint8_t *binding)
{
    uint8_t text[256], signature[64];
    size_t size = statement(text, member, challenge, binding);
    assert_int_equal(crypto_sign_detached(signature, NULL, text, size, secret_key), 0);
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &params, msgpack_sbuffer_write);
    msgpack_pack_map(&packer, 2);
    pack_text(&packer, "member");
    pack_text(&packer, member);
    pack_text(&packer, "signature");
    msgpack_pack_bin(&packer, sizeof signature);
    msgpack_pack_bin_body(&packer, signature, sizeof signature);
    fixture_request(fixture, 1, message_id, "prove", fixture_slice(&params));
    msgpack_sbuffer_destroy(&params);
}
