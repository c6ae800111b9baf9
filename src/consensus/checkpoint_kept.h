/* What a node must not forget of checkpoints, as bytes that its host keeps. */
#ifndef CONSENSUS_CHECKPOINT_KEPT_H
#define CONSENSUS_CHECKPOINT_KEPT_H

#include "consensus/core.h"

/* Hands what is to be kept to host->keep, now or when the one under way has ended. */
void checkpoint_keep(struct replica *replica);

/* Reads what was kept. CONFIG when it is damaged or of another cluster; NO_MEMORY. */
enum conclave_code checkpoint_load_kept(struct replica *replica, struct slice bytes) MUST_USE;

#endif
