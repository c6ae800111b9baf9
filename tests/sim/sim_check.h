/* What must hold after every event, from logs and status alone:
 *
 *   I1  what is committed stands on the disks of a majority of the voters
 *   I3  one digest at one applied index, on whatever node and in whatever life
 *   I4  one leader in a term
 *   I5  what was applied anywhere stands at its index in every log, for ever
 *
 * and applied and committed indexes of a life never go back, and no more entries wait for a
 * majority than the limit allows. Entries seen for the first time are handed to the model.
 */
#ifndef TESTS_SIM_CHECK_H
#define TESTS_SIM_CHECK_H

#include "sim/sim.h"

void sim_check_open(struct sim *sim);
void sim_check_close(struct sim *sim);
void sim_check_started(struct sim *sim, unsigned node);
void sim_check_node(struct sim *sim, unsigned node);

/* The leader has taken a change of the members. */
void sim_check_change(struct sim *sim, unsigned leader, unsigned server, int role);

/* The highest index that was applied anywhere. */
uint64_t sim_check_applied(const struct sim *sim);

/* At the end: every log is the one log, to its last applied entry. */
void sim_check_logs(struct sim *sim);

#endif
