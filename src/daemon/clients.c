/* The connections of clients. A connection's id is its slot plus a multiple of the number of slots,
 * so that it is found without a search and never comes twice. */
#include "daemon/clients.h"

#include "base/logger.h"
#include "base/memory.h"

/* The api refuses the one that is too many; it has to come here to be refused, and connections that
 * end keep their slot for a moment. */
#define CLIENTS_SLOTS (LIMIT_CONNECTIONS + 64u)

struct client {
    struct clients *clients;
    struct net_connection *connection; /* NULL: the slot is free */
    uint64_t id;
    struct client *next_free;
};

struct clients {
    struct net *net;
    struct api *api;
    struct net_listener *listener;
    unsigned count;
    struct client *free;
    void (*closed)(void *context);
    void *closed_context;
    struct client slots[CLIENTS_SLOTS];
};

enum conclave_code clients_open(struct net *net, struct clients **clients)
{
    ASSERT(net != NULL && clients != NULL);
    struct clients *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->net = net;
    for (unsigned i = CLIENTS_SLOTS; i > 0; i--) {
        struct client *slot = &made->slots[i - 1];
        slot->clients = made;
        slot->id = i - 1;
        slot->next_free = made->free;
        made->free = slot;
    }
    *clients = made;
    return CONCLAVE_OK;
}

static struct client *find(struct clients *clients, uint64_t id)
{
    struct client *slot = &clients->slots[id % CLIENTS_SLOTS];
    return slot->connection != NULL && slot->id == id ? slot : NULL;
}

static void on_received(void *context, struct net_connection *connection, struct slice bytes)
{
    struct client *client = context;
    ASSERT(client->connection == connection);
    api_connection_received(client->clients->api, client->id, bytes);
}

static void on_closed(void *context, struct net_connection *connection, enum net_error error)
{
    struct client *client = context;
    struct clients *clients = client->clients;
    ASSERT(client->connection == connection);
    LOG_DEBUG("a client's connection ended", FIELD_U64("connection", client->id),
              FIELD_TEXT("why", net_error_text(error)));
    api_connection_closed(clients->api, client->id);
    client->connection = NULL;
    client->id += CLIENTS_SLOTS;
    client->next_free = clients->free;
    clients->free = client;
    clients->count--;
    if (clients->count == 0 && clients->closed != NULL) {
        clients->closed(clients->closed_context);
    }
}

static void on_accepted(void *context, struct net_connection *connection)
{
    struct clients *clients = context;
    struct client *client = clients->free;
    if (clients->closed != NULL || clients->api == NULL || client == NULL ||
        api_connection_opened(clients->api, client->id) != CONCLAVE_OK) {
        LOG_WARN("a client was turned away: there are too many",
                 FIELD_U64("connections", clients->count));
        net_connection_close(connection, NET_OK);
        return;
    }
    clients->free = client->next_free;
    clients->count++;
    client->connection = connection;
    const struct net_events events = {client, NULL, on_received, on_closed};
    net_connection_accept(connection, &events);
    LOG_DEBUG("a client connected", FIELD_U64("connection", client->id));
}

enum conclave_code clients_listen(struct clients *clients, const char *address,
                                  struct codec_error *error)
{
    ASSERT(clients != NULL && clients->listener == NULL);
    return net_listen(clients->net, address, LIMIT_CONNECTION_OUTPUT_BYTES, on_accepted, clients,
                      &clients->listener, error);
}

void clients_serve(struct clients *clients, struct api *api)
{
    ASSERT(clients != NULL && api != NULL);
    clients->api = api;
}

void clients_send(struct clients *clients, uint64_t connection_id, struct slice bytes)
{
    ASSERT(clients != NULL);
    struct client *client = find(clients, connection_id);
    if (client != NULL) {
        net_connection_send(client->connection, bytes);
    }
}

void clients_hang_up(struct clients *clients, uint64_t connection_id)
{
    ASSERT(clients != NULL);
    struct client *client = find(clients, connection_id);
    if (client != NULL) {
        net_connection_finish(client->connection, NET_OK);
    }
}

void clients_stop_listening(struct clients *clients)
{
    ASSERT(clients != NULL);
    if (clients->listener != NULL) {
        net_listener_close(clients->listener);
        clients->listener = NULL;
    }
}

void clients_finish(struct clients *clients, void (*closed)(void *context), void *context)
{
    ASSERT(clients != NULL && closed != NULL && clients->closed == NULL);
    clients->closed = closed;
    clients->closed_context = context;
    for (unsigned i = 0; i < CLIENTS_SLOTS; i++) {
        if (clients->slots[i].connection != NULL) {
            net_connection_finish(clients->slots[i].connection, NET_OK);
        }
    }
    if (clients->count == 0) {
        closed(context);
    }
}

void clients_close(struct clients *clients)
{
    ASSERT(clients != NULL && clients->count == 0 && clients->listener == NULL);
    memory_free(clients);
}
