/* See prove.h. */
#include "api/prove.h"

#include "api/access.h"
#include "api/answer.h"
#include "api/author.h"
#include "api/request.h"
#include "api/view.h"
#include "auth/statement.h"
#include "base/memory.h"
#include "codec/writer.h"

#define STATEMENT_BYTES_MAX 256u

struct prove_params {
    struct slice member;
    struct slice signature;
};

static const struct codec_field prove_fields[] = {
    {"member", CODEC_STRING, true, offsetof(struct prove_params, member), 1, LIMIT_ID_BYTES},
    {"signature", CODEC_BYTES, true, offsetof(struct prove_params, signature), AUTH_SIGNATURE_BYTES,
     AUTH_SIGNATURE_BYTES},
};

/* What must have been signed on this connection; the request keeps it. */
static enum conclave_code write_statement(struct api_request *request)
{
    struct api *api = request->api;
    struct api_connection *connection = request->connection;
    uint8_t binding[STATEMENT_BINDING_BYTES];
    bool bound = api->host->channel_binding != NULL &&
                 api->host->channel_binding(api->host->context, connection->id, binding);
    struct replica_status status;
    api->operations->status(api->replica, &status);
    struct buffer text;
    buffer_init(&text, STATEMENT_BYTES_MAX);
    statement_session(&text, view_cluster_id(api), status.node_id, connection->challenge,
                      slice_of(binding, bound ? sizeof binding : 0), request->author);
    if (text.status != CONCLAVE_OK) {
        buffer_close(&text);
        return text.status;
    }
    request->statement = text.data;
    request->envelope = buffer_slice(&text);
    return CONCLAVE_OK;
}

void prove_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_NEW);
    struct prove_params params = {0};
    struct codec_error error;
    if (codec_decode_map(request->params, prove_fields, 2, false, &params, &error) != CONCLAVE_OK) {
        answer_refuse_code(request, CONCLAVE_BAD_REQUEST, error.text);
        return;
    }
    if (!request_decode_wait(request, NULL)) {
        return;
    }
    struct api_connection *connection = request->connection;
    if (!connection->challenged) {
        answer_refuse_code(request, CONCLAVE_BAD_REQUEST,
                           "there is no challenge to sign: ask `hello` on this connection first");
        return;
    }
    request->author = params.member;
    request->signature = params.signature;
    enum conclave_code rv = write_statement(request);
    connection->challenged = false; /* a challenge is good for one answer */
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, "");
        return;
    }
    author_check(request);
}

static void refuse_status(struct api_request *request)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_NOT_ACTIVE, "member \"%.*s\" is suspended",
                     (int)request->author.size, (const char *)request->author.data);
    answer_error_add_text(&error, "author", request->author);
    answer_refuse(request, &error);
}

void prove_checked(struct api_request *request, enum author_key key)
{
    ASSERT(request != NULL && request->connection != NULL);
    if (key == AUTHOR_KEY_NONE) {
        author_refuse_signature(request);
        return;
    }
    if (key == AUTHOR_KEY_OLD) {
        author_refuse_old_key(request);
        return;
    }
    if ((request->keys.roles & ROLES_OF_SESSIONS) == 0) {
        refuse_status(request);
        return;
    }
    access_grant(request->api, request->connection, request->author, &request->keys);
    struct buffer *answer = answer_start(request);
    codec_write_map(answer, 2);
    codec_write_text(answer, "member");
    codec_write_string(answer, request->author);
    codec_write_text(answer, "chair");
    codec_write_bool(answer, (request->keys.roles & ROLE_SET(ROLE_CHAIR)) != 0);
    answer_finish(request);
}

void prove_failed(struct api_request *request, enum conclave_code code)
{
    ASSERT(code != CONCLAVE_OK);
    answer_refuse_code(request, code, "");
}
