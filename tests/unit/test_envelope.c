/* Commands and batches, against bytes put together by hand from the MessagePack specification and
 * docs/PROTOCOL.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <conclave/limits.h>

#include "base/memory.h"
#include "codec/envelope.h"

/* [1, bin 16 (0x00..), "ann", bin 16 (0xff..), 1000, "poll.close", {"id": "p1"}] */
#define CLUSTER_16 "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
#define NONCE_16   "\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8\xf7\xf6\xf5\xf4\xf3\xf2\xf1\xf0"
#define VERSION_1  "\x97\x01"
#define CLUSTER    "\xc4\x10" CLUSTER_16
#define AUTHOR \
    "\xa3"     \
    "ann"
#define NONCE     "\xc4\x10" NONCE_16
#define NOT_AFTER "\xcd\x03\xe8"
#define KIND \
    "\xaa"   \
    "poll.close"
#define BODY \
    "\x81"   \
    "\xa2"   \
    "id"     \
    "\xa2"   \
    "p1"
#define ENVELOPE VERSION_1 CLUSTER AUTHOR NONCE NOT_AFTER KIND BODY

#define SIGNATURE_16 "SIGNATURESIGNED!"
#define SIGNATURE_64 SIGNATURE_16 SIGNATURE_16 SIGNATURE_16 SIGNATURE_16

#define SLICE(literal) slice_of(literal, sizeof(literal) - 1)

/* A command around the bytes of an envelope, as [bin 32, bin 8]. */
static size_t wrap(uint8_t *command, struct slice envelope)
{
    size_t size = 0;
    command[size++] = 0x92;
    command[size++] = 0xc6;
    command[size++] = (uint8_t)(envelope.size >> 24);
    command[size++] = (uint8_t)(envelope.size >> 16);
    command[size++] = (uint8_t)(envelope.size >> 8);
    command[size++] = (uint8_t)envelope.size;
    memcpy(command + size, envelope.data, envelope.size);
    size += envelope.size;
    command[size++] = 0xc4;
    command[size++] = 64;
    memcpy(command + size, SIGNATURE_64, 64);
    return size + 64;
}

static enum conclave_code decode_copy(struct slice command)
{
    /* In memory of exactly its size, so that a read past its end is noticed. */
    uint8_t *copy = malloc(command.size > 0 ? command.size : 1);
    assert_non_null(copy);
    if (command.size > 0) {
        memcpy(copy, command.data, command.size);
    }
    struct envelope envelope;
    struct codec_error error = {{0}};
    enum conclave_code code = envelope_decode(&envelope, slice_of(copy, command.size), &error);
    if (code == CONCLAVE_OK) {
        envelope_close(&envelope);
    } else {
        assert_true(strlen(error.text) > 0);
    }
    free(copy);
    return code;
}

static void test_decode_by_hand(void **state)
{
    (void)state;
    uint8_t command[512];
    size_t size = wrap(command, SLICE(ENVELOPE));
    struct envelope envelope;
    struct codec_error error;
    assert_int_equal(envelope_decode(&envelope, slice_of(command, size), &error), CONCLAVE_OK);
    assert_true(slice_equal(envelope.bytes, SLICE(ENVELOPE)));
    assert_ptr_equal(envelope.bytes.data, command + 6);
    assert_true(slice_equal(envelope.signature, SLICE(SIGNATURE_64)));
    assert_true(slice_equal(envelope.cluster, SLICE(CLUSTER_16)));
    assert_true(slice_is_text(envelope.author, "ann"));
    assert_true(slice_equal(envelope.nonce, SLICE(NONCE_16)));
    assert_int_equal(envelope.not_after_ms, 1000);
    assert_true(slice_is_text(envelope.kind, "poll.close"));

    struct {
        struct slice id;
    } body = {0};
    const struct codec_field fields[] = {{.name = "id", .type = CODEC_STRING, .required = true}};
    assert_int_equal(codec_decode_map(envelope.body, fields, 1, true, &body, &error), CONCLAVE_OK);
    assert_true(slice_is_text(body.id, "p1"));
    envelope_close(&envelope);
}

static void test_decode_takes_the_short_bin_too(void **state)
{
    (void)state;
    /* bin 8 for both: the encoder of another language picks the shortest form. */
    static const char command[] = "\x92\xc4\x3f" ENVELOPE "\xc4\x40" SIGNATURE_64;
    assert_int_equal(sizeof(ENVELOPE) - 1, 0x3f); /* 2 + 18 + 4 + 18 + 3 + 11 + 7 = 63 */
    assert_int_equal(decode_copy(SLICE(command)), CONCLAVE_OK);
}

static void test_decode_refuses_a_wrong_command(void **state)
{
    (void)state;
    static const char no_array[] = "\xc4\x01\x00";
    static const char one[] = "\x91\xc4\x01\x00";
    static const char three[] = "\x93\xc4\x01\x00\xc4\x01\x00\x00";
    static const char texts[] = "\x92\xa1\x61\xa1\x61";
    static const char short_signature[] = "\x92\xc4\x01\x90\xc4\x01\x00";
    static const char empty_envelope[] = "\x92\xc4\x00\xc4\x40" SIGNATURE_64;
    static const char garbage[] = "\xc1";
    assert_int_equal(decode_copy(SLICE(no_array)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(SLICE(one)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(SLICE(three)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(SLICE(texts)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(SLICE(short_signature)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(SLICE(empty_envelope)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(SLICE(garbage)), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode_copy(slice_of(NULL, 0)), CONCLAVE_BAD_REQUEST);
}

static void test_decode_refuses_a_wrong_envelope(void **state)
{
    (void)state;
#define CASE(name, bytes, code)              \
    {                                        \
        name, bytes, sizeof(bytes) - 1, code \
    }
    static const struct {
        const char *name;
        const char *bytes;
        size_t size;
        enum conclave_code code;
    } cases[] = {
        CASE("as it should be", ENVELOPE, CONCLAVE_OK),
        CASE("version 2", "\x97\x02" CLUSTER AUTHOR NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_VERSION),
        CASE("version 2, of another length", "\x92\x02\xc0", CONCLAVE_BAD_VERSION),
        CASE("version as text",
             "\x97\xa1"
             "1" CLUSTER AUTHOR NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("negative version", "\x97\xff" CLUSTER AUTHOR NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("no array", "\x80", CONCLAVE_BAD_REQUEST),
        CASE("empty array", "\x90", CONCLAVE_BAD_REQUEST),
        CASE("6 elements", "\x96\x01" CLUSTER AUTHOR NONCE NOT_AFTER KIND, CONCLAVE_BAD_REQUEST),
        CASE("8 elements", "\x98\x01" CLUSTER AUTHOR NONCE NOT_AFTER KIND BODY "\xc0",
             CONCLAVE_BAD_REQUEST),
        CASE("cluster of 15 bytes",
             VERSION_1 "\xc4\x0f\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
                       "\x0f" AUTHOR NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("cluster as text",
             VERSION_1 "\xb0"
                       "0123456789abcdef" AUTHOR NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("empty author", VERSION_1 CLUSTER "\xa0" NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("author with a blank",
             VERSION_1 CLUSTER "\xa3"
                               "a n" NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("author as bytes",
             VERSION_1 CLUSTER "\xc4\x03"
                               "ann" NONCE NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("nonce of 17 bytes",
             VERSION_1 CLUSTER AUTHOR "\xc4\x11" NONCE_16 "\x00" NOT_AFTER KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("not_after negative", VERSION_1 CLUSTER AUTHOR NONCE "\xd0\x80" KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("not_after a float", VERSION_1 CLUSTER AUTHOR NONCE "\xca\x44\x7a\x00\x00" KIND BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("not_after 2^64 - 1",
             VERSION_1 CLUSTER AUTHOR NONCE "\xcf\xff\xff\xff\xff\xff\xff\xff\xff" KIND BODY,
             CONCLAVE_OK),
        CASE("kind as nil", VERSION_1 CLUSTER AUTHOR NONCE NOT_AFTER "\xc0" BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("kind not UTF-8", VERSION_1 CLUSTER AUTHOR NONCE NOT_AFTER "\xa1\xff" BODY,
             CONCLAVE_BAD_REQUEST),
        CASE("body as array", VERSION_1 CLUSTER AUTHOR NONCE NOT_AFTER KIND "\x90",
             CONCLAVE_BAD_REQUEST),
        CASE("bytes after it", ENVELOPE "\xc0", CONCLAVE_BAD_REQUEST),
    };
#undef CASE
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t command[512];
        size_t size = wrap(command, slice_of(cases[i].bytes, cases[i].size));
        enum conclave_code code = decode_copy(slice_of(command, size));
        if (code != cases[i].code) {
            print_message("%s: %s\n", cases[i].name, conclave_code_name(code));
        }
        assert_int_equal(code, cases[i].code);
    }
}

static void test_decode_refuses_every_prefix(void **state)
{
    (void)state;
    uint8_t command[512];
    size_t size = wrap(command, SLICE(ENVELOPE));
    assert_int_equal(decode_copy(slice_of(command, size)), CONCLAVE_OK);
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(decode_copy(slice_of(command, cut)), CONCLAVE_BAD_REQUEST);
    }
    for (size_t cut = 0; cut < sizeof(ENVELOPE) - 1; cut++) {
        size = wrap(command, slice_of(ENVELOPE, cut));
        assert_int_equal(decode_copy(slice_of(command, size)), CONCLAVE_BAD_REQUEST);
    }
}

/* Any byte changed to any value gives a command or an error, never a crash. */
static void test_decode_survives_any_byte(void **state)
{
    (void)state;
    uint8_t command[512];
    size_t size = wrap(command, SLICE(ENVELOPE));
    size_t decoded = 0;
    for (size_t i = 0; i < size - 64; i++) {
        uint8_t original = command[i];
        for (unsigned int value = 0; value < 256; value++) {
            command[i] = (uint8_t)value;
            decoded += decode_copy(slice_of(command, size)) == CONCLAVE_OK;
        }
        command[i] = original;
    }
    /* Each byte's own value decodes; so does every other value of the 32 bytes of cluster and
     * nonce. */
    assert_true(decoded >= (size - 64) + 32 * 255);
}

/* An envelope of exactly `envelope_size` bytes: a body {"id": str 32}. */
static size_t large_command(uint8_t *command, uint8_t *envelope, size_t envelope_size)
{
    static const char head[] = VERSION_1 CLUSTER AUTHOR NONCE NOT_AFTER KIND "\x81\xa2"
                                                                             "id\xdb";
    size_t head_size = sizeof(head) - 1;
    size_t text_size = envelope_size - head_size - 4;
    memcpy(envelope, head, head_size);
    envelope[head_size] = (uint8_t)(text_size >> 24);
    envelope[head_size + 1] = (uint8_t)(text_size >> 16);
    envelope[head_size + 2] = (uint8_t)(text_size >> 8);
    envelope[head_size + 3] = (uint8_t)text_size;
    memset(envelope + head_size + 4, 'x', text_size);
    return wrap(command, slice_of(envelope, envelope_size));
}

static void test_decode_refuses_what_is_too_large(void **state)
{
    (void)state;
    enum {
        ROOM = LIMIT_COMMAND_BYTES + 1024
    };
    uint8_t *command = malloc(ROOM), *envelope = malloc(ROOM);
    assert_non_null(command);
    assert_non_null(envelope);
    size_t size = large_command(command, envelope, LIMIT_COMMAND_BYTES);
    assert_int_equal(decode_copy(slice_of(command, size)), CONCLAVE_OK);
    size = large_command(command, envelope, LIMIT_COMMAND_BYTES + 1);
    assert_int_equal(decode_copy(slice_of(command, size)), CONCLAVE_TOO_LARGE);
    size = large_command(command, envelope, LIMIT_COMMAND_BYTES + 500);
    assert_int_equal(decode_copy(slice_of(command, size)), CONCLAVE_TOO_LARGE);
    free(envelope);
    free(command);
}

static void test_write_by_hand(void **state)
{
    (void)state;
    struct buffer envelope, command;
    buffer_init(&envelope, LIMIT_COMMAND_BYTES);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    const struct envelope head = {
        .cluster = SLICE(CLUSTER_16),
        .author = slice_of_text("ann"),
        .nonce = SLICE(NONCE_16),
        .not_after_ms = 1000,
        .kind = slice_of_text("poll.close"),
    };
    envelope_write_head(&envelope, &head);
    buffer_append(&envelope, BODY, sizeof(BODY) - 1);
    assert_int_equal(envelope.status, CONCLAVE_OK);
    assert_int_equal(envelope.size, sizeof(ENVELOPE) - 1);
    assert_memory_equal(envelope.data, ENVELOPE, envelope.size);

    envelope_write_command(&command, buffer_slice(&envelope), SLICE(SIGNATURE_64));
    static const char expected[] = "\x92\xc4\x3f" ENVELOPE "\xc4\x40" SIGNATURE_64;
    assert_int_equal(command.status, CONCLAVE_OK);
    assert_int_equal(command.size, sizeof(expected) - 1);
    assert_memory_equal(command.data, expected, command.size);
    buffer_close(&command);
    buffer_close(&envelope);
}

static void test_id_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "Z", "0", "grok-3-beta", "P-029", "a.b_c-d:e+f"};
    static const char *const bad[] = {"",   "-a",  ".a",  "_a",  ":a",
                                      "+a", "a b", "a/b", "a\n", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(envelope_id_valid(slice_of_text(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(envelope_id_valid(slice_of_text(bad[i])));
    }
    char text[65];
    memset(text, 'a', sizeof(text));
    assert_true(envelope_id_valid(slice_of(text, 64)));
    assert_false(envelope_id_valid(slice_of(text, 65)));
    assert_false(envelope_id_valid(SLICE("a\0b")));
}

static void test_label_valid(void **state)
{
    (void)state;
    static const char *const good[] = {"general", "expert:technical", "_", "-", ".",
                                       ":",       "a.b_C-9"};
    static const char *const bad[] = {"", "a b", "a+b", "a/b", "a\t", "\xc3\xa9"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(envelope_label_valid(slice_of_text(good[i])));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(envelope_label_valid(slice_of_text(bad[i])));
    }
    char text[49];
    memset(text, 'a', sizeof(text));
    assert_true(envelope_label_valid(slice_of(text, 48)));
    assert_false(envelope_label_valid(slice_of(text, 49)));
    assert_false(envelope_label_valid(SLICE("a\0b")));
}

/* [1, 5000000000, ["p1", "p-2"], [bin "x", bin ""]] */
#define BATCH                                              \
    "\x94\x01\xcf\x00\x00\x00\x01\x2a\x05\xf2\x00\x92\xa2" \
    "p1"                                                   \
    "\xa3"                                                 \
    "p-2"                                                  \
    "\x92\xc4\x01"                                         \
    "x"                                                    \
    "\xc4\x00"

static void test_batch_by_hand(void **state)
{
    (void)state;
    const struct slice closes[] = {slice_of_text("p1"), slice_of_text("p-2")};
    const struct slice commands[] = {slice_of_text("x"), slice_of_text("")};
    struct buffer buffer;
    buffer_init(&buffer, LIMIT_BATCH_BYTES);
    batch_write(&buffer, 5000000000u, closes, 2, commands, 2);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    assert_int_equal(buffer.size, sizeof(BATCH) - 1);
    assert_memory_equal(buffer.data, BATCH, buffer.size);

    struct batch batch;
    assert_int_equal(batch_decode(&batch, buffer_slice(&buffer)), CONCLAVE_OK);
    assert_int_equal(batch.time_ms, 5000000000u);
    assert_int_equal(batch.close_count, 2);
    assert_int_equal(batch.command_count, 2);
    struct slice piece;
    assert_int_equal(codec_get_string(&batch.closes[1], &piece), CONCLAVE_OK);
    assert_true(slice_is_text(piece, "p-2"));
    assert_int_equal(codec_get_bytes(&batch.commands[0], &piece), CONCLAVE_OK);
    assert_true(slice_is_text(piece, "x"));
    assert_int_equal(codec_get_bytes(&batch.commands[1], &piece), CONCLAVE_OK);
    assert_int_equal(piece.size, 0);
    batch_close(&batch);
    buffer_close(&buffer);
}

static void test_batch_of_nothing(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, LIMIT_BATCH_BYTES);
    batch_write(&buffer, 0, NULL, 0, NULL, 0);
    assert_int_equal(buffer.size, 5);
    assert_memory_equal(buffer.data, "\x94\x01\x00\x90\x90", 5);
    struct batch batch;
    assert_int_equal(batch_decode(&batch, buffer_slice(&buffer)), CONCLAVE_OK);
    assert_int_equal(batch.close_count + batch.command_count, 0);
    batch_close(&batch);
    buffer_close(&buffer);
}

static void test_batch_refused(void **state)
{
    (void)state;
#define CASE(bytes, code)              \
    {                                  \
        bytes, sizeof(bytes) - 1, code \
    }
    static const struct {
        const char *bytes;
        size_t size;
        enum conclave_code code;
    } cases[] = {
        CASE("", CONCLAVE_BAD_REQUEST),
        CASE("\x80", CONCLAVE_BAD_REQUEST),
        CASE("\x90", CONCLAVE_BAD_REQUEST),
        CASE("\x94\x02\x00\x90\x90", CONCLAVE_BAD_VERSION),
        CASE("\x91\x02", CONCLAVE_BAD_VERSION),
        CASE("\x93\x01\x00\x90", CONCLAVE_BAD_REQUEST),
        CASE("\x95\x01\x00\x90\x90\xc0", CONCLAVE_BAD_REQUEST),
        CASE("\x94\x01\xff\x90\x90", CONCLAVE_BAD_REQUEST),             /* time -1 */
        CASE("\x94\x01\x00\xc0\x90", CONCLAVE_BAD_REQUEST),             /* closes nil */
        CASE("\x94\x01\x00\x90\x80", CONCLAVE_BAD_REQUEST),             /* commands a map */
        CASE("\x94\x01\x00\x91\xa1\x2f\x90", CONCLAVE_BAD_REQUEST),     /* close "/" */
        CASE("\x94\x01\x00\x91\xc4\x01\x61\x90", CONCLAVE_BAD_REQUEST), /* close a bin */
        CASE("\x94\x01\x00\x90\x91\xa1\x61", CONCLAVE_BAD_REQUEST),     /* command a text */
        CASE("\x94\x01\x00\x90\x90\x00", CONCLAVE_BAD_REQUEST),         /* a byte after it */
        CASE("\x94\x01\x00\x90\xdd\xff\xff\xff\xff", CONCLAVE_BAD_REQUEST),
    };
#undef CASE
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct batch batch;
        assert_int_equal(batch_decode(&batch, slice_of(cases[i].bytes, cases[i].size)),
                         cases[i].code);
    }
    for (size_t cut = 0; cut < sizeof(BATCH) - 1; cut++) {
        struct batch batch;
        assert_int_equal(batch_decode(&batch, slice_of(BATCH, cut)), CONCLAVE_BAD_REQUEST);
    }
}

/* The n-th allocation fails, for each n until none does. */
static void test_no_memory(void **state)
{
    (void)state;
    uint8_t command[512];
    size_t size = wrap(command, SLICE(ENVELOPE));
    uint64_t failures = 0;
    for (uint64_t countdown = 1;; countdown++) {
        assert_true(countdown < 100);
        struct envelope envelope;
        struct codec_error error;
        memory_fault_arm(countdown);
        enum conclave_code code = envelope_decode(&envelope, slice_of(command, size), &error);
        if (!memory_fault_hit()) {
            assert_int_equal(code, CONCLAVE_OK);
            envelope_close(&envelope);
            break;
        }
        assert_int_equal(code, CONCLAVE_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 0);
    failures = 0;
    for (uint64_t countdown = 1;; countdown++) {
        assert_true(countdown < 100);
        struct batch batch;
        memory_fault_arm(countdown);
        enum conclave_code code = batch_decode(&batch, SLICE(BATCH));
        if (!memory_fault_hit()) {
            assert_int_equal(code, CONCLAVE_OK);
            batch_close(&batch);
            break;
        }
        assert_int_equal(code, CONCLAVE_NO_MEMORY);
        failures++;
    }
    assert_true(failures > 0);
    memory_fault_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode_by_hand),
        cmocka_unit_test(test_decode_takes_the_short_bin_too),
        cmocka_unit_test(test_decode_refuses_a_wrong_command),
        cmocka_unit_test(test_decode_refuses_a_wrong_envelope),
        cmocka_unit_test(test_decode_refuses_every_prefix),
        cmocka_unit_test(test_decode_survives_any_byte),
        cmocka_unit_test(test_decode_refuses_what_is_too_large),
        cmocka_unit_test(test_write_by_hand),
        cmocka_unit_test(test_id_valid),
        cmocka_unit_test(test_label_valid),
        cmocka_unit_test(test_batch_by_hand),
        cmocka_unit_test(test_batch_of_nothing),
        cmocka_unit_test(test_batch_refused),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
