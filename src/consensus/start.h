/* Opening a replica: what disk and state say, checked against each other, given to the raft core.
 */
#ifndef CONSENSUS_START_H
#define CONSENSUS_START_H

#include "consensus/core.h"

/* Loads identity, vote, state and the terms of the log, and gives RAFT_START. The replica's other
 * parts are initialised. WRONG_CLUSTER, CONFIG, CORRUPT, NOT_FOUND (never bootstrapped), NO_MEMORY,
 * IO. */
enum conclave_code start_run(struct replica *replica) MUST_USE;

#endif
