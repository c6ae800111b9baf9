/* The auditor's own count: docs/SEMANTICS.md once more, from the ballots one by one, in the
 * plainest way. It shares no code with src/tally, keeps no running sums, and asks no node. */
#ifndef AUDIT_COUNT_H
#define AUDIT_COUNT_H

#include "audit/rule.h"

enum audit_choice {
    AUDIT_LEFT_OUT,
    AUDIT_YES,
    AUDIT_NO,
    AUDIT_ABSTAIN,
    AUDIT_SCORE
};

struct audit_answer {
    uint8_t choice; /* enum audit_choice */
    bool veto;
    int8_t review; /* 1 approve, -1 object */
    uint16_t score;
};

/* A place on a poll's roll. */
struct audit_voter {
    uint32_t member; /* number */
    bool elector;    /* else only an expert */
    uint64_t weight;
    uint64_t vetoer; /* bit q: of the class of question q's veto */
    uint64_t expert; /* bit q: of question q's domain */
    uint64_t ballots;
    struct audit_answer *answers; /* of the valid ballot, one a question; NULL before the first */
};

struct audit_roll {
    struct audit_voter *voters; /* by member number */
    size_t count;
};

/* A question's figures, as the method `tally` shows them; pairs are heads and weight. */
struct audit_figures {
    uint64_t ballots, answers, left_out;
    uint64_t yes[2], no[2], abstain[2], scored[2], score_sum;
    uint64_t roll_heads, roll_weight, roll_veto_class, roll_experts;
    uint64_t support[2], quorum[2], veto[2]; /* have, of */
    uint64_t approvals, objections;
    const char *outcome; /* a literal of count.c */
};

void audit_count(const struct audit_roll *roll, const struct audit_rule *rule, unsigned question,
                 struct audit_figures *figures);

/* Can no further ballots change the outcome? */
bool audit_count_settled(const struct audit_roll *roll, const struct audit_rule *rule,
                         unsigned question);

/* The first figure that is another: which, and both. The outcome is not looked at. */
struct audit_difference {
    const char *name;
    uint64_t said, is;
};
bool audit_figures_differ(const struct audit_figures *said, const struct audit_figures *counted,
                          struct audit_difference *difference) MUST_USE;

#endif
