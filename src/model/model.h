/* The governance state machine: members, policies, proposals, polls, ballots, decisions, and the
 * table of replies.
 *
 * Pure over a kv transaction: the same batches from the same start make the same writes, replies
 * and events on every node, whatever the machine. No clock (log time comes with the batch), no
 * floats, no pointer or hash order. docs/PROTOCOL.md has the commands and shapes, docs/SEMANTICS.md
 * the rules.
 *
 * The state holds dense records: members and polls get numbers in log order, a poll's roll is an
 * array in chunks, a ballot is one small record (answers packed, and where in the log its bytes
 * are). Rationales and signatures stand once, in the log.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <conclave/codes.h>

#include "auth/roles.h"
#include "base/buffer.h"
#include "codec/envelope.h"
#include "kv/kv.h"

/* The version of the rules. A batch replays under the version it was made with; stored with the
 * state. */
#define MODEL_VERSION 2u

/* A command and what became of it. What cannot be decoded has no author, nonce, hash, signature. */
struct model_decided {
    uint32_t position;
    enum conclave_code code;
    bool repeated; /* decided before: `code` and `reply` are the first ones */
    struct slice author;
    struct slice nonce;
    struct slice envelope_hash; /* SHA-256 of the envelope */
    struct slice signature;
    struct slice reply; /* a packed map as PROTOCOL.md "Reply" has it */
};

/* Where the effects of a batch go, besides the state. Slices are valid during the call. Called in
 * the order of the commands; no call may change the state. */
struct model_sink {
    void *context;
    /* The batch begins, at this log time. May be NULL. */
    void (*begin)(void *context, uint64_t time_ms, const struct batch *batch);
    /* A command was decided. */
    void (*reply)(void *context, const struct model_decided *decided);
    /* Something happened that watchers are told: a packed map as PROTOCOL.md "Events" has it. */
    void (*event)(void *context, struct slice event);
};

/* Applies the batch of the entry at `index`. Log time becomes max(previous log time, the batch's).
 * First the closes (each checked: due by log time or settled; else ignored), then the commands in
 * order. A command that is not decodable, has a wrong cluster id, is expired, refused by a rule,
 * ... gets its code as its reply and changes nothing but the record of that. Signatures were
 * checked at admission, and are here only where the author's key has changed (member_key.h). The
 * first command ever must be `genesis`.
 *
 * OK: every command has its reply. Anything else is a failure of the store or the log (NO_MEMORY,
 * IO, DISK_FULL, CORRUPT): the caller aborts the transaction and stops the node. */
enum conclave_code model_apply(struct kv_transaction *transaction, uint64_t index,
                               struct slice batch, const struct model_sink *sink) MUST_USE;

/* How the batch at `index` was decided: one code for each command in it, in order. NOT_FOUND when
 * it was no batch. */
enum conclave_code model_codes(struct kv_transaction *transaction, uint64_t index,
                               enum conclave_code *codes, uint32_t codes_max, uint32_t *count)
    MUST_USE;

/* The cluster as genesis made it; NOT_FOUND before genesis. Slices are the transaction's. `nodes`:
 * packed array of [id, peer address, client address, key: bin 32]. */
struct model_cluster {
    uint8_t id[16];
    struct slice name;
    struct slice nodes;
    uint64_t time_ms; /* log time */
};
enum conclave_code model_cluster(struct kv_transaction *transaction, struct model_cluster *cluster)
    MUST_USE;

/* What admission needs to know of an author. UNKNOWN_AUTHOR when not a member. */
#define MODEL_OLD_KEYS 8u
struct model_author {
    uint8_t public_key[32]; /* the last one, also of a revoked member (roles say which) */
    role_set roles;         /* that the status and the member's own roles give */
    uint64_t key_index;     /* of the entry with which the key began */
    uint8_t old_keys[MODEL_OLD_KEYS][32]; /* those before, the latest first, not all */
    unsigned old_key_count;
};
enum conclave_code model_author(struct kv_transaction *transaction, struct slice author,
                                struct model_author *out) MUST_USE;

/* The reply to exactly this command, if the table has it: appended to `reply`. NOT_FOUND. */
enum conclave_code model_reply(struct kv_transaction *transaction, struct slice author,
                               struct slice nonce, struct slice envelope, struct buffer *reply)
    MUST_USE;

/* May anybody read? NOT_FOUND (and not) before genesis. */
enum conclave_code model_reads_public(struct kv_transaction *transaction, bool *reads_public)
    MUST_USE;

/* How the cluster began: `restored`, with the cluster.restore in the entry `index`, or with a
 * genesis. NOT_FOUND before genesis. */
struct model_founding {
    uint8_t cluster_id[16];
    bool restored;
    uint64_t index;
};
enum conclave_code model_founding(struct kv_transaction *transaction,
                                  struct model_founding *founding) MUST_USE;

/* Log time: that of the last batch applied, 0 before the first. */
enum conclave_code model_time(struct kv_transaction *transaction, uint64_t *time_ms) MUST_USE;

/* Polls that a batch stamped `now_ms` would close (past their deadline, or settled and past their
 * least open time): at most `max` ids into `closes`, in due order; the slices are the
 * transaction's. */
enum conclave_code model_due(struct kv_transaction *transaction, uint64_t now_ms,
                             struct slice *closes, uint32_t max, uint32_t *count) MUST_USE;

/* The earliest time at which model_due will have something; NOT_FOUND when there is none. */
enum conclave_code model_next_due(struct kv_transaction *transaction, uint64_t *due_ms) MUST_USE;

/* How queries reach what only the log has (rationales). Appends the bytes of the command [envelope,
 * signature] to `command`. */
struct model_log {
    void *context;
    enum conclave_code (*read_command)(void *context, uint64_t index, uint32_t position,
                                       struct buffer *command);
};

/* Answers a query of PROTOCOL.md "Methods" (cluster.get, member.*, policy.*, proposal.*, poll.*,
 * tally, decision.*, ballot.*, request) by appending one packed map to `answer`. Its first pair is
 * `index: applied_index`; where what is asked for has an index of its own (a member, policy,
 * proposal, poll, decision or ballot), that one is `index`, and the first pair is `applied`.
 * `digest` (16 bytes) is shown by cluster.get. `log` may be NULL: bodies, rationales and origins
 * are then nil.
 * UNKNOWN_METHOD; BAD_REQUEST (error set); NOT_FOUND and the UNKNOWN_* codes (error set); store
 * errors. After an error `answer` is as it was. */
enum conclave_code model_query(struct kv_transaction *transaction, const struct model_log *log,
                               struct slice method, const msgpack_object *params,
                               uint64_t applied_index, struct slice digest, struct buffer *answer,
                               struct codec_error *error) MUST_USE;

/* Is there such a query? */
bool model_is_query(struct slice method);

#endif
