/* A replica: consensus, the state machine and its queries, for one node. Event in, effects out.
 *
 * It does no I/O of its own. The log store, the key-value store, the clock and the random numbers
 * are handed in; messages to peers, writes of entries and answers leave through the host's
 * functions. The daemon is a host over libuv; a test or simulator is one over a virtual world.
 *
 * The happy path of a command is: replica_submit (leader, or forwarded to it) -> the open batch ->
 * one raft entry, handed to host->persist beside AppendEntries -> majority -> model_apply ->
 * host->decided. Batches close by arrival: while one write is under way, commands gather for the
 * next. The failure modes are: no leader (refused at once, NO_LEADER), leader lost on the way (the
 * command is kept and sent to the next leader until its deadline: sending again is safe; past the
 * deadline UNKNOWN_OUTCOME), a full disk (room.h), a failed write (host is told by host->failed;
 * the replica then does nothing more).
 *
 * Host functions are called from inside replica functions and must not call back into the replica;
 * they may queue. All slices are valid during the call only. Single-threaded.
 */
#ifndef CONSENSUS_REPLICA_H
#define CONSENSUS_REPLICA_H

#include <conclave/codes.h>
#include <conclave/limits.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "codec/reader.h"
#include "codec/reader.h"
#include "kv/kv.h"
#include "log/log.h"

struct replica;

/* Entries to be written by the host, in order, one write at a time: call log_append(log,
 * first_index, entries, entry_count) (on any thread), then replica_persisted on the loop. The
 * entries stay valid until then. */
struct replica_write {
    uint64_t first_index;
    const struct log_entry *entries;
    size_t entry_count;
};

enum replica_state {
    REPLICA_UNAVAILABLE,
    REPLICA_FOLLOWER,
    REPLICA_CANDIDATE,
    REPLICA_LEADER
};

/* A place in the cluster's configuration. */
struct replica_seat {
    uint64_t node_id;
    bool voter;
    char address[LIMIT_ADDRESS_BYTES + 1]; /* of its peers' port */
};

struct replica_host {
    void *context;
    /* Sends a message to a node, best effort: it may be lost, repeated or overtaken. */
    void (*send)(void *context, uint64_t node_id, struct slice message);
    /* Starts a write. At most one is under way: the next comes after replica_persisted. */
    void (*persist)(void *context, const struct replica_write *write);
    /* A command given to replica_submit with `token` is done: OK with its packed reply map; or
     * NO_LEADER, BUSY (not in the log), UNKNOWN_OUTCOME. Exactly once a token. */
    void (*decided)(void *context, uint64_t token, enum conclave_code code, struct slice reply);
    /* A read asked for with replica_read may be served now (OK), or cannot be (NO_LEADER,
     * UNKNOWN_OUTCOME on timeout). Exactly once a token. */
    void (*readable)(void *context, uint64_t token, enum conclave_code code);
    /* A packed event for watchers (PROTOCOL.md "Events"). */
    void (*event)(void *context, struct slice event);
    /* These nodes make up the cluster from now on, this one too if it is among them: who is to be
     * talked to. Told at the start, if there are any, and when it changes. */
    void (*seated)(void *context, const struct replica_seat *seats, unsigned count);
    /* Keeps bytes durably in the place of those kept before: either the old or the new are there
     * after a crash. At most one is under way: the next comes after replica_kept. NULL when there
     * is no signer. */
    void (*keep)(void *context, struct slice bytes);
    /* An entry of the log that was damaged is whole again. May be NULL. */
    void (*repaired)(void *context, uint64_t index);
    /* The replica cannot go on (a failed write, a checksum that does not match, no memory in the
     * state machine): the host stops the node. */
    void (*failed)(void *context, enum conclave_code code, const char *what);
};

/* Signs checkpoints with this node's key, which stands in genesis (Ed25519, RFC 8032). */
struct replica_signer {
    void *context;
    void (*sign)(void *context, struct slice message, uint8_t signature[64]);
    uint8_t public_key[32];
};

struct replica_config {
    uint64_t node_id;
    unsigned heartbeat_ms; /* 50 by default */
    unsigned election_ms;  /* 300 by default; at least 3 heartbeats */
    struct log *log;       /* not owned; must have been bootstrapped (replica_bootstrap) */
    struct kv *kv;         /* not owned; empty or a state that replica_open may trust */
    const struct clock *clock;
    const struct random *random;
    const struct replica_host *host;
    const struct replica_signer *signer; /* NULL: this node signs nothing */
    struct slice kept;                   /* what host->keep kept last; copied */
};

/* Makes an empty log the log of a new cluster: the configuration of the genesis command's nodes
 * (entry 1, term 1) and the genesis batch (entry 2, term 1). Every first node does so with the same
 * bytes and so has the same log. `genesis` is a signed command of kind genesis, checked here (form,
 * cluster id zero, signature, ids and addresses); `node_id` must be in it. Also saves the identity
 * {cluster id, node id, random disk id, no starts}. BAD_REQUEST with `error` set; DUPLICATE_ID when
 * the log is not empty; log errors. */
enum conclave_code replica_bootstrap(struct log *log, struct slice genesis, uint64_t node_id,
                                     const struct random *random, struct codec_error *error)
    MUST_USE;

/* What replica_bootstrap writes: a log that has more took part in a cluster. */
#define REPLICA_BOOTSTRAP_ENTRIES 2u

/* Makes an empty log that of a node which is to join a cluster that runs: identity only, no entry.
 * The others must have been told of it (the command node.add); it learns everything from them.
 * DUPLICATE_ID when the log is not empty, with `error` set; log errors. */
enum conclave_code replica_join(struct log *log, const uint8_t cluster_id[16], uint64_t node_id,
                                const struct random *random, struct codec_error *error) MUST_USE;
#define REPLICA_STARTS      16u
#define REPLICA_START_BYTES 8u

/* What a bootstrapped disk says it is. NOT_FOUND when the log has no identity. */
struct replica_identity {
    uint8_t cluster_id[16];
    uint64_t node_id;
    uint8_t disk_id[16];
    uint64_t founded_index; /* of the cluster.restore that its log has; 0: it has none */
    bool joined;            /* it was never bootstrapped: its log may be empty */
    uint64_t generation;    /* how often it was started */
    /* Random numbers of the last starts, oldest first: as many as there were, at most
     * REPLICA_STARTS. Copies of a disk differ in them from the first start on. */
    unsigned start_count;
    uint8_t starts[REPLICA_STARTS][REPLICA_START_BYTES];
};
enum conclave_code replica_identity(struct log *log, struct replica_identity *identity) MUST_USE;

/* A start: raises the generation, draws its number, and makes both durable. Once a process, before
 * anybody hears of the node. NOT_FOUND as above; log errors. */
enum conclave_code replica_count_start(struct log *log, const struct random *random,
                                       struct replica_identity *identity) MUST_USE;

/* Starts a replica: catches the state up with what the log is known to have committed, then takes
 * part. WRONG_CLUSTER when log and state differ in cluster; CONFIG when node_id is not the disk's;
 * INTERNAL when the state knows of committed entries that the log does not have: never make it anew
 * then; NO_MEMORY, IO, CORRUPT. */
enum conclave_code replica_open(const struct replica_config *config, struct replica **replica)
    MUST_USE;

/* Frees everything. Tokens under way get no answer. A write under way must have been reported, or
 * never be. */
void replica_close(struct replica *replica);

/* Time passed: call it at or after replica_deadline_ms (monotonic clock), at any time otherwise. */
void replica_tick(struct replica *replica);
uint64_t replica_deadline_ms(const struct replica *replica);

/* A message from a peer whose identity the network layer has checked. Malformed bytes are counted
 * and dropped. */
void replica_receive(struct replica *replica, uint64_t node_id, struct slice message);

/* Neither connection with a node stands any more, though both did: its process may have died. If it
 * leads, this node stands for election soon instead of after the election timeout, unless it hears
 * from it first. Only a hint: never telling it, or telling it wrongly, harms nothing. */
void replica_peer_lost(struct replica *replica, uint64_t node_id);

/* The write given to host->persist ended. After DISK_FULL nothing is acknowledged, and the very
 * same write is given to host->persist again after a while, until there is room. Anything else but
 * OK ends the replica (host->failed). */
void replica_persisted(struct replica *replica, enum conclave_code code);

/* What was given to host->keep is durable, or (anything but OK) may not be. */
void replica_kept(struct replica *replica, enum conclave_code code);

/* Hands in a command whose form and signature were checked (bytes are copied). `token` is the
 * host's, unique among those under way. The answer comes by host->decided within `timeout_ms`.
 * Never calls it before returning: BUSY (limits), NO_LEADER, TOO_LARGE, NO_MEMORY and
 * SHUTTING_DOWN (the replica has failed) are return values, and then decided is not called. Nor is
 * it after DISK_FULL: this node would have to store it, and its disk is full. (Decided may be
 * called with that too: the leader's is, and the command is not in the log.) */
enum conclave_code replica_submit(struct replica *replica, struct slice command, uint64_t token,
                                  uint64_t timeout_ms) MUST_USE;

/* Asks for a linearizable read (ReadIndex; a follower asks the leader). Same rules as
 * replica_submit; answers by host->readable. */
enum conclave_code replica_read(struct replica *replica, uint64_t token, uint64_t timeout_ms)
    MUST_USE;

/* Asks to be told when a final checkpoint has at least `size` leaves; answers by host->readable:
 * OK, or NOT_FINAL when the time has passed. Same rules as replica_read. */
enum conclave_code replica_await_final(struct replica *replica, uint64_t size, uint64_t token,
                                       uint64_t timeout_ms) MUST_USE;

/* The same for the leaf that the params of record.receipt name, when replica_query said NOT_FINAL
 * for it. Also what replica_query returns for wrong params, with `error` set. */
enum conclave_code replica_await_receipt(struct replica *replica, const msgpack_object *params,
                                         uint64_t token, uint64_t timeout_ms,
                                         struct codec_error *error) MUST_USE;

/* Answers a query from the state as it is now (call it from within or after host->readable has
 * queued it, or for stale reads at any time): model_query, log.read, and record.*. */
enum conclave_code replica_query(struct replica *replica, struct slice method,
                                 const msgpack_object *params, struct buffer *answer,
                                 struct codec_error *error) MUST_USE;

/* For admission: see model.h. */
struct model_author;
enum conclave_code replica_author(struct replica *replica, struct slice author,
                                  struct model_author *out) MUST_USE;

/* model_reply and model_reads_public on the state as it is now. */
enum conclave_code replica_reply(struct replica *replica, struct slice author, struct slice nonce,
                                 struct slice envelope, struct buffer *reply) MUST_USE;
enum conclave_code replica_reads_public(struct replica *replica, bool *reads_public) MUST_USE;

/* Nothing more will come from the others: whoever waits here is told now what the deadline would
 * have told them, and may go on elsewhere. */
void replica_give_up(struct replica *replica);

/* Hands leadership over to the most advanced peer, if this node leads and can. Watch replica_status
 * for the end. */
void replica_transfer(struct replica *replica);

/* Changes the raft configuration by hand: tests and simulators. (The leader does it by itself where
 * node.* commands ask for it: seats.h.) M3: one change at a time, only when every voter has the
 * last one. NOT_LEADER, BUSY, BAD_VALUE (a new server starts as standby or spare; a last voter
 * stays), NO_MEMORY. `role`: 0 standby, 1 voter, 2 spare, -1 remove. */
enum conclave_code replica_change(struct replica *replica, uint64_t node_id, const char *address,
                                  int role) MUST_USE;

/* Is this the token with which the node was added (node.add)? True of nodes that were added without
 * one, and of those that are not known here yet: whoever has a cluster's certificate may tell them
 * who they are. */
bool replica_vouches(struct replica *replica, uint64_t node_id, struct slice token) MUST_USE;

struct replica_peer {
    uint64_t node_id;
    char address[LIMIT_ADDRESS_BYTES + 1];
    bool voter;
    bool has_match; /* leader only */
    uint64_t match_index;
    uint64_t lag; /* entries behind the leader's last */
};

struct replica_status {
    uint8_t cluster_id[16];
    enum replica_state state;
    uint64_t node_id, leader_id, term;
    uint64_t last_index, commit_index, applied_index;
    uint64_t time_ms; /* log time */
    uint8_t digest[16];
    bool seated, voter; /* is this node in the configuration, and does it vote? */
    bool ready; /* leads and has committed an entry of its term, or follows a known leader */
    unsigned peer_count;
    struct replica_peer peers[LIMIT_NODES];
    uint64_t record_size;    /* leaves of the record's tree, */
    uint8_t record_root[32]; /* and its root */
    uint64_t final_size;     /* of the newest final checkpoint known here; 0: none */
    /* This node's record is another than one that a node of the cluster signed, at this size (0: it
     * is not): it takes part in nothing. */
    uint64_t diverged_size;
    uint8_t diverged_own[32], diverged_other[32];
    uint64_t disagreements; /* times another node said so of itself, to this one as leader */
    uint64_t in_flight;     /* commands under way here */
    bool disk_full;         /* nothing new is taken in for want of room */
    uint64_t repairing;     /* an entry that is damaged: the node does not vote; 0: none */
    uint64_t messages_malformed, messages_dropped;
    /* how often each mitigation acted (M1..M8 of the consensus notes, index 1..8) */
    uint64_t mitigations[9];
};
void replica_status(struct replica *replica, struct replica_status *status);

/* An entry of the log does not match its checksum: it is fetched from another node (repair.h), and
 * host->repaired is told when it is whole. OK; BUSY (another one is on its way: ask again after
 * it); CORRUPT (it cannot be repaired: the node must be replaced). NOT_FOUND: it is gone. If it was
 * read well after all, OK, and nobody is told. */
enum conclave_code replica_repair(struct replica *replica, uint64_t index) MUST_USE;

/* Of the status, alone. */
bool replica_disk_full(const struct replica *replica);

/* Counted since the replica opened; may be read by any thread until it closes. */
struct replica_metrics;
const struct replica_metrics *replica_metrics(const struct replica *replica);

#endif
