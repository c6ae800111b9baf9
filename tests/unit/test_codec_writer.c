/* Writing MessagePack: each format's bytes, as the MessagePack specification (section "Formats")
 * has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "codec/writer.h"

static struct buffer buffer;

static int setup(void **state)
{
    (void)state;
    buffer_init(&buffer, 200000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_close(&buffer);
    return 0;
}

/* The buffer holds exactly these bytes; then it is emptied. */
#define EXPECT_BYTES(...)                                            \
    do {                                                             \
        static const uint8_t expected[] = {__VA_ARGS__};             \
        assert_int_equal(buffer.status, CONCLAVE_OK);                \
        assert_int_equal(buffer.size, sizeof expected);              \
        assert_memory_equal(buffer.data, expected, sizeof expected); \
        buffer_clear(&buffer);                                       \
    } while (0)

static void test_constants(void **state)
{
    (void)state;
    codec_write_nil(&buffer);
    EXPECT_BYTES(0xc0);
    codec_write_bool(&buffer, false);
    EXPECT_BYTES(0xc2);
    codec_write_bool(&buffer, true);
    EXPECT_BYTES(0xc3);
}

/* The shortest form of each number, at both ends of each form. */
static void test_integers(void **state)
{
    (void)state;
    codec_write_u64(&buffer, 0);
    EXPECT_BYTES(0x00);
    codec_write_u64(&buffer, 127);
    EXPECT_BYTES(0x7f);
    codec_write_u64(&buffer, 128);
    EXPECT_BYTES(0xcc, 0x80);
    codec_write_u64(&buffer, 255);
    EXPECT_BYTES(0xcc, 0xff);
    codec_write_u64(&buffer, 256);
    EXPECT_BYTES(0xcd, 0x01, 0x00);
    codec_write_u64(&buffer, 65535);
    EXPECT_BYTES(0xcd, 0xff, 0xff);
    codec_write_u64(&buffer, 65536);
    EXPECT_BYTES(0xce, 0x00, 0x01, 0x00, 0x00);
    codec_write_u64(&buffer, 4294967295u);
    EXPECT_BYTES(0xce, 0xff, 0xff, 0xff, 0xff);
    codec_write_u64(&buffer, 4294967296u);
    EXPECT_BYTES(0xcf, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00);
    codec_write_u64(&buffer, UINT64_MAX);
    EXPECT_BYTES(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);

    codec_write_i64(&buffer, 127);
    EXPECT_BYTES(0x7f);
    codec_write_i64(&buffer, -1);
    EXPECT_BYTES(0xff);
    codec_write_i64(&buffer, -32);
    EXPECT_BYTES(0xe0);
    codec_write_i64(&buffer, -33);
    EXPECT_BYTES(0xd0, 0xdf);
    codec_write_i64(&buffer, -128);
    EXPECT_BYTES(0xd0, 0x80);
    codec_write_i64(&buffer, -129);
    EXPECT_BYTES(0xd1, 0xff, 0x7f);
    codec_write_i64(&buffer, -32768);
    EXPECT_BYTES(0xd1, 0x80, 0x00);
    codec_write_i64(&buffer, -32769);
    EXPECT_BYTES(0xd2, 0xff, 0xff, 0x7f, 0xff);
    codec_write_i64(&buffer, INT32_MIN);
    EXPECT_BYTES(0xd2, 0x80, 0x00, 0x00, 0x00);
    codec_write_i64(&buffer, INT64_MIN);
    EXPECT_BYTES(0xd3, 0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00);
}

/* The head of a value of `size` payload bytes. */
static void expect_head(const uint8_t *head, size_t head_size, size_t size)
{
    assert_int_equal(buffer.status, CONCLAVE_OK);
    assert_int_equal(buffer.size, head_size + size);
    assert_memory_equal(buffer.data, head, head_size);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(buffer.data[head_size + i], 'x');
    }
    buffer_clear(&buffer);
}

static void test_strings_and_bytes(void **state)
{
    (void)state;
    static uint8_t text[65536];
    static const struct {
        size_t size;
        uint8_t string_head[5];
        size_t string_head_size;
        uint8_t bytes_head[5];
        size_t bytes_head_size;
    } cases[] = {
        {0, {0xa0}, 1, {0xc4, 0}, 2},
        {31, {0xbf}, 1, {0xc4, 31}, 2},
        {32, {0xd9, 32}, 2, {0xc4, 32}, 2},
        {255, {0xd9, 255}, 2, {0xc4, 255}, 2},
        {256, {0xda, 1, 0}, 3, {0xc5, 1, 0}, 3},
        {65535, {0xda, 0xff, 0xff}, 3, {0xc5, 0xff, 0xff}, 3},
        {65536, {0xdb, 0, 1, 0, 0}, 5, {0xc6, 0, 1, 0, 0}, 5},
    };
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        codec_write_string(&buffer, slice_of(text, cases[i].size));
        expect_head(cases[i].string_head, cases[i].string_head_size, cases[i].size);
        codec_write_bytes(&buffer, slice_of(text, cases[i].size));
        expect_head(cases[i].bytes_head, cases[i].bytes_head_size, cases[i].size);
    }
    codec_write_string(&buffer, slice_of(NULL, 0));
    EXPECT_BYTES(0xa0);
}

static void test_containers(void **state)
{
    (void)state;
    codec_write_array(&buffer, 0);
    EXPECT_BYTES(0x90);
    codec_write_array(&buffer, 15);
    EXPECT_BYTES(0x9f);
    codec_write_array(&buffer, 16);
    EXPECT_BYTES(0xdc, 0x00, 0x10);
    codec_write_array(&buffer, 65536);
    EXPECT_BYTES(0xdd, 0x00, 0x01, 0x00, 0x00);
    codec_write_map(&buffer, 0);
    EXPECT_BYTES(0x80);
    codec_write_map(&buffer, 15);
    EXPECT_BYTES(0x8f);
    codec_write_map(&buffer, 16);
    EXPECT_BYTES(0xde, 0x00, 0x10);
    codec_write_map(&buffer, 65536);
    EXPECT_BYTES(0xdf, 0x00, 0x01, 0x00, 0x00);
}

/* The example of msgpack.org: {"compact": true, "schema": 0} in 18 bytes. */
static void test_example(void **state)
{
    (void)state;
    codec_write_map(&buffer, 2);
    codec_write_text(&buffer, "compact");
    codec_write_bool(&buffer, true);
    codec_write_text(&buffer, "schema");
    codec_write_raw(&buffer, slice_of("\x00", 1));
    EXPECT_BYTES(0x82, 0xa7, 'c', 'o', 'm', 'p', 'a', 'c', 't', 0xc3, 0xa6, 's', 'c', 'h', 'e', 'm',
                 'a', 0x00);
}

static void write_everything(struct buffer *to)
{
    codec_write_map(to, 2);
    codec_write_text(to, "a");
    codec_write_array(to, 4);
    codec_write_nil(to);
    codec_write_bool(to, true);
    codec_write_i64(to, -1000);
    codec_write_u64(to, 1000000);
    codec_write_bytes(to, slice_of_text("some bytes"));
    codec_write_raw(to, slice_of("\xc0", 1));
}

/* What does not fit is remembered, whatever is written after it. */
static void test_limit(void **state)
{
    (void)state;
    struct buffer whole;
    buffer_init(&whole, 1000);
    write_everything(&whole);
    assert_int_equal(whole.status, CONCLAVE_OK);
    for (size_t limit = 1; limit <= whole.size; limit++) {
        struct buffer small;
        buffer_init(&small, limit);
        write_everything(&small);
        assert_int_equal(small.status, limit < whole.size ? CONCLAVE_TOO_LARGE : CONCLAVE_OK);
        assert_true(small.size <= limit);
        assert_memory_equal(small.data, whole.data, small.size);
        buffer_close(&small);
    }
    buffer_close(&whole);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    static uint8_t large[3000];
    uint64_t n = 1;
    for (; n < 100; n++) {
        struct buffer small;
        buffer_init(&small, 100000);
        memory_fault_arm(n);
        for (unsigned i = 0; i < 10; i++) {
            write_everything(&small);
            codec_write_bytes(&small, slice_of(large, sizeof large));
        }
        int hit = memory_fault_hit();
        memory_fault_arm(0);
        assert_int_equal(small.status, hit ? CONCLAVE_NO_MEMORY : CONCLAVE_OK);
        buffer_close(&small);
        if (!hit) {
            break;
        }
    }
    assert_true(n > 2 && n < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_constants, setup, teardown),
        cmocka_unit_test_setup_teardown(test_integers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_strings_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_containers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_example, setup, teardown),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
