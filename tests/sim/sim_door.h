/* The two doors of a node that is up: the mesh, where peers and strangers connect, and the api,
 * where clients do. Both are the daemon's own objects, over byte streams of the simulated world.
 *
 * What a peer port lets through from a connection that is no member's breaks I7.
 */
#ifndef TESTS_SIM_DOOR_H
#define TESTS_SIM_DOOR_H

#include "sim/sim.h"

/* Tokens of the api's requests, so that they are told from those of sim_submit. */
#define SIM_DOOR_TOKENS (UINT64_C(1) << 40)

struct net;
struct certificate;
struct disk_shown;

/* What a node shows of its disk now. */
void sim_door_show_disk(const struct sim_node *node, struct disk_shown *disk);

/* With the node's replica, and before it is closed. */
void sim_door_open(struct sim_node *node);
void sim_door_close(struct sim_node *node);

/* The replica's answers to the api, and what is then to be done, after each event. */
void sim_door_decided(struct sim_door *door, uint64_t token, enum conclave_code code,
                      struct slice reply);
void sim_door_readable(struct sim_door *door, uint64_t token, enum conclave_code code);
void sim_door_event(struct sim_door *door, struct slice event);
void sim_door_run(struct sim_door *door);

/* A message comes on the connection that node `from` has made, as a frame; `broken` cuts it off in
 * the middle of the frame. */
void sim_door_deliver(struct sim_door *door, unsigned from, struct slice message, bool broken);

/* A stranger connects to the peer port, with a certificate of the CA or with none (NULL), and says
 * this. When `stays`, it keeps silent then. */
void sim_door_stranger(struct sim_door *door, const struct certificate *certificate,
                       struct slice bytes, bool stays);

/* A client: its connection's number, or 0 when there is no place. What it says may be answered in
 * later events. */
uint64_t sim_door_call(struct sim_door *door);
void sim_door_say(struct sim_door *door, uint64_t caller, struct slice bytes);
struct slice sim_door_heard(const struct sim_door *door, uint64_t caller);
bool sim_door_has(const struct sim_door *door, uint64_t caller);
void sim_door_hang_up(struct sim_door *door, uint64_t caller);

#endif
