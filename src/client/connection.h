/* One TCP connection to a node: connect, send and receive whole MessagePack values, each with a
 * deadline on the monotonic clock.
 *
 * The happy path is client_connection_open -> client_connection_send -> client_connection_receive.
 * The failure modes are: nobody listens (UNREACHABLE), the deadline passes (UNKNOWN_OUTCOME; the
 * connection stays usable when it was receiving, and is closed when it was sending, since half a
 * value may be out), the node closes (UNREACHABLE, closed here too), bytes that are no MessagePack
 * or a value larger than a frame may be (BAD_REQUEST, closed here too).
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <conclave/codes.h>

#include "base/buffer.h"
#include "client/address.h"
#include "codec/reader.h"

#define CLIENT_WHY_BYTES 160u

struct client_connection {
    int fd; /* -1 when closed */
    struct buffer input;
    size_t consumed; /* bytes of the value handed out last */
    struct codec_scan scan;
    char why[CLIENT_WHY_BYTES]; /* of the last failure, for people: "connection refused" */
};

uint64_t client_now_ms(void);

void client_connection_init(struct client_connection *connection);
void client_connection_close(struct client_connection *connection);
bool client_connection_is_open(const struct client_connection *connection);

/* Closes a connection that the node has closed meanwhile: one that was idle between two requests.
 */
void client_connection_check(struct client_connection *connection);

/* UNREACHABLE with `why`. The connection must be closed. */
enum conclave_code client_connection_open(struct client_connection *connection,
                                          const struct client_address *address,
                                          uint64_t deadline_ms) MUST_USE;

/* Sends all of `bytes`. Any failure closes the connection. `sent_any` tells whether the node may
 * have received some of them. */
enum conclave_code client_connection_send(struct client_connection *connection, struct slice bytes,
                                          uint64_t deadline_ms, bool *sent_any) MUST_USE;

/* The next value; valid until the next call on the connection. */
enum conclave_code client_connection_receive(struct client_connection *connection,
                                             uint64_t deadline_ms, struct slice *value) MUST_USE;

#endif
