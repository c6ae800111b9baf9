/* Queries. */
#include "api/query.h"

#include <inttypes.h>

#include "api/access.h"
#include "api/answer.h"
#include "api/flood.h"
#include "api/pending.h"
#include "api/request.h"
#include "api/view.h"

/* A receipt waits, in the time that is left, until a final checkpoint covers it. */
static void await_final(struct api_request *request)
{
    struct api *api = request->api;
    struct codec_error error = {.text = ""};
    uint64_t now_ms = clock_monotonic_ms(api->clock);
    uint64_t left_ms = request->deadline_ms > now_ms ? request->deadline_ms - now_ms : 0;
    enum conclave_code rv = request_wait(request, REQUEST_FINAL);
    if (rv == CONCLAVE_OK) {
        rv = api->operations->await_receipt(api->replica, request->params, request->token, left_ms,
                                            &error);
    }
    if (rv != CONCLAVE_OK) {
        answer_refuse_code(request, rv, error.text);
    }
}

static void answer_now(struct api_request *request)
{
    struct api *api = request->api;
    struct codec_error error = {.text = ""};
    uint64_t since_us = clock_monotonic_us(api->clock);
    struct buffer *answer = answer_start(request);
    enum conclave_code rv = api->operations->query(
        api->replica, slice_of_text(request->method->name), request->params, answer, &error);
    flood_charge_answer(request, answer->size, since_us);
    if (rv == CONCLAVE_OK || answer->status != CONCLAVE_OK) {
        answer_finish(request);
    } else if (rv == CONCLAVE_NOT_FINAL && request->stage != REQUEST_FINAL) {
        await_final(request);
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
    } else if (code == CONCLAVE_DISK_FULL) {
        view_disk_full(request->api, &error,
                       "what is committed cannot be applied (`stale: true` reads what there is)");
    } else {
        answer_error_set(&error, code, "%s", conclave_code_text(code));
    }
    answer_refuse(request, &error);
}

static void refuse_large(struct api_request *request)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_TOO_LARGE, "a request to read has at most %u bytes",
                     LIMIT_QUERY_BYTES);
    answer_error_add_u64(&error, "limit", LIMIT_QUERY_BYTES);
    answer_refuse(request, &error);
}

void query_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_NEW);
    struct api *api = request->api;
    bool stale;
    if (request->message_size > LIMIT_QUERY_BYTES) {
        refuse_large(request);
        return;
    }
    if (!request_decode_wait(request, &stale)) {
        return;
    }
    if (stale || !request->method->linearizable) {
        answer_now(request);
        return;
    }
    if (!request_check_part(request)) {
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
    /* Once more, with all that was acknowledged before the request. */
    if (access_check(request)) {
        answer_now(request);
    }
}

void query_final(struct api_request *request)
{
    ASSERT(request != NULL && request->stage == REQUEST_FINAL);
    if (request->outcome == CONCLAVE_OK || request->outcome == CONCLAVE_NOT_FINAL) {
        answer_now(request); /* which says what is missing, if it is */
    } else {
        answer_refuse_code(request, request->outcome, "");
    }
}
