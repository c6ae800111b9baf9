/* Keys that follow one another and end: member.rotate-key and member.revoke, and what becomes of
 * commands signed with a key that has ended. Proofs are put together here from PROTOCOL.md's
 * "Statements". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <conclave/limits.h>
#include <sodium.h>

#include "unit/support/model_fixture.h"

static struct model_fixture fixture;

static int open_fixture(void **state)
{
    (void)state;
    model_open(&fixture, NULL);
    model_ok(&fixture, "chair", "member.admit", "{'id': 'ann', 'key': '%s'}",
             model_real_key("ann-1"));
    model_ok(&fixture, "chair", "member.admit", "{'id': 'bob', 'key': '%s'}",
             model_real_key("bob-1"));
    model_sign_with(&fixture, "ann", "ann-1");
    model_sign_with(&fixture, "bob", "bob-1");
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    model_close(&fixture);
    return 0;
}

static void append_hex(uint8_t *text, size_t *size, const char *hex)
{
    size_t count;
    assert_int_equal(sodium_hex2bin(text + *size, 64, hex + 4, strlen(hex + 4), NULL, &count, NULL),
                     0);
    *size += count;
}

/* "hex:..." of the proof that the new key's owner takes it. */
static const char *proof(const char *member, const char *old_seed, const char *new_seed,
                         const char *signer)
{
    static const char line[] = "conclave member.rotate-key v1\n";
    uint8_t text[512];
    size_t size = sizeof line - 1;
    memcpy(text, line, size);
    memcpy(text + size, fixture.cluster, 16);
    size += 16;
    append_hex(text, &size, model_real_key(old_seed));
    append_hex(text, &size, model_real_key(new_seed));
    memcpy(text + size, member, strlen(member));
    return model_signature(signer, slice_of(text, size + strlen(member)));
}

static json_t *rotate(const char *member, const char *old_seed, const char *new_seed)
{
    return model_ok(&fixture, member, "member.rotate-key", "{'key': '%s', 'proof': '%s'}",
                    model_real_key(new_seed), proof(member, old_seed, new_seed, new_seed));
}

static void submit_ok(const char *author, const char *id)
{
    model_ok(&fixture, author, "proposal.submit", "{'id': '%s', 'title': 'T', 'body': ''}", id);
}

static const char *submit_refused(const char *author, const char *id, const char *code)
{
    json_t *reply = model_submit(&fixture, author, "proposal.submit",
                                 "{'id': '%s', 'title': 'T', 'body': ''}", id);
    assert_string_equal(json_string_value(json_object_get(reply, "code")), code);
    return json_string_value(json_object_get(reply, "message"));
}

static void a_key_follows_another(void **state)
{
    (void)state;
    submit_ok("ann", "before");
    model_expect(rotate("ann", "ann-1", "ann-2"), "{'keys': 2}");
    model_expect(fixture.events,
                 "[{'type': 'member.changed', 'index': 5, 'time': 1000000, 'member': 'ann', "
                 "'status': 'active'}]");
    /* the old key's later commands are refused, the new one's are not; what was before stays */
    const char *message = submit_refused("ann", "with-old", "key_revoked");
    assert_non_null(strstr(message, "\"ann\" has since entry 5"));
    model_sign_with(&fixture, "ann", "ann-2");
    submit_ok("ann", "with-new");
    json_t *before = model_ask(&fixture, "proposal.get", "{'id': 'before'}");
    model_expect_at(before, "author", "'ann'");
    json_decref(before);
    model_ask_refused(&fixture, CONCLAVE_UNKNOWN_PROPOSAL, "proposal.get", "{'id': 'with-old'}");
    json_t *member = model_ask(&fixture, "member.get", "{'id': 'ann'}");
    model_expect_at(member, "key", "'%s'", model_real_key("ann-2"));
    model_expect_at(member, "index", "2");
    model_expect_at(member, "keys",
                    "[{'key': '%s', 'from': 2, 'until': 5, 'until_time': 1000000, 'ended': "
                    "'replaced', 'reason': null}, {'key': '%s', 'from': 5, 'until': null, "
                    "'until_time': null, 'ended': null, 'reason': null}]",
                    model_real_key("ann-1"), model_real_key("ann-2"));
    json_decref(member);
    /* others are as they were: their signatures are not looked at */
    model_sign_with(&fixture, "bob", "somebody-else");
    submit_ok("bob", "bobs");
}

/* A command that was decided before the change keeps its reply, whoever sends it again; another
 * with its nonce is refused as ever. */
static void replies_outlive_keys(void **state)
{
    (void)state;
    struct buffer command, other;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    buffer_init(&other, LIMIT_FRAME_BYTES);
    static const uint8_t nonce[16] = {9};
    json_t *body = model_json("{'id': 'p', 'title': 'T', 'body': ''}");
    json_t *other_body = model_json("{'id': 'q', 'title': 'T', 'body': ''}");
    model_command(&fixture, &command, "ann", nonce, 0, "proposal.submit", body);
    model_command(&fixture, &other, "ann", nonce, 0, "proposal.submit", other_body);
    model_add_bytes(&fixture, buffer_slice(&command));
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "0.code", "'ok'");
    rotate("ann", "ann-1", "ann-2");
    model_add_bytes(&fixture, buffer_slice(&command));
    model_add_bytes(&fixture, buffer_slice(&other));
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "0.code", "'ok'");
    model_expect_at(fixture.replies, "0.index", "4");
    model_expect_at(fixture.replies, "1.code", "'nonce_reused'");
    json_decref(body);
    json_decref(other_body);
    buffer_close(&command);
    buffer_close(&other);
}

/* A refusal for the key's sake is nobody's: it takes no nonce, and says the same each time. */
static void refusals_take_no_nonce(void **state)
{
    (void)state;
    struct buffer old, new;
    buffer_init(&old, LIMIT_FRAME_BYTES);
    buffer_init(&new, LIMIT_FRAME_BYTES);
    static const uint8_t nonce[16] = {8};
    json_t *body = model_json("{'id': 'p', 'title': 'T', 'body': ''}");
    model_command(&fixture, &old, "ann", nonce, 0, "proposal.submit", body);
    rotate("ann", "ann-1", "ann-2");
    model_sign_with(&fixture, "ann", "ann-2");
    model_command(&fixture, &new, "ann", nonce, 0, "proposal.submit", body);
    model_add_bytes(&fixture, buffer_slice(&old));
    model_add_bytes(&fixture, buffer_slice(&old));
    model_add_bytes(&fixture, buffer_slice(&new));
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "0.code", "'key_revoked'");
    model_expect_at(fixture.replies, "1.code", "'key_revoked'");
    model_expect_at(fixture.replies, "2.code", "'ok'");
    json_decref(body);
    buffer_close(&old);
    buffer_close(&new);
}

/* Two changes in one batch: each holds from its own place on. */
static void changes_hold_within_a_batch(void **state)
{
    (void)state;
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p1', 'title': 'T', 'body': ''}");
    model_add(&fixture, "ann", "member.rotate-key", "{'key': '%s', 'proof': '%s'}",
              model_real_key("ann-2"), proof("ann", "ann-1", "ann-2", "ann-2"));
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p2', 'title': 'T', 'body': ''}");
    /* somebody who has the old key, a moment too late */
    model_add(&fixture, "ann", "member.rotate-key", "{'key': '%s', 'proof': '%s'}",
              model_real_key("thief"), proof("ann", "ann-1", "thief", "thief"));
    model_sign_with(&fixture, "ann", "ann-2");
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p3', 'title': 'T', 'body': ''}");
    model_add(&fixture, "ann", "member.rotate-key", "{'key': '%s', 'proof': '%s'}",
              model_real_key("ann-3"), proof("ann", "ann-2", "ann-3", "ann-3"));
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p4', 'title': 'T', 'body': ''}");
    model_sign_with(&fixture, "ann", "ann-3");
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p5', 'title': 'T', 'body': ''}");
    model_apply_batch(&fixture, NULL);
    static const char *const codes[] = {"ok", "ok", "key_revoked", "key_revoked",
                                        "ok", "ok", "key_revoked", "ok"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        json_t *reply = json_array_get(fixture.replies, i);
        assert_string_equal(json_string_value(json_object_get(reply, "code")), codes[i]);
    }
    json_t *member = model_ask(&fixture, "member.get", "{'id': 'ann'}");
    model_expect_at(member, "keys.0.until", "4");
    model_expect_at(member, "keys.1.from", "4");
    model_expect_at(member, "keys.1.until", "4");
    model_expect_at(member, "keys.2.from", "4");
    json_decref(member);
}

static void rotation_is_checked(void **state)
{
    (void)state;
    static const char kind[] = "member.rotate-key";
    model_refused(&fixture, "bad_request", "ann", kind, "{'key': '%s'}", model_real_key("ann-2"));
    model_refused(&fixture, "bad_value", "ann", kind, "{'key': 'hex:00', 'proof': '%s'}",
                  proof("ann", "ann-1", "ann-2", "ann-2"));
    model_refused(&fixture, "bad_value", "ann", kind, "{'key': '%s', 'proof': 'hex:00'}",
                  model_real_key("ann-2"));
    /* proofs by another key, for another member, from another key, of another key */
    model_refused(&fixture, "bad_signature", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                  model_real_key("ann-2"), proof("ann", "ann-1", "ann-2", "ann-1"));
    model_refused(&fixture, "bad_signature", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                  model_real_key("ann-2"), proof("bob", "ann-1", "ann-2", "ann-2"));
    model_refused(&fixture, "bad_signature", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                  model_real_key("ann-2"), proof("ann", "bob-1", "ann-2", "ann-2"));
    model_refused(&fixture, "bad_signature", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                  model_real_key("ann-2"), proof("ann", "ann-1", "ann-3", "ann-2"));
    /* keys are taken for ever: one's own, another's, and those that have ended */
    model_refused(&fixture, "duplicate_key", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                  model_real_key("ann-1"), proof("ann", "ann-1", "ann-1", "ann-1"));
    model_refused(&fixture, "duplicate_key", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                  model_real_key("bob-1"), proof("ann", "ann-1", "bob-1", "bob-1"));
    rotate("ann", "ann-1", "ann-2");
    model_refused(&fixture, "duplicate_key", "chair", "member.admit", "{'id': 'x', 'key': '%s'}",
                  model_real_key("ann-1"));
    model_sign_with(&fixture, "ann", "ann-2");
    assert_non_null(
        strstr(model_refused(&fixture, "duplicate_key", "ann", kind, "{'key': '%s', 'proof': '%s'}",
                             model_real_key("ann-1"), proof("ann", "ann-2", "ann-1", "ann-1")),
               "has had this key"));
}

/* The suspended and the retired may, so that a key that got about can be replaced at once. */
static void who_is_not_active_rotates_too(void **state)
{
    (void)state;
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'status': 'suspended'}");
    rotate("ann", "ann-1", "ann-2");
    model_ok(&fixture, "chair", "member.update", "{'id': 'bob', 'status': 'retired'}");
    rotate("bob", "bob-1", "bob-2");
    model_sign_with(&fixture, "ann", "ann-2");
    submit_refused("ann", "p", "not_active");
}

static void keys_are_limited(void **state)
{
    (void)state;
    char seeds[2][16] = {"ann-1", ""};
    for (unsigned i = 2; i <= 64; i++) {
        char *old = seeds[i % 2], *new = seeds[(i + 1) % 2];
        (void)snprintf(new, 16, "ann-%u", i);
        rotate("ann", old, new);
        model_sign_with(&fixture, "ann", new);
    }
    model_refused(&fixture, "limit_reached", "ann", "member.rotate-key",
                  "{'key': '%s', 'proof': '%s'}", model_real_key("more"),
                  proof("ann", "ann-64", "more", "more"));
    json_t *member = model_ask(&fixture, "member.get", "{'id': 'ann'}");
    assert_int_equal(json_array_size(json_object_get(member, "keys")), 64);
    json_decref(member);
}

static void open_poll(void)
{
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'lunch', 'title': 'Lunch', 'open_for_ms': 60000, 'questions': [{'id': 'q', "
             "'title': 'Q?', 'policy': 'simple-majority'}]}");
}

static json_t *cast(const char *author)
{
    return model_submit(&fixture, author, "ballot.cast",
                        "{'poll': 'lunch', 'answers': [{'q': 'q', 'a': 'yes'}]}");
}

static void a_key_is_revoked(void **state)
{
    (void)state;
    open_poll();
    model_expect_at(cast("ann"), "code", "'ok'");
    model_expect(model_ok(&fixture, "chair", "member.revoke",
                          "{'id': 'ann', 'reason': 'it was on a lost laptop'}"),
                 "{}");
    model_expect(fixture.events,
                 "[{'type': 'member.changed', 'index': 6, 'time': 1000000, 'member': 'ann', "
                 "'status': 'revoked'}]");
    /* nothing more comes of it, not even where a suspended voter still votes; the ballot stays */
    model_expect_at(cast("ann"), "code", "'key_revoked'");
    submit_refused("ann", "p", "key_revoked");
    json_t *tally = model_ask(&fixture, "tally", "{'poll': 'lunch'}");
    model_expect_at(tally, "questions.0.yes", "[1, 1]");
    model_expect_at(tally, "questions.0.roll.heads", "3");
    json_decref(tally);
    json_t *member = model_ask(&fixture, "member.get", "{'id': 'ann'}");
    model_expect_at(member, "status", "'revoked'");
    model_expect_at(member, "keys",
                    "[{'key': '%s', 'from': 2, 'until': 6, 'until_time': 1000000, 'ended': "
                    "'revoked', 'reason': 'it was on a lost laptop'}]",
                    model_real_key("ann-1"));
    json_decref(member);
    /* for good */
    model_refused(&fixture, "key_revoked", "chair", "member.update",
                  "{'id': 'ann', 'status': 'active'}");
    model_refused(&fixture, "key_revoked", "chair", "member.revoke", "{'id': 'ann'}");
    model_refused(&fixture, "duplicate_id", "chair", "member.admit", "{'id': 'ann', 'key': '%s'}",
                  model_real_key("ann-2"));
    model_refused(&fixture, "duplicate_key", "chair", "member.admit", "{'id': 'a2', 'key': '%s'}",
                  model_real_key("ann-1"));
    json_t *reply = model_submit(&fixture, "ann", "member.rotate-key",
                                 "{'key': '%s', 'proof': '%s'}", model_real_key("ann-2"),
                                 proof("ann", "ann-1", "ann-2", "ann-2"));
    model_expect_at(reply, "code", "'key_revoked'");
    /* and the decision says so */
    model_ok(&fixture, "chair", "poll.close", "{'id': 'lunch'}");
    json_t *decision = model_ask(&fixture, "decision.get", "{'poll': 'lunch', 'question': 'q'}");
    model_expect_at(decision, "roll_changes", "[{'member': 'ann', 'what': 'revoked', 'index': 6}]");
    json_decref(decision);
}

static void revocation_is_checked(void **state)
{
    (void)state;
    model_refused(&fixture, "not_chair", "ann", "member.revoke", "{'id': 'bob'}");
    model_refused(&fixture, "not_chair", "ann", "member.revoke", "{'id': 'ann'}");
    model_refused(&fixture, "unknown_member", "chair", "member.revoke", "{'id': 'nobody'}");
    model_refused(&fixture, "bad_request", "chair", "member.revoke", "{}");
    model_refused(&fixture, "bad_value", "chair", "member.revoke",
                  "{'id': 'ann', 'reason': 'a\\nb'}");
    model_refused(&fixture, "bad_value", "chair", "member.update",
                  "{'id': 'ann', 'status': 'revoked'}");
    model_refused(&fixture, "last_chair", "chair", "member.revoke", "{'id': 'chair'}");
    model_ok(&fixture, "chair", "member.update", "{'id': 'ann', 'roles': ['chair']}");
    model_ok(&fixture, "chair", "member.revoke", "{'id': 'chair'}");
    model_refused(&fixture, "last_chair", "ann", "member.revoke", "{'id': 'ann'}");
    model_ok(&fixture, "ann", "member.revoke", "{'id': 'bob'}");
}

/* Revoked in the middle of a batch: what stands before it holds. */
static void revocation_holds_within_a_batch(void **state)
{
    (void)state;
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p1', 'title': 'T', 'body': ''}");
    model_add(&fixture, "chair", "member.revoke", "{'id': 'ann'}");
    model_add(&fixture, "ann", "proposal.submit", "{'id': 'p2', 'title': 'T', 'body': ''}");
    model_apply_batch(&fixture, NULL);
    model_expect_at(fixture.replies, "0.code", "'ok'");
    model_expect_at(fixture.replies, "1.code", "'ok'");
    model_expect_at(fixture.replies, "2.code", "'key_revoked'");
}

/* What admission is told. */
static void admission_is_told_of_old_keys(void **state)
{
    (void)state;
    for (unsigned i = 2; i <= 11; i++) {
        char old[16], new[16];
        (void)snprintf(old, sizeof old, "ann-%u", i - 1);
        (void)snprintf(new, sizeof new, "ann-%u", i);
        rotate("ann", old, new);
        model_sign_with(&fixture, "ann", new);
    }
    model_ok(&fixture, "chair", "member.revoke", "{'id': 'bob'}");
    struct kv_transaction *transaction;
    struct model_author author;
    assert_int_equal(kv_begin(fixture.stores[0], false, &transaction), CONCLAVE_OK);
    assert_int_equal(model_author(transaction, slice_of_text("ann"), &author), CONCLAVE_OK);
    assert_int_equal(author.roles, ROLE_SET(ROLE_MEMBER));
    assert_int_equal(author.key_index, 13);
    assert_int_equal(author.old_key_count, 8);
    uint8_t key[64];
    size_t size = 0;
    append_hex(key, &size, model_real_key("ann-11"));
    assert_memory_equal(author.public_key, key, 32);
    size = 0;
    append_hex(key, &size, model_real_key("ann-10"));
    assert_memory_equal(author.old_keys[0], key, 32);
    size = 0;
    append_hex(key, &size, model_real_key("ann-3"));
    assert_memory_equal(author.old_keys[7], key, 32);
    assert_int_equal(model_author(transaction, slice_of_text("bob"), &author), CONCLAVE_OK);
    assert_int_equal(author.roles, ROLE_SET(ROLE_REVOKED));
    assert_int_equal(author.old_key_count, 0);
    kv_abort(transaction);
}

static void reads_are_set(void **state)
{
    (void)state;
    json_t *cluster = model_ask(&fixture, "cluster.get", "{}");
    model_expect_at(cluster, "reads", "'public'");
    json_decref(cluster);
    model_expect(model_ok(&fixture, "chair", "cluster.set", "{'reads': 'members'}"), "{}");
    model_expect(fixture.events,
                 "[{'type': 'cluster.changed', 'index': 4, 'time': 1000000, 'reads': 'members'}]");
    cluster = model_ask(&fixture, "cluster.get", "{}");
    model_expect_at(cluster, "reads", "'members'");
    model_expect_at(cluster, "name", "'test'");
    model_expect_at(cluster, "created", "1000000");
    model_expect_at(cluster, "nodes.2.1", "'127.0.0.1:7103'");
    json_decref(cluster);
    model_refused(&fixture, "bad_value", "chair", "cluster.set", "{'reads': 'nobody'}");
    model_refused(&fixture, "bad_request", "chair", "cluster.set", "{}");
    model_refused(&fixture, "bad_request", "chair", "cluster.set", "{'reads': 'public', 'x': 1}");
    model_refused(&fixture, "not_chair", "ann", "cluster.set", "{'reads': 'public'}");
    model_ok(&fixture, "chair", "cluster.set", "{'reads': 'public'}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_follows_another, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(replies_outlive_keys, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(refusals_take_no_nonce, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(changes_hold_within_a_batch, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(rotation_is_checked, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(who_is_not_active_rotates_too, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(keys_are_limited, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(a_key_is_revoked, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(revocation_is_checked, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(revocation_holds_within_a_batch, open_fixture,
                                        close_fixture),
        cmocka_unit_test_setup_teardown(admission_is_told_of_old_keys, open_fixture, close_fixture),
        cmocka_unit_test_setup_teardown(reads_are_set, open_fixture, close_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
