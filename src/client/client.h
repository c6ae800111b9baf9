/* What the files of libconclave share: the client object and the loop that tries endpoints.
 *
 * The happy path of a call is: an open connection to the endpoint used last -> request -> answer.
 * The failure modes are: an endpoint that cannot be reached, a connection that breaks with or
 * without the request on it, a node that answers no_leader, busy or shutting_down, a node that is
 * ill, a node that does not answer. Each turns to the next endpoint; after a round of all of them
 * the loop waits, longer each time, with jitter. What had been seen until the timeout decides what
 * the call says.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <conclave/client.h>
#include <conclave/limits.h>

#include "client/rpc.h"

struct client_endpoint {
    struct client_address address;
    struct client_connection connection;
    char why[CLIENT_WHY_BYTES]; /* of its last failure in the call under way */
};

struct conclave_client {
    struct client_endpoint endpoints[LIMIT_ENDPOINTS];
    size_t endpoint_count;
    struct tls_context *tls; /* NULL: connections are not encrypted */
    size_t current;          /* the endpoint that answered last */
    uint64_t timeout_ms;
    uint32_t last_msgid;
    bool cluster_known;
    uint8_t cluster_id[CONCLAVE_CLUSTER_ID_BYTES];
    struct conclave_failure failure;
    struct buffer command; /* signed last */
    bool (*identify)(void *context, struct conclave_identity *identity);
    void *identify_context;
    bool identify_asked;
    const uint8_t *secret_key; /* NULL until somebody is identified */
    char member[LIMIT_ID_BYTES + 1];
    size_t watch_endpoint;
    struct client_connection watch;
};

/* One request that may be tried at several endpoints. */
struct client_call {
    const char *method;
    struct slice params; /* packed map */
    bool command;        /* it changes the record: what was sent may have been decided */
    uint64_t deadline_ms;
};

/* Tries until an answer or the deadline. OK: `result` is there. Else the failure is set. */
enum conclave_code client_run(struct conclave_client *client, const struct client_call *call,
                              struct slice *result) MUST_USE;

/* One try at one endpoint: connects if need be. `wait_ms` bounds it, connecting included; the node
 * is told a little less, so that its own answer still comes in time. */
void client_try(struct conclave_client *client, struct client_endpoint *endpoint,
                struct client_connection *connection, const struct client_call *call,
                uint64_t wait_ms, struct client_rpc_outcome *outcome);

/* Is there somebody to prove to be? Asks the caller of the library, once. */
bool client_identify(struct conclave_client *client) MUST_USE;

/* Proves on this connection that the client is who client_identify found. Fails as client_rpc_call
 * does, of hello or prove. */
enum conclave_code client_prove(struct conclave_client *client,
                                struct client_connection *connection, uint64_t deadline_ms,
                                struct client_rpc_outcome *outcome) MUST_USE;

/* Asks `hello` unless the cluster's id is known. */
enum conclave_code client_need_cluster(struct conclave_client *client, uint64_t deadline_ms)
    MUST_USE;

/* Sets the failure and returns its code. `endpoint` may be NULL. */
enum conclave_code client_fail(struct conclave_client *client, enum conclave_code code,
                               const char *endpoint, const char *message);
void client_clear_failure(struct conclave_client *client);

/* A packed empty map. */
extern const struct slice client_no_params;

#endif
