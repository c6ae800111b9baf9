/* See roles.h. */
#include "auth/roles.h"

#define NONE    ((role_set)0)
#define ALL     ((role_set)((1u << ROLE_COUNT) - 1u))
#define READERS ROLES_OF_SESSIONS
#define KEEPERS (ROLE_SET(ROLE_MEMBER) | ROLE_SET(ROLE_SUSPENDED) | ROLE_SET(ROLE_RETIRED))
#define EDITORS (ROLE_SET(ROLE_AUTHOR) | ROLE_SET(ROLE_CHAIR))
#define VOTERS  (ROLE_SET(ROLE_VOTER) | ROLE_SET(ROLE_EXPERT))
#define CHAIRS  ROLE_SET(ROLE_CHAIR)
#define MEMBERS ROLE_SET(ROLE_MEMBER)

/* What is open to all: finding out who the node is, proving who one is, handing in a command (whose
 * signature says whose it is), and whether the node works. */
#define OPEN(name_)                  \
    {                                \
        ROLE_METHOD, name_, ALL, ALL \
    }
#define READ(name_)                      \
    {                                    \
        ROLE_METHOD, name_, READERS, ALL \
    }
#define COMMAND(name_, roles_)              \
    {                                       \
        ROLE_COMMAND, name_, roles_, roles_ \
    }

static const struct role_rule rules[] = {
    OPEN("hello"),
    OPEN("prove"),
    OPEN("submit"),
    OPEN("status"),
    READ("ballot.get"),
    READ("ballot.list"),
    READ("cluster.get"),
    READ("decision.get"),
    READ("decision.list"),
    READ("log.read"),
    READ("member.get"),
    READ("member.list"),
    READ("node.list"),
    READ("policy.get"),
    READ("policy.list"),
    READ("poll.get"),
    READ("poll.list"),
    READ("poll.roll"),
    READ("proposal.get"),
    READ("proposal.list"),
    READ("record.checkpoint"),
    READ("record.leaves"),
    READ("record.proof"),
    READ("record.receipt"),
    READ("request"),
    READ("tally"),
    READ("watch"),
    COMMAND("ballot.cast", VOTERS),
    COMMAND("cluster.set", CHAIRS),
    COMMAND("genesis", NONE),
    COMMAND("member.admit", CHAIRS),
    COMMAND("member.revoke", CHAIRS),
    COMMAND("member.rotate-key", KEEPERS),
    COMMAND("member.update", CHAIRS),
    COMMAND("node.add", CHAIRS),
    COMMAND("node.lead", CHAIRS),
    COMMAND("node.remove", CHAIRS),
    COMMAND("node.update", CHAIRS),
    COMMAND("policy.put", CHAIRS),
    COMMAND("poll.cancel", CHAIRS),
    COMMAND("poll.close", CHAIRS),
    COMMAND("poll.open", CHAIRS),
    COMMAND("proposal.revise", EDITORS),
    COMMAND("proposal.submit", MEMBERS),
    COMMAND("proposal.withdraw", EDITORS),
};

#define RULE_COUNT (sizeof rules / sizeof rules[0])

/* A column of the printed table: somebody who holds just this. */
static const struct {
    const char *title;
    role_set held;
} columns[] = {
    {"nobody", ROLE_SET(ROLE_NOBODY)},
    {"revoked", ROLE_SET(ROLE_REVOKED)},
    {"suspended", ROLE_SET(ROLE_SUSPENDED)},
    {"retired", ROLE_SET(ROLE_RETIRED)},
    {"member", MEMBERS},
    {"voter", MEMBERS | ROLE_SET(ROLE_VOTER)},
    {"expert", MEMBERS | ROLE_SET(ROLE_EXPERT)},
    {"author", MEMBERS | ROLE_SET(ROLE_AUTHOR)},
    {"chair", MEMBERS | ROLE_SET(ROLE_CHAIR)},
};

#define COLUMN_COUNT (sizeof columns / sizeof columns[0])

const struct role_rule *role_rule_find(enum role_subject subject, struct slice name)
{
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (rules[i].subject == subject && slice_is_text(name, rules[i].name)) {
            return &rules[i];
        }
    }
    return NULL;
}

const struct role_rule *role_rules(size_t *count)
{
    ASSERT(count != NULL);
    *count = RULE_COUNT;
    return rules;
}

static void print(struct buffer *text, const char *piece)
{
    buffer_append(text, piece, strlen(piece));
}

static void print_rule(struct buffer *text, const struct role_rule *rule)
{
    print(text, "| `");
    print(text, rule->name);
    print(text, "` |");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        bool always = role_allows(rule, columns[i].held, false);
        bool in_public = role_allows(rule, columns[i].held, true);
        print(text, always ? " yes |" : in_public ? " public |" : " - |");
    }
    print(text, "\n");
}

static void print_table(struct buffer *text, enum role_subject subject, const char *title)
{
    print(text, "| ");
    print(text, title);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        print(text, " | ");
        print(text, columns[i].title);
    }
    print(text, " |\n|");
    for (size_t i = 0; i <= COLUMN_COUNT; i++) {
        print(text, " --- |");
    }
    print(text, "\n");
    for (size_t i = 0; i < RULE_COUNT; i++) {
        if (rules[i].subject == subject) {
            print_rule(text, &rules[i]);
        }
    }
}

void role_rules_print(struct buffer *text)
{
    ASSERT(text != NULL);
    print_table(text, ROLE_METHOD, "method");
    print(text, "\n");
    print_table(text, ROLE_COMMAND, "command");
}
