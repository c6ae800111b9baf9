/* net.h, once more, without sockets: the mesh of peers (net/peers*.c, frames, handshakes) is the
 * daemon's own, and its connections are byte streams of the simulated world.
 *
 * sim_net.c defines the functions of net.h, and those of libuv's that the mesh calls (its timers
 * never fire: nobody dials here, the world connects). Programs that link it use it instead of
 * net.c, connection.c and listener.c.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "net/net.h"
#include "sim/sim.h"

struct net *sim_net_open(struct sim *sim);

/* All connections must be closed, and sim_net_run called since. */
void sim_net_close(struct net *net);

/* What was to happen later: ends of connections, deadlines. */
void sim_net_run(struct net *net);

/* Somebody connects to the listener, and shows this certificate of the CA (or none: NULL), which
 * counts where connections are secure. *at is the connection, and NULL again when it is gone. */
void sim_net_connect(struct net *net, const struct certificate *certificate,
                     struct net_connection **at);

/* The other side sends, in pieces. */
void sim_net_send(struct net_connection *connection, struct slice bytes);

/* What the node has sent on it so far. */
struct slice sim_net_heard(const struct net_connection *connection);

/* *at of sim_net_connect is not looked at any more. */
void sim_net_forget(struct net_connection *connection);

/* The other side closes. */
void sim_net_hang_up(struct net_connection *connection);

#endif
