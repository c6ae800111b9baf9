/* A crowd: for a while one node gets a new ballot about every millisecond, from people who do not
 * wait for answers. Their answers are checked all the same. */
#ifndef TESTS_SIM_CROWD_H
#define TESTS_SIM_CROWD_H

#include "sim/sim.h"

void sim_crowd_open(struct sim *sim);
void sim_crowd_close(struct sim *sim);

/* From now on, at this node, until `until_ms`. */
void sim_crowd_gather(struct sim *sim, unsigned node, uint64_t until_ms);

void sim_crowd_run(struct sim *sim);

/* At the end: what was answered busy is not in the log. */
void sim_crowd_check_end(struct sim *sim);

#endif
