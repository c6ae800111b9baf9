/* Proving to a node who one is: docs/PROTOCOL.md, "Sessions". */
#include <stdio.h>

#include "auth/statement.h"
#include "client/client.h"
#include "codec/writer.h"

#define PARAMS_BYTES_MAX 512u

struct hello {
    struct slice cluster;
    struct slice challenge;
    uint64_t node_id;
};

static enum conclave_code fail(struct client_rpc_outcome *outcome, enum conclave_code code,
                               const char *message)
{
    outcome->code = code;
    outcome->answered = false;
    snprintf(outcome->message, sizeof outcome->message, "%s", message);
    return code;
}

/* The parts of the answer to hello; they point into it. */
static enum conclave_code read_hello(const struct conclave_client *client, struct slice answer,
                                     struct hello *hello, struct client_rpc_outcome *outcome)
{
    static const struct codec_field fields[] = {
        {"cluster", CODEC_BYTES, true, offsetof(struct hello, cluster), AUTH_CLUSTER_ID_BYTES,
         AUTH_CLUSTER_ID_BYTES},
        {"challenge", CODEC_BYTES, true, offsetof(struct hello, challenge),
         STATEMENT_CHALLENGE_BYTES, STATEMENT_CHALLENGE_BYTES},
        {"node", CODEC_U64, true, offsetof(struct hello, node_id), 1, 0},
    };
    struct codec_tree tree;
    struct codec_error error;
    enum conclave_code rv = codec_parse(&tree, answer);
    if (rv == CONCLAVE_OK) {
        rv = codec_decode_map(&tree.root, fields, 3, false, hello, &error);
        codec_tree_close(&tree); /* strings and bytes are the answer's own */
    }
    if (rv != CONCLAVE_OK) {
        return fail(outcome, rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_INTERNAL,
                    "the node's answer to hello has no challenge to sign");
    }
    if (client->cluster_known &&
        !slice_equal(hello->cluster, slice_of(client->cluster_id, sizeof client->cluster_id))) {
        return fail(outcome, CONCLAVE_WRONG_CLUSTER, "the node is of another cluster");
    }
    return CONCLAVE_OK;
}

static enum conclave_code write_proof(const struct conclave_client *client,
                                      const struct client_connection *connection,
                                      const struct hello *hello, struct buffer *params)
{
    struct buffer text;
    struct slice member = slice_of_text(client->member);
    uint8_t binding[STATEMENT_BINDING_BYTES];
    bool bound = client_connection_binding(connection, binding);
    buffer_init(&text, PARAMS_BYTES_MAX);
    statement_session(&text, hello->cluster.data, hello->node_id, hello->challenge.data,
                      slice_of(binding, bound ? sizeof binding : 0), member);
    enum conclave_code rv = text.status;
    if (rv == CONCLAVE_OK) {
        struct auth_key key;
        uint8_t signature[AUTH_SIGNATURE_BYTES];
        memcpy(key.secret_key, client->secret_key, AUTH_SECRET_KEY_BYTES);
        auth_sign(&key, buffer_slice(&text), signature);
        auth_key_wipe(&key);
        codec_write_map(params, 2);
        codec_write_text(params, "member");
        codec_write_string(params, member);
        codec_write_text(params, "signature");
        codec_write_bytes(params, slice_of(signature, sizeof signature));
        rv = params->status;
    }
    buffer_close(&text);
    return rv;
}

enum conclave_code client_prove(struct conclave_client *client,
                                struct client_connection *connection, uint64_t deadline_ms,
                                struct client_rpc_outcome *outcome)
{
    ASSERT(client != NULL && client->secret_key != NULL && outcome != NULL);
    client->last_msgid++;
    enum conclave_code rv = client_rpc_call(connection, client->last_msgid, "hello",
                                            client_no_params, deadline_ms, outcome);
    struct hello hello = {.node_id = 0};
    if (rv == CONCLAVE_OK) {
        rv = read_hello(client, outcome->result, &hello, outcome);
    }
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct buffer params;
    buffer_init(&params, PARAMS_BYTES_MAX);
    rv = write_proof(client, connection, &hello, &params);
    if (rv == CONCLAVE_OK) {
        client->last_msgid++;
        rv = client_rpc_call(connection, client->last_msgid, "prove", buffer_slice(&params),
                             deadline_ms, outcome);
    } else {
        rv = fail(outcome, rv, conclave_code_text(rv));
    }
    buffer_close(&params);
    return rv;
}

bool client_identify(struct conclave_client *client)
{
    ASSERT(client != NULL);
    if (client->secret_key != NULL) {
        return true;
    }
    if (client->identify == NULL || client->identify_asked) {
        return false;
    }
    client->identify_asked = true;
    struct conclave_identity identity = {.member = NULL};
    if (!client->identify(client->identify_context, &identity)) {
        return false;
    }
    ASSERT(identity.member != NULL && identity.secret_key != NULL);
    if (strlen(identity.member) >= sizeof client->member || identity.member[0] == '\0') {
        return false;
    }
    memcpy(client->member, identity.member, strlen(identity.member) + 1);
    client->secret_key = identity.secret_key;
    return true;
}

enum conclave_code conclave_prove(struct conclave_client *client)
{
    ASSERT(client != NULL);
    client_clear_failure(client);
    if (!client_identify(client)) {
        return client_fail(client, CONCLAVE_PROOF_NEEDED, NULL, "there is no key to prove with");
    }
    const struct client_call call = {.method = "hello", .params = client_no_params};
    uint64_t deadline_ms = client_now_ms() + client->timeout_ms;
    struct client_rpc_outcome outcome = {.code = CONCLAVE_UNREACHABLE};
    for (size_t i = 0; i < client->endpoint_count; i++) {
        struct client_endpoint *endpoint = &client->endpoints[client->current];
        uint64_t now_ms = client_now_ms();
        uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 1;
        client_try(client, endpoint, &endpoint->connection, &call,
                   left_ms / (client->endpoint_count - i) + 1, &outcome);
        if (outcome.code == CONCLAVE_OK &&
            client_prove(client, &endpoint->connection, deadline_ms, &outcome) == CONCLAVE_OK) {
            return CONCLAVE_OK;
        }
        (void)client_fail(client, outcome.code, endpoint->address.text, outcome.message);
        client->current = (client->current + 1) % client->endpoint_count;
    }
    return outcome.code;
}
