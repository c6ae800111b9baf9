/* The genesis of a cluster: the signed command that its first entry carries, as a file and as found
 * in the log. The addresses of the nodes come from it.
 *
 * A genesis file is text. Lines that start with # and empty lines are comments; one line is
 *   conclave-genesis-v1 <base64url without padding of the signed command [envelope, signature]>
 */
#ifndef DAEMON_GENESIS_FILE_H
#define DAEMON_GENESIS_FILE_H

#include <conclave/limits.h>

#include "auth/auth.h"
#include "base/buffer.h"
#include "codec/reader.h"
#include "log/log.h"

struct genesis_file_node {
    uint64_t node_id;
    char peer_address[LIMIT_ADDRESS_BYTES + 1];
    char client_address[LIMIT_ADDRESS_BYTES + 1];
    uint8_t key[AUTH_PUBLIC_KEY_BYTES];
};

struct genesis_file {
    struct buffer command; /* the bytes; empty when it came from the log */
    uint8_t cluster_id[16];
    unsigned node_count;
    struct genesis_file_node nodes[LIMIT_NODES];
    bool restores; /* a backup: it is a cluster.restore */
};

/* Reads a genesis file. CONFIG with `error` (`FILE:LINE: what`); on success genesis_file_close
 * frees. The signature is not checked here: replica_bootstrap does. */
struct genesis_file_error {
    char text[1024];
};
enum conclave_code genesis_file_read(const char *path, struct genesis_file *genesis,
                                     struct genesis_file_error *error) MUST_USE;

/* The genesis that this log began with, or (`index` is not 0) the command that restored it there.
 * NOT_FOUND, CORRUPT; errors of the log. */
enum conclave_code genesis_file_read_log(struct log *log, uint64_t index,
                                         struct genesis_file *genesis) MUST_USE;

/* The addresses of a node, NULL when it is not in the cluster. */
const struct genesis_file_node *genesis_file_find(const struct genesis_file *genesis,
                                                  uint64_t node_id);

void genesis_file_close(struct genesis_file *genesis);

#endif
