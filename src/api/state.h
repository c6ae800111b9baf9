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
#include "api/api_metrics.h"
#include "auth/statement.h"
#include "codec/envelope.h"
#include "codec/reader.h"
#include "model/model.h"

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
    REQUEST_FINAL,  /* a receipt waits for a final checkpoint */
    REQUEST_STAGES
};

struct api_request;

/* With which of the author's keys a signature verifies. */
enum author_key {
    AUTHOR_KEY_CURRENT,
    AUTHOR_KEY_OLD, /* one that was replaced or revoked */
    AUTHOR_KEY_NONE
};

/* One method of PROTOCOL.md. `handle` answers the request, or moves it to a stage that waits. What
 * checks a signature (author.h) goes on with `checked`, or with `failed` when that could not be
 * done. */
struct api_method {
    const char *name;
    void (*handle)(struct api_request *request);
    bool linearizable;
    void (*checked)(struct api_request *request, enum author_key key);
    void (*failed)(struct api_request *request, enum conclave_code code);
};

/* Why a connection's input is not looked at. */
enum api_hold {
    HOLD_NONE,
    HOLD_TURN, /* it has had its share: it waits for the others */
    HOLD_RATE  /* it has had its limit, or does not read: until `held_until_us` */
};

struct api_connection {
    uint64_t id;
    bool closing; /* host->close was called: nothing goes in or out any more */
    enum api_hold hold;
    bool asked; /* a whole message has come */
    struct rate_bucket rate;
    uint64_t held_until_us;
    uint64_t active_ms;   /* when it opened, or the last whole message came */
    uint64_t message_ms;  /* when the message began that is not whole */
    size_t input_counted; /* of its input, in api->input_bytes */
    size_t queue_bytes;   /* of the requests below */
    struct api_connection *held_next;
    struct api_connection *idle_next, *idle_previous; /* the longest idle first */
    bool watching;
    bool challenged; /* `challenge` was told by `hello`, and is not signed yet */
    uint8_t challenge[STATEMENT_CHALLENGE_BYTES];
    uint8_t member[LIMIT_ID_BYTES]; /* who the session is: access.h */
    size_t member_size;             /* 0: nobody */
    uint8_t member_key[AUTH_PUBLIC_KEY_BYTES];
    role_set roles;
    uint64_t roles_generation, roles_checked_ms;
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
    bool is_ballot;
    bool is_command; /* counts against LIMIT_COMMANDS_IN_FLIGHT, else LIMIT_READS_IN_FLIGHT */
    const struct api_method *method;
    const msgpack_object *params; /* the one map, in `tree` */
    struct codec_tree tree;
    uint64_t timeout_ms;
    uint64_t deadline_ms;         /* on the monotonic clock */
    uint64_t opened_us, stage_us; /* for measuring: when it came, and began to wait */

    /* submit and prove: slices of `message` */
    struct slice command;
    struct slice envelope; /* what is signed */
    struct slice signature;
    struct slice author;
    struct slice nonce;
    struct api_verification verification;
    uint8_t *statement;       /* of prove: what `envelope` is; else NULL */
    struct model_author keys; /* of the author, when they were looked up last */
    bool keys_found;          /* and there were some: they are tried */
    unsigned keys_tried;      /* of the old ones */
    bool author_read;         /* a linearizable read came before that */

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
    const char *data_dir;
    uint64_t opened_at_ms;
    uint8_t
        cluster_id[AUTH_CLUSTER_ID_BYTES]; /* zeros until the replica knows it: view_cluster_id */
    bool stopping;
    struct api_metrics metrics;

    struct api_connection *connections[STATE_CONNECTION_BUCKETS];
    uint64_t connection_count;

    struct api_request *requests[STATE_REQUEST_BUCKETS];
    uint64_t commands_under_way;
    uint64_t reads_under_way;
    uint64_t token_last;

    struct api_request *ready_first, *ready_last;

    struct api_limits limits;
    bool turn_open; /* since `turn_us`: see flood.h */
    uint64_t turn_us, pressed_until_us;
    struct api_connection *turn_first, *turn_last; /* HOLD_TURN, in order */
    struct api_connection *rate_held;              /* HOLD_RATE */
    struct api_connection *idle_first, *idle_last; /* all that are not closing */
    uint64_t closing_count, silent_count;
    uint64_t swept_ms;
    size_t input_bytes; /* of inputs that are larger than most */
    struct flood_members *members;

    /* What was last heard of members and of the cluster: access.h. */
    uint64_t access_generation; /* raised by events */
    uint64_t reads_generation, reads_checked_ms;
    bool reads_public;
    uint64_t watchers_generation;

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
