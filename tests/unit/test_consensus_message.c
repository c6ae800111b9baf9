/* Peer messages: bytes by hand both ways, and every refusal that the header promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <conclave/limits.h>

#include "consensus/configuration.h"
#include "consensus/message.h"

#define BYTES(text) slice_of(text, sizeof(text) - 1)

static void assert_bytes(const struct buffer *buffer, struct slice expected)
{
    assert_int_equal(buffer->status, CONCLAVE_OK);
    assert_int_equal(buffer->size, expected.size);
    assert_memory_equal(buffer->data, expected.data, expected.size);
}

static enum conclave_code decode(struct slice bytes)
{
    struct message message;
    enum conclave_code rv = message_decode(&message, 2, bytes);
    if (rv == CONCLAVE_OK) {
        message_close(&message);
    }
    return rv;
}

/* Every cut and every single changed bit is refused or is another message; nothing crashes. */
static void assert_robust(struct slice bytes)
{
    assert_int_equal(decode(bytes), CONCLAVE_OK);
    uint8_t copy[512];
    assert_true(bytes.size + 1 <= sizeof copy);
    for (size_t size = 0; size < bytes.size; size++) {
        memcpy(copy, bytes.data, size);
        assert_int_not_equal(decode(slice_of(copy, size)), CONCLAVE_OK);
    }
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = 0;
    assert_int_not_equal(decode(slice_of(copy, bytes.size + 1)), CONCLAVE_OK);
    for (size_t bit = 0; bit < bytes.size * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        (void)decode(slice_of(copy, bytes.size));
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_append(void **state)
{
    (void)state;
    struct buffer entries;
    struct buffer buffer;
    buffer_init(&entries, 1024);
    buffer_init(&buffer, 1024);
    message_write_entry(&entries, 6, RAFT_COMMAND, BYTES("abc"));
    message_write_entry(&entries, 7, RAFT_BARRIER, (struct slice){0});
    const struct raft_append_entries append = {
        .term = 7, .prev_log_index = 300, .prev_log_term = 5, .leader_commit = 2};
    message_write_append(&buffer, &append, buffer_slice(&entries), 2);
    const struct slice expected = BYTES("\x97\x01\x01\x07\xcd\x01\x2c\x05\x02"
                                        "\x92\x93\x06\x01\xc4\x03"
                                        "abc"
                                        "\x93\x07\x02\xc4\x00");
    assert_bytes(&buffer, expected);
    struct message message;
    assert_int_equal(message_decode(&message, 2, expected), CONCLAVE_OK);
    const struct raft_append_entries *read = &message.raft.append_entries;
    assert_int_equal(message.type, MESSAGE_APPEND);
    assert_int_equal(message.raft.type, RAFT_APPEND_ENTRIES);
    assert_int_equal(read->term, 7);
    assert_int_equal(read->prev_log_index, 300);
    assert_int_equal(read->prev_log_term, 5);
    assert_int_equal(read->leader_commit, 2);
    assert_int_equal(read->n_entries, 2);
    assert_int_equal(read->entries[0].term, 6);
    assert_int_equal(read->entries[0].buf.len, 3);
    assert_memory_equal(read->entries[0].buf.base, "abc", 3);
    assert_int_equal(read->entries[1].type, RAFT_BARRIER);
    assert_int_equal(read->entries[1].buf.len, 0);
    message_close(&message);
    assert_robust(expected);
    buffer_close(&entries);
    buffer_close(&buffer);
}

static void test_appends_that_cannot_be_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct slice bytes;
    } cases[] = {
        {"term 0", {(const uint8_t *)"\x97\x01\x01\x00\x01\x01\x00\x90", 8}},
        {"index 0 with a term", {(const uint8_t *)"\x97\x01\x01\x07\x00\x01\x00\x90", 8}},
        {"an index without a term", {(const uint8_t *)"\x97\x01\x01\x07\x01\x00\x00\x90", 8}},
        {"previous term above term", {(const uint8_t *)"\x97\x01\x01\x07\x01\x08\x00\x90", 8}},
        {"entry above term",
         {(const uint8_t *)"\x97\x01\x01\x07\x01\x01\x00\x91\x93\x08\x02\xc4\x00", 13}},
        {"entry below previous term",
         {(const uint8_t *)"\x97\x01\x01\x07\x01\x05\x00\x91\x93\x04\x02\xc4\x00", 13}},
        {"entry of type 0",
         {(const uint8_t *)"\x97\x01\x01\x07\x01\x01\x00\x91\x93\x07\x00\xc4\x00", 13}},
        {"entry of type 4",
         {(const uint8_t *)"\x97\x01\x01\x07\x01\x01\x00\x91\x93\x07\x04\xc4\x00", 13}},
        {"first entry no configuration",
         {(const uint8_t *)"\x97\x01\x01\x07\x00\x00\x00\x91\x93\x07\x02\xc4\x00", 13}},
        {"an empty configuration",
         {(const uint8_t *)"\x97\x01\x01\x07\x01\x01\x00\x91\x93\x07\x03\xc4\x00", 13}},
        {"text for data",
         {(const uint8_t *)"\x97\x01\x01\x07\x01\x01\x00\x91\x93\x07\x01\xa1x", 13}},
        {"one element more", {(const uint8_t *)"\x98\x01\x01\x07\x01\x01\x00\x90\x00", 9}},
        {"an index past all bounds",
         {(const uint8_t *)"\x97\x01\x01\x07\xcf\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00\x90", 16}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (decode(cases[i].bytes) != CONCLAVE_BAD_REQUEST) {
            fail_msg("taken: %s", cases[i].what);
        }
    }
    assert_int_equal(decode(BYTES("\x97\x01\x01\x07\x01\x01\x00\x90")), CONCLAVE_OK);
}

static void test_votes_and_results(void **state)
{
    (void)state;
    static const struct {
        struct raft_message message;
        struct slice bytes;
    } cases[] = {
        {{.type = RAFT_APPEND_ENTRIES_RESULT,
          .append_entries_result = {.term = 3, .rejected = 9, .last_log_index = 8}},
         {(const uint8_t *)"\x95\x01\x02\x03\x09\x08", 6}},
        {{.type = RAFT_REQUEST_VOTE,
          .request_vote = {.term = 3,
                           .last_log_index = 9,
                           .last_log_term = 2,
                           .disrupt_leader = true,
                           .pre_vote = false}},
         {(const uint8_t *)"\x97\x01\x03\x03\x09\x02\xc3\xc2", 8}},
        {{.type = RAFT_REQUEST_VOTE_RESULT,
          .request_vote_result = {.term = 3, .vote_granted = true, .pre_vote = true}},
         {(const uint8_t *)"\x95\x01\x04\x03\xc3\xc3", 6}},
        {{.type = RAFT_TIMEOUT_NOW,
          .timeout_now = {.term = 3, .last_log_index = 9, .last_log_term = 2}},
         {(const uint8_t *)"\x95\x01\x06\x03\x09\x02", 6}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer buffer;
        buffer_init(&buffer, 256);
        message_write_raft(&buffer, &cases[i].message);
        assert_bytes(&buffer, cases[i].bytes);
        buffer_close(&buffer);
        assert_robust(cases[i].bytes);
    }
    struct message message;
    assert_int_equal(message_decode(&message, 4, cases[1].bytes), CONCLAVE_OK);
    assert_int_equal(message.raft.request_vote.candidate_id, 4); /* whoever sent it */
    assert_true(message.raft.request_vote.disrupt_leader);
    assert_false(message.raft.request_vote.pre_vote);
    message_close(&message);
    assert_int_equal(decode(BYTES("\x95\x01\x02\x00\x09\x08")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x97\x01\x03\x03\x09\x04\xc3\xc2")), CONCLAVE_BAD_REQUEST);
}

static void test_forwards(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 256);
    const struct message_forward forward = {
        .incarnation = 5, .attempt = 1, .command = BYTES("xyz")};
    message_write_forward(&buffer, &forward);
    assert_bytes(&buffer, BYTES("\x95\x01\x07\x05\x01\xc4\x03"
                                "xyz"));
    assert_robust(buffer_slice(&buffer));
    buffer_clear(&buffer);
    const struct message_forward_result ok = {.incarnation = 5,
                                              .attempt = 1,
                                              .command_id = BYTES("0123456789abcdef"),
                                              .code = CONCLAVE_OK,
                                              .reply = BYTES("\x80")};
    message_write_forward_result(&buffer, &ok);
    assert_bytes(&buffer, BYTES("\x97\x01\x08\x05\x01\xc4\x10"
                                "0123456789abcdef"
                                "\xa2ok\xc4\x01\x80"));
    assert_robust(buffer_slice(&buffer));
    buffer_close(&buffer);
    /* attempt 0; an empty command; a reply that is no map; a code that no leader sends; a reply
     * with busy. */
    assert_int_equal(decode(BYTES("\x95\x01\x07\x05\x00\xc4\x01x")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x95\x01\x07\x05\x01\xc4\x00")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x97\x01\x08\x05\x01\xc4\x10"
                                  "0123456789abcdef\xa2ok\xc4\x01\x01")),
                     CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x97\x01\x08\x05\x01\xc4\x10"
                                  "0123456789abcdef\xa2io\xc4\x00")),
                     CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x97\x01\x08\x05\x01\xc4\x10"
                                  "0123456789abcdef\xa4"
                                  "busy\xc4\x01\x80")),
                     CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x97\x01\x08\x05\x01\xc4\x10"
                                  "0123456789abcdef\xa4"
                                  "busy\xc4\x00")),
                     CONCLAVE_OK);
}

static void test_reads(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 256);
    const struct message_read_round round = {.term = 4, .round = 200};
    message_write_read_round(&buffer, MESSAGE_READ_PING, &round);
    assert_bytes(&buffer, BYTES("\x94\x01\x09\x04\xcc\xc8"));
    assert_robust(buffer_slice(&buffer));
    buffer_clear(&buffer);
    message_write_read_round(&buffer, MESSAGE_READ_PONG, &round);
    assert_bytes(&buffer, BYTES("\x94\x01\x0a\x04\xcc\xc8"));
    buffer_clear(&buffer);
    const struct message_read_ask answer = {.ask = 3, .index = 17, .term = 5};
    message_write_read_ask(&buffer, &answer);
    assert_bytes(&buffer, BYTES("\x93\x01\x0b\x03"));
    assert_robust(buffer_slice(&buffer));
    buffer_clear(&buffer);
    message_write_read_answer(&buffer, &answer);
    assert_bytes(&buffer, BYTES("\x95\x01\x0c\x03\x11\x05"));
    assert_robust(buffer_slice(&buffer));
    buffer_close(&buffer);
}

static void test_other_versions_and_types(void **state)
{
    (void)state;
    assert_int_equal(decode(BYTES("\x93\x02\x0b\x03")), CONCLAVE_BAD_VERSION);
    assert_int_equal(decode(BYTES("\x93\x01\x0d\x03")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x93\x01\x00\x03")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x91\x01")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x81\x01\x01")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode((struct slice){0}), CONCLAVE_BAD_REQUEST);
}

/* --- Configurations: the library's format, written by hand --- */

#define COUNT(n)   "\x01" n "\0\0\0\0\0\0\0"
#define SERVER(id) id "\0\0\0\0\0\0\0"

static void test_configurations(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        bool valid;
        struct slice bytes;
    } cases[] = {
        {"two servers",
         true,
         {(const uint8_t *)COUNT("\2") SERVER("\1") "a\0\1" SERVER("\2") "b\0\0", 31}},
        {"nothing", false, {(const uint8_t *)"", 0}},
        {"version 2", false, {(const uint8_t *)"\2\1\0\0\0\0\0\0\0" SERVER("\1") "a\0\1", 20}},
        {"no server", false, {(const uint8_t *)COUNT("\0"), 9}},
        {"eight servers", false, {(const uint8_t *)COUNT("\10") SERVER("\1") "a\0\1", 20}},
        {"a server too few", false, {(const uint8_t *)COUNT("\2") SERVER("\1") "a\0\1", 20}},
        {"id 0", false, {(const uint8_t *)COUNT("\1") SERVER("\0") "a\0\1", 20}},
        {"an empty address", false, {(const uint8_t *)COUNT("\1") SERVER("\1") "\0\1", 19}},
        {"an endless address", false, {(const uint8_t *)COUNT("\1") SERVER("\1") "aaa", 20}},
        {"no role", false, {(const uint8_t *)COUNT("\1") SERVER("\1") "a\0", 19}},
        {"role 3", false, {(const uint8_t *)COUNT("\1") SERVER("\1") "a\0\3", 20}},
        {"an id twice",
         false,
         {(const uint8_t *)COUNT("\2") SERVER("\1") "a\0\1" SERVER("\1") "b\0\0", 31}},
        {"an address twice",
         false,
         {(const uint8_t *)COUNT("\2") SERVER("\1") "a\0\1" SERVER("\2") "a\0\0", 31}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (configuration_valid(cases[i].bytes) != cases[i].valid) {
            fail_msg("%s", cases[i].what);
        }
    }
    struct raft_configuration configuration;
    assert_int_equal(configuration_decode(cases[0].bytes, &configuration), CONCLAVE_OK);
    assert_int_equal(configuration.n, 2);
    assert_int_equal(configuration_voters(&configuration), 1);
    assert_true(configuration_is_voter(&configuration, 1));
    assert_false(configuration_is_voter(&configuration, 2));
    assert_null(configuration_find(&configuration, 3));
    assert_string_equal(configuration_find(&configuration, 2)->address, "b");
    /* The library writes what we take. */
    struct raft_buffer bytes;
    assert_int_equal(raft_configuration_encode(&configuration, &bytes), 0);
    assert_true(configuration_valid(slice_of(bytes.base, bytes.len)));
    raft_free(bytes.base);
    raft_configuration_close(&configuration);
    assert_int_equal(configuration_decode(cases[3].bytes, &configuration), CONCLAVE_CORRUPT);
}

static void test_the_largest_configuration_fits(void **state)
{
    (void)state;
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < LIMIT_NODES; i++) {
        char address[LIMIT_ADDRESS_BYTES + 1];
        memset(address, 'a' + (int)i, LIMIT_ADDRESS_BYTES);
        address[LIMIT_ADDRESS_BYTES] = 0;
        assert_int_equal(
            raft_configuration_add(&configuration, UINT64_MAX - i, address, RAFT_VOTER), 0);
    }
    struct raft_buffer bytes;
    assert_int_equal(raft_configuration_encode(&configuration, &bytes), 0);
    assert_true(bytes.len <= CONFIGURATION_BYTES_MAX);
    assert_true(configuration_valid(slice_of(bytes.base, bytes.len)));
    raft_free(bytes.base);
    raft_configuration_close(&configuration);
}

static void test_repair(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 1024);
    struct message_repair repair = {.index = 300, .term = 7};
    message_write_repair(&buffer, MESSAGE_REPAIR_ASK, &repair);
    assert_bytes(&buffer, BYTES("\x94\x01\x11\xcd\x01\x2c\x07"));
    assert_robust(buffer_slice(&buffer));
    buffer_clear(&buffer);
    repair.type = 1;
    repair.data = BYTES("abc");
    message_write_repair(&buffer, MESSAGE_REPAIR_ENTRY, &repair);
    assert_bytes(&buffer, BYTES("\x96\x01\x12\xcd\x01\x2c\x07\x01\xc4\x03"
                                "abc"));
    assert_robust(buffer_slice(&buffer));
    struct message message;
    assert_int_equal(message_decode(&message, 2, buffer_slice(&buffer)), CONCLAVE_OK);
    assert_int_equal(message.type, MESSAGE_REPAIR_ENTRY);
    assert_true(message.repair.index == 300 && message.repair.term == 7);
    assert_true(slice_equal(message.repair.data, BYTES("abc")));
    message_close(&message);
    buffer_close(&buffer);
    /* no index, no term, no such type */
    assert_int_equal(decode(BYTES("\x94\x01\x11\x00\x07")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x94\x01\x11\x07\x00")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x96\x01\x12\x07\x07\x00\xc4\x00")), CONCLAVE_BAD_REQUEST);
    assert_int_equal(decode(BYTES("\x96\x01\x12\x07\x07\x04\xc4\x00")), CONCLAVE_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_appends_that_cannot_be_are_refused),
        cmocka_unit_test(test_votes_and_results),
        cmocka_unit_test(test_forwards),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_other_versions_and_types),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_the_largest_configuration_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
