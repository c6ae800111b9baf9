/* Minutes kept by hand: a directory of JSON files in the hive's format, read and examined. No
 * cluster here.
 *
 *   proposals.json     an array of proposals, or an object with one under "proposals"
 *   votes/<model>.json ballots: scores {model, timestamp, weights: [{proposal_id, weight, comment?,
 * veto?}]}, or answers {model_id, timestamp, proposals: [{proposal_id, vote:
 * SUPPORT|REJECT|ABSTAIN}]} voting_chain.json  blocks chained by hashes: an array, or an object
 * with one under "chain" results.json       what was published
 *
 * Nothing is repaired. What cannot be read is a problem, named by file and position, and the rest
 * goes on.
 */
#ifndef CONCLAVE_MINUTES_H
#define CONCLAVE_MINUTES_H

#include <conclave/limits.h>
#include <jansson.h>

#include "auth/auth.h"
#include "base/buffer.h"

#define MINUTES_PATH_BYTES 4096u
#define MINUTES_FILE_BYTES (1024u * 1024u) /* the largest file that is read */
#define MINUTES_ID_BYTES   31u /* of minutes and their proposals: two make an id of the cluster */
#define MINUTES_BALLOTS    10000u

enum minutes_method {
    MINUTES_SCORE,
    MINUTES_YESNO
};

struct minutes_ballot {
    char *file;            /* "votes/gpt-5.json" */
    char *model;           /* a valid id */
    const char *timestamp; /* as claimed; "" when there is none */
    struct buffer bytes;   /* the file as it is */
    uint8_t sha256[AUTH_SHA256_BYTES];
    json_t *root;
    json_t *answers; /* borrowed from root: the array */
};

struct minutes {
    char directory[MINUTES_PATH_BYTES];
    char id[MINUTES_ID_BYTES + 1]; /* "0003": the name of the directory */
    enum minutes_method method;
    bool vetoes;        /* a ballot has one */
    json_t *proposals;  /* array of objects, each with a valid text "id" */
    json_t *chain;      /* report of every block: [{index, model, status, why: [text]}] */
    json_t *chain_root; /* voting_chain.json, or NULL */
    json_t *results;    /* results.json, or NULL */
    json_t *problems;   /* [{file, line?, column?, position?, text}] */
    struct minutes_ballot *ballots; /* in the order of their file names */
    size_t ballot_count;
    uint8_t sha256[AUTH_SHA256_BYTES]; /* over all files read: "<hex>  <file>\n" each, in order */
};

/* Reads a directory. NOT_FOUND when it is none; BAD_REQUEST when there is nothing to vote on (the
 * problems say why), or its name is no id; NO_MEMORY. minutes_close frees, always. */
enum conclave_code minutes_open(struct minutes *minutes, const char *directory) MUST_USE;
void minutes_close(struct minutes *minutes);

/* The proposal with this id, or NULL. */
const json_t *minutes_proposal(const struct minutes *minutes, const char *id);

/* What was published for a question: {score?, percentage?, status?} borrowed or NULL; `status` is
 * "approved", "rejected", "vetoed", ... or "". */
const json_t *minutes_published(const struct minutes *minutes, const char *id, const char **status);

/* Ids in results.json that are no question of these minutes: a new array of {id, status, score}. */
json_t *minutes_published_elsewhere(const struct minutes *minutes);

/* The share that passes a proposal, in hundredths, as the minutes say it (their own, their
 * category's, the general one). False when they say none. */
bool minutes_threshold(const struct minutes *minutes, const json_t *proposal, uint32_t *percent);

#endif
