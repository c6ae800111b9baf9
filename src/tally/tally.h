/* Counting: pure functions on integers. No I/O, no clock, no floats.
 *
 * docs/SEMANTICS.md is the contract. A tally is a fixed-size sum over the answers to one question;
 * adding and removing an answer are exact inverses, so a revote removes the earlier answer and adds
 * the new one. Shares are compared by cross-multiplication in 128 bits. No sum can overflow:
 * LIMIT_MEMBERS x LIMIT_WEIGHT x LIMIT_SCORE is 10^18, and additions are checked all the same.
 */
#ifndef TALLY_TALLY_H
#define TALLY_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum tally_method {
    TALLY_YESNO = 1,
    TALLY_SCORE = 2
};
enum tally_base {
    TALLY_DECISIVE = 1, /* yes + no */
    TALLY_CAST = 2,     /* yes + no + abstain */
    TALLY_ELIGIBLE = 3  /* the whole electorate */
};
enum tally_comparison {
    TALLY_GREATER = 1,
    TALLY_AT_LEAST = 2
};
enum tally_quorum {
    TALLY_QUORUM_NONE = 0,
    TALLY_QUORUM_HEADS = 1,
    TALLY_QUORUM_WEIGHT = 2
};
enum tally_trigger {
    TALLY_TRIGGER_EXPLICIT = 1,
    TALLY_TRIGGER_SCORE = 2
};
enum tally_share_of {
    TALLY_OF_ROLL = 1,    /* all members of the class in the electorate */
    TALLY_OF_ANSWERED = 2 /* those of them who answered this question */
};

struct tally_fraction {
    uint32_t numerator;   /* 0..denominator */
    uint32_t denominator; /* 1..LIMIT_FRACTION */
};

/* What of a policy the counting needs. */
struct tally_rule {
    enum tally_method method;
    uint32_t score_min;   /* score only */
    uint32_t score_max;   /* score only; > score_min, <= LIMIT_SCORE */
    enum tally_base base; /* yesno only */
    struct tally_fraction pass;
    enum tally_comparison comparison;
    enum tally_quorum quorum;           /* NONE: no quorum */
    struct tally_fraction quorum_share; /* met at or above it */
    bool has_veto;
    enum tally_trigger trigger;
    uint32_t trigger_score; /* TALLY_TRIGGER_SCORE (method score): score <= this triggers; within
                               score_min..score_max */
    enum tally_share_of veto_share_of;
    struct tally_fraction veto_reject; /* > 0; at or above: rejected_by_veto */
    struct tally_fraction veto_revise; /* > 0; at or above this, below reject: to_revision; <=
                                          reject */
    bool has_experts;
    uint32_t expert_approvals;  /* at least this many; <= LIMIT_MEMBERS */
    uint32_t expert_objections; /* no more than this many; <= LIMIT_MEMBERS */
};

/* A question's roll in sums, frozen when the poll opens. */
struct tally_roll {
    uint64_t heads;        /* members of the electorate */
    uint64_t weight;       /* and their weight */
    uint64_t veto_heads;   /* of those, members of the veto's class */
    uint64_t expert_heads; /* experts of the question's domain on the roll, in the electorate or
                              not */
};

enum tally_choice {
    TALLY_NONE = 0,
    TALLY_ABSTAIN = 1,
    TALLY_NO = 2,
    TALLY_YES = 3,
    TALLY_SCORED = 4
};
enum tally_review {
    TALLY_REVIEW_NONE = 0,
    TALLY_APPROVE = 1,
    TALLY_OBJECT = 2
};

/* One voter's answer to one question. choice NONE: the question was left out (a review may still be
 * there, a veto may not). */
struct tally_answer {
    enum tally_choice choice;
    uint32_t score; /* TALLY_SCORED only, within the rule's range */
    bool veto;      /* counts as a veto: decided when the ballot was accepted (class, trigger and
                       justification) */
    enum tally_review review;
};

/* One voter as frozen on the roll. A voter outside the electorate (an expert only) has no choice,
 * only a review. */
struct tally_voter {
    uint64_t weight; /* 1..LIMIT_WEIGHT */
    bool in_electorate;
    bool in_veto_class;
};

struct tally {
    uint64_t yes_heads, yes_weight;
    uint64_t no_heads, no_weight;
    uint64_t abstain_heads, abstain_weight;
    uint64_t scored_heads, scored_weight;
    uint64_t score_sum;        /* sum of score * weight */
    uint64_t veto_heads;       /* vetoes */
    uint64_t veto_class_heads; /* members of the veto's class who answered (abstentions included) */
    uint64_t approvals, objections;
};

enum tally_outcome {
    TALLY_PASSED = 1,
    TALLY_FAILED,
    TALLY_NO_QUORUM,
    TALLY_REJECTED_BY_VETO,
    TALLY_TO_REVISION,
    TALLY_EXPERTS_MISSING,
    TALLY_CANCELLED
};

/* The outcome with every figure that led to it: all gates are worked out, whichever decided. */
struct tally_verdict {
    enum tally_outcome outcome;
    uint64_t support, support_of; /* compared with rule->pass */
    bool support_passes;
    uint64_t quorum_have, quorum_of; /* answers and eligible, in weight for a quorum of weight, in
                                        heads for any other and without one */
    bool quorum_met;                 /* true without a quorum rule */
    uint64_t veto_have, veto_of;     /* heads; both 0 without a veto rule */
    bool veto_rejects, veto_revises; /* at most one is true */
    uint64_t approvals, objections;
    bool experts_met; /* true without an expert gate */
};

/* Adds an answer, or takes away one that was added. Asserts that it fits the rule and the voter:
 * the caller has refused what does not. */
void tally_add(struct tally *tally, const struct tally_rule *rule, const struct tally_voter *voter,
               const struct tally_answer *answer);
void tally_remove(struct tally *tally, const struct tally_rule *rule,
                  const struct tally_voter *voter, const struct tally_answer *answer);

/* The outcome if the poll closed now. Gates in this order, the first that fires decides: quorum not
 * met -> no_quorum; veto at or above reject -> rejected_by_veto; at or above revise -> to_revision;
 * support does not pass -> failed; experts not met -> experts_missing; else passed. Never
 * CANCELLED.
 *
 * Support passes when its share reaches rule->pass by rule->comparison, it is more than zero, and,
 * for yesno with a pass of one half or more, yes outweighs no: 0 >= 0 never passes, and a tie does
 * not, whatever the comparison. */
void tally_decide(const struct tally *tally, const struct tally_rule *rule,
                  const struct tally_roll *roll, struct tally_verdict *verdict);

/* Who can still answer, in sums (what further ballots could bring when revotes are off). Somebody
 * whose ballot is in and left this question out can not. */
struct tally_outstanding {
    uint64_t heads, weight; /* of the electorate, who have not answered this question */
    uint64_t veto_heads;    /* of those, members of the veto's class */
    uint64_t expert_heads;  /* experts who have not reviewed this question */
};

/* True when no further answers and reviews by those outstanding can change the outcome; each of
 * them may also stay silent. Exact: true if and only if every completion has the outcome of now
 * (a brute force over all completions says the same). It needs no weights of single voters, because
 * the two completions that are extreme at every gate are unanimous ones. */
bool tally_settled(const struct tally *tally, const struct tally_rule *rule,
                   const struct tally_roll *roll, const struct tally_outstanding *outstanding);

/* share/of >= fraction, or >, by 128-bit cross-multiplication; false when `of` is 0. */
bool tally_share_reaches(uint64_t share, uint64_t of, struct tally_fraction fraction,
                         enum tally_comparison comparison);

/* Is the rule well formed (ranges above)? For policies from outside; the others assert it. When
 * not, `why` gets a short English sentence. */
bool tally_rule_valid(const struct tally_rule *rule, const char **why);

/* "passed", "failed", "no_quorum", "rejected_by_veto", "to_revision", "experts_missing",
 * "cancelled". */
const char *tally_outcome_name(enum tally_outcome outcome);

/* The arithmetic that decided, for people. NUL-terminated. By outcome:
 *
 *   passed            "60/100 >= 60/100: yes"
 *   failed            "57/100 >= 60/100: no", "5/10 >= 1/2: no, a tie",
 *                     "0/4 >= 0/1: no, nothing in favour"
 *   no_quorum         "quorum 49/100 >= 1/2 of heads: no" (or "of weight")
 *   rejected_by_veto  "veto 8/10 >= 80/100 of class: yes" (or "of class who answered")
 *   to_revision       "veto 5/10 >= 50/100 of class: yes"
 *   experts_missing   "experts: 1 of 2 approvals, 0 objections of at most 0: no"
 *   cancelled         "cancelled"
 */
#define TALLY_TEXT_BYTES 160u
void tally_explain(const struct tally_verdict *verdict, const struct tally_rule *rule,
                   char text[TALLY_TEXT_BYTES]);

#endif
