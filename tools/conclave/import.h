/* Minutes kept by hand, played through the cluster: what the parts of `conclave import` share.
 *
 * import.c        the command: options, the order of the steps
 * import_make.c   members, policies, proposals, the poll: found or made, so that a second run
 * doubles nothing import_ballot.c ballots: each signed with its member's key, marked as imported,
 * the original bytes in it import_report.c what the cluster counted against what was published
 */
#ifndef CONCLAVE_IMPORT_H
#define CONCLAVE_IMPORT_H

#include "minutes.h"
#include "session.h"

#define IMPORT_SCORE_MIN    1u
#define IMPORT_SCORE_MAX    10u
#define IMPORT_VETO_SCORE   2u
#define IMPORT_VETO_REJECT  80u /* hundredths */
#define IMPORT_VETO_REVISE  50u
#define IMPORT_NO_THRESHOLD UINT32_MAX

struct import {
    struct cli *cli;
    struct minutes minutes;
    const char *keys_directory;
    char poll[LIMIT_ID_BYTES + 1];             /* "minutes-0003" */
    char voters_class[LIMIT_LABEL_BYTES + 1];  /* "minutes:0003": who is on the roll */
    char general_class[LIMIT_LABEL_BYTES + 1]; /* "minutes:0003:general": who may veto */
    uint64_t members_made, proposals_made, policies_made, ballots_made, polls_made;
    json_t *not_on_poll; /* [{model, question, answer}] */
};

/* What the minutes' rule comes to for a proposal: hundredths, or IMPORT_NO_THRESHOLD. */
uint32_t import_percent(const struct import *import, const json_t *proposal);

/* The id of the policy for that. */
void import_policy_id(const struct import *import, uint32_t percent, char id[LIMIT_ID_BYTES + 1]);

/* Is the model of the class that may veto? By --class general=a,b,...; without it all are. */
bool import_is_general(const struct import *import, const char *model);

/* A query for one thing by its id: a new reference, or NULL with *status 0 when there is none, else
 * the exit status (said). */
json_t *import_find(struct import *import, const char *method, struct body *params, int *status)
    MUST_USE;

/* Nonzero: the exit status (said). */
int import_make_members(struct import *import) MUST_USE;
int import_make_poll(struct import *import) MUST_USE;
int import_cast_ballots(struct import *import) MUST_USE;

/* Loads the key made for an imported member, or makes it when `make`. */
int import_load_key(struct import *import, const char *model, bool make, struct auth_key *key)
    MUST_USE;

/* Prints the report; the exit status: 0, or 1 when there were problems. */
int import_report(struct import *import) MUST_USE;

#endif
