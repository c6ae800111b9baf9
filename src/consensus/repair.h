/* An entry of the log whose data is damaged is put back from another node's log.
 *
 * The stored head of an entry has a checksum of its own, and says term, size and checksum of the
 * data: as long as it is sound nothing is forgotten of what this node acknowledged, only the bytes
 * are missing. Entries with the same index and term are the same in all logs (Raft's Log Matching
 * property), so whoever has one with this term has those bytes, and the checksum tells that they
 * are the ones. (Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST'18,
 * has the general case. A head that is damaged is not mended: then the node has forgotten what it
 * acknowledged, and stops.)
 *
 * Until it is whole again the node does not vote, stands for no election and acknowledges nothing;
 * a leader hands over. It takes appends in, and refuses those that do not fit: an entry that nobody
 * committed may be on no other disk, and is replaced by the leader's.
 */
#ifndef CONSENSUS_REPAIR_H
#define CONSENSUS_REPAIR_H

#include "consensus/message.h"
#include "consensus/replica.h"

struct repair {
    uint64_t index; /* of the entry; 0: all is well, as far as is known */
    uint64_t term;
    uint64_t ask_ms;   /* somebody is asked then */
    uint64_t asked_id; /* who was last */
};

/* A read of this entry said CORRUPT. True when it is to be repaired; false when that cannot be. */
bool repair_take(struct replica *replica, uint64_t index);

/* Asks, when it is time to. */
void repair_run(struct replica *replica);
uint64_t repair_deadline_ms(const struct replica *replica);

/* Messages. */
void repair_asked(struct replica *replica, uint64_t node_id, const struct message_repair *ask);
void repair_answered(struct replica *replica, const struct message_repair *answer);

#endif
