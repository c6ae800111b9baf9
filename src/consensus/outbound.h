/* Messages of the raft core on their way out: filled, made safe, encoded, sent. */
#ifndef CONSENSUS_OUTBOUND_H
#define CONSENSUS_OUTBOUND_H

#include "consensus/core.h"

/* Sends one message of the core. The entries of an append come from the cache or the log; an append
 * of more than LIMIT_APPEND_BYTES goes out as several. */
void outbound_send(struct replica *replica, const struct raft_message *message);

#endif
