/* What a node shows by HTTP: /metrics, /livez and /readyz, read-only.
 *
 * It runs on a thread of its own, over libmicrohttpd. The loop hands it a view of the node a few
 * times a second (http_publish, a copy under a lock that is held for nothing else), counts into
 * instruments without a lock (base/metric.h), and does nothing more for it; what is in the state a
 * scrape reads itself, in a snapshot.
 *
 * The happy path is: connection -> request -> one answer out of the view -> the connection is kept
 * for the next. The failure modes are those of whoever asks: too many connections (refused), one
 * that is slow or says nothing (ended after HTTP_CONNECTION_MS, however busily it drips), one that
 * asks too often (the thread takes at most a fifth of one core's time, and the lowest priority). A
 * loop that hangs is told by its view, which grows old.
 *
 * Nothing is encrypted and nobody is asked who they are. Nothing shown names members, polls or what
 * was voted; still, only those who run the cluster should reach the address.
 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

#include <sys/socket.h>

#include "api/api.h"
#include "api/api_metrics.h"
#include "consensus/replica_metrics.h"
#include "kv/kv.h"
#include "log/log.h"

/* The daemon's own instruments. Times are microseconds. */
struct http_instruments {
    struct metric_histogram sync_us;       /* of each write of the log, with its sync */
    struct metric_histogram write_entries; /* log entries in each write */
    /* What the scrub has seen, and how far in the log it is. */
    struct metric_counter scrub_bytes, scrub_rounds, scrub_log_findings, scrub_state_findings;
    struct metric_counter repairs; /* of entries of the log */
    _Atomic uint64_t scrub_index;
};

enum http_phase {
    HTTP_STARTING,
    HTTP_RUNNING,
    HTTP_STOPPING
};

/* The node as the loop saw it last. */
struct http_view {
    enum http_phase phase;
    uint64_t taken_ms; /* on the monotonic clock; http_publish sets it */
    struct replica_status replica;
    const char *data_dir;
    struct api_peer peers[LIMIT_NODES];
    unsigned peer_count;
    uint64_t connections, commands_under_way, reads_under_way;
    bool read_known;       /* a linearizable read of the node's own was answered once, */
    uint64_t read_ok_ms;   /* last at this monotonic time */
    uint64_t loop_idle_us; /* how long the loop has waited for events, since it began */
};

struct http_config {
    const struct sockaddr *address;
    socklen_t address_bytes;
    const char *version;  /* of the program */
    const char *data_dir; /* whose disk is watched */
    uint64_t node_id;
    const struct clock *clock;
    struct log *log;
    struct kv *kv;
    const struct http_instruments *instruments;
};

struct http;

/* Listens and starts the thread; what it points to must live until http_close. BUSY (address in
 * use), BAD_VALUE (not an address of this machine), IO, NO_MEMORY. */
enum conclave_code http_open(const struct http_config *config, struct http **http) MUST_USE;

/* The replica and the api are there: their instruments are shown from now on. */
void http_serve(struct http *http, const struct replica_metrics *replica,
                const struct api_metrics *api);

/* Hands over the view; any thread. */
void http_publish(struct http *http, const struct http_view *view);

/* Ends the connections and the thread. NULL is allowed. */
void http_close(struct http *http);

/* Limits of this thread (those of the nodes' own protocol are in limits.h). */
#define HTTP_CONNECTIONS      32u
#define HTTP_CONNECTION_MS    10000u /* from its first byte to its end */
#define HTTP_CONNECTION_BYTES 16384u /* a request's line and headers */
#define HTTP_ANSWER_BYTES     (1024u * 1024u)
#define HTTP_OVERVIEW_AGE_MS  1000u /* the state is read at most so often */

#endif
