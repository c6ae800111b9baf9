/* A connection. Output gathers in `pending`; before the loop polls it is encrypted into `sealed`
 * where TLS is spoken, and leaves by one write. What the socket does not take at once becomes
 * `writing`, while more gathers. Two handles (socket, timer) are closed before its end.
 *
 * The failure modes all meet in net_connection_close, which runs once; uv then calls back what was
 * under way with an error, which the callbacks know by the state CLOSING. */
#include "base/logger.h"
#include "base/memory.h"
#include "net/net_internal.h"

#define CONNECTION_READ_BYTES  65536u
#define CONNECTION_KEEP_BYTES  65536u /* an empty output buffer larger than this is given back */
#define CONNECTION_LINGER_MS   1000u
#define CONNECTION_KEEPALIVE_S 60u
#define CONNECTION_HANDLES     2u
#define SWEEP_MS               1000u
/* What TLS adds to a full output: 22 bytes a record of 16 KiB, and its own messages. */
#define CONNECTION_SEALED_BYTES(limit) ((limit) + (limit) / 256u + 65536u)

/* One for all: a read is used up before the next begins, and the loop has one thread. */
static _Thread_local char read_bytes[CONNECTION_READ_BYTES];

static enum net_error error_of(int status)
{
    switch (status) {
    case UV_ECONNREFUSED:
        return NET_REFUSED;
    case UV_ETIMEDOUT:
        return NET_TIMED_OUT;
    case UV_EOF:
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_ECONNABORTED:
    case UV_ENOTCONN:
        return NET_CLOSED;
    case UV_ENOMEM:
        return NET_NO_MEMORY;
    default:
        return NET_UNREACHABLE;
    }
}

struct net_connection *connection_create(struct net *net, size_t output_limit_bytes)
{
    ASSERT(net != NULL && output_limit_bytes > 0);
    struct net_connection *connection = memory_allocate_zeroed(1, sizeof *connection);
    if (connection == NULL) {
        return NULL;
    }
    connection->net = net;
    connection->output_limit_bytes = output_limit_bytes;
    buffer_init(&connection->pending, output_limit_bytes);
    buffer_init(&connection->sealed, CONNECTION_SEALED_BYTES(output_limit_bytes));
    buffer_init(&connection->writing, CONNECTION_SEALED_BYTES(output_limit_bytes));
    int rv = uv_tcp_init(net->loop, &connection->tcp);
    ASSERT(rv == 0);
    rv = uv_timer_init(net->loop, &connection->timer);
    ASSERT(rv == 0);
    connection->handles = CONNECTION_HANDLES;
    connection->tcp.data = connection;
    connection->timer.data = connection;
    connection->next = net->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    net->connections = connection;
    net->connection_count++;
    return connection;
}

static void connection_unlink(struct net_connection *connection)
{
    struct net *net = connection->net;
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        net->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    for (struct net_connection **at = &net->dirty; connection->dirty; at = &(*at)->dirty_next) {
        if (*at == connection) {
            *at = connection->dirty_next;
            connection->dirty = false;
            break;
        }
    }
    net->connection_count--;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct net_connection *connection = handle->data;
    ASSERT(connection->handles > 0);
    if (--connection->handles > 0) {
        return;
    }
    struct net *net = connection->net;
    connection_unlink(connection);
    if (connection->events.closed != NULL) {
        connection->events.closed(connection->events.context, connection, connection->error);
    }
    tls_close(connection->tls);
    buffer_close(&connection->pending);
    buffer_close(&connection->sealed);
    buffer_close(&connection->writing);
    memory_free(connection);
    net_check_closed(net);
}

void net_connection_close(struct net_connection *connection, enum net_error error)
{
    ASSERT(connection != NULL);
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    listener_remove_half_open(connection);
    connection->state = CONNECTION_CLOSING;
    connection->error = error;
    uv_close((uv_handle_t *)&connection->tcp, on_handle_closed);
    uv_close((uv_handle_t *)&connection->timer, on_handle_closed);
}

bool net_connection_is_closing(const struct net_connection *connection)
{
    ASSERT(connection != NULL);
    return connection->state >= CONNECTION_FINISHING;
}

bool net_connection_is_secure(const struct net_connection *connection)
{
    ASSERT(connection != NULL);
    return connection->secure;
}

const struct certificate *net_connection_peer(const struct net_connection *connection)
{
    ASSERT(connection != NULL);
    return connection->tls == NULL ? NULL : tls_peer(connection->tls);
}

bool net_connection_binding(const struct net_connection *connection,
                            uint8_t binding[TLS_BINDING_BYTES])
{
    ASSERT(connection != NULL);
    return connection->tls != NULL && tls_binding(connection->tls, binding);
}

const char *net_connection_reason(const struct net_connection *connection)
{
    ASSERT(connection != NULL);
    return connection->tls == NULL ? "" : tls_reason(connection->tls);
}

/* --- input --- */

static void connection_input(struct net_connection *connection, struct slice bytes)
{
    if (connection->secure) {
        connection_decrypt(connection, bytes);
    } else if (connection->state == CONNECTION_OPEN) {
        connection->events.received(connection->events.context, connection, bytes);
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)handle;
    (void)suggested;
    *buffer = uv_buf_init(read_bytes, sizeof read_bytes);
}

static void connection_end_read(struct net_connection *connection, int status)
{
    connection->end_read = true;
    if (status == UV_EOF && connection->state == CONNECTION_FINISHING) {
        (void)uv_read_stop((uv_stream_t *)&connection->tcp);
        return; /* the rest of the output still goes out */
    }
    net_connection_close(connection, connection->state >= CONNECTION_FINISHING ? connection->error
                                                                               : error_of(status));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    struct net_connection *connection = stream->data;
    if (connection->state == CONNECTION_CLOSING || size == 0) {
        return;
    }
    if (size < 0) {
        connection_end_read(connection, (int)size);
        return;
    }
    connection_input(connection, slice_of(buffer->base, (size_t)size));
}

void connection_start(struct net_connection *connection)
{
    /* Neither is needed for correctness, and a connection may be gone already. */
    (void)uv_tcp_nodelay(&connection->tcp, 1);
    (void)uv_tcp_keepalive(&connection->tcp, 1, CONNECTION_KEEPALIVE_S);
    int rv = uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read);
    if (rv != 0) {
        net_connection_close(connection, error_of(rv));
    }
}

void net_connection_accept(struct net_connection *connection, const struct net_events *events)
{
    ASSERT(connection != NULL && connection->state == CONNECTION_OFFERED);
    ASSERT(events != NULL && events->received != NULL && events->closed != NULL);
    connection->events = *events;
    connection->state = CONNECTION_OPEN;
    if (!connection->secure) { /* else it reads already */
        connection_start(connection);
    }
}

/* --- output --- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct net_connection *connection = request->data;
    if (connection->state != CONNECTION_CLOSING && (status < 0 || connection->end_read)) {
        net_connection_close(connection, connection->error);
    }
}

static void connection_shut(struct net_connection *connection)
{
    connection->state = CONNECTION_LINGERING;
    connection->shutdown.data = connection;
    int rv = uv_shutdown(&connection->shutdown, (uv_stream_t *)&connection->tcp, on_shutdown);
    if (rv != 0) {
        net_connection_close(connection, connection->error);
    }
}

static void on_written(uv_write_t *request, int status)
{
    struct net_connection *connection = request->data;
    buffer_clear(&connection->writing);
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    if (status < 0) {
        net_connection_close(connection, connection->state == CONNECTION_FINISHING
                                             ? connection->error
                                             : error_of(status));
        return;
    }
    if (connection->writing.capacity > CONNECTION_KEEP_BYTES) {
        buffer_close(&connection->writing);
    }
    connection_flush(connection);
}

/* Most output fits into the socket: then there is nothing to wait for. (uv_write would call back in
 * the next turn, and set the socket's events anew, a system call more for each write.) False when
 * the connection is closed. */
static bool connection_write_now(struct net_connection *connection, struct buffer *output)
{
    ASSERT(output->size > 0 && output->size <= UINT32_MAX);
    uv_buf_t bytes = uv_buf_init((char *)output->data, (unsigned)output->size);
    int rv = uv_try_write((uv_stream_t *)&connection->tcp, &bytes, 1);
    if (rv == UV_EAGAIN) {
        return true;
    }
    if (rv < 0) {
        net_connection_close(connection, connection->state == CONNECTION_FINISHING
                                             ? connection->error
                                             : error_of(rv));
        return false;
    }
    buffer_consume(output, (size_t)rv);
    if (output->size == 0 && output->capacity > CONNECTION_KEEP_BYTES) {
        buffer_close(output);
    }
    return true;
}

/* What the socket did not take waits in `writing` until it does. */
static void connection_write_later(struct net_connection *connection, struct buffer *output)
{
    ASSERT(connection->writing.size == 0 && output->size > 0);
    struct buffer empty = connection->writing;
    size_t limit = output->limit;
    connection->writing = *output;
    *output = empty;
    output->limit = limit;
    ASSERT(connection->writing.size <= UINT32_MAX);
    uv_buf_t bytes =
        uv_buf_init((char *)connection->writing.data, (unsigned)connection->writing.size);
    connection->write.data = connection;
    connection->write_at_ms = uv_now(connection->net->loop);
    int rv = uv_write(&connection->write, (uv_stream_t *)&connection->tcp, &bytes, 1, on_written);
    if (rv != 0) {
        net_connection_close(connection, error_of(rv));
    }
}

static bool connection_may_write(const struct net_connection *connection)
{
    return (connection->state == CONNECTION_SECURING || connection->state == CONNECTION_OPEN ||
            connection->state == CONNECTION_FINISHING) &&
           connection->writing.size == 0;
}

/* Hands what is pending to the socket, encrypted where TLS is spoken: a part at a time. */
void connection_flush(struct net_connection *connection)
{
    struct buffer *output = connection->secure ? &connection->sealed : &connection->pending;
    while (connection_may_write(connection)) {
        if (connection->secure) {
            connection_seal(connection);
        }
        if (output->size == 0) {
            if (connection->state == CONNECTION_FINISHING) {
                connection_shut(connection);
            }
            return;
        }
        if (!connection_write_now(connection, output)) {
            return;
        }
        if (output->size > 0) {
            connection_write_later(connection, output);
        }
    }
}

void connection_mark_dirty(struct net_connection *connection)
{
    if (!connection->dirty) {
        connection->dirty = true;
        connection->dirty_next = connection->net->dirty;
        connection->net->dirty = connection;
    }
}

size_t net_connection_unsent_bytes(const struct net_connection *connection)
{
    ASSERT(connection != NULL);
    return connection->pending.size + connection->sealed.size + connection->writing.size;
}

void net_connection_send(struct net_connection *connection, struct slice bytes)
{
    ASSERT(connection != NULL && connection->state != CONNECTION_OFFERED);
    if (connection->state >= CONNECTION_FINISHING || bytes.size == 0) {
        return;
    }
    size_t unsent = net_connection_unsent_bytes(connection); /* with TLS's own, a little more */
    if (unsent > connection->output_limit_bytes ||
        bytes.size > connection->output_limit_bytes - unsent) {
        net_connection_close(connection, NET_SLOW_READER);
        return;
    }
    buffer_append(&connection->pending, bytes.data, bytes.size);
    if (connection->pending.status != CONCLAVE_OK) {
        net_connection_close(connection, NET_NO_MEMORY);
        return;
    }
    connection_mark_dirty(connection);
}

void net_connection_pause(struct net_connection *connection, bool paused)
{
    ASSERT(connection != NULL);
    if (connection->state != CONNECTION_OPEN || connection->paused == paused) {
        return;
    }
    connection->paused = paused;
    int rv = paused ? uv_read_stop((uv_stream_t *)&connection->tcp)
                    : uv_read_start((uv_stream_t *)&connection->tcp, on_allocate, on_read);
    if (rv != 0) {
        net_connection_close(connection, error_of(rv));
    }
}

/* --- readers that are too slow --- */

/* Of those that leave output lying, the one that leaves most. */
static struct net_connection *greatest_of(struct net *net, size_t *total)
{
    struct net_connection *greatest = NULL;
    *total = 0;
    for (struct net_connection *at = net->connections; at != NULL; at = at->next) {
        if (at->stalled_ms == 0 || at->state == CONNECTION_CLOSING) {
            continue;
        }
        *total += net_connection_unsent_bytes(at);
        if (greatest == NULL ||
            net_connection_unsent_bytes(at) > net_connection_unsent_bytes(greatest)) {
            greatest = at;
        }
    }
    return greatest;
}

void connections_sweep(struct net *net)
{
    uint64_t now_ms = uv_now(net->loop);
    if (now_ms - net->swept_ms < SWEEP_MS) {
        return;
    }
    net->swept_ms = now_ms;
    for (struct net_connection *at = net->connections; at != NULL; at = at->next) {
        if (at->stalled_ms > 0 && at->state != CONNECTION_CLOSING && at->writing.size > 0 &&
            now_ms - at->write_at_ms >= at->stalled_ms) {
            net_connection_close(at, NET_SLOW_READER);
        }
    }
    size_t total;
    struct net_connection *greatest = greatest_of(net, &total);
    while (greatest != NULL && total > greatest->total_bytes) {
        net_connection_close(greatest, NET_SLOW_READER);
        greatest = greatest_of(net, &total);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct net_connection *connection = timer->data;
    net_connection_close(connection, connection->state >= CONNECTION_FINISHING ? connection->error
                                                                               : NET_TIMED_OUT);
}

void connection_finish(struct net_connection *connection, enum net_error error)
{
    ASSERT(connection->state < CONNECTION_FINISHING);
    net_connection_pause(connection, false); /* their end is to be seen */
    connection->state = CONNECTION_FINISHING;
    connection->error = error;
    int rv = uv_timer_start(&connection->timer, on_deadline, CONNECTION_LINGER_MS, 0);
    ASSERT(rv == 0);
    connection_mark_dirty(connection);
}

void net_connection_finish(struct net_connection *connection, enum net_error error)
{
    ASSERT(connection != NULL);
    if (connection->state >= CONNECTION_FINISHING) {
        return;
    }
    if (connection->state != CONNECTION_OPEN) {
        net_connection_close(connection, error);
    } else {
        connection_finish(connection, error);
    }
}

void net_connection_set_deadline(struct net_connection *connection, uint64_t timeout_ms)
{
    ASSERT(connection != NULL);
    if (connection->state >= CONNECTION_FINISHING) {
        return;
    }
    int rv = timeout_ms == 0 ? uv_timer_stop(&connection->timer)
                             : uv_timer_start(&connection->timer, on_deadline, timeout_ms, 0);
    ASSERT(rv == 0);
}

/* --- dialling --- */

static void on_connected(uv_connect_t *request, int status)
{
    struct net_connection *connection = request->data;
    if (connection->state == CONNECTION_CLOSING) {
        return;
    }
    if (status < 0) {
        net_connection_close(connection, error_of(status));
        return;
    }
    if (connection->net->tls != NULL) {
        connection_secure(connection, NULL);
        return;
    }
    net_connection_set_deadline(connection, 0);
    connection->state = CONNECTION_OPEN;
    connection_start(connection);
    if (connection->state == CONNECTION_OPEN && connection->events.opened != NULL) {
        connection->events.opened(connection->events.context, connection);
    }
    connection_mark_dirty(connection); /* what was sent before it stood */
}

enum conclave_code net_dial(struct net *net, const char *address, size_t output_limit_bytes,
                            uint64_t timeout_ms, const struct net_events *events,
                            struct net_connection **connection, struct codec_error *error)
{
    ASSERT(net != NULL && !net->closing && connection != NULL && timeout_ms > 0);
    ASSERT(events != NULL && events->received != NULL && events->closed != NULL);
    union net_address parsed;
    enum conclave_code code = net_address_parse(address, false, &parsed, error);
    if (code == CONCLAVE_OK && net->tls == NULL) {
        code = net_address_check_allowed(&parsed, address, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct net_connection *made = connection_create(net, output_limit_bytes);
    if (made == NULL) {
        codec_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    made->events = *events;
    made->state = CONNECTION_CONNECTING;
    made->connect.data = made;
    net_connection_set_deadline(made, timeout_ms);
    int rv = uv_tcp_connect(&made->connect, &made->tcp, &parsed.any, on_connected);
    if (rv != 0) { /* no socket could be had: told like every other failure, by `closed` */
        net_connection_close(made, error_of(rv));
    }
    *connection = made;
    return CONCLAVE_OK;
}
