/* Text, times, words and options of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "tools/conclave/args.h"
#include "tools/conclave/format.h"
#include "tools/conclave/nearest.h"
#include "tools/conclave/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void text_becomes_harmless(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *one_line;
        const char *lines;
    } cases[] = {
        {"plain", "plain", "plain"},
        {"Größe 例 🗳", "Größe 例 🗳", "Größe 例 🗳"},
        {"\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m", "\\x1b[31mred\\x1b[0m"},
        {"a\nb\tc", "a b c", "a\nb\tc"},
        {"a\r\nb\rc", "a b\\x0dc", "a\nb\\x0dc"},
        {"\x7f\x07", "\\x7f\\x07", "\\x7f\\x07"},
        {"\xc2\x9b"
         "31m",
         "\\u009b31m", "\\u009b31m"}, /* C1: CSI */
        {"a\xe2\x80\xae"
         "b",
         "a\\u202eb", "a\\u202eb"}, /* right-to-left override */
        {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069", "\\u2066x\\u2069"}, /* isolates */
        {"\xff\xfe", "\\xff\\xfe", "\\xff\\xfe"},
        {"\xc0\xaf", "\\xc0\\xaf", "\\xc0\\xaf"},               /* overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80"}, /* surrogate */
        {"\xe2\x82", "\\xe2\\x82", "\\xe2\\x82"},               /* cut off */
        {"", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *one = text_safe_copy(slice_of_text(cases[i].from), TEXT_ONE_LINE);
        char *all = text_safe_copy(slice_of_text(cases[i].from), TEXT_LINES);
        assert_string_equal(one, cases[i].one_line);
        assert_string_equal(all, cases[i].lines);
        memory_free(one);
        memory_free(all);
    }
    char *nul = text_safe_copy(slice_of("a\0b", 3), TEXT_ONE_LINE);
    assert_string_equal(nul, "a\\x00b");
    memory_free(nul);
}

/* Widths by Unicode's East Asian Width: 例 and 🗳... are wide or not as UAX 11 says; combining
 * marks take nothing. */
static void width_is_in_columns(void **state)
{
    (void)state;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("Größe"), 5);
    assert_int_equal(text_width("例え"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1); /* e, combining acute */
    assert_int_equal(text_width(""), 0);
    assert_int_equal(text_fitting("abcdef", 3), 3);
    assert_int_equal(text_fitting("例え", 3), 3); /* the second does not fit: three bytes */
    assert_int_equal(text_fitting("例え", 4), 6);
    assert_int_equal(text_fitting("abc", 10), 3);
    assert_int_equal(text_fitting("abc", 0), 0);
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"500ms", 500},    {"90s", 90000},    {"1h30m", 5400000},
                {"2d", 172800000}, {"1w", 604800000}, {"1m", 60000},
                {"1m5ms", 60005},  {"0s", 0},         {"10s", 10000}};
    static const char *const bad[] = {"",
                                      "5",
                                      "s",
                                      "5x",
                                      "-5s",
                                      "1.5h",
                                      "5s ",
                                      " 5s",
                                      "5 s",
                                      "99999999999999999999s",
                                      "18446744073709551615w"};
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t ms;
        assert_true(format_parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t ms;
        assert_false(format_parse_duration(bad[i], &ms));
    }
}

/* The numbers are those of `date -u -d TIME +%s`. */
static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t seconds;
    } good[] = {{"2026-08-01T12:00:00Z", 1785585600},      {"2026-08-01T12:00Z", 1785585600},
                {"2026-08-01 12:00", 1785585600},          {"2026-08-01", 1785542400},
                {"2026-08-01T14:00:00+02:00", 1785585600}, {"2026-08-01T06:30:00-0530", 1785585600},
                {"2024-02-29T00:00:00Z", 1709164800},      {"1970-01-01", 0}};
    static const char *const bad[] = {"",
                                      "tomorrow",
                                      "2026-02-30",
                                      "2026-13-01",
                                      "12:00",
                                      "2026-08-01T12:00:00X",
                                      "2026-08-01T25:00:00Z",
                                      "1969-12-31",
                                      "2026-08-01T12:00:00+2",
                                      "2026-08-01T12:00:00+99:00"};
    for (size_t i = 0; i < COUNT(good); i++) {
        uint64_t ms = 1;
        assert_true(format_parse_time(good[i].text, &ms));
        assert_int_equal(ms, good[i].seconds * 1000);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint64_t ms;
        assert_false(format_parse_time(bad[i], &ms));
    }
}

static void times_are_written(void **state)
{
    (void)state;
    char text[FORMAT_TIME_BYTES];
    format_time(1785585600000, text);
    assert_string_equal(text, "2026-08-01 12:00:00Z");
    format_time_exact(1785585600042, text);
    assert_string_equal(text, "2026-08-01T12:00:00.042Z");
    format_time(0, text);
    assert_string_equal(text, "-");
    format_time(UINT64_MAX, text);
    assert_string_equal(text, "-");
    static const struct {
        uint64_t ms;
        const char *text;
    } durations[] = {{0, "0s"},        {250, "250ms"},     {59999, "59s"},
                     {61000, "1m 1s"}, {3600000, "1h 0m"}, {93784000, "1d 2h"}};
    for (size_t i = 0; i < COUNT(durations); i++) {
        format_duration(durations[i].ms, text);
        assert_string_equal(text, durations[i].text);
    }
}

static void numbers_are_read_whole(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(format_parse_u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
    assert_true(format_parse_u64("007", &value));
    assert_int_equal(value, 7);
    assert_false(format_parse_u64("18446744073709551616", &value));
    assert_false(format_parse_u64("", &value));
    assert_false(format_parse_u64("+1", &value));
    assert_false(format_parse_u64("-1", &value));
    assert_false(format_parse_u64("1 ", &value));
}

/* Distances counted by hand: optimal string alignment. */
static void nearest_words_are_found(void **state)
{
    (void)state;
    static const char *const words[] = {"poll", "policy", "proposal", "vote", "tally", "status"};
    assert_int_equal(nearest_distance("kitten", "sitting"), 3);
    assert_int_equal(nearest_distance("ca", "abc"), 3);
    assert_int_equal(nearest_distance("voet", "vote"), 1);
    assert_int_equal(nearest_distance("", "abc"), 3);
    assert_int_equal(nearest_distance("same", "same"), 0);
    assert_string_equal(nearest_word("voet", words, COUNT(words)), "vote");
    assert_string_equal(nearest_word("stauts", words, COUNT(words)), "status");
    assert_string_equal(nearest_word("prop", words, COUNT(words)), "proposal");
    assert_string_equal(nearest_word("polls", words, COUNT(words)), "poll");
    assert_null(nearest_word("elephant", words, COUNT(words)));
    assert_null(nearest_word("x", words, 0));
}

static const struct args_option global_options[] = {
    {.name = "key", .letter = 'k', .argument = "FILE", .help = ""},
    {.name = "json", .help = ""},
    {.name = "endpoint", .letter = 'e', .argument = "A", .help = "", .repeatable = true},
    ARGS_END};
static const struct args_option own_options[] = {{.name = "title", .argument = "TEXT", .help = ""},
                                                 ARGS_END};
static const struct args_option *const tables[] = {global_options, own_options};

static void options_stand_anywhere(void **state)
{
    (void)state;
    char *words[] = {"--json",       "a", "-kfile", "--title=x=y", "-e", "1", "b",
                     "--endpoint=2", "-", "--",     "--json",      "-x"};
    struct args args;
    assert_true(args_parse(&args, words, COUNT(words), tables, 2));
    assert_int_equal(args.word_count, 5);
    static const char *const rest[] = {"a", "b", "-", "--json", "-x"};
    for (size_t i = 0; i < COUNT(rest); i++) {
        assert_string_equal(args_word(&args, i), rest[i]);
    }
    assert_null(args_word(&args, 5));
    assert_string_equal(args_text(&args, "key"), "file");
    assert_string_equal(args_text(&args, "title"), "x=y");
    assert_int_equal(args_count(&args, "endpoint"), 2);
    assert_string_equal(args_nth(&args, "endpoint", 0), "1");
    assert_string_equal(args_nth(&args, "endpoint", 1), "2");
    assert_null(args_nth(&args, "endpoint", 2));
    assert_true(args_given(&args, "json"));
    assert_null(args_text(&args, "json"));
    args_close(&args);
}

static void wrong_options_are_explained(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *problem;
        const char *hint;
    } cases[] = {
        {{"--titel", "x"}, "there is no option --titel", "did you mean --title?"},
        {{"--elephant=x"}, "there is no option --elephant=x", ""},
        {{"-z"}, "there is no option -z", ""},
        {{"a", "--title"}, "the option --title needs TEXT after it", ""},
        {{"--json=yes"}, "the option --json takes no argument", ""},
        {{"--title=a", "--title=b"}, "the option --title is given twice", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *words[3];
        size_t count = 0;
        while (count < 3 && cases[i].words[count] != NULL) {
            words[count] = (char *)(uintptr_t)cases[i].words[count];
            count++;
        }
        struct args args;
        assert_false(args_parse(&args, words, count, tables, 2));
        assert_string_equal(args.problem, cases[i].problem);
        assert_string_equal(args.hint, cases[i].hint);
        args_close(&args);
    }
}

static void words_are_found_before_the_command_is_known(void **state)
{
    (void)state;
    char *words[] = {"-k", "poll", "--json", "--unknown", "vote", "--title", "x", "--", "-y"};
    assert_int_equal(args_find_word(words, COUNT(words), 0, tables, 2), 4);
    assert_int_equal(args_find_word(words, COUNT(words), 1, tables, 2), 8);
    assert_true(args_find_word(words, COUNT(words), 2, tables, 2) == SIZE_MAX);
}

static void options_survive_a_lack_of_memory(void **state)
{
    (void)state;
    char *words[] = {"a", "--title", "x"};
    for (uint64_t n = 1;; n++) {
        struct args args;
        memory_fault_arm(n);
        bool parsed = args_parse(&args, words, COUNT(words), tables, 2);
        bool hit = memory_fault_hit() != 0;
        memory_fault_arm(0);
        assert_int_equal(parsed, !hit);
        if (hit) {
            assert_string_equal(args.problem, "out of memory");
        }
        args_close(&args);
        if (!hit) {
            assert_true(n > 1);
            return;
        }
    }
}

static int start(void **state)
{
    (void)state;
    (void)text_start();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_harmless),
        cmocka_unit_test(width_is_in_columns),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(times_are_written),
        cmocka_unit_test(numbers_are_read_whole),
        cmocka_unit_test(nearest_words_are_found),
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(wrong_options_are_explained),
        cmocka_unit_test(words_are_found_before_the_command_is_known),
        cmocka_unit_test(options_survive_a_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
