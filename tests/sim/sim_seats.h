/* Nodes that join, leave, and get or lose their vote by signed commands (PROTOCOL, node.*), in runs
 * where the members of the cluster change so and not by hand (sim_faults.c).
 *
 *   I8  when the faults are over, the cluster becomes what was commanded
 */
#ifndef TESTS_SIM_SEATS_H
#define TESTS_SIM_SEATS_H

#include <msgpack.h>

#include "sim/sim.h"

/* What a node is to be, by the commands that were decided. */
enum sim_seat {
    SIM_SEAT_NONE, /* there never was such a node */
    SIM_SEAT_VOTER,
    SIM_SEAT_STANDBY,
    SIM_SEAT_REMOVED
};

struct sim_seats {
    enum sim_seat wanted[SIM_NODES + 1];
    bool commanded[SIM_NODES + 1];
};

void sim_seats_open(struct sim *sim);
void sim_seats_close(struct sim *sim);

/* The chair's next command of this kind: its body and kind; a new node is made, and starts when it
 * likes: it waits until it is let in. */
const char *sim_seats_command(struct sim *sim, struct buffer *body);

/* Decides node.add, node.update, node.remove and node.lead: docs/PROTOCOL.md, written again. */
const char *sim_seats_decide(struct sim *sim, const msgpack_object *kind,
                             const msgpack_object *body);

/* Does the node have to have all that was committed, at the end? */
bool sim_seated(const struct sim *sim, unsigned node);

/* Is every node what it was commanded to be? */
bool sim_seats_settled(const struct sim *sim);

#endif
