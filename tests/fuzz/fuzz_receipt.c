/* src/record/receipt.h, src/audit/receipt.h: what is read and written again is read as the same;
 * and a receipt that was tampered with proves nothing.
 *
 * fuzz: -max_len=2048
 */
#include "audit/receipt.h"

#include <sodium.h>
#include <stdlib.h>

#include "fuzz/mutate.h"

static struct buffer written;
static struct checkpoint_nodes nodes;
static uint8_t secret_keys[3][64];

void fuzz_open(void)
{
    ASSERT(sodium_init() >= 0);
    buffer_init(&written, 4u * RECEIPT_BYTES_MAX);
    nodes.count = 3;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        nodes.nodes[i].id = i + 1;
        ASSERT(crypto_sign_seed_keypair(nodes.nodes[i].public_key, secret_keys[i], seed) == 0);
    }
}

static void compare(const struct receipt *a, const struct receipt *b)
{
    ASSERT(a->number == b->number && a->proof.count == b->proof.count);
    ASSERT(slice_equal(a->leaf, b->leaf) && slice_equal(a->genesis, b->genesis));
    ASSERT(slice_equal(a->command, b->command) && slice_equal(a->reply, b->reply));
    ASSERT(slice_equal(a->checkpoint, b->checkpoint));
    for (unsigned i = 0; i < a->proof.count; i++) {
        ASSERT(merkle_hash_equal(&a->proof.hashes[i], &b->proof.hashes[i]));
    }
}

static void write_again(const struct receipt *receipt)
{
    struct receipt again;
    struct codec_error error;
    buffer_clear(&written);
    receipt_write(&written, receipt);
    ASSERT(written.status == CONCLAVE_OK);
    enum conclave_code code = receipt_decode(&again, buffer_slice(&written), &error);
    ASSERT(code == CONCLAVE_OK);
    compare(receipt, &again);
    receipt_close(&again);
}

/* The same by somebody who believes nothing: whatever it is, there is a verdict and a sentence. */
static void audit(struct slice input)
{
    struct audit_receipt proven;
    struct codec_error error = {.text = ""};
    enum conclave_code code = audit_receipt_open(&proven, input, NULL, &error);
    ASSERT(code == CONCLAVE_OK || code == CONCLAVE_NOT_PROVEN);
    if (code == CONCLAVE_OK) {
        audit_receipt_close(&proven);
    } else {
        ASSERT(error.text[0] != '\0');
    }
}

void fuzz_run(struct slice input)
{
    audit(input);
    struct receipt receipt;
    struct codec_error error = {.text = ""};
    enum conclave_code code = receipt_decode(&receipt, input, &error);
    if (code != CONCLAVE_OK) {
        ASSERT(error.text[0] != '\0');
        return;
    }
    if (receipt.leaf.size > 0 && receipt.genesis.size > 0) {
        write_again(&receipt);
    }
    struct checkpoint_verdict verdict;
    struct leaf leaf;
    code = receipt_verify(&receipt, &nodes, &verdict, &leaf, &error);
    if (code == CONCLAVE_OK) {
        /* The one leaf of the seeds' tree: nobody signed another root. */
        ASSERT(verdict.final && verdict.checkpoint.size == 2 && receipt.number < 2);
        ASSERT(leaf.index == 300 + receipt.number);
        leaf_close(&leaf);
    } else {
        ASSERT(error.text[0] != '\0');
    }
    receipt_close(&receipt);
}

/* --- Seeds: a tree of two leaves, signed as a cluster does --- */

static void sign(struct buffer *note, unsigned node, bool as_log, struct slice text)
{
    struct note_key key;
    struct buffer message;
    uint8_t signature[64];
    uint64_t time_s = as_log ? 0 : 1767225600;
    buffer_init(&message, NOTE_BYTES_MAX);
    if (as_log) {
        checkpoint_log_key(&key, &nodes, node);
    } else {
        checkpoint_cosigner_key(&key, &nodes, node);
    }
    note_write_message(&message, key.type, time_s, text);
    ASSERT(crypto_sign_detached(signature, NULL, message.data, message.size, secret_keys[node]) ==
           0);
    note_write_signature(note, &key, time_s, signature);
    buffer_close(&message);
}

static void write_leaf(struct buffer *leaf, uint64_t number, struct slice command)
{
    uint8_t digest[32];
    uint8_t reply[32];
    struct slice signature;
    enum conclave_code code = leaf_bind(command, digest, &signature);
    ASSERT(code == CONCLAVE_OK);
    crypto_hash_sha256(reply, (const uint8_t *)"\x80", 1);
    leaf_write(leaf, &(struct leaf){.kind = LEAF_COMMAND,
                                    .index = 300 + number,
                                    .time_ms = 1767225600000,
                                    .code = slice_of_text("ok"),
                                    .envelope = slice_of(digest, 32),
                                    .signature = signature,
                                    .reply = slice_of(reply, 32)});
}

static void write_checkpoint(struct buffer *note, const struct merkle_hash *root,
                             unsigned cosigners)
{
    char origin[CHECKPOINT_ORIGIN_BYTES];
    struct buffer text;
    buffer_init(&text, NOTE_BYTES_MAX);
    checkpoint_origin(nodes.cluster_id, origin);
    checkpoint_write(&text, origin, 2, root);
    buffer_append(note, text.data, text.size);
    note_write_separator(note);
    sign(note, 0, true, buffer_slice(&text));
    for (unsigned i = 0; i < cosigners; i++) {
        sign(note, i, false, buffer_slice(&text));
    }
    buffer_close(&text);
}

void fuzz_seeds(void)
{
    const struct slice command = slice_of_text("no [envelope, signature], and a leaf all the same");
    struct merkle_hash hashes[2];
    struct merkle_hash root;
    struct buffer leaves[2];
    struct buffer note;
    struct buffer seed;
    for (unsigned i = 0; i < 2; i++) {
        buffer_init(&leaves[i], LEAF_BYTES_MAX);
        write_leaf(&leaves[i], i, command);
        merkle_hash_leaf(buffer_slice(&leaves[i]), &hashes[i]);
    }
    merkle_hash_nodes(&hashes[0], &hashes[1], &root);
    buffer_init(&note, NOTE_BYTES_MAX);
    buffer_init(&seed, RECEIPT_BYTES_MAX);
    for (unsigned i = 0; i < 2; i++) {
        buffer_clear(&note);
        write_checkpoint(&note, &root, i == 0 ? 2 : 1);
        struct receipt receipt = {.number = i,
                                  .leaf = buffer_slice(&leaves[i]),
                                  .genesis = slice_of_text("genesis"),
                                  .command = command,
                                  .reply = slice_of_text("\x80"),
                                  .proof = {.count = 1, .hashes = {hashes[1 - i]}},
                                  .checkpoint = buffer_slice(&note)};
        receipt_write(&seed, &receipt);
        fuzz_seed_buffer(i == 0 ? "final" : "not-final", "", &seed);
    }
    buffer_close(&leaves[0]);
    buffer_close(&leaves[1]);
    buffer_close(&note);
    buffer_close(&seed);
}
