/* Commands and batches: the bytes that docs/PROTOCOL.md gives, and everything that is not quite
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <conclave/limits.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"

/* Packed by hand from the table of PROTOCOL.md: [1, bin 16, "ada", bin 16, 1000, "poll.close",
 * {"id": "p1"}] */
static const uint8_t packed_envelope[] = {
    0x97, /* array of 7 */
    0x01, /* version */
    0xc4, 16,   1,    2,   3,    4,   5,   6,   7,   8,   9,
    10,   11,   12,   13,  14,   15,  16, /* cluster */
    0xa3, 'a',  'd',  'a',                /* author */
    0xc4, 16,   21,   22,  23,   24,  25,  26,  27,  28,  29,
    30,   31,   32,   33,  34,   35,  36,                      /* nonce */
    0xcd, 0x03, 0xe8,                                          /* not_after */
    0xaa, 'p',  'o',  'l', 'l',  '.', 'c', 'l', 'o', 's', 'e', /* kind */
    0x81, 0xa2, 'i',  'd', 0xa2, 'p', '1',                     /* body */
};
#define CLUSTER_AT 4u
#define AUTHOR_AT  21u
#define NONCE_AT   26u

static struct buffer command;
static struct codec_error error;

static int setup(void **state)
{
    (void)state;
    buffer_init(&command, 1000000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_close(&command);
    return 0;
}

static void fill_signature(uint8_t signature[ENVELOPE_SIGNATURE_BYTES])
{
    for (unsigned i = 0; i < ENVELOPE_SIGNATURE_BYTES; i++) {
        signature[i] = (uint8_t)(100 + i);
    }
}

/* Packs a command by hand: [bin envelope, bin 64 signature]. */
static struct slice wrap(struct slice envelope)
{
    uint8_t signature[ENVELOPE_SIGNATURE_BYTES];
    fill_signature(signature);
    assert_true(envelope.size < 256);
    const uint8_t head[] = {0x92, 0xc4, (uint8_t)envelope.size};
    const uint8_t middle[] = {0xc4, 64};
    buffer_clear(&command);
    buffer_append(&command, head, sizeof head);
    buffer_append(&command, envelope.data, envelope.size);
    buffer_append(&command, middle, sizeof middle);
    buffer_append(&command, signature, sizeof signature);
    assert_int_equal(command.status, CONCLAVE_OK);
    return buffer_slice(&command);
}

static void expect_refused(struct slice bytes, enum conclave_code code, const char *text)
{
    struct envelope envelope;
    memset(&error, 0, sizeof error);
    assert_int_equal(envelope_decode(&envelope, bytes, &error), code);
    if (strcmp(error.text, text) != 0) {
        fail_msg("got \"%s\", expected \"%s\"", error.text, text);
    }
}

static void test_decode(void **state)
{
    (void)state;
    uint8_t signature[ENVELOPE_SIGNATURE_BYTES];
    fill_signature(signature);
    struct slice bytes = wrap(slice_of(packed_envelope, sizeof packed_envelope));
    struct envelope envelope;
    assert_int_equal(envelope_decode(&envelope, bytes, &error), CONCLAVE_OK);
    assert_true(slice_equal(envelope.bytes, slice_of(packed_envelope, sizeof packed_envelope)));
    assert_ptr_equal(envelope.bytes.data, bytes.data + 3);
    assert_true(slice_equal(envelope.signature, slice_of(signature, sizeof signature)));
    assert_true(slice_equal(envelope.cluster, slice_of(packed_envelope + CLUSTER_AT, 16)));
    assert_true(slice_is_text(envelope.author, "ada"));
    assert_true(slice_equal(envelope.nonce, slice_of(packed_envelope + NONCE_AT, 16)));
    assert_int_equal(envelope.not_after_ms, 1000);
    assert_true(slice_is_text(envelope.kind, "poll.close"));
    assert_int_equal(envelope.body->type, MSGPACK_OBJECT_MAP);
    assert_int_equal(envelope.body->via.map.size, 1);
    envelope_close(&envelope);
}

/* What is written is byte for byte what was packed by hand. */
static void test_write(void **state)
{
    (void)state;
    uint8_t signature[ENVELOPE_SIGNATURE_BYTES];
    fill_signature(signature);
    struct envelope head = {
        .cluster = slice_of(packed_envelope + CLUSTER_AT, 16),
        .author = slice_of_text("ada"),
        .nonce = slice_of(packed_envelope + NONCE_AT, 16),
        .not_after_ms = 1000,
        .kind = slice_of_text("poll.close"),
    };
    struct buffer written;
    struct buffer whole;
    buffer_init(&written, 1000);
    buffer_init(&whole, 1000);
    envelope_write_head(&written, &head);
    codec_write_map(&written, 1);
    codec_write_text(&written, "id");
    codec_write_text(&written, "p1");
    assert_true(
        slice_equal(buffer_slice(&written), slice_of(packed_envelope, sizeof packed_envelope)));
    envelope_write_command(&whole, buffer_slice(&written), slice_of(signature, sizeof signature));
    assert_true(
        slice_equal(buffer_slice(&whole), wrap(slice_of(packed_envelope, sizeof packed_envelope))));
    buffer_close(&whole);
    buffer_close(&written);
}

static void test_not_a_command(void **state)
{
    (void)state;
    expect_refused(slice_of_text(""), CONCLAVE_BAD_REQUEST,
                   "the command is not one MessagePack value");
    expect_refused(slice_of("\xc1", 1), CONCLAVE_BAD_REQUEST,
                   "the command is not one MessagePack value");
    expect_refused(slice_of("\x80", 1), CONCLAVE_BAD_REQUEST,
                   "the command is not [envelope: bin, signature: bin]");
    expect_refused(slice_of("\x92\xa1x\xc4\x00", 5), CONCLAVE_BAD_REQUEST,
                   "the command is not [envelope: bin, signature: bin]");
    expect_refused(slice_of("\x92\xc4\x01\x90\xc4\x01\x00", 7), CONCLAVE_BAD_REQUEST,
                   "the signature has 1 bytes, not 64");
    struct slice bytes = wrap(slice_of(packed_envelope, sizeof packed_envelope));
    for (size_t size = 0; size < bytes.size; size++) {
        struct envelope envelope;
        assert_int_equal(envelope_decode(&envelope, slice_of(bytes.data, size), &error),
                         CONCLAVE_BAD_REQUEST);
    }
}

/* The envelope with one byte changed or a piece cut off. */
static void test_not_an_envelope(void **state)
{
    (void)state;
    uint8_t bytes[sizeof packed_envelope] = {0};
    struct slice changed = slice_of(bytes, sizeof bytes);
    expect_refused(wrap(slice_of(packed_envelope, sizeof packed_envelope - 1)),
                   CONCLAVE_BAD_REQUEST, "the envelope is not one MessagePack value");
    expect_refused(wrap(slice_of("\x90", 1)), CONCLAVE_BAD_REQUEST,
                   "the envelope's bytes are not an array that starts with a version");
    expect_refused(wrap(slice_of("\x91\xa1x", 3)), CONCLAVE_BAD_REQUEST,
                   "the envelope's bytes are not an array that starts with a version");
    expect_refused(wrap(slice_of("\x91\x01", 2)), CONCLAVE_BAD_REQUEST,
                   "the envelope's array does not have 7 elements");
    expect_refused(wrap(slice_of("\x91\x02", 2)), CONCLAVE_BAD_VERSION,
                   "the envelope has version 2, only 1 is known here");
    memcpy(bytes, packed_envelope, sizeof bytes);
    bytes[2] = 0xd9; /* a string, not a bin */
    expect_refused(wrap(changed), CONCLAVE_BAD_REQUEST,
                   "the envelope's cluster id is not a bin of 16 bytes");
    memcpy(bytes, packed_envelope, sizeof bytes);
    bytes[AUTHOR_AT + 2] = ' ';
    expect_refused(wrap(changed), CONCLAVE_BAD_REQUEST, "the envelope's author is not an id");
    memcpy(bytes, packed_envelope, sizeof bytes);
    bytes[NONCE_AT - 2] = 0xd9;
    expect_refused(wrap(changed), CONCLAVE_BAD_REQUEST,
                   "the envelope's nonce is not a bin of 16 bytes");
    memcpy(bytes, packed_envelope, sizeof bytes);
    bytes[NONCE_AT + 16] = 0xd1; /* int 16 0x83e8: negative */
    bytes[NONCE_AT + 17] = 0x83;
    expect_refused(wrap(changed), CONCLAVE_BAD_REQUEST,
                   "the envelope's not_after is not an unsigned integer");
    memcpy(bytes, packed_envelope, sizeof bytes);
    bytes[NONCE_AT + 20] = 0xff; /* in the kind: no UTF-8 */
    expect_refused(wrap(changed), CONCLAVE_BAD_REQUEST, "the envelope's kind is not a string");
    memcpy(bytes, packed_envelope, sizeof bytes);
    bytes[sizeof bytes - 7] = 0x92; /* an array, not a map */
    expect_refused(wrap(changed), CONCLAVE_BAD_REQUEST, "the envelope's body is not a map");
}

/* An envelope of exactly the limit is taken, one byte more is not. */
static void test_sizes(void **state)
{
    (void)state;
    static uint8_t filling[LIMIT_COMMAND_BYTES];
    uint8_t signature[ENVELOPE_SIGNATURE_BYTES] = {0};
    struct envelope head = {
        .cluster = slice_of(packed_envelope + CLUSTER_AT, 16),
        .author = slice_of_text("ada"),
        .nonce = slice_of(packed_envelope + NONCE_AT, 16),
        .kind = slice_of_text("k"),
    };
    struct buffer written;
    buffer_init(&written, 200000);
    envelope_write_head(&written, &head);
    const size_t head_size = written.size;
    for (size_t over = 0; over < 2; over++) {
        /* the body: a map of one, its key "b", and a bin with a head of 5 */
        size_t size = LIMIT_COMMAND_BYTES - head_size - 1 - 2 - 5 + over;
        struct envelope envelope;
        buffer_clear(&written);
        buffer_clear(&command);
        envelope_write_head(&written, &head);
        codec_write_map(&written, 1);
        codec_write_text(&written, "b");
        codec_write_bytes(&written, slice_of(filling, size));
        assert_int_equal(written.size, LIMIT_COMMAND_BYTES + over);
        envelope_write_command(&command, buffer_slice(&written),
                               slice_of(signature, sizeof signature));
        assert_int_equal(command.status, CONCLAVE_OK);
        enum conclave_code rv = envelope_decode(&envelope, buffer_slice(&command), &error);
        assert_int_equal(rv, over == 0 ? CONCLAVE_OK : CONCLAVE_TOO_LARGE);
        if (rv == CONCLAVE_OK) {
            envelope_close(&envelope);
        }
    }
    assert_non_null(strstr(error.text, "98304")); /* 96 KiB */
    buffer_close(&written);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    struct slice bytes = wrap(slice_of(packed_envelope, sizeof packed_envelope));
    uint64_t n = 1;
    for (; n < 100; n++) {
        struct envelope envelope;
        memory_fault_arm(n);
        enum conclave_code rv = envelope_decode(&envelope, bytes, &error);
        int hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            envelope_close(&envelope);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
        assert_string_equal(error.text, "out of memory");
    }
    assert_true(n > 2 && n < 100);
}

static void test_ids(void **state)
{
    (void)state;
    static const char longest[] =
        "a234567890123456789012345678901234567890123456789012345678901234";
    static const char *const ids[] = {"a", "7", "gpt-5", "a.b_c-d:e+f", "Z9", longest};
    static const char *const not_ids[] = {"",    "-a",        ".a",  "_a", "a b",
                                          "a/b", "a\xc3\xa4", "a\n", "a@"};
    assert_int_equal(strlen(longest), 64);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_true(envelope_id_valid(slice_of_text(ids[i])));
    }
    for (size_t i = 0; i < sizeof not_ids / sizeof not_ids[0]; i++) {
        assert_false(envelope_id_valid(slice_of_text(not_ids[i])));
    }
    assert_false(envelope_id_valid(slice_of("a\0", 2)));
    char over[66];
    memset(over, 'a', sizeof over);
    assert_false(envelope_id_valid(slice_of(over, 65)));
}

static void test_labels(void **state)
{
    (void)state;
    static const char *const labels[] = {"general", "expert:security", "_x", "-", "a.b"};
    static const char *const not_labels[] = {"", "a b", "a+b", "a/b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        assert_true(envelope_label_valid(slice_of_text(labels[i])));
    }
    for (size_t i = 0; i < sizeof not_labels / sizeof not_labels[0]; i++) {
        assert_false(envelope_label_valid(slice_of_text(not_labels[i])));
    }
    char over[49];
    memset(over, 'a', sizeof over);
    assert_true(envelope_label_valid(slice_of(over, 48)));
    assert_false(envelope_label_valid(slice_of(over, 49)));
}

/* [1, 5, ["p1", "p2"], [bin "cmd"]], packed by hand */
static const uint8_t packed_batch[] = {0x94, 0x01, 0x05, 0x92, 0xa2, 'p', '1', 0xa2,
                                       'p',  '2',  0x91, 0xc4, 0x03, 'c', 'm', 'd'};

static void test_batch(void **state)
{
    (void)state;
    const struct slice closes[] = {slice_of_text("p1"), slice_of_text("p2")};
    const struct slice commands[] = {slice_of_text("cmd")};
    struct slice piece;
    struct batch batch;
    batch_write(&command, 5, closes, 2, commands, 1);
    assert_true(slice_equal(buffer_slice(&command), slice_of(packed_batch, sizeof packed_batch)));
    assert_int_equal(batch_decode(&batch, slice_of(packed_batch, sizeof packed_batch)),
                     CONCLAVE_OK);
    assert_int_equal(batch.time_ms, 5);
    assert_int_equal(batch.close_count, 2);
    assert_int_equal(codec_get_string(&batch.closes[1], &piece), CONCLAVE_OK);
    assert_true(slice_is_text(piece, "p2"));
    assert_int_equal(batch.command_count, 1);
    assert_int_equal(codec_get_bytes(&batch.commands[0], &piece), CONCLAVE_OK);
    assert_true(slice_is_text(piece, "cmd"));
    batch_close(&batch);

    buffer_clear(&command);
    batch_write(&command, UINT64_MAX, NULL, 0, NULL, 0);
    assert_int_equal(batch_decode(&batch, buffer_slice(&command)), CONCLAVE_OK);
    assert_true(batch.time_ms == UINT64_MAX);
    assert_int_equal(batch.close_count, 0);
    assert_int_equal(batch.command_count, 0);
    batch_close(&batch);
}

static void test_not_a_batch(void **state)
{
    (void)state;
    static const struct {
        const char *packed;
        size_t size;
        enum conclave_code code;
    } cases[] = {
        {"\x90", 1, CONCLAVE_BAD_REQUEST},
        {"\xc0", 1, CONCLAVE_BAD_REQUEST},
        {"\x94\x02\x05\x90\x90", 5, CONCLAVE_BAD_VERSION},
        {"\x93\x01\x05\x90", 4, CONCLAVE_BAD_REQUEST},
        {"\x95\x01\x05\x90\x90\x90", 6, CONCLAVE_BAD_REQUEST},
        {"\x94\x01\xff\x90\x90", 5, CONCLAVE_BAD_REQUEST},      /* time -1 */
        {"\x94\x01\x05\x80\x90", 5, CONCLAVE_BAD_REQUEST},      /* closes: a map */
        {"\x94\x01\x05\x91\x01\x90", 6, CONCLAVE_BAD_REQUEST},  /* closes: a number */
        {"\x94\x01\x05\x91\xa1 \x90", 7, CONCLAVE_BAD_REQUEST}, /* closes: no id */
        {"\x94\x01\x05\x90\x91\xa1x", 7, CONCLAVE_BAD_REQUEST}, /* a command that is a string */
        {"\x94\x01\x05\x90\x90\x00", 6, CONCLAVE_BAD_REQUEST},  /* and more */
        {"\x94\x01\x05\x90", 4, CONCLAVE_BAD_REQUEST},          /* cut */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct batch batch;
        assert_int_equal(batch_decode(&batch, slice_of(cases[i].packed, cases[i].size)),
                         cases[i].code);
    }
    struct batch batch;
    memory_fault_arm(1);
    assert_int_equal(batch_decode(&batch, slice_of(packed_batch, sizeof packed_batch)),
                     CONCLAVE_NO_MEMORY);
    memory_fault_arm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_decode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_write, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_a_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_an_envelope, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_allocation_failures, setup, teardown),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_labels),
        cmocka_unit_test_setup_teardown(test_batch, setup, teardown),
        cmocka_unit_test(test_not_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
