/* The table of methods, and what is common to them. */
#include "api/request.h"

#include "api/access.h"
#include "api/answer.h"
#include "api/author.h"
#include "api/flood.h"
#include "api/hello.h"
#include "api/rpc_message.h"
#include "api/pending.h"
#include "api/prove.h"
#include "api/query.h"
#include "api/session.h"
#include "api/status.h"
#include "api/submit.h"
#include "api/view.h"
#include "api/watch.h"

/* docs/PROTOCOL.md, "Methods". */
#define QUERY(name_)                                                  \
    {                                                                 \
        .name = (name_), .handle = query_handle, .linearizable = true \
    }
static const struct api_method methods[] = {
    {.name = "hello", .handle = hello_handle},
    {.name = "submit", .handle = submit_handle, .checked = submit_checked, .failed = submit_failed},
    {.name = "prove", .handle = prove_handle, .checked = prove_checked, .failed = prove_failed},
    {.name = "status", .handle = status_handle},
    {.name = "watch", .handle = watch_handle},
    QUERY("request"),
    QUERY("cluster.get"),
    QUERY("member.get"),
    QUERY("member.list"),
    QUERY("node.list"),
    QUERY("policy.get"),
    QUERY("policy.list"),
    QUERY("proposal.get"),
    QUERY("proposal.list"),
    QUERY("poll.get"),
    QUERY("poll.list"),
    QUERY("poll.roll"),
    QUERY("tally"),
    QUERY("decision.get"),
    QUERY("decision.list"),
    QUERY("ballot.get"),
    QUERY("ballot.list"),
    QUERY("log.read"),
    {.name = "record.checkpoint", .handle = query_handle},
    QUERY("record.proof"),
    QUERY("record.leaves"),
    QUERY("record.receipt"),
};

const struct api_method *request_method(struct slice name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (slice_is_text(name, methods[i].name)) {
            return &methods[i];
        }
    }
    return NULL;
}

/* Names from outside are shown only when they are short and plain. */
static bool is_plain(struct slice name)
{
    if (name.size == 0 || name.size > LIMIT_ID_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] <= ' ' || name.data[i] > '~') {
            return false;
        }
    }
    return true;
}

static void refuse_method(struct api_request *request, struct slice name)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_UNKNOWN_METHOD,
                     "there is no method \"%.*s\" here: see \"Methods\" in docs/PROTOCOL.md",
                     is_plain(name) ? (int)name.size : 3,
                     is_plain(name) ? (const char *)name.data : "...");
    if (is_plain(name)) {
        answer_error_add_text(&error, "method", name);
    }
    answer_refuse(request, &error);
}

/* This one is counted with those that are under way. False: it is one too many, and answered. */
static bool check_queue(struct api_request *request)
{
    struct answer_error error;
    const struct api_connection *connection = request->connection;
    if (connection->under_way > LIMIT_CONNECTION_QUEUE) {
        answer_error_set(&error, CONCLAVE_BUSY,
                         "%u requests are under way on this connection already: wait for answers",
                         LIMIT_CONNECTION_QUEUE);
        answer_error_add_u64(&error, "limit", LIMIT_CONNECTION_QUEUE);
    } else if (connection->queue_bytes > LIMIT_CONNECTION_QUEUE_BYTES) {
        answer_error_set(&error, CONCLAVE_BUSY,
                         "requests of %u bytes are under way on this connection already: wait for "
                         "answers",
                         LIMIT_CONNECTION_QUEUE_BYTES);
        answer_error_add_u64(&error, "limit", LIMIT_CONNECTION_QUEUE_BYTES);
    } else {
        return true;
    }
    answer_refuse(request, &error);
    return false;
}

/* A message of another shape: the peer speaks another protocol, so nothing more of it is read. */
static void refuse_shape(struct api_request *request, const struct codec_error *error)
{
    struct api *api = request->api;
    struct api_connection *connection = request->connection;
    struct slice message = slice_of(request->message, request->message_size);
    struct answer_error refusal;
    answer_error_set(&refusal, CONCLAVE_BAD_REQUEST, "%s: the connection is closed", error->text);
    uint32_t message_id;
    if (rpc_message_peek_id(message, &message_id)) {
        answer_refusal(api, connection, message_id, &refusal);
    }
    request_close(request);
    session_end(api, connection);
}

bool request_check_part(struct api_request *request)
{
    const char *refusal = view_refusal(request->api);
    if (refusal[0] == '\0') {
        return true;
    }
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_NO_LEADER,
                     "this node takes no part in the cluster (%s): ask another one", refusal);
    answer_refuse(request, &error);
    return false;
}

void request_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->connection != NULL);
    struct api *api = request->api;
    struct rpc_message message;
    struct codec_error error;
    if (rpc_message_decode(&request->tree.root, &message, &error) != CONCLAVE_OK) {
        refuse_shape(request, &error);
        return;
    }
    request->message_id = message.message_id;
    if (!flood_admit(request) || !check_queue(request)) {
        return;
    }
    if (api->stopping) {
        answer_refuse_code(request, CONCLAVE_SHUTTING_DOWN,
                           "the node is stopping: send the request to another node");
        return;
    }
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(message.params, 1, 1, &items, &count) != CONCLAVE_OK ||
        items[0].type != MSGPACK_OBJECT_MAP) {
        answer_refuse_code(request, CONCLAVE_BAD_REQUEST,
                           "params must be an array with exactly one map (it may be empty)");
        return;
    }
    request->params = &items[0];
    request->method = request_method(message.method);
    if (request->method == NULL) {
        refuse_method(request, message.method);
        return;
    }
    if (access_check(request)) {
        request->method->handle(request);
    }
}

/* What it waited for has come. */
static void count_stage(struct api_request *request)
{
    static const enum api_stage stages[REQUEST_STAGES] = {[REQUEST_AUTHOR] = API_STAGE_AUTHOR,
                                                          [REQUEST_VERIFY] = API_STAGE_VERIFY,
                                                          [REQUEST_DECIDE] = API_STAGE_DECIDE,
                                                          [REQUEST_READ] = API_STAGE_READ};
    struct api *api = request->api;
    if (request->stage == REQUEST_FINAL) {
        return; /* it waits for others, a second at most */
    }
    metric_observe(&api->metrics.stage_us[stages[request->stage]],
                   clock_monotonic_us(api->clock) - request->stage_us);
}

void request_resume(struct api_request *request)
{
    ASSERT(request != NULL);
    count_stage(request);
    if (request->connection == NULL) {
        request_close(request); /* nobody is there to be told */
        return;
    }
    switch (request->stage) {
    case REQUEST_AUTHOR:
        author_readable(request);
        return;
    case REQUEST_VERIFY:
        author_verified(request);
        return;
    case REQUEST_DECIDE:
        submit_decided(request);
        return;
    case REQUEST_READ:
        query_readable(request);
        return;
    case REQUEST_FINAL:
        query_final(request);
        return;
    case REQUEST_NEW:
    case REQUEST_STAGES:
        break;
    }
    UNREACHABLE("stage of a request that waited");
}

bool request_decode_wait(struct api_request *request, bool *stale)
{
    ASSERT(request != NULL && request->params != NULL);
    struct wait_params {
        uint64_t timeout_ms;
        bool stale;
    } params = {.timeout_ms = STATE_TIMEOUT_DEFAULT_MS};
    static const struct codec_field fields[] = {
        {"timeout_ms", CODEC_U64, false, offsetof(struct wait_params, timeout_ms), 1,
         LIMIT_REQUEST_TIMEOUT_MS},
        {"stale", CODEC_BOOL, false, offsetof(struct wait_params, stale), 0, 0},
    };
    struct codec_error error;
    /* `stale` comes last: methods without it do not look at it */
    size_t field_count = stale != NULL ? 2 : 1;
    if (codec_decode_map(request->params, fields, field_count, false, &params, &error) !=
        CONCLAVE_OK) {
        answer_refuse_code(request, CONCLAVE_BAD_REQUEST, error.text);
        return false;
    }
    request->timeout_ms = params.timeout_ms;
    request->deadline_ms = clock_monotonic_ms(request->api->clock) + params.timeout_ms;
    if (stale != NULL) {
        *stale = params.stale;
    }
    return true;
}
