/* Exactly once: the table of replies, expiry, and what is refused before any rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <conclave/limits.h>

#include "base/memory.h"
#include "kv/kv_memory.h"
#include "unit/support/model_fixture.h"

static struct model_fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    model_open(&fixture, NULL);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_close(&fixture);
    return 0;
}

static const uint8_t NONCE[16] = {0, 0, 0, 0, 0, 0x0f, 0x42, 0x40, 1, 2, 3, 4, 5, 6, 7, 8};
#define NONCE_TEXT "hex:00000000000f42400102030405060708" /* starts with 1000000 ms */

/* A command with a nonce of its own: proposal.submit of `id`. */
static void make(struct buffer *command, const char *author, const uint8_t nonce[16],
                 uint64_t not_after_ms, const char *id)
{
    json_t *body = model_json("{'id': '%s', 'title': 'T', 'body': 'b'}", id);
    buffer_init(command, LIMIT_FRAME_BYTES);
    model_command(&fixture, command, author, nonce, not_after_ms, "proposal.submit", body);
    json_decref(body);
}

static json_t *apply(const struct buffer *command)
{
    model_add_bytes(&fixture, buffer_slice(command));
    model_apply_batch(&fixture, NULL);
    return json_array_get(fixture.replies, 0);
}

static uint64_t count_of(const char *what)
{
    json_t *cluster = model_ask(&fixture, "cluster.get", "{}");
    char path[64];
    snprintf(path, sizeof path, "counts.%s", what);
    uint64_t count = (uint64_t)json_integer_value(model_at(cluster, path));
    json_decref(cluster);
    return count;
}

static void the_same_command_again(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 0, "a");
    model_expect_at(apply(&command), "code", "'ok'");
    struct buffer first;
    buffer_init(&first, LIMIT_FRAME_BYTES);
    buffer_append(&first, fixture.raw.data, fixture.raw.size);
    size_t reply_size = first.size; /* the reply, then one event */
    uint64_t commands = count_of("commands");
    char *before = model_dump(fixture.stores[0], "\x10\x12");
    fixture.time_ms += 60000;
    for (int i = 0; i < 3; i++) {
        model_expect_at(apply(&command), "index", "2");
        assert_int_equal(json_array_size(fixture.events), 0);
        assert_true(fixture.raw.size < reply_size);
        /* the events come before the reply of their command */
        assert_memory_equal(fixture.raw.data, first.data + (first.size - fixture.raw.size),
                            fixture.raw.size);
    }
    char *after = model_dump(fixture.stores[0], "\x10\x12");
    assert_string_equal(before, after);
    free(before);
    free(after);
    assert_int_equal(count_of("commands"), commands);
    assert_int_equal(count_of("proposals"), 1);
    buffer_close(&first);
    buffer_close(&command);
}

static void copies_in_one_batch(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 0, "a");
    model_add_bytes(&fixture, buffer_slice(&command));
    model_add(&fixture, "chair", "proposal.submit", "{'id': 'b', 'title': 'T', 'body': 'b'}");
    model_add_bytes(&fixture, buffer_slice(&command));
    model_apply_batch(&fixture, NULL);
    assert_true(json_equal(json_array_get(fixture.replies, 0), json_array_get(fixture.replies, 2)));
    model_expect_at(fixture.replies, "2.position", "0");
    assert_int_equal(json_array_size(fixture.events), 2);
    assert_int_equal(count_of("proposals"), 2);
    buffer_close(&command);
}

static void a_refusal_is_for_ever(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 0, "a");
    model_ok(&fixture, "chair", "proposal.submit", "{'id': 'a', 'title': 'T', 'body': 'b'}");
    model_ok(&fixture, "chair", "proposal.submit", "{'id': 'c', 'title': 'T', 'body': 'b'}");
    model_expect_at(apply(&command), "code", "'duplicate_id'");
    buffer_close(&command);

    /* refused for a reason that goes away: the answer stays */
    model_ok(&fixture, "chair", "member.admit", "{'id': 'ann', 'key': '%s'}", model_key("ann"));
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'status': 'suspended'}");
    make(&command, "ann", NONCE, 0, "d");
    model_expect_at(apply(&command), "code", "'not_active'");
    uint64_t index = fixture.index;
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'status': 'active'}");
    model_expect_at(apply(&command), "code", "'not_active'");
    model_expect_at(fixture.replies, "0.index", "%llu", (unsigned long long)index);
    buffer_close(&command);
}

static void a_nonce_is_used_once(void **state)
{
    (void)state;
    struct buffer first;
    struct buffer second;
    make(&first, "chair", NONCE, 0, "a");
    make(&second, "chair", NONCE, 0, "b");
    model_expect_at(apply(&first), "code", "'ok'");
    model_expect_at(apply(&second), "code", "'nonce_reused'");
    assert_int_equal(count_of("proposals"), 1);
    model_expect_at(apply(&first), "code", "'ok'"); /* the first reply stands */
    json_t *request =
        model_ask(&fixture, "request", "{'author': 'chair', 'nonce': '" NONCE_TEXT "'}");
    model_expect_at(request, "reply.code", "'ok'");
    json_decref(request);
    buffer_close(&second);
    /* a nonce is an author's: another may have the same */
    model_ok(&fixture, "chair", "member.admit", "{'id': 'ann', 'key': '%s'}", model_key("ann"));
    make(&second, "ann", NONCE, 0, "b");
    model_expect_at(apply(&second), "code", "'ok'");
    buffer_close(&first);
    buffer_close(&second);
}

static void expiry(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 1000500, "a");
    fixture.time_ms = 1000501;
    model_expect_at(apply(&command), "code", "'expired'");
    assert_int_equal(count_of("proposals"), 0);
    buffer_close(&command);

    /* not_after is inclusive */
    make(&command, "chair", NONCE, 1000501, "a");
    model_expect_at(apply(&command), "code", "'ok'");
    fixture.time_ms = 1000502;
    /* later the table has its reply yet, but the answer must not depend on when it is cleaned */
    model_expect_at(apply(&command), "code", "'expired'");
    json_t *request =
        model_ask(&fixture, "request", "{'author': 'chair', 'nonce': '" NONCE_TEXT "'}");
    model_expect_at(request, "reply.code", "'ok'");
    json_decref(request);
    buffer_close(&command);
}

static void not_after_has_a_bound(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NULL, fixture.time_ms + 24 * MODEL_HOUR_MS, "a");
    model_expect_at(apply(&command), "code", "'ok'");
    buffer_close(&command);
    make(&command, "chair", NONCE, fixture.time_ms + 24 * MODEL_HOUR_MS + 1, "b");
    model_expect_at(apply(&command), "code", "'not_after_too_far'");
    fixture.time_ms += 1000;
    model_expect_at(apply(&command), "code", "'not_after_too_far'"); /* the same for ever */
    buffer_close(&command);
}

static void refused_before_the_table(void **state)
{
    (void)state;
    struct buffer command;
    char *before = model_dump(fixture.stores[0], "\x10\x12");

    fixture.cluster[0] ^= 1;
    make(&command, "chair", NONCE, 0, "a");
    fixture.cluster[0] ^= 1;
    model_expect_at(apply(&command), "code", "'wrong_cluster'");
    buffer_close(&command);
    make(&command, "nobody", NONCE, 0, "a");
    model_expect_at(apply(&command), "code", "'unknown_author'");

    model_add_bytes(&fixture, slice_of("\xc1", 1));
    model_add_bytes(&fixture, slice_of("", 0));
    model_add_bytes(&fixture, slice_of(command.data, command.size - 1));
    command.data[6] = 2; /* [bin8 head, its length, then the envelope: array of 7, version] */
    model_add_bytes(&fixture, buffer_slice(&command));
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "0.code", "'bad_request'");
    model_expect_at(fixture.replies, "1.code", "'bad_request'");
    model_expect_at(fixture.replies, "2.code", "'bad_request'");
    char *after = model_dump(fixture.stores[0], "\x10\x12");
    assert_string_equal(before, after);
    free(before);
    free(after);
    buffer_close(&command);
    assert_int_equal(count_of("refused"), 6);
    assert_int_equal(count_of("commands"), 7);
}

static void unknown_kinds(void **state)
{
    (void)state;
    const char *message = model_refused(&fixture, "unknown_kind", "chair", "member.delete", "{}");
    assert_non_null(strstr(message, "member.delete"));
    model_refused(&fixture, "unknown_kind", "chair", "", "{}");
    /* a message is cut between characters: this kind is longer than what is shown */
    message = model_refused(&fixture, "unknown_kind", "chair",
                            "x\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                            "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                            "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                            "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                            "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac",
                            "{}");
    assert_non_null(strstr(message, "\xe2\x82\xac\""));
}

/* --- model_codes --- */

static void codes_of_a_batch(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 0, "a");
    model_add_bytes(&fixture, buffer_slice(&command));
    model_add_bytes(&fixture, slice_of("\xc1", 1));
    model_add(&fixture, "chair", "poll.close", "{'id': 'none'}");
    model_add_bytes(&fixture, buffer_slice(&command));
    model_apply_batch(&fixture, NULL);
    model_apply_batch(&fixture, NULL);
    buffer_close(&command);
    struct kv_transaction *transaction;
    enum conclave_code codes[8];
    uint32_t count;
    assert_int_equal(kv_begin(fixture.stores[1], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_codes(transaction, 2, codes, 8, &count), CONCLAVE_OK);
    assert_int_equal(count, 4);
    assert_int_equal(codes[0], CONCLAVE_OK);
    assert_int_equal(codes[1], CONCLAVE_BAD_REQUEST);
    assert_int_equal(codes[2], CONCLAVE_UNKNOWN_POLL);
    assert_int_equal(codes[3], CONCLAVE_OK);
    assert_int_equal(model_codes(transaction, 3, codes, 8, &count), CONCLAVE_OK);
    assert_int_equal(count, 0);
    assert_int_equal(model_codes(transaction, 4, codes, 8, &count), CONCLAVE_NOT_FOUND);
    kv_abort(transaction);
}

/* --- The table's end --- */

/* How many keys have this first byte. */
static size_t keys_in(uint8_t space)
{
    char line[4];
    snprintf(line, sizeof line, "\n%02x", space);
    char *dump = model_dump(fixture.stores[0], NULL);
    size_t count = 0;
    for (char *at = strstr(dump, line); at != NULL; at = strstr(at + 1, line)) {
        count++;
    }
    free(dump);
    return count;
}

#define REPLY_SPACE 0x13
#define QUEUE_SPACE 0x14

static void old_replies_are_dropped(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 0, "a");
    apply(&command);
    fixture.time_ms = MODEL_START_MS + 25 * MODEL_HOUR_MS;
    model_apply_batch(&fixture, NULL);
    assert_int_equal(keys_in(REPLY_SPACE), 2); /* genesis too */
    fixture.time_ms++;
    model_apply_batch(&fixture, NULL);
    assert_int_equal(keys_in(REPLY_SPACE), 0);
    assert_int_equal(keys_in(QUEUE_SPACE), 0);
    model_expect_at(apply(&command), "code", "'expired'");
    buffer_close(&command);
    /* what became of it cannot be told any more */
    json_t *request =
        model_ask(&fixture, "request", "{'author': 'chair', 'nonce': '" NONCE_TEXT "'}");
    model_expect_at(request, "state", "'unknown'");
    json_decref(request);
    /* a nonce that is no time: once something was dropped, nothing is sure */
    request = model_ask(&fixture, "request",
                        "{'author': 'chair', 'nonce': 'hex:ffffffffffffffffffffffffffffffff'}");
    model_expect_at(request, "state", "'unknown'");
    json_decref(request);
    request = model_ask(&fixture, "request",
                        "{'author': 'chair', 'nonce': 'hex:%016llx0000000000000000'}",
                        (unsigned long long)fixture.time_ms);
    model_expect_at(request, "state", "'absent'");
    json_decref(request);
}

/* A command whose not_after lies too far ahead is not expired when the table is cleaned: it must be
 * remembered longer than others, or whoever reads it in the log could have it decided again. */
static void a_refusal_of_a_late_not_after_is_never_dropped(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, MODEL_START_MS + 40 * MODEL_HOUR_MS, "a");
    model_expect_at(apply(&command), "code", "'not_after_too_far'");
    uint64_t index = fixture.index;
    fixture.time_ms = MODEL_START_MS + 26 * MODEL_HOUR_MS;
    model_apply_batch(&fixture, NULL);
    assert_int_equal(keys_in(QUEUE_SPACE), 0);
    model_expect_at(apply(&command), "code", "'not_after_too_far'");
    model_expect_at(fixture.replies, "0.index", "%llu", (unsigned long long)index);
    assert_int_equal(count_of("proposals"), 0);
    fixture.time_ms = MODEL_START_MS + 40 * MODEL_HOUR_MS + 1;
    model_expect_at(apply(&command), "code", "'expired'");
    buffer_close(&command);
}

static void a_batch_drops_a_bounded_number(void **state)
{
    (void)state;
    for (int batch = 0; batch < 10; batch++) {
        for (int i = 0; i < 1000; i++) {
            model_add(&fixture, "chair", "poll.close", "{'id': 'none'}");
        }
        model_apply_batch(&fixture, NULL);
    }
    assert_int_equal(keys_in(REPLY_SPACE), 10001);
    fixture.time_ms += 26 * MODEL_HOUR_MS;
    model_apply_batch(&fixture, NULL);
    assert_int_equal(keys_in(REPLY_SPACE), 6000); /* 1 and 4 x 1000: at most 4096 */
    model_apply_batch(&fixture, NULL);
    assert_int_equal(keys_in(REPLY_SPACE), 2000);
    model_apply_batch(&fixture, NULL);
    assert_int_equal(keys_in(REPLY_SPACE), 0);
}

static void requests(void **state)
{
    (void)state;
    struct buffer command;
    make(&command, "chair", NONCE, 0, "a");
    json_t *request =
        model_ask(&fixture, "request", "{'author': 'chair', 'nonce': '" NONCE_TEXT "'}");
    model_expect(request, "{'index': 1, 'state': 'absent'}");
    json_decref(request);
    apply(&command);
    buffer_close(&command);
    request = model_ask(&fixture, "request", "{'author': 'chair', 'nonce': '" NONCE_TEXT "'}");
    model_expect_at(request, "state", "'committed'");
    assert_true(json_equal(model_at(request, "reply"), json_array_get(fixture.replies, 0)));
    json_decref(request);
    request = model_ask(&fixture, "request",
                        "{'author': 'chair', 'nonce': 'hex:ffffffffffffffffffffffffffffffff'}");
    model_expect_at(request, "state", "'absent'"); /* nothing was ever dropped */
    json_decref(request);
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_MEMBER, "request",
                      "{'author': 'nobody', 'nonce': '" NONCE_TEXT "'}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "request",
                      "{'author': 'chair', 'nonce': 'hex:00'}");
    model_ask_refused(&fixture, CONCLAVE_BAD_REQUEST, "request", "{'author': 'chair'}");
}

/* --- Failures: each ends the batch with a code, leaks nothing, and leaves what was committed ---
 */

static void ignore_reply(void *context, const struct model_decided *decided)
{
    (void)context;
    (void)decided;
}

static void ignore_event(void *context, struct slice event)
{
    (void)context;
    (void)event;
}

/* The bytes of a batch that does a bit of everything. */
static void write_rich_batch(struct buffer *batch)
{
    static const struct {
        const char *kind;
        const char *body;
    } commands[] = {
        {"member.admit", "{'id': 'zoe', 'key': 'hex:5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
                         "5a5a5a5a5a5a5a5a5a', 'classes': ['g']}"},
        {"policy.put", "{'id': 'p', 'policy': {'method': 'yesno', 'pass': [1, 2, '>']}}"},
        {"proposal.submit", "{'id': 'x', 'title': 'X', 'body': 'one'}"},
        {"proposal.revise", "{'id': 'x', 'body': 'two'}"},
        {"poll.open", "{'id': 'y', 'title': 'Y', 'open_for_ms': 9, 'questions': "
                      "[{'id': 'q', 'proposal': 'x', 'policy': 'p'}]}"},
        {"ballot.cast", "{'poll': 'y', 'answers': [{'q': 'q', 'a': 'yes'}]}"},
        {"member.update", "{'id': 'zoe', 'weight': 4}"},
        {"poll.close", "{'id': 'y'}"},
        {"poll.open", "{'id': 'z', 'title': 'Z', 'open_for_ms': 9, 'questions': [{'id': 'q', "
                      "'proposal': 'x', 'policy': 'p', 'supersedes': 'y/q'}]}"},
        {"poll.cancel", "{'id': 'z', 'reason': 'r'}"},
        {"poll.cancel", "{'id': 'z', 'reason': 'r'}"},
    };
    struct buffer bytes[sizeof commands / sizeof commands[0]];
    struct slice slices[sizeof commands / sizeof commands[0]];
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        json_t *body = model_json("%s", commands[i].body);
        buffer_init(&bytes[i], LIMIT_FRAME_BYTES);
        model_command(&fixture, &bytes[i], "chair", NULL, 0, commands[i].kind, body);
        slices[i] = buffer_slice(&bytes[i]);
        json_decref(body);
    }
    buffer_init(batch, LIMIT_FRAME_BYTES);
    batch_write(batch, fixture.time_ms, NULL, 0, slices, sizeof commands / sizeof commands[0]);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        buffer_close(&bytes[i]);
    }
}

static enum conclave_code try_apply(const struct buffer *batch)
{
    const struct model_sink sink = {.reply = ignore_reply, .event = ignore_event};
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(fixture.stores[0], true, &transaction);
    if (code == CONCLAVE_OK) {
        code = model_apply(transaction, 2, buffer_slice(batch), &sink);
        kv_abort(transaction);
    }
    return code;
}

static void allocation_failures(void **state)
{
    (void)state;
    struct buffer batch;
    write_rich_batch(&batch);
    char *before = model_dump(fixture.stores[0], NULL);
    uint64_t countdown = 1;
    for (;; countdown++) {
        memory_fault_arm(countdown);
        enum conclave_code code = try_apply(&batch);
        int hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!hit) {
            assert_int_equal(code, CONCLAVE_OK);
            break;
        }
        assert_int_equal(code, CONCLAVE_NO_MEMORY);
        assert_true(countdown < 100000);
    }
    assert_true(countdown > 20);
    char *after = model_dump(fixture.stores[0], NULL);
    assert_string_equal(before, after);
    free(before);
    free(after);
    buffer_close(&batch);
}

static void write_failures(void **state)
{
    (void)state;
    struct buffer batch;
    write_rich_batch(&batch);
    uint64_t countdown = 1;
    for (;; countdown++) {
        kv_memory_fault_arm(fixture.stores[0], countdown);
        enum conclave_code code = try_apply(&batch);
        bool hit = kv_memory_fault_hit(fixture.stores[0]);
        kv_memory_fault_arm(fixture.stores[0], 0);
        if (!hit) {
            assert_int_equal(code, CONCLAVE_OK);
            break;
        }
        assert_int_equal(code, CONCLAVE_IO);
        assert_true(countdown < 100000);
    }
    assert_true(countdown > 50);
    buffer_close(&batch);
}

/* Bytes that are no batch are a damaged log, not a refusal. */
static void damaged_batches(void **state)
{
    (void)state;
    struct buffer batch;
    write_rich_batch(&batch);
    for (size_t size = 0; size < batch.size; size += 7) {
        struct buffer cut = {.data = batch.data, .size = size};
        assert_int_equal(try_apply(&cut), CONCLAVE_CORRUPT);
    }
    buffer_close(&batch);
}

/* Commands with bytes changed at random in their bodies: each is decided, none harms. */
static void mutated_commands(void **state)
{
    (void)state;
    struct buffer batch;
    struct batch decoded;
    write_rich_batch(&batch);
    assert_int_equal(batch_decode(&decoded, buffer_slice(&batch)), CONCLAVE_OK);
    uint64_t lot = 1;
    for (int turn = 0; turn < 1000; turn++) {
        for (uint32_t i = 0; i < decoded.command_count; i++) {
            struct slice whole;
            struct buffer command;
            assert_int_equal(codec_get_bytes(&decoded.commands[i], &whole), CONCLAVE_OK);
            buffer_init(&command, LIMIT_FRAME_BYTES);
            buffer_append(&command, whole.data, whole.size);
            lot = lot * UINT64_C(6364136223846793005) + 1442695040888963407u;
            /* 48: after the nonce; the last 66 bytes are the signature */
            size_t at = 48 + (size_t)(lot >> 33) % (command.size - 48 - 66);
            command.data[at] ^= (uint8_t)(1u << (lot >> 61));
            command.data[36] = (uint8_t)turn; /* a nonce of its own */
            command.data[37] = (uint8_t)(turn >> 8);
            model_add_bytes(&fixture, buffer_slice(&command));
            buffer_close(&command);
        }
        model_apply_batch(&fixture, NULL);
        assert_int_equal(json_array_size(fixture.replies), decoded.command_count);
    }
    batch_close(&decoded);
    buffer_close(&batch);
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_same_command_again),
        TEST(copies_in_one_batch),
        TEST(a_refusal_is_for_ever),
        TEST(a_nonce_is_used_once),
        TEST(expiry),
        TEST(not_after_has_a_bound),
        TEST(refused_before_the_table),
        TEST(unknown_kinds),
        TEST(codes_of_a_batch),
        TEST(old_replies_are_dropped),
        TEST(a_refusal_of_a_late_not_after_is_never_dropped),
        TEST(a_batch_drops_a_bounded_number),
        TEST(requests),
        TEST(allocation_failures),
        TEST(write_failures),
        TEST(damaged_batches),
        TEST(mutated_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
