/* The table of requests under way, their stages, and the queue of those that something came back
 * for. */
#include "api/pending.h"

#include "base/memory.h"

/* From each stage, the stages that may follow. An answer ends a request from any of them. */
static const bool stage_follows[REQUEST_STAGES][REQUEST_STAGES] = {
    [REQUEST_NEW] = {[REQUEST_AUTHOR] = true,
                     [REQUEST_VERIFY] = true,
                     [REQUEST_READ] = true,
                     [REQUEST_FINAL] = true},
    [REQUEST_READ] = {[REQUEST_FINAL] = true},
    [REQUEST_AUTHOR] = {[REQUEST_VERIFY] = true},
    [REQUEST_VERIFY] = {[REQUEST_AUTHOR] = true, [REQUEST_VERIFY] = true, [REQUEST_DECIDE] = true},
};

static struct api_request **bucket_of(struct api *api, uint64_t token)
{
    return &api->requests[token % STATE_REQUEST_BUCKETS];
}

enum conclave_code request_open(struct api *api, struct api_connection *connection,
                                struct slice message, struct api_request **request)
{
    ASSERT(api != NULL && connection != NULL && request != NULL);
    ASSERT(message.size > 0 && message.size <= LIMIT_FRAME_BYTES);
    struct api_request *opened = memory_allocate(sizeof *opened + message.size);
    if (opened == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *opened = (struct api_request){
        .api = api,
        .connection = connection,
        .connection_next = connection->requests,
        .opened_us = clock_monotonic_us(api->clock),
        .message_size = message.size,
    };
    memcpy(opened->message, message.data, message.size);
    enum conclave_code rv =
        codec_parse(&opened->tree, slice_of(opened->message, opened->message_size));
    if (rv != CONCLAVE_OK) {
        memory_free(opened);
        return rv;
    }
    if (connection->requests != NULL) {
        connection->requests->connection_previous = opened;
    }
    connection->requests = opened;
    connection->under_way++;
    connection->queue_bytes += message.size;
    *request = opened;
    return CONCLAVE_OK;
}

static void leave_connection(struct api_request *request)
{
    struct api_connection *connection = request->connection;
    ASSERT(connection != NULL && connection->under_way > 0);
    if (request->connection_previous != NULL) {
        request->connection_previous->connection_next = request->connection_next;
    } else {
        ASSERT(connection->requests == request);
        connection->requests = request->connection_next;
    }
    if (request->connection_next != NULL) {
        request->connection_next->connection_previous = request->connection_previous;
    }
    connection->under_way--;
    ASSERT(connection->queue_bytes >= request->message_size);
    connection->queue_bytes -= request->message_size;
    request->connection = NULL;
}

static uint64_t *count_of(struct api_request *request)
{
    return request->is_command ? &request->api->commands_under_way : &request->api->reads_under_way;
}

static void leave_table(struct api_request *request)
{
    struct api_request **link = bucket_of(request->api, request->token);
    while (*link != request) {
        ASSERT(*link != NULL);
        link = &(*link)->bucket_next;
    }
    *link = request->bucket_next;
    ASSERT(*count_of(request) > 0);
    (*count_of(request))--;
}

void request_close(struct api_request *request)
{
    ASSERT(request != NULL);
    ASSERT(request->ready_next == NULL && request->api->ready_last != request);
    if (request->connection != NULL) {
        leave_connection(request);
    }
    if (request->token != 0) {
        leave_table(request);
    }
    codec_tree_close(&request->tree);
    memory_free(request->statement);
    memory_free(request->reply);
    memory_free(request);
}

void request_detach(struct api_request *request)
{
    ASSERT(request != NULL && request->connection != NULL);
    ASSERT(request->stage != REQUEST_NEW); /* those are with the api, which is not closing then */
    leave_connection(request);
}

enum conclave_code request_wait(struct api_request *request, enum request_stage stage)
{
    ASSERT(request != NULL);
    ASSERT(stage < REQUEST_STAGES && stage_follows[request->stage][stage]);
    if (request->token == 0) {
        request->is_command = stage != REQUEST_READ && stage != REQUEST_FINAL;
        uint64_t limit = request->is_command ? LIMIT_COMMANDS_IN_FLIGHT : LIMIT_READS_IN_FLIGHT;
        if (*count_of(request) >= limit) {
            return CONCLAVE_BUSY;
        }
        (*count_of(request))++;
        request->api->token_last++;
        request->token = request->api->token_last;
        struct api_request **bucket = bucket_of(request->api, request->token);
        request->bucket_next = *bucket;
        *bucket = request;
    }
    request->stage = stage;
    request->stage_us = clock_monotonic_us(request->api->clock);
    return CONCLAVE_OK;
}

void request_ready(struct api_request *request, enum conclave_code outcome)
{
    ASSERT(request != NULL && request->token != 0);
    struct api *api = request->api;
    ASSERT(request->ready_next == NULL && api->ready_last != request);
    request->outcome = outcome;
    if (api->ready_last != NULL) {
        api->ready_last->ready_next = request;
    } else {
        api->ready_first = request;
    }
    api->ready_last = request;
}

struct api_request *request_next_ready(struct api *api)
{
    ASSERT(api != NULL);
    struct api_request *request = api->ready_first;
    if (request == NULL) {
        return NULL;
    }
    api->ready_first = request->ready_next;
    if (api->ready_first == NULL) {
        ASSERT(api->ready_last == request);
        api->ready_last = NULL;
    }
    request->ready_next = NULL;
    return request;
}

struct api_request *request_find(struct api *api, uint64_t token)
{
    ASSERT(api != NULL);
    struct api_request *request = *bucket_of(api, token);
    while (request != NULL && request->token != token) {
        request = request->bucket_next;
    }
    return request;
}
