/* Frames and handshakes as bytes. The expected MessagePack bytes are written out by hand from its
 * specification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <conclave/limits.h>
#include <stdlib.h>
#include <string.h>

#include "net/frame.h"
#include "net/handshake.h"

static void test_header_is_big_endian(void **state)
{
    (void)state;
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header(0x01020304, header);
    assert_memory_equal(header, "\x01\x02\x03\x04", 4);
    frame_header(0, header);
    assert_memory_equal(header, "\0\0\0\0", 4);
}

/* "abc", "" and "defgh", cut in every way into two pieces, and into single bytes. */
static void test_frames_come_whole_however_cut(void **state)
{
    (void)state;
    static const uint8_t stream[] = "\0\0\0\3abc\0\0\0\0\0\0\0\5defgh";
    static const char *const frames[] = {"abc", "", "defgh"};
    size_t size = sizeof stream - 1;
    for (size_t step = 1; step <= size; step++) {
        struct frame_reader reader;
        frame_reader_init(&reader, 5);
        size_t found = 0;
        for (size_t at = 0; at < size; at += step) {
            size_t piece = size - at < step ? size - at : step;
            assert_int_equal(frame_reader_add(&reader, slice_of(stream + at, piece)), CONCLAVE_OK);
            struct slice frame;
            while (frame_reader_next(&reader, &frame) == CONCLAVE_OK) {
                assert_in_range(found, 0, 2);
                assert_true(slice_is_text(frame, frames[found]));
                found++;
            }
        }
        assert_int_equal(found, 3);
        frame_reader_close(&reader);
    }
}

static void test_too_large_is_refused_by_its_header(void **state)
{
    (void)state;
    struct frame_reader reader;
    struct slice frame;
    frame_reader_init(&reader, 5);
    assert_int_equal(frame_reader_add(&reader, slice_of("\0\0\0\6", 4)), CONCLAVE_OK);
    assert_int_equal(frame_reader_next(&reader, &frame), CONCLAVE_TOO_LARGE);
    frame_reader_close(&reader);
    frame_reader_init(&reader, LIMIT_PEER_FRAME_BYTES);
    assert_int_equal(frame_reader_add(&reader, slice_of("\xff\xff\xff\xff", 4)), CONCLAVE_OK);
    assert_int_equal(frame_reader_next(&reader, &frame), CONCLAVE_TOO_LARGE);
    frame_reader_close(&reader);
}

static void test_largest_frame_fits(void **state)
{
    (void)state;
    struct frame_reader reader;
    struct slice frame;
    uint8_t header[FRAME_HEADER_BYTES];
    uint8_t *data = calloc(1, LIMIT_PEER_FRAME_BYTES);
    assert_non_null(data);
    data[LIMIT_PEER_FRAME_BYTES - 1] = 7;
    frame_reader_init(&reader, LIMIT_PEER_FRAME_BYTES);
    frame_header(LIMIT_PEER_FRAME_BYTES, header);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(frame_reader_add(&reader, slice_of(header, 4)), CONCLAVE_OK);
        assert_int_equal(frame_reader_next(&reader, &frame), CONCLAVE_NOT_FOUND);
        assert_int_equal(frame_reader_add(&reader, slice_of(data, LIMIT_PEER_FRAME_BYTES)),
                         CONCLAVE_OK);
        assert_int_equal(frame_reader_next(&reader, &frame), CONCLAVE_OK);
        assert_int_equal(frame.size, LIMIT_PEER_FRAME_BYTES);
        assert_int_equal(frame.data[LIMIT_PEER_FRAME_BYTES - 1], 7);
    }
    free(data);
    frame_reader_close(&reader);
}

/* array 9, 2, bin8 16, 3, 0xcd 0x0102, bin8 16, 2, bin8 16 (two starts), fixstr "0.1.0", bin8 3 */
static const char greeting[] = "\x99\x02"
                               "\xc4\x10"
                               "cccccccccccccccc"
                               "\x03"
                               "\xcd\x01\x02"
                               "\xc4\x10"
                               "dddddddddddddddd"
                               "\x02"
                               "\xc4\x10"
                               "ssssssssSSSSSSSS"
                               "\xa5"
                               "0.1.0"
                               "\xc4\x03"
                               "tok";

static void test_greeting_bytes(void **state)
{
    (void)state;
    struct handshake handshake = {.from = 3, .to = 0x0102, .program_version = "0.1.0"};
    memset(handshake.cluster_id, 'c', 16);
    memset(handshake.disk.id, 'd', 16);
    handshake.disk.generation = 2;
    handshake.disk.start_count = 2;
    memset(handshake.disk.starts[0], 's', 8);
    memset(handshake.disk.starts[1], 'S', 8);
    handshake.token_size = 3;
    memcpy(handshake.token, "tok", 3);
    struct buffer buffer;
    buffer_init(&buffer, 1024);
    handshake_write(&buffer, &handshake);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    assert_int_equal(buffer.size, sizeof greeting - 1);
    assert_memory_equal(buffer.data, greeting, buffer.size);
    buffer_close(&buffer);

    struct handshake read;
    assert_int_equal(handshake_read(slice_of(greeting, sizeof greeting - 1), &read), CONCLAVE_OK);
    assert_memory_equal(read.cluster_id, handshake.cluster_id, 16);
    assert_memory_equal(read.disk.id, handshake.disk.id, 16);
    assert_int_equal(read.disk.generation, 2);
    assert_int_equal(read.disk.start_count, 2);
    assert_memory_equal(read.disk.starts, "ssssssssSSSSSSSS", 16);
    assert_int_equal(read.token_size, 3);
    assert_memory_equal(read.token, "tok", 3);
    assert_int_equal(read.from, 3);
    assert_int_equal(read.to, 0x0102);
    assert_string_equal(read.program_version, "0.1.0");
}

static void test_damaged_greetings_are_errors(void **state)
{
    (void)state;
    struct handshake read;
    size_t size = sizeof greeting - 1;
    for (size_t cut = 0; cut < size; cut++) {
        assert_int_equal(handshake_read(slice_of(greeting, cut), &read), CONCLAVE_BAD_REQUEST);
    }
    char changed[sizeof greeting];
    memcpy(changed, greeting, sizeof greeting);
    changed[1] = 3;
    assert_int_equal(handshake_read(slice_of(changed, size), &read), CONCLAVE_BAD_VERSION);
    memcpy(changed, greeting, sizeof greeting);
    changed[0] = '\x98'; /* eight items, and one more value behind them */
    assert_int_equal(handshake_read(slice_of(changed, size), &read), CONCLAVE_BAD_REQUEST);
    /* As many start numbers as starts: one too few, none at all. */
    memcpy(changed, greeting, sizeof greeting);
    changed[2 + 18 + 4 + 18] = 3;
    assert_int_equal(handshake_read(slice_of(changed, size), &read), CONCLAVE_BAD_REQUEST);
    changed[2 + 18 + 4 + 18] = 0;
    assert_int_equal(handshake_read(slice_of(changed, size), &read), CONCLAVE_BAD_REQUEST);
    /* A later version may have any shape, if its version comes first. */
    assert_int_equal(handshake_read(slice_of("\x92\x03\xc0", 3), &read), CONCLAVE_BAD_VERSION);
    assert_int_equal(handshake_read(slice_of("\x92\xa1x\xc0", 4), &read), CONCLAVE_BAD_REQUEST);
    assert_int_equal(handshake_read(slice_of("\x90", 1), &read), CONCLAVE_BAD_REQUEST);
    assert_int_equal(handshake_read(slice_of("GET / HTTP/1.1\r\n", 16), &read),
                     CONCLAVE_BAD_REQUEST);
}

static void test_long_version_is_cut(void **state)
{
    (void)state;
    char bytes[128];
    size_t size = sizeof greeting - 1 - 6 - 5;
    memcpy(bytes, greeting, size);
    bytes[size++] = '\xd9'; /* str8 of 40 bytes */
    bytes[size++] = 40;
    memset(bytes + size, 'v', 40);
    size += 40;
    memcpy(bytes + size, "\xc4\0", 2);
    size += 2;
    struct handshake read;
    assert_int_equal(handshake_read(slice_of(bytes, size), &read), CONCLAVE_OK);
    assert_int_equal(strlen(read.program_version), HANDSHAKE_VERSION_BYTES);
}

static void test_answer_bytes(void **state)
{
    (void)state;
    static const char answer[] = "\x93\x02\xad"
                                 "wrong_cluster"
                                 "\xa4"
                                 "why?";
    struct buffer buffer;
    buffer_init(&buffer, 1024);
    handshake_answer_write(&buffer, "wrong_cluster", "why?");
    assert_int_equal(buffer.size, sizeof answer - 1);
    assert_memory_equal(buffer.data, answer, buffer.size);
    buffer_close(&buffer);
    struct handshake_answer read;
    assert_int_equal(handshake_answer_read(slice_of(answer, sizeof answer - 1), &read),
                     CONCLAVE_OK);
    assert_string_equal(read.code, "wrong_cluster");
    assert_string_equal(read.sentence, "why?");
    for (size_t cut = 0; cut < sizeof answer - 1; cut++) {
        assert_int_equal(handshake_answer_read(slice_of(answer, cut), &read), CONCLAVE_BAD_REQUEST);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_is_big_endian),
        cmocka_unit_test(test_frames_come_whole_however_cut),
        cmocka_unit_test(test_too_large_is_refused_by_its_header),
        cmocka_unit_test(test_largest_frame_fits),
        cmocka_unit_test(test_greeting_bytes),
        cmocka_unit_test(test_damaged_greetings_are_errors),
        cmocka_unit_test(test_long_version_is_cut),
        cmocka_unit_test(test_answer_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
