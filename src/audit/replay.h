/* The same log through the same state machine: what every node must have answered. Next to the
 * auditor's own count this is the other half: it finds an accepted command that had to be refused,
 * and a refused one that had to be accepted. The leaves of the record follow from it, and with them
 * the tree, which is held against what is expected of it; and the digest that the state of every
 * node had after each entry. */
#ifndef AUDIT_REPLAY_H
#define AUDIT_REPLAY_H

#include <conclave/limits.h>

#include "audit/expect.h"
#include "kv/kv.h"
#include "kv/kv_digest.h"
#include "record/leaf.h"
#include "record/tree.h"

struct audit_replay {
    struct kv *kv; /* owned */
    /* Of the last entry: */
    uint32_t command_count;
    enum conclave_code codes[LIMIT_BATCH_COMMANDS];
    uint64_t time_ms; /* log time after it */

    struct audit_expect expect;
    struct merkle_tree tree;
    /* What the tree does not agree with, by the leaf number `broken_at`; NULL: nothing. */
    const struct audit_expected *broken;
    uint64_t broken_at;
    uint32_t broken_position; /* of that leaf's command; UINT32_MAX: it is a closing */
    struct buffer leaf;       /* scratch */
    struct merkle_tree kept;  /* the tree once more, as the nodes keep it in their state */
    struct tree_append append;
    uint8_t digest[KV_DIGEST_BYTES];        /* of the state after the last entry */
    uint8_t digest_before[KV_DIGEST_BYTES]; /* the same before the last batch, and the tree */
    struct merkle_tree tree_before;
};

/* NO_MEMORY. */
enum conclave_code audit_replay_open(struct audit_replay *replay) MUST_USE;
void audit_replay_close(struct audit_replay *replay);

/* Applies a batch. BAD_REQUEST when it is none; NO_MEMORY. */
enum conclave_code audit_replay_batch(struct audit_replay *replay, uint64_t index,
                                      struct slice batch) MUST_USE;

#endif
