/* The leader's open batch: commands that wait become log entries.
 *
 * Batches close by arrival: while a write of the log is under way commands gather; when it ends
 * they become one entry (or several when they are many), stamped with the leader's clock, never
 * earlier than the stamp before. Polls that are due are closed by a batch too, which may hold
 * nothing else.
 */
#ifndef CONSENSUS_BATCH_H
#define CONSENSUS_BATCH_H

#include "consensus/core.h"

/* M8: are so many entries not committed that no more may be added? */
bool batch_capped(struct replica *replica);

/* Proposes what waits, if this node leads and nothing is being written. */
void batch_propose(struct replica *replica);

/* The commit index moved, on the leader: entries proposed here have their majority. */
void batch_committed(struct replica *replica, uint64_t first_index, uint64_t last_index);

/* When polls are due (monotonic), UINT64_MAX when none are or it is not this node's job now. */
uint64_t batch_deadline_ms(struct replica *replica);

#endif
