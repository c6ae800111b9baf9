/* See checkpoint.h. */
#include "record/checkpoint.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>

#define ORIGIN_PREFIX "conclave/"

void checkpoint_origin(const uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES],
                       char origin[CHECKPOINT_ORIGIN_BYTES])
{
    ASSERT(cluster_id != NULL && origin != NULL);
    size_t prefix_size = sizeof ORIGIN_PREFIX - 1;
    memcpy(origin, ORIGIN_PREFIX, prefix_size);
    sodium_bin2hex(origin + prefix_size, CHECKPOINT_ORIGIN_BYTES - prefix_size, cluster_id,
                   CHECKPOINT_CLUSTER_BYTES);
}

void checkpoint_node_name(const uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES], uint64_t node_id,
                          char name[CHECKPOINT_NODE_NAME_BYTES])
{
    ASSERT(name != NULL);
    char origin[CHECKPOINT_ORIGIN_BYTES];
    checkpoint_origin(cluster_id, origin);
    int size = snprintf(name, CHECKPOINT_NODE_NAME_BYTES, "%s/%" PRIu64, origin, node_id);
    ASSERT(size > 0 && size < (int)CHECKPOINT_NODE_NAME_BYTES);
}

void checkpoint_write(struct buffer *buffer, const char *origin, uint64_t size,
                      const struct merkle_hash *root)
{
    ASSERT(buffer != NULL && origin != NULL && root != NULL);
    char text[32];
    int written = snprintf(text, sizeof text, "\n%" PRIu64 "\n", size);
    ASSERT(written > 0 && (size_t)written < sizeof text);
    buffer_append(buffer, origin, strlen(origin));
    buffer_append(buffer, text, (size_t)written);
    note_write_base64(buffer, slice_of(root->bytes, MERKLE_HASH_BYTES));
    buffer_append(buffer, "\n", 1);
}

enum conclave_code checkpoint_decode(struct checkpoint *checkpoint, struct slice text)
{
    ASSERT(checkpoint != NULL);
    struct slice rest = text;
    struct slice size_line;
    struct slice root_line;
    size_t root_size;
    if (text.size > CHECKPOINT_TEXT_BYTES_MAX || !note_next_line(&rest, &checkpoint->origin) ||
        checkpoint->origin.size == 0 || !note_next_line(&rest, &size_line) ||
        !note_read_number(size_line, &checkpoint->size) || !note_next_line(&rest, &root_line) ||
        note_read_base64(root_line, checkpoint->root.bytes, MERKLE_HASH_BYTES, &root_size) !=
            CONCLAVE_OK ||
        root_size != MERKLE_HASH_BYTES) {
        return CONCLAVE_BAD_REQUEST;
    }
    checkpoint->extensions = rest;
    struct slice line;
    while (note_next_line(&rest, &line)) {
        if (line.size == 0) {
            return CONCLAVE_BAD_REQUEST;
        }
    }
    return rest.size == 0 ? CONCLAVE_OK : CONCLAVE_BAD_REQUEST;
}

/* --- Who signed --- */

static void init_key(struct note_key *key, const char *name, enum note_key_type type,
                     const struct checkpoint_node *node)
{
    enum conclave_code rv = note_key_init(key, slice_of_text(name), type, node->public_key);
    ASSERT(rv == CONCLAVE_OK); /* hex digits, slashes and letters */
}

void checkpoint_log_key(struct note_key *key, const struct checkpoint_nodes *nodes,
                        unsigned position)
{
    ASSERT(key != NULL && nodes != NULL && position < nodes->count);
    char origin[CHECKPOINT_ORIGIN_BYTES];
    checkpoint_origin(nodes->cluster_id, origin);
    init_key(key, origin, NOTE_ED25519, &nodes->nodes[position]);
}

void checkpoint_cosigner_key(struct note_key *key, const struct checkpoint_nodes *nodes,
                             unsigned position)
{
    ASSERT(key != NULL && nodes != NULL && position < nodes->count);
    char name[CHECKPOINT_NODE_NAME_BYTES];
    checkpoint_node_name(nodes->cluster_id, nodes->nodes[position].id, name);
    init_key(key, name, NOTE_COSIGNATURE, &nodes->nodes[position]);
}

/* Sets `verdict` for one key. */
static enum conclave_code verify_key(const struct note *note, const struct note_key *key,
                                     enum note_verdict *verdict, uint64_t *time_s,
                                     struct codec_error *error)
{
    enum conclave_code rv = note_verify(note, key, verdict, time_s);
    if (rv == CONCLAVE_OK && *verdict == NOTE_FORGED) {
        codec_error_set(error, "the checkpoint's signature by %s does not verify", key->name);
        return CONCLAVE_BAD_SIGNATURE;
    }
    return rv;
}

enum conclave_code checkpoint_verify(struct checkpoint_verdict *verdict, const struct note *note,
                                     const struct checkpoint_nodes *nodes,
                                     struct codec_error *error)
{
    ASSERT(verdict != NULL && note != NULL && nodes != NULL && error != NULL);
    *verdict = (struct checkpoint_verdict){0};
    char origin[CHECKPOINT_ORIGIN_BYTES];
    checkpoint_origin(nodes->cluster_id, origin);
    if (checkpoint_decode(&verdict->checkpoint, note->text) != CONCLAVE_OK) {
        codec_error_set(error, "the note is no checkpoint: origin, size and root, a line each");
        return CONCLAVE_BAD_REQUEST;
    }
    if (!slice_is_text(verdict->checkpoint.origin, origin)) {
        codec_error_set(
            error, "the checkpoint is of \"%.*s\", not of %s",
            (int)(verdict->checkpoint.origin.size < 64 ? verdict->checkpoint.origin.size : 64),
            (const char *)verdict->checkpoint.origin.data, origin);
        return CONCLAVE_BAD_REQUEST;
    }
    for (unsigned i = 0; i < nodes->count; i++) {
        struct note_key key;
        enum note_verdict one;
        checkpoint_log_key(&key, nodes, i);
        enum conclave_code rv = verify_key(note, &key, &one, NULL, error);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        if (one == NOTE_SIGNED) {
            verdict->issuer = nodes->nodes[i].id;
        }
        uint64_t time_s = 0;
        checkpoint_cosigner_key(&key, nodes, i);
        rv = verify_key(note, &key, &one, &time_s, error);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        if (one == NOTE_SIGNED) {
            verdict->cosigners[verdict->cosigner_count] = nodes->nodes[i].id;
            verdict->cosigned_s[verdict->cosigner_count] = time_s;
            verdict->cosigner_count++;
        }
    }
    verdict->final = verdict->issuer != 0 && verdict->cosigner_count >= checkpoint_majority(nodes);
    return CONCLAVE_OK;
}
