/* MessagePack-RPC over a connection: docs/PROTOCOL.md, "Connections". */
#ifndef CLIENT_RPC_H
#define CLIENT_RPC_H

#include "client/connection.h"

/* What became of one request. */
struct client_rpc_outcome {
    enum conclave_code code; /* OK: `result` is there. Else see below */
    bool answered;           /* the node answered: `code` is its code; if not, it is that of the
                              * connection (UNREACHABLE, UNKNOWN_OUTCOME, BAD_REQUEST, NO_MEMORY) */
    uint64_t retry_after_ms; /* RATE_LIMITED: how long the node wants to hear nothing */
    bool sent_any;           /* the node may have received the request */
    bool distrusted;         /* not answered: a certificate was refused, theirs or ours */
    struct slice result;     /* packed; valid until the next call on the connection */
    char message[400];       /* why it is not OK, for people */
};

/* Sends [0, msgid, method, [params]] and waits for the response with that msgid; responses to
 * requests that were given up are skipped, and so are notifications. `params` is a packed map.
 * Returns outcome->code. The connection is closed after every failure that could leave it out of
 * step. */
enum conclave_code client_rpc_call(struct client_connection *connection, uint32_t msgid,
                                   const char *method, struct slice params, uint64_t deadline_ms,
                                   struct client_rpc_outcome *outcome) MUST_USE;

/* Waits for a notification `method` and gives its packed parameter. UNKNOWN_OUTCOME: none came in
 * time; UNREACHABLE, BAD_REQUEST, NO_MEMORY: the connection is closed. */
enum conclave_code client_rpc_next_notification(struct client_connection *connection,
                                                const char *method, uint64_t deadline_ms,
                                                struct slice *params) MUST_USE;

/* Where the `position`-th element of a packed array is. The array was found complete by codec_scan.
 * False when there are not that many, or when it is no array. */
bool client_rpc_element(struct slice array, uint32_t position, struct slice *element);

#endif
