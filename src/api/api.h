/* The client side of a node: connections' bytes in, MessagePack-RPC, admission, answers out. No I/O
 * of its own.
 *
 * The host (the daemon, or a simulator) hands in what connections received and sends what comes
 * out; it checks signatures for the api on whatever threads it has, and passes on what the
 * replica's host functions say (api_decided, api_readable, api_event), which only queue: api_run
 * then does the work and may call the replica.
 *
 * The happy path of `submit` is: bytes -> codec_scan -> request -> envelope_decode -> author's key
 * (replica_author) -> host->verify -> api_verified -> replica_submit -> api_decided -> response.
 * The failure modes: every refusal of PROTOCOL.md; an author unknown here may be known elsewhere:
 * then a linearizable read is made first and the key looked up again, before `unknown_author` is
 * said; a connection that closes on the way (its requests are dropped, its commands go on).
 * Single-threaded. docs/PROTOCOL.md is the contract with clients.
 */
#ifndef API_API_H
#define API_API_H

#include <conclave/codes.h>

#include "api/operations.h"
#include "auth/auth.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/rate.h"
#include "consensus/replica.h"

struct api;

/* One signature to check. The host calls auth_verify(public_key, message, signature) on any thread,
 * stores `valid`, and hands it back by api_verified on the loop. The api owns the memory. */
struct api_verification {
    uint8_t public_key[AUTH_PUBLIC_KEY_BYTES];
    struct slice message;
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    bool valid;
    struct api_verification *next; /* for the host's queue */
};

/* A peer connection as `status` shows it. */
struct api_peer {
    uint64_t node_id;
    bool connected;
    const char *error;  /* static text: "", "refused", "wrong_cluster", "timed_out", ... */
    const char *reason; /* the same in a sentence, or "" or NULL; valid until the host is left */
    bool seen;
    uint64_t last_seen_ms_ago;
};

/* How the node is, as `status` shows it. */
#define API_WHY_BYTES 192u
struct api_health {
    const char *state;       /* static text: "ok", "degraded", "not ready" */
    char why[API_WHY_BYTES]; /* "" when all is well */
    const char *http;        /* where it serves HTTP, or "" */
};

/* How the node's connections are secured. */
struct api_security {
    bool encrypted;
    uint64_t certificate_ends_ms, ca_ends_ms; /* when it is */
    const char *refusal; /* why other nodes refuse this one, or ""; valid likewise */
};

struct api_host {
    void *context;
    /* Sends bytes on a connection, in order. Never fails: a connection that cannot take them is
     * closed by the host, which then calls api_connection_closed later. */
    void (*send)(void *context, uint64_t connection_id, struct slice bytes);
    /* Closes a connection after what was sent is out. api_connection_closed follows, later: no
     * function of the host calls the api before it returns, but for api_verified. */
    void (*close)(void *context, uint64_t connection_id);
    /* Takes no more bytes from a connection until told otherwise; what is on its way may still
     * come. NULL: it cannot be helped. */
    void (*pause)(void *context, uint64_t connection_id, bool paused);
    /* Bytes of a connection that were sent and are not out yet. NULL: none ever. */
    size_t (*unsent)(void *context, uint64_t connection_id);
    void (*verify)(void *context, struct api_verification *verification);
    /* Random bytes for a challenge: nobody else may guess them. */
    void (*random_bytes)(void *context, uint8_t *bytes, size_t size);
    /* The TLS exporter value of a connection (RFC 9266, `tls-exporter`); false when it has no TLS.
     * NULL: none has. */
    bool (*channel_binding)(void *context, uint64_t connection_id, uint8_t binding[32]);
    /* The peer connections now: at most LIMIT_NODES, returns how many. */
    unsigned (*peers)(void *context, struct api_peer *peers);
    void (*health)(void *context, struct api_health *health);
    /* NULL: there is no encryption. */
    void (*security)(void *context, struct api_security *security);
};

/* What clients may do in a time. Zeros: as much as they like, for as long as they like. */
struct api_limits {
    struct rate_limit connection; /* requests on one connection; flood.h says what costs more */
    struct rate_limit member;     /* commands of one member who is no chair */
    uint64_t idle_ms;             /* a connection on which nothing is asked */
    uint64_t silent_ms;           /* one on which nothing was ever asked */
    uint64_t message_ms;          /* from a message's first byte to its last */
    uint64_t turn_us;             /* work for clients before others have their turn */
};

/* The limits that limits.h has, with these rates (0: no limit) and this idle time. */
struct api_limits api_limits_of(uint32_t connection_rate, uint32_t member_rate, uint64_t idle_ms);

struct api_config {
    struct replica *replica; /* not owned */
    const struct api_replica_operations
        *operations; /* NULL: replica.h's own; others are for tests */
    const struct clock *clock;
    const struct api_host *host;
    const char *version;  /* of the program */
    const char *data_dir; /* for a sentence about its disk; NULL: it has none */
    struct api_limits limits;
};

/* NO_MEMORY. The config is copied; what it points to must outlive the api. */
enum conclave_code api_open(const struct api_config *config, struct api **api) MUST_USE;

/* Frees everything; connections get no answer. Verifications under way must have come back, or
 * never be, and the replica must say nothing more of tokens. */
void api_close(struct api *api);

/* A client connected. BUSY when there are too many: the host closes it. Ids are never used again.
 */
enum conclave_code api_connection_opened(struct api *api, uint64_t connection_id) MUST_USE;

/* Bytes of a connection, in order. After host->close they are ignored. */
void api_connection_received(struct api *api, uint64_t connection_id, struct slice bytes);

/* Once for every connection that was opened, whoever closed it. */
void api_connection_closed(struct api *api, uint64_t connection_id);

/* This only queues, as those below do. */
void api_verified(struct api *api, struct api_verification *verification);

/* From the replica's host functions: these only queue. */
void api_decided(struct api *api, uint64_t token, enum conclave_code code, struct slice reply);
void api_readable(struct api *api, uint64_t token, enum conclave_code code);
void api_event(struct api *api, struct slice event);

/* Does what was queued. Call it after every call into the replica or the api, from the loop. */
void api_run(struct api *api);

/* Is there work left that had to make room for others? Then the loop must not wait. And when the
 * api wants to run next at the latest, on the monotonic clock; UINT64_MAX: only when something
 * comes. */
bool api_has_work(const struct api *api);
uint64_t api_deadline_ms(const struct api *api);

/* New requests are answered `shutting_down` from now on; those under way go on. */
void api_stop(struct api *api);

/* Counted since the api opened; may be read by any thread until it closes. */
struct api_metrics;
const struct api_metrics *api_metrics(const struct api *api);

uint64_t api_connection_count(const struct api *api);
uint64_t api_commands_under_way(const struct api *api);
uint64_t api_requests_under_way(const struct api *api); /* commands and reads */

#endif
