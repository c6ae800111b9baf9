/* Messages from peers: decoded, checked, made safe for the raft core, handed on. */
#ifndef CONSENSUS_INBOUND_H
#define CONSENSUS_INBOUND_H

#include "consensus/core.h"

/* Malformed bytes are counted and dropped. */
void inbound_receive(struct replica *replica, uint64_t node_id, struct slice bytes);

#endif
