/* src/record/merkle.h: proofs as they come from others. Of every tree up to 24 leaves the true
 * proof is accepted, and nothing that differs from it in one hash, its length, the leaf or the
 * size; and arbitrary values never assert.
 *
 * fuzz: -max_len=400
 */
#include <sodium.h>

#include "fuzz/harness.h"
#include "record/merkle.h"

#define LEAVES 24u

static struct merkle_hash nodes[2 * LEAVES];
static struct merkle_hash leaves[LEAVES];
static struct merkle_hash roots[LEAVES + 1];

static enum conclave_code read_node(void *context, unsigned level, uint64_t position,
                                    struct merkle_hash *hash)
{
    (void)context;
    *hash = nodes[merkle_node_count(((position + 1) << level) - 1) + level];
    return CONCLAVE_OK;
}

static const struct merkle_reader reader = {.read = read_node};

void fuzz_open(void)
{
    struct merkle_tree tree = {0};
    ASSERT(sodium_init() >= 0);
    for (uint8_t i = 0; i < LEAVES; i++) {
        struct merkle_hash made[MERKLE_LEVELS];
        uint64_t before = merkle_node_count(i);
        merkle_root(&tree, &roots[i]);
        merkle_hash_leaf(slice_of(&i, 1), &leaves[i]);
        unsigned count = merkle_append(&tree, &leaves[i], made);
        memcpy(&nodes[before], made, count * sizeof made[0]);
    }
    merkle_root(&tree, &roots[LEAVES]);
}

static uint64_t take_u64(struct slice *input)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++) {
        value = value << 8 | fuzz_take(input);
    }
    return value;
}

static void take_proof(struct slice *input, struct merkle_proof *proof)
{
    *proof = (struct merkle_proof){.count = fuzz_take(input) % (MERKLE_PROOF_HASHES + 1)};
    for (unsigned i = 0; i < proof->count; i++) {
        struct slice bytes = fuzz_take_bytes(input, MERKLE_HASH_BYTES);
        if (bytes.size > 0) {
            memcpy(proof->hashes[i].bytes, bytes.data, bytes.size);
        }
    }
}

/* Changes one thing of a true proof. */
static void spoil(struct slice *input, struct merkle_proof *proof, uint64_t *first, uint64_t *size)
{
    uint8_t how = fuzz_take(input);
    uint8_t what = fuzz_take(input);
    if (how % 4 == 0 && proof->count > 0) {
        proof->hashes[what % proof->count].bytes[what % MERKLE_HASH_BYTES] ^= 1;
    } else if (how % 4 == 1) {
        proof->count = (proof->count + 1u + what) % (MERKLE_PROOF_HASHES + 1);
    } else if (how % 4 == 2) {
        *first += 1u + what;
    } else {
        *size += 1u + what;
    }
}

static void run_true(struct slice *input)
{
    uint64_t size = fuzz_take(input) % LEAVES + 1;
    uint64_t first = fuzz_take(input) % size;
    struct merkle_proof proof;
    enum conclave_code code = merkle_prove_inclusion(&reader, first, size, &proof);
    ASSERT(code == CONCLAVE_OK);
    ASSERT(merkle_verify_inclusion(&leaves[first], first, size, &proof, &roots[size]));
    struct merkle_proof spoilt = proof;
    uint64_t other_first = first;
    uint64_t other_size = size;
    spoil(input, &spoilt, &other_first, &other_size);
    /* Another size can have the same path: then it is the same proof, and the root tells. */
    if (other_size == size && (other_first != first || spoilt.count != proof.count ||
                               memcmp(&spoilt, &proof, sizeof proof) != 0)) {
        ASSERT(!merkle_verify_inclusion(&leaves[first], other_first, size, &spoilt, &roots[size]));
    }
    code = merkle_prove_consistency(&reader, first + 1, size, &proof);
    ASSERT(code == CONCLAVE_OK);
    ASSERT(merkle_verify_consistency(first + 1, &roots[first + 1], size, &roots[size], &proof));
    ASSERT(first + 1 == size ||
           !merkle_verify_consistency(first + 1, &roots[first + 1], size, &roots[first], &proof));
}

void fuzz_run(struct slice input)
{
    if (fuzz_take(&input) % 2 == 0) {
        run_true(&input);
        return;
    }
    uint64_t first = take_u64(&input);
    uint64_t size = take_u64(&input);
    struct merkle_proof proof;
    take_proof(&input, &proof);
    ASSERT(!merkle_verify_inclusion(&leaves[0], first, size, &proof, &roots[LEAVES]) ||
           (first == 0 && size >= 17));
    ASSERT(!merkle_verify_consistency(first, &roots[7], size, &roots[LEAVES], &proof) ||
           (first == 7 && size == LEAVES));
}

void fuzz_seeds(void)
{
    static const uint8_t arbitrary[64] = {1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 24, 3};
    fuzz_seed("true", slice_of("\0\x17\x05\x01\x02", 5));
    fuzz_seed("arbitrary", slice_of(arbitrary, sizeof arbitrary));
}
