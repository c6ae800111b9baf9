/* Commands on their way to the leader and back.
 *
 * A follower sends a command to the leader and keeps it; it is sent again when no result comes, or
 * another leader does: the model's table of replies makes that harmless. The result comes from the
 * leader's message or from this node's own applying, whichever is first. The leader's `busy` is
 * passed on only when the command was sent exactly once, so that `busy` always means: not in the
 * log.
 */
#ifndef CONSENSUS_FORWARD_H
#define CONSENSUS_FORWARD_H

#include "consensus/core.h"

/* Sends what is queued to the leader, if another node leads, and again what got no result in time.
 */
void forward_run(struct replica *replica);

/* When forward_run has something to do by time alone. */
uint64_t forward_deadline_ms(const struct replica *replica);

/* A peer's command, and a leader's result. */
void forward_receive(struct replica *replica, uint64_t node_id,
                     const struct message_forward *forward);
void forward_result(struct replica *replica, uint64_t node_id,
                    const struct message_forward_result *result);

/* Tells all who wait for a record (taken out of the table already) that it is decided. */
void forward_decided(struct replica *replica, const struct pending_record *record,
                     struct slice reply);

/* Tells local tokens whose time is up; or all of them, as if it were. */
void forward_expire(struct replica *replica);
void forward_give_up(struct replica *replica);

/* Is there room for one more command of this size? */
bool forward_has_room(const struct replica *replica, size_t size);

#endif
