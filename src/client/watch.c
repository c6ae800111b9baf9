/* Events: a connection of its own, so that answers and events never mix. */
#include "client/client.h"

#define WATCH_TRY_MS 1000u

static enum conclave_code read_index(struct slice result, uint64_t *index)
{
    struct watch_answer {
        uint64_t index;
    } answer = {0};
    static const struct codec_field fields[] = {
        {"index", CODEC_U64, true, offsetof(struct watch_answer, index), 0, 0},
    };
    struct codec_tree tree;
    struct codec_error error;
    enum conclave_code rv = codec_parse(&tree, result);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = codec_decode_map(&tree.root, fields, 1, false, &answer, &error);
    codec_tree_close(&tree);
    *index = answer.index;
    return rv;
}

enum conclave_code conclave_watch(struct conclave_client *client, uint64_t *index)
{
    ASSERT(client != NULL && index != NULL);
    client_clear_failure(client);
    const struct client_call call = {.method = "watch", .params = client_no_params};
    struct client_rpc_outcome outcome = {.code = CONCLAVE_UNREACHABLE};
    /* One round over the endpoints: who watches calls again when all have failed. */
    for (size_t i = 0; i < client->endpoint_count; i++) {
        struct client_endpoint *endpoint = &client->endpoints[client->watch_endpoint];
        client_connection_close(&client->watch);
        client_try(client, endpoint, &client->watch, &call,
                   client->timeout_ms < WATCH_TRY_MS ? client->timeout_ms : WATCH_TRY_MS, &outcome);
        if (outcome.code == CONCLAVE_OK && read_index(outcome.result, index) == CONCLAVE_OK) {
            return CONCLAVE_OK;
        }
        if (outcome.code == CONCLAVE_OK) {
            outcome.code = CONCLAVE_INTERNAL;
        }
        (void)client_fail(client, outcome.code, endpoint->address.text,
                          outcome.message[0] == '\0' ? conclave_code_text(outcome.code)
                                                     : outcome.message);
        client->watch_endpoint = (client->watch_endpoint + 1) % client->endpoint_count;
    }
    client_connection_close(&client->watch);
    if (outcome.code == CONCLAVE_UNKNOWN_OUTCOME) {
        client->failure.code = CONCLAVE_UNREACHABLE;
    }
    return client->failure.code;
}

enum conclave_code conclave_next_event(struct conclave_client *client, uint64_t timeout_ms,
                                       struct conclave_bytes *event)
{
    ASSERT(client != NULL && event != NULL);
    client_clear_failure(client);
    *event = (struct conclave_bytes){0};
    const char *endpoint = client->endpoints[client->watch_endpoint].address.text;
    if (!client_connection_is_open(&client->watch)) {
        return client_fail(client, CONCLAVE_UNREACHABLE, endpoint, "nothing is being watched");
    }
    struct slice params;
    enum conclave_code rv = client_rpc_next_notification(&client->watch, "event",
                                                         client_now_ms() + timeout_ms, &params);
    if (rv == CONCLAVE_OK) {
        *event = (struct conclave_bytes){params.data, params.size};
        return CONCLAVE_OK;
    }
    if (rv != CONCLAVE_UNKNOWN_OUTCOME) {
        /* The next conclave_watch starts with another node. */
        client->watch_endpoint = (client->watch_endpoint + 1) % client->endpoint_count;
        rv = rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_UNREACHABLE;
    }
    return client_fail(client, rv, endpoint, client->watch.why);
}
