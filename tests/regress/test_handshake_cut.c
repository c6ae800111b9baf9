/* A peer's version or sentence that was too long was cut within a character: what a node then kept,
 * logged and showed was no UTF-8 any more. Found by fuzz_handshake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "net/handshake.h"

/* The euro sign has three bytes: 10 of them fit into 32 bytes, 85 into 256. */
#define EURO "\xe2\x82\xac"
#define TEN  EURO EURO EURO EURO EURO EURO EURO EURO EURO EURO

static void test_version(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x99\x02\xc4\x10"
                                   "0123456789abcdef\x01\x02\xc4\x10"
                                   "0123456789abcdef\x01\xc4\x08"
                                   "12345678\xd9\x21" TEN EURO "\xc4\x00";
    struct handshake handshake;
    assert_int_equal(handshake_read(slice_of(bytes, sizeof bytes - 1), &handshake), CONCLAVE_OK);
    assert_string_equal(handshake.program_version, TEN);
}

static void test_sentence(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x93\x02\xa2ok\xda\x01\x0e" TEN TEN TEN TEN TEN TEN TEN TEN TEN;
    struct handshake_answer answer;
    assert_int_equal(handshake_answer_read(slice_of(bytes, sizeof bytes - 1), &answer),
                     CONCLAVE_OK);
    assert_string_equal(answer.code, "ok");
    assert_string_equal(answer.sentence, TEN TEN TEN TEN TEN TEN TEN TEN EURO EURO EURO EURO EURO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
