/* The command that makes a cluster: read and checked before it becomes the start of a log. */
#ifndef CONSENSUS_GENESIS_H
#define CONSENSUS_GENESIS_H

#include <conclave/limits.h>

#include "codec/envelope.h"

struct genesis_node {
    uint64_t id;
    struct slice address; /* of peers */
};

/* Slices point into the command. */
struct genesis {
    uint8_t cluster_id[16];
    uint64_t created_ms;
    uint32_t node_count;
    struct genesis_node nodes[LIMIT_NODES];
};

/* Checks form, cluster id zero, nodes (ids not 0, addresses of 1 to LIMIT_ADDRESS_BYTES, none
 * twice), and the signature by the chair's key. BAD_REQUEST (or TOO_LARGE, BAD_VERSION,
 * BAD_SIGNATURE) with `error` set; NO_MEMORY. */
enum conclave_code genesis_decode(struct genesis *genesis, struct slice command,
                                  struct codec_error *error) MUST_USE;

#endif
