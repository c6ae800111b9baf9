/* A text without bytes has no address in what MessagePack's decoder gives, if nothing stood before
 * it: the value that it was in was lost. And a node's sentence that begins with a NUL was shown as
 * none, one that was too long was cut within a character; an error whose code is empty was the end
 * of the client. Found by fuzz_answer and fuzz_rpc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/rpc.h"
#include "codec/utf8.h"
#include "tools/conclave/convert.h"

static void expect_json(const char *packed, size_t size, const char *text)
{
    json_t *value = convert_packed_to_json(slice_of(packed, size));
    assert_non_null(value);
    char *written = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    assert_string_equal(written, text);
    free(written);
    json_decref(value);
}

static void test_empty_text(void **state)
{
    (void)state;
    expect_json("\xa0", 1, "\"\"");
    expect_json("\xc4\x00", 2, "\"\"");
    expect_json("\x91\xa0", 2, "[\"\"]");
    expect_json("\x81\xa1x\xa0", 4, "{\"x\":\"\"}");
}

/* The sentence of an error as the client has it. */
static enum conclave_code ask(const char *answer, size_t size, struct client_rpc_outcome *outcome)
{
    int sockets[2];
    struct client_connection connection;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    client_connection_init(&connection);
    connection.fd = sockets[0];
    assert_int_equal(send(sockets[1], answer, size, 0), (ssize_t)size);
    enum conclave_code code =
        client_rpc_call(&connection, 7, "hello", slice_of("\x80", 1), 0, outcome);
    client_connection_close(&connection);
    assert_int_equal(close(sockets[1]), 0);
    return code;
}

static void test_sentences(void **state)
{
    (void)state;
    static const char nothing[] = "\x94\x01\x07\x93\xa9no_leader\xa3\0\0x\x80\xc0";
    struct client_rpc_outcome outcome;
    assert_int_equal(ask(nothing, sizeof nothing - 1, &outcome), CONCLAVE_NO_LEADER);
    assert_string_equal(outcome.message, conclave_code_text(CONCLAVE_NO_LEADER));

    char answer[4096] = "\x94\x01\x07\x93\xa9no_leader\xda\x0b\xb8"; /* 3000 bytes follow */
    size_t head = 4 + 10 + 3;
    memcpy(answer + head + 3000, "\x80\xc0", 2);
    for (size_t shift = 0; shift < 3; shift++) { /* wherever the cut falls in a character */
        memset(answer + head, 'x', 3000);
        for (size_t i = shift; i + 3 <= 3000; i += 3) {
            memcpy(answer + head + i, "\xe2\x82\xac", 3); /* the euro sign */
        }
        assert_int_equal(ask(answer, head + 3002, &outcome), CONCLAVE_NO_LEADER);
        assert_true(strlen(outcome.message) > 100);
        assert_true(codec_utf8_valid(slice_of_text(outcome.message)));
    }
}

/* A code that is not known here is some other node's; the empty one, too. */
static void test_empty_code(void **state)
{
    (void)state;
    static const char empty[] = "\x94\x01\x07\x92\xa0\xa3why\xc0";
    struct client_rpc_outcome outcome;
    assert_int_equal(ask(empty, sizeof empty - 1, &outcome), CONCLAVE_INTERNAL);
    assert_string_equal(outcome.message, "why ()");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_empty_text),
                                       cmocka_unit_test(test_sentences),
                                       cmocka_unit_test(test_empty_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
