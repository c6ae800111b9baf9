/* The journal's frames as bytes: what is whole, torn, damaged, or was there before; any bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log/log_frame.h"

#define FILE_BLOCKS 6u
#define FILE_BYTES  (FILE_BLOCKS * LOG_FRAME_BLOCK_BYTES)
#define ID          UINT64_C(0x1122334455667788)
#define DATA_BYTES  5000u /* two blocks */

static uint8_t file[FILE_BYTES];
static uint8_t record[LOG_RECORD_HEAD_BYTES + DATA_BYTES];

static struct slice make_record(uint64_t index, size_t data_size)
{
    uint8_t data[DATA_BYTES];
    for (size_t i = 0; i < data_size; i++) {
        data[i] = (uint8_t)(index * 5 + i * 3 + i / 256);
    }
    struct log_record head = {.type = LOG_ENTRY_COMMAND, .term = 7, .data = {data, data_size}};
    log_record_write_head(record, index, &head);
    memcpy(record + LOG_RECORD_HEAD_BYTES, data, data_size);
    return slice_of(record, LOG_RECORD_HEAD_BYTES + data_size);
}

/* Writes a frame of one entry into the file; returns its size. */
static uint64_t put_frame(uint64_t offset, uint64_t sequence, uint64_t index, size_t data_size)
{
    struct log_frame_writer writer;
    struct slice bytes = make_record(index, data_size);
    log_frame_begin(&writer, file + offset, index, 1, bytes.size);
    log_frame_add(&writer, bytes);
    log_frame_end(&writer, ID, sequence, offset);
    return log_frame_bytes(bytes.size);
}

static enum log_frame_state look(uint64_t offset, uint64_t sequence, uint64_t *size)
{
    return log_frame_look(slice_of(file, sizeof file), ID, offset, sequence, size);
}

static int setup(void **state)
{
    (void)state;
    memset(file, 0, sizeof file);
    return 0;
}

/* 24 bytes of head and 8 sectors of 496: what one block holds. */
static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(log_frame_bytes(1), 4096);
    assert_int_equal(log_frame_bytes(8 * 496 - 24), 4096);
    assert_int_equal(log_frame_bytes(8 * 496 - 23), 8192);
    assert_int_equal(log_frame_bytes(16 * 496 - 24), 8192);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 400, 440, 441, 3912, 3913, 5000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t payload[FILE_BYTES];
        uint64_t size = 0;
        struct log_frame frame;
        struct slice found;
        struct log_entry entry;
        memset(file, 0xa5, sizeof file); /* what was in the buffer does not matter */
        uint64_t written = put_frame(4096, 9, 77, sizes[i]);
        assert_int_equal(look(4096, 9, &size), LOG_FRAME_WHOLE);
        assert_int_equal(size, written);
        assert_int_equal(log_frame_read(slice_of(file + 4096, size), payload, &frame), CONCLAVE_OK);
        assert_int_equal(frame.first_index, 77);
        assert_int_equal(frame.entry_count, 1);
        assert_int_equal(log_frame_next(&frame.records, &found), CONCLAVE_OK);
        assert_int_equal(frame.records.size, 0);
        assert_true(slice_equal(found, make_record(77, sizes[i])));
        assert_int_equal(log_record_read_entry(found, 77, &entry), CONCLAVE_OK);
        assert_int_equal(log_frame_next(&frame.records, &found), CONCLAVE_CORRUPT);
    }
}

static void test_before_and_after(void **state)
{
    (void)state;
    uint64_t size;
    assert_int_equal(look(4096, 5, &size), LOG_FRAME_NONE); /* never written */
    put_frame(4096, 5, 1, 100);
    assert_int_equal(look(4096, 6, &size), LOG_FRAME_NONE);    /* of an earlier lap */
    assert_int_equal(look(4096, 4, &size), LOG_FRAME_DAMAGED); /* cannot be */
    assert_int_equal(log_frame_look(slice_of(file, sizeof file), ID + 1, 4096, 5, &size),
                     LOG_FRAME_DAMAGED); /* of another file */
    assert_true(log_frame_any_after(slice_of(file, sizeof file), ID, 4));
    assert_false(log_frame_any_after(slice_of(file, sizeof file), ID, 5));
    memmove(file + 8192, file + 4096, 4096);
    assert_int_equal(look(8192, 5, &size), LOG_FRAME_DAMAGED); /* at another place */
}

/* Every set of sectors that can be missing of two blocks, over zeros and over an older frame. */
static void test_torn(void **state)
{
    (void)state;
    uint8_t before[2 * 4096];
    uint8_t after[2 * 4096];
    for (unsigned old = 0; old < 2; old++) {
        memset(file, 0, sizeof file);
        if (old == 1) {
            put_frame(4096, 3, 10, 300);
            put_frame(8192, 4, 11, 300);
        }
        memcpy(before, file + 4096, sizeof before);
        assert_int_equal(put_frame(4096, 8, 20, DATA_BYTES), sizeof after);
        memcpy(after, file + 4096, sizeof after);
        for (unsigned written = 0; written < 1u << 16; written++) {
            uint64_t size;
            for (unsigned sector = 0; sector < 16; sector++) {
                memcpy(file + 4096 + sector * 512,
                       ((written >> sector & 1u) != 0 ? after : before) + sector * 512, 512);
            }
            enum log_frame_state expected = LOG_FRAME_TORN;
            if (written == (1u << 16) - 1) {
                expected = LOG_FRAME_WHOLE;
            } else if ((written & 1u) == 0) {
                expected = LOG_FRAME_NONE; /* without its first sector it is not seen */
            }
            assert_int_equal(look(4096, 8, &size), expected);
            assert_false(log_frame_any_after(slice_of(file, sizeof file), ID, 8));
        }
    }
}

/* Any bit of a whole frame: never taken for a torn one. */
static void test_damaged(void **state)
{
    (void)state;
    uint64_t size = put_frame(4096, 8, 20, DATA_BYTES);
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        uint64_t found;
        file[4096 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(look(4096, 8, &found), LOG_FRAME_DAMAGED);
        file[4096 + bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(look(4096, 8, &size), LOG_FRAME_WHOLE);
}

static void test_first_block(void **state)
{
    (void)state;
    const struct log_frame_file written = {.id = ID, .bytes = FILE_BYTES};
    struct log_frame_file read;
    log_frame_write_file(file, &written);
    assert_int_equal(log_frame_read_file(file, &read), CONCLAVE_OK);
    assert_int_equal(read.id, ID);
    assert_int_equal(read.bytes, FILE_BYTES);
    for (unsigned bit = 0; bit < LOG_FRAME_BLOCK_BYTES * 8; bit++) {
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(log_frame_read_file(file, &read), CONCLAVE_CORRUPT);
        file[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

/* Sound sectors with senseless numbers in them. */
static void test_malformed(void **state)
{
    (void)state;
    uint8_t payload[FILE_BYTES];
    struct log_frame frame;
    struct slice records;
    struct slice found;
    uint64_t size = put_frame(4096, 1, 1, 100);
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {{8, 2}, {9, 1}, {8 + 4, 0}, {8 + 8, 0}, {8 + 9, 0x20}, {8 + 16, 0}};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        uint8_t was = file[4096 + changes[i].at];
        file[4096 + changes[i].at] = changes[i].value;
        assert_int_equal(log_frame_read(slice_of(file + 4096, size), payload, &frame),
                         CONCLAVE_CORRUPT);
        file[4096 + changes[i].at] = was;
    }
    records = make_record(1, 100);
    records.size--;
    assert_int_equal(log_frame_next(&records, &found), CONCLAVE_CORRUPT);
    records.size = LOG_RECORD_HEAD_BYTES - 1;
    assert_int_equal(log_frame_next(&records, &found), CONCLAVE_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test_setup(test_before_and_after, setup),
        cmocka_unit_test_setup(test_torn, setup),
        cmocka_unit_test_setup(test_damaged, setup),
        cmocka_unit_test_setup(test_first_block, setup),
        cmocka_unit_test_setup(test_malformed, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
