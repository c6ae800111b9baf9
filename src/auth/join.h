/* A join ticket: what a node needs that is to join a cluster which runs, as a file that `conclave
 * cluster add` writes and `conclaved --join` reads.
 *
 * Lines that start with # and empty lines are comments. The others, in this order:
 *   conclave-join-v1 <cluster id, 32 hex digits> <node id> <token>
 *   self <address for peers> <address for clients>
 *   node <id> <address for peers>        (one for each node that is there)
 * The token is 32 random bytes, base64url without padding; the cluster keeps its SHA-256. Whoever
 * shows it first as this node, with a certificate of this node where there is TLS, is this node:
 * its disk is known from then on, and the token opens nothing any more. A ticket whose token is
 * "-" only tells a node that the cluster knows already where the others are now.
 */
#ifndef AUTH_JOIN_H
#define AUTH_JOIN_H

#include <conclave/limits.h>

#include "auth/auth.h"
#include "base/buffer.h"

#define JOIN_TOKEN_BYTES  32u
#define JOIN_TICKET_BYTES 8192u /* the most a file may have */

struct join_node {
    uint64_t node_id;
    char address[LIMIT_ADDRESS_BYTES + 1]; /* for peers */
};

struct join_ticket {
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    uint64_t node_id;
    bool has_token;
    uint8_t token[JOIN_TOKEN_BYTES];
    char peer_address[LIMIT_ADDRESS_BYTES + 1];
    char client_address[LIMIT_ADDRESS_BYTES + 1];
    unsigned node_count;
    struct join_node nodes[LIMIT_NODES];
};

/* Appends the text. */
void join_ticket_write(struct buffer *buffer, const struct join_ticket *ticket);

/* BAD_REQUEST; then `*line` is the number of the line that is wrong (0: something is missing).
 * Addresses are taken as they are. */
enum conclave_code join_ticket_parse(struct slice text, struct join_ticket *ticket, unsigned *line)
    MUST_USE;

/* What the cluster keeps of a token. */
void join_token_hash(struct slice token, uint8_t hash[AUTH_SHA256_BYTES]);

#endif
