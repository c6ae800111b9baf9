/* Queries. */
#include "api/query.h"

#include <inttypes.h>

#include "api/answer.h"
#include "api/pending.h"
#include "api/request.h"

static void answer_now(struct api_request *request)
{
    struct api *api = request->api;
    struct codec_error error = {.text = ""};
    struct buffer *answer = answer_start(request);
    enum conclave_code rv = api->operations->query(
        api->replica, slice_of_text(request->method->name), request->params, answer, &error);
    if (rv == CONCLAVE_OK || answer->status != CONCLAVE_OK) {
        answer_finish(request);
    } else {
        answer_refuse_code(request, rv, error.text);
    }
}

static void refuse_unread(struct api_request *request, enum conclave_code code)
{
    ASSERT(code != CONCLAVE_OK);
    struct answer_error error;
    if (code == CONCLAVE_UNKNOWN_OUTCOME || code == CONCLAVE_NO_LEADER) {
        /* A read that timed out had no effect, so nothing about it is unknown. */
        answer_error_set(&error, CONCLAVE_NO_LEADER,
                         "no leader confirmed the read within %" PRIu64
                         " ms: the cluster may have no quorum; `stale: true` reads what this node "
                         "has",
                         request->timeout_ms);
        answer_error_add_u64(&error, "timeout_ms", request->timeout_ms);
    } else {
        answer_error_set(&error, code, "%s", conclave_code_text(code));
    }
    answer_refuse(request, &error);
}

void query_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_NEW);
    struct api *api = request->api;
    bool stale;
    if (!request_decode_wait(request, &stale)) {
        return;
    }
    if (stale || !request->method->linearizable) {
        answer_now(request);
        return;
    }
    enum conclave_code rv = request_wait(request, REQUEST_READ);
    if (rv == CONCLAVE_OK) {
        rv = api->operations->read(api->replica, request->token, request->timeout_ms);
    }
    if (rv != CONCLAVE_OK) {
        refuse_unread(request, rv);
    }
}

void query_readable(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_READ);
    if (request->outcome != CONCLAVE_OK) {
        refuse_unread(request, request->outcome);
        return;
    }
    answer_now(request);
}
