/* Sessions: who proves what with which key, who may read where reads are for members, and what
 * becomes of commands signed with keys that have ended. Statements are put together by the
 * fixture, from PROTOCOL.md's "Sessions", signatures by libsodium. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/memory.h"
#include "support/api_fixture.h"

#define MEMBER  ROLE_SET(ROLE_MEMBER)
#define NONCE_1 1

static int setup(void **state)
{
    struct api_fixture *fixture = fixture_open();
    fixture->replica->authors[0].author.roles = MEMBER;
    fixture->replica->authors[0].author.key_index = 2;
    fixture->replica->cluster_answer = FIXTURE_BYTES("\x82\xa4name\xa4hive\xa5nodes\x90");
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x07");
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static void other_key(uint8_t public_key[32], uint8_t secret_key[64])
{
    static const uint8_t seed[32] = "another seed, also of 32 bytes.";
    assert_int_equal(crypto_sign_seed_keypair(public_key, secret_key, seed), 0);
}

static void expect_proved(struct api_fixture *fixture, uint32_t message_id, bool chair)
{
    msgpack_unpacked message;
    const msgpack_object *result = fixture_expect_result(fixture, 1, message_id, &message);
    assert_int_equal(result->via.map.size, 2);
    assert_memory_equal(fixture_get(result, "member")->via.str.ptr, "ada", 3);
    assert_int_equal(fixture_get(result, "chair")->via.boolean, chair);
    msgpack_unpacked_destroy(&message);
}

static void prove(struct api_fixture *fixture)
{
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 901, "ada", (uint8_t)fixture->random_calls, fixture->secret_key,
                       NULL);
    fixture_verify(fixture);
    expect_proved(fixture, 901, false);
}

/* A stale read: it needs no round. */
static void read_stale(struct api_fixture *fixture, uint64_t connection, uint32_t message_id)
{
    fixture_request(fixture, connection, message_id, "tally", FIXTURE_BYTES("\x81\xa5stale\xc3"));
}

static void expect_read(struct api_fixture *fixture, uint64_t connection, uint32_t message_id)
{
    msgpack_unpacked message;
    (void)fixture_expect_result(fixture, connection, message_id, &message);
    msgpack_unpacked_destroy(&message);
}

static void members_changed(struct api_fixture *fixture)
{
    api_event(fixture->api, FIXTURE_BYTES("\x85\xa4type\xaemember.changed\xa5index\x09"));
}

static void reads_are_for_members(void **state)
{
    struct api_fixture *fixture = *state;
    read_stale(fixture, 1, 1);
    expect_read(fixture, 1, 1); /* public at first */
    fixture->replica->reads_members = true;
    api_event(fixture->api, FIXTURE_BYTES("\x84\xa4type\xaf"
                                          "cluster.changed\xa5index\x08"));
    read_stale(fixture, 1, 2);
    fixture_expect_error(fixture, 1, 2, "proof_needed", "prove");
    prove(fixture);
    read_stale(fixture, 1, 3);
    expect_read(fixture, 1, 3);
    fixture_connect(fixture, 2); /* another connection is another session */
    read_stale(fixture, 2, 4);
    fixture_expect_error(fixture, 2, 4, "proof_needed", "tally is for members");
}

static void what_is_open_to_all(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->reads_members = true;
    fixture_hello(fixture, 1);
    fixture_request(fixture, 1, 2, "status", FIXTURE_NO_PARAMS);
    expect_read(fixture, 1, 2);
    fixture_request(fixture, 1, 3, "watch", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 3, "proof_needed", "watch");
}

static void a_proof_is_checked(void **state)
{
    struct api_fixture *fixture = *state;
    uint8_t public_key[32], secret_key[64];
    other_key(public_key, secret_key);
    fixture_send_proof(fixture, 1, "ada", 1, fixture->secret_key, NULL);
    fixture_expect_error(fixture, 1, 1, "bad_request", "hello");
    /* by another key */
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 2, "ada", 1, secret_key, NULL);
    fixture_verify(fixture);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 2, "bad_signature", "\"ada\"");
    /* a challenge is good for one answer */
    fixture_send_proof(fixture, 3, "ada", 1, fixture->secret_key, NULL);
    fixture_expect_error(fixture, 1, 3, "bad_request", "hello");
    /* of the challenge before this one */
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 4, "ada", 1, fixture->secret_key, NULL);
    fixture_verify(fixture);
    fixture_readable(fixture, 1, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 4, "bad_signature", "\"ada\"");
    /* by nobody that is known, even after asking */
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 5, "eve", 3, fixture->secret_key, NULL);
    fixture_readable(fixture, 2, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 5, "unknown_author", "\"eve\"");
    /* nobody to ask */
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 6, "eve", 4, fixture->secret_key, NULL);
    fixture_readable(fixture, 3, CONCLAVE_NO_LEADER);
    fixture_expect_error(fixture, 1, 6, "no_leader", "");
    fixture_hello(fixture, 1);
    fixture_request(fixture, 1, 7, "prove", FIXTURE_NO_PARAMS);
    fixture_expect_error(fixture, 1, 7, "bad_request", "member");
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

static bool binding_of(void *context, uint64_t connection_id, uint8_t binding[32])
{
    (void)context;
    memset(binding, 0x77, 32);
    return connection_id == 1;
}

static void a_proof_is_bound_to_the_channel(void **state)
{
    struct api_fixture *fixture = *state;
    uint8_t binding[32];
    memset(binding, 0x77, sizeof binding);
    fixture->host.channel_binding = binding_of;
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 1, "ada", 1, fixture->secret_key, binding);
    fixture_verify(fixture);
    expect_proved(fixture, 1, false);
    fixture_hello(fixture, 1);
    fixture_send_proof(fixture, 2, "ada", 2, fixture->secret_key, NULL);
    fixture_verify(fixture);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 2, "bad_signature", "");
}

static void who_has_sessions(void **state)
{
    struct api_fixture *fixture = *state;
    struct model_author *ada = &fixture->replica->authors[0].author;
    static const struct {
        role_set roles;
        const char *code; /* NULL: proved */
        bool chair;
    } cases[] = {
        {MEMBER, NULL, false},
        {MEMBER | ROLE_SET(ROLE_CHAIR), NULL, true},
        {ROLE_SET(ROLE_RETIRED), NULL, false},
        {ROLE_SET(ROLE_SUSPENDED), "not_active", false},
        {ROLE_SET(ROLE_REVOKED), "key_revoked", false},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ada->roles = cases[i].roles;
        fixture_hello(fixture, 1);
        fixture_send_proof(fixture, i, "ada", (uint8_t)fixture->random_calls, fixture->secret_key,
                           NULL);
        fixture_verify(fixture);
        if (cases[i].code == NULL) {
            expect_proved(fixture, i, cases[i].chair);
        } else {
            fixture_expect_error(fixture, 1, i, cases[i].code, "\"ada\"");
        }
    }
}

/* From the event on, or after a second where none came. */
static void sessions_end(void **state)
{
    struct api_fixture *fixture = *state;
    struct model_author *ada = &fixture->replica->authors[0].author;
    fixture->replica->reads_members = true;
    uint8_t secret_key[64];
    for (uint32_t i = 0; i < 4; i++) {
        struct model_author before = *ada;
        prove(fixture);
        read_stale(fixture, 1, 10 + i);
        expect_read(fixture, 1, 10 + i);
        switch (i) {
        case 0:
            ada->roles = ROLE_SET(ROLE_SUSPENDED);
            break;
        case 1:
            ada->roles = ROLE_SET(ROLE_REVOKED);
            break;
        case 2:
            other_key(ada->public_key, secret_key);
            break;
        default:
            ada->roles = ROLE_SET(ROLE_SUSPENDED);
            break;
        }
        if (i < 3) {
            members_changed(fixture);
        } else {
            fixture->now_ms += 1000;
        }
        read_stale(fixture, 1, 20 + i);
        fixture_expect_error(fixture, 1, 20 + i, "proof_needed", "");
        *ada = before;
        read_stale(fixture, 1, 30 + i); /* it is not back by itself */
        fixture_expect_error(fixture, 1, 30 + i, "proof_needed", "");
    }
}

/* Suspended between the request and its read round. */
static void a_read_is_checked_when_it_is_answered(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->reads_members = true;
    prove(fixture);
    fixture_request(fixture, 1, 1, "tally", FIXTURE_NO_PARAMS);
    assert_true(fixture_silent(fixture, 1));
    fixture->replica->authors[0].author.roles = ROLE_SET(ROLE_SUSPENDED);
    members_changed(fixture);
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_expect_error(fixture, 1, 1, "proof_needed", "");
    assert_int_equal(fixture->replica->query_count, 0);
}

static void watchers_are_cut_off(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->reads_members = true;
    prove(fixture);
    fixture_request(fixture, 1, 1, "watch", FIXTURE_NO_PARAMS);
    expect_read(fixture, 1, 1);
    members_changed(fixture);
    api_run(fixture->api);
    assert_false(fixture->connections[1].close_asked); /* it was somebody else */
    assert_false(fixture_silent(fixture, 1));
    fixture->replica->authors[0].author.roles = ROLE_SET(ROLE_SUSPENDED);
    members_changed(fixture);
    api_run(fixture->api);
    assert_true(fixture->connections[1].close_asked);
}

/* --- commands signed with keys that have ended --- */

static void submit(struct api_fixture *fixture, uint32_t message_id)
{
    msgpack_sbuffer params;
    msgpack_sbuffer_init(&params);
    fixture_write_submit(fixture, &(struct fixture_command){.nonce = NONCE_1}, 0, &params);
    fixture_request(fixture, 1, message_id, "submit", fixture_slice(&params));
    msgpack_sbuffer_destroy(&params);
}

/* The fixture's key becomes an old one of ada's, behind `newer` others. */
static void replace_key(struct api_fixture *fixture, unsigned newer)
{
    struct model_author *ada = &fixture->replica->authors[0].author;
    uint8_t secret_key[64];
    for (unsigned i = 0; i < newer; i++) {
        memset(ada->old_keys[i], 3, 32);
    }
    memcpy(ada->old_keys[newer], fixture->public_key, 32);
    ada->old_key_count = newer + 1;
    ada->key_index = 9;
    other_key(ada->public_key, secret_key);
}

static void an_old_key_signs_nothing_new(void **state)
{
    struct api_fixture *fixture = *state;
    for (unsigned newer = 0; newer < 8; newer++) {
        replace_key(fixture, newer);
        submit(fixture, newer);
        for (unsigned i = 0; i < newer + 2; i++) {
            assert_true(fixture_silent(fixture, 1));
            fixture_verify(fixture);
        }
        fixture_expect_error(fixture, 1, newer, "key_revoked", "another key");
    }
    assert_int_equal(fixture->replica->submit_count, 0);
    assert_int_equal(fixture->replica->read_count, 0); /* it is known here: no need to ask */
    assert_int_equal(api_requests_under_way(fixture->api), 0);
}

static void an_old_key_has_its_replies(void **state)
{
    struct api_fixture *fixture = *state;
    replace_key(fixture, 0);
    fixture->replica->reply = FIXTURE_BYTES("\x82\xa4"
                                            "code\xa2ok\xa5index\x07");
    submit(fixture, 1);
    fixture_verify(fixture);
    fixture_verify(fixture);
    msgpack_unpacked message;
    const msgpack_object *reply = fixture_expect_result(fixture, 1, 1, &message);
    assert_int_equal(fixture_get(reply, "index")->via.u64, 7);
    msgpack_unpacked_destroy(&message);
    assert_int_equal(fixture->replica->submit_count, 0);
}

static void a_revoked_key_is_told_from_a_bad_signature(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->authors[0].author.roles = ROLE_SET(ROLE_REVOKED);
    submit(fixture, 1);
    fixture_verify(fixture);
    fixture_expect_error(fixture, 1, 1, "key_revoked", "was revoked");
}

/* The node lags: the key that signed is the author's new one. */
static void a_new_key_may_be_known_elsewhere(void **state)
{
    struct api_fixture *fixture = *state;
    struct model_author *ada = &fixture->replica->authors[0].author;
    uint8_t secret_key[64];
    other_key(ada->public_key, secret_key);
    submit(fixture, 1);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->read_count, 1);
    memcpy(ada->public_key, fixture->public_key, 32);
    ada->key_index = 9;
    fixture_readable(fixture, 0, CONCLAVE_OK);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->submit_count, 1);
    /* and if it is neither, it is asked once only */
    other_key(ada->public_key, secret_key);
    submit(fixture, 2);
    fixture_verify(fixture);
    assert_int_equal(fixture->replica->read_count, 2);
    ada->key_index = 10;
    fixture_readable(fixture, 1, CONCLAVE_OK);
    fixture_verify(fixture);
    fixture_expect_error(fixture, 1, 2, "bad_signature", "");
    assert_int_equal(fixture->replica->read_count, 2);
}

/* Every allocation on the way of a proof fails once: the session is never half proved. */
static void a_proof_without_memory(void **state)
{
    struct api_fixture *fixture = *state;
    fixture->replica->reads_members = true;
    bool proved = false;
    for (uint32_t countdown = 1; !proved && countdown < 100; countdown++) {
        fixture_hello(fixture, 1);
        memory_fault_arm(countdown);
        fixture_send_proof(fixture, countdown, "ada", (uint8_t)fixture->random_calls,
                           fixture->secret_key, NULL);
        fixture_verify(fixture);
        proved = !memory_fault_hit();
        memory_fault_arm(0);
        if (proved) {
            expect_proved(fixture, countdown, false);
        } else {
            fixture_expect_error(fixture, 1, countdown, "no_memory", "");
            if (fixture->connections[1].close_asked) {
                fixture_disconnect(fixture, 1);
                fixture_connect(fixture, 1);
            }
            read_stale(fixture, 1, 800);
            fixture_expect_error(fixture, 1, 800, "proof_needed", "");
        }
    }
    assert_true(proved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_are_for_members, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_open_to_all, setup, teardown),
        cmocka_unit_test_setup_teardown(a_proof_is_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(a_proof_is_bound_to_the_channel, setup, teardown),
        cmocka_unit_test_setup_teardown(who_has_sessions, setup, teardown),
        cmocka_unit_test_setup_teardown(sessions_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_read_is_checked_when_it_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(watchers_are_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_key_signs_nothing_new, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_key_has_its_replies, setup, teardown),
        cmocka_unit_test_setup_teardown(a_revoked_key_is_told_from_a_bad_signature, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_key_may_be_known_elsewhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_proof_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
