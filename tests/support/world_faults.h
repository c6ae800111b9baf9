/* Weather for a virtual world: seeded crashes, partitions, cut links and bad networks. */
#ifndef TESTS_SUPPORT_WORLD_FAULTS_H
#define TESTS_SUPPORT_WORLD_FAULTS_H

#include "support/world.h"

struct world_faults {
    uint64_t next_ms;
    uint64_t restart_ms[WORLD_NODES + 1]; /* when a node that is down comes back; 0: it is up */
    uint64_t crashes;
    uint64_t wipes;
    uint64_t partitions;
};

/* Does what is due now. Call it between steps. */
void world_faults_run(struct world *world, struct world_faults *faults);

/* Fair weather: links, network and nodes are all well from now on. */
void world_faults_end(struct world *world, struct world_faults *faults);

#endif
