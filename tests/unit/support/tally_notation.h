/* Polls of one question as text, for tables of cases.
 *
 * One word a voter, blanks between. A word starts with the answer:
 *   y n a    yes, no, abstain
 *   0..1000  a score
 *   -        no ballot (yet)
 *   _        a ballot that leaves this question out
 * and goes on with any of:
 *   *N       weight N (default 1)
 *   c        is of the veto's class
 *   !        vetoes
 *   E        is an expert of the question's domain
 *   o        is outside the electorate
 *   + x      approves, objects as an expert
 * "y*3 nc! _oE+": three for yes by weight, a no with a veto, an approval by an expert who has no
 * vote.
 */
#ifndef TESTS_UNIT_SUPPORT_TALLY_NOTATION_H
#define TESTS_UNIT_SUPPORT_TALLY_NOTATION_H

#include "tally/tally.h"

struct notation {
    struct tally_roll roll;
    struct tally tally;
    struct tally_outstanding outstanding; /* those without a ballot */
};

/* Aborts on text that is not of this form. */
void notation_read(const char *text, const struct tally_rule *rule, struct notation *notation);

#endif
