/* The Merkle tree of RFC 6962, section 2.1 (SHA-256; 0x00 before a leaf, 0x01 before two nodes):
 * hashes, appending, roots, proofs and their verification. Pure functions; where the hashes of old
 * nodes are kept is the caller's (tree.h keeps them in a key-value store).
 *
 * A node is named by its level and its position: node (0, n) is the hash of leaf n, node (l, n)
 * that of the two nodes (l - 1, 2n) and (l - 1, 2n + 1). Only nodes whose leaves are all there are
 * kept; they never change. In the order in which appending completes them they are numbered: leaf n
 * comes first, then the nodes above it that it completes, lowest first. So a tree of n leaves has
 * 2n - popcount(n) nodes, and node (l, p) has the number merkle_node_count(m) + l, where m = (p +
 * 1) * 2^l - 1 is the leaf that completes it.
 *
 * Proofs are verified as RFC 9162, sections 2.1.3.2 and 2.1.4.2, says.
 */
#ifndef RECORD_MERKLE_H
#define RECORD_MERKLE_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/slice.h"

#define MERKLE_HASH_BYTES 32u
#define MERKLE_LEVELS     63u
#define MERKLE_SIZE_MAX   (UINT64_C(1) << (MERKLE_LEVELS - 1))

struct merkle_hash {
    uint8_t bytes[MERKLE_HASH_BYTES];
};

static inline bool merkle_hash_equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, MERKLE_HASH_BYTES) == 0;
}

void merkle_hash_leaf(struct slice leaf, struct merkle_hash *hash);
void merkle_hash_nodes(const struct merkle_hash *left, const struct merkle_hash *right,
                       struct merkle_hash *hash);

/* --- Growing --- */

/* A tree as far as appending needs to know it: peaks[l] is the root of the complete subtree of 2^l
 * leaves where bit l of `size` is set, and means nothing elsewhere. Zeros are the empty tree. */
struct merkle_tree {
    uint64_t size;
    struct merkle_hash peaks[MERKLE_LEVELS];
};

/* Appends a leaf. `nodes` gets its hash and the nodes that it completes, in their order; returns
 * how many (1 to MERKLE_LEVELS). */
unsigned merkle_append(struct merkle_tree *tree, const struct merkle_hash *leaf,
                       struct merkle_hash nodes[MERKLE_LEVELS]);

/* The root; of the empty tree the hash of no bytes. */
void merkle_root(const struct merkle_tree *tree, struct merkle_hash *root);

/* How many nodes a tree of `size` leaves has. */
uint64_t merkle_node_count(uint64_t size);

/* --- Looking back --- */

/* Reads a complete node of a tree; its errors are returned by the functions below. */
struct merkle_reader {
    void *context;
    enum conclave_code (*read)(void *context, unsigned level, uint64_t position,
                               struct merkle_hash *hash);
};

/* The root that the tree had with `size` leaves; O(log size) reads. */
enum conclave_code merkle_root_at(const struct merkle_reader *reader, uint64_t size,
                                  struct merkle_hash *root) MUST_USE;

/* A proof: hashes in the order of the RFC. */
#define MERKLE_PROOF_HASHES (MERKLE_LEVELS + 1u)
struct merkle_proof {
    unsigned count;
    struct merkle_hash hashes[MERKLE_PROOF_HASHES];
};

/* PATH(leaf, D[size]); leaf < size. */
enum conclave_code merkle_prove_inclusion(const struct merkle_reader *reader, uint64_t leaf,
                                          uint64_t size, struct merkle_proof *proof) MUST_USE;

/* PROOF(from, D[to]); 0 < from <= to. Empty when they are equal. */
enum conclave_code merkle_prove_consistency(const struct merkle_reader *reader, uint64_t from,
                                            uint64_t to, struct merkle_proof *proof) MUST_USE;

/* Any values: these never assert, and say false to whatever is no proof. */
bool merkle_verify_inclusion(const struct merkle_hash *leaf_hash, uint64_t leaf, uint64_t size,
                             const struct merkle_proof *proof, const struct merkle_hash *root)
    MUST_USE;
bool merkle_verify_consistency(uint64_t from, const struct merkle_hash *from_root, uint64_t to,
                               const struct merkle_hash *to_root, const struct merkle_proof *proof)
    MUST_USE;

#endif
