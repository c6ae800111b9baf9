/* The raft core's driver: one function that performs a raft_step and turns its update into effects,
 * in the order that keeps Raft safe (term and vote durable before any message leaves).
 *
 * The library's faults that need a mitigation, and where it is (A to J are the letters of the
 * consensus notes; status counts each):
 *   M1 (A) inbound.c    a configuration is always the first entry of an append given to the core
 *   M2 (B) outbound.c   a refused pre-vote carries the refuser's term, so that nobody is deadlocked
 *   M3 (C) membership.c one change at a time, when every voter knows that it is one
 *   M4 (D) inbound.c    stale rejections (at or below the match index) are dropped
 *   M5 (E) inbound.c    InstallSnapshot is dropped: the log is the archive, none is ever sent
 *   M6 (G) driver.c     the timer never fires again within a floor
 *   M7 (H) driver.c     our own maximum of the commit index
 *   M8 (I) batch.c      a cap on entries that are not committed
 *      (J) membership.c a configuration is submitted alone
 *      (K) inbound.c    appends of earlier terms are refused by us: the core answers them with an
 *                       uninitialised index
 */
#ifndef CONSENSUS_DRIVER_H
#define CONSENSUS_DRIVER_H

#include <raft.h>

#include "base/assert.h"
#include "consensus/core.h"

/* Performs one step (the event's time and capacity are set here) and its effects: saves term and
 * vote, puts new entries into the cache, sends messages, notes commit index and state, arms the
 * timer. Returns the library's error; the caller says whether that is fatal. After a failed save
 * the replica has failed, and 0 is returned. */
int driver_step(struct replica *replica, struct raft_event *event) MUST_USE;

/* Makes the core's term and vote durable. What found no room on the disk is tried again by room.c;
 * any other error ends the replica. */
void driver_save_vote(struct replica *replica);

/* A step that only fails when something is broken: then the replica fails, with `what`. */
void driver_must_step(struct replica *replica, struct raft_event *event, const char *what);

/* Our code for an error of the library. */
enum conclave_code driver_code(int error);

/* The leader of `term` said that `index` is committed. As with the commit index of an append, that
 * holds here as far as this log is known to be the leader's: no need to wait for the next one. */
void driver_learn_commit(struct replica *replica, uint64_t index, uint64_t term);

/* Gives RAFT_TIMEOUT now, to a node that does not lead, as if its election timeout were over. */
void driver_time_out(struct replica *replica);

/* Gives RAFT_TIMEOUT when it is due. */
void driver_tick(struct replica *replica);

#endif
