/* The auditor: reads the whole log of a cluster, as somebody exported it, and believes nothing.
 *
 *   - Every command's signature is checked with the key that its author had at that place.
 *   - The log is replayed through the state machine: each command must have been decided as the
 *     export says (replay.h).
 *   - Every poll is recounted from its ballots by a count that shares no code with the nodes'
 *     (people.h, rule.h, poll.h, count.h), and each published decision is held against it.
 *
 * Give it the entries in order (audit_entry), then the decisions that were published
 * (audit_decision), then audit_finish. The first thing wrong ends it: the fault says what, and
 * where. No file and no network is touched here.
 */
#ifndef AUDIT_AUDIT_H
#define AUDIT_AUDIT_H

#include "audit/count.h"
#include "audit/expect.h"
#include "auth/genesis.h"

struct audit;

#define AUDIT_FAULT_BYTES 320u

/* The first thing that is wrong. */
struct audit_fault {
    bool found;
    uint64_t index; /* of the log entry; 0: of none */
    bool has_position;
    uint32_t position; /* of the command in it */
    char text[AUDIT_FAULT_BYTES];
};

/* A command as exported; `code` is what the export says it was decided. */
struct audit_command {
    struct slice bytes; /* [envelope, signature] */
    enum conclave_code code;
};

struct audit_entry {
    uint64_t index;
    bool batch; /* else a barrier or a configuration: nothing of the record is in it */
    uint64_t time_ms;
    const struct slice *closes;
    uint32_t close_count;
    const struct audit_command *commands;
    uint32_t command_count;
};

/* A decision as published. Only the names of figures.h are compared; `outcome` is the published
 * text. */
struct audit_published {
    struct slice poll, question, outcome;
    uint64_t index;
    struct audit_figures figures; /* its `outcome` is not looked at */
};

struct audit_summary {
    uint8_t cluster_id[16]; /* that it is of now */
    uint32_t former_count;  /* that it was of before, when it was restored; oldest first */
    uint8_t former[GENESIS_FORMER_MAX][16];
    uint64_t entries, commands, refused, signatures, ballots;
    uint64_t polls, questions, decisions;
    uint64_t last_index;
    uint64_t leaves;     /* of the tree that follows from the log */
    uint64_t final_size; /* leaves that a checkpoint which came with it covers; 0: there was none */
    uint64_t expected;   /* leaves and roots that it was held against */
    uint64_t time_ms;    /* log time at its end */
    uint8_t digest[16];  /* of the state that it leads to, as nodes tell it (cluster.get) */
    struct merkle_hash root; /* of the tree */
};

/* `cluster_id` (16 bytes) is the cluster whose log it should be, or NULL: whatever its genesis
 * says. NO_MEMORY. */
enum conclave_code audit_open(const uint8_t *cluster_id, struct audit **audit) MUST_USE;
void audit_close(struct audit *audit);

/* What the tree of the log must agree with; before the first entry. A final checkpoint that came
 * with the log: its signatures are checked with the keys that genesis names. And leaves and roots
 * that are proven otherwise, by receipts. NO_MEMORY, TOO_LARGE, LIMIT_REACHED. */
enum conclave_code audit_expect_note(struct audit *audit, struct slice note) MUST_USE;
enum conclave_code audit_expect_proven(struct audit *audit, const struct audit_expected *expected)
    MUST_USE;

/* OK; NOT_PROVEN with the fault found; NO_MEMORY. After anything but OK only audit_close follows.
 */
enum conclave_code audit_entry(struct audit *audit, const struct audit_entry *entry) MUST_USE;
enum conclave_code audit_decision(struct audit *audit, const struct audit_published *published)
    MUST_USE;

/* A final checkpoint of a longer log than this one, and the proof that this one is its beginning:
 * after the last entry. */
enum conclave_code audit_covered(struct audit *audit, struct slice note,
                                 const struct merkle_proof *proof) MUST_USE;

/* Is this somebody who may sign at the end of the log as a chair, with this key? OK;
 * UNKNOWN_AUTHOR, NOT_CHAIR, NOT_ACTIVE, KEY_REVOKED (it has another key). */
enum conclave_code audit_chair(const struct audit *audit, struct slice id,
                               const uint8_t key[AUTH_PUBLIC_KEY_BYTES]) MUST_USE;

/* Every question that was decided must have been published, once. */
enum conclave_code audit_finish(struct audit *audit) MUST_USE;

const struct audit_fault *audit_fault(const struct audit *audit);
void audit_summary(const struct audit *audit, struct audit_summary *summary);

#endif
