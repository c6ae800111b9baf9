/* What the api calls of the replica, as a table: the replica's own functions, unless a test puts
 * others in.
 */
#ifndef API_OPERATIONS_H
#define API_OPERATIONS_H

#include "consensus/replica.h"

/* Each as the function replica_<name> of consensus/replica.h. */
struct api_replica_operations {
    void (*status)(struct replica *replica, struct replica_status *status);
    enum conclave_code (*submit)(struct replica *replica, struct slice command, uint64_t token,
                                 uint64_t timeout_ms);
    enum conclave_code (*read)(struct replica *replica, uint64_t token, uint64_t timeout_ms);
    enum conclave_code (*query)(struct replica *replica, struct slice method,
                                const msgpack_object *params, struct buffer *answer,
                                struct codec_error *error);
    enum conclave_code (*await_receipt)(struct replica *replica, const msgpack_object *params,
                                        uint64_t token, uint64_t timeout_ms,
                                        struct codec_error *error);
    enum conclave_code (*author)(struct replica *replica, struct slice author,
                                 struct model_author *out);
    enum conclave_code (*reply)(struct replica *replica, struct slice author, struct slice nonce,
                                struct slice envelope, struct buffer *reply);
    enum conclave_code (*reads_public)(struct replica *replica, bool *reads_public);
};

#endif
