/* See receipt.h. */
#include "record/receipt.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/memory.h"
#include "base/sha256.h"
#include "codec/writer.h"

#define RECEIPT_HEAD     "c2sp.org/tlog-proof@v1"
#define RECEIPT_VERSION  1u
#define RECEIPT_ELEMENTS 5u
#define HASH_TEXT_BYTES  44u

static void write_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

static void write_optional(struct buffer *buffer, struct slice bytes)
{
    if (bytes.size == 0) {
        codec_write_nil(buffer);
    } else {
        codec_write_bytes(buffer, bytes);
    }
}

void receipt_write(struct buffer *buffer, const struct receipt *receipt)
{
    ASSERT(buffer != NULL && receipt != NULL);
    ASSERT(receipt->leaf.size > 0 && receipt->genesis.size > 0);
    struct buffer extra;
    buffer_init(&extra, RECEIPT_BYTES_MAX);
    codec_write_array(&extra, RECEIPT_ELEMENTS);
    codec_write_u64(&extra, RECEIPT_VERSION);
    codec_write_bytes(&extra, receipt->leaf);
    codec_write_bytes(&extra, receipt->genesis);
    write_optional(&extra, receipt->command);
    write_optional(&extra, receipt->reply);
    write_text(buffer, RECEIPT_HEAD "\nextra ");
    note_write_base64(buffer, buffer_slice(&extra));
    char index[40];
    int size = snprintf(index, sizeof index, "\nindex %" PRIu64 "\n", receipt->number);
    ASSERT(size > 0 && (size_t)size < sizeof index);
    write_text(buffer, index);
    for (unsigned i = 0; i < receipt->proof.count; i++) {
        note_write_base64(buffer, slice_of(receipt->proof.hashes[i].bytes, MERKLE_HASH_BYTES));
        write_text(buffer, "\n");
    }
    write_text(buffer, "\n");
    buffer_append(buffer, receipt->checkpoint.data, receipt->checkpoint.size);
    if (extra.status != CONCLAVE_OK && buffer->status == CONCLAVE_OK) {
        buffer->status = extra.status;
    }
    buffer_close(&extra);
}

/* --- Decoding --- */

/* What follows `name` and a space on the line. */
static bool after_word(struct slice line, const char *name, struct slice *rest)
{
    size_t size = strlen(name);
    if (line.size <= size || memcmp(line.data, name, size) != 0 || line.data[size] != ' ') {
        return false;
    }
    *rest = slice_of(line.data + size + 1, line.size - size - 1);
    return true;
}

static bool get_optional(const msgpack_object *object, struct slice *bytes)
{
    *bytes = slice_of(NULL, 0);
    return object->type == MSGPACK_OBJECT_NIL || codec_get_bytes(object, bytes) == CONCLAVE_OK;
}

static enum conclave_code bad(struct codec_error *error, const char *what)
{
    codec_error_set(error, "%s", what);
    return CONCLAVE_BAD_REQUEST;
}

static enum conclave_code decode_extra(struct receipt *receipt, struct slice base64,
                                       struct codec_error *error)
{
    size_t size;
    buffer_init(&receipt->extra, RECEIPT_BYTES_MAX);
    uint8_t *at = buffer_reserve(&receipt->extra, base64.size / 4 * 3 + 3);
    if (at == NULL) {
        return receipt->extra.status;
    }
    enum conclave_code rv = note_read_base64(base64, at, base64.size / 4 * 3 + 3, &size);
    if (rv != CONCLAVE_OK) {
        return bad(error, "line 2: what follows \"extra\" is not base64");
    }
    receipt->extra.size = size;
    rv = codec_parse(&receipt->tree, buffer_slice(&receipt->extra));
    if (rv == CONCLAVE_NO_MEMORY) {
        return rv;
    }
    const msgpack_object *items;
    uint32_t count;
    uint64_t version;
    if (rv != CONCLAVE_OK ||
        codec_get_array(&receipt->tree.root, 1, 16, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &version) != CONCLAVE_OK) {
        return bad(error, "line 2: the extra data is not that of a Conclave receipt");
    }
    if (version != RECEIPT_VERSION) {
        codec_error_set(error, "the receipt's version is %" PRIu64 ": this program knows %u",
                        version, RECEIPT_VERSION);
        return CONCLAVE_BAD_VERSION;
    }
    if (count != RECEIPT_ELEMENTS || codec_get_bytes(&items[1], &receipt->leaf) != CONCLAVE_OK ||
        codec_get_bytes(&items[2], &receipt->genesis) != CONCLAVE_OK ||
        !get_optional(&items[3], &receipt->command) || !get_optional(&items[4], &receipt->reply)) {
        return bad(error, "line 2: the extra data is not that of a Conclave receipt");
    }
    return CONCLAVE_OK;
}

static enum conclave_code decode_proof(struct receipt *receipt, struct slice *rest,
                                       struct codec_error *error)
{
    struct slice line;
    while (note_next_line(rest, &line)) {
        if (line.size == 0) {
            return CONCLAVE_OK;
        }
        size_t size;
        if (receipt->proof.count == MERKLE_PROOF_HASHES) {
            return bad(error, "the inclusion proof has too many hashes");
        }
        struct merkle_hash *hash = &receipt->proof.hashes[receipt->proof.count++];
        if (line.size != HASH_TEXT_BYTES ||
            note_read_base64(line, hash->bytes, MERKLE_HASH_BYTES, &size) != CONCLAVE_OK ||
            size != MERKLE_HASH_BYTES) {
            codec_error_set(error, "hash %u of the inclusion proof is not base64 of 32 bytes",
                            receipt->proof.count);
            return CONCLAVE_BAD_REQUEST;
        }
    }
    return bad(error, "the receipt ends before its checkpoint");
}

static enum conclave_code decode(struct receipt *receipt, struct slice text,
                                 struct codec_error *error)
{
    struct slice rest = text;
    struct slice line;
    struct slice word;
    if (!note_next_line(&rest, &line) || !slice_is_text(line, RECEIPT_HEAD)) {
        return bad(error, "line 1 is not \"" RECEIPT_HEAD "\": this is no receipt");
    }
    if (!note_next_line(&rest, &line) || !after_word(line, "extra", &word)) {
        return bad(error, "line 2 does not start with \"extra \": this is no Conclave receipt");
    }
    enum conclave_code rv = decode_extra(receipt, word, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    if (!note_next_line(&rest, &line) || !after_word(line, "index", &word) ||
        !note_read_number(word, &receipt->number)) {
        return bad(error, "line 3 is not \"index\" and the number of a leaf");
    }
    rv = decode_proof(receipt, &rest, error);
    receipt->checkpoint = rest;
    return rv;
}

enum conclave_code receipt_decode(struct receipt *receipt, struct slice text,
                                  struct codec_error *error)
{
    ASSERT(receipt != NULL && error != NULL);
    *receipt = (struct receipt){0};
    if (text.size > RECEIPT_BYTES_MAX) {
        codec_error_set(error, "the receipt has %zu bytes, at most %u are allowed", text.size,
                        RECEIPT_BYTES_MAX);
        return CONCLAVE_TOO_LARGE;
    }
    enum conclave_code rv = decode(receipt, text, error);
    if (rv != CONCLAVE_OK) {
        receipt_close(receipt);
    }
    return rv;
}

void receipt_close(struct receipt *receipt)
{
    ASSERT(receipt != NULL);
    codec_tree_close(&receipt->tree);
    buffer_close(&receipt->extra);
    *receipt = (struct receipt){0};
}

/* --- Verification --- */

static enum conclave_code verify_checkpoint(const struct receipt *receipt,
                                            const struct checkpoint_nodes *nodes,
                                            struct checkpoint_verdict *verdict,
                                            struct codec_error *error)
{
    struct note *note = memory_allocate(sizeof *note);
    if (note == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code rv = note_decode(note, receipt->checkpoint);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the receipt's checkpoint is not a signed note");
    } else {
        rv = checkpoint_verify(verdict, note, nodes, error);
    }
    if (rv == CONCLAVE_OK && !verdict->final) {
        codec_error_set(error,
                        "the checkpoint is not final: %s, cosigned by %u of %u nodes, %u needed",
                        verdict->issuer == 0 ? "not signed by the log" : "signed by the log",
                        verdict->cosigner_count, nodes->count, checkpoint_majority(nodes));
        rv = CONCLAVE_NOT_FINAL;
    }
    memory_free(note);
    return rv;
}

/* Are command and reply, where they are given, those of the leaf? */
static enum conclave_code verify_contents(const struct receipt *receipt, const struct leaf *leaf,
                                          struct codec_error *error)
{
    uint8_t digest[LEAF_DIGEST_BYTES];
    bool closing = leaf->kind == LEAF_CLOSING;
    if (closing && (receipt->command.size > 0 || receipt->reply.size > 0)) {
        return bad(error, "the leaf is a closing, which has no command and no reply");
    }
    if (receipt->command.size > 0) {
        struct slice signature;
        enum conclave_code rv = leaf_bind(receipt->command, digest, &signature);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        if (!slice_equal(slice_of(digest, sizeof digest), leaf->envelope) ||
            !slice_equal(signature, leaf->signature)) {
            return bad(error, "the command in the receipt is not the one of the leaf");
        }
    }
    if (receipt->reply.size > 0) {
        sha256(receipt->reply, digest);
        if (!slice_equal(slice_of(digest, sizeof digest), leaf->reply)) {
            return bad(error, "the reply in the receipt is not the one of the leaf");
        }
    }
    return CONCLAVE_OK;
}

enum conclave_code receipt_verify(const struct receipt *receipt,
                                  const struct checkpoint_nodes *nodes,
                                  struct checkpoint_verdict *verdict, struct leaf *leaf,
                                  struct codec_error *error)
{
    ASSERT(receipt != NULL && nodes != NULL && verdict != NULL && leaf != NULL && error != NULL);
    enum conclave_code rv = verify_checkpoint(receipt, nodes, verdict, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct merkle_hash hash;
    merkle_hash_leaf(receipt->leaf, &hash);
    if (!merkle_verify_inclusion(&hash, receipt->number, verdict->checkpoint.size, &receipt->proof,
                                 &verdict->checkpoint.root)) {
        codec_error_set(error,
                        "leaf %" PRIu64 " is not in the tree of %" PRIu64
                        " leaves: the inclusion proof does not lead to the signed root",
                        receipt->number, verdict->checkpoint.size);
        return CONCLAVE_BAD_SIGNATURE;
    }
    rv = leaf_decode(leaf, receipt->leaf);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the leaf is in the tree, but not of a form that is known here");
        return rv;
    }
    rv = verify_contents(receipt, leaf, error);
    if (rv != CONCLAVE_OK) {
        leaf_close(leaf);
    }
    return rv;
}
