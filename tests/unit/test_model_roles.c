/* Every kind of command by everybody. The table below is written by hand from PROTOCOL.md ("Kinds
 * of commands", "Keys"), and shares nothing with auth/roles.c: each attempt is made in a cluster of
 * its own, with a body that is right, and is accepted or refused with the code that stands there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "auth/roles.h"
#include "unit/support/model_fixture.h"

/* Who tries. Of the poll "p", whose electorate is the class "v": voter, expert (an expert only),
 * and three who were on its roll as voters and are not active any more. Of the proposal "prop" it
 * is the author; "prop-old" has one who was suspended since. */
enum actor {
    NOBODY,
    REVOKED,
    SUSPENDED,
    RETIRED,
    MEMBER,
    VOTER,
    EXPERT,
    AUTHOR,
    CHAIR,
    SUSPENDED_VOTER,
    RETIRED_VOTER,
    REVOKED_VOTER,
    SUSPENDED_AUTHOR,
    SUSPENDED_CHAIR,
    ACTORS
};

static const struct {
    const char *id;
    const char *admitted_with;
    const char *became; /* "": as admitted */
} actors[ACTORS] = {
    [NOBODY] = {"nobody", NULL, ""},
    [REVOKED] = {"revoked", "", "revoked"},
    [SUSPENDED] = {"suspended", "", "suspended"},
    [RETIRED] = {"retired", "", "retired"},
    [MEMBER] = {"member", "", ""},
    [VOTER] = {"voter", ", 'classes': ['v']", ""},
    [EXPERT] = {"expert", ", 'roles': ['expert:technical']", ""},
    [AUTHOR] = {"author", "", ""},
    [CHAIR] = {"second-chair", ", 'roles': ['chair']", ""},
    [SUSPENDED_VOTER] = {"suspended-voter", ", 'classes': ['v']", "suspended"},
    [RETIRED_VOTER] = {"retired-voter", ", 'classes': ['v']", "retired"},
    [REVOKED_VOTER] = {"revoked-voter", ", 'classes': ['v']", "revoked"},
    [SUSPENDED_AUTHOR] = {"suspended-author", "", "suspended"},
    [SUSPENDED_CHAIR] = {"suspended-chair", ", 'roles': ['chair']", "suspended"},
};

/* One letter an actor, in the order of `enum actor`. */
static const struct {
    char letter;
    const char *code;
} letters[] = {
    {'Y', "ok"},        {'u', "unknown_author"}, {'k', "key_revoked"}, {'a', "not_active"},
    {'c', "not_chair"}, {'o', "not_author"},     {'r', "not_on_roll"}, {'d', "duplicate_id"},
};

#define HEX_32 "'hex:0909090909090909090909090909090909090909090909090909090909090909'"
#define NODE   "'127.0.0.1:7109', '127.0.0.1:7009'"

static const struct {
    const char *kind;
    const char *expected; /* nobody revoked suspended retired | member voter expert author chair |
                             suspended, retired, revoked voter | suspended author, chair */
    const char *body;
} commands[] = {
    /*                      NOBODY..       MEMBER..  SUSPENDED_VOTER.. */
    {"ballot.cast",
     "ukrr"
     "rYYrr"
     "YYk"
     "rr",
     NULL},
    {"cluster.set",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'reads': 'members'}"},
    {"genesis",
     "ukdd"
     "ddddd"
     "ddk"
     "dd",
     "{'name': 'test', 'nodes': [[7, " NODE ", " HEX_32 "]], 'chair': {'id': 'chair', "
     "'key': " HEX_32 "}, 'created': 5}"},
    {"member.admit",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'new', 'key': " HEX_32 "}"},
    {"member.revoke",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'victim'}"},
    {"member.rotate-key",
     "ukYY"
     "YYYYY"
     "YYk"
     "YY",
     NULL},
    {"member.update",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'victim', 'weight': 2}"},
    {"node.add",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 9, 'peer': '127.0.0.1:7109', 'client': '127.0.0.1:7009', 'token': " HEX_32
     ", 'role': 'voter'}"},
    {"node.lead",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 3}"},
    {"node.remove",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 3}"},
    {"node.update",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 3, 'role': 'standby'}"},
    {"policy.put",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'mine', 'policy': {'method': 'yesno', 'pass': [1, 2, '>']}}"},
    {"poll.cancel",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'p', 'reason': 'because'}"},
    {"poll.close",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'p'}"},
    {"poll.open",
     "ukaa"
     "ccccY"
     "aak"
     "aa",
     "{'id': 'p2', 'title': 'P', 'open_for_ms': 1000, 'questions': "
     "[{'id': 'q', 'title': 'Q', 'policy': 'simple-majority'}]}"},
    {"proposal.revise",
     "ukaa"
     "ooo"
     "Y"
     "Y"
     "aak"
     "aa",
     "{'id': 'prop', 'title': 'New'}"},
    {"proposal.submit",
     "ukaa"
     "YYYYY"
     "aak"
     "aa",
     "{'id': 'fresh', 'title': 'F', 'body': ''}"},
    {"proposal.withdraw",
     "ukaa"
     "ooo"
     "Y"
     "Y"
     "aak"
     "aa",
     "{'id': 'prop'}"},
};

#define COMMANDS (sizeof commands / sizeof commands[0])

static struct model_fixture fixture;

static const char *code_of(char letter)
{
    for (size_t i = 0; i < sizeof letters / sizeof letters[0]; i++) {
        if (letters[i].letter == letter) {
            return letters[i].code;
        }
    }
    fail_msg("the letter %c of the table has no code", letter);
    return NULL;
}

static void open_world(void)
{
    model_open(&fixture, NULL);
    model_ok(&fixture, "chair", "member.admit", "{'id': 'victim', 'key': '%s'}",
             model_key("victim"));
    for (size_t i = 0; i < ACTORS; i++) {
        if (actors[i].admitted_with != NULL) {
            model_ok(&fixture, "chair", "member.admit", "{'id': '%s', 'key': '%s'%s}", actors[i].id,
                     model_key(actors[i].id), actors[i].admitted_with);
        }
    }
    model_ok(&fixture, "chair", "poll.open",
             "{'id': 'p', 'title': 'Poll', 'open_for_ms': 1000, 'classes': ['v'], 'questions': "
             "[{'id': 'q', 'title': 'Q', 'policy': 'simple-majority'}, "
             "{'id': 'e', 'title': 'E', 'policy': 'expert-review'}]}");
    model_ok(&fixture, "author", "proposal.submit", "{'id': 'prop', 'title': 'P', 'body': ''}");
    model_ok(&fixture, "suspended-author", "proposal.submit",
             "{'id': 'prop-old', 'title': 'P', 'body': ''}");
    for (size_t i = 0; i < ACTORS; i++) {
        if (strcmp(actors[i].became, "revoked") == 0) {
            model_ok(&fixture, "chair", "member.revoke", "{'id': '%s'}", actors[i].id);
        } else if (actors[i].became[0] != '\0') {
            model_ok(&fixture, "chair", "member.update", "{'id': '%s', 'status': '%s'}",
                     actors[i].id, actors[i].became);
        }
    }
}

/* "hex:..." of the signature by the new key, "PROTOCOL.md", "Statements". */
static const char *rotation_proof(const char *member)
{
    static const char line[] = "conclave member.rotate-key v1\n";
    uint8_t text[256];
    size_t size = sizeof line - 1, count;
    memcpy(text, line, size);
    memcpy(text + size, fixture.cluster, 16);
    size += 16;
    const char *keys[] = {model_key(member), model_real_key("a new key")};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sodium_hex2bin(text + size, 32, keys[i] + 4, 64, NULL, &count, NULL), 0);
        size += count;
    }
    memcpy(text + size, member, strlen(member));
    return model_signature("a new key", slice_of(text, size + strlen(member)));
}

static json_t *attempt(const char *kind, const char *body, enum actor actor)
{
    const char *id = actors[actor].id;
    if (strcmp(kind, "member.rotate-key") == 0) {
        return model_submit(&fixture, id, kind, "{'key': '%s', 'proof': '%s'}",
                            model_real_key("a new key"), rotation_proof(id));
    }
    if (strcmp(kind, "ballot.cast") == 0) {
        return model_submit(&fixture, id, kind, "{'poll': 'p', 'answers': [%s]}",
                            actor == EXPERT ? "{'q': 'e', 'review': 'approve'}"
                                            : "{'q': 'q', 'a': 'yes'}");
    }
    bool of_proposal = strncmp(kind, "proposal.", 9) == 0 && strcmp(kind, "proposal.submit") != 0;
    if (of_proposal && actor == SUSPENDED_AUTHOR) { /* who made this one */
        return model_submit(&fixture, id, kind, "{'id': 'prop-old'%s}",
                            strcmp(kind, "proposal.revise") == 0 ? ", 'title': 'New'" : "");
    }
    return model_submit(&fixture, id, kind, "%s", body);
}

static void every_command_by_everybody(void **state)
{
    (void)state;
    unsigned attempts = 0, accepted = 0;
    for (size_t i = 0; i < COMMANDS; i++) {
        assert_int_equal(strlen(commands[i].expected), ACTORS);
        for (size_t actor = 0; actor < ACTORS; actor++) {
            open_world();
            json_t *reply = attempt(commands[i].kind, commands[i].body, (enum actor)actor);
            const char *code = json_string_value(json_object_get(reply, "code"));
            const char *expected = code_of(commands[i].expected[actor]);
            if (strcmp(code, expected) != 0) {
                fail_msg("%s by %s: %s (%s), expected %s", commands[i].kind, actors[actor].id, code,
                         json_string_value(json_object_get(reply, "message")), expected);
            }
            attempts++;
            accepted += strcmp(code, "ok") == 0;
            model_close(&fixture);
        }
    }
    assert_int_equal(attempts, 18 * 14);
    /* by hand: the chairs' twelve; ballots, keys, proposals, and the two of editors */
    assert_int_equal(accepted, 12 + 4 + 11 + 5 + 2 + 2);
}

/* A kind of command that is added needs a line above. */
static void no_kind_is_left_out(void **state)
{
    (void)state;
    size_t count, kinds = 0;
    const struct role_rule *rules = role_rules(&count);
    for (size_t i = 0; i < count; i++) {
        if (rules[i].subject != ROLE_COMMAND) {
            continue;
        }
        kinds++;
        size_t at = 0;
        while (at < COMMANDS && strcmp(commands[at].kind, rules[i].name) != 0) {
            at++;
        }
        if (at == COMMANDS) {
            fail_msg("%s is in the program's table and not in this one", rules[i].name);
        }
    }
    assert_int_equal(kinds, COMMANDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_by_everybody),
        cmocka_unit_test(no_kind_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
