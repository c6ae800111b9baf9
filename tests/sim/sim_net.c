/* Connections without sockets. */
#include "sim/sim_net.h"

#include <stdlib.h>

struct net_connection {
    struct net *net;
    struct net_connection *next;
    struct net_connection **at; /* who uses it from outside */
    struct net_events events;
    struct buffer heard;
    bool shows; /* a certificate */
    struct certificate certificate;
    bool closing;
    enum net_error error;
    uint64_t deadline_ms; /* 0: none */
};

struct closing_handle {
    uv_handle_t *handle;
    uv_close_cb closed;
};

struct net {
    struct sim *sim;
    uv_loop_t loop;
    net_accepted accepted;
    void *context;
    struct net_connection *connections;
    struct closing_handle handles[SIM_NODES + 2]; /* a timer a peer, and the mesh's own */
    unsigned handle_count;
};

/* --- net.h --- */

const char *net_error_text(enum net_error error)
{
    return error == NET_OK ? "" : "simulated";
}

uv_loop_t *net_loop(struct net *net)
{
    return &net->loop;
}

enum conclave_code net_listen(struct net *net, const char *address, size_t output_limit_bytes,
                              net_accepted accepted, void *context, struct net_listener **listener,
                              struct codec_error *error)
{
    (void)address;
    (void)output_limit_bytes;
    (void)error;
    net->accepted = accepted;
    net->context = context;
    *listener = NULL;
    return CONCLAVE_OK;
}

void net_listener_close(struct net_listener *listener)
{
    (void)listener;
}

enum conclave_code net_dial(struct net *net, const char *address, size_t output_limit_bytes,
                            uint64_t timeout_ms, const struct net_events *events,
                            struct net_connection **connection, struct codec_error *error)
{
    (void)net;
    (void)address;
    (void)output_limit_bytes;
    (void)timeout_ms;
    (void)events;
    (void)connection;
    (void)error;
    UNREACHABLE("the mesh dials, though no timer fires");
}

void net_connection_accept(struct net_connection *connection, const struct net_events *events)
{
    connection->events = *events;
}

void net_connection_send(struct net_connection *connection, struct slice bytes)
{
    if (!connection->closing) {
        buffer_append(&connection->heard, bytes.data, bytes.size);
        if (connection->heard.status != CONCLAVE_OK) { /* its allocation was the one to fail */
            net_connection_close(connection, NET_NO_MEMORY);
        }
    }
}

size_t net_connection_unsent_bytes(const struct net_connection *connection)
{
    (void)connection;
    return 0;
}

void net_connection_close(struct net_connection *connection, enum net_error error)
{
    if (!connection->closing) {
        connection->closing = true;
        connection->error = error;
    }
}

void net_connection_finish(struct net_connection *connection, enum net_error error)
{
    net_connection_close(connection, error);
}

void net_connection_set_deadline(struct net_connection *connection, uint64_t timeout_ms)
{
    connection->deadline_ms = timeout_ms == 0 ? 0 : connection->net->sim->now_ms + timeout_ms;
}

void net_listener_require_certificates(struct net_listener *listener, bool required)
{
    (void)listener;
    ASSERT(required); /* peers do */
}

bool net_connection_is_secure(const struct net_connection *connection)
{
    return connection->net->sim->secure;
}

const struct certificate *net_connection_peer(const struct net_connection *connection)
{
    return connection->shows ? &connection->certificate : NULL;
}

const char *net_connection_reason(const struct net_connection *connection)
{
    (void)connection;
    return "";
}

bool net_connection_is_closing(const struct net_connection *connection)
{
    return connection->closing;
}

/* --- libuv --- */

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    timer->loop = loop;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    (void)timer;
    (void)callback;
    (void)timeout;
    (void)repeat;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb closed)
{
    struct net *net = handle->loop->data;
    ASSERT(net->handle_count < sizeof net->handles / sizeof net->handles[0]);
    net->handles[net->handle_count++] = (struct closing_handle){handle, closed};
}

/* --- The world's side --- */

struct net *sim_net_open(struct sim *sim)
{
    struct net *net = sim_checked(calloc(1, sizeof *net));
    net->sim = sim;
    net->loop.data = net;
    return net;
}

void sim_net_close(struct net *net)
{
    ASSERT(net->connections == NULL && net->handle_count == 0);
    free(net);
}

static void end(struct net_connection *connection)
{
    struct net_connection **at = &connection->net->connections;
    while (*at != connection) {
        at = &(*at)->next;
    }
    *at = connection->next;
    if (connection->at != NULL) {
        *connection->at = NULL;
    }
    if (connection->events.closed != NULL) {
        connection->events.closed(connection->events.context, connection, connection->error);
    }
    buffer_close(&connection->heard);
    free(connection);
}

void sim_net_run(struct net *net)
{
    struct net_connection *connection = net->connections;
    while (connection != NULL) {
        struct net_connection *next = connection->next;
        if (connection->deadline_ms != 0 && connection->deadline_ms <= net->sim->now_ms) {
            net_connection_close(connection, NET_TIMED_OUT);
        }
        if (connection->closing) {
            end(connection);
        }
        connection = next;
    }
    unsigned handle_count = net->handle_count;
    net->handle_count = 0;
    for (unsigned i = 0; i < handle_count; i++) {
        net->handles[i].closed(net->handles[i].handle);
    }
}

void sim_net_connect(struct net *net, const struct certificate *certificate,
                     struct net_connection **at)
{
    struct net_connection *connection = sim_checked(calloc(1, sizeof *connection));
    connection->net = net;
    connection->at = at;
    connection->next = net->connections;
    if (certificate != NULL) {
        connection->shows = true;
        connection->certificate = *certificate;
    }
    buffer_init(&connection->heard, LIMIT_PEER_FRAME_BYTES);
    net->connections = connection;
    if (at != NULL) {
        *at = connection;
    }
    net->accepted(net->context, connection);
}

void sim_net_send(struct net_connection *connection, struct slice bytes)
{
    struct sim *sim = connection->net->sim;
    size_t sent = 0;
    while (sent < bytes.size && !connection->closing) {
        size_t left = bytes.size - sent;
        size_t size = left < 2 || sim_random_below(&sim->lot, 2) == 0
                          ? left
                          : 1 + (size_t)sim_random_below(&sim->lot, left - 1);
        connection->events.received(connection->events.context, connection,
                                    slice_of(bytes.data + sent, size));
        sent += size;
    }
}

struct slice sim_net_heard(const struct net_connection *connection)
{
    return buffer_slice(&connection->heard);
}

void sim_net_hang_up(struct net_connection *connection)
{
    net_connection_close(connection, NET_CLOSED);
}

void sim_net_forget(struct net_connection *connection)
{
    connection->at = NULL;
}
