/* What a replica does while the disk is full.
 *
 * A write of the log that finds no room stays under way: the core sees a disk that takes its time,
 * acknowledges nothing, and the very same write is tried again until it is done. Long before that
 * the log (the journal has room of its own) or the state (room was taken ahead) says that there is
 * no more to be had: from then on nothing new is taken in, what is under way is finished, and a
 * leader hands over to a voter that is heard of. Who has no room takes no leadership that is handed
 * to it, but stands for election like everybody: if all disks are full, reads need a leader.
 *
 * The log keeps a reserve for terms and votes. Should one not be saved all the same, the node is as
 * if it were off, to its peers and to the core, until it is: no message leaves or comes in, and
 * nothing is acknowledged.
 */
#ifndef CONSENSUS_ROOM_H
#define CONSENSUS_ROOM_H

#include "consensus/replica.h"

struct room {
    bool full;       /* as of this event */
    bool state_full; /* the state has not the room ahead that it should have */
    bool held;       /* committed entries are not applied for that */
    bool unsaved;    /* term and vote are not durable */
    bool written;    /* a write of the log ended meanwhile */
    unsigned state_wait_ms, vote_wait_ms, write_wait_ms, transfer_wait_ms;
    uint64_t state_ms, vote_ms, write_ms; /* when they are tried again; 0: they need not be */
    uint64_t transfer_ms;                 /* no hand-over before */
    uint64_t transferred_id;              /* to whom the last one was */
};

/* Looks whether there is room, and tries again what is due: once an event. False when the replica
 * takes part in nothing, for its vote. */
bool room_look(struct replica *replica);

/* A leader without room hands over, if there is somebody. */
void room_hand_over(struct replica *replica);

/* Did these find room? */
void room_vote_saved(struct replica *replica, bool saved);
void room_applied(struct replica *replica, bool applied);
void room_written(struct replica *replica, bool written);

/* May committed entries be applied now, and how many in one transaction at most? */
unsigned room_may_apply(const struct replica *replica, unsigned most);

uint64_t room_deadline_ms(const struct replica *replica);

#endif
