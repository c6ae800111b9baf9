/* Committed entries become state: several in one transaction of the key-value store, with how far
 * it came and the digest of its writes.
 *
 * The digest is chained entry by entry, so that it does not depend on how entries were grouped.
 * Replies and events leave after the transaction is committed.
 */
#ifndef CONSENSUS_APPLY_H
#define CONSENSUS_APPLY_H

#include "consensus/core.h"

/* Applies what is committed and durable here, up to an amount that keeps the loop responsive; sets
 * work_pending when there is more. */
void apply_run(struct replica *replica);

/* Reads from the state what the replica keeps of it: log time, when polls are due. */
enum conclave_code apply_refresh(struct replica *replica, struct kv_transaction *transaction)
    MUST_USE;

#endif
