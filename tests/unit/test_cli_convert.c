/* MessagePack and JSON, bodies, ballots and questions of the command line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "tools/conclave/ballot_draft.h"
#include "tools/conclave/body.h"
#include "tools/conclave/convert.h"
#include "tools/conclave/question.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void assert_json(json_t *value, const char *expected)
{
    assert_non_null(value);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, expected);
    free(text);
    json_decref(value);
}

/* Bytes by the MessagePack specification, and what --json makes of them. */
static void answers_become_json(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *json;
    } cases[] = {
        {"\x07", 1, "\"7\""},
        {"\xff", 1, "\"-1\""},
        {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, "\"18446744073709551615\""},
        {"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9, "\"-9223372036854775808\""},
        {"\xc0", 1, "null"},
        {"\xc3", 1, "true"},
        {"\xa2hi", 3, "\"hi\""},
        {"\xa2\xff!", 3, "\"\xef\xbf\xbd!\""},
        {"\xc4\x02\x0a\xff", 4, "\"0aff\""},
        {"\xc4\x00", 2, "\"\""},
        {"\x81\xa7"
         "command\xc4\x02\xfb\xff",
         13, "{\"command\":\"-_8\"}"},
        {"\x82\xa1"
         "a\x92\x01\xc2\xa1"
         "b\x80",
         9, "{\"a\":[\"1\",false],\"b\":{}}"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_json(convert_packed_to_json(slice_of(cases[i].bytes, cases[i].size)), cases[i].json);
    }
    assert_null(convert_packed_to_json(slice_of("\xc1", 1)));
    assert_null(convert_packed_to_json(slice_of("\x92\x01", 2)));
}

static void json_becomes_msgpack(void **state)
{
    (void)state;
    json_t *value =
        json_loads("{\"min\":1,\"big\":-9223372036854775808,\"t\":[true,null,\"é\"]}", 0, NULL);
    static const char expected[] =
        "\x83\xa3min\x01\xa3"
        "big\xd3\x80\x00\x00\x00\x00\x00\x00\x00\xa1t\x93\xc3\xc0\xa2\xc3\xa9";
    struct buffer buffer;
    const char *what = NULL;
    buffer_init(&buffer, 4096);
    assert_true(convert_to_msgpack(&buffer, value, &what));
    assert_int_equal(buffer.size, sizeof expected - 1);
    assert_memory_equal(buffer.data, expected, sizeof expected - 1);
    json_decref(value);
    value = json_loads("{\"a\":[1.5]}", 0, NULL);
    assert_false(convert_to_msgpack(&buffer, value, &what));
    assert_non_null(strstr(what, "fraction"));
    json_decref(value);
    buffer_close(&buffer);
}

/* What --json printed goes back in: digits become integers, but not where text is meant. */
static void integers_are_restored(void **state)
{
    (void)state;
    static const char *const text_keys[] = {"title", NULL};
    json_t *value = json_loads("{\"title\":\"60\",\"pass\":[\"60\",\"100\",\">=\"],\"in\":{\"k\":"
                               "\"2\",\"title\":\"7\"},\"x\":\"1a\"}",
                               0, NULL);
    convert_restore_integers(value, text_keys);
    assert_json(value,
                "{\"title\":\"60\",\"pass\":[60,100,\">=\"],\"in\":{\"k\":2,\"title\":\"7\"},"
                "\"x\":\"1a\"}");
}

static void bytes_as_text(void **state)
{
    (void)state;
    uint8_t bytes[2];
    struct buffer buffer;
    buffer_init(&buffer, 64);
    assert_true(convert_hex_parse("0aFf", bytes, 2));
    assert_memory_equal(bytes, "\x0a\xff", 2);
    assert_false(convert_hex_parse("0af", bytes, 2));
    assert_false(convert_hex_parse("0afg", bytes, 2));
    assert_false(convert_hex_parse("0aff0", bytes, 2));
    /* RFC 4648, section 10, in the alphabet of section 5 */
    assert_true(convert_base64_parse("Zm9vYmE", &buffer));
    assert_int_equal(buffer.size, 5);
    assert_memory_equal(buffer.data, "fooba", 5);
    char *text = convert_base64(slice_of("foob", 4));
    assert_string_equal(text, "Zm9vYg");
    memory_free(text);
    buffer_clear(&buffer);
    assert_false(convert_base64_parse("Zm9vYmE=", &buffer));
    assert_false(convert_base64_parse("Zm9v Ym", &buffer));
    buffer_close(&buffer);
}

static void bodies_count_their_fields(void **state)
{
    (void)state;
    struct body body;
    struct buffer packed;
    body_init(&body);
    buffer_init(&packed, 4096);
    body_text(&body, "a", "x");
    body_text(&body, "left", NULL);
    body_u64(&body, "n", 300);
    body_bytes(&body, "b", slice_of("\x01", 1));
    body_bool(&body, "t", true);
    assert_int_equal(body_finish(&body, &packed), CONCLAVE_OK);
    static const char expected[] = "\x84\xa1"
                                   "a\xa1x\xa1n\xcd\x01\x2c\xa1"
                                   "b\xc4\x01\x01\xa1t\xc3";
    assert_int_equal(packed.size, sizeof expected - 1);
    assert_memory_equal(packed.data, expected, packed.size);
    json_t *real = json_real(0.5);
    body_json(&body, "r", real);
    json_decref(real);
    assert_int_equal(body_finish(&body, &packed), CONCLAVE_USAGE);
    body_close(&body);
    buffer_close(&packed);
}

/* A draft's body as JSON, without the time. */
static json_t *draft_json(const struct draft *draft)
{
    struct body body;
    struct buffer packed;
    body_init(&body);
    buffer_init(&packed, 1 << 20);
    draft_write(draft, 5, &body);
    assert_int_equal(body_finish(&body, &packed), CONCLAVE_OK);
    json_t *value = convert_packed_to_json(buffer_slice(&packed));
    assert_string_equal(convert_text(value, "claimed_at"), "5");
    assert_int_equal(json_object_del(value, "claimed_at"), 0);
    body_close(&body);
    buffer_close(&packed);
    return value;
}

static void ballots_are_taken_from_words(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft, "m4");
    assert_true(draft_take_answer(&draft, "P-1=yes"));
    assert_true(draft_take_answer(&draft, "q2=7"));
    assert_true(draft_take_why(&draft, "q2=a = b"));
    assert_true(draft_take_veto(&draft, "P-1"));
    assert_true(draft_take_review(&draft, "q3=object"));
    assert_json(
        draft_json(&draft),
        "{\"poll\":\"m4\",\"answers\":[{\"q\":\"P-1\",\"a\":\"yes\",\"veto\":true},"
        "{\"q\":\"q2\",\"a\":\"7\",\"why\":\"a = b\"},{\"q\":\"q3\",\"review\":\"object\"}]}");
    draft_close(&draft);
}

static void wrong_ballots_are_explained(void **state)
{
    (void)state;
    static const struct {
        bool (*take)(struct draft *draft, const char *text);
        const char *text;
        const char *problem;
    } cases[] = {
        {draft_take_answer, "P-1", "\"P-1\" is not QUESTION=ANSWER"},
        {draft_take_answer, "P-1=maybe",
         "P-1=maybe: an answer is yes, no, abstain or a whole number"},
        {draft_take_answer, "P-1=-1", "P-1=-1: an answer is yes, no, abstain or a whole number"},
        {draft_take_answer, "P-1=", "P-1=: an answer is yes, no, abstain or a whole number"},
        {draft_take_answer, "a b=yes", "\"a b\" is no question's id"},
        {draft_take_answer, "=yes", "\"\" is no question's id"},
        {draft_take_answer, "taken=no", "taken is answered twice"},
        {draft_take_review, "P-1=ok", "P-1=ok: a review is approve or object"},
        {draft_take_why, "P-1", "\"P-1\" is not QUESTION=TEXT"},
        {draft_take_veto, "P 1", "\"P 1\" is no question's id"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct draft draft;
        draft_init(&draft, "m4");
        assert_true(draft_take_answer(&draft, "taken=yes"));
        assert_false(cases[i].take(&draft, cases[i].text));
        assert_string_equal(draft.problem, cases[i].problem);
        draft_close(&draft);
    }
}

static void ballots_are_taken_from_files(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        const char *result; /* the answers, or the problem */
        bool good;
    } cases[] = {
        {"{\"answers\":[{\"q\":\"a\",\"a\":7,\"why\":\"w\"},{\"q\":\"b\",\"a\":\"8\",\"veto\":"
         "false,"
         "\"review\":null,\"why\":null},{\"q\":\"c\",\"a\":null,\"review\":\"approve\"}]}",
         "{\"poll\":\"m4\",\"answers\":[{\"q\":\"a\",\"a\":\"7\",\"why\":\"w\"},{\"q\":\"b\",\"a\":"
         "\"8\"},{\"q\":\"c\",\"review\":\"approve\"}]}",
         true},
        {"{\"poll\":\"m5\",\"answers\":[]}", "the file is a ballot for the poll m5", false},
        {"{}", "the file has no array \"answers\"", false},
        {"{\"answers\":[{\"a\":\"yes\"}]}", "\"\" is no question's id", false},
        {"{\"answers\":[{\"q\":\"a\",\"answer\":\"yes\"}]}",
         "an answer has q, a, why, veto and review, not \"answer\"", false},
        {"{\"answers\":[{\"q\":\"a\",\"a\":\"yes\"},{\"q\":\"a\",\"a\":\"no\"}]}",
         "a is answered twice", false},
        {"{\"answers\":[{\"q\":\"a\",\"a\":-3}]}",
         "a=-3: an answer is yes, no, abstain or a whole number", false},
        {"{\"answers\":[{\"q\":\"a\",\"a\":1.5}]}",
         "a=: an answer is yes, no, abstain or a whole number", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct draft draft;
        json_t *file = json_loads(cases[i].file, 0, NULL);
        draft_init(&draft, "m4");
        assert_int_equal(draft_take_json(&draft, file), cases[i].good);
        if (cases[i].good) {
            assert_json(draft_json(&draft), cases[i].result);
        } else {
            assert_string_equal(draft.problem, cases[i].result);
        }
        draft_close(&draft);
        json_decref(file);
    }
}

static void questions_are_read(void **state)
{
    (void)state;
    const char *problem = "";
    assert_json(question_parse("q1", "simple-majority", &problem),
                "{\"id\":\"q1\",\"policy\":\"simple-majority\"}");
    assert_json(
        question_parse("q1,policy=hive,proposal=P-1,supersedes=m3/q1,title=a, b=c", "x", &problem),
        "{\"id\":\"q1\",\"policy\":\"hive\",\"proposal\":\"P-1\",\"supersedes\":\"m3/q1\","
        "\"title\":\"a, b=c\"}");
    assert_json(question_of_proposal("P-1", "x"),
                "{\"id\":\"P-1\",\"proposal\":\"P-1\",\"policy\":\"x\"}");
    static const char *const bad[] = {"",          ",policy=x", "q1,",          "q1,policy",
                                      "q1,rule=x", "q 1",       "q1,title=\xff"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        problem = "";
        assert_null(question_parse(bad[i], "x", &problem));
        assert_string_not_equal(problem, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_become_json),
        cmocka_unit_test(json_becomes_msgpack),
        cmocka_unit_test(integers_are_restored),
        cmocka_unit_test(bytes_as_text),
        cmocka_unit_test(bodies_count_their_fields),
        cmocka_unit_test(ballots_are_taken_from_words),
        cmocka_unit_test(wrong_ballots_are_explained),
        cmocka_unit_test(ballots_are_taken_from_files),
        cmocka_unit_test(questions_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
