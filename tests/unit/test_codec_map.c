/* Maps by a table of fields: what is stored, and the sentence for each thing that can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/reader.h"
#include "codec/writer.h"

struct target {
    uint64_t count;
    int64_t shift;
    bool flag;
    struct slice name;
    struct slice key;
    const msgpack_object *any;
    const msgpack_object *list;
    const msgpack_object *map;
};

static const struct codec_field fields[] = {
    {"count", CODEC_U64, true, offsetof(struct target, count), 1, 1000},
    {"shift", CODEC_I64, false, offsetof(struct target, shift), 0, 0},
    {"flag", CODEC_BOOL, false, offsetof(struct target, flag), 0, 0},
    {"name", CODEC_STRING, true, offsetof(struct target, name), 1, 8},
    {"key", CODEC_BYTES, false, offsetof(struct target, key), 4, 4},
    {"any", CODEC_ANY, false, offsetof(struct target, any), 0, 0},
    {"list", CODEC_ARRAY, false, offsetof(struct target, list), 1, 2},
    {"map", CODEC_MAP, false, offsetof(struct target, map), 0, 1},
};
#define FIELD_COUNT (sizeof fields / sizeof fields[0])

static struct buffer buffer;
static struct codec_tree tree;
static struct codec_error error;

static int setup(void **state)
{
    (void)state;
    buffer_init(&buffer, 10000);
    tree = (struct codec_tree){0};
    error = (struct codec_error){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    codec_tree_close(&tree);
    buffer_close(&buffer);
    return 0;
}

/* Begins a map with the two required fields and `more` others. */
static void begin(uint32_t more)
{
    buffer_clear(&buffer);
    codec_write_map(&buffer, 2 + more);
    codec_write_text(&buffer, "count");
    codec_write_u64(&buffer, 7);
    codec_write_text(&buffer, "name");
    codec_write_text(&buffer, "abc");
}

static enum conclave_code decode(bool strict, struct target *target)
{
    codec_tree_close(&tree);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    assert_int_equal(codec_parse(&tree, buffer_slice(&buffer)), CONCLAVE_OK);
    return codec_decode_map(&tree.root, fields, FIELD_COUNT, strict, target, &error);
}

static void expect_error(bool strict, const char *text)
{
    struct target target = {0};
    error = (struct codec_error){0};
    assert_int_equal(decode(strict, &target), CONCLAVE_BAD_REQUEST);
    assert_string_equal(error.text, text);
}

static void test_required_only(void **state)
{
    (void)state;
    struct target target = {.shift = -5, .flag = true}; /* defaults, which stay */
    begin(0);
    assert_int_equal(decode(true, &target), CONCLAVE_OK);
    assert_int_equal(target.count, 7);
    assert_true(slice_is_text(target.name, "abc"));
    assert_int_equal(target.shift, -5);
    assert_true(target.flag);
    assert_null(target.any);
}

static void test_all_types(void **state)
{
    (void)state;
    struct target target = {0};
    begin(6);
    codec_write_text(&buffer, "map");
    codec_write_map(&buffer, 0);
    codec_write_text(&buffer, "list");
    codec_write_array(&buffer, 1);
    codec_write_u64(&buffer, 9);
    codec_write_text(&buffer, "any");
    codec_write_nil(&buffer);
    codec_write_text(&buffer, "key");
    codec_write_bytes(&buffer, slice_of("\0\1\2\3", 4));
    codec_write_text(&buffer, "flag");
    codec_write_bool(&buffer, true);
    codec_write_text(&buffer, "shift");
    codec_write_i64(&buffer, -70000);
    assert_int_equal(decode(true, &target), CONCLAVE_OK);
    assert_int_equal(target.shift, -70000);
    assert_true(target.flag);
    assert_true(slice_equal(target.key, slice_of("\0\1\2\3", 4)));
    assert_int_equal(target.any->type, MSGPACK_OBJECT_NIL);
    assert_int_equal(target.list->via.array.size, 1);
    assert_int_equal(target.list->via.array.ptr[0].via.u64, 9);
    assert_int_equal(target.map->via.map.size, 0);
}

static void test_unknown_keys(void **state)
{
    (void)state;
    struct target target = {0};
    begin(2);
    codec_write_text(&buffer, "colour");
    codec_write_u64(&buffer, 1);
    codec_write_text(&buffer, "colour");
    codec_write_u64(&buffer, 1);
    assert_int_equal(decode(false, &target), CONCLAVE_OK);
    assert_int_equal(target.count, 7);
    expect_error(true, "unknown field \"colour\"");
    begin(1);
    codec_write_string(&buffer, slice_of("a\"\x1b[31m\xc3\xa4\0", 9));
    codec_write_u64(&buffer, 1);
    expect_error(true, "unknown field \"a??[31m??\"");
    begin(1);
    codec_write_text(&buffer, "a name that is longer than anybody would wish to read in one line");
    codec_write_u64(&buffer, 1);
    expect_error(true, "unknown field \"a name that is longer than anybody would wish to\"");
}

static void test_bad_keys(void **state)
{
    (void)state;
    begin(1);
    codec_write_u64(&buffer, 1);
    codec_write_u64(&buffer, 1);
    expect_error(false, "a key is not a string of valid UTF-8");
    begin(1);
    codec_write_string(&buffer, slice_of("\xff", 1));
    codec_write_u64(&buffer, 1);
    expect_error(false, "a key is not a string of valid UTF-8");
    begin(1);
    codec_write_text(&buffer, "count");
    codec_write_u64(&buffer, 8);
    expect_error(false, "field \"count\": given twice");
}

static void test_missing(void **state)
{
    (void)state;
    codec_write_map(&buffer, 1);
    codec_write_text(&buffer, "count");
    codec_write_u64(&buffer, 1);
    expect_error(true, "field \"name\": missing");
    buffer_clear(&buffer);
    codec_write_map(&buffer, 0);
    expect_error(true, "field \"count\": missing");
    buffer_clear(&buffer);
    codec_write_array(&buffer, 0);
    expect_error(true, "expected a map");
}

/* Each field with a value of another type. */
static void test_wrong_types(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *packed;
        size_t packed_size;
        const char *text;
    } cases[] = {
        {"shift", "\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9,
         "field \"shift\": expected an integer"},
        {"shift", "\xca\x3f\x80\x00\x00", 5, "field \"shift\": expected an integer"},
        {"flag", "\x01", 1, "field \"flag\": expected true or false"},
        {"key",
         "\xa4"
         "abcd",
         5, "field \"key\": expected bytes"},
        {"list", "\x80", 1, "field \"list\": expected an array"},
        {"map", "\x90", 1, "field \"map\": expected a map"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin(1);
        codec_write_text(&buffer, cases[i].name);
        codec_write_raw(&buffer, slice_of(cases[i].packed, cases[i].packed_size));
        expect_error(true, cases[i].text);
    }
    buffer_clear(&buffer);
    codec_write_map(&buffer, 1);
    codec_write_text(&buffer, "count");
    codec_write_i64(&buffer, -1);
    expect_error(true, "field \"count\": expected an unsigned integer");
    buffer_clear(&buffer);
    codec_write_map(&buffer, 1);
    codec_write_text(&buffer, "name");
    codec_write_string(&buffer, slice_of("\xed\xa0\x80", 3));
    expect_error(true, "field \"name\": expected a string of valid UTF-8");
}

static void expect_count(uint64_t count, const char *text)
{
    buffer_clear(&buffer);
    codec_write_map(&buffer, 2);
    codec_write_text(&buffer, "name");
    codec_write_text(&buffer, "abc");
    codec_write_text(&buffer, "count");
    codec_write_u64(&buffer, count);
    if (text != NULL) {
        expect_error(true, text);
        return;
    }
    struct target target = {0};
    assert_int_equal(decode(true, &target), CONCLAVE_OK);
    assert_int_equal(target.count, count);
}

static void test_bounds(void **state)
{
    (void)state;
    expect_count(1, NULL);
    expect_count(1000, NULL);
    expect_count(0, "field \"count\": 0, at least 1 are needed");
    expect_count(1001, "field \"count\": 1001, at most 1000 are allowed");
    begin(1);
    codec_write_text(&buffer, "key");
    codec_write_bytes(&buffer, slice_of("\0\1\2\3\4", 5));
    expect_error(true, "field \"key\": 5 bytes, at most 4 are allowed");
    begin(1);
    codec_write_text(&buffer, "key");
    codec_write_bytes(&buffer, slice_of("\0\1\2", 3));
    expect_error(true, "field \"key\": 3 bytes, at least 4 are needed");
    begin(1);
    codec_write_text(&buffer, "list");
    codec_write_array(&buffer, 0);
    expect_error(true, "field \"list\": 0 items, at least 1 are needed");
    begin(1);
    codec_write_text(&buffer, "list");
    codec_write_array(&buffer, 3);
    for (unsigned i = 0; i < 3; i++) {
        codec_write_nil(&buffer);
    }
    expect_error(true, "field \"list\": 3 items, at most 2 are allowed");
}

static void test_error_text_is_cut(void **state)
{
    (void)state;
    char wide[2 * CODEC_ERROR_BYTES];
    memset(wide, 'w', sizeof wide);
    wide[sizeof wide - 1] = '\0';
    codec_error_set(&error, "%s", wide);
    assert_int_equal(strlen(error.text), CODEC_ERROR_BYTES - 1);
    codec_error_set(&error, "%d of %s", 3, "five");
    assert_string_equal(error.text, "3 of five");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_required_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_error_text_is_cut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
