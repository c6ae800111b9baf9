/* Outcomes and their arithmetic as text. */
#include "tally/tally.h"

#include <inttypes.h>
#include <stdio.h>

const char *tally_outcome_name(enum tally_outcome outcome)
{
    switch (outcome) {
    case TALLY_PASSED:
        return "passed";
    case TALLY_FAILED:
        return "failed";
    case TALLY_NO_QUORUM:
        return "no_quorum";
    case TALLY_REJECTED_BY_VETO:
        return "rejected_by_veto";
    case TALLY_TO_REVISION:
        return "to_revision";
    case TALLY_EXPERTS_MISSING:
        return "experts_missing";
    case TALLY_CANCELLED:
        return "cancelled";
    default:
        UNREACHABLE("outcome");
    }
}

static int explain_support(const struct tally_verdict *verdict, const struct tally_rule *rule,
                           char text[TALLY_TEXT_BYTES])
{
    const char *answer = "yes";
    if (!verdict->support_passes) {
        /* Where the share alone would do, say why it did not. */
        bool reaches = tally_share_reaches(verdict->support, verdict->support_of, rule->pass,
                                           rule->comparison);
        answer = !reaches ? "no" : verdict->support == 0 ? "no, nothing in favour" : "no, a tie";
    }
    return snprintf(text, TALLY_TEXT_BYTES,
                    "%" PRIu64 "/%" PRIu64 " %s %" PRIu32 "/%" PRIu32 ": %s", verdict->support,
                    verdict->support_of,
                    rule->comparison == TALLY_GREATER ? ">" : ">=", rule->pass.numerator,
                    rule->pass.denominator, answer);
}

static int explain_veto(const struct tally_verdict *verdict, const struct tally_rule *rule,
                        struct tally_fraction threshold, char text[TALLY_TEXT_BYTES])
{
    return snprintf(text, TALLY_TEXT_BYTES,
                    "veto %" PRIu64 "/%" PRIu64 " >= %" PRIu32 "/%" PRIu32 " of class%s: yes",
                    verdict->veto_have, verdict->veto_of, threshold.numerator,
                    threshold.denominator,
                    rule->veto_share_of == TALLY_OF_ROLL ? "" : " who answered");
}

void tally_explain(const struct tally_verdict *verdict, const struct tally_rule *rule,
                   char text[TALLY_TEXT_BYTES])
{
    ASSERT(verdict != NULL && rule != NULL && text != NULL);
    int size = -1;
    switch (verdict->outcome) {
    case TALLY_PASSED:
    case TALLY_FAILED:
        size = explain_support(verdict, rule, text);
        break;
    case TALLY_NO_QUORUM:
        size = snprintf(text, TALLY_TEXT_BYTES,
                        "quorum %" PRIu64 "/%" PRIu64 " >= %" PRIu32 "/%" PRIu32 " of %s: no",
                        verdict->quorum_have, verdict->quorum_of, rule->quorum_share.numerator,
                        rule->quorum_share.denominator,
                        rule->quorum == TALLY_QUORUM_WEIGHT ? "weight" : "heads");
        break;
    case TALLY_REJECTED_BY_VETO:
        size = explain_veto(verdict, rule, rule->veto_reject, text);
        break;
    case TALLY_TO_REVISION:
        size = explain_veto(verdict, rule, rule->veto_revise, text);
        break;
    case TALLY_EXPERTS_MISSING:
        size = snprintf(text, TALLY_TEXT_BYTES,
                        "experts: %" PRIu64 " of %" PRIu32 " approvals, %" PRIu64
                        " objections of at most %" PRIu32 ": no",
                        verdict->approvals, rule->expert_approvals, verdict->objections,
                        rule->expert_objections);
        break;
    case TALLY_CANCELLED:
        size = snprintf(text, TALLY_TEXT_BYTES, "cancelled");
        break;
    default:
        UNREACHABLE("outcome");
    }
    ASSERT(size > 0 && (size_t)size < TALLY_TEXT_BYTES);
}
