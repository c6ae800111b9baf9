/* What a replica of the simulator stands on: its clocks, its host's functions, its requests.
 *
 * The clock of a node runs at its own rate, which may change: what it shows goes on from there. The
 * host's functions are where a crash may come (sim_doom): before and after each of them.
 */
#ifndef TESTS_SIM_HOST_H
#define TESTS_SIM_HOST_H

#include "sim/sim.h"

/* Gives the node clocks, chance and a host. */
void sim_host_open(struct sim_node *node);

/* The first instant of the world at which the node's clock shows at least `wanted_ms`. */
uint64_t sim_host_world_ms(const struct sim_node *node, uint64_t wanted_ms);

/* From now on the node's clock gains so many thousandths. */
void sim_host_drift(struct sim_node *node, int drift);

/* At a point where a crash may come: true when it has come, now or before. */
bool sim_doom(struct sim_node *node, enum sim_count point);

/* What the node was asked gets no answer any more. */
void sim_host_lose_requests(struct sim_node *node);

/* Around every call of a replica: the allocation that is to fail, fails in it. */
void sim_host_enter(struct sim_node *node);
void sim_host_leave(struct sim_node *node);

#endif
