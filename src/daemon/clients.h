/* The connections of clients: between net's connections and the api's connection ids. */
#ifndef DAEMON_CLIENTS_H
#define DAEMON_CLIENTS_H

#include "api/api.h"
#include "net/net.h"

struct clients;

/* NO_MEMORY. */
enum conclave_code clients_open(struct net *net, struct clients **clients) MUST_USE;

/* Listens at `address`; where the network speaks TLS, clients must show a certificate when
 * `certificates_required`. Connections are taken when the loop runs, for the api that clients_serve
 * has named by then. Errors of net_listen. */
enum conclave_code clients_listen(struct clients *clients, const char *address,
                                  bool certificates_required, struct codec_error *error) MUST_USE;
void clients_serve(struct clients *clients, struct api *api);

/* The api's host functions send, close and pause. Ids of connections that are gone are ignored. */
void clients_send(struct clients *clients, uint64_t connection_id, struct slice bytes);
void clients_hang_up(struct clients *clients, uint64_t connection_id);
bool clients_binding(struct clients *clients, uint64_t connection_id, uint8_t binding[32]) MUST_USE;
size_t clients_unsent(struct clients *clients, uint64_t connection_id);
void clients_pause(struct clients *clients, uint64_t connection_id, bool paused);

/* Takes no more connections. */
void clients_stop_listening(struct clients *clients);

/* Ends all connections when what was sent to them is out; `closed` is called, perhaps at once, when
 * there are none. */
void clients_finish(struct clients *clients, void (*closed)(void *context), void *context);

/* There are no connections, and no listener is open. */
void clients_close(struct clients *clients);

#endif
