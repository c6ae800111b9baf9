/* See merkle.h. */
#include "record/merkle.h"

#include "base/sha256.h"

_Static_assert(MERKLE_HASH_BYTES == SHA256_BYTES, "nodes are SHA-256");

void merkle_hash_leaf(struct slice leaf, struct merkle_hash *hash)
{
    ASSERT(hash != NULL);
    static const uint8_t prefix = 0;
    const struct slice parts[] = {slice_of(&prefix, 1), leaf};
    sha256_parts(parts, 2, hash->bytes);
}

void merkle_hash_nodes(const struct merkle_hash *left, const struct merkle_hash *right,
                       struct merkle_hash *hash)
{
    ASSERT(left != NULL && right != NULL && hash != NULL);
    uint8_t bytes[1 + 2 * MERKLE_HASH_BYTES];
    bytes[0] = 1;
    memcpy(bytes + 1, left->bytes, MERKLE_HASH_BYTES);
    memcpy(bytes + 1 + MERKLE_HASH_BYTES, right->bytes, MERKLE_HASH_BYTES);
    sha256(slice_of(bytes, sizeof bytes), hash->bytes);
}

static void hash_nothing(struct merkle_hash *hash)
{
    sha256(slice_of(NULL, 0), hash->bytes);
}

/* --- Growing --- */

unsigned merkle_append(struct merkle_tree *tree, const struct merkle_hash *leaf,
                       struct merkle_hash nodes[MERKLE_LEVELS])
{
    ASSERT(tree != NULL && leaf != NULL && nodes != NULL);
    ASSERT(tree->size < MERKLE_SIZE_MAX);
    unsigned level = 0;
    nodes[0] = *leaf;
    for (; (tree->size >> level & 1) != 0; level++) {
        merkle_hash_nodes(&tree->peaks[level], &nodes[level], &nodes[level + 1]);
    }
    tree->peaks[level] = nodes[level];
    tree->size++;
    return level + 1;
}

void merkle_root(const struct merkle_tree *tree, struct merkle_hash *root)
{
    ASSERT(tree != NULL && root != NULL);
    bool begun = false;
    hash_nothing(root);
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((tree->size >> level & 1) == 0) {
            continue;
        }
        if (begun) {
            merkle_hash_nodes(&tree->peaks[level], root, root);
        } else {
            *root = tree->peaks[level];
            begun = true;
        }
    }
}

uint64_t merkle_node_count(uint64_t size)
{
    ASSERT(size <= MERKLE_SIZE_MAX);
    return 2 * size - (uint64_t)__builtin_popcountll(size);
}

/* --- Looking back --- */

/* The largest power of two that is less than `count`, which is at least 2. */
static uint64_t split_of(uint64_t count)
{
    ASSERT(count >= 2);
    return UINT64_C(1) << (63 - __builtin_clzll(count - 1));
}

/* The hash over the leaves from `begin` to before `end`, where `begin` is a multiple of a power of
 * two that is at least their count: the complete subtrees of them, folded from the right. */
static enum conclave_code hash_range(const struct merkle_reader *reader, uint64_t begin,
                                     uint64_t end, struct merkle_hash *hash)
{
    ASSERT(begin < end);
    uint64_t count = end - begin;
    bool begun = false;
    for (unsigned level = 0; level < MERKLE_LEVELS; level++) {
        if ((count >> level & 1) == 0) {
            continue;
        }
        end -= UINT64_C(1) << level;
        struct merkle_hash left;
        enum conclave_code rv = reader->read(reader->context, level, end >> level, &left);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        if (begun) {
            merkle_hash_nodes(&left, hash, hash);
        } else {
            *hash = left;
            begun = true;
        }
    }
    ASSERT(end == begin);
    return CONCLAVE_OK;
}

enum conclave_code merkle_root_at(const struct merkle_reader *reader, uint64_t size,
                                  struct merkle_hash *root)
{
    ASSERT(reader != NULL && root != NULL && size <= MERKLE_SIZE_MAX);
    if (size == 0) {
        hash_nothing(root);
        return CONCLAVE_OK;
    }
    return hash_range(reader, 0, size, root);
}

static enum conclave_code add_range(const struct merkle_reader *reader, struct merkle_proof *proof,
                                    uint64_t begin, uint64_t end)
{
    ASSERT(proof->count < MERKLE_PROOF_HASHES);
    return hash_range(reader, begin, end, &proof->hashes[proof->count++]);
}

/* The walks below go from the root down; proofs are written from the leaf up. */
static void reverse(struct merkle_proof *proof)
{
    for (unsigned i = 0; i < proof->count / 2; i++) {
        struct merkle_hash hash = proof->hashes[i];
        proof->hashes[i] = proof->hashes[proof->count - 1 - i];
        proof->hashes[proof->count - 1 - i] = hash;
    }
}

enum conclave_code merkle_prove_inclusion(const struct merkle_reader *reader, uint64_t leaf,
                                          uint64_t size, struct merkle_proof *proof)
{
    ASSERT(reader != NULL && proof != NULL);
    ASSERT(leaf < size && size <= MERKLE_SIZE_MAX);
    uint64_t begin = 0;
    uint64_t end = size;
    proof->count = 0;
    while (end - begin > 1) {
        uint64_t middle = begin + split_of(end - begin);
        enum conclave_code rv;
        if (leaf < middle) {
            rv = add_range(reader, proof, middle, end);
            end = middle;
        } else {
            rv = add_range(reader, proof, begin, middle);
            begin = middle;
        }
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    reverse(proof);
    return CONCLAVE_OK;
}

enum conclave_code merkle_prove_consistency(const struct merkle_reader *reader, uint64_t from,
                                            uint64_t to, struct merkle_proof *proof)
{
    ASSERT(reader != NULL && proof != NULL);
    ASSERT(from > 0 && from <= to && to <= MERKLE_SIZE_MAX);
    uint64_t begin = 0;
    uint64_t end = to;
    proof->count = 0;
    while (end != from) {
        uint64_t middle = begin + split_of(end - begin);
        enum conclave_code rv;
        if (from <= middle) {
            rv = add_range(reader, proof, middle, end);
            end = middle;
        } else {
            rv = add_range(reader, proof, begin, middle);
            begin = middle;
        }
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    if (begin > 0) { /* at 0 the verifier has this hash: the old root */
        enum conclave_code rv = add_range(reader, proof, begin, end);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    reverse(proof);
    return CONCLAVE_OK;
}

/* --- Verification --- */

bool merkle_verify_inclusion(const struct merkle_hash *leaf_hash, uint64_t leaf, uint64_t size,
                             const struct merkle_proof *proof, const struct merkle_hash *root)
{
    ASSERT(leaf_hash != NULL && proof != NULL && root != NULL);
    if (leaf >= size || size > MERKLE_SIZE_MAX || proof->count > MERKLE_PROOF_HASHES) {
        return false;
    }
    uint64_t fn = leaf;
    uint64_t sn = size - 1;
    struct merkle_hash hash = *leaf_hash;
    for (unsigned i = 0; i < proof->count; i++) {
        if (sn == 0) {
            return false;
        }
        if ((fn & 1) != 0 || fn == sn) {
            merkle_hash_nodes(&proof->hashes[i], &hash, &hash);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            merkle_hash_nodes(&hash, &proof->hashes[i], &hash);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && merkle_hash_equal(&hash, root);
}

bool merkle_verify_consistency(uint64_t from, const struct merkle_hash *from_root, uint64_t to,
                               const struct merkle_hash *to_root, const struct merkle_proof *proof)
{
    ASSERT(from_root != NULL && to_root != NULL && proof != NULL);
    if (from == 0 || from > to || to > MERKLE_SIZE_MAX || proof->count > MERKLE_PROOF_HASHES) {
        return false;
    }
    if (from == to) {
        return proof->count == 0 && merkle_hash_equal(from_root, to_root);
    }
    /* Where the old tree is a complete subtree of the new one, its root is the proof's first hash,
     * left out. */
    bool whole = (from & (from - 1)) == 0;
    unsigned next = 0;
    if (!whole && proof->count == 0) {
        return false;
    }
    struct merkle_hash from_hash = whole ? *from_root : proof->hashes[next++];
    struct merkle_hash to_hash = from_hash;
    uint64_t fn = from - 1;
    uint64_t sn = to - 1;
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; next < proof->count; next++) {
        const struct merkle_hash *hash = &proof->hashes[next];
        if (sn == 0) {
            return false;
        }
        if ((fn & 1) != 0 || fn == sn) {
            merkle_hash_nodes(hash, &from_hash, &from_hash);
            merkle_hash_nodes(hash, &to_hash, &to_hash);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            merkle_hash_nodes(&to_hash, hash, &to_hash);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && merkle_hash_equal(&from_hash, from_root) &&
           merkle_hash_equal(&to_hash, to_root);
}
