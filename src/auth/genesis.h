/* The command that makes a cluster: its nodes with their keys, and its first chair. The hash of its
 * envelope is the cluster's id, so that who knows the id can take the command from anybody.
 *
 * A cluster begins with a `genesis`, or with a backup of another one and a `cluster.restore`, which
 * is the same and says besides what went before it. */
#ifndef AUTH_GENESIS_H
#define AUTH_GENESIS_H

#include <conclave/limits.h>

#include "auth/auth.h"
#include "codec/envelope.h"

struct genesis_node {
    uint64_t id;
    struct slice address; /* of peers */
    struct slice client_address;
    struct slice key; /* AUTH_PUBLIC_KEY_BYTES: signs checkpoints */
};

/* How often a record may be restored: every cluster it was of is named. */
#define GENESIS_FORMER_MAX   16u
#define GENESIS_DIGEST_BYTES 16u
#define GENESIS_HASH_BYTES   32u

/* The cluster whose backup was restored. */
struct genesis_former {
    uint32_t count;                                              /* 0: none, it is a genesis */
    uint8_t clusters[GENESIS_FORMER_MAX][AUTH_CLUSTER_ID_BYTES]; /* oldest first */
    uint64_t index;                       /* of the last entry of the backup; this one follows */
    uint8_t digest[GENESIS_DIGEST_BYTES]; /* of the state there */
    uint64_t leaves;                      /* of the record there, and its root */
    uint8_t root[GENESIS_HASH_BYTES];
    uint8_t backup[GENESIS_HASH_BYTES]; /* the SHA-256 that the backup has in its last line */
};

/* Slices point into the command. */
struct genesis {
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    struct slice name;
    uint64_t created_ms;
    uint32_t node_count;
    struct genesis_node nodes[LIMIT_NODES];
    struct slice chair, chair_key;
    struct genesis_former former;
};

/* The kinds of the two. */
#define GENESIS_KIND         "genesis"
#define GENESIS_RESTORE_KIND "cluster.restore"

/* Is it of one of them, for the cluster of 16 zero bytes? */
bool genesis_founds(const struct envelope *envelope);

/* Checks form, cluster id zero, nodes (ids not 0, addresses of 1 to LIMIT_ADDRESS_BYTES, none
 * twice, no key twice), what it restores, and the signature by the chair's key. BAD_REQUEST (or
 * TOO_LARGE, BAD_VERSION, BAD_SIGNATURE) with `error` set; NO_MEMORY. */
enum conclave_code genesis_decode(struct genesis *genesis, struct slice command,
                                  struct codec_error *error) MUST_USE;

#endif
