/* The command that makes a cluster: its nodes with their keys, and its first chair. The hash of its
 * envelope is the cluster's id, so that who knows the id can take the command from anybody. */
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

/* Slices point into the command. */
struct genesis {
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    struct slice name;
    uint64_t created_ms;
    uint32_t node_count;
    struct genesis_node nodes[LIMIT_NODES];
};

/* Checks form, cluster id zero, nodes (ids not 0, addresses of 1 to LIMIT_ADDRESS_BYTES, none
 * twice, no key twice), and the signature by the chair's key. BAD_REQUEST (or TOO_LARGE,
 * BAD_VERSION, BAD_SIGNATURE) with `error` set; NO_MEMORY. */
enum conclave_code genesis_decode(struct genesis *genesis, struct slice command,
                                  struct codec_error *error) MUST_USE;

#endif
