/* Commands as bytes: the envelope that an author signs, and the batch that a log entry carries.
 *
 * docs/PROTOCOL.md, "Commands", is the format of a command. A batch is the content of a log entry:
 * the MessagePack array [version 1, time ms, [poll id, ...], [command, ...]], where the poll ids
 * are the polls that the leader found due for closing, and each command is a bin that holds
 * [envelope, signature].
 */
#ifndef CODEC_ENVELOPE_H
#define CODEC_ENVELOPE_H

#include "base/buffer.h"
#include "codec/reader.h"

#define ENVELOPE_VERSION         1u
#define ENVELOPE_CLUSTER_BYTES   16u
#define ENVELOPE_NONCE_BYTES     16u
#define ENVELOPE_SIGNATURE_BYTES 64u

/* A decoded envelope; all slices point into the bytes it was decoded from, `body` into `tree`. */
struct envelope {
    struct slice bytes;     /* the envelope itself: what is signed */
    struct slice signature; /* ENVELOPE_SIGNATURE_BYTES */
    struct slice cluster;   /* ENVELOPE_CLUSTER_BYTES */
    struct slice author;    /* a valid id */
    struct slice nonce;     /* ENVELOPE_NONCE_BYTES */
    uint64_t not_after_ms;
    struct slice kind;
    const msgpack_object *body; /* a map */
    struct codec_tree tree;
};

/* Decodes a command. BAD_REQUEST, BAD_VERSION, TOO_LARGE (over LIMIT_COMMAND_BYTES) or NO_MEMORY,
 * with `error` set; on success envelope_close frees. The signature is not checked here. `command`
 * must outlive the envelope. */
enum conclave_code envelope_decode(struct envelope *envelope, struct slice command,
                                   struct codec_error *error) MUST_USE;
void envelope_close(struct envelope *envelope);

/* Writes the head of an envelope: the caller then writes the body, one map. Everything in `head`
 * but cluster, author, nonce, not_after_ms and kind is ignored. */
void envelope_write_head(struct buffer *buffer, const struct envelope *head);

/* Writes a command: [envelope, signature]. */
void envelope_write_command(struct buffer *buffer, struct slice envelope, struct slice signature);

/* 1 to LIMIT_ID_BYTES bytes: a letter or digit, then letters, digits and . _ - : + */
bool envelope_id_valid(struct slice id);

/* 1 to LIMIT_LABEL_BYTES bytes of letters, digits and _ - . : */
bool envelope_label_valid(struct slice label);

/* A decoded batch. The arrays point into `tree`, whose bytes are the entry's. */
struct batch {
    uint64_t time_ms;
    const msgpack_object *closes; /* close_count strings */
    uint32_t close_count;
    const msgpack_object *commands; /* command_count bins */
    uint32_t command_count;
    struct codec_tree tree;
};

/* BAD_REQUEST, BAD_VERSION, NO_MEMORY. Batches come from our own log: an error here is a damaged or
 * foreign log. */
enum conclave_code batch_decode(struct batch *batch, struct slice data) MUST_USE;
void batch_close(struct batch *batch);

/* Writes a batch; closes and commands are the slices given. */
void batch_write(struct buffer *buffer, uint64_t time_ms, const struct slice *closes,
                 uint32_t close_count, const struct slice *commands, uint32_t command_count);

#endif
