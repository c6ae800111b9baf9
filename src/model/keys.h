/* Where everything stands in the key-value store: the one place that knows.
 *
 * A key is a space (one byte, 0x10 or above: those below are of consensus and the record) and then
 * parts. Numbers are big endian, so that keys sort as numbers do; ids are last in a key, or are
 * followed by a zero byte, which no id contains.
 *
 * A record starts with a version byte; its writer names the fields. Numbers alone and ids have
 * none.
 *
 *   space           parts                       value                            written in
 *   HEAD                                        log time and counters            head.c
 *   CLUSTER                                     what genesis said                cluster.c
 *   BATCH           index u64                   how its commands were decided    replies.c
 *   REPLY           nonce 16, member u32        hash of the envelope, the reply  replies.c
 *   REPLY_QUEUE     index u64                   log time, REPLY keys it made     replies.c
 *   NODE            node u64                    a node, once a command is about it node.c
 *   RESTORE                                     what this was before it was restored restore.c
 *   MEMBER_ID       id                          member u32, has had other keys   member.c
 *   MEMBER          member u32                  a member                         member.c
 *   MEMBER_KEY      public key 32               member u32, for ever             member.c
 *   MEMBER_OLD_KEY  member u32, key u32         a key that has ended             member_key.c
 *   CLASS_SET_HASH  SHA-256 of the labels       set u32                          labels.c
 *   CLASS_SET       set u32                     labels                           labels.c
 *   POLICY_ID       id                          newest version u32               policy_store.c
 *   POLICY          id, 0, version u32          one version of a policy          policy_store.c
 *   PROPOSAL        id                          a proposal as it is now          proposal.c
 *   REVISION        proposal u32, revision u32  a revision, where its body is    proposal.c
 *   PROPOSAL_STAGE  stage u8, id                nothing                          proposal.c
 *   POLL_ID         id                          poll u32                         poll_open.c
 *   POLL            poll u32                    as it was opened; never changes  poll.c
 *   PROGRESS        poll u32                    state, counts and tallies        poll.c
 *   POLL_STATE      state u8, id                poll u32                         poll_hold.c
 *   DUE             time u64, poll u32          id: may be closed from then on   poll_hold.c
 *   ROLL            poll u32, first member u32  a chunk of the roll              roll.c
 *   ROLL_CHANGE     poll u32, sequence u32      a change of one on the roll      roll_change.c
 *   BALLOT          poll u32, member u32        what was voted, and where it is  ballot.c
 *   DECISION        "poll/question"             the outcome; never changes       decision.c
 *   SUPERSEDES      "poll/question"             what supersedes it               decision.c
 */
#ifndef MODEL_KEYS_H
#define MODEL_KEYS_H

#include <stdint.h>

#include "base/slice.h"
#include "kv/kv.h"

enum key_space {
    KEY_HEAD = 0x10,
    KEY_CLUSTER = 0x11,
    KEY_BATCH = 0x12,
    KEY_REPLY = 0x13,
    KEY_REPLY_QUEUE = 0x14,
    KEY_NODE = 0x15,
    KEY_RESTORE = 0x16,
    KEY_MEMBER_ID = 0x20,
    KEY_MEMBER = 0x21,
    KEY_MEMBER_KEY = 0x22,
    KEY_CLASS_SET_HASH = 0x23,
    KEY_CLASS_SET = 0x24,
    KEY_MEMBER_OLD_KEY = 0x25,
    KEY_POLICY_ID = 0x30,
    KEY_POLICY = 0x31,
    KEY_PROPOSAL = 0x38,
    KEY_REVISION = 0x39,
    KEY_PROPOSAL_STAGE = 0x3a,
    KEY_POLL_ID = 0x40,
    KEY_POLL = 0x41,
    KEY_PROGRESS = 0x42,
    KEY_POLL_STATE = 0x43,
    KEY_DUE = 0x44,
    KEY_ROLL = 0x45,
    KEY_ROLL_CHANGE = 0x46,
    KEY_BALLOT = 0x47,
    KEY_DECISION = 0x48,
    KEY_SUPERSEDES = 0x49
};

struct key {
    size_t size;
    uint8_t bytes[KV_KEY_BYTES];
};

/* Builds a key part by part. The parts together must fit KV_KEY_BYTES (asserted). */
void key_begin(struct key *key, enum key_space space);
void key_u8(struct key *key, uint8_t value);
void key_u32(struct key *key, uint32_t value);
void key_u64(struct key *key, uint64_t value);
void key_bytes(struct key *key, struct slice bytes);

/* Whole keys of the common shapes. */
void key_of_id(struct key *key, enum key_space space, struct slice id);
void key_of_u32(struct key *key, enum key_space space, uint32_t number);
void key_of_u64(struct key *key, enum key_space space, uint64_t number);
void key_of_u32_u32(struct key *key, enum key_space space, uint32_t first, uint32_t second);

static inline struct slice key_slice(const struct key *key)
{
    return slice_of(key->bytes, key->size);
}

/* Does `found` start with `prefix`? */
bool key_starts(struct slice found, const struct key *prefix);

/* Makes `key` the smallest key after all those that start with it. */
void key_past_prefix(struct key *key);

#endif
