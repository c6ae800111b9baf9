/* Reading MessagePack from outside: every format of the specification, and bytes that nobody should
 * send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <conclave/limits.h>

#include "base/memory.h"
#include "codec/reader.h"
#include "codec/utf8.h"

#define BYTES(...) slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static struct codec_tree parse(struct slice input)
{
    struct codec_tree tree;
    assert_int_equal(codec_parse(&tree, input), CONCLAVE_OK);
    return tree;
}

static void expect_u64(struct slice input, uint64_t expected)
{
    uint64_t value;
    struct codec_tree tree = parse(input);
    assert_int_equal(codec_get_u64(&tree.root, &value), CONCLAVE_OK);
    assert_true(value == expected);
    codec_tree_close(&tree);
}

static void expect_i64(struct slice input, int64_t expected)
{
    int64_t value;
    uint64_t natural;
    struct codec_tree tree = parse(input);
    assert_int_equal(codec_get_i64(&tree.root, &value), CONCLAVE_OK);
    assert_true(value == expected);
    assert_int_equal(codec_get_u64(&tree.root, &natural),
                     expected < 0 ? CONCLAVE_BAD_REQUEST : CONCLAVE_OK);
    codec_tree_close(&tree);
}

/* Each width of the same number (the table "number-positive" of kawanet/msgpack-test-suite, and the
 * specification). */
static void test_integers(void **state)
{
    (void)state;
    expect_u64(BYTES(0x00), 0);
    expect_u64(BYTES(0x7f), 127);
    expect_u64(BYTES(0xcc, 0x80), 128);
    expect_u64(BYTES(0xcd, 0x00, 0x80), 128);
    expect_u64(BYTES(0xce, 0x00, 0x00, 0x00, 0x80), 128);
    expect_u64(BYTES(0xcf, 0, 0, 0, 0, 0, 0, 0, 0x80), 128);
    expect_u64(BYTES(0xd1, 0x00, 0x80), 128);
    expect_u64(BYTES(0xd2, 0x00, 0x00, 0x00, 0x80), 128);
    expect_u64(BYTES(0xd3, 0, 0, 0, 0, 0, 0, 0, 0x80), 128);
    expect_u64(BYTES(0xd0, 0x7f), 127);
    expect_u64(BYTES(0xce, 0x80, 0x00, 0x00, 0x00), 2147483648u);
    expect_u64(BYTES(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), UINT64_MAX);
    expect_i64(BYTES(0xff), -1);
    expect_i64(BYTES(0xe0), -32);
    expect_i64(BYTES(0xd0, 0xdf), -33);
    expect_i64(BYTES(0xd0, 0x80), -128);
    expect_i64(BYTES(0xd1, 0xff, 0x7f), -129);
    expect_i64(BYTES(0xd2, 0x80, 0x00, 0x00, 0x00), INT32_MIN);
    expect_i64(BYTES(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0), INT64_MIN);
    expect_i64(BYTES(0xcf, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), INT64_MAX);

    struct codec_tree tree = parse(BYTES(0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0));
    int64_t value;
    assert_int_equal(codec_get_i64(&tree.root, &value), CONCLAVE_BAD_REQUEST);
    codec_tree_close(&tree);
}

/* A value of each type is of that type only. */
static void test_types(void **state)
{
    (void)state;
    static const struct slice inputs[] = {
        {(const uint8_t *)"\xc0", 1},                 /* nil */
        {(const uint8_t *)"\xc3", 1},                 /* true */
        {(const uint8_t *)"\x07", 1},                 /* 7 */
        {(const uint8_t *)"\xf9", 1},                 /* -7 */
        {(const uint8_t *)"\xca\x3f\x80\x00\x00", 5}, /* float 1.0 */
        {(const uint8_t *)"\xcb\x3f\xf0\x00\x00\x00\x00\x00\x00", 9},
        {(const uint8_t *)"\xa1x", 2},        /* "x" */
        {(const uint8_t *)"\xc4\x01x", 3},    /* bin */
        {(const uint8_t *)"\x91\x01", 2},     /* [1] */
        {(const uint8_t *)"\x81\xa1x\x01", 4} /* {"x": 1} */
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        bool truth;
        uint64_t natural;
        int64_t integer;
        struct slice text;
        const msgpack_object *items;
        uint32_t count;
        struct codec_tree tree = parse(inputs[i]);
        assert_int_equal(codec_get_bool(&tree.root, &truth) == CONCLAVE_OK, i == 1);
        assert_int_equal(codec_get_u64(&tree.root, &natural) == CONCLAVE_OK, i == 2);
        assert_int_equal(codec_get_i64(&tree.root, &integer) == CONCLAVE_OK, i == 2 || i == 3);
        assert_int_equal(codec_get_string(&tree.root, &text) == CONCLAVE_OK, i == 6);
        assert_int_equal(codec_get_bytes(&tree.root, &text) == CONCLAVE_OK, i == 7);
        assert_int_equal(codec_get_array(&tree.root, 0, 9, &items, &count) == CONCLAVE_OK, i == 8);
        codec_tree_close(&tree);
    }
}

static void test_strings_point_into_input(void **state)
{
    (void)state;
    struct slice input = slice_of("\x92\xa5hello\xc4\x03\x00\x01\xff", 12);
    struct codec_tree tree = parse(input);
    const msgpack_object *items;
    uint32_t count;
    struct slice text;
    assert_int_equal(codec_get_array(&tree.root, 2, 2, &items, &count), CONCLAVE_OK);
    assert_int_equal(codec_get_string(&items[0], &text), CONCLAVE_OK);
    assert_true(slice_is_text(text, "hello"));
    assert_ptr_equal(text.data, input.data + 2);
    assert_int_equal(codec_get_bytes(&items[1], &text), CONCLAVE_OK);
    assert_true(slice_equal(text, slice_of("\x00\x01\xff", 3)));
    assert_ptr_equal(text.data, input.data + 9);
    assert_int_equal(codec_get_array(&tree.root, 3, 9, &items, &count), CONCLAVE_BAD_REQUEST);
    assert_int_equal(codec_get_array(&tree.root, 0, 1, &items, &count), CONCLAVE_BAD_REQUEST);
    codec_tree_close(&tree);
    codec_tree_close(&tree); /* harmless */
}

/* RFC 3629: the grammar of section 4 at its borders, and what it forbids. */
static void test_utf8(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "",
        "plain ASCII that is longer than a machine word",
        "\xc2\x80",                                 /* U+0080 */
        "\xdf\xbf",                                 /* U+07FF */
        "\xe0\xa0\x80",                             /* U+0800 */
        "\xed\x9f\xbf",                             /* U+D7FF */
        "\xee\x80\x80",                             /* U+E000 */
        "\xef\xbf\xbf",                             /* U+FFFF */
        "\xf0\x90\x80\x80",                         /* U+10000 */
        "\xf4\x8f\xbf\xbf",                         /* U+10FFFF */
        "A\xe2\x89\xa2\xce\x91.",                   /* section 7 */
        "\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4",     /* section 7 */
        "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",     /* section 7 */
        "\xef\xbb\xbf\xf0\xa3\x8e\xb4",             /* section 7 */
        "twelve bytes\xc3\xa4 and then some more.", /* across words */
    };
    static const char *const invalid[] = {
        "\x80",                 /* a tail alone */
        "\xbf",                 /* likewise */
        "\xc0\x80",             /* overlong NUL, section 10 */
        "\xc1\xbf",             /* overlong U+007F */
        "\xc2",                 /* cut */
        "\xc2\x41",             /* no tail */
        "\xe0\x9f\xbf",         /* overlong U+07FF */
        "\xe0\xa0",             /* cut */
        "\xed\xa0\x80",         /* U+D800, a surrogate */
        "\xed\xbf\xbf",         /* U+DFFF */
        "\xe2\x89\x41",         /* wrong third byte */
        "\xf0\x8f\xbf\xbf",     /* overlong U+FFFF */
        "\xf0\x90\x80",         /* cut */
        "\xf4\x90\x80\x80",     /* U+110000 */
        "\xf5\x80\x80\x80",     /* no such first byte */
        "\xfe",                 /* likewise */
        "\xff",                 /* likewise */
        "2F\xc0\xae./",         /* section 10 */
        "eight by\xc3\xa4\xc3", /* cut after a word */
        "01234567\x80"          /* a tail after a word */
    };
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        assert_true(codec_utf8_valid(slice_of_text(valid[i])));
    }
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++) {
        assert_false(codec_utf8_valid(slice_of_text(invalid[i])));
    }
    assert_true(codec_utf8_valid(slice_of("a\0b", 3)));

    struct slice text;
    struct codec_tree tree = parse(BYTES(0xa2, 0xc0, 0x80));
    assert_int_equal(codec_get_string(&tree.root, &text), CONCLAVE_BAD_REQUEST);
    codec_tree_close(&tree);
}

/* One value and all of the input, or nothing. */
static void test_not_one_value(void **state)
{
    (void)state;
    static const struct slice inputs[] = {
        {(const uint8_t *)"", 0},
        {(const uint8_t *)"\x01\x02", 2},                 /* two values */
        {(const uint8_t *)"\xc1", 1},                     /* never used */
        {(const uint8_t *)"\xcc", 1},                     /* cut uint 8 */
        {(const uint8_t *)"\xcf\0\0\0\0\0\0\0", 8},       /* cut uint 64 */
        {(const uint8_t *)"\xa2x", 2},                    /* cut string */
        {(const uint8_t *)"\xd9", 1},                     /* a string without its length */
        {(const uint8_t *)"\xdb\xff\xff\xff\xff", 5},     /* a string of 4 GiB */
        {(const uint8_t *)"\xc6\xff\xff\xff\xff", 5},     /* bytes, 4 GiB */
        {(const uint8_t *)"\xdd\xff\xff\xff\xff", 5},     /* an array of 2^32 - 1 */
        {(const uint8_t *)"\xdd\x00\x10\x00\x00\x01", 6}, /* of 2^20 */
        {(const uint8_t *)"\xdf\xff\xff\xff\xff", 5},     /* a map of 2^32 - 1 */
        {(const uint8_t *)"\xdf\x80\x00\x00\x00", 5}, /* of 2^31: twice that does not fit 32 bits */
        {(const uint8_t *)"\x92\x01", 2},             /* one of two */
        {(const uint8_t *)"\x81\xa1x", 3},            /* a key without its value */
        {(const uint8_t *)"\xd4\x01\x00", 3},         /* fixext 1 */
        {(const uint8_t *)"\xd6\xff\0\0\0\0", 6},     /* a timestamp */
        {(const uint8_t *)"\xc7\x01\x05\x00", 4},     /* ext 8 */
        {(const uint8_t *)"\x91\xd8\x01", 3},         /* fixext 16 within */
    };
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        struct codec_tree tree;
        assert_int_equal(codec_parse(&tree, inputs[i]), CONCLAVE_BAD_REQUEST);
    }
}

/* `depth` arrays, each but the innermost with the next in it. */
static size_t nest(uint8_t bytes[64], size_t depth, bool empty)
{
    memset(bytes, 0x91, depth);
    if (empty) {
        bytes[depth - 1] = 0x90;
        return depth;
    }
    bytes[depth] = 0x05;
    return depth + 1;
}

static void test_nesting(void **state)
{
    (void)state;
    uint8_t bytes[64];
    for (int empty = 0; empty < 2; empty++) {
        struct codec_tree tree;
        size_t size = nest(bytes, LIMIT_NESTING, empty == 1);
        assert_int_equal(codec_parse(&tree, slice_of(bytes, size)), CONCLAVE_OK);
        codec_tree_close(&tree);
        size = nest(bytes, LIMIT_NESTING + 1, empty == 1);
        assert_int_equal(codec_parse(&tree, slice_of(bytes, size)), CONCLAVE_BAD_REQUEST);
        size = nest(bytes, 60, empty == 1);
        assert_int_equal(codec_parse(&tree, slice_of(bytes, size)), CONCLAVE_BAD_REQUEST);
    }
    struct codec_scan scan = {0};
    (void)nest(bytes, LIMIT_NESTING + 1, false);
    assert_int_equal(codec_scan(&scan, slice_of(bytes, LIMIT_NESTING + 1)), CODEC_SCAN_MALFORMED);
}

/* {"a": [1, -1, "hé", bin 3, nil, true, 1.5, {}], "b": str 8 of 40, 300: []} and what comes after
 * it. */
static size_t make_stream(uint8_t stream[200])
{
    static const uint8_t head[] = {0x83, 0xa1, 'a', 0x98, 0x01, 0xd0, 0xff, 0xa3, 'h',  0xc3, 0xa9,
                                   0xc4, 0x03, 1,   2,    3,    0xc0, 0xc3, 0xcb, 0x3f, 0xf8, 0,
                                   0,    0,    0,   0,    0,    0x80, 0xa1, 'b',  0xd9, 40};
    static const uint8_t tail[] = {0xcd, 0x01, 0x2c, 0xdc, 0x00, 0x00};
    memcpy(stream, head, sizeof head);
    memset(stream + sizeof head, 'z', 40);
    memcpy(stream + sizeof head + 40, tail, sizeof tail);
    return sizeof head + 40 + sizeof tail;
}

/* However the bytes arrive, the value ends in the same place. */
static void test_scan_in_pieces(void **state)
{
    (void)state;
    uint8_t stream[200];
    size_t size = make_stream(stream);
    for (size_t step = 1; step <= size; step++) {
        struct codec_scan scan = {0};
        size_t given = 0;
        while (given < size) {
            given = given + step < size ? given + step : size;
            enum codec_scan_result result = codec_scan(&scan, slice_of(stream, given));
            assert_int_equal(result, given < size ? CODEC_SCAN_INCOMPLETE : CODEC_SCAN_COMPLETE);
            assert_true(scan.offset <= given);
        }
        assert_int_equal(scan.offset, size);
        assert_int_equal(codec_scan(&scan, slice_of(stream, size)), CODEC_SCAN_COMPLETE);
    }
    stream[size] = 0xc1; /* after the value: not looked at */
    struct codec_scan scan = {0};
    assert_int_equal(codec_scan(&scan, slice_of(stream, size + 1)), CODEC_SCAN_COMPLETE);
    assert_int_equal(scan.offset, size);
    struct codec_scan next = {0};
    assert_int_equal(codec_scan(&next, slice_of(stream + size, 1)), CODEC_SCAN_MALFORMED);
    assert_int_equal(codec_scan(&next, slice_of(stream + size, 1)), CODEC_SCAN_MALFORMED);
    assert_int_equal(next.offset, 0);
}

/* Every first byte alone: complete, incomplete or malformed, as the specification's table of
 * formats says. */
static void test_scan_first_bytes(void **state)
{
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        uint8_t byte = (uint8_t)first;
        struct codec_scan scan = {0};
        enum codec_scan_result result = codec_scan(&scan, slice_of(&byte, 1));
        bool alone = first <= 0x7f || first >= 0xe0 || first == 0x80 || first == 0x90 ||
                     first == 0xa0 || first == 0xc0 || first == 0xc2 || first == 0xc3;
        bool never = first == 0xc1 || (first >= 0xc7 && first <= 0xc9) ||
                     (first >= 0xd4 && first <= 0xd8);
        assert_int_equal(result, alone   ? CODEC_SCAN_COMPLETE
                                 : never ? CODEC_SCAN_MALFORMED
                                         : CODEC_SCAN_INCOMPLETE);
    }
}

/* The scan and the unpacker agree on random bytes: no value that the scan lets through is refused,
 * and what is read of it stays within the input (the sanitizers watch). */
static void test_random_bytes(void **state)
{
    (void)state;
    uint64_t seed = 7;
    unsigned parsed = 0;
    for (unsigned round = 0; round < 200000; round++) {
        uint8_t bytes[24];
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t size = 1 + (seed >> 33) % sizeof bytes;
        for (size_t i = 0; i < size; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            bytes[i] = (uint8_t)(seed >> 40);
        }
        struct codec_scan scan = {0};
        struct codec_tree tree;
        enum codec_scan_result result = codec_scan(&scan, slice_of(bytes, size));
        enum conclave_code rv = codec_parse(&tree, slice_of(bytes, size));
        bool whole = result == CODEC_SCAN_COMPLETE && scan.offset == size;
        assert_int_equal(rv, whole ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST);
        if (rv == CONCLAVE_OK) {
            codec_tree_close(&tree);
            parsed++;
        }
    }
    assert_true(parsed > 1000);
}

static void test_allocation_failures(void **state)
{
    (void)state;
    uint8_t stream[200];
    size_t size = make_stream(stream);
    uint64_t n = 1;
    for (; n < 100; n++) {
        struct codec_tree tree;
        memory_fault_arm(n);
        enum conclave_code rv = codec_parse(&tree, slice_of(stream, size));
        int hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            codec_tree_close(&tree);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
    }
    assert_true(n > 1 && n < 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_strings_point_into_input),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_not_one_value),
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_scan_in_pieces),
        cmocka_unit_test(test_scan_first_bytes),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
