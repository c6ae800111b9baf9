/* The network of a loop: who is in it, the flush before each poll, and its end. */
#include "net/net_internal.h"

#include "base/memory.h"

static const char *const error_texts[NET_ERROR_COUNT] = {
    [NET_OK] = "",
    [NET_CLOSED] = "closed",
    [NET_REFUSED] = "refused",
    [NET_TIMED_OUT] = "timed_out",
    [NET_UNREACHABLE] = "unreachable",
    [NET_SLOW_READER] = "slow_reader",
    [NET_MALFORMED] = "malformed",
    [NET_WRONG_CLUSTER] = "wrong_cluster",
    [NET_UNAUTHORISED] = "unauthorised",
    [NET_NO_MEMORY] = "no_memory",
    [NET_TLS] = "tls",
    [NET_CERTIFICATE] = "certificate",
    [NET_BUSY] = "busy",
};

const char *net_error_text(enum net_error error)
{
    ASSERT(error < NET_ERROR_COUNT);
    return error_texts[error];
}

void net_set_tls(struct net *net, struct tls_context *context)
{
    ASSERT(net != NULL);
    if (context != NULL) {
        tls_context_hold(context);
    }
    tls_context_release(net->tls);
    net->tls = context;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct net *net = handle->data;
    if (net->before_poll != NULL) {
        net->before_poll(net->before_poll_context);
    }
    connections_sweep(net);
    while (net->dirty != NULL) {
        struct net_connection *connection = net->dirty;
        net->dirty = connection->dirty_next;
        connection->dirty = false;
        connection_flush(connection);
    }
}

enum conclave_code net_open(uv_loop_t *loop, void (*before_poll)(void *context), void *context,
                            struct net **net)
{
    ASSERT(loop != NULL && net != NULL);
    struct net *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->loop = loop;
    made->before_poll = before_poll;
    made->before_poll_context = context;
    int rv = uv_prepare_init(loop, &made->prepare);
    ASSERT(rv == 0);
    made->prepare.data = made;
    rv = uv_prepare_start(&made->prepare, on_prepare);
    ASSERT(rv == 0);
    uv_unref((uv_handle_t *)&made->prepare); /* it alone does not keep the loop running */
    *net = made;
    return CONCLAVE_OK;
}

uv_loop_t *net_loop(struct net *net)
{
    ASSERT(net != NULL);
    return net->loop;
}

uint64_t net_connection_count(const struct net *net)
{
    ASSERT(net != NULL);
    return net->connection_count;
}

static void on_prepare_closed(uv_handle_t *handle)
{
    struct net *net = handle->data;
    void (*closed)(void *context) = net->closed;
    void *context = net->closed_context;
    tls_context_release(net->tls);
    memory_free(net);
    closed(context);
}

void net_check_closed(struct net *net)
{
    if (net->closing && net->connections == NULL && net->listeners == NULL &&
        !uv_is_closing((uv_handle_t *)&net->prepare)) {
        uv_close((uv_handle_t *)&net->prepare, on_prepare_closed);
    }
}

void net_close(struct net *net, void (*closed)(void *context), void *context)
{
    ASSERT(net != NULL && closed != NULL && !net->closing);
    net->closing = true;
    net->before_poll = NULL;
    net->closed = closed;
    net->closed_context = context;
    for (struct net_listener *at = net->listeners; at != NULL; at = at->next) {
        net_listener_close(at);
    }
    for (struct net_connection *at = net->connections; at != NULL; at = at->next) {
        net_connection_close(at, NET_OK);
    }
    net_check_closed(net);
}
