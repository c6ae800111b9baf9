/* The connections of clients. A connection's id is its slot plus a multiple of the number of slots,
 * so that it is found without a search and never comes twice. */
#include "daemon/clients.h"

#include "base/logger.h"
#include "base/memory.h"
#include "codec/reader.h"
#include "codec/writer.h"

/* Beyond the api's limit there are some for those that are turned away: they get `busy` for their
 * first request. */
#define CLIENTS_SLOTS        (LIMIT_CONNECTIONS + 64u)
#define CLIENTS_TURN_AWAY_MS 2000u
#define CLIENTS_ANSWER_BYTES 256u

struct client {
    struct clients *clients;
    struct net_connection *connection; /* NULL: the slot is free */
    uint64_t id;
    bool turned_away; /* the api does not know it */
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

/* The msgid of the request at the front of what came; none when that is no whole request. */
static bool read_msgid(struct slice bytes, uint64_t *msgid)
{
    struct codec_scan scan = {.offset = 0};
    struct codec_tree tree;
    const msgpack_object *items;
    uint32_t count;
    if (codec_scan(&scan, bytes) != CODEC_SCAN_COMPLETE ||
        codec_parse(&tree, slice_of(bytes.data, scan.offset)) != CONCLAVE_OK) {
        return false;
    }
    bool found = codec_get_array(&tree.root, 4, 4, &items, &count) == CONCLAVE_OK &&
                 codec_get_u64(&items[1], msgid) == CONCLAVE_OK && *msgid <= UINT32_MAX;
    codec_tree_close(&tree);
    return found;
}

/* docs/PROTOCOL.md, "Connections": [1, msgid, [code, message, details], nil]. */
static void answer_busy(struct net_connection *connection, uint64_t msgid)
{
    struct buffer answer;
    buffer_init(&answer, CLIENTS_ANSWER_BYTES);
    codec_write_array(&answer, 4);
    codec_write_u64(&answer, 1);
    codec_write_u64(&answer, msgid);
    codec_write_array(&answer, 3);
    codec_write_text(&answer, conclave_code_name(CONCLAVE_BUSY));
    codec_write_text(&answer, "the node has all the connections it takes");
    codec_write_map(&answer, 0);
    codec_write_nil(&answer);
    if (answer.status == CONCLAVE_OK) {
        net_connection_send(connection, buffer_slice(&answer));
    }
    buffer_close(&answer);
}

static void on_received(void *context, struct net_connection *connection, struct slice bytes)
{
    struct client *client = context;
    uint64_t msgid;
    ASSERT(client->connection == connection);
    if (client->turned_away) {
        if (read_msgid(bytes, &msgid)) {
            answer_busy(connection, msgid);
        }
        net_connection_finish(connection, NET_OK);
        return;
    }
    api_connection_received(client->clients->api, client->id, bytes);
}

static void on_closed(void *context, struct net_connection *connection, enum net_error error)
{
    struct client *client = context;
    struct clients *clients = client->clients;
    ASSERT(client->connection == connection);
    LOG_DEBUG("a client's connection ended", FIELD_U64("connection", client->id),
              FIELD_TEXT("why", net_error_text(error)));
    if (!client->turned_away) {
        api_connection_closed(clients->api, client->id);
    }
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
    if (clients->closed != NULL || clients->api == NULL || client == NULL) {
        net_connection_close(connection, NET_OK);
        return;
    }
    clients->free = client->next_free;
    clients->count++;
    client->connection = connection;
    client->turned_away = api_connection_opened(clients->api, client->id) != CONCLAVE_OK;
    const struct net_events events = {client, NULL, on_received, on_closed};
    net_connection_accept(connection, &events);
    if (client->turned_away) {
        LOG_WARN("a client was turned away: there are too many",
                 FIELD_U64("connections", clients->count));
        net_connection_set_deadline(connection, CLIENTS_TURN_AWAY_MS);
    } else {
        LOG_DEBUG("a client connected", FIELD_U64("connection", client->id));
    }
}

enum conclave_code clients_listen(struct clients *clients, const char *address,
                                  bool certificates_required, struct codec_error *error)
{
    ASSERT(clients != NULL && clients->listener == NULL);
    enum conclave_code code = net_listen(clients->net, address, LIMIT_CONNECTION_OUTPUT_BYTES,
                                         on_accepted, clients, &clients->listener, error);
    if (code == CONCLAVE_OK) {
        net_listener_require_certificates(clients->listener, certificates_required);
        net_listener_limit_readers(clients->listener, LIMIT_STALLED_MS, LIMIT_OUTPUT_BYTES);
    }
    return code;
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

bool clients_binding(struct clients *clients, uint64_t connection_id, uint8_t binding[32])
{
    const struct client *client = find(clients, connection_id);
    return client != NULL && net_connection_binding(client->connection, binding);
}

size_t clients_unsent(struct clients *clients, uint64_t connection_id)
{
    ASSERT(clients != NULL);
    const struct client *client = find(clients, connection_id);
    return client != NULL ? net_connection_unsent_bytes(client->connection) : 0;
}

void clients_pause(struct clients *clients, uint64_t connection_id, bool paused)
{
    ASSERT(clients != NULL);
    struct client *client = find(clients, connection_id);
    if (client != NULL) {
        net_connection_pause(client->connection, paused);
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
