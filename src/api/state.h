/* What the api holds: connections, the requests under way on them, and what waits for api_run.
 *
 * A request belongs to the table of requests under way from request_open to request_close
 * (pending.h), and to its connection until that closes. A request whose connection is gone lives on
 * until whoever works on it (the host's threads, the replica) has handed it back; then it is
 * dropped without an answer.
 */
#ifndef API_STATE_H
#define API_STATE_H

#include <conclave/limits.h>

#include "api/api.h"
#include "codec/envelope.h"
#include "codec/reader.h"

/* Powers of two: ids and tokens are consecutive numbers, so their low bits spread evenly. */
#define STATE_CONNECTION_BUCKETS 4096u
#define STATE_REQUEST_BUCKETS    16384u

/* What a node keeps waiting when the client does not say. */
#define STATE_TIMEOUT_DEFAULT_MS 5000u

enum request_stage {
    REQUEST_NEW,    /* with the api itself */
    REQUEST_AUTHOR, /* a linearizable read is under way, to look the author up again */
    REQUEST_VERIFY, /* the host checks the signature */
    REQUEST_DECIDE, /* the replica has the command */
    REQUEST_READ,   /* a linearizable read is under way, to answer a query */
    REQUEST_STAGES
};

struct api_request;

/* One method of PROTOCOL.md. `handle` answers the request, or moves it to a stage that waits. */
struct api_method {
    const char *name;
    void (*handle)(struct api_request *request);
    bool linearizable;
};

struct api_connection {
    uint64_t id;
    bool closing; /* host->close was called: nothing goes in or out any more */
    bool watching;
    uint32_t under_way; /* requests on the list below */
    struct buffer
        input; /* the start of a message that has not come whole; at most LIMIT_FRAME_BYTES */
    struct codec_scan scan; /* how far `input` was looked at */
    struct api_request *requests;
    struct api_connection *bucket_next;
    struct api_connection *watch_next, *watch_previous;
};

struct api_request {
    struct api *api;
    struct api_connection *connection; /* NULL once it has closed */
    struct api_request *connection_next, *connection_previous;
    struct api_request *bucket_next;
    struct api_request *ready_next; /* in the queue of what came back */
    uint64_t token;
    uint32_t message_id;
    enum request_stage stage;
    bool is_command; /* counts against LIMIT_COMMANDS_IN_FLIGHT, else LIMIT_READS_IN_FLIGHT */
    const struct api_method *method;
    const msgpack_object *params; /* the one map, in `tree` */
    struct codec_tree tree;
    uint64_t timeout_ms;
    uint64_t deadline_ms; /* on the monotonic clock */

    /* submit: slices of `message` */
    struct slice command;
    struct slice envelope;
    struct slice signature;
    struct slice author;
    struct slice nonce;
    struct api_verification verification;

    /* what came back */
    enum conclave_code outcome;
    bool reply_lost; /* there was no memory to keep it */
    uint8_t *reply;
    size_t reply_size;

    size_t message_size;
    uint8_t message[];
};

struct api {
    struct replica *replica;
    const struct api_replica_operations *operations;
    const struct clock *clock;
    const struct api_host *host;
    const char *version;
    uint64_t opened_at_ms;
    uint8_t
        cluster_id[AUTH_CLUSTER_ID_BYTES]; /* zeros until the replica knows it: view_cluster_id */
    bool stopping;

    struct api_connection *connections[STATE_CONNECTION_BUCKETS];
    uint64_t connection_count;

    struct api_request *requests[STATE_REQUEST_BUCKETS];
    uint64_t commands_under_way;
    uint64_t reads_under_way;
    uint64_t token_last;

    struct api_request *ready_first, *ready_last;

    struct api_connection *watchers;
    uint32_t watcher_count;
    struct buffer events; /* notifications, packed, that watchers have not been sent yet */
    bool events_lost;

    struct buffer answer;  /* the answer that is being written */
    struct buffer refusal; /* likewise an error; its memory is there from the start */
};

/* Time left until the request's deadline, 0 when it has passed. */
uint64_t api_time_left_ms(const struct api_request *request);

#endif
