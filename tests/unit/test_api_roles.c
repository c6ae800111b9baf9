/* Every method as everybody, where reads are public and where they are for members. The table is
 * written by hand from PROTOCOL.md ("Sessions", "Methods"), and shares nothing with auth/roles.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/api_fixture.h"

/* Who asks. Those of "was" had proved who they are before they were suspended or revoked. */
enum actor {
    NOBODY, /* has proved nothing */
    REVOKED,
    SUSPENDED,
    RETIRED,
    MEMBER,
    CHAIR,
    WAS_REVOKED,
    WAS_SUSPENDED,
    ACTORS
};

static const struct {
    const char *name;
    role_set proved_as, is;
    const char *prove;  /* what becomes of a proof */
    const char *submit; /* and of a command, before the log */
} actors[ACTORS] = {
    [NOBODY] = {"nobody", 0, 0, "unknown_author", "unknown_author"},
    [REVOKED] = {"revoked", 0, ROLE_SET(ROLE_REVOKED), "key_revoked", "key_revoked"},
    [SUSPENDED] = {"suspended", 0, ROLE_SET(ROLE_SUSPENDED), "not_active", "ok"},
    [RETIRED] = {"retired", ROLE_SET(ROLE_RETIRED), ROLE_SET(ROLE_RETIRED), "ok", "ok"},
    [MEMBER] = {"member", ROLE_SET(ROLE_MEMBER), ROLE_SET(ROLE_MEMBER), "ok", "ok"},
    [CHAIR] = {"chair", ROLE_SET(ROLE_MEMBER) | ROLE_SET(ROLE_CHAIR),
               ROLE_SET(ROLE_MEMBER) | ROLE_SET(ROLE_CHAIR), "ok", "ok"},
    [WAS_REVOKED] = {"revoked since", ROLE_SET(ROLE_MEMBER), ROLE_SET(ROLE_REVOKED), "key_revoked",
                     "key_revoked"},
    [WAS_SUSPENDED] = {"suspended since", ROLE_SET(ROLE_MEMBER), ROLE_SET(ROLE_SUSPENDED),
                       "not_active", "ok"},
};

/* One letter an actor where reads are for members: Y answered, p refused `proof_needed`. Where they
 * are public all of these are answered to all. */
static const struct {
    const char *method;
    const char *members_only;
} methods[] = {
    /*             nobody, revoked, suspended | retired, member, chair | revoked, suspended since */
    {"hello", "YYYYYYYY"},          {"status", "YYYYYYYY"},
    {"watch", "pppYYYpp"},          {"request", "pppYYYpp"},
    {"cluster.get", "pppYYYpp"},    {"member.get", "pppYYYpp"},
    {"member.list", "pppYYYpp"},    {"node.list", "pppYYYpp"},
    {"policy.get", "pppYYYpp"},     {"policy.list", "pppYYYpp"},
    {"proposal.get", "pppYYYpp"},   {"proposal.list", "pppYYYpp"},
    {"poll.get", "pppYYYpp"},       {"poll.list", "pppYYYpp"},
    {"poll.roll", "pppYYYpp"},      {"tally", "pppYYYpp"},
    {"decision.get", "pppYYYpp"},   {"decision.list", "pppYYYpp"},
    {"ballot.get", "pppYYYpp"},     {"ballot.list", "pppYYYpp"},
    {"log.read", "pppYYYpp"},       {"record.checkpoint", "pppYYYpp"},
    {"record.receipt", "pppYYYpp"}, {"record.proof", "pppYYYpp"},
    {"record.leaves", "pppYYYpp"},
};

#define METHODS (sizeof methods / sizeof methods[0])
/* Those whose signature says who asks: tested below. */
static const char *const signed_methods[] = {"submit", "prove"};

static struct api_fixture *open_as(enum actor actor, bool members_only)
{
    struct api_fixture *fixture = fixture_open();
    struct model_author *author = &fixture->replica->authors[0].author;
    fixture->replica->reads_members = members_only;
    fixture->replica->cluster_answer = FIXTURE_BYTES("\x82\xa4name\xa4hive\xa5nodes\x90");
    fixture->replica->query_answer = FIXTURE_BYTES("\x81\xa5index\x07");
    author->key_index = 2;
    if (actors[actor].proved_as != 0) {
        author->roles = actors[actor].proved_as;
        fixture_hello(fixture, 1);
        fixture_send_proof(fixture, 1, "ada", (uint8_t)fixture->random_calls, fixture->secret_key,
                           NULL);
        fixture_verify(fixture);
        msgpack_unpacked message;
        (void)fixture_expect_result(fixture, 1, 1, &message);
        msgpack_unpacked_destroy(&message);
    }
    author->roles = actors[actor].is;
    api_event(fixture->api, FIXTURE_BYTES("\x85\xa4type\xaemember.changed\xa5index\x09"));
    if (actor == NOBODY) {
        fixture->replica->author_count = 0;
    }
    return fixture;
}

/* "ok", or the code of the error. Reads that were begun are let through. */
static void take_code(struct api_fixture *fixture, uint32_t message_id, char code[64])
{
    fixture_verify(fixture);
    for (unsigned i = 0; i < fixture->replica->read_count; i++) {
        fixture_readable(fixture, i, CONCLAVE_OK);
    }
    msgpack_unpacked message;
    if (!fixture_next(fixture, 1, &message)) {
        assert_int_equal(fixture->replica->submit_count, 1);
        snprintf(code, 64, "ok"); /* the replica has it */
        return;
    }
    const msgpack_object *items = message.data.via.array.ptr;
    assert_int_equal(items[0].via.u64, 1);
    assert_int_equal(items[1].via.u64, message_id);
    if (items[2].type == MSGPACK_OBJECT_NIL) {
        snprintf(code, 64, "ok");
    } else {
        const msgpack_object *name = &items[2].via.array.ptr[0];
        snprintf(code, 64, "%.*s", (int)name->via.str.size, name->via.str.ptr);
    }
    msgpack_unpacked_destroy(&message);
}

static void every_method_as_everybody(void **state)
{
    (void)state;
    for (size_t i = 0; i < METHODS; i++) {
        assert_int_equal(strlen(methods[i].members_only), ACTORS);
        for (size_t actor = 0; actor < 2 * ACTORS; actor++) {
            bool members_only = actor >= ACTORS;
            struct api_fixture *fixture = open_as((enum actor)(actor % ACTORS), members_only);
            const char *expected = members_only && methods[i].members_only[actor % ACTORS] == 'p'
                                       ? "proof_needed"
                                       : "ok";
            char code[64];
            fixture_request(fixture, 1, 5, methods[i].method, FIXTURE_NO_PARAMS);
            take_code(fixture, 5, code);
            if (strcmp(code, expected) != 0) {
                fail_msg("%s by %s, reads for %s: %s, expected %s", methods[i].method,
                         actors[actor % ACTORS].name, members_only ? "members" : "all", code,
                         expected);
            }
            if (strcmp(code, "ok") != 0) {
                assert_int_equal(fixture->replica->query_count, 0);
            }
            fixture_close(fixture);
        }
    }
}

/* `prove` and `submit` are open to all: the signature says who it is. */
static void what_is_signed(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ACTORS; i++) {
        enum actor actor = (enum actor)(i % ACTORS);
        char code[64];
        struct api_fixture *fixture = open_as(actor, i >= ACTORS);
        fixture_hello(fixture, 1);
        fixture_send_proof(fixture, 7, "ada", (uint8_t)fixture->random_calls, fixture->secret_key,
                           NULL);
        take_code(fixture, 7, code);
        assert_string_equal(code, actors[actor].prove);
        fixture_close(fixture);

        fixture = open_as(actor, i >= ACTORS);
        msgpack_sbuffer params;
        msgpack_sbuffer_init(&params);
        fixture_write_submit(fixture, &(struct fixture_command){.nonce = 1}, 0, &params);
        fixture_request(fixture, 1, 8, "submit", fixture_slice(&params));
        msgpack_sbuffer_destroy(&params);
        take_code(fixture, 8, code);
        assert_string_equal(code, actors[actor].submit);
        assert_int_equal(fixture->replica->submit_count, strcmp(code, "ok") == 0);
        fixture_close(fixture);
    }
}

static bool is_tested(const char *name)
{
    for (size_t i = 0; i < METHODS; i++) {
        if (strcmp(methods[i].method, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof signed_methods / sizeof signed_methods[0]; i++) {
        if (strcmp(signed_methods[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A method that is added needs a line above. */
static void no_method_is_left_out(void **state)
{
    (void)state;
    size_t count, found = 0;
    const struct role_rule *rules = role_rules(&count);
    for (size_t i = 0; i < count; i++) {
        if (rules[i].subject == ROLE_METHOD) {
            found++;
            if (!is_tested(rules[i].name)) {
                fail_msg("%s is in the program's table and not in this one", rules[i].name);
            }
        }
    }
    assert_int_equal(found, METHODS + sizeof signed_methods / sizeof signed_methods[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_as_everybody),
        cmocka_unit_test(what_is_signed),
        cmocka_unit_test(no_method_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
