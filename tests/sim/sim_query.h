/* Answers to queries against the model. */
#ifndef TESTS_SIM_QUERY_H
#define TESTS_SIM_QUERY_H

#include "sim/sim.h"

/* Asks a node for the tallies of a poll, as it has them now, and compares (I9). Returns the index
 * that the answer shows. */
uint64_t sim_query_tally(struct sim *sim, unsigned node, const char *poll);

/* Asks for the counts of cluster.get, when the node has applied all that is known. */
void sim_query_counts(struct sim *sim, unsigned node);

/* Asks for a member's ballot of the poll: only its number is looked at. The same. */
void sim_query_ballots(struct sim *sim, unsigned node, const char *poll);

#endif
