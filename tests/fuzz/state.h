/* A cluster's state to fuzz against: members of every sort, policies of every sort, proposals and
 * polls in every stage, in memory and in LMDB. Made once; runs change it in transactions that they
 * abort.
 */
#ifndef FUZZ_STATE_H
#define FUZZ_STATE_H

#include "fuzz/harness.h"
#include "unit/support/model_fixture.h"

/* Stores 0 (memory) and 1 (LMDB, in a directory that is removed at the end). Its time is that of
 * the last batch. */
struct model_fixture *fuzz_state(void);

/* Authors: a chair, voters, an expert, one who is not active, a stranger. */
#define FUZZ_AUTHORS 8u
extern const char *const fuzz_authors[FUZZ_AUTHORS];

/* Every kind of command. */
#define FUZZ_KINDS 15u
extern const char *const fuzz_kinds[FUZZ_KINDS];

/* Queries by name. */
#define FUZZ_QUERIES 16u
extern const char *const fuzz_queries[FUZZ_QUERIES];

/* Keys and values of bodies and params, for mutations. Ends with NULL. */
extern const char *const fuzz_words[];

/* Bodies that are accepted in this state, in MessagePack, by kind; and params of queries. */
struct fuzz_body {
    unsigned author, kind;
    const char *json; /* as model_fixture.h has it */
};
extern const struct fuzz_body fuzz_bodies[];
extern const size_t fuzz_body_count;

/* JSON as model_fixture.h has it, packed and appended. */
void fuzz_pack(struct buffer *buffer, const char *json);

/* The commands of the state's log, for queries. */
extern const struct model_log fuzz_log;

#endif
