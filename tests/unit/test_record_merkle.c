/* The tree's hashes, roots and proofs against the published vectors of Certificate Transparency
 * (google/certificate-transparency, the reference inputs and roots of its Merkle tree tests, which
 * transparency-dev/merkle has too), and against the definitions of RFC 6962 written as they stand
 * there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#include "record/merkle.h"

#define REFERENCE_LEAVES 8u
#define MANY_LEAVES      70u

static const char *const reference_leaves[REFERENCE_LEAVES] = {
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
};

/* Of the first 1 to 8. */
static const char *const reference_roots[REFERENCE_LEAVES] = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

struct reference_proof {
    uint64_t first; /* leaf; or the older size */
    uint64_t size;
    unsigned count;
    const char *hashes[3];
};

static const struct reference_proof reference_inclusions[] = {
    {0, 1, 0, {0}},
    {0,
     8,
     3,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {5,
     8,
     3,
     {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2, 3, 1, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
    {1,
     5,
     3,
     {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};

static const struct reference_proof reference_consistencies[] = {
    {1, 1, 0, {0}},
    {1,
     8,
     3,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {6,
     8,
     3,
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2,
     5,
     2,
     {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};

/* --- A tree that remembers all its nodes, in the order of merkle.h --- */

struct shelf {
    struct merkle_tree tree;
    uint64_t count;
    struct merkle_hash nodes[2 * MANY_LEAVES];
};

static struct shelf shelf;

static enum conclave_code shelf_read(void *context, unsigned level, uint64_t position,
                                     struct merkle_hash *hash)
{
    const struct shelf *from = context;
    uint64_t last = ((position + 1) << level) - 1;
    uint64_t number = merkle_node_count(last) + level;
    assert_true(number < from->count);
    *hash = from->nodes[number];
    return CONCLAVE_OK;
}

static const struct merkle_reader reader = {.context = &shelf, .read = shelf_read};

static void shelf_append(struct slice leaf)
{
    struct merkle_hash hash;
    struct merkle_hash nodes[MERKLE_LEVELS];
    merkle_hash_leaf(leaf, &hash);
    unsigned count = merkle_append(&shelf.tree, &hash, nodes);
    memcpy(&shelf.nodes[shelf.count], nodes, count * sizeof nodes[0]);
    shelf.count += count;
    assert_int_equal(shelf.count, merkle_node_count(shelf.tree.size));
}

static struct slice from_hex(const char *hex, uint8_t bytes[64])
{
    size_t size;
    assert_int_equal(sodium_hex2bin(bytes, 64, hex, strlen(hex), NULL, &size, NULL), 0);
    return slice_of(bytes, size);
}

static void assert_hash(const struct merkle_hash *hash, const char *hex)
{
    uint8_t bytes[64];
    struct slice expected = from_hex(hex, bytes);
    assert_int_equal(expected.size, MERKLE_HASH_BYTES);
    assert_memory_equal(hash->bytes, expected.data, MERKLE_HASH_BYTES);
}

static struct merkle_hash reference_root(uint64_t size)
{
    uint8_t bytes[64];
    struct merkle_hash root;
    memcpy(root.bytes, from_hex(reference_roots[size - 1], bytes).data, MERKLE_HASH_BYTES);
    return root;
}

static int fill_reference(void **state)
{
    (void)state;
    memset(&shelf, 0, sizeof shelf);
    for (unsigned i = 0; i < REFERENCE_LEAVES; i++) {
        uint8_t bytes[64];
        shelf_append(from_hex(reference_leaves[i], bytes));
    }
    return 0;
}

static int fill_many(void **state)
{
    (void)state;
    memset(&shelf, 0, sizeof shelf);
    for (uint8_t i = 0; i < MANY_LEAVES; i++) {
        shelf_append(slice_of(&i, 1));
    }
    return 0;
}

/* RFC 6962, section 2.1: "The hash of an empty list is the hash of an empty string". */
static void test_empty(void **state)
{
    (void)state;
    struct merkle_tree tree = {0};
    struct merkle_hash root;
    merkle_root(&tree, &root);
    assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(merkle_root_at(&reader, 0, &root), CONCLAVE_OK);
    assert_hash(&root, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_reference_roots(void **state)
{
    (void)state;
    struct merkle_tree tree = {0};
    for (unsigned i = 0; i < REFERENCE_LEAVES; i++) {
        uint8_t bytes[64];
        struct merkle_hash hash;
        struct merkle_hash nodes[MERKLE_LEVELS];
        merkle_hash_leaf(from_hex(reference_leaves[i], bytes), &hash);
        (void)merkle_append(&tree, &hash, nodes);
        struct merkle_hash root;
        merkle_root(&tree, &root);
        assert_hash(&root, reference_roots[i]);
        assert_int_equal(merkle_root_at(&reader, i + 1, &root), CONCLAVE_OK);
        assert_hash(&root, reference_roots[i]);
    }
}

static void test_reference_inclusions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reference_inclusions / sizeof reference_inclusions[0]; i++) {
        const struct reference_proof *expected = &reference_inclusions[i];
        struct merkle_proof proof;
        assert_int_equal(merkle_prove_inclusion(&reader, expected->first, expected->size, &proof),
                         CONCLAVE_OK);
        assert_int_equal(proof.count, expected->count);
        for (unsigned j = 0; j < proof.count; j++) {
            assert_hash(&proof.hashes[j], expected->hashes[j]);
        }
        uint8_t bytes[64];
        struct merkle_hash leaf;
        struct merkle_hash root = reference_root(expected->size);
        merkle_hash_leaf(from_hex(reference_leaves[expected->first], bytes), &leaf);
        assert_true(merkle_verify_inclusion(&leaf, expected->first, expected->size, &proof, &root));
    }
}

static void test_reference_consistencies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof reference_consistencies / sizeof reference_consistencies[0];
         i++) {
        const struct reference_proof *expected = &reference_consistencies[i];
        struct merkle_proof proof;
        assert_int_equal(merkle_prove_consistency(&reader, expected->first, expected->size, &proof),
                         CONCLAVE_OK);
        assert_int_equal(proof.count, expected->count);
        for (unsigned j = 0; j < proof.count; j++) {
            assert_hash(&proof.hashes[j], expected->hashes[j]);
        }
        struct merkle_hash from = reference_root(expected->first);
        struct merkle_hash to = reference_root(expected->size);
        assert_true(merkle_verify_consistency(expected->first, &from, expected->size, &to, &proof));
    }
}

/* --- The definitions of RFC 6962, sections 2.1, 2.1.1 and 2.1.2, as recursions --- */

static uint64_t split(uint64_t n)
{
    uint64_t k = 1;
    while (k * 2 < n) {
        k *= 2;
    }
    return k;
}

static struct merkle_hash mth(uint64_t begin, uint64_t n)
{
    struct merkle_hash hash;
    uint8_t bytes[65];
    if (n == 1) {
        bytes[0] = 0;
        bytes[1] = (uint8_t)begin;
        crypto_hash_sha256(hash.bytes, bytes, 2);
        return hash;
    }
    uint64_t k = split(n);
    struct merkle_hash left = mth(begin, k);
    struct merkle_hash right = mth(begin + k, n - k);
    bytes[0] = 1;
    memcpy(bytes + 1, left.bytes, 32);
    memcpy(bytes + 33, right.bytes, 32);
    crypto_hash_sha256(hash.bytes, bytes, sizeof bytes);
    return hash;
}

static void path(uint64_t m, uint64_t begin, uint64_t n, struct merkle_proof *proof)
{
    if (n == 1) {
        return;
    }
    uint64_t k = split(n);
    if (m < k) {
        path(m, begin, k, proof);
        proof->hashes[proof->count++] = mth(begin + k, n - k);
    } else {
        path(m - k, begin + k, n - k, proof);
        proof->hashes[proof->count++] = mth(begin, k);
    }
}

static void subproof(uint64_t m, uint64_t begin, uint64_t n, bool whole, struct merkle_proof *proof)
{
    if (m == n) {
        if (!whole) {
            proof->hashes[proof->count++] = mth(begin, n);
        }
        return;
    }
    uint64_t k = split(n);
    if (m <= k) {
        subproof(m, begin, k, whole, proof);
        proof->hashes[proof->count++] = mth(begin + k, n - k);
    } else {
        subproof(m - k, begin + k, n - k, false, proof);
        proof->hashes[proof->count++] = mth(begin, k);
    }
}

static void assert_proofs_equal(const struct merkle_proof *proof,
                                const struct merkle_proof *expected)
{
    assert_int_equal(proof->count, expected->count);
    assert_memory_equal(proof->hashes, expected->hashes,
                        expected->count * sizeof expected->hashes[0]);
}

static void test_roots_by_definition(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= MANY_LEAVES; size++) {
        struct merkle_hash root;
        struct merkle_hash expected = mth(0, size);
        assert_int_equal(merkle_root_at(&reader, size, &root), CONCLAVE_OK);
        assert_memory_equal(root.bytes, expected.bytes, MERKLE_HASH_BYTES);
    }
}

/* Every proof of every tree, and what is near it is refused. */
static void test_inclusions_by_definition(void **state)
{
    (void)state;
    for (uint64_t size = 1; size <= MANY_LEAVES; size++) {
        struct merkle_hash root = mth(0, size);
        struct merkle_hash other_root = mth(0, size == 1 ? 2 : size - 1);
        for (uint64_t leaf = 0; leaf < size; leaf++) {
            struct merkle_proof proof;
            struct merkle_proof expected = {0};
            assert_int_equal(merkle_prove_inclusion(&reader, leaf, size, &proof), CONCLAVE_OK);
            path(leaf, 0, size, &expected);
            assert_proofs_equal(&proof, &expected);
            struct merkle_hash hash = mth(leaf, 1);
            struct merkle_hash wrong = mth((leaf + 1) % 256, 1);
            assert_true(merkle_verify_inclusion(&hash, leaf, size, &proof, &root));
            assert_false(merkle_verify_inclusion(&wrong, leaf, size, &proof, &root));
            assert_false(merkle_verify_inclusion(&hash, leaf, size, &proof, &other_root));
            assert_false(merkle_verify_inclusion(&hash, leaf + 1, size, &proof, &root));
            assert_false(merkle_verify_inclusion(&hash, size, size, &proof, &root));
            proof.count++;
            assert_false(merkle_verify_inclusion(&hash, leaf, size, &proof, &root));
            proof.count--;
            if (proof.count > 0) {
                proof.count--;
                assert_false(merkle_verify_inclusion(&hash, leaf, size, &proof, &root));
                proof.count++;
                proof.hashes[proof.count / 2].bytes[7] ^= 1;
                assert_false(merkle_verify_inclusion(&hash, leaf, size, &proof, &root));
            }
        }
    }
}

static void test_consistencies_by_definition(void **state)
{
    (void)state;
    for (uint64_t to = 1; to <= MANY_LEAVES; to++) {
        struct merkle_hash to_root = mth(0, to);
        for (uint64_t from = 1; from <= to; from++) {
            struct merkle_proof proof;
            struct merkle_proof expected = {0};
            assert_int_equal(merkle_prove_consistency(&reader, from, to, &proof), CONCLAVE_OK);
            subproof(from, 0, to, true, &expected);
            assert_proofs_equal(&proof, &expected);
            struct merkle_hash from_root = mth(0, from);
            struct merkle_hash wrong = mth(1, from);
            assert_true(merkle_verify_consistency(from, &from_root, to, &to_root, &proof));
            assert_false(merkle_verify_consistency(from, &wrong, to, &to_root, &proof));
            assert_false(merkle_verify_consistency(from, &from_root, to, &wrong, &proof));
            assert_false(merkle_verify_consistency(0, &from_root, to, &to_root, &proof));
            assert_false(merkle_verify_consistency(to + 1, &from_root, to, &to_root, &proof));
            proof.count++;
            assert_false(merkle_verify_consistency(from, &from_root, to, &to_root, &proof));
            proof.count--;
            if (proof.count > 0) {
                proof.count--;
                assert_false(merkle_verify_consistency(from, &from_root, to, &to_root, &proof));
                proof.count++;
                proof.hashes[proof.count / 2].bytes[7] ^= 1;
                assert_false(merkle_verify_consistency(from, &from_root, to, &to_root, &proof));
            }
        }
    }
}

/* Numbers from outside that no tree has. */
static void test_outside_numbers(void **state)
{
    (void)state;
    struct merkle_hash hash = mth(0, 1);
    struct merkle_proof proof = {.count = 0};
    assert_false(merkle_verify_inclusion(&hash, 0, 0, &proof, &hash));
    assert_false(merkle_verify_inclusion(&hash, UINT64_MAX - 1, UINT64_MAX, &proof, &hash));
    assert_false(merkle_verify_inclusion(&hash, 0, UINT64_MAX, &proof, &hash));
    assert_false(merkle_verify_consistency(1, &hash, UINT64_MAX, &hash, &proof));
    assert_false(merkle_verify_consistency(UINT64_MAX, &hash, UINT64_MAX, &hash, &proof));
    assert_false(merkle_verify_consistency(3, &hash, 5, &hash, &proof));
    proof.count = MERKLE_PROOF_HASHES + 1;
    assert_false(merkle_verify_inclusion(&hash, 0, 1, &proof, &hash));
    assert_false(merkle_verify_consistency(1, &hash, 1, &hash, &proof));
}

int main(void)
{
    assert_true(sodium_init() >= 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test_setup(test_reference_roots, fill_reference),
        cmocka_unit_test_setup(test_reference_inclusions, fill_reference),
        cmocka_unit_test_setup(test_reference_consistencies, fill_reference),
        cmocka_unit_test_setup(test_roots_by_definition, fill_many),
        cmocka_unit_test_setup(test_inclusions_by_definition, fill_many),
        cmocka_unit_test_setup(test_consistencies_by_definition, fill_many),
        cmocka_unit_test(test_outside_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
