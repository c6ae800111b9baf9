/* The api's outer functions: what the host calls. */
#include "api/api.h"

#include "api/access.h"
#include "api/answer.h"
#include "api/flood.h"
#include "api/pending.h"
#include "api/request.h"
#include "api/session.h"
#include "api/watch.h"
#include "base/memory.h"

static const struct api_replica_operations replica_operations = {
    .status = replica_status,
    .submit = replica_submit,
    .read = replica_read,
    .query = replica_query,
    .await_receipt = replica_await_receipt,
    .author = replica_author,
    .reply = replica_reply,
    .reads_public = replica_reads_public,
};

enum conclave_code api_open(const struct api_config *config, struct api **api)
{
    ASSERT(config != NULL && api != NULL);
    ASSERT(config->clock != NULL && config->host != NULL && config->version != NULL);
    struct api *opened = memory_allocate_zeroed(1, sizeof *opened);
    if (opened == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    opened->replica = config->replica;
    opened->operations = config->operations != NULL ? config->operations : &replica_operations;
    opened->clock = config->clock;
    opened->host = config->host;
    opened->version = config->version;
    opened->data_dir = config->data_dir != NULL ? config->data_dir : "its data";
    api_metrics_init(&opened->metrics);
    opened->access_generation = 1; /* nothing is known yet */
    opened->opened_at_ms = clock_monotonic_ms(config->clock);
    buffer_init(&opened->answer, LIMIT_ANSWER_BYTES);
    buffer_init(&opened->events, LIMIT_CONNECTION_OUTPUT_BYTES);
    buffer_init(&opened->refusal, ANSWER_REFUSAL_BYTES);
    if (buffer_reserve(&opened->refusal, ANSWER_REFUSAL_BYTES) == NULL ||
        flood_open(opened, &config->limits) != CONCLAVE_OK) {
        buffer_close(&opened->refusal);
        memory_free(opened);
        return CONCLAVE_NO_MEMORY;
    }
    *api = opened;
    return CONCLAVE_OK;
}

void api_close(struct api *api)
{
    if (api == NULL) {
        return;
    }
    while (request_next_ready(api) != NULL) {
        /* off the queue; the table still has it */
    }
    for (size_t i = 0; i < STATE_CONNECTION_BUCKETS; i++) {
        while (api->connections[i] != NULL) {
            session_close(api, api->connections[i]);
        }
    }
    for (size_t i = 0; i < STATE_REQUEST_BUCKETS; i++) {
        while (api->requests[i] != NULL) {
            request_close(api->requests[i]);
        }
    }
    ASSERT(api->connection_count == 0 && api_requests_under_way(api) == 0);
    buffer_close(&api->refusal);
    buffer_close(&api->events);
    buffer_close(&api->answer);
    flood_close(api);
    memory_free(api);
}

enum conclave_code api_connection_opened(struct api *api, uint64_t connection_id)
{
    return session_open(api, connection_id);
}

void api_connection_received(struct api *api, uint64_t connection_id, struct slice bytes)
{
    struct api_connection *connection = session_find(api, connection_id);
    ASSERT(connection != NULL);
    session_receive(api, connection, bytes);
}

void api_connection_closed(struct api *api, uint64_t connection_id)
{
    struct api_connection *connection = session_find(api, connection_id);
    ASSERT(connection != NULL);
    session_close(api, connection);
}

void api_verified(struct api *api, struct api_verification *verification)
{
    ASSERT(api != NULL && verification != NULL);
    struct api_request *request =
        (struct api_request *)((char *)verification - offsetof(struct api_request, verification));
    ASSERT(request->api == api && request->stage == REQUEST_VERIFY);
    request_ready(request, CONCLAVE_OK);
}

void api_decided(struct api *api, uint64_t token, enum conclave_code code, struct slice reply)
{
    struct api_request *request = request_find(api, token);
    ASSERT(request != NULL && request->stage == REQUEST_DECIDE);
    ASSERT(code != CONCLAVE_OK || reply.size > 0);
    if (code == CONCLAVE_OK && request->connection != NULL) {
        request->reply = memory_allocate(reply.size);
        if (request->reply != NULL) {
            memcpy(request->reply, reply.data, reply.size);
            request->reply_size = reply.size;
        } else {
            request->reply_lost = true;
        }
    }
    request_ready(request, code);
}

void api_readable(struct api *api, uint64_t token, enum conclave_code code)
{
    struct api_request *request = request_find(api, token);
    ASSERT(request != NULL);
    ASSERT(request->stage == REQUEST_AUTHOR || request->stage == REQUEST_READ ||
           request->stage == REQUEST_FINAL);
    request_ready(request, code);
}

void api_event(struct api *api, struct slice event)
{
    access_event(api, event);
    watch_event(api, event);
}

void api_run(struct api *api)
{
    ASSERT(api != NULL);
    flood_end_turn(api); /* that of what came in; another one begins */
    flood_sweep(api);
    flood_release(api);
    /* Ends: a request comes back at most once a stage, and new ones come only from connections,
     * whose input is bounded. */
    bool both = true;
    while (both && !flood_turn_is_over(api)) {
        struct api_request *request = request_next_ready(api);
        struct api_connection *connection = flood_next(api);
        if (request != NULL) {
            request_resume(request);
        }
        if (connection != NULL) {
            session_go_on(api, connection);
        }
        both = request != NULL || connection != NULL;
    }
    flood_end_work(api);
    watch_flush(api);
}

void api_stop(struct api *api)
{
    ASSERT(api != NULL);
    api->stopping = true;
}

const struct api_metrics *api_metrics(const struct api *api)
{
    ASSERT(api != NULL);
    return &api->metrics;
}

uint64_t api_connection_count(const struct api *api)
{
    ASSERT(api != NULL);
    return api->connection_count;
}

uint64_t api_commands_under_way(const struct api *api)
{
    ASSERT(api != NULL);
    return api->commands_under_way;
}

uint64_t api_requests_under_way(const struct api *api)
{
    ASSERT(api != NULL);
    return api->commands_under_way + api->reads_under_way;
}

uint64_t api_time_left_ms(const struct api_request *request)
{
    ASSERT(request != NULL);
    uint64_t now_ms = clock_monotonic_ms(request->api->clock);
    return request->deadline_ms > now_ms ? request->deadline_ms - now_ms : 0;
}
