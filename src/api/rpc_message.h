/* The shape of a MessagePack-RPC request: [0, msgid, method, params].
 *
 * Source: https://github.com/msgpack-rpc/msgpack-rpc/blob/master/spec.md, "Request Message".
 */
#ifndef API_RPC_MESSAGE_H
#define API_RPC_MESSAGE_H

#include "codec/reader.h"

/* The slices and `params` point into the tree that was decoded. */
struct rpc_message {
    uint32_t message_id;
    struct slice method;
    const msgpack_object *params; /* an array */
};

/* BAD_REQUEST with `error` set when the message is of another shape. */
enum conclave_code rpc_message_decode(const msgpack_object *message, struct rpc_message *request,
                                      struct codec_error *error) MUST_USE;

/* The msgid of a request that is malformed, or not all there, if its first bytes tell it. */
bool rpc_message_peek_id(struct slice bytes, uint32_t *message_id) MUST_USE;

/* The least size that the value which `scan` found incomplete in `input` can have. A declared
 * length counts before its bytes come, so that a message that will be too large is refused at its
 * head. */
size_t rpc_message_least_bytes(const struct codec_scan *scan, struct slice input);

#endif
