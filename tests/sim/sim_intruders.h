/* Who comes to a node's ports and has no business there, and who has and misuses it.
 *
 * At the peer port: strangers, nodes of another cluster, under another number or with another disk,
 * frames that are none. At the client port: garbage, messages cut off or altered, commands altered,
 * forged, of another cluster or said again by others; members who vote twice at once, or late with
 * an old clock. Nothing that nobody signed may reach the log, no byte of a stranger the raft core
 * (I7), and nothing said again may have a second effect (I2).
 */
#ifndef TESTS_SIM_INTRUDERS_H
#define TESTS_SIM_INTRUDERS_H

#include "sim/sim.h"

void sim_intruders_open(struct sim *sim);
void sim_intruders_close(struct sim *sim);
void sim_intruders_run(struct sim *sim);

/* Has everybody been answered, or given up? */
bool sim_intruders_gone(struct sim *sim);

#endif
