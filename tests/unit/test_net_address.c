/* Addresses as people write them, and the rule that nothing leaves the machine yet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "net/address.h"

static void test_good_addresses_read_back(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:7101", "10.1.2.3:1", "0.0.0.0:65535",
                                       "[::1]:7101", "[fe80::1]:80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        union net_address address;
        struct codec_error error;
        char text[LIMIT_ADDRESS_BYTES + 1];
        assert_int_equal(net_address_parse(good[i], false, &address, &error), CONCLAVE_OK);
        net_address_text(&address, text);
        assert_string_equal(text, good[i]);
    }
}

static void test_parts_are_in_network_order(void **state)
{
    (void)state;
    union net_address address;
    struct codec_error error;
    assert_int_equal(net_address_parse("127.0.0.1:7101", false, &address, &error), CONCLAVE_OK);
    assert_int_equal(address.any.sa_family, AF_INET);
    assert_int_equal(ntohs(address.v4.sin_port), 7101);
    assert_int_equal(ntohl(address.v4.sin_addr.s_addr), 0x7f000001);
}

static void test_bad_addresses_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } bad[] = {
        {"7101", "did you mean \"127.0.0.1:7101\"?"},
        {":7101", "did you mean \"127.0.0.1:7101\"?"},
        {"localhost:7101", "did you mean \"127.0.0.1:7101\"?"},
        {"node1.example:7101", "names are not looked up"},
        {"127.0.0.1", "has no port"},
        {"::1", "has no port"},
        {"127.0.0.1:", "port must be a number from 1 to 65535"},
        {"127.0.0.1:0", "port must be a number from 1 to 65535"},
        {"127.0.0.1:65536", "port must be a number from 1 to 65535"},
        {"127.0.0.1:99999999999999999999", "port must be a number from 1 to 65535"},
        {"127.0.0.1:71o1", "port must be a number from 1 to 65535"},
        {"127.0.0.1:-1", "port must be a number from 1 to 65535"},
        {"127.0.0.1: 80", "port must be a number from 1 to 65535"},
        {"127.0.0.256:80", "names are not looked up"},
        {"[127.0.0.1]:80", "names are not looked up"},
        {"[]:80", "did you mean \"127.0.0.1:80\"?"},
        {"[::1:80", "is not an address like"},
        {"[", "is not an address like"},
        {"", "is not an address like"},
        {"hello", "is not an address like"},
        {"11111111111111111111111111111111111111111111111111111111111111111:1", "at most 64 bytes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        union net_address address;
        struct codec_error error = {""};
        assert_int_equal(net_address_parse(bad[i].text, false, &address, &error),
                         CONCLAVE_BAD_VALUE);
        if (strstr(error.text, bad[i].says) == NULL) {
            fail_msg("\"%s\": %s", bad[i].text, error.text);
        }
    }
}

static void test_port_zero_is_for_tests(void **state)
{
    (void)state;
    union net_address address;
    struct codec_error error;
    assert_int_equal(net_address_parse("127.0.0.1:0", true, &address, &error), CONCLAVE_OK);
}

static void test_only_loopback_is_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum conclave_code code;
    } cases[] = {
        {"127.0.0.1:1", CONCLAVE_OK},
        {"127.255.255.254:1", CONCLAVE_OK},
        {"[::1]:1", CONCLAVE_OK},
        {"0.0.0.0:1", CONCLAVE_BAD_VALUE},
        {"128.0.0.1:1", CONCLAVE_BAD_VALUE},
        {"126.255.255.255:1", CONCLAVE_BAD_VALUE},
        {"192.168.0.1:1", CONCLAVE_BAD_VALUE},
        {"[::]:1", CONCLAVE_BAD_VALUE},
        {"[::2]:1", CONCLAVE_BAD_VALUE},
        {"[::ffff:127.0.0.1]:1", CONCLAVE_BAD_VALUE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        union net_address address;
        struct codec_error error = {""};
        assert_int_equal(net_address_parse(cases[i].text, false, &address, &error), CONCLAVE_OK);
        assert_int_equal(net_address_check_allowed(&address, cases[i].text, &error), cases[i].code);
        if (cases[i].code != CONCLAVE_OK) {
            assert_non_null(
                strstr(error.text, "without certificates connections are not encrypted"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_addresses_read_back),
        cmocka_unit_test(test_parts_are_in_network_order),
        cmocka_unit_test(test_bad_addresses_say_what_is_wrong),
        cmocka_unit_test(test_port_zero_is_for_tests),
        cmocka_unit_test(test_only_loopback_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
