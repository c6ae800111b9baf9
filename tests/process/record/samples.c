/* Prints roots, proofs and notes of our own making, for somebody else's verifier (verify.go, which
 * says what the lines are). Leaf n is the text "leaf n". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/auth.h"
#include "record/merkle.h"
#include "record/note.h"

#define SMALL_TREES UINT64_C(1000)
#define WHOLE_TREES UINT64_C(64) /* up to here: every leaf, every older tree */
#define LARGE_TREE  UINT64_C(1000000)

/* The nodes in the order in which appending completes them. */
static struct merkle_hash *nodes;

static enum conclave_code read_node(void *context, unsigned level, uint64_t position,
                                    struct merkle_hash *hash)
{
    (void)context;
    uint64_t completed_by = ((position + 1) << level) - 1;
    *hash = nodes[merkle_node_count(completed_by) + level];
    return CONCLAVE_OK;
}

static const struct merkle_reader reader = {NULL, read_node};

static void must(enum conclave_code code)
{
    ASSERT(code == CONCLAVE_OK);
}

static void print_bytes(const void *bytes, size_t size)
{
    struct buffer text;
    buffer_init(&text, 4096);
    note_write_base64(&text, slice_of(bytes, size));
    must(text.status);
    printf(" %.*s", (int)text.size, (const char *)text.data);
    buffer_close(&text);
}

static void print_proof(const struct merkle_proof *proof)
{
    for (unsigned i = 0; i < proof->count; i++) {
        print_bytes(proof->hashes[i].bytes, MERKLE_HASH_BYTES);
    }
    putchar('\n');
}

static void print_root(uint64_t size)
{
    struct merkle_hash root;
    must(merkle_root_at(&reader, size, &root));
    printf("root %" PRIu64, size);
    print_bytes(root.bytes, sizeof root.bytes);
    putchar('\n');
}

static void print_inclusion(uint64_t size, uint64_t leaf)
{
    struct merkle_proof proof;
    must(merkle_prove_inclusion(&reader, leaf, size, &proof));
    printf("inclusion %" PRIu64 " %" PRIu64, size, leaf);
    print_proof(&proof);
}

static void print_consistency(uint64_t from, uint64_t to)
{
    struct merkle_proof proof;
    must(merkle_prove_consistency(&reader, from, to, &proof));
    printf("consistency %" PRIu64 " %" PRIu64, from, to);
    print_proof(&proof);
}

static void build_tree(void)
{
    struct merkle_tree tree = {0};
    uint64_t count = 0;
    nodes = calloc(merkle_node_count(LARGE_TREE) + MERKLE_LEVELS, sizeof *nodes);
    ASSERT(nodes != NULL);
    for (uint64_t n = 0; n < LARGE_TREE; n++) {
        char text[32];
        struct merkle_hash leaf;
        int size = snprintf(text, sizeof text, "leaf %" PRIu64, n);
        merkle_hash_leaf(slice_of(text, (size_t)size), &leaf);
        count += merkle_append(&tree, &leaf, nodes + count);
    }
    ASSERT(count == merkle_node_count(LARGE_TREE));
}

static void print_small_trees(void)
{
    for (uint64_t size = 1; size <= SMALL_TREES; size++) {
        print_root(size);
        uint64_t step = size <= WHOLE_TREES ? 1 : size / 3;
        for (uint64_t at = 0; at < size; at += step) {
            print_inclusion(size, at);
            print_consistency(at + 1, size);
        }
        print_inclusion(size, size - 1);
    }
}

static void print_large_tree(void)
{
    print_root(LARGE_TREE);
    print_inclusion(LARGE_TREE, 0);
    print_inclusion(LARGE_TREE, LARGE_TREE - 1);
    for (uint64_t at = 1; at < LARGE_TREE; at *= 3) {
        print_inclusion(LARGE_TREE, at);
        print_inclusion(LARGE_TREE, LARGE_TREE - at);
        print_consistency(at, LARGE_TREE);
        print_consistency(LARGE_TREE - at, LARGE_TREE);
    }
}

static void sign(struct buffer *note, const struct note_key *key, const struct auth_key *secret,
                 uint64_t time_s, struct slice text)
{
    struct buffer message;
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    buffer_init(&message, NOTE_BYTES_MAX);
    note_write_message(&message, key->type, time_s, text);
    must(message.status);
    auth_sign(secret, buffer_slice(&message), signature);
    note_write_signature(note, key, time_s, signature);
    buffer_close(&message);
}

/* The root of the small trees as a checkpoint, signed by one key of each type; then the same with a
 * byte of its text changed. */
static void print_notes(void)
{
    static const char name[] = "example.org/conclave";
    const uint8_t seed[32] = {1};
    struct auth_key secret;
    struct note_key plain;
    struct note_key cosigner;
    struct merkle_hash root;
    struct buffer note;
    auth_key_from_seed(&secret, seed);
    must(note_key_init(&plain, slice_of_text(name), NOTE_ED25519, secret.public_key));
    must(note_key_init(&cosigner, slice_of_text(name), NOTE_COSIGNATURE, secret.public_key));
    must(merkle_root_at(&reader, SMALL_TREES, &root));
    buffer_init(&note, NOTE_BYTES_MAX);
    note_key_write(&note, &plain);
    printf("verifier %.*s\ncosigner %s ", (int)note.size, (const char *)note.data, name);
    for (size_t i = 0; i < sizeof secret.public_key; i++) {
        printf("%02x", secret.public_key[i]);
    }
    buffer_clear(&note);
    char head[64];
    int size = snprintf(head, sizeof head, "%s\n%" PRIu64 "\n", name, SMALL_TREES);
    buffer_append(&note, head, (size_t)size);
    note_write_base64(&note, slice_of(root.bytes, sizeof root.bytes));
    buffer_append(&note, "\n", 1);
    uint8_t text[256];
    size_t text_size = note.size;
    ASSERT(text_size <= sizeof text);
    memcpy(text, note.data, text_size);
    note_write_separator(&note);
    sign(&note, &plain, &secret, 0, slice_of(text, text_size));
    sign(&note, &cosigner, &secret, 1700000000, slice_of(text, text_size));
    must(note.status);
    printf("\nnote");
    print_bytes(note.data, note.size);
    note.data[text_size - 3] ^= 1;
    printf("\nbad-note");
    print_bytes(note.data, note.size);
    putchar('\n');
    buffer_close(&note);
}

int main(void)
{
    must(auth_init());
    build_tree();
    print_small_trees();
    print_large_tree();
    print_notes();
    free(nodes);
    return 0;
}
