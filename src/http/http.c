/* The thread, its connections and their limits; what is answered where. */
#include "http/http.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/logger.h"
#include "base/memory.h"
#include "http/metrics.h"

#define LISTEN_BACKLOG 64
#define LOOK_MS        250 /* between two looks at the connections' age */
#define NICENESS       10

/* When every place is taken, one that has had so long makes room. */
#define CROWDED_MS 1000u

/* For each time of work, so many of rest: a fifth of a core at most. */
#define REST_TIMES  4u
#define REST_MS_MAX 200u

struct http_connection {
    const struct MHD_Connection *connection; /* NULL: free */
    int file;
    uint64_t opened_ms;
};

struct http {
    struct http_config config;
    struct MHD_Daemon *daemon;
    int epoll_file, wake_file;
    pthread_t thread;

    /* The thread's own. */
    struct http_connection connections[HTTP_CONNECTIONS];
    struct buffer answer;
    bool overview_known;
    uint64_t overview_ms;
    struct model_overview overview;

    pthread_mutex_t lock; /* over what follows */
    struct http_view view;
    const struct replica_metrics *replica;
    const struct api_metrics *api;
};

static void lock(struct http *http)
{
    int rv = pthread_mutex_lock(&http->lock);
    ASSERT(rv == 0);
}

static void unlock(struct http *http)
{
    int rv = pthread_mutex_unlock(&http->lock);
    ASSERT(rv == 0);
}

static uint64_t now_ms_of(const struct http *http)
{
    return clock_monotonic_ms(http->config.clock);
}

/* --- Pages --- */

/* Reads the state, not too often: many polls may be open. */
static const struct model_overview *read_overview(struct http *http)
{
    uint64_t now_ms = now_ms_of(http);
    if (http->overview_known && now_ms - http->overview_ms < HTTP_OVERVIEW_AGE_MS) {
        return &http->overview;
    }
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(http->config.kv, false, &transaction);
    if (code == CONCLAVE_OK) {
        code = model_overview(transaction, clock_wall_ms(http->config.clock), &http->overview);
        kv_abort(transaction);
    }
    http->overview_known = code == CONCLAVE_OK;
    http->overview_ms = now_ms;
    if (code != CONCLAVE_OK) {
        LOG_WARN("the state could not be read for /metrics",
                 FIELD_TEXT("code", conclave_code_name(code)));
    }
    return http->overview_known ? &http->overview : NULL;
}

static void take_view(struct http *http, struct http_view *view, struct metrics_source *source)
{
    lock(http);
    *view = http->view;
    *source = (struct metrics_source){
        .config = &http->config, .view = view, .replica = http->replica, .api = http->api};
    unlock(http);
    source->now_ms = now_ms_of(http);
}

static void answer_metrics(struct http *http, bool openmetrics)
{
    struct http_view view;
    struct metrics_source source;
    struct process_usage process;
    take_view(http, &view, &source);
    process_read(http->config.data_dir, &process);
    source.process = &process;
    source.overview = source.api == NULL ? NULL : read_overview(http);
    struct exposition exposition = {.text = &http->answer, .openmetrics = openmetrics};
    metrics_write(&exposition, &source);
}

static unsigned answer_ready(struct http *http, bool verbose)
{
    struct http_view view;
    struct metrics_source source;
    struct health_report report;
    take_view(http, &view, &source);
    health_judge(&view, source.now_ms, &report);
    health_write(&http->answer, &report, verbose);
    return report.health == HEALTH_NOT_READY ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
}

static void write_text(struct http *http, const char *text)
{
    buffer_append(&http->answer, text, strlen(text));
}

static unsigned answer_alive(struct http *http)
{
    struct http_view view;
    struct metrics_source source;
    char why[HEALTH_TEXT_BYTES];
    take_view(http, &view, &source);
    if (health_alive(&view, source.now_ms, why)) {
        write_text(http, "ok\n");
        return MHD_HTTP_OK;
    }
    write_text(http, "not alive: ");
    write_text(http, why);
    write_text(http, "\n");
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* --- Requests --- */

static enum MHD_Result send_answer(struct http *http, struct MHD_Connection *connection,
                                   unsigned status, const char *content_type)
{
    static const char no_memory[] = "out of memory\n";
    struct slice text = buffer_slice(&http->answer);
    if (http->answer.status != CONCLAVE_OK) {
        status = MHD_HTTP_INTERNAL_SERVER_ERROR;
        content_type = "text/plain";
        text = slice_of_text(no_memory);
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        text.size, (void *)(uintptr_t)text.data, MHD_RESPMEM_MUST_COPY);
    if (response == NULL) {
        return MHD_NO;
    }
    /* One request a connection: so its age is the request's, and it can be ended by that. */
    enum MHD_Result rv =
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES &&
                MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) ==
                    MHD_YES &&
                MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") ==
                    MHD_YES &&
                (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
                 MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES)
            ? MHD_queue_response(connection, status, response)
            : MHD_NO;
    MHD_destroy_response(response);
    return rv;
}

static bool has_argument(struct MHD_Connection *connection, const char *name)
{
    const char *value;
    size_t size;
    return MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, name, strlen(name),
                                         &value, &size) == MHD_YES;
}

static enum MHD_Result answer_request(struct http *http, struct MHD_Connection *connection,
                                      const char *path)
{
    unsigned status = MHD_HTTP_OK;
    const char *content_type = "text/plain; charset=utf-8";
    buffer_clear(&http->answer);
    if (strcmp(path, "/metrics") == 0) {
        bool openmetrics = exposition_wants_openmetrics(
            MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
        content_type = exposition_content_type(openmetrics);
        answer_metrics(http, openmetrics);
    } else if (strcmp(path, "/readyz") == 0) {
        status = answer_ready(http, has_argument(connection, "verbose"));
    } else if (strcmp(path, "/livez") == 0) {
        status = answer_alive(http);
    } else {
        status = MHD_HTTP_NOT_FOUND;
        write_text(http, "there are /metrics, /livez, /readyz and /readyz?verbose\n");
    }
    return send_answer(http, connection, status, content_type);
}

/* MHD calls this when the headers are there, then for each part of a body, then at the end. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_size, void **request)
{
    struct http *http = context;
    (void)version;
    (void)body;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        buffer_clear(&http->answer);
        write_text(http, "read only: GET or HEAD\n");
        return send_answer(http, connection, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain");
    }
    if (*request == NULL) {
        *request = http; /* the headers were seen */
        return MHD_YES;
    }
    if (*body_size > 0) {
        *body_size = 0; /* nobody asked for it */
        return MHD_YES;
    }
    return answer_request(http, connection, path);
}

/* --- Connections --- */

static struct http_connection *find_connection(struct http *http,
                                               const struct MHD_Connection *connection)
{
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        if (http->connections[i].connection == connection) {
            return &http->connections[i];
        }
    }
    return NULL;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **place,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = context;
    (void)place;
    bool opened = code == MHD_CONNECTION_NOTIFY_STARTED;
    struct http_connection *slot = find_connection(http, opened ? NULL : connection);
    ASSERT(slot != NULL); /* MHD takes no more than there are */
    *slot = (struct http_connection){0};
    if (opened) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        ASSERT(info != NULL);
        *slot = (struct http_connection){
            .connection = connection, .file = info->connect_fd, .opened_ms = now_ms_of(http)};
    }
}

/* Ends connections that have had their time: whatever drips, their age counts, not their last byte.
 */
static void end_old_connections(struct http *http)
{
    uint64_t now_ms = now_ms_of(http);
    unsigned count = 0;
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        count += http->connections[i].connection != NULL;
    }
    uint64_t most_ms = count == HTTP_CONNECTIONS ? CROWDED_MS : HTTP_CONNECTION_MS;
    for (size_t i = 0; i < HTTP_CONNECTIONS; i++) {
        const struct http_connection *slot = &http->connections[i];
        if (slot->connection != NULL && now_ms - slot->opened_ms >= most_ms) {
            (void)shutdown(slot->file, SHUT_RDWR); /* MHD sees its end, and closes it */
        }
    }
}

/* --- The thread --- */

static uint64_t thread_us(void)
{
    struct timespec used;
    int rv = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    ASSERT(rv == 0);
    return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

static bool should_end(const struct http *http, int timeout_ms)
{
    struct pollfd wake = {.fd = http->wake_file, .events = POLLIN};
    return poll(&wake, 1, timeout_ms) > 0;
}

static void rest(const struct http *http, uint64_t worked_us)
{
    uint64_t rest_ms = worked_us * REST_TIMES / 1000;
    if (rest_ms > 0) {
        (void)should_end(http, (int)(rest_ms < REST_MS_MAX ? rest_ms : REST_MS_MAX));
    }
}

static void *run(void *argument)
{
    struct http *http = argument;
    struct pollfd files[] = {{.fd = http->epoll_file, .events = POLLIN},
                             {.fd = http->wake_file, .events = POLLIN}};
    if (setpriority(PRIO_PROCESS, 0, NICENESS) != 0) { /* on Linux, of this thread alone */
        LOG_DEBUG("the thread that serves HTTP keeps its priority");
    }
    while (!should_end(http, 0)) {
        MHD_UNSIGNED_LONG_LONG timeout_ms;
        bool timed = MHD_get_timeout(http->daemon, &timeout_ms) == MHD_YES && timeout_ms < LOOK_MS;
        (void)poll(files, 2, timed ? (int)timeout_ms : LOOK_MS);
        uint64_t before_us = thread_us();
        enum MHD_Result rv = MHD_run(http->daemon);
        ASSERT(rv == MHD_YES);
        end_old_connections(http);
        rest(http, thread_us() - before_us);
    }
    return NULL;
}

/* --- Opening and closing --- */

static enum conclave_code open_listener(const struct http_config *config, int *listener)
{
    const int on = 1;
    int file = socket(config->address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0) {
        return CONCLAVE_IO;
    }
    if (setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(file, config->address, config->address_bytes) != 0 ||
        listen(file, LISTEN_BACKLOG) != 0) {
        int error = errno;
        (void)close(file);
        return error == EADDRINUSE      ? CONCLAVE_BUSY
               : error == EADDRNOTAVAIL ? CONCLAVE_BAD_VALUE
                                        : CONCLAVE_IO;
    }
    *listener = file;
    return CONCLAVE_OK;
}

static enum conclave_code start_daemon(struct http *http, int listener)
{
    http->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, http,
                                    MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_CONNECTION_LIMIT,
                                    HTTP_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
                                    HTTP_CONNECTION_MS / 1000, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                    (size_t)HTTP_CONNECTION_BYTES, MHD_OPTION_NOTIFY_CONNECTION,
                                    on_connection, http, MHD_OPTION_END);
    if (http->daemon == NULL) {
        (void)close(listener);
        return CONCLAVE_IO;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    ASSERT(info != NULL);
    http->epoll_file = info->epoll_fd;
    return CONCLAVE_OK;
}

/* Signals are the loop's. */
static enum conclave_code start_thread(struct http *http)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    int rv = pthread_sigmask(SIG_SETMASK, &all, &before);
    ASSERT(rv == 0);
    int created = pthread_create(&http->thread, NULL, run, http);
    rv = pthread_sigmask(SIG_SETMASK, &before, NULL);
    ASSERT(rv == 0);
    return created == 0 ? CONCLAVE_OK : CONCLAVE_IO;
}

enum conclave_code http_open(const struct http_config *config, struct http **http)
{
    ASSERT(config != NULL && http != NULL);
    struct http *opened = memory_allocate_zeroed(1, sizeof *opened);
    if (opened == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    opened->config = *config;
    opened->view.taken_ms = now_ms_of(opened);
    buffer_init(&opened->answer, HTTP_ANSWER_BYTES);
    int rv = pthread_mutex_init(&opened->lock, NULL);
    ASSERT(rv == 0);
    int listener;
    enum conclave_code code = CONCLAVE_IO;
    opened->wake_file = eventfd(0, EFD_CLOEXEC);
    if (opened->wake_file < 0) {
        goto err_after_allocate;
    }
    code = open_listener(config, &listener);
    if (code != CONCLAVE_OK) {
        goto err_after_eventfd;
    }
    code = start_daemon(opened, listener);
    if (code != CONCLAVE_OK) {
        goto err_after_eventfd;
    }
    code = start_thread(opened);
    if (code != CONCLAVE_OK) {
        goto err_after_daemon;
    }
    *http = opened;
    return CONCLAVE_OK;

err_after_daemon:
    MHD_stop_daemon(opened->daemon);
err_after_eventfd:
    (void)close(opened->wake_file);
err_after_allocate:
    ASSERT(code != CONCLAVE_OK);
    rv = pthread_mutex_destroy(&opened->lock);
    ASSERT(rv == 0);
    memory_free(opened);
    return code;
}

void http_serve(struct http *http, const struct replica_metrics *replica,
                const struct api_metrics *api)
{
    ASSERT(http != NULL && replica != NULL && api != NULL);
    lock(http);
    http->replica = replica;
    http->api = api;
    unlock(http);
}

void http_publish(struct http *http, const struct http_view *view)
{
    ASSERT(http != NULL && view != NULL);
    lock(http);
    http->view = *view;
    http->view.taken_ms = now_ms_of(http);
    unlock(http);
}

void http_close(struct http *http)
{
    if (http == NULL) {
        return;
    }
    ssize_t written = write(http->wake_file, &(const uint64_t){1}, sizeof(uint64_t));
    ASSERT(written == (ssize_t)sizeof(uint64_t));
    int rv = pthread_join(http->thread, NULL);
    ASSERT(rv == 0);
    MHD_stop_daemon(http->daemon);
    (void)close(http->wake_file);
    rv = pthread_mutex_destroy(&http->lock);
    ASSERT(rv == 0);
    buffer_close(&http->answer);
    memory_free(http);
}
