/* See receipt.h. */
#include "audit/receipt.h"

#include <inttypes.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>

#include "auth/genesis.h"
#include "base/memory.h"

#define CLUSTER_TEXT_BYTES (2u * CHECKPOINT_CLUSTER_BYTES + 1u)

_Static_assert(AUTH_CLUSTER_ID_BYTES == CHECKPOINT_CLUSTER_BYTES, "one cluster id");
_Static_assert(AUTH_PUBLIC_KEY_BYTES == NOTE_PUBLIC_KEY_BYTES, "one kind of key");

/* What is wrong is wrong with the evidence, whatever the decoders call it. */
static enum conclave_code not_proven(enum conclave_code code)
{
    return code == CONCLAVE_OK || code == CONCLAVE_NO_MEMORY ? code : CONCLAVE_NOT_PROVEN;
}

enum conclave_code audit_genesis(struct slice command, struct checkpoint_nodes *nodes,
                                 struct codec_error *error)
{
    ASSERT(nodes != NULL && error != NULL);
    struct genesis genesis;
    enum conclave_code rv = genesis_decode(&genesis, command, error);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    *nodes = (struct checkpoint_nodes){.count = genesis.node_count};
    memcpy(nodes->cluster_id, genesis.cluster_id, sizeof nodes->cluster_id);
    for (unsigned i = 0; i < nodes->count; i++) {
        nodes->nodes[i].id = genesis.nodes[i].id;
        memcpy(nodes->nodes[i].public_key, genesis.nodes[i].key.data, NOTE_PUBLIC_KEY_BYTES);
    }
    return CONCLAVE_OK;
}

/* --- Checkpoints --- */

/* A signature in the name of the log or of a node of this cluster must be by a key that genesis has
 * for it: others would only be there to look like more than they are. */
static bool names_are_known(const struct note *note, const struct checkpoint_nodes *nodes,
                            struct codec_error *error)
{
    char origin[CHECKPOINT_ORIGIN_BYTES];
    checkpoint_origin(nodes->cluster_id, origin);
    size_t size = strlen(origin);
    for (unsigned i = 0; i < note->signature_count; i++) {
        const struct note_signature *signature = &note->signatures[i];
        bool known = signature->name.size < size || memcmp(signature->name.data, origin, size) != 0;
        for (unsigned j = 0; j < nodes->count && !known; j++) {
            struct note_key log;
            struct note_key cosigner;
            checkpoint_log_key(&log, nodes, j);
            checkpoint_cosigner_key(&cosigner, nodes, j);
            known =
                (signature->key_id == log.id && slice_is_text(signature->name, log.name)) ||
                (signature->key_id == cosigner.id && slice_is_text(signature->name, cosigner.name));
        }
        if (!known) {
            int shown = signature->name.size < 80 ? (int)signature->name.size : 80;
            codec_error_set(error, "the checkpoint's signature by %.*s is by no key in genesis",
                            shown, (const char *)signature->name.data);
            return false;
        }
    }
    return true;
}

static enum conclave_code check_note(struct slice bytes, struct note *note,
                                     const struct checkpoint_nodes *nodes,
                                     struct codec_error *error)
{
    enum conclave_code rv = note_decode(note, bytes);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the checkpoint is not a signed note");
        return rv;
    }
    return names_are_known(note, nodes, error) ? CONCLAVE_OK : CONCLAVE_NOT_PROVEN;
}

enum conclave_code audit_checkpoint(struct slice bytes, const struct checkpoint_nodes *nodes,
                                    struct checkpoint_verdict *verdict, struct codec_error *error)
{
    ASSERT(nodes != NULL && verdict != NULL && error != NULL);
    struct note *note = memory_allocate(sizeof *note);
    if (note == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code rv = check_note(bytes, note, nodes, error);
    if (rv == CONCLAVE_OK) {
        rv = checkpoint_verify(verdict, note, nodes, error);
    }
    if (rv == CONCLAVE_OK && !verdict->final) {
        codec_error_set(error,
                        "the checkpoint is not final: %s, cosigned by %u of %u nodes, %u needed",
                        verdict->issuer == 0 ? "not signed by the log" : "signed by the log",
                        verdict->cosigner_count, nodes->count, checkpoint_majority(nodes));
        rv = CONCLAVE_NOT_PROVEN;
    }
    memory_free(note);
    return not_proven(rv);
}

/* --- Receipts --- */

static void cluster_text(const uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES],
                         char text[CLUSTER_TEXT_BYTES])
{
    sodium_bin2hex(text, CLUSTER_TEXT_BYTES, cluster_id, CHECKPOINT_CLUSTER_BYTES);
}

/* The first line of the checkpoint, as far as it is one: who wants to know of which cluster a
 * receipt says it is must not depend on its signatures. */
static struct slice claimed_origin(struct slice checkpoint)
{
    struct slice line;
    return note_next_line(&checkpoint, &line) ? line : slice_of(NULL, 0);
}

static enum conclave_code check_cluster(const struct audit_receipt *proven,
                                        const uint8_t *cluster_id, struct codec_error *error)
{
    char own[CLUSTER_TEXT_BYTES];
    char origin[CHECKPOINT_ORIGIN_BYTES];
    cluster_text(proven->nodes.cluster_id, own);
    if (cluster_id != NULL &&
        memcmp(cluster_id, proven->nodes.cluster_id, CHECKPOINT_CLUSTER_BYTES) != 0) {
        char wanted[CLUSTER_TEXT_BYTES];
        cluster_text(cluster_id, wanted);
        codec_error_set(error, "it is a receipt of another cluster: its genesis makes %s, not %s",
                        own, wanted);
        return CONCLAVE_NOT_PROVEN;
    }
    checkpoint_origin(proven->nodes.cluster_id, origin);
    struct slice claimed = claimed_origin(proven->receipt.checkpoint);
    if (!slice_is_text(claimed, origin)) {
        int shown = claimed.size < 48 ? (int)claimed.size : 48;
        codec_error_set(error,
                        "the genesis in it makes the cluster %s, the checkpoint is of \"%.*s\"",
                        own, shown, (const char *)claimed.data);
        return CONCLAVE_NOT_PROVEN;
    }
    return CONCLAVE_OK;
}

struct reply_head {
    struct slice code;
    uint64_t index, position;
};

/* The reply's bytes are the leaf's; what they say must be what the leaf says. */
static enum conclave_code check_reply(const struct audit_receipt *proven, struct codec_error *error)
{
    static const struct codec_field fields[] = {
        {"code", CODEC_STRING, true, offsetof(struct reply_head, code), 1, 64},
        {"index", CODEC_U64, true, offsetof(struct reply_head, index), 0, 0},
        {"position", CODEC_U64, true, offsetof(struct reply_head, position), 0, 0},
    };
    if (proven->receipt.reply.size == 0) {
        return CONCLAVE_OK;
    }
    struct codec_tree tree;
    struct reply_head head = {0};
    enum conclave_code rv = codec_parse(&tree, proven->receipt.reply);
    if (rv == CONCLAVE_NO_MEMORY) {
        return rv;
    }
    if (rv == CONCLAVE_OK) {
        rv = codec_decode_map(&tree.root, fields, 3, false, &head, error);
    }
    /* A copy repeats the first one's reply, which names the first one's place. */
    bool copy = proven->leaf.kind == LEAF_COPY;
    if (rv != CONCLAVE_OK || !slice_equal(head.code, proven->leaf.code) ||
        (!copy && (head.index != proven->leaf.index || head.position != proven->leaf.position))) {
        codec_error_set(error, "the reply in it tells another code or place than the leaf");
        rv = CONCLAVE_NOT_PROVEN;
    }
    codec_tree_close(&tree);
    return rv;
}

/* Was the command decided in a cluster whose record this one restored? It named that one. */
static enum conclave_code find_former(const struct audit_receipt *proven, struct slice cluster,
                                      bool *found)
{
    struct genesis genesis;
    struct codec_error error;
    enum conclave_code rv = genesis_decode(&genesis, proven->receipt.genesis, &error);
    *found = false;
    if (rv != CONCLAVE_OK || proven->leaf.index > genesis.former.index) {
        return rv;
    }
    for (uint32_t i = 0; i < genesis.former.count && !*found; i++) {
        *found = slice_equal(
            cluster, slice_of(genesis.former.clusters[i], sizeof genesis.former.clusters[i]));
    }
    return CONCLAVE_OK;
}

/* The command's bytes are the leaf's. One that was accepted must be for this cluster; one that is
 * no envelope can only have been refused. */
static enum conclave_code check_command(struct audit_receipt *proven, struct codec_error *error)
{
    if (proven->receipt.command.size == 0) {
        return CONCLAVE_OK;
    }
    struct codec_error unread;
    bool accepted = slice_is_text(proven->leaf.code, conclave_code_name(CONCLAVE_OK));
    enum conclave_code rv = envelope_decode(&proven->envelope, proven->receipt.command, &unread);
    if (rv == CONCLAVE_NO_MEMORY) {
        return rv;
    }
    proven->has_command = rv == CONCLAVE_OK;
    if (!accepted) {
        return CONCLAVE_OK;
    }
    if (!proven->has_command) {
        codec_error_set(error, "the command was accepted, but is none: %.100s", unread.text);
        return CONCLAVE_NOT_PROVEN;
    }
    struct slice cluster = proven->envelope.cluster;
    bool ours =
        genesis_founds(&proven->envelope) ||
        slice_equal(cluster, slice_of(proven->nodes.cluster_id, sizeof proven->nodes.cluster_id));
    if (!ours) {
        rv = find_former(proven, cluster, &ours);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
    }
    if (!ours) {
        char text[CLUSTER_TEXT_BYTES];
        cluster_text(cluster.data, text);
        codec_error_set(error, "the command was signed for another cluster, %s", text);
        return CONCLAVE_NOT_PROVEN;
    }
    return CONCLAVE_OK;
}

static enum conclave_code check(struct audit_receipt *proven, const uint8_t *cluster_id,
                                struct codec_error *error)
{
    struct codec_error inner;
    enum conclave_code rv = audit_genesis(proven->receipt.genesis, &proven->nodes, &inner);
    if (rv != CONCLAVE_OK) {
        codec_error_set(error, "the genesis command in it is none: %.140s", inner.text);
        return rv;
    }
    rv = check_cluster(proven, cluster_id, error);
    if (rv == CONCLAVE_OK) {
        rv = audit_checkpoint(proven->receipt.checkpoint, &proven->nodes, &proven->verdict, error);
    }
    if (rv == CONCLAVE_OK) {
        rv = receipt_verify(&proven->receipt, &proven->nodes, &proven->verdict, &proven->leaf,
                            error);
    }
    return rv;
}

enum conclave_code audit_receipt_open(struct audit_receipt *proven, struct slice text,
                                      const uint8_t *cluster_id, struct codec_error *error)
{
    ASSERT(proven != NULL && error != NULL);
    *proven = (struct audit_receipt){.has_command = false};
    enum conclave_code rv = receipt_decode(&proven->receipt, text, error);
    if (rv != CONCLAVE_OK) {
        return not_proven(rv);
    }
    rv = check(proven, cluster_id, error);
    if (rv != CONCLAVE_OK) {
        receipt_close(&proven->receipt);
        return not_proven(rv);
    }
    rv = check_command(proven, error);
    if (rv == CONCLAVE_OK) {
        rv = check_reply(proven, error);
    }
    if (rv != CONCLAVE_OK) {
        audit_receipt_close(proven);
    }
    return not_proven(rv);
}

void audit_receipt_close(struct audit_receipt *proven)
{
    ASSERT(proven != NULL);
    if (proven->has_command) {
        envelope_close(&proven->envelope);
    }
    leaf_close(&proven->leaf);
    receipt_close(&proven->receipt);
    *proven = (struct audit_receipt){.has_command = false};
}

bool audit_receipt_signed_by(const struct audit_receipt *proven,
                             const uint8_t public_key[NOTE_PUBLIC_KEY_BYTES])
{
    ASSERT(proven != NULL && public_key != NULL);
    return proven->has_command &&
           auth_verify(public_key, proven->envelope.bytes, proven->envelope.signature.data);
}
