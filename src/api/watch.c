/* Events are packed once, into one buffer, and sent to all watchers in one piece. */
#include "api/watch.h"

#include "api/access.h"
#include "api/answer.h"
#include "api/session.h"
#include "base/logger.h"
#include "codec/writer.h"

#define WATCH_TYPE_NOTIFICATION 2u

static void watch_join(struct api *api, struct api_connection *connection)
{
    ASSERT(!connection->watching && !connection->closing);
    connection->watching = true;
    connection->watch_previous = NULL;
    connection->watch_next = api->watchers;
    if (api->watchers != NULL) {
        api->watchers->watch_previous = connection;
    }
    api->watchers = connection;
    api->watcher_count++;
}

void watch_leave(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    if (!connection->watching) {
        return;
    }
    if (connection->watch_previous != NULL) {
        connection->watch_previous->watch_next = connection->watch_next;
    } else {
        ASSERT(api->watchers == connection);
        api->watchers = connection->watch_next;
    }
    if (connection->watch_next != NULL) {
        connection->watch_next->watch_previous = connection->watch_previous;
    }
    connection->watching = false;
    ASSERT(api->watcher_count > 0);
    api->watcher_count--;
}

void watch_handle(struct api_request *request)
{
    ASSERT(request != NULL && request->connection != NULL);
    struct api *api = request->api;
    struct api_connection *connection = request->connection;
    if (!connection->watching && api->watcher_count >= LIMIT_WATCHERS) {
        struct answer_error error;
        answer_error_set(&error, CONCLAVE_BUSY,
                         "%u connections watch this node already: watch another node",
                         LIMIT_WATCHERS);
        answer_error_add_u64(&error, "limit", LIMIT_WATCHERS);
        answer_refuse(request, &error);
        return;
    }
    /* Events that happened before are for those who watched before. */
    watch_flush(api);
    struct replica_status status;
    api->operations->status(api->replica, &status);
    struct buffer *answer = answer_start(request);
    codec_write_map(answer, 1);
    codec_write_text(answer, "index");
    codec_write_u64(answer, status.applied_index);
    if (answer->status == CONCLAVE_OK && !connection->closing && !connection->watching) {
        watch_join(api, connection);
    }
    answer_finish(request);
}

void watch_event(struct api *api, struct slice event)
{
    ASSERT(api != NULL && event.size > 0);
    if (api->watcher_count == 0 || api->events_lost) {
        return;
    }
    struct buffer *events = &api->events;
    codec_write_array(events, 3);
    codec_write_u64(events, WATCH_TYPE_NOTIFICATION);
    codec_write_text(events, "event");
    codec_write_array(events, 1);
    codec_write_raw(events, event);
    api->events_lost = events->status != CONCLAVE_OK;
}

static void cut_off_watchers(struct api *api)
{
    LOG_WARN("events lost: watchers are disconnected", FIELD_U64("watchers", api->watcher_count));
    while (api->watchers != NULL) {
        session_end(api, api->watchers); /* which takes it off the list */
    }
}

void watch_flush(struct api *api)
{
    ASSERT(api != NULL);
    access_check_watchers(api);
    if (api->events_lost) {
        cut_off_watchers(api);
    } else if (api->events.size > 0) {
        for (struct api_connection *watcher = api->watchers; watcher != NULL;
             watcher = watcher->watch_next) {
            api->host->send(api->host->context, watcher->id, buffer_slice(&api->events));
        }
    }
    api->events_lost = false;
    buffer_clear(&api->events);
}
