/* Checkpoints: C2SP tlog-checkpoint, the text that nodes sign, and who must have signed it.
 *
 *   conclave/<cluster id, 32 hex digits>     the origin
 *   <size>
 *   <root, base64>
 *
 * Whichever node led signs as the log: plain Ed25519, key name = origin. Every node that found the
 * same root, the leader too, cosigns: key name = origin/<node id>. Both by the node's key that
 * stands in the genesis command. A checkpoint is final when the log has signed it and a majority of
 * the genesis nodes have cosigned it. docs/RECORD.md, "Checkpoints".
 */
#ifndef RECORD_CHECKPOINT_H
#define RECORD_CHECKPOINT_H

#include <conclave/limits.h>

#include "codec/reader.h"
#include "record/merkle.h"
#include "record/note.h"

#define CHECKPOINT_CLUSTER_BYTES   16u
#define CHECKPOINT_ORIGIN_BYTES    (9u + 32u + 1u)                 /* with its NUL */
#define CHECKPOINT_NODE_NAME_BYTES (CHECKPOINT_ORIGIN_BYTES + 21u) /* with its NUL */
#define CHECKPOINT_TEXT_BYTES_MAX  4096u
#define CHECKPOINT_NOTE_BYTES_MAX  (16u * 1024u) /* of our own making: far below */

struct checkpoint {
    uint64_t size;
    struct merkle_hash root;
    struct slice origin;     /* of a decoded one: points into the text */
    struct slice extensions; /* the lines after the third, with their newlines: we write none */
};

void checkpoint_origin(const uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES],
                       char origin[CHECKPOINT_ORIGIN_BYTES]);
void checkpoint_node_name(const uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES], uint64_t node_id,
                          char name[CHECKPOINT_NODE_NAME_BYTES]);

/* Appends the three lines. */
void checkpoint_write(struct buffer *buffer, const char *origin, uint64_t size,
                      const struct merkle_hash *root);

/* Decodes a note's text. BAD_REQUEST. */
enum conclave_code checkpoint_decode(struct checkpoint *checkpoint, struct slice text) MUST_USE;

/* The nodes of a cluster, as its genesis names them. */
struct checkpoint_node {
    uint64_t id;
    uint8_t public_key[NOTE_PUBLIC_KEY_BYTES];
};
struct checkpoint_nodes {
    uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES];
    unsigned count;
    struct checkpoint_node nodes[LIMIT_NODES];
};

/* More than half of them. */
static inline unsigned checkpoint_majority(const struct checkpoint_nodes *nodes)
{
    return nodes->count / 2 + 1;
}

/* A node's two keys. */
void checkpoint_log_key(struct note_key *key, const struct checkpoint_nodes *nodes,
                        unsigned position);
void checkpoint_cosigner_key(struct note_key *key, const struct checkpoint_nodes *nodes,
                             unsigned position);

/* What a note by these nodes is worth. */
struct checkpoint_verdict {
    struct checkpoint checkpoint;
    uint64_t issuer; /* the node that signed as the log; 0: none */
    unsigned cosigner_count;
    uint64_t cosigners[LIMIT_NODES];  /* node ids, in the order of `nodes` */
    uint64_t cosigned_s[LIMIT_NODES]; /* and when they say they signed */
    bool final;                       /* issued, and cosigned by a majority */
};

/* BAD_REQUEST (no checkpoint, or of another origin), BAD_SIGNATURE (a signature by one of the nodes
 * does not verify), with `error` set; NO_MEMORY. Signatures by others are skipped. */
enum conclave_code checkpoint_verify(struct checkpoint_verdict *verdict, const struct note *note,
                                     const struct checkpoint_nodes *nodes,
                                     struct codec_error *error) MUST_USE;

#endif
