/* By which rules a question is decided, read from the policies in the log (docs/PROTOCOL.md,
 * "policy map") and the presets of docs/SEMANTICS.md, without src/model or src/tally. */
#ifndef AUDIT_RULE_H
#define AUDIT_RULE_H

#include <conclave/limits.h>

#include "audit/value.h"

struct audit_share {
    uint64_t numerator, denominator;
};

enum audit_base {
    AUDIT_BASE_DECISIVE,
    AUDIT_BASE_CAST,
    AUDIT_BASE_ELIGIBLE
};

enum audit_quorum {
    AUDIT_QUORUM_NONE,
    AUDIT_QUORUM_HEADS,
    AUDIT_QUORUM_WEIGHT
};

struct audit_rule {
    bool score;
    uint64_t min, max; /* scores */
    enum audit_base base;
    struct audit_share pass;
    bool at_least; /* pass by >=, not > */
    enum audit_quorum quorum;
    struct audit_share quorum_share;
    bool veto, veto_explicit, veto_of_roll;
    char veto_class[LIMIT_LABEL_BYTES + 1];
    uint64_t veto_score, justification_bytes;
    struct audit_share reject, revise;
    bool experts;
    char domain[LIMIT_LABEL_BYTES + 1];
    uint64_t approvals, objections;
    bool final; /* no revotes */
    bool early; /* closes when settled */
    uint64_t min_open_ms;
};

struct audit_policy {
    char id[LIMIT_ID_BYTES + 1];
    uint64_t version;
    struct audit_rule rule;
};

/* The newest version of each policy. */
struct audit_policies {
    struct audit_policy *all;
    size_t count, capacity;
};

/* The presets. NO_MEMORY. */
enum conclave_code audit_policies_open(struct audit_policies *policies) MUST_USE;
void audit_policies_close(struct audit_policies *policies);

const struct audit_policy *audit_policies_find(const struct audit_policies *policies,
                                               struct slice id);

/* policy.put's body: a new policy, or the next version of one. BAD_REQUEST; NO_MEMORY. */
enum conclave_code audit_policies_put(struct audit_policies *policies, const msgpack_object *body)
    MUST_USE;

#endif
