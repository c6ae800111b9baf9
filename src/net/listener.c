/* Listeners: a port, the connections that come in there, and the handshakes of TLS under way. Only
 * connections whose handshake is done are offered to the owner.
 */
#include "base/logger.h"
#include "base/memory.h"
#include "net/net_internal.h"

/* A thousand clients may come at once: one past the backlog waits a second. The kernel cuts it to
 * its own limit. */
#define LISTENER_BACKLOG 4096
#define LISTENER_TELL_MS 10000u /* between lines of the log about the same */

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

void listener_remove_half_open(struct net_connection *connection)
{
    struct net_listener *listener = connection->listener;
    if (listener == NULL) {
        return;
    }
    ASSERT(listener->half_open_count > 0);
    if (connection->half_open_previous != NULL) {
        connection->half_open_previous->half_open_next = connection->half_open_next;
    } else {
        listener->half_open = connection->half_open_next;
    }
    if (connection->half_open_next != NULL) {
        connection->half_open_next->half_open_previous = connection->half_open_previous;
    } else {
        listener->half_open_last = connection->half_open_previous;
    }
    listener->half_open_count--;
    connection->listener = NULL;
    connection->half_open_next = connection->half_open_previous = NULL;
}

static void tell_turned_away(struct net_listener *listener)
{
    uint64_t now_ms = uv_now(listener->net->loop);
    listener->turned_away++;
    if (listener->turned_away == 1 || now_ms - listener->turned_away_told_ms >= LISTENER_TELL_MS) {
        listener->turned_away_told_ms = now_ms;
        LOG_WARN("more handshakes than the node takes: some were cut off",
                 FIELD_U64("under_way", listener->half_open_count),
                 FIELD_U64("cut_off", listener->turned_away));
    }
}

static void make_room(struct net_listener *listener)
{
    net_connection_close(listener->half_open, NET_BUSY);
    tell_turned_away(listener);
}

/* A handshake costs a signature and a key exchange: a flood of them must leave time for the rest.
 */
static bool may_shake_hands(struct net_listener *listener)
{
    static const struct rate_limit limit = {LIMIT_HANDSHAKES_A_SECOND,
                                            2 * LIMIT_HANDSHAKES_A_SECOND};
    if (rate_take(&listener->handshakes, &limit, 1000 * uv_now(listener->net->loop))) {
        return true;
    }
    tell_turned_away(listener);
    return false;
}

void listener_add_half_open(struct net_listener *listener, struct net_connection *connection)
{
    ASSERT(listener != NULL && connection->listener == NULL);
    if (listener->half_open_count >= LIMIT_HALF_OPEN) {
        make_room(listener);
    }
    connection->listener = listener;
    connection->half_open_previous = listener->half_open_last;
    if (listener->half_open_last != NULL) {
        listener->half_open_last->half_open_next = connection;
    } else {
        listener->half_open = connection;
    }
    listener->half_open_last = connection;
    listener->half_open_count++;
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
    connection->stalled_ms = listener->stalled_ms;
    connection->total_bytes = listener->total_bytes;
    if (listener->net->tls != NULL) {
        if (!may_shake_hands(listener)) {
            net_connection_close(connection, NET_BUSY);
            return;
        }
        connection_secure(connection, listener);
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
    if (code == CONCLAVE_OK && net->tls == NULL) {
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

void net_listener_require_certificates(struct net_listener *listener, bool required)
{
    ASSERT(listener != NULL);
    listener->certificates_required = required;
}

void net_listener_limit_readers(struct net_listener *listener, uint64_t stalled_ms,
                                size_t total_bytes)
{
    ASSERT(listener != NULL && stalled_ms > 0 && total_bytes > 0);
    listener->stalled_ms = stalled_ms;
    listener->total_bytes = total_bytes;
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
        while (listener->half_open != NULL) {
            net_connection_close(listener->half_open, NET_OK);
        }
        uv_close((uv_handle_t *)&listener->tcp, on_listener_closed);
    }
}
