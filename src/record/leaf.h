/* Leaves: what the tree is made of. docs/RECORD.md, "Leaves", is the contract.
 *
 *   command  [1, 1, index, position, time, code: str, envelope: bin 32, signature: bin 64 or 0,
 *             reply: bin 32]
 *   closing  [1, 2, index, time, [poll id: str, ...]]
 *   copy     [1, 3, ... as a command]
 *
 * Every integer, text and array is in the shortest form that MessagePack has; there is exactly one
 * way to write a leaf, and the decoder takes no other.
 */
#ifndef RECORD_LEAF_H
#define RECORD_LEAF_H

#include "base/buffer.h"
#include "codec/reader.h"

#define LEAF_VERSION         1u
#define LEAF_DIGEST_BYTES    32u
#define LEAF_SIGNATURE_BYTES 64u
#define LEAF_BYTES_MAX       (128u * 1024u) /* a closing of LIMIT_OPEN_POLLS polls fits */

enum leaf_kind {
    LEAF_COMMAND = 1,
    LEAF_CLOSING = 2,
    LEAF_COPY = 3
};

/* Slices of a decoded leaf point into the bytes it was decoded from. */
struct leaf {
    enum leaf_kind kind;
    uint64_t index;
    uint64_t time_ms; /* log time of the entry */

    /* COMMAND, COPY */
    uint32_t position;
    struct slice code;      /* a name of codes.h */
    struct slice envelope;  /* SHA-256 of the envelope; of the whole command when `signature` is
                               empty */
    struct slice signature; /* empty: the command is not [envelope, signature] */
    struct slice reply;     /* SHA-256 of the reply map as `submit` answers it */

    /* CLOSING */
    const msgpack_object *closes; /* close_count strings */
    uint32_t close_count;

    struct codec_tree tree;
};

/* Appends a leaf of either kind; failures are in the buffer's status. */
void leaf_write(struct buffer *buffer, const struct leaf *leaf);
void leaf_write_closing(struct buffer *buffer, uint64_t index, uint64_t time_ms,
                        const msgpack_object *closes, uint32_t close_count);

/* BAD_REQUEST (also when it is not written in the one way), BAD_VERSION, NO_MEMORY. On success
 * leaf_close frees, and `bytes` must outlive the leaf. */
enum conclave_code leaf_decode(struct leaf *leaf, struct slice bytes) MUST_USE;
void leaf_close(struct leaf *leaf);

/* The part of a command that a leaf binds: SHA-256 of the envelope and the signature, or of all its
 * bytes and no signature when it is not the array [bin, bin 64]. Writes the digest to `digest`;
 * `signature` points into the command. NO_MEMORY. */
enum conclave_code leaf_bind(struct slice command, uint8_t digest[LEAF_DIGEST_BYTES],
                             struct slice *signature) MUST_USE;

#endif
