/* What keys sign besides commands. Each text starts with a line of its own, so that a signature
 * made for one is never good for another, nor for a command (whose first byte is an array's head).
 * docs/PROTOCOL.md, "Statements".
 */
#ifndef AUTH_STATEMENT_H
#define AUTH_STATEMENT_H

#include "auth/auth.h"
#include "base/buffer.h"

#define STATEMENT_CHALLENGE_BYTES 32u
#define STATEMENT_BINDING_BYTES   32u

/* A new key's proof of possession, for `member.rotate-key`. */
void statement_rotation(struct buffer *text, const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                        struct slice member, const uint8_t old_key[AUTH_PUBLIC_KEY_BYTES],
                        const uint8_t new_key[AUTH_PUBLIC_KEY_BYTES]);

/* What a client signs to prove that a session is a member's: `challenge` is the one of `hello` on
 * this connection, `binding` the connection's TLS exporter value (RFC 9266), or empty without TLS.
 */
void statement_session(struct buffer *text, const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                       uint64_t node_id, const uint8_t challenge[STATEMENT_CHALLENGE_BYTES],
                       struct slice binding, struct slice member);

#endif
