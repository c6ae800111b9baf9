/* The cluster as this node sees it, for answers that the api makes itself. */
#include "api/view.h"

#include <inttypes.h>

#include "codec/writer.h"

#define VIEW_HEX_BYTES (2u * AUTH_CLUSTER_ID_BYTES + 1u)

const uint8_t *view_cluster_id(struct api *api)
{
    ASSERT(api != NULL);
    static const uint8_t unknown[AUTH_CLUSTER_ID_BYTES];
    if (memcmp(api->cluster_id, unknown, sizeof unknown) == 0) {
        struct replica_status status;
        api->operations->status(api->replica, &status);
        memcpy(api->cluster_id, status.cluster_id, sizeof api->cluster_id);
    }
    return api->cluster_id;
}

const char *view_refusal(const struct api *api)
{
    ASSERT(api != NULL);
    struct api_security security = {.refusal = ""};
    if (api->host->security != NULL) {
        api->host->security(api->host->context, &security);
    }
    return security.refusal;
}

static void hex_of(const uint8_t *bytes, char hex[VIEW_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < AUTH_CLUSTER_ID_BYTES; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 0x0f];
    }
    hex[VIEW_HEX_BYTES - 1] = '\0';
}

void view_wrong_cluster(struct api *api, struct answer_error *error, const char *subject,
                        struct slice cluster)
{
    ASSERT(subject != NULL);
    ASSERT(cluster.size == AUTH_CLUSTER_ID_BYTES);
    const uint8_t *own = view_cluster_id(api);
    char named[VIEW_HEX_BYTES], served[VIEW_HEX_BYTES];
    hex_of(cluster.data, named);
    hex_of(own, served);
    answer_error_set(error, CONCLAVE_WRONG_CLUSTER, "%s cluster %s, but this node serves %s",
                     subject, named, served);
    answer_error_add_bytes(error, "cluster", slice_of(own, AUTH_CLUSTER_ID_BYTES));
}

void view_disk_full(struct api *api, struct answer_error *error, const char *what)
{
    ASSERT(what != NULL);
    struct replica_status status;
    api->operations->status(api->replica, &status);
    if (status.disk_full) {
        answer_error_set(error, CONCLAVE_DISK_FULL,
                         "the disk with %s of node %" PRIu64 " is full: %s. Make room on that "
                         "disk: the node goes on by itself; then send it again",
                         api->data_dir, status.node_id, what);
    } else {
        answer_error_set(error, CONCLAVE_DISK_FULL,
                         "the disk of node %" PRIu64 ", which leads, is full (its log says "
                         "which): %s. Make room there: the node goes on by itself; then send it "
                         "again",
                         status.leader_id, what);
    }
    answer_error_add_u64(error, "node", status.disk_full ? status.node_id : status.leader_id);
}

static enum conclave_code decode_cluster(struct view_cluster *cluster)
{
    static const struct codec_field fields[] = {
        {"name", CODEC_STRING, true, offsetof(struct view_cluster, name), 0, 0},
        {"nodes", CODEC_ARRAY, true, offsetof(struct view_cluster, nodes), 0, 0},
    };
    enum conclave_code rv = codec_parse(&cluster->tree, buffer_slice(&cluster->answer));
    if (rv != CONCLAVE_OK) {
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_INTERNAL;
    }
    struct codec_error error;
    rv = codec_decode_map(&cluster->tree.root, fields, 2, false, cluster, &error);
    return rv == CONCLAVE_OK ? rv : CONCLAVE_INTERNAL;
}

enum conclave_code view_cluster_open(struct api *api, struct view_cluster *cluster)
{
    ASSERT(api != NULL && cluster != NULL);
    *cluster = (struct view_cluster){.name = slice_of_text("")};
    buffer_init(&cluster->answer, LIMIT_ANSWER_BYTES);
    const msgpack_object no_params = {.type = MSGPACK_OBJECT_MAP};
    struct codec_error error;
    enum conclave_code rv = api->operations->query(api->replica, slice_of_text("cluster.get"),
                                                   &no_params, &cluster->answer, &error);
    if (rv == CONCLAVE_NOT_FOUND) { /* no genesis here yet */
        buffer_clear(&cluster->answer);
        return CONCLAVE_OK;
    }
    if (rv == CONCLAVE_OK) {
        rv = cluster->answer.status;
    }
    if (rv == CONCLAVE_OK) {
        rv = decode_cluster(cluster);
    }
    if (rv != CONCLAVE_OK) {
        view_cluster_close(cluster);
    }
    return rv;
}

void view_cluster_close(struct view_cluster *cluster)
{
    ASSERT(cluster != NULL);
    codec_tree_close(&cluster->tree);
    buffer_close(&cluster->answer);
}

enum conclave_code view_write_nodes(struct buffer *buffer, const struct view_cluster *cluster)
{
    ASSERT(buffer != NULL && cluster != NULL);
    if (cluster->nodes == NULL) {
        codec_write_array(buffer, 0);
        return CONCLAVE_OK;
    }
    const msgpack_object *nodes, *parts;
    uint32_t count, part_count;
    if (codec_get_array(cluster->nodes, 0, LIMIT_NODES, &nodes, &count) != CONCLAVE_OK) {
        return CONCLAVE_INTERNAL;
    }
    codec_write_array(buffer, count);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t id;
        struct slice peer, client;
        if (codec_get_array(&nodes[i], 3, 4, &parts, &part_count) != CONCLAVE_OK ||
            codec_get_u64(&parts[0], &id) != CONCLAVE_OK ||
            codec_get_string(&parts[1], &peer) != CONCLAVE_OK ||
            codec_get_string(&parts[2], &client) != CONCLAVE_OK) {
            return CONCLAVE_INTERNAL;
        }
        codec_write_array(buffer, 3);
        codec_write_u64(buffer, id);
        codec_write_string(buffer, peer);
        codec_write_string(buffer, client);
    }
    return CONCLAVE_OK;
}
