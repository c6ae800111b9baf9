/* Log lines: quoting, escapes, levels, the destination. Expected escapes are those of RFC 8259
 * (section 7) and RFC 3629 (what is UTF-8); JSON lines are read back by jansson. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/logger.h"

struct fixture {
    char directory[64];
    char path[96];
    char text[1u << 20];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/conclave-logger-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/log", fixture->directory);
    assert_int_equal(logger_open(fixture->path), CONCLAVE_OK);
    logger_configure(LOGGER_INFO, LOGGER_LOGFMT, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    logger_close();
    logger_configure(LOGGER_WARN, LOGGER_LOGFMT, 0);
    (void)unlink(fixture->path);
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

static const char *read_all(struct fixture *fixture, const char *path)
{
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t size = fread(fixture->text, 1, sizeof fixture->text - 1, file);
    fixture->text[size] = '\0';
    assert_int_equal(fclose(file), 0);
    return fixture->text;
}

/* The line without its time, which is checked by its form: 2026-01-02T03:04:05.678Z. */
static const char *after_time(const char *line)
{
    static const char form[] = "ts=dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; form[i] != '\0'; i++) {
        if (form[i] == 'd') {
            assert_in_range(line[i], '0', '9');
        } else {
            assert_int_equal(line[i], form[i]);
        }
    }
    return line + sizeof form - 1;
}

static void test_line_has_time_level_message_fields(void **state)
{
    logger_configure(LOGGER_INFO, LOGGER_LOGFMT, 1);
    LOG_INFO("elected", FIELD_U64("term", UINT64_MAX), FIELD_I64("lag", INT64_MIN),
             FIELD_TEXT("peer", "127.0.0.1:7101"));
    assert_string_equal(after_time(read_all(*state, ((struct fixture *)*state)->path)),
                        "level=info msg=\"elected\" node=1 term=18446744073709551615 "
                        "lag=-9223372036854775808 peer=127.0.0.1:7101\n");
}

static void test_values_are_quoted_as_needed(void **state)
{
    static const struct {
        const char *value;
        const char *written;
    } cases[] = {
        {"plain", "plain"},
        {"", "\"\""},
        {NULL, "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"say \"hi\"", "\"say \\\"hi\\\"\""},
        {"back\\slash", "\"back\\\\slash\""},
        {"line\nbreak\r\ttab", "\"line\\nbreak\\r\\ttab\""},
        {"bell\a esc\x1b[31m", "\"bell\\u0007 esc\\u001b[31m\""},
        {"del\x7f", "\"del\\u007f\""},
        {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {"\xf0\x9f\x97\xb3", "\"\xf0\x9f\x97\xb3\""},
        {"c1\xc2\x9b", "\"c1\\u009b\""},               /* CSI in one character */
        {"bad\xff", "\"bad\\ufffd\""},                 /* no UTF-8 at all */
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},            /* overlong '/' */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* a surrogate */
        {"cut\xe2\x82", "\"cut\\ufffd\\ufffd\""},      /* cut short */
    };
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(truncate(fixture->path, 0), 0);
        LOG_INFO("x", FIELD_TEXT("v", cases[i].value));
        char expected[128];
        (void)snprintf(expected, sizeof expected, "level=info msg=\"x\" v=%s\n", cases[i].written);
        assert_string_equal(after_time(read_all(fixture, fixture->path)), expected);
    }
}

static void test_json_reads_back(void **state)
{
    struct fixture *fixture = *state;
    static const char value[] = "quote \" slash \\ nl \n esc \x1b zero \0 caf\xc3\xa9";
    logger_configure(LOGGER_INFO, LOGGER_JSON, 3);
    LOG_ERROR("a \"message\"\n", FIELD_SLICE("v", slice_of(value, sizeof value - 1)),
              FIELD_U64("n", 7), FIELD_I64("m", -7), FIELD_TEXT("e", NULL));
    json_error_t error;
    const char *text = read_all(fixture, fixture->path);
    assert_int_equal(text[strlen(text) - 1], '\n');
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    assert_non_null(root);
    assert_string_equal(json_string_value(json_object_get(root, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(root, "msg")), "a \"message\"\n");
    assert_int_equal(json_integer_value(json_object_get(root, "node")), 3);
    const json_t *v = json_object_get(root, "v");
    assert_int_equal(json_string_length(v), sizeof value - 1);
    assert_memory_equal(json_string_value(v), value, sizeof value - 1);
    assert_int_equal(json_integer_value(json_object_get(root, "n")), 7);
    assert_int_equal(json_integer_value(json_object_get(root, "m")), -7);
    assert_string_equal(json_string_value(json_object_get(root, "e")), "");
    assert_int_equal(strlen(json_string_value(json_object_get(root, "ts"))), 24);
    json_decref(root);
}

static void test_level_is_a_threshold(void **state)
{
    struct fixture *fixture = *state;
    logger_configure(LOGGER_WARN, LOGGER_LOGFMT, 0);
    LOG_DEBUG("one");
    LOG_INFO("two");
    assert_string_equal(read_all(fixture, fixture->path), "");
    LOG_WARN("three");
    assert_string_equal(after_time(read_all(fixture, fixture->path)), "level=warn msg=\"three\"\n");
    assert_int_equal(truncate(fixture->path, 0), 0);
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0);
    LOG_ERROR("four");
    assert_string_equal(read_all(fixture, fixture->path), "");
    assert_false(logger_enabled(LOGGER_ERROR));
    assert_false(logger_enabled(LOGGER_OFF));
    logger_configure(LOGGER_DEBUG, LOGGER_LOGFMT, 0);
    assert_true(logger_enabled(LOGGER_DEBUG));
}

/* Log rotation: the file is renamed away, lines go on to it until SIGHUP, then to a new one. */
static void test_reopen_follows_the_path(void **state)
{
    struct fixture *fixture = *state;
    char moved[128];
    (void)snprintf(moved, sizeof moved, "%s.1", fixture->path);
    LOG_INFO("one");
    assert_int_equal(rename(fixture->path, moved), 0);
    LOG_INFO("two");
    assert_int_equal(access(fixture->path, F_OK), -1);
    assert_int_equal(logger_reopen(), CONCLAVE_OK);
    LOG_INFO("three");
    assert_string_equal(after_time(read_all(fixture, fixture->path)), "level=info msg=\"three\"\n");
    assert_non_null(strstr(read_all(fixture, moved), "msg=\"two\""));
    assert_null(strstr(fixture->text, "three"));
    assert_int_equal(unlink(moved), 0);
}

static void test_open_failure_keeps_the_old_destination(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(logger_open("/nonexistent-directory/log"), CONCLAVE_IO);
    assert_int_equal(logger_open(""), CONCLAVE_IO);
    LOG_INFO("still here");
    assert_non_null(strstr(read_all(fixture, fixture->path), "still here"));
    struct stat info;
    assert_int_equal(stat(fixture->path, &info), 0);
    assert_int_equal(info.st_mode & 0137, 0); /* at most 0640 */
}

/* A line is never longer than its buffer; what does not fit is cut or left out, and it stays JSON.
 */
static void test_long_values_are_cut(void **state)
{
    struct fixture *fixture = *state;
    size_t size = 100000;
    char *value = malloc(size);
    assert_non_null(value);
    memset(value, '\x01', size); /* six bytes each when escaped */
    logger_configure(LOGGER_INFO, LOGGER_JSON, 1);
    LOG_INFO("long", FIELD_SLICE("a", slice_of(value, size)), FIELD_U64("after", 5));
    memset(value, 'x', size);
    LOG_INFO("long", FIELD_SLICE("a", slice_of(value, size)), FIELD_U64("after", 5));
    free(value);
    char *text = (char *)(uintptr_t)read_all(fixture, fixture->path);
    char *second = strchr(text, '\n');
    assert_non_null(second);
    *second++ = '\0';
    json_error_t error;
    json_t *first_root = json_loads(text, 0, &error);
    assert_non_null(first_root);
    assert_null(json_object_get(first_root, "a"));
    json_decref(first_root);
    json_t *root = json_loads(second, 0, &error);
    assert_non_null(root);
    const char *kept = json_string_value(json_object_get(root, "a"));
    assert_non_null(kept);
    assert_string_equal(kept + strlen(kept) - 4, "x...");
    assert_int_equal(json_integer_value(json_object_get(root, "after")), 5);
    json_decref(root);
}

#define THREADS 4
#define LINES   500

static void *write_lines(void *argument)
{
    for (uint64_t i = 0; i < LINES; i++) {
        LOG_INFO("from a thread", FIELD_U64("thread", (uint64_t)(uintptr_t)argument),
                 FIELD_U64("i", i));
    }
    return NULL;
}

static void test_lines_of_threads_do_not_mix(void **state)
{
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    logger_configure(LOGGER_INFO, LOGGER_JSON, 0);
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, (void *)i), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    const char *at = read_all(fixture, fixture->path);
    uint64_t next[THREADS] = {0};
    size_t count = 0;
    for (; *at != '\0'; count++) {
        json_error_t error;
        json_t *root = json_loads(at, JSON_DISABLE_EOF_CHECK, &error);
        assert_non_null(root);
        json_int_t thread = json_integer_value(json_object_get(root, "thread"));
        assert_in_range(thread, 0, THREADS - 1);
        assert_int_equal(json_integer_value(json_object_get(root, "i")), next[thread]++);
        json_decref(root);
        at = strchr(at, '\n');
        assert_non_null(at);
        at++;
    }
    assert_int_equal(count, THREADS * LINES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_line_has_time_level_message_fields),
        TEST(test_values_are_quoted_as_needed),
        TEST(test_json_reads_back),
        TEST(test_level_is_a_threshold),
        TEST(test_reopen_follows_the_path),
        TEST(test_open_failure_keeps_the_old_destination),
        TEST(test_long_values_are_cut),
        TEST(test_lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
