/* One receipt, or one checkpoint, checked by somebody who holds nothing but a cluster's id.
 * docs/RECORD.md, "Receipts", is the contract; record/receipt.h does the arithmetic. No file and no
 * network is touched here. */
#ifndef AUDIT_RECEIPT_H
#define AUDIT_RECEIPT_H

#include "codec/envelope.h"
#include "record/receipt.h"

/* The nodes that a genesis command names, and the id of its cluster. BAD_REQUEST (or TOO_LARGE,
 * BAD_VERSION, BAD_SIGNATURE) with `error` set; NO_MEMORY. */
enum conclave_code audit_genesis(struct slice command, struct checkpoint_nodes *nodes,
                                 struct codec_error *error) MUST_USE;

/* Is the note a final checkpoint by these nodes? NOT_PROVEN with `error` saying why not; NO_MEMORY.
 * `verdict->checkpoint` points into the note. */
enum conclave_code audit_checkpoint(struct slice note, const struct checkpoint_nodes *nodes,
                                    struct checkpoint_verdict *verdict, struct codec_error *error)
    MUST_USE;

/* What a receipt proves. Slices point into the text it was opened from, or are its own. */
struct audit_receipt {
    struct receipt receipt;
    struct checkpoint_nodes nodes;
    struct checkpoint_verdict verdict;
    struct leaf leaf;
    bool has_command; /* the command is in it, and readable: `envelope` is what was signed */
    struct envelope envelope;
};

/* Checks everything that can be checked without a server: form, genesis, signatures, inclusion, and
 * that command and reply are the leaf's and agree with it. `cluster_id` (16 bytes) is the cluster
 * that it must be of, or NULL: the one that its genesis makes. NOT_PROVEN with `error` saying what
 * is wrong; NO_MEMORY. On success audit_receipt_close frees; `text` must outlive it. */
enum conclave_code audit_receipt_open(struct audit_receipt *proven, struct slice text,
                                      const uint8_t *cluster_id, struct codec_error *error)
    MUST_USE;
void audit_receipt_close(struct audit_receipt *proven);

/* Is it the author's signature, if this is the author's key? False too when the command is not in
 * the receipt. */
bool audit_receipt_signed_by(const struct audit_receipt *proven,
                             const uint8_t public_key[NOTE_PUBLIC_KEY_BYTES]) MUST_USE;

#endif
