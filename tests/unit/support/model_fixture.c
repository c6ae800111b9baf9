/* See model_fixture.h. */
#include "unit/support/model_fixture.h"

#include <conclave/limits.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/writer.h"
#include "kv/kv_lmdb.h"
#include "kv/kv_memory.h"

#define BATCH_BYTES  (8u * 1024u * 1024u)
#define LOG_CAPACITY 65536u

/* --- Stores --- */

void model_open_empty(struct model_fixture *fixture, const char *directory)
{
    assert_true(sodium_init() >= 0);
    *fixture = (struct model_fixture){.time_ms = MODEL_START_MS};
    assert_int_equal(kv_memory_open(&fixture->stores[0]), CONCLAVE_OK);
    assert_int_equal(directory == NULL ? kv_memory_open(&fixture->stores[1])
                                       : kv_lmdb_open(directory, 0, &fixture->stores[1]),
                     CONCLAVE_OK);
    fixture->replies = json_array();
    fixture->events = json_array();
    buffer_init(&fixture->raw, BATCH_BYTES);
    fixture->log = calloc(LOG_CAPACITY, sizeof *fixture->log);
    assert_non_null(fixture->log);
    fixture->log_count = 1;
    for (size_t i = 0; i < sizeof fixture->commands / sizeof fixture->commands[0]; i++) {
        buffer_init(&fixture->commands[i], LIMIT_FRAME_BYTES);
    }
}

void model_close(struct model_fixture *fixture)
{
    for (size_t i = 0; i < sizeof fixture->commands / sizeof fixture->commands[0]; i++) {
        buffer_close(&fixture->commands[i]);
    }
    for (size_t i = 1; i < fixture->log_count; i++) {
        buffer_close(&fixture->log[i]);
    }
    free(fixture->log);
    buffer_close(&fixture->raw);
    json_decref(fixture->replies);
    json_decref(fixture->events);
    kv_close(fixture->stores[0]);
    kv_close(fixture->stores[1]);
}

const char *model_key(const char *id)
{
    static char texts[4][4 + 64 + 1];
    static size_t turn;
    char *text = texts[turn++ % 4];
    uint8_t key[32] = {0};
    size_t size = strlen(id);
    memcpy(key, id, size < sizeof key ? size : sizeof key);
    memcpy(text, "hex:", 4);
    assert_non_null(sodium_bin2hex(text + 4, 65, key, sizeof key));
    return text;
}

static void key_pair(const char *text, uint8_t public_key[32], uint8_t secret_key[64])
{
    uint8_t seed[32] = {0};
    size_t size = strlen(text);
    memcpy(seed, text, size < sizeof seed ? size : sizeof seed);
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, seed), 0);
}

static const char *hex_text(const uint8_t *bytes, size_t size)
{
    static char texts[4][4 + 128 + 1];
    static size_t turn;
    char *text = texts[turn++ % 4];
    memcpy(text, "hex:", 4);
    assert_non_null(sodium_bin2hex(text + 4, 129, bytes, size));
    return text;
}

const char *model_real_key(const char *seed)
{
    uint8_t public_key[32], secret_key[64];
    key_pair(seed, public_key, secret_key);
    return hex_text(public_key, sizeof public_key);
}

const char *model_signature(const char *seed, struct slice message)
{
    uint8_t public_key[32], secret_key[64], signature[64];
    key_pair(seed, public_key, secret_key);
    assert_int_equal(crypto_sign_detached(signature, NULL, message.data, message.size, secret_key),
                     0);
    return hex_text(signature, sizeof signature);
}

void model_sign_with(struct model_fixture *fixture, const char *author, const char *seed)
{
    unsigned i = 0;
    while (i < fixture->signer_count && strcmp(fixture->signers[i].author, author) != 0) {
        i++;
    }
    assert_true(i < sizeof fixture->signers / sizeof fixture->signers[0]);
    fixture->signer_count += i == fixture->signer_count;
    uint8_t public_key[32];
    fixture->signers[i].author = author;
    key_pair(seed, public_key, fixture->signers[i].secret_key);
}

static void sign(const struct model_fixture *fixture, const char *author, struct slice envelope,
                 uint8_t signature[64])
{
    for (unsigned i = 0; i < fixture->signer_count; i++) {
        if (strcmp(fixture->signers[i].author, author) == 0) {
            assert_int_equal(crypto_sign_detached(signature, NULL, envelope.data, envelope.size,
                                                  fixture->signers[i].secret_key),
                             0);
        }
    }
}

void model_open(struct model_fixture *fixture, const char *directory)
{
    model_open_empty(fixture, directory);
    model_ok(fixture, "chair", "genesis",
             "{'name': 'test', 'nodes': [[1, '127.0.0.1:7101', '127.0.0.1:7001', "
             "'hex:0101010101010101010101010101010101010101010101010101010101010101'], "
             "[2, '127.0.0.1:7102', '127.0.0.1:7002', "
             "'hex:0202020202020202020202020202020202020202020202020202020202020202'], [3, "
             "'127.0.0.1:7103', '127.0.0.1:7003', "
             "'hex:0303030303030303030303030303030303030303030303030303030303030303']], "
             "'chair': {'id': 'chair', 'key': '%s'}, 'created': 1000000}",
             model_key("chair"));
}

/* --- Batches --- */

struct capture {
    struct model_fixture *fixture;
    json_t *replies;
    json_t *events;
    struct buffer raw;
};

static void capture_reply(void *context, const struct model_decided *decided)
{
    struct capture *capture = context;
    assert_int_equal(decided->position, json_array_size(capture->replies));
    json_t *reply = model_unpack(decided->reply);
    assert_string_equal(json_string_value(json_object_get(reply, "code")),
                        conclave_code_name(decided->code));
    json_array_append_new(capture->replies, reply);
    buffer_append(&capture->raw, decided->reply.data, decided->reply.size);
}

static void capture_event(void *context, struct slice event)
{
    struct capture *capture = context;
    json_array_append_new(capture->events, model_unpack(event));
    buffer_append(&capture->raw, event.data, event.size);
}

/* Applies to one store; a transaction that is committed. */
static void apply_to(struct model_fixture *fixture, size_t store, struct slice batch,
                     struct capture *capture)
{
    *capture =
        (struct capture){.fixture = fixture, .replies = json_array(), .events = json_array()};
    buffer_init(&capture->raw, BATCH_BYTES);
    const struct model_sink sink = {
        .context = capture, .reply = capture_reply, .event = capture_event};
    struct kv_transaction *transaction;
    struct kv_digest digest;
    assert_int_equal(kv_begin(fixture->stores[store], true, &transaction), CONCLAVE_OK);
    assert_int_equal(kv_digest_open(&digest, transaction, fixture->digests[store]), CONCLAVE_OK);
    assert_int_equal(model_apply(&digest.base, fixture->index, batch, &sink), CONCLAVE_OK);
    kv_digest_value(&digest, fixture->digests[store]);
    kv_digest_close(&digest);
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
}

static void capture_close(struct capture *capture)
{
    json_decref(capture->replies);
    json_decref(capture->events);
    buffer_close(&capture->raw);
}

static void apply_bytes(struct model_fixture *fixture, struct slice batch)
{
    struct capture captures[2];
    for (size_t i = 0; i < 2; i++) {
        apply_to(fixture, i, batch, &captures[i]);
    }
    assert_true(slice_equal(buffer_slice(&captures[0].raw), buffer_slice(&captures[1].raw)));
    assert_memory_equal(fixture->digests[0], fixture->digests[1], KV_DIGEST_BYTES);
    capture_close(&captures[1]);
    json_decref(fixture->replies);
    json_decref(fixture->events);
    buffer_close(&fixture->raw);
    fixture->replies = captures[0].replies;
    fixture->events = captures[0].events;
    fixture->raw = captures[0].raw;
}

void model_apply_batch(struct model_fixture *fixture, const char *closes)
{
    struct slice ids[64];
    struct slice commands[1024];
    json_t *polls = closes == NULL ? json_array() : model_json("%s", closes);
    uint32_t close_count = (uint32_t)json_array_size(polls);
    assert_true(close_count <= 64);
    for (uint32_t i = 0; i < close_count; i++) {
        ids[i] = slice_of_text(json_string_value(json_array_get(polls, i)));
    }
    for (uint32_t i = 0; i < fixture->command_count; i++) {
        commands[i] = buffer_slice(&fixture->commands[i]);
    }
    fixture->index++;
    assert_true(fixture->index == fixture->log_count && fixture->log_count < LOG_CAPACITY);
    struct buffer *batch = &fixture->log[fixture->log_count++];
    buffer_init(batch, BATCH_BYTES);
    batch_write(batch, fixture->time_ms, ids, close_count, commands, fixture->command_count);
    assert_int_equal(batch->status, CONCLAVE_OK);
    fixture->command_count = 0;
    json_decref(polls);
    apply_bytes(fixture, buffer_slice(batch));
}

void model_command(struct model_fixture *fixture, struct buffer *command, const char *author,
                   const uint8_t nonce[16], uint64_t not_after_ms, const char *kind, json_t *body)
{
    uint8_t signature[ENVELOPE_SIGNATURE_BYTES] = {0};
    uint8_t fresh[16] = {0};
    for (size_t i = 0; i < 8; i++) {
        fresh[i] = (uint8_t)(fixture->time_ms >> (56 - 8 * i));
        fresh[8 + i] = (uint8_t)(fixture->nonces >> (56 - 8 * i));
    }
    fixture->nonces++;
    struct envelope head = {.cluster = slice_of(fixture->cluster, sizeof fixture->cluster),
                            .author = slice_of_text(author),
                            .nonce = slice_of(nonce == NULL ? fresh : nonce, 16),
                            .not_after_ms = not_after_ms == 0 ? fixture->time_ms + MODEL_HOUR_MS
                                                              : not_after_ms,
                            .kind = slice_of_text(kind)};
    struct buffer envelope;
    buffer_init(&envelope, LIMIT_FRAME_BYTES);
    envelope_write_head(&envelope, &head);
    model_pack(&envelope, body);
    buffer_clear(command);
    sign(fixture, author, buffer_slice(&envelope), signature);
    envelope_write_command(command, buffer_slice(&envelope), slice_of(signature, sizeof signature));
    assert_int_equal(command->status, CONCLAVE_OK);
    if (strcmp(kind, "genesis") == 0 && fixture->index == 0) {
        uint8_t hash[crypto_hash_sha256_BYTES];
        crypto_hash_sha256(hash, envelope.data, envelope.size);
        memcpy(fixture->cluster, hash, sizeof fixture->cluster);
    }
    buffer_close(&envelope);
}

static struct buffer *next_command(struct model_fixture *fixture)
{
    assert_true(fixture->command_count < 1024);
    return &fixture->commands[fixture->command_count++];
}

__attribute__((format(printf, 4, 0))) static void add(struct model_fixture *fixture,
                                                      const char *author, const char *kind,
                                                      const char *format, va_list arguments)
{
    json_t *body = model_json_of(format, arguments);
    model_command(fixture, next_command(fixture), author, NULL, 0, kind, body);
    json_decref(body);
}

void model_add(struct model_fixture *fixture, const char *author, const char *kind,
               const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(fixture, author, kind, format, arguments);
    va_end(arguments);
}

void model_add_bytes(struct model_fixture *fixture, struct slice command)
{
    struct buffer *place = next_command(fixture);
    buffer_clear(place);
    buffer_append(place, command.data, command.size);
    assert_int_equal(place->status, CONCLAVE_OK);
}

static json_t *only_reply(struct model_fixture *fixture)
{
    model_apply_batch(fixture, NULL);
    assert_int_equal(json_array_size(fixture->replies), 1);
    return json_array_get(fixture->replies, 0);
}

json_t *model_submit(struct model_fixture *fixture, const char *author, const char *kind,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(fixture, author, kind, format, arguments);
    va_end(arguments);
    return only_reply(fixture);
}

static const char *text_at(const json_t *value, const char *key)
{
    const char *text = json_string_value(json_object_get(value, key));
    assert_non_null(text);
    return text;
}

json_t *model_ok(struct model_fixture *fixture, const char *author, const char *kind,
                 const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    add(fixture, author, kind, format, arguments);
    va_end(arguments);
    json_t *reply = only_reply(fixture);
    if (strcmp(text_at(reply, "code"), "ok") != 0) {
        fail_msg("%s was refused %s: %s", kind, text_at(reply, "code"), text_at(reply, "message"));
    }
    assert_string_equal(text_at(reply, "message"), "");
    return json_object_get(reply, "result");
}

/* HEAD, BATCH, REPLY and REPLY_QUEUE: the record of a refusal. */
#define RECORD_SPACES "\x10\x12\x13\x14"

const char *model_refused(struct model_fixture *fixture, const char *code, const char *author,
                          const char *kind, const char *format, ...)
{
    char *before = model_dump(fixture->stores[0], RECORD_SPACES);
    va_list arguments;
    va_start(arguments, format);
    add(fixture, author, kind, format, arguments);
    va_end(arguments);
    json_t *reply = only_reply(fixture);
    const char *message = text_at(reply, "message");
    if (strcmp(text_at(reply, "code"), code) != 0) {
        fail_msg("%s got %s and not %s: %s", kind, text_at(reply, "code"), code, message);
    }
    assert_true(strlen(message) > 8);
    model_expect_at(reply, "result", "{}");
    assert_int_equal(json_array_size(fixture->events), 0);
    char *after = model_dump(fixture->stores[0], RECORD_SPACES);
    assert_string_equal(before, after);
    free(before);
    free(after);
    return message;
}

/* --- Queries --- */

static enum conclave_code read_command(void *context, uint64_t index, uint32_t position,
                                       struct buffer *command)
{
    const struct model_fixture *fixture = context;
    if (index == 0 || index >= fixture->log_count) {
        return CONCLAVE_NOT_FOUND;
    }
    struct batch batch;
    assert_int_equal(batch_decode(&batch, buffer_slice(&fixture->log[index])), CONCLAVE_OK);
    enum conclave_code code = CONCLAVE_NOT_FOUND;
    if (position < batch.command_count) {
        struct slice bytes;
        code = codec_get_bytes(&batch.commands[position], &bytes);
        buffer_append(command, bytes.data, bytes.size);
    }
    batch_close(&batch);
    return code;
}

static enum conclave_code ask(struct model_fixture *fixture, const char *method, json_t *params,
                              struct buffer *answer)
{
    const struct model_log log = {.context = fixture, .read_command = read_command};
    struct buffer packed;
    struct codec_tree tree;
    struct codec_error error = {.text = ""};
    struct kv_transaction *transaction;
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    model_pack(&packed, params);
    assert_int_equal(codec_parse(&tree, buffer_slice(&packed)), CONCLAVE_OK);
    assert_int_equal(kv_begin(fixture->stores[0], false, &transaction), CONCLAVE_OK);
    assert_true(model_is_query(slice_of_text(method)));
    enum conclave_code code =
        model_query(transaction, &log, slice_of_text(method), &tree.root, fixture->index,
                    slice_of(fixture->digests[0], KV_DIGEST_BYTES), answer, &error);
    kv_abort(transaction);
    codec_tree_close(&tree);
    buffer_close(&packed);
    memcpy(fixture->query_error, error.text, sizeof error.text);
    return code;
}

json_t *model_ask(struct model_fixture *fixture, const char *method, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *params = model_json_of(format, arguments);
    va_end(arguments);
    struct buffer answer;
    buffer_init(&answer, LIMIT_FRAME_BYTES);
    enum conclave_code code = ask(fixture, method, params, &answer);
    if (code != CONCLAVE_OK) {
        fail_msg("%s: %s: %s", method, conclave_code_name(code), fixture->query_error);
    }
    json_t *value = model_unpack(buffer_slice(&answer));
    buffer_close(&answer);
    json_decref(params);
    return value;
}

void model_ask_refused(struct model_fixture *fixture, enum conclave_code code, const char *method,
                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *params = model_json_of(format, arguments);
    va_end(arguments);
    struct buffer answer;
    buffer_init(&answer, LIMIT_FRAME_BYTES);
    assert_int_equal(ask(fixture, method, params, &answer), code);
    assert_int_equal(answer.size, 0);
    assert_true(strlen(fixture->query_error) > 8);
    buffer_close(&answer);
    json_decref(params);
}

uint32_t model_close_due(struct model_fixture *fixture)
{
    struct kv_transaction *transaction;
    struct slice closes[64];
    uint32_t count;
    assert_int_equal(kv_begin(fixture->stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_due(transaction, fixture->time_ms, closes, 64, &count), CONCLAVE_OK);
    json_t *ids = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_array_append_new(ids, json_stringn((const char *)closes[i].data, closes[i].size));
    }
    kv_abort(transaction);
    char *text = json_dumps(ids, 0);
    json_decref(ids);
    model_apply_batch(fixture, text);
    free(text);
    return count;
}

/* --- Dumps --- */

char *model_dump(struct kv *kv, const char *but)
{
    struct buffer dump;
    struct key_copy {
        size_t size;
        uint8_t bytes[KV_KEY_BYTES + 1];
    } next = {.size = 1, .bytes = {0}};
    buffer_init(&dump, SIZE_MAX / 2);
    struct kv_transaction *transaction;
    struct slice key;
    struct slice value;
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    while (kv_seek(transaction, slice_of(next.bytes, next.size), &key, &value) == CONCLAVE_OK) {
        if (but == NULL || memchr(but, key.data[0], strlen(but)) == NULL) {
            char *line = malloc(2 * (key.size + value.size) + 3);
            assert_non_null(line);
            sodium_bin2hex(line, 2 * key.size + 1, key.data, key.size);
            line[2 * key.size] = ' ';
            sodium_bin2hex(line + 2 * key.size + 1, 2 * value.size + 1, value.data, value.size);
            buffer_append(&dump, line, 2 * (key.size + value.size) + 1);
            buffer_append(&dump, "\n", 1);
            free(line);
        }
        memcpy(next.bytes, key.data, key.size);
        next.bytes[key.size] = 0;
        next.size = key.size + 1;
    }
    kv_abort(transaction);
    char *text = malloc(dump.size + 1);
    assert_non_null(text);
    if (dump.size > 0) {
        memcpy(text, dump.data, dump.size);
    }
    text[dump.size] = '\0';
    buffer_close(&dump);
    return text;
}
