/* Listeners: a port on loopback, and the connections that come in there. */
#include "base/logger.h"
#include "base/memory.h"
#include "net/net_internal.h"

/* A thousand clients may come at once: one past the backlog waits a second. The kernel cuts it to
 * its own limit. */
#define LISTENER_BACKLOG 4096

static void on_listener_closed(uv_handle_t *handle)
{
    struct net_listener *listener = handle->data;
    struct net *net = listener->net;
    struct net_listener **at = &net->listeners;
    while (*at != listener) {
        at = &(*at)->next;
    }
    *at = listener->next;
    memory_free(listener);
    net_check_closed(net);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct net_listener *listener = stream->data;
    if (status < 0) {
        LOG_WARN("a connection could not be accepted", FIELD_TEXT("error", uv_strerror(status)));
        return;
    }
    struct net_connection *connection =
        connection_create(listener->net, listener->output_limit_bytes);
    if (connection == NULL) {
        LOG_WARN("a connection could not be accepted", FIELD_TEXT("error", "out of memory"));
        return;
    }
    connection->state = CONNECTION_OFFERED;
    int rv = uv_accept(stream, (uv_stream_t *)&connection->tcp);
    if (rv != 0) {
        LOG_WARN("a connection could not be accepted", FIELD_TEXT("error", uv_strerror(rv)));
        net_connection_close(connection, NET_CLOSED);
        return;
    }
    listener->accepted(listener->context, connection);
    ASSERT(connection->state != CONNECTION_OFFERED);
}

static enum conclave_code listen_error(int rv, const char *address, struct codec_error *error)
{
    if (rv == UV_EADDRINUSE) {
        codec_error_set(error, "%s is in use", address);
        return CONCLAVE_BUSY;
    }
    codec_error_set(error, "cannot listen on %s: %s", address, uv_strerror(rv));
    return CONCLAVE_IO;
}

enum conclave_code net_listen(struct net *net, const char *address, size_t output_limit_bytes,
                              net_accepted accepted, void *context, struct net_listener **listener,
                              struct codec_error *error)
{
    ASSERT(net != NULL && !net->closing && accepted != NULL && listener != NULL);
    union net_address parsed;
    enum conclave_code code = net_address_parse(address, true, &parsed, error);
    if (code == CONCLAVE_OK) {
        code = net_address_check_allowed(&parsed, address, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    struct net_listener *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        codec_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    made->net = net;
    made->output_limit_bytes = output_limit_bytes;
    made->accepted = accepted;
    made->context = context;
    int rv = uv_tcp_init(net->loop, &made->tcp);
    ASSERT(rv == 0);
    made->tcp.data = made;
    made->next = net->listeners;
    net->listeners = made;

    rv = uv_tcp_bind(&made->tcp, &parsed.any, 0);
    if (rv == 0) {
        rv = uv_listen((uv_stream_t *)&made->tcp, LISTENER_BACKLOG, on_connection);
    }
    if (rv != 0) {
        net_listener_close(made);
        return listen_error(rv, address, error);
    }
    *listener = made;
    return CONCLAVE_OK;
}

void net_listener_address(const struct net_listener *listener, char text[LIMIT_ADDRESS_BYTES + 1])
{
    ASSERT(listener != NULL);
    union net_address address;
    int size = sizeof address;
    int rv = uv_tcp_getsockname(&listener->tcp, &address.any, &size);
    ASSERT(rv == 0);
    net_address_text(&address, text);
}

void net_listener_close(struct net_listener *listener)
{
    ASSERT(listener != NULL);
    if (!uv_is_closing((uv_handle_t *)&listener->tcp)) {
        uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
    }
}
