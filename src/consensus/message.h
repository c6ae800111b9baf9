/* Messages between nodes: MessagePack arrays [version 1, type, ...], bounds checked.
 *
 *   1 append entries         [1, 1, term, previous index, previous term, commit index,
 *                             [[term, type, data: bin], ...]]
 *   2 append entries result  [1, 2, term, rejected index or 0, last index]
 *   3 request vote           [1, 3, term, last index, last term, disrupt leader: bool, pre-vote:
 *                             bool]
 *   4 request vote result    [1, 4, term, granted: bool, pre-vote: bool]
 *   5 install snapshot       [1, 5] (no release sends it; it is known so as to be counted)
 *   6 timeout now            [1, 6, term, last index, last term]
 *   7 forward                [1, 7, incarnation, attempt, command: bin]
 *   8 forward result         [1, 8, incarnation, attempt, command id: bin 16, code: str, reply:
 *                             bin]
 *   9 read ping              [1, 9, term, round]
 *  10 read pong              [1, 10, term, round]
 *  11 read ask               [1, 11, ask]
 *  12 read answer            [1, 12, ask, index, term]
 *  13 checkpoint             [1, 13, size, root: bin 32, 0, signature of the log: bin 64]
 *  14 checkpoint cosigned    [1, 14, size, root: bin 32, time, signature: bin 64, or bin 0 when the
 *                             node's own root, which this is then, is another]
 *  15 checkpoint final       [1, 15, note: bin]
 *  16 checkpoint held        [1, 16, size of the sender's newest final one]
 *  17 repair ask             [1, 17, index, term]
 *  18 repair entry           [1, 18, index, term, type, data: bin]
 *
 * 1 to 6 are Raft's (Ongaro, "Consensus: Bridging Theory and Practice", figure 3.1), 9 and 10 its
 * ReadIndex round (section 6.4). The sender is known from the connection. A decoder of bytes from
 * outside: malformed is an error, never an assertion; it also refuses what the raft library would
 * take for granted (terms that go back, a configuration that does not decode, index 0, ...).
 */
#ifndef CONSENSUS_MESSAGE_H
#define CONSENSUS_MESSAGE_H

#include <raft.h>

#include "base/buffer.h"
#include "codec/reader.h"

#define MESSAGE_VERSION          1u
#define MESSAGE_COMMAND_ID_BYTES 16u

enum message_type {
    MESSAGE_APPEND = 1,
    MESSAGE_APPEND_RESULT = 2,
    MESSAGE_VOTE = 3,
    MESSAGE_VOTE_RESULT = 4,
    MESSAGE_SNAPSHOT = 5,
    MESSAGE_TIMEOUT_NOW = 6,
    MESSAGE_FORWARD = 7,
    MESSAGE_FORWARD_RESULT = 8,
    MESSAGE_READ_PING = 9,
    MESSAGE_READ_PONG = 10,
    MESSAGE_READ_ASK = 11,
    MESSAGE_READ_ANSWER = 12,
    MESSAGE_CHECKPOINT = 13,
    MESSAGE_CHECKPOINT_COSIGNED = 14,
    MESSAGE_CHECKPOINT_FINAL = 15,
    MESSAGE_CHECKPOINT_HELD = 16,
    MESSAGE_REPAIR_ASK = 17,
    MESSAGE_REPAIR_ENTRY = 18
};

struct message_forward {
    uint64_t incarnation; /* of the process that sends: random */
    uint64_t attempt;     /* numbers what this incarnation forwarded, from 1 */
    struct slice command;
};

struct message_forward_result {
    uint64_t incarnation;
    uint64_t attempt;
    struct slice command_id; /* MESSAGE_COMMAND_ID_BYTES */
    enum conclave_code code; /* OK with a reply; BUSY */
    struct slice reply;      /* a packed map, or empty */
};

struct message_read_round {
    uint64_t term;
    uint64_t round;
};

struct message_read_ask {
    uint64_t ask;
    uint64_t index; /* answer only: committed at the leader */
    uint64_t term;  /* answer only: the leader's */
};

/* docs/RECORD.md, "Checkpoints". */
struct message_checkpoint {
    uint64_t size;
    struct slice root;      /* MERKLE_HASH_BYTES */
    uint64_t time_s;        /* of a cosignature */
    struct slice signature; /* NOTE_ED25519_BYTES; or empty, of type 14 */
};

struct message_repair {
    uint64_t index;
    uint64_t term;
    uint64_t type;     /* of 18: the entry's */
    struct slice data; /* likewise */
};

/* A decoded message. Slices and entry data point into the bytes it was decoded from. */
struct message {
    enum message_type type;
    union {
        struct raft_message raft; /* 1 to 6; sender and address are left to the caller. The entries
                                     have no batch. */
        struct message_forward forward;
        struct message_forward_result forward_result;
        struct message_read_round read_round;
        struct message_read_ask read_ask;
        struct message_checkpoint checkpoint; /* 13 and 14; of 16 the size */
        struct slice note;                    /* 15 */
        struct message_repair repair;         /* 17 and 18 */
    };
    struct raft_entry *entries; /* owned: of an append */
    struct codec_tree tree;
};

/* BAD_REQUEST, BAD_VERSION, NO_MEMORY. `sender` is the node it came from. On success message_close
 * frees; `bytes` must outlive the message. */
enum conclave_code message_decode(struct message *message, uint64_t sender, struct slice bytes)
    MUST_USE;
void message_close(struct message *message);

/* --- Writers: append one message to `buffer` (check its status). --- */

/* An append whose entries are given packed, each written by message_write_entry. */
void message_write_append(struct buffer *buffer, const struct raft_append_entries *append,
                          struct slice packed_entries, uint32_t entry_count);
void message_write_entry(struct buffer *buffer, uint64_t term, int type, struct slice data);

/* Types 2, 3, 4 and 6. */
void message_write_raft(struct buffer *buffer, const struct raft_message *message);

void message_write_forward(struct buffer *buffer, const struct message_forward *forward);
void message_write_forward_result(struct buffer *buffer,
                                  const struct message_forward_result *result);
void message_write_read_round(struct buffer *buffer, enum message_type type,
                              const struct message_read_round *round);
void message_write_read_ask(struct buffer *buffer, const struct message_read_ask *ask);
void message_write_read_answer(struct buffer *buffer, const struct message_read_ask *answer);
void message_write_checkpoint(struct buffer *buffer, enum message_type type,
                              const struct message_checkpoint *checkpoint);
void message_write_checkpoint_final(struct buffer *buffer, struct slice note);
void message_write_checkpoint_held(struct buffer *buffer, uint64_t size);
void message_write_repair(struct buffer *buffer, enum message_type type,
                          const struct message_repair *repair);

#endif
