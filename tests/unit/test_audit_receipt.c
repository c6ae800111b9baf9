/* A receipt that is made here as docs/RECORD.md says, from signed commands and the nodes' keys, and
 * then altered in every place: what it proves stays the same, or it proves nothing and says why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "audit/receipt.h"
#include "base/memory.h"
#include "codec/writer.h"
#include "support/actors.h"

#define NOT_AFTER_MS UINT64_C(9000000)
#define LEAVES       5u
#define OURS         3u /* the leaf that is bob's ballot */
#define NODES        3u
#define SIGNED_S     UINT64_C(1767225600)

/* What a receipt is made of; the tests change one thing and make it. */
struct making {
    struct actor chair, bob;
    struct buffer genesis, other_genesis, command, other_command, reply, leaf;
    uint8_t cluster_id[16];
    struct checkpoint_nodes nodes;
    struct receipt receipt;
    unsigned cosigners;
    bool as_log;
    struct buffer note, text;
};

static struct making making;

static void write_reply(struct buffer *reply, const char *code, uint64_t index)
{
    buffer_clear(reply);
    codec_write_map(reply, 6);
    codec_write_text(reply, "code");
    codec_write_text(reply, code);
    codec_write_text(reply, "message");
    codec_write_text(reply, "");
    codec_write_text(reply, "index");
    codec_write_u64(reply, index);
    codec_write_text(reply, "position");
    codec_write_u64(reply, 1);
    codec_write_text(reply, "time");
    codec_write_u64(reply, 1700000);
    codec_write_text(reply, "result");
    codec_write_map(reply, 0);
}

static void write_leaf(struct buffer *leaf, uint64_t index, const struct buffer *command,
                       const char *code, const struct buffer *reply)
{
    uint8_t digest[LEAF_DIGEST_BYTES];
    uint8_t reply_digest[LEAF_DIGEST_BYTES];
    struct slice signature;
    buffer_clear(leaf);
    assert_int_equal(leaf_bind(buffer_slice(command), digest, &signature), CONCLAVE_OK);
    auth_sha256(buffer_slice(reply), reply_digest);
    leaf_write(leaf, &(struct leaf){.kind = LEAF_COMMAND,
                                    .index = index,
                                    .position = 1,
                                    .time_ms = 1700000,
                                    .code = slice_of_text(code),
                                    .envelope = slice_of(digest, sizeof digest),
                                    .signature = signature,
                                    .reply = slice_of(reply_digest, sizeof reply_digest)});
}

/* The tree: its other leaves are anything. The proof of ours is hashed here by hand: of five leaves
 * PATH(3) is [leaf 2, node 01, leaf 4]. */
static void write_tree(struct merkle_hash *root)
{
    struct merkle_hash hashes[LEAVES];
    struct merkle_hash low;
    struct merkle_hash right;
    struct merkle_hash four;
    for (unsigned i = 0; i < LEAVES; i++) {
        uint8_t byte = (uint8_t)i;
        merkle_hash_leaf(i == OURS ? buffer_slice(&making.leaf) : slice_of(&byte, 1), &hashes[i]);
    }
    merkle_hash_nodes(&hashes[0], &hashes[1], &low);
    merkle_hash_nodes(&hashes[2], &hashes[3], &right);
    merkle_hash_nodes(&low, &right, &four);
    merkle_hash_nodes(&four, &hashes[4], root);
    making.receipt.number = OURS;
    making.receipt.proof = (struct merkle_proof){.count = 3, .hashes = {hashes[2], low, hashes[4]}};
}

static void sign(unsigned node, bool as_log, struct slice text)
{
    struct note_key key;
    struct auth_key secret;
    struct buffer message;
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    uint64_t time_s = as_log ? 0 : SIGNED_S + node;
    buffer_init(&message, NOTE_BYTES_MAX);
    if (as_log) {
        checkpoint_log_key(&key, &making.nodes, node);
    } else {
        checkpoint_cosigner_key(&key, &making.nodes, node);
    }
    actor_node_key(&secret, making.nodes.nodes[node].id);
    note_write_message(&message, key.type, time_s, text);
    auth_sign(&secret, buffer_slice(&message), signature);
    note_write_signature(&making.note, &key, time_s, signature);
    buffer_close(&message);
}

static void write_note(const struct merkle_hash *root)
{
    char origin[CHECKPOINT_ORIGIN_BYTES];
    struct buffer text;
    buffer_init(&text, NOTE_BYTES_MAX);
    buffer_clear(&making.note);
    checkpoint_origin(making.nodes.cluster_id, origin);
    checkpoint_write(&text, origin, LEAVES, root);
    buffer_append(&making.note, text.data, text.size);
    note_write_separator(&making.note);
    if (making.as_log) {
        sign(1, true, buffer_slice(&text));
    }
    for (unsigned i = 0; i < making.cosigners; i++) {
        sign(i, false, buffer_slice(&text));
    }
    buffer_close(&text);
}

/* Writes making.text. */
static struct slice make(void)
{
    struct merkle_hash root;
    write_tree(&root);
    write_note(&root);
    making.receipt.leaf = buffer_slice(&making.leaf);
    making.receipt.checkpoint = buffer_slice(&making.note);
    buffer_clear(&making.text);
    receipt_write(&making.text, &making.receipt);
    assert_int_equal(making.text.status, CONCLAVE_OK);
    return buffer_slice(&making.text);
}

static int setup(void **state)
{
    (void)state;
    struct codec_error error;
    struct actor mallory;
    making = (struct making){.cosigners = 2, .as_log = true};
    struct buffer *const buffers[] = {&making.genesis,       &making.other_genesis, &making.command,
                                      &making.other_command, &making.reply,         &making.leaf,
                                      &making.note,          &making.text};
    for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
        buffer_init(buffers[i], RECEIPT_BYTES_MAX);
    }
    actor_init(&making.chair, "chair");
    actor_init(&making.bob, "bob");
    actor_init(&mallory, "mallory");
    actor_genesis(&making.chair, &making.genesis, NODES, 1000000);
    actor_genesis(&mallory, &making.other_genesis, NODES, 1000000);
    assert_int_equal(audit_genesis(buffer_slice(&making.genesis), &making.nodes, &error),
                     CONCLAVE_OK);
    memcpy(making.cluster_id, making.nodes.cluster_id, sizeof making.cluster_id);
    actor_vote(&making.bob, &making.command, making.cluster_id, NOT_AFTER_MS, "lunch", "yes");
    actor_vote(&making.bob, &making.other_command, making.cluster_id, NOT_AFTER_MS, "dinner",
               "yes");
    write_reply(&making.reply, "ok", 42);
    write_leaf(&making.leaf, 42, &making.command, "ok", &making.reply);
    making.receipt.genesis = buffer_slice(&making.genesis);
    making.receipt.command = buffer_slice(&making.command);
    making.receipt.reply = buffer_slice(&making.reply);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buffer_close(&making.genesis);
    buffer_close(&making.other_genesis);
    buffer_close(&making.command);
    buffer_close(&making.other_command);
    buffer_close(&making.reply);
    buffer_close(&making.leaf);
    buffer_close(&making.note);
    buffer_close(&making.text);
    return 0;
}

static void assert_refused(const uint8_t *cluster_id, const char *part_of_sentence)
{
    struct audit_receipt proven;
    struct codec_error error = {.text = ""};
    assert_int_equal(audit_receipt_open(&proven, make(), cluster_id, &error), CONCLAVE_NOT_PROVEN);
    if (strstr(error.text, part_of_sentence) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", error.text, part_of_sentence);
    }
}

static void test_proves(void **state)
{
    (void)state;
    struct audit_receipt proven;
    struct codec_error error;
    struct auth_key node;
    assert_int_equal(audit_receipt_open(&proven, make(), making.cluster_id, &error), CONCLAVE_OK);
    assert_int_equal(proven.receipt.number, OURS);
    assert_int_equal(proven.verdict.checkpoint.size, LEAVES);
    assert_int_equal(proven.verdict.issuer, 2);
    assert_int_equal(proven.verdict.cosigner_count, 2);
    assert_int_equal(proven.verdict.cosigners[0], 1);
    assert_int_equal(proven.verdict.cosigned_s[1], SIGNED_S + 1);
    assert_int_equal(proven.leaf.index, 42);
    assert_true(slice_is_text(proven.leaf.code, "ok"));
    assert_true(proven.has_command);
    assert_true(slice_is_text(proven.envelope.author, "bob"));
    assert_true(audit_receipt_signed_by(&proven, making.bob.key.public_key));
    assert_false(audit_receipt_signed_by(&proven, making.chair.key.public_key));
    actor_node_key(&node, 1);
    assert_memory_equal(proven.nodes.nodes[0].public_key, node.public_key, 32);
    audit_receipt_close(&proven);

    /* Without a cluster to compare with, and without what may be left out. */
    making.receipt.command = slice_of(NULL, 0);
    making.receipt.reply = slice_of(NULL, 0);
    assert_int_equal(audit_receipt_open(&proven, make(), NULL, &error), CONCLAVE_OK);
    assert_false(proven.has_command);
    assert_false(audit_receipt_signed_by(&proven, making.bob.key.public_key));
    audit_receipt_close(&proven);
}

/* Every byte of the file, changed in each of its bits: the same is proven, or nothing. */
static void test_every_bit_counts(void **state)
{
    (void)state;
    making.cosigners = 3;
    struct slice text = make();
    unsigned refused = 0;
    for (size_t bit = 0; bit < 8 * text.size; bit++) {
        struct audit_receipt proven;
        struct codec_error error = {.text = ""};
        making.text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum conclave_code code = audit_receipt_open(&proven, text, making.cluster_id, &error);
        making.text.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (code == CONCLAVE_OK) {
            /* Only a signature that became somebody else's: two others are enough. */
            assert_int_equal(proven.receipt.number, OURS);
            assert_int_equal(proven.verdict.checkpoint.size, LEAVES);
            assert_int_equal(proven.verdict.cosigner_count, 2);
            assert_true(slice_equal(proven.receipt.leaf, buffer_slice(&making.leaf)));
            assert_true(slice_equal(proven.receipt.command, buffer_slice(&making.command)));
            audit_receipt_close(&proven);
        } else {
            assert_int_equal(code, CONCLAVE_NOT_PROVEN);
            assert_true(error.text[0] != '\0');
            refused++;
        }
    }
    /* The names of three cosigners, up to where they are the cluster's own, have 3 * 41 bytes. */
    assert_true(refused >= 8 * (text.size - 3 * 41));
}

/* Cut off anywhere it proves nothing. (Lines of its end are signatures: two of three are enough.)
 */
static void test_cut_off(void **state)
{
    (void)state;
    struct slice text = make();
    for (size_t size = 0; size < text.size; size++) {
        struct audit_receipt proven;
        struct codec_error error = {.text = ""};
        assert_int_equal(
            audit_receipt_open(&proven, slice_of(text.data, size), making.cluster_id, &error),
            CONCLAVE_NOT_PROVEN);
        assert_true(error.text[0] != '\0');
    }
}

static void test_another_cluster(void **state)
{
    (void)state;
    uint8_t other[16] = {1, 2, 3};
    assert_refused(other, "it is a receipt of another cluster: its genesis makes ");
    making.receipt.genesis = buffer_slice(&making.other_genesis);
    assert_refused(NULL, "the genesis in it makes the cluster ");
    making.receipt.genesis = buffer_slice(&making.command);
    assert_refused(NULL, "the genesis command in it is none: ");
}

static void test_another_command(void **state)
{
    (void)state;
    making.receipt.command = buffer_slice(&making.other_command);
    assert_refused(NULL, "the command in the receipt is not the one of the leaf");
    making.receipt.command = buffer_slice(&making.command);
    write_reply(&making.reply, "poll_closed", 42);
    making.receipt.reply = buffer_slice(&making.reply);
    assert_refused(NULL, "the reply in the receipt is not the one of the leaf");
}

/* Leaves that no honest cluster makes, although they are in the tree that was signed. */
static void test_leaf_that_contradicts_itself(void **state)
{
    (void)state;
    write_leaf(&making.leaf, 43, &making.command, "ok", &making.reply);
    assert_refused(NULL, "the reply in it tells another code or place than the leaf");
    write_leaf(&making.leaf, 42, &making.command, "poll_closed", &making.reply);
    assert_refused(NULL, "the reply in it tells another code or place than the leaf");

    uint8_t elsewhere[16] = {9};
    actor_vote(&making.bob, &making.other_command, elsewhere, NOT_AFTER_MS, "lunch", "yes");
    making.receipt.command = buffer_slice(&making.other_command);
    write_leaf(&making.leaf, 42, &making.other_command, "ok", &making.reply);
    assert_refused(NULL, "the command was signed for another cluster, 0900");
    buffer_clear(&making.other_command);
    codec_write_text(&making.other_command, "no command");
    making.receipt.command = buffer_slice(&making.other_command);
    write_leaf(&making.leaf, 42, &making.other_command, "ok", &making.reply);
    assert_refused(NULL, "the command was accepted, but is none: ");

    /* Refused it may be. */
    struct audit_receipt proven;
    struct codec_error error;
    write_reply(&making.reply, "bad_request", 42);
    making.receipt.reply = buffer_slice(&making.reply);
    write_leaf(&making.leaf, 42, &making.other_command, "bad_request", &making.reply);
    assert_int_equal(audit_receipt_open(&proven, make(), NULL, &error), CONCLAVE_OK);
    assert_false(proven.has_command);
    audit_receipt_close(&proven);
}

static void test_signatures(void **state)
{
    (void)state;
    making.cosigners = 1;
    assert_refused(NULL, "is not final: signed by the log, cosigned by 1 of 3 nodes, 2 needed");
    making.cosigners = 3;
    making.as_log = false;
    assert_refused(NULL, "is not final: not signed by the log, cosigned by 3 of 3 nodes");
    making.as_log = true;
    making.nodes.nodes[2].id = 9; /* a node that genesis does not name, with a majority beside it */
    assert_refused(NULL, "/9 is by no key in genesis");
}

static void test_another_place(void **state)
{
    (void)state;
    struct audit_receipt proven;
    struct codec_error error;
    (void)make();
    making.receipt.number = OURS - 1;
    buffer_clear(&making.text);
    receipt_write(&making.text, &making.receipt);
    assert_int_equal(audit_receipt_open(&proven, buffer_slice(&making.text), NULL, &error),
                     CONCLAVE_NOT_PROVEN);
    assert_string_equal(error.text, "leaf 2 is not in the tree of 5 leaves: the inclusion proof "
                                    "does not lead to the signed root");
}

static void test_no_memory(void **state)
{
    (void)state;
    struct slice text = make();
    uint64_t countdown = 0;
    do {
        struct audit_receipt proven;
        struct codec_error error;
        memory_fault_arm(++countdown);
        enum conclave_code code = audit_receipt_open(&proven, text, making.cluster_id, &error);
        assert_int_equal(code, memory_fault_hit() ? CONCLAVE_NO_MEMORY : CONCLAVE_OK);
        if (code == CONCLAVE_OK) {
            audit_receipt_close(&proven);
        }
    } while (memory_fault_hit());
    memory_fault_arm(0);
    assert_true(countdown > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_proves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_bit_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_cluster, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_command, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaf_that_contradicts_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signatures, setup, teardown),
        cmocka_unit_test_setup_teardown(test_another_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
    };
    if (auth_init() != CONCLAVE_OK) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
