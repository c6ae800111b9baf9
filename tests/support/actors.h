/* People of tests: keys from a seed, and the commands that they sign. Built from docs/PROTOCOL.md.
 */
#ifndef TESTS_SUPPORT_ACTORS_H
#define TESTS_SUPPORT_ACTORS_H

#include <conclave/limits.h>

#include "auth/auth.h"
#include "auth/genesis.h"
#include "base/buffer.h"

struct actor {
    char id[LIMIT_ID_BYTES + 1];
    struct auth_key key;
    uint64_t nonces; /* used so far */
};

/* The same id has the same key in every run. */
void actor_init(struct actor *actor, const char *id);

/* Each of these replaces the content of `command` (initialised by the caller) with a signed
 * command, with the actor's next nonce. They abort when there is no memory. */

/* The key of a node, the same in every run. */
void actor_node_key(struct auth_key *key, uint64_t node_id);

/* Genesis by the actor as chair: nodes 1 to node_count, peer addresses "127.0.0.1:7100 + id",
 * actor_node_key's keys. */
void actor_genesis(struct actor *actor, struct buffer *command, unsigned node_count,
                   uint64_t created_ms);

/* cluster.restore by the actor as chair, with the same nodes, after what `former` says. */
void actor_restore(struct actor *actor, struct buffer *command, unsigned node_count,
                   uint64_t created_ms, const struct genesis_former *former);

/* Any other kind, with a packed body. */
void actor_command(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                   uint64_t not_after_ms, const char *kind, struct slice body);

/* member.admit of `member`, as a general member of weight 1. */
void actor_admit(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                 uint64_t not_after_ms, const struct actor *member);

/* poll.open of one poll with one yes/no question "q" under `policy`, open to all. */
void actor_open(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                uint64_t not_after_ms, const char *poll, const char *policy, uint64_t open_for_ms);

/* ballot.cast of "yes", "no" or "abstain" on the question "q". */
void actor_vote(struct actor *actor, struct buffer *command, const uint8_t cluster_id[16],
                uint64_t not_after_ms, const char *poll, const char *answer);

#endif
