/* Patience: connections that are of no use to anybody go. See flood.h. */
#include "api/answer.h"
#include "api/flood.h"
#include "api/rpc_message.h"
#include "api/session.h"
#include "base/logger.h"

#define SWEEP_MS          1000u
#define INPUT_USUAL_BYTES 65536u
/* More may be open than LIMIT_CONNECTIONS while those that made room are closing. */
#define CLOSING_MOST        48u
#define LOOKED_AT_FOR_SPACE 64u

static void unlink_idle(struct api *api, struct api_connection *connection)
{
    if (connection->idle_previous != NULL) {
        connection->idle_previous->idle_next = connection->idle_next;
    } else {
        api->idle_first = connection->idle_next;
    }
    if (connection->idle_next != NULL) {
        connection->idle_next->idle_previous = connection->idle_previous;
    } else {
        api->idle_last = connection->idle_previous;
    }
    connection->idle_next = connection->idle_previous = NULL;
}

static void link_idle(struct api *api, struct api_connection *connection)
{
    connection->idle_previous = api->idle_last;
    if (api->idle_last != NULL) {
        api->idle_last->idle_next = connection;
    } else {
        api->idle_first = connection;
    }
    api->idle_last = connection;
}

/* Nothing is under way on it, and nobody has said that he wants to hear more. */
static bool is_idle(const struct api_connection *connection)
{
    return connection->under_way == 0 && !connection->watching && connection->hold == HOLD_NONE;
}

static void end(struct api *api, struct api_connection *connection, const char *why)
{
    LOG_DEBUG("a client's connection is closed", FIELD_U64("connection", connection->id),
              FIELD_TEXT("why", why));
    session_end(api, connection);
}

/* Closes the one that was idle longest. */
static bool make_room(struct api *api, uint64_t now_ms)
{
    struct api_connection *at = api->idle_first;
    for (unsigned i = 0; at != NULL && i < LOOKED_AT_FOR_SPACE; i++) {
        if (now_ms - at->active_ms < LIMIT_IDLE_LEAST_MS) {
            return false; /* and those that follow */
        }
        if (is_idle(at)) {
            end(api, at, "it made room for another");
            return true;
        }
        at = at->idle_next;
    }
    return false;
}

/* Closes the oldest of those that never asked anything. */
static void make_room_of_silent(struct api *api)
{
    for (struct api_connection *at = api->idle_first; at != NULL; at = at->idle_next) {
        if (!at->asked) {
            end(api, at, "too many say nothing");
            return;
        }
    }
}

enum conclave_code flood_enter(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    uint64_t now_ms = clock_monotonic_ms(api->clock);
    ASSERT(api->connection_count >= api->closing_count);
    if (api->connection_count - api->closing_count >= LIMIT_CONNECTIONS &&
        (api->closing_count >= CLOSING_MOST || api->limits.idle_ms == 0 ||
         !make_room(api, now_ms))) {
        return CONCLAVE_BUSY;
    }
    if (api->limits.silent_ms > 0 && api->silent_count >= LIMIT_SILENT) {
        make_room_of_silent(api);
    }
    connection->active_ms = now_ms;
    link_idle(api, connection);
    api->silent_count++;
    return CONCLAVE_OK;
}

void flood_leave(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    unlink_idle(api, connection);
    if (!connection->asked) {
        ASSERT(api->silent_count > 0);
        api->silent_count--;
    }
}

void flood_heard(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL && !connection->closing);
    if (!connection->asked) {
        connection->asked = true;
        api->silent_count--;
    }
    connection->active_ms = clock_monotonic_ms(api->clock);
    if (api->idle_last != connection) {
        unlink_idle(api, connection);
        link_idle(api, connection);
    }
}

bool flood_count_input(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    size_t capacity = connection->input.capacity;
    size_t counted = capacity > INPUT_USUAL_BYTES ? capacity : 0;
    ASSERT(api->input_bytes >= connection->input_counted);
    api->input_bytes = api->input_bytes - connection->input_counted + counted;
    connection->input_counted = counted;
    return counted == 0 || api->input_bytes <= LIMIT_INPUT_BYTES;
}

static void end_slow(struct api *api, struct api_connection *connection)
{
    uint32_t message_id;
    if (rpc_message_peek_id(buffer_slice(&connection->input), &message_id)) {
        struct answer_error error;
        answer_error_set(&error, CONCLAVE_BAD_REQUEST,
                         "the message did not come whole within %u ms: the connection is closed",
                         (unsigned)api->limits.message_ms);
        answer_error_add_u64(&error, "limit", api->limits.message_ms);
        answer_refusal(api, connection, message_id, &error);
    }
    end(api, connection, "a message did not end");
}

static void judge(struct api *api, struct api_connection *connection, uint64_t now_ms)
{
    const struct api_limits *limits = &api->limits;
    uint64_t idle_ms = now_ms - connection->active_ms;
    if (limits->message_ms > 0 && connection->input.size > 0 && connection->hold == HOLD_NONE &&
        now_ms - connection->message_ms >= limits->message_ms) {
        end_slow(api, connection);
    } else if (limits->silent_ms > 0 && !connection->asked && connection->input.size == 0 &&
               connection->hold == HOLD_NONE && idle_ms >= limits->silent_ms) {
        end(api, connection, "it said nothing");
    } else if (limits->idle_ms > 0 && is_idle(connection) && idle_ms >= limits->idle_ms) {
        end(api, connection, "it was idle");
    }
}

void flood_sweep(struct api *api)
{
    ASSERT(api != NULL);
    uint64_t now_ms = clock_monotonic_ms(api->clock);
    if (now_ms - api->swept_ms < SWEEP_MS) {
        return;
    }
    api->swept_ms = now_ms;
    struct api_connection *at = api->idle_first;
    while (at != NULL) {
        struct api_connection *next = at->idle_next;
        judge(api, at, now_ms);
        at = next;
    }
}
