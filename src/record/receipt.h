/* Receipts: C2SP tlog-proof files. The `extra` line carries, as base64 of the MessagePack array
 *
 *   [1, leaf: bin, genesis: bin, command: bin or nil, reply: bin or nil]
 *
 * what a verifier needs who has nothing but the cluster's id, and each of it is bound: the leaf by
 * the inclusion proof, the genesis command by the cluster id, which is its hash, the command and
 * the reply by the digests in the leaf. docs/RECORD.md, "Receipts".
 */
#ifndef RECORD_RECEIPT_H
#define RECORD_RECEIPT_H

#include "record/checkpoint.h"
#include "record/leaf.h"

#define RECEIPT_BYTES_MAX (1024u * 1024u)

/* A command larger than this is left out of receipts: its digest and signature are in the leaf. */
#define RECEIPT_COMMAND_BYTES_MAX 8192u

struct receipt {
    uint64_t number;      /* of the leaf */
    struct slice leaf;    /* its bytes */
    struct slice genesis; /* command */
    struct slice command; /* empty: not in it */
    struct slice reply;   /* empty: not in it */
    struct merkle_proof proof;
    struct slice checkpoint; /* the signed note, verbatim */

    struct buffer extra; /* of a decoded receipt: holds leaf, genesis, command and reply */
    struct codec_tree tree;
};

/* Appends the file; failures are in the buffer's status. */
void receipt_write(struct buffer *buffer, const struct receipt *receipt);

/* BAD_REQUEST, BAD_VERSION, TOO_LARGE with `error` set; NO_MEMORY. On success receipt_close frees,
 * and `text` must outlive the receipt. */
enum conclave_code receipt_decode(struct receipt *receipt, struct slice text,
                                  struct codec_error *error) MUST_USE;
void receipt_close(struct receipt *receipt);

/* Checks everything but that `nodes` are those of the receipt's genesis command, which the caller
 * has decoded: the checkpoint's signatures and that it is final, the inclusion of the leaf, that
 * command and reply are those of the leaf. On success `verdict` and `leaf` say what was proven
 * (leaf_close the leaf). Otherwise BAD_SIGNATURE, BAD_REQUEST or NOT_FINAL, with `error` set;
 * NO_MEMORY. */
enum conclave_code receipt_verify(const struct receipt *receipt,
                                  const struct checkpoint_nodes *nodes,
                                  struct checkpoint_verdict *verdict, struct leaf *leaf,
                                  struct codec_error *error) MUST_USE;

#endif
