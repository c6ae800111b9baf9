/* What the api itself needs to know of the cluster: its id, its name, its nodes. */
#ifndef API_VIEW_H
#define API_VIEW_H

#include "api/answer.h"
#include "api/state.h"

/* AUTH_CLUSTER_ID_BYTES bytes, valid as long as the api. */
const uint8_t *view_cluster_id(struct api *api);

/* Why the other nodes refuse this one, which takes no part in the cluster then; "" when it does.
 * Valid until the host is asked again. */
const char *view_refusal(const struct api *api);

/* The error for `cluster`, which is not this node's: "<subject> cluster <hex>, this node serves
 * <hex>". */
/* `what` ("the command is not in the log") was refused for want of room: here, or by who leads. */
void view_disk_full(struct api *api, struct answer_error *error, const char *what);

void view_wrong_cluster(struct api *api, struct answer_error *error, const char *subject,
                        struct slice cluster);

/* The cluster as this node's state has it now: an answer of `cluster.get`. Empty (no name, nodes
 * NULL) before genesis is applied. */
struct view_cluster {
    struct slice name;
    const msgpack_object *nodes; /* an array of [id, peer address, client address, key or nil] */
    struct buffer answer;        /* what the others point into */
    struct codec_tree tree;
};

/* NO_MEMORY, or the store's errors; view_cluster_close frees after OK. */
enum conclave_code view_cluster_open(struct api *api, struct view_cluster *cluster) MUST_USE;
void view_cluster_close(struct view_cluster *cluster);

/* Writes `nodes` as PROTOCOL.md, `hello`, has them. INTERNAL when they are of another shape. */
enum conclave_code view_write_nodes(struct buffer *buffer, const struct view_cluster *cluster)
    MUST_USE;

#endif
