/* The format of stored records, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log/log_record.h"

#define TEXT_BYTES 5u

static void write_record(uint8_t stored[LOG_RECORD_HEAD_BYTES + TEXT_BYTES], uint64_t index)
{
    memcpy(stored + LOG_RECORD_HEAD_BYTES, "hello", TEXT_BYTES);
    struct log_record record = {
        .type = LOG_ENTRY_CONFIGURATION,
        .term = 0x0102030405060708,
        .data = slice_of(stored + LOG_RECORD_HEAD_BYTES, TEXT_BYTES),
    };
    log_record_write_head(stored, index, &record);
}

/* The layout as the header says it. The checksum of no data is the XXH3-64 that xxHash's own
 * documents give for the empty input: 2d06800538d394c2. */
static void test_layout(void **state)
{
    (void)state;
    static const uint8_t expected[24] = {
        1,    3,    0,    0,    0,    0,    0,    0,    /* version, type, zeros, size */
        0x08, 7,    6,    5,    4,    3,    2,    1,    /* term */
        0xc2, 0x94, 0xd3, 0x38, 0x05, 0x80, 0x06, 0x2d, /* checksum of the data */
    };
    uint8_t head[LOG_RECORD_HEAD_BYTES];
    struct log_record record = {.type = LOG_ENTRY_CONFIGURATION, .term = 0x0102030405060708};
    log_record_write_head(head, 1, &record);
    assert_memory_equal(head, expected, sizeof expected);

    uint8_t stored[LOG_RECORD_HEAD_BYTES + TEXT_BYTES];
    write_record(stored, 1);
    assert_int_equal(stored[4], TEXT_BYTES);
    struct log_entry entry;
    assert_int_equal(log_record_read_entry(slice_of(stored, sizeof stored), 1, &entry),
                     CONCLAVE_OK);
    assert_int_equal(entry.type, LOG_ENTRY_CONFIGURATION);
    assert_int_equal(entry.term, 0x0102030405060708);
    assert_true(slice_is_text(entry.data, "hello"));
}

static void test_every_bit_counts(void **state)
{
    (void)state;
    uint8_t stored[LOG_RECORD_HEAD_BYTES + TEXT_BYTES];
    struct log_entry entry;
    struct log_record record;
    write_record(stored, 42);
    for (size_t bit = 0; bit < 8 * sizeof stored; bit++) {
        stored[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(log_record_read_entry(slice_of(stored, sizeof stored), 42, &entry),
                         CONCLAVE_CORRUPT);
        assert_int_equal(log_record_read_head(slice_of(stored, sizeof stored), 42, &record),
                         bit < 8 * LOG_RECORD_HEAD_BYTES ? CONCLAVE_CORRUPT : CONCLAVE_OK);
        stored[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(log_record_read_entry(slice_of(stored, sizeof stored), 42, &entry),
                     CONCLAVE_OK);
}

static void test_wrong_place(void **state)
{
    (void)state;
    uint8_t stored[LOG_RECORD_HEAD_BYTES + TEXT_BYTES];
    struct log_entry entry;
    write_record(stored, 42);
    for (uint64_t index = 0; index < 100; index++) {
        assert_int_equal(log_record_read_entry(slice_of(stored, sizeof stored), index, &entry),
                         index == 42 ? CONCLAVE_OK : CONCLAVE_CORRUPT);
    }
    for (size_t size = 0; size < sizeof stored; size++) {
        assert_int_equal(log_record_read_entry(slice_of(stored, size), 42, &entry),
                         CONCLAVE_CORRUPT);
    }
}

/* A sound record of another kind is no entry. */
static void test_not_an_entry(void **state)
{
    (void)state;
    uint8_t head[LOG_RECORD_HEAD_BYTES];
    struct log_entry entry;
    static const uint8_t types[] = {0, 4, LOG_RECORD_VOTE, LOG_RECORD_IDENTITY, 255};
    for (size_t i = 0; i < sizeof types; i++) {
        struct log_record record = {.type = types[i]};
        log_record_write_head(head, 1, &record);
        assert_int_equal(log_record_read(slice_of(head, sizeof head), 1, &record), CONCLAVE_OK);
        assert_int_equal(log_record_read_entry(slice_of(head, sizeof head), 1, &entry),
                         CONCLAVE_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_wrong_place),
        cmocka_unit_test(test_not_an_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
