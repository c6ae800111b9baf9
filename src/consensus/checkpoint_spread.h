/* Final checkpoints, sent to the nodes of the cluster until each says that it has the newest. */
#ifndef CONSENSUS_CHECKPOINT_SPREAD_H
#define CONSENSUS_CHECKPOINT_SPREAD_H

#include "consensus/core.h"

/* Forgets what the others said they have: they are sent it again. */
void checkpoint_spread_reset(struct checkpoints *checkpoints);

/* Does a node of the cluster not have the newest, as far as is known? */
bool checkpoint_spread_lacking(const struct replica *replica);

/* Sends the newest to those. */
void checkpoint_spread_run(struct replica *replica);

/* Sends the newest to this one. */
void checkpoint_spread_to(struct replica *replica, uint64_t node_id);

#endif
