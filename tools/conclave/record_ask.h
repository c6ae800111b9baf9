/* Asking a cluster for its record, and believing none of it: what comes back is checked against the
 * cluster's id. */
#ifndef CONCLAVE_RECORD_ASK_H
#define CONCLAVE_RECORD_ASK_H

#include "audit/receipt.h"
#include "body.h"
#include "session.h"

/* The cluster id that the user names: --cluster, else CONCLAVE_CLUSTER. Nonzero: the exit status.
 */
int record_named_cluster(struct cli *cli, uint8_t id[AUTH_CLUSTER_ID_BYTES], bool *named) MUST_USE;

/* The same, or where none is named the id that the nodes tell. Nodes that tell another one than is
 * named are refused. Connects. Nonzero: the exit status. */
int record_cluster(struct cli *cli, uint8_t id[AUTH_CLUSTER_ID_BYTES]) MUST_USE;

/* A query whose failure is the caller's business: NULL with the code. Frees the params. */
json_t *record_query(struct cli *cli, const char *method, struct body *params,
                     enum conclave_code *code) MUST_USE;

/* The nodes of the cluster, from its genesis command, which the log tells and the id proves.
 * `genesis` (an empty buffer, or NULL) gets its bytes. Nonzero: the exit status. */
int record_nodes(struct cli *cli, const uint8_t id[AUTH_CLUSTER_ID_BYTES],
                 struct checkpoint_nodes *nodes, struct buffer *genesis) MUST_USE;

/* A final checkpoint as the cluster shows it. */
struct record_checkpoint {
    struct buffer note; /* verbatim */
    struct checkpoint_verdict verdict;
};
void record_checkpoint_init(struct record_checkpoint *checkpoint);
void record_checkpoint_close(struct record_checkpoint *checkpoint);

/* Takes a note that is a final checkpoint of these nodes: NOT_PROVEN with `error`; NO_MEMORY. */
enum conclave_code record_checkpoint_take(struct record_checkpoint *checkpoint, struct slice note,
                                          const struct checkpoint_nodes *nodes,
                                          struct codec_error *error) MUST_USE;

/* The newest one that the cluster has. NOT_FINAL when there is none yet, NOT_PROVEN when what it
 * shows is none, else what the client failed with; `error` says why. */
enum conclave_code record_newest(struct cli *cli, const struct checkpoint_nodes *nodes,
                                 struct record_checkpoint *checkpoint, struct codec_error *error)
    MUST_USE;

/* "1, 2 and 3": the nodes that cosigned. */
#define RECORD_SIGNERS_BYTES 192u
void record_signers(const struct checkpoint_verdict *verdict, char text[RECORD_SIGNERS_BYTES]);

/* The first digits of a root, for sentences. */
#define RECORD_ROOT_BYTES 17u
void record_root(const struct merkle_hash *root, char text[RECORD_ROOT_BYTES]);

/* What record.proof answered. */
struct record_proof {
    struct merkle_hash from_root; /* of a consistency proof: what the node has at `from` */
    struct merkle_hash root;
    struct merkle_proof proof;
};

/* Of consistency (`leaf` UINT64_MAX) or inclusion. A node that is behind is given time to catch up.
 * OK; else the client's failure says why. INTERNAL: the answer is not understood. */
enum conclave_code record_prove(struct cli *cli, uint64_t leaf, uint64_t from, uint64_t to,
                                struct record_proof *proof) MUST_USE;

#endif
