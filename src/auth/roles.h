/* Who may do what: the one table. docs/PROTOCOL.md, "Who may do what", is printed from it (a test
 * compares the two); the api asks it about methods, the state machine about commands.
 *
 * Whoever acts holds a set of roles. One of the first five is what the session or the author is:
 * nobody that is known, or a member of one status. The others come on top, and some of them from
 * what is acted on: one is a voter or an expert of a poll, and the author of a proposal. A rule
 * names the roles of which one is enough.
 */
#ifndef AUTH_ROLES_H
#define AUTH_ROLES_H

#include "base/buffer.h"
#include "base/slice.h"

enum role {
    ROLE_NOBODY,    /* a session that has proved nothing */
    ROLE_REVOKED,   /* a member whose key was revoked */
    ROLE_SUSPENDED, /* a member of this status; likewise the next */
    ROLE_RETIRED,
    ROLE_MEMBER, /* an active member */
    ROLE_VOTER,  /* on the poll's roll, whatever the status became since, but for revoked */
    ROLE_EXPERT, /* likewise, as an expert */
    ROLE_AUTHOR, /* of the proposal, and active */
    ROLE_CHAIR,  /* active */
    ROLE_COUNT
};

/* A set of roles. */
typedef uint16_t role_set;
#define ROLE_SET(role) ((role_set)(1u << (role)))

/* Whose sessions may be proved. */
#define ROLES_OF_SESSIONS (ROLE_SET(ROLE_MEMBER) | ROLE_SET(ROLE_RETIRED))

enum role_subject {
    ROLE_METHOD, /* of PROTOCOL.md, "Methods" */
    ROLE_COMMAND /* "Kinds of commands" */
};

struct role_rule {
    enum role_subject subject;
    const char *name;
    role_set allowed;        /* one of these is enough */
    role_set allowed_public; /* the same in a cluster whose reads are public */
};

/* The rule of a method or a kind of command; NULL when there is none: then nobody may. */
const struct role_rule *role_rule_find(enum role_subject subject, struct slice name);

/* May somebody who holds these roles do it? */
static inline bool role_allows(const struct role_rule *rule, role_set held, bool reads_public)
{
    return ((reads_public ? rule->allowed_public : rule->allowed) & held) != 0;
}

/* All rules, methods first. */
const struct role_rule *role_rules(size_t *count);

/* Appends the tables of the documentation, in Markdown. */
void role_rules_print(struct buffer *text);

#endif
