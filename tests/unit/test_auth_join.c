/* Join tickets: the form of auth/join.h, written by hand; the token's text and hash by other
 * programs
 * (`base64`, `sha256sum`). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "auth/join.h"

#define CLUSTER "000102030405060708090a0b0c0d0e0f"
/* printf '%s' 'a token of thirty-two characters' | base64 | tr '+/' '-_' | tr -d '=' */
#define TOKEN "YSB0b2tlbiBvZiB0aGlydHktdHdvIGNoYXJhY3RlcnM"

static const char ticket_text[] = "# a comment\n"
                                  "\n"
                                  "conclave-join-v1 " CLUSTER " 4 " TOKEN "\n"
                                  "self 127.0.0.1:7104 127.0.0.1:7204\n"
                                  "node 1 127.0.0.1:7101\n"
                                  "# another\n"
                                  "node 3 [::1]:7103"; /* the last line's end may be missing */

static void test_read(void **state)
{
    (void)state;
    struct join_ticket ticket;
    unsigned line;
    assert_int_equal(join_ticket_parse(slice_of_text(ticket_text), &ticket, &line), CONCLAVE_OK);
    for (unsigned i = 0; i < sizeof ticket.cluster_id; i++) {
        assert_int_equal(ticket.cluster_id[i], i);
    }
    assert_int_equal(ticket.node_id, 4);
    assert_true(ticket.has_token);
    assert_memory_equal(ticket.token, "a token of thirty-two characters", 32);
    assert_string_equal(ticket.peer_address, "127.0.0.1:7104");
    assert_string_equal(ticket.client_address, "127.0.0.1:7204");
    assert_int_equal(ticket.node_count, 2);
    assert_int_equal(ticket.nodes[0].node_id, 1);
    assert_string_equal(ticket.nodes[0].address, "127.0.0.1:7101");
    assert_int_equal(ticket.nodes[1].node_id, 3);
    assert_string_equal(ticket.nodes[1].address, "[::1]:7103");
}

static void test_written_is_read(void **state)
{
    (void)state;
    struct join_ticket ticket, again;
    unsigned line;
    for (unsigned with_token = 0; with_token < 2; with_token++) {
        struct buffer text;
        buffer_init(&text, JOIN_TICKET_BYTES);
        assert_int_equal(join_ticket_parse(slice_of_text(ticket_text), &ticket, &line),
                         CONCLAVE_OK);
        if (with_token == 0) {
            ticket.has_token = false;
            memset(ticket.token, 0, sizeof ticket.token);
        }
        join_ticket_write(&text, &ticket);
        assert_int_equal(text.status, CONCLAVE_OK);
        assert_int_equal(join_ticket_parse(buffer_slice(&text), &again, &line), CONCLAVE_OK);
        assert_memory_equal(&ticket, &again, sizeof ticket);
        buffer_close(&text);
    }
}

static const struct {
    const char *text;
    unsigned line; /* that is wrong; 0: the end is missing */
} wrong[] = {
    {"", 0},
    {"# only this\n", 0},
    {"conclave-join-v2 " CLUSTER " 4 -\n", 1},
    {"conclave-join-v1 " CLUSTER " 4\n", 1},
    {"conclave-join-v1 " CLUSTER "00 4 -\n", 1},
    {"conclave-join-v1 000102030405060708090a0b0c0d0e0g 4 -\n", 1},
    {"conclave-join-v1 " CLUSTER " 0 -\n", 1},
    {"conclave-join-v1 " CLUSTER " -4 -\n", 1},
    {"conclave-join-v1 " CLUSTER " 9223372036854775808 -\n", 1},
    {"conclave-join-v1 " CLUSTER " 99999999999999999999 -\n", 1},
    {"conclave-join-v1 " CLUSTER " 4 " TOKEN "A\n", 1},
    {"conclave-join-v1 " CLUSTER " 4  -\n", 1},
    {"conclave-join-v1 " CLUSTER " 4 -\n", 0},
    {"conclave-join-v1 " CLUSTER " 4 -\nnode 1 a:1\n", 2},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1\n", 2},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1 b:1\n", 0},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1 b:1\nnode 4 c:1\n", 3},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1 b:1\nnode 1 c:1\n\nnode 1 d:1\n", 5},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1 b:1\nnode 1 c:1 d\n", 3},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1 b:1\nnode 1 \n", 3},
    {"conclave-join-v1 " CLUSTER " 4 -\nself a:1 b:1\nnode 1 c:1\nnode 2 c:2\nnode 3 c:3\n"
     "node 5 c:5\nnode 6 c:6\nnode 7 c:7\nnode 8 c:8\nnode 9 c:9\n",
     10}, /* more than there can be */
};

static void test_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct join_ticket ticket;
        unsigned line = 99;
        print_message("%s", wrong[i].text);
        assert_int_equal(join_ticket_parse(slice_of_text(wrong[i].text), &ticket, &line),
                         CONCLAVE_BAD_REQUEST);
        assert_int_equal(line, wrong[i].line);
    }
}

static void test_hash(void **state)
{
    (void)state;
    uint8_t hash[AUTH_SHA256_BYTES];
    /* printf '%s' 'a token of thirty-two characters' | sha256sum */
    static const uint8_t expected[] = {0xc4, 0xee, 0x0d, 0x47, 0x6f, 0xe1, 0x0d, 0xb4,
                                       0x7e, 0xa6, 0xf2, 0x12, 0xaa, 0xba, 0x56, 0xf2,
                                       0x8e, 0x58, 0x57, 0x5a, 0xe2, 0x40, 0x07, 0xdf,
                                       0x2f, 0x43, 0x3b, 0x5f, 0x90, 0x5f, 0xbc, 0xaa};
    join_token_hash(slice_of_text("a token of thirty-two characters"), hash);
    assert_memory_equal(hash, expected, sizeof hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read),
                                       cmocka_unit_test(test_written_is_read),
                                       cmocka_unit_test(test_wrong), cmocka_unit_test(test_hash)};
    assert_int_equal(auth_init(), CONCLAVE_OK);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
