/* The client object: open, close, failures, hello, queries. The loop over endpoints is in retry.c.
 */
#include "client/client.h"

#include <stdio.h>

#include "auth/auth.h"
#include "base/memory.h"

#define DEFAULT_TIMEOUT_MS 10000u

static const uint8_t empty_map[] = {0x80};
const struct slice client_no_params = {empty_map, sizeof empty_map};

/* What conclave_open says when there is no client yet to ask. */
static enum conclave_code refuse(const struct conclave_options *options, enum conclave_code code,
                                 const char *endpoint, const char *message)
{
    ASSERT(code != CONCLAVE_OK);
    if (options->failure != NULL) {
        struct conclave_failure *failure = options->failure;
        failure->code = code;
        snprintf(failure->message, sizeof failure->message, "%s", message);
        snprintf(failure->endpoint, sizeof failure->endpoint, "%s", endpoint);
    }
    return code;
}

static enum conclave_code open_tls(const struct conclave_options *options,
                                   struct conclave_client *client)
{
    const struct tls_files files = {.ca = options->ca_file,
                                    .certificate = options->certificate_file,
                                    .key = options->certificate_key_file};
    struct tls_error error;
    if ((files.certificate == NULL) != (files.key == NULL) ||
        (files.certificate != NULL && files.ca == NULL)) {
        return refuse(options, CONCLAVE_USAGE, "",
                      "a client's certificate goes with its key and the CA");
    }
    if (files.ca == NULL) {
        return CONCLAVE_OK;
    }
    enum conclave_code rv = tls_context_open(&files, &client->tls, &error);
    return rv == CONCLAVE_OK ? rv : refuse(options, rv, "", error.text);
}

enum conclave_code conclave_open(const struct conclave_options *options,
                                 struct conclave_client **client)
{
    ASSERT(options != NULL && client != NULL);
    *client = NULL;
    if (options->endpoint_count == 0 || options->endpoint_count > LIMIT_ENDPOINTS) {
        return refuse(options, CONCLAVE_USAGE, "", "a client has 1 to 16 endpoints");
    }
    enum conclave_code rv = auth_init();
    if (rv != CONCLAVE_OK) {
        return refuse(options, rv, "", "libsodium does not start");
    }
    struct conclave_client *opened = memory_allocate_zeroed(1, sizeof *opened);
    if (opened == NULL) {
        return refuse(options, CONCLAVE_NO_MEMORY, "", conclave_code_text(CONCLAVE_NO_MEMORY));
    }
    rv = open_tls(options, opened);
    if (rv != CONCLAVE_OK) {
        goto err_after_allocate;
    }
    for (size_t i = 0; i < options->endpoint_count; i++) {
        rv = client_address_parse(&opened->endpoints[i].address, options->endpoints[i]);
        if (rv != CONCLAVE_OK) {
            (void)refuse(options, rv, options->endpoints[i], "the endpoint is not HOST:PORT");
            goto err_after_tls;
        }
        client_connection_init(&opened->endpoints[i].connection);
    }
    opened->endpoint_count = options->endpoint_count;
    opened->timeout_ms = options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms;
    opened->identify = options->identify;
    opened->identify_context = options->identify_context;
    buffer_init(&opened->command, LIMIT_FRAME_BYTES);
    client_connection_init(&opened->watch);
    *client = opened;
    return CONCLAVE_OK;

err_after_tls:
    tls_context_release(opened->tls);
err_after_allocate:
    ASSERT(rv != CONCLAVE_OK);
    memory_free(opened);
    return rv;
}

void conclave_close(struct conclave_client *client)
{
    if (client == NULL) {
        return;
    }
    for (size_t i = 0; i < client->endpoint_count; i++) {
        client_connection_close(&client->endpoints[i].connection);
    }
    client_connection_close(&client->watch);
    buffer_close(&client->command);
    tls_context_release(client->tls);
    memory_free(client);
}

void conclave_set_timeout(struct conclave_client *client, uint64_t timeout_ms)
{
    ASSERT(client != NULL);
    client->timeout_ms = timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : timeout_ms;
}

const struct conclave_failure *conclave_last_failure(const struct conclave_client *client)
{
    ASSERT(client != NULL);
    return &client->failure;
}

void client_clear_failure(struct conclave_client *client)
{
    ASSERT(client != NULL);
    client->failure = (struct conclave_failure){.code = CONCLAVE_OK};
}

enum conclave_code client_fail(struct conclave_client *client, enum conclave_code code,
                               const char *endpoint, const char *message)
{
    ASSERT(code != CONCLAVE_OK && message != NULL);
    client->failure.code = code;
    snprintf(client->failure.message, sizeof client->failure.message, "%s", message);
    snprintf(client->failure.endpoint, sizeof client->failure.endpoint, "%s",
             endpoint == NULL ? "" : endpoint);
    return code;
}

enum conclave_code client_need_cluster(struct conclave_client *client, uint64_t deadline_ms)
{
    ASSERT(client != NULL);
    if (client->cluster_known) {
        return CONCLAVE_OK;
    }
    const struct client_call call = {
        .method = "hello", .params = client_no_params, .deadline_ms = deadline_ms};
    struct slice result;
    enum conclave_code rv = client_run(client, &call, &result);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    struct codec_tree tree;
    struct codec_error error;
    struct hello {
        struct slice cluster;
    } hello = {0};
    static const struct codec_field fields[] = {
        {"cluster", CODEC_BYTES, true, offsetof(struct hello, cluster), CONCLAVE_CLUSTER_ID_BYTES,
         CONCLAVE_CLUSTER_ID_BYTES},
    };
    rv = codec_parse(&tree, result);
    if (rv == CONCLAVE_OK) {
        rv = codec_decode_map(&tree.root, fields, 1, false, &hello, &error);
        if (rv == CONCLAVE_OK) {
            memcpy(client->cluster_id, hello.cluster.data, sizeof client->cluster_id);
            client->cluster_known = true;
        }
        codec_tree_close(&tree);
    }
    if (rv != CONCLAVE_OK) {
        return client_fail(client, rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_INTERNAL,
                           client->endpoints[client->current].address.text,
                           "the node's answer to hello has no cluster id");
    }
    return CONCLAVE_OK;
}

enum conclave_code conclave_cluster_id(struct conclave_client *client,
                                       uint8_t cluster_id[CONCLAVE_CLUSTER_ID_BYTES])
{
    ASSERT(client != NULL && cluster_id != NULL);
    client_clear_failure(client);
    enum conclave_code rv = client_need_cluster(client, client_now_ms() + client->timeout_ms);
    if (rv == CONCLAVE_OK) {
        memcpy(cluster_id, client->cluster_id, CONCLAVE_CLUSTER_ID_BYTES);
    }
    return rv;
}

static struct slice params_of(const void *params, size_t params_size)
{
    ASSERT((params == NULL) == (params_size == 0));
    return params == NULL ? client_no_params : slice_of(params, params_size);
}

enum conclave_code conclave_query(struct conclave_client *client, const char *method,
                                  const void *params, size_t params_size,
                                  struct conclave_bytes *result)
{
    ASSERT(client != NULL && method != NULL && result != NULL);
    client_clear_failure(client);
    *result = (struct conclave_bytes){0};
    const struct client_call call = {.method = method,
                                     .params = params_of(params, params_size),
                                     .deadline_ms = client_now_ms() + client->timeout_ms};
    struct slice packed;
    enum conclave_code rv = client_run(client, &call, &packed);
    if (rv == CONCLAVE_OK) {
        *result = (struct conclave_bytes){packed.data, packed.size};
    }
    return rv;
}

enum conclave_code conclave_ask(struct conclave_client *client, size_t endpoint, const char *method,
                                const void *params, size_t params_size, uint64_t timeout_ms,
                                struct conclave_bytes *result)
{
    ASSERT(client != NULL && method != NULL && result != NULL);
    ASSERT(endpoint < client->endpoint_count);
    client_clear_failure(client);
    *result = (struct conclave_bytes){0};
    struct client_endpoint *asked = &client->endpoints[endpoint];
    const struct client_call call = {.method = method,
                                     .params = params_of(params, params_size),
                                     .deadline_ms = client_now_ms() + timeout_ms};
    struct client_rpc_outcome outcome;
    client_try(client, asked, &asked->connection, &call, timeout_ms, &outcome);
    if (outcome.code != CONCLAVE_OK) {
        return client_fail(client, outcome.code, asked->address.text, outcome.message);
    }
    *result = (struct conclave_bytes){outcome.result.data, outcome.result.size};
    return CONCLAVE_OK;
}
