/* `hello`: docs/PROTOCOL.md, "Methods". */
#include "api/hello.h"

#include "api/access.h"
#include "api/answer.h"
#include "api/view.h"
#include "codec/writer.h"

#define HELLO_PROTOCOL 1u

struct hello_params {
    struct slice cluster;
    struct slice client;
};

static const struct codec_field hello_fields[] = {
    {"cluster", CODEC_BYTES, false, offsetof(struct hello_params, cluster), AUTH_CLUSTER_ID_BYTES,
     AUTH_CLUSTER_ID_BYTES},
    {"client", CODEC_STRING, false, offsetof(struct hello_params, client), 0, LIMIT_NAME_BYTES},
};

void hello_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->params != NULL);
    struct api *api = request->api;
    struct hello_params params = {0};
    struct codec_error error;
    if (codec_decode_map(request->params, hello_fields, 2, false, &params, &error) != CONCLAVE_OK) {
        answer_refuse_code(request, CONCLAVE_BAD_REQUEST, error.text);
        return;
    }
    const uint8_t *own = view_cluster_id(api);
    if (params.cluster.size > 0 &&
        !slice_equal(params.cluster, slice_of(own, AUTH_CLUSTER_ID_BYTES))) {
        struct answer_error refusal;
        view_wrong_cluster(api, &refusal, "the client asks for", params.cluster);
        answer_refuse(request, &refusal);
        return;
    }
    struct view_cluster cluster;
    enum conclave_code rv = view_cluster_open(api, &cluster);
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, "");
        return;
    }
    bool reads_public = access_reads_public(api, &rv);
    if (rv != CONCLAVE_OK) {
        view_cluster_close(&cluster);
        answer_refuse_code(request, rv, "");
        return;
    }
    struct api_connection *connection = request->connection;
    api->host->random_bytes(api->host->context, connection->challenge,
                            sizeof connection->challenge);
    connection->challenged = true;
    struct replica_status status;
    api->operations->status(api->replica, &status);
    struct buffer *answer = answer_start(request);
    codec_write_map(answer, 9);
    codec_write_text(answer, "challenge");
    codec_write_bytes(answer, slice_of(connection->challenge, sizeof connection->challenge));
    codec_write_text(answer, "reads");
    codec_write_text(answer, reads_public ? "public" : "members");
    codec_write_text(answer, "cluster");
    codec_write_bytes(answer, slice_of(own, AUTH_CLUSTER_ID_BYTES));
    codec_write_text(answer, "name");
    codec_write_string(answer, cluster.name);
    codec_write_text(answer, "node");
    codec_write_u64(answer, status.node_id);
    codec_write_text(answer, "version");
    codec_write_text(answer, api->version);
    codec_write_text(answer, "protocol");
    codec_write_u64(answer, HELLO_PROTOCOL);
    codec_write_text(answer, "leader");
    /* One that the others have shut out knows of a leader only what was true before. */
    codec_write_u64(answer, view_refusal(api)[0] == '\0' ? status.leader_id : 0);
    codec_write_text(answer, "nodes");
    rv = view_write_nodes(answer, &cluster);
    view_cluster_close(&cluster);
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, "");
        return;
    }
    answer_finish(request);
}
