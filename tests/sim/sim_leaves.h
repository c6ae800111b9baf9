/* The leaves of the record, asked from a node and compared with what was decided. */
#ifndef TESTS_SIM_LEAVES_H
#define TESTS_SIM_LEAVES_H

#include "sim/sim.h"

#define SIM_ROOT_BYTES 32u

/* Reads all `size` leaves of the node, which must be up, compares each with the model's decision
 * (docs/RECORD.md, "Leaves"), and gives the root that RFC 6962 says they have. False when there is
 * none or the node breaks something. */
bool sim_leaves_check(struct sim *sim, unsigned node, uint64_t size, uint8_t root[SIM_ROOT_BYTES]);

#endif
