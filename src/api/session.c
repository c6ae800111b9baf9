/* Connections of clients.
 *
 * The happy path is: bytes -> input -> codec_scan finds a message's end -> request_handle. The
 * failure modes: bytes that are no message (answered where a msgid can be told, then closed), a
 * message that is or declares itself too large (the same, before it is all here), no memory for the
 * input (the same).
 */
#include "api/session.h"

#include <limits.h>

#include "api/answer.h"
#include "api/flood.h"
#include "api/rpc_message.h"
#include "api/pending.h"
#include "api/request.h"
#include "api/watch.h"
#include "base/logger.h"
#include "base/memory.h"

/* An empty input keeps this much memory for the next message, and gives back more. */
#define SESSION_INPUT_KEPT_BYTES (64u * 1024u)
/* While a connection is held, what its host had read already is kept. */
#define SESSION_INPUT_MOST_BYTES (LIMIT_FRAME_BYTES + 256u * 1024u)

static struct api_connection **bucket_of(struct api *api, uint64_t connection_id)
{
    return &api->connections[connection_id % STATE_CONNECTION_BUCKETS];
}

struct api_connection *session_find(struct api *api, uint64_t connection_id)
{
    ASSERT(api != NULL);
    struct api_connection *connection = *bucket_of(api, connection_id);
    while (connection != NULL && connection->id != connection_id) {
        connection = connection->bucket_next;
    }
    return connection;
}

enum conclave_code session_open(struct api *api, uint64_t connection_id)
{
    ASSERT(api != NULL);
    ASSERT(session_find(api, connection_id) == NULL);
    struct api_connection *connection = memory_allocate(sizeof *connection);
    if (connection == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    struct api_connection **bucket = bucket_of(api, connection_id);
    *connection = (struct api_connection){.id = connection_id, .bucket_next = *bucket};
    enum conclave_code rv = flood_enter(api, connection);
    if (rv != CONCLAVE_OK) {
        memory_free(connection);
        return rv;
    }
    buffer_init(&connection->input, SESSION_INPUT_MOST_BYTES);
    *bucket = connection;
    api->connection_count++;
    return CONCLAVE_OK;
}

void session_end(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    if (connection->closing) {
        return;
    }
    connection->closing = true;
    api->closing_count++;
    flood_leave(api, connection);
    watch_leave(api, connection);
    api->host->close(api->host->context, connection->id);
}

void session_close(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL);
    watch_leave(api, connection);
    while (connection->requests != NULL) {
        request_detach(connection->requests);
    }
    ASSERT(connection->under_way == 0);
    struct api_connection **link = bucket_of(api, connection->id);
    while (*link != connection) {
        ASSERT(*link != NULL);
        link = &(*link)->bucket_next;
    }
    *link = connection->bucket_next;
    ASSERT(api->connection_count > 0);
    api->connection_count--;
    if (connection->closing) {
        ASSERT(api->closing_count > 0);
        api->closing_count--;
    } else {
        flood_leave(api, connection);
    }
    buffer_close(&connection->input);
    bool fits = flood_count_input(api, connection);
    ASSERT(fits); /* it has nothing any more */
    flood_forget(api, connection);
    memory_free(connection);
}

/* Answers what came of a message that cannot be taken, and ends the connection. */
static void refuse_input(struct api *api, struct api_connection *connection, struct slice bytes,
                         const struct answer_error *error)
{
    LOG_DEBUG("client connection refused", FIELD_U64("connection", connection->id),
              FIELD_TEXT("why", error->text));
    uint32_t message_id;
    if (rpc_message_peek_id(bytes, &message_id)) {
        answer_refusal(api, connection, message_id, error);
    }
    session_end(api, connection);
}

static void refuse_malformed(struct api *api, struct api_connection *connection, struct slice bytes)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_BAD_REQUEST,
                     "the bytes are not MessagePack, use ext types, or nest deeper than %u: the "
                     "connection is closed",
                     LIMIT_NESTING);
    answer_error_add_u64(&error, "nesting", LIMIT_NESTING);
    refuse_input(api, connection, bytes, &error);
}

static void refuse_size(struct api *api, struct api_connection *connection, struct slice bytes)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_TOO_LARGE,
                     "a message has at most %u bytes: the connection is closed", LIMIT_FRAME_BYTES);
    answer_error_add_u64(&error, "limit", LIMIT_FRAME_BYTES);
    refuse_input(api, connection, bytes, &error);
}

static void refuse_memory(struct api *api, struct api_connection *connection, struct slice bytes)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_NO_MEMORY,
                     "the node has no memory for the message: the connection is closed, nothing of "
                     "the message was done");
    refuse_input(api, connection, bytes, &error);
}

static void take_message(struct api *api, struct api_connection *connection, struct slice message)
{
    struct api_request *request;
    enum conclave_code rv = request_open(api, connection, message, &request);
    if (rv == CONCLAVE_NO_MEMORY) {
        refuse_memory(api, connection, message);
        return;
    }
    if (rv != CONCLAVE_OK) {
        refuse_malformed(api, connection, message);
        return;
    }
    request_handle(request);
}

static void refuse_room(struct api *api, struct api_connection *connection)
{
    struct answer_error error;
    answer_error_set(&error, CONCLAVE_BUSY,
                     "the node has no room for more long messages now: the connection is closed, "
                     "nothing of the message was done");
    answer_error_add_u64(&error, "limit", LIMIT_INPUT_BYTES);
    refuse_input(api, connection, buffer_slice(&connection->input), &error);
}

/* Takes the whole messages that stand in the input, as far as the connection's share goes, and
 * keeps the rest. */
static void take_messages(struct api *api, struct api_connection *connection)
{
    struct buffer *input = &connection->input;
    size_t start = 0;
    unsigned share = api->limits.turn_us > 0 ? FLOOD_SHARE : UINT_MAX;
    while (start < input->size && !connection->closing && connection->hold == HOLD_NONE) {
        if (share == 0 || flood_turn_is_over(api)) {
            flood_hold_for_turn(api, connection);
            break;
        }
        if (flood_hold_unread(api, connection)) {
            break;
        }
        struct slice rest = slice_of(input->data + start, input->size - start);
        enum codec_scan_result result = codec_scan(&connection->scan, rest);
        if (result == CODEC_SCAN_MALFORMED) {
            refuse_malformed(api, connection, rest);
            return;
        }
        if (result == CODEC_SCAN_INCOMPLETE) {
            if (rpc_message_least_bytes(&connection->scan, rest) > LIMIT_FRAME_BYTES) {
                refuse_size(api, connection, rest);
                return;
            }
            break;
        }
        size_t size = connection->scan.offset;
        connection->scan = (struct codec_scan){0};
        if (size > LIMIT_FRAME_BYTES) {
            refuse_size(api, connection, rest);
            return;
        }
        flood_heard(api, connection);
        share--;
        take_message(api, connection, slice_of(rest.data, size));
        start += size;
    }
    buffer_consume(input, start);
    if (start > 0) {
        connection->message_ms = connection->active_ms;
    }
}

static void give_back_memory(struct api *api, struct api_connection *connection)
{
    struct buffer *input = &connection->input;
    if (input->size == 0 && input->capacity > SESSION_INPUT_KEPT_BYTES) {
        buffer_close(input);
        buffer_init(input, SESSION_INPUT_MOST_BYTES);
    }
    if (!flood_count_input(api, connection) && !connection->closing) {
        refuse_room(api, connection);
    }
}

void session_go_on(struct api *api, struct api_connection *connection)
{
    ASSERT(api != NULL && connection != NULL && connection->hold == HOLD_NONE);
    take_messages(api, connection);
    give_back_memory(api, connection);
}

/* It is held: what was on its way is kept. False when that is too much, which a host that pauses
 * does not let come. */
static bool keep(struct api *api, struct api_connection *connection, struct slice bytes)
{
    buffer_append(&connection->input, bytes.data, bytes.size);
    if (connection->input.status == CONCLAVE_OK) {
        return true;
    }
    refuse_room(api, connection);
    return false;
}

void session_receive(struct api *api, struct api_connection *connection, struct slice bytes)
{
    ASSERT(api != NULL && connection != NULL);
    struct buffer *input = &connection->input;
    if (input->size == 0) {
        connection->message_ms = clock_monotonic_ms(api->clock);
    }
    while (bytes.size > 0 && !connection->closing) {
        if (connection->hold != HOLD_NONE) {
            if (keep(api, connection, bytes)) {
                break;
            }
            return;
        }
        /* An input that is full and still no message was refused: there is room. */
        ASSERT(input->size < LIMIT_FRAME_BYTES);
        size_t room = LIMIT_FRAME_BYTES - input->size;
        size_t size = bytes.size < room ? bytes.size : room;
        buffer_append(input, bytes.data, size);
        if (input->status != CONCLAVE_OK) {
            refuse_memory(api, connection, input->size > 0 ? buffer_slice(input) : bytes);
            return;
        }
        bytes = slice_of(bytes.data + size, bytes.size - size);
        take_messages(api, connection);
    }
    give_back_memory(api, connection);
}
