/* What signed things say that the record is: roots at sizes (checkpoints) and leaves at places
 * (receipts), held against the tree of the log that is replayed.
 */
#ifndef AUDIT_EXPECT_H
#define AUDIT_EXPECT_H

#include <conclave/codes.h>

#include "record/merkle.h"

#define AUDIT_EXPECT_MAX        65536u
#define AUDIT_EXPECT_NAME_BYTES 128u

struct audit_expected {
    bool is_leaf; /* else a root */
    uint64_t at;  /* the leaf's number; the tree's size */
    struct merkle_hash hash;
    char name[AUDIT_EXPECT_NAME_BYTES]; /* what says so, for people */
};

/* Zeros are an empty one. */
struct audit_expect {
    struct audit_expected *items; /* owned */
    size_t count, capacity;
};

/* Before the first leaf. A longer name is cut. NO_MEMORY; LIMIT_REACHED. */
enum conclave_code audit_expect_add(struct audit_expect *expect, const struct audit_expected *item)
    MUST_USE;

/* The tree has grown to `tree`, by the leaf with this hash: what does not agree with that, or NULL.
 */
const struct audit_expected *audit_expect_check(const struct audit_expect *expect,
                                                const struct merkle_tree *tree,
                                                const struct merkle_hash *leaf);

/* The log is at its end: what is about more leaves than it has, or NULL. */
const struct audit_expected *audit_expect_beyond(const struct audit_expect *expect, uint64_t size);

void audit_expect_close(struct audit_expect *expect);

#endif
