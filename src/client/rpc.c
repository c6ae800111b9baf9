/* Requests, responses and notifications.
 *
 * A response is read in two ways: its head (type, msgid, error) from a parsed tree, its result as
 * the packed bytes that stand in it, so that callers get them as the node sent them.
 */
#include "client/rpc.h"

#include <conclave/limits.h>
#include <stdio.h>

#include "codec/utf8.h"
#include "codec/writer.h"

#define RPC_REQUEST        0u
#define RPC_RESPONSE       1u
#define RPC_NOTIFICATION   2u
#define RPC_REQUEST_MARGIN 256u /* head, msgid and method beside the params */

bool client_rpc_element(struct slice array, uint32_t position, struct slice *element)
{
    ASSERT(array.size > 0 && element != NULL);
    uint8_t first = array.data[0];
    size_t offset;
    uint32_t count;
    if ((first & 0xf0u) == 0x90u) {
        count = first & 0x0fu;
        offset = 1;
    } else if (first == 0xdcu && array.size >= 3) {
        count = (uint32_t)array.data[1] << 8 | array.data[2];
        offset = 3;
    } else {
        return false; /* no message of the protocol has 65536 elements */
    }
    for (uint32_t i = 0; i < count; i++) {
        struct codec_scan scan = {0};
        struct slice rest = slice_of(array.data + offset, array.size - offset);
        if (codec_scan(&scan, rest) != CODEC_SCAN_COMPLETE) {
            return false;
        }
        if (i == position) {
            *element = slice_of(rest.data, scan.offset);
            return true;
        }
        offset += scan.offset;
    }
    return false;
}

static enum conclave_code fail(struct client_rpc_outcome *outcome, enum conclave_code code,
                               const char *message)
{
    ASSERT(code != CONCLAVE_OK && message != NULL);
    outcome->code = code;
    snprintf(outcome->message, sizeof outcome->message, "%s", message);
    return code;
}

static void read_retry_after(const msgpack_object *details, struct client_rpc_outcome *outcome)
{
    static const struct codec_field fields[] = {
        {"retry_after_ms", CODEC_U64, true, 0, 0, LIMIT_REQUEST_TIMEOUT_MS}};
    uint64_t retry_after_ms = 0;
    struct codec_error error;
    if (codec_decode_map(details, fields, 1, false, &retry_after_ms, &error) == CONCLAVE_OK) {
        outcome->retry_after_ms = retry_after_ms;
    }
}

/* What was cut off may have been a part of a character; what began with a NUL is nothing. */
static void finish_message(struct client_rpc_outcome *outcome)
{
    size_t size = strlen(outcome->message);
    while (size > 0 && !codec_utf8_valid(slice_of(outcome->message, size))) {
        size--;
    }
    outcome->message[size] = '\0';
    if (size == 0) {
        snprintf(outcome->message, sizeof outcome->message, "%s",
                 conclave_code_text(outcome->code));
    }
}

/* error: [code, message, details] */
static void read_error(const msgpack_object *error, struct client_rpc_outcome *outcome)
{
    const msgpack_object *items;
    uint32_t count;
    struct slice name;
    struct slice message = {0};
    if (codec_get_array(error, 2, 16, &items, &count) != CONCLAVE_OK ||
        codec_get_string(&items[0], &name) != CONCLAVE_OK ||
        codec_get_string(&items[1], &message) != CONCLAVE_OK) {
        fail(outcome, CONCLAVE_BAD_REQUEST, "the node's error is not [code, message, details]");
        return;
    }
    enum conclave_code code = conclave_code_from_name((const char *)name.data, name.size);
    if (code == CONCLAVE_OK || code == CONCLAVE_CODE_COUNT) {
        outcome->code = CONCLAVE_INTERNAL; /* a newer node's code */
        snprintf(outcome->message, sizeof outcome->message, "%.*s (%.*s)", (int)message.size,
                 (const char *)message.data, (int)name.size, (const char *)name.data);
        finish_message(outcome);
        return;
    }
    outcome->code = code;
    if (code == CONCLAVE_RATE_LIMITED && count >= 3) {
        read_retry_after(&items[2], outcome);
    }
    snprintf(outcome->message, sizeof outcome->message, "%.*s", (int)message.size,
             (const char *)message.data);
    finish_message(outcome);
}

/* Is it the response to `msgid`? BAD_REQUEST when it is no message of the protocol. */
static enum conclave_code read_response(struct slice value, uint32_t msgid, bool *ours,
                                        struct client_rpc_outcome *outcome)
{
    struct codec_tree tree;
    enum conclave_code rv = codec_parse(&tree, value);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    *ours = false;
    const msgpack_object *items;
    uint32_t count;
    uint64_t type;
    uint64_t id;
    rv = CONCLAVE_BAD_REQUEST;
    if (codec_get_array(&tree.root, 3, 4, &items, &count) != CONCLAVE_OK ||
        codec_get_u64(&items[0], &type) != CONCLAVE_OK) {
        goto done;
    }
    if (type == RPC_NOTIFICATION && count == 3) {
        rv = CONCLAVE_OK;
        goto done;
    }
    if (type != RPC_RESPONSE || count != 4 || codec_get_u64(&items[1], &id) != CONCLAVE_OK) {
        goto done;
    }
    rv = CONCLAVE_OK;
    *ours = id == msgid;
    if (!*ours) {
        goto done;
    }
    outcome->answered = true;
    if (items[2].type != MSGPACK_OBJECT_NIL) {
        read_error(&items[2], outcome);
    } else {
        outcome->code = CONCLAVE_OK;
        bool found = client_rpc_element(value, 3, &outcome->result);
        ASSERT(found);
    }
done:
    codec_tree_close(&tree);
    return rv;
}

static enum conclave_code send_request(struct client_connection *connection, uint32_t msgid,
                                       const char *method, struct slice params,
                                       uint64_t deadline_ms, struct client_rpc_outcome *outcome)
{
    struct buffer request;
    buffer_init(&request, LIMIT_FRAME_BYTES);
    codec_write_array(&request, 4);
    codec_write_u64(&request, RPC_REQUEST);
    codec_write_u64(&request, msgid);
    codec_write_text(&request, method);
    codec_write_array(&request, 1);
    codec_write_raw(&request, params);
    enum conclave_code rv = request.status;
    if (rv != CONCLAVE_OK) {
        fail(outcome, rv, conclave_code_text(rv));
    } else {
        rv = client_connection_send(connection, buffer_slice(&request), deadline_ms,
                                    &outcome->sent_any);
        if (rv != CONCLAVE_OK) {
            fail(outcome, rv, connection->why);
        }
    }
    buffer_close(&request);
    return rv;
}

enum conclave_code client_rpc_call(struct client_connection *connection, uint32_t msgid,
                                   const char *method, struct slice params, uint64_t deadline_ms,
                                   struct client_rpc_outcome *outcome)
{
    ASSERT(client_connection_is_open(connection));
    ASSERT(method != NULL && outcome != NULL && params.size > 0);
    *outcome = (struct client_rpc_outcome){.code = CONCLAVE_INTERNAL};
    enum conclave_code rv = send_request(connection, msgid, method, params, deadline_ms, outcome);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    for (;;) {
        struct slice value;
        rv = client_connection_receive(connection, deadline_ms, &value);
        if (rv != CONCLAVE_OK) {
            outcome->sent_any = outcome->sent_any && !connection->unheard;
            return fail(outcome, rv, connection->why);
        }
        bool ours;
        rv = read_response(value, msgid, &ours, outcome);
        if (rv != CONCLAVE_OK) {
            client_connection_close(connection);
            return fail(outcome, rv, "the other side does not speak Conclave's protocol");
        }
        if (ours) {
            return outcome->code;
        }
        if (client_now_ms() > deadline_ms) { /* a flood of others' answers */
            return fail(outcome, CONCLAVE_UNKNOWN_OUTCOME, "no answer in time");
        }
    }
}

enum conclave_code client_rpc_next_notification(struct client_connection *connection,
                                                const char *method, uint64_t deadline_ms,
                                                struct slice *params)
{
    ASSERT(client_connection_is_open(connection));
    ASSERT(method != NULL && params != NULL);
    for (;;) {
        struct slice value;
        enum conclave_code rv = client_connection_receive(connection, deadline_ms, &value);
        if (rv != CONCLAVE_OK) {
            return rv;
        }
        struct codec_tree tree;
        rv = codec_parse(&tree, value);
        if (rv != CONCLAVE_OK) {
            client_connection_close(connection);
            return rv;
        }
        const msgpack_object *items;
        uint32_t count;
        uint64_t type;
        struct slice name;
        struct slice list;
        bool wanted = codec_get_array(&tree.root, 3, 3, &items, &count) == CONCLAVE_OK &&
                      codec_get_u64(&items[0], &type) == CONCLAVE_OK && type == RPC_NOTIFICATION &&
                      codec_get_string(&items[1], &name) == CONCLAVE_OK &&
                      slice_is_text(name, method) && client_rpc_element(value, 2, &list) &&
                      client_rpc_element(list, 0, params);
        codec_tree_close(&tree);
        if (wanted) {
            return CONCLAVE_OK;
        }
        if (client_now_ms() > deadline_ms) {
            return CONCLAVE_UNKNOWN_OUTCOME;
        }
    }
}
