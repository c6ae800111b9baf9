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
 * deadline UNKNOWN_OUTCOME), a failed write (host is told by host->failed; the replica then does
 * nothing more).
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
    /* The replica cannot go on (a failed write, a checksum that does not match, no memory in the
     * state machine): the host stops the node. */
    void (*failed)(void *context, enum conclave_code code, const char *what);
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
};

/* Makes an empty log the log of a new cluster: the configuration of the genesis command's nodes
 * (entry 1, term 1) and the genesis batch (entry 2, term 1). Every first node does so with the same
 * bytes and so has the same log. `genesis` is a signed command of kind genesis, checked here (form,
 * cluster id zero, signature, ids and addresses); `node_id` must be in it. Also saves the identity
 * {cluster id, node id, random disk id}. BAD_REQUEST with `error` set; DUPLICATE_ID when the log is
 * not empty; log errors. */
enum conclave_code replica_bootstrap(struct log *log, struct slice genesis, uint64_t node_id,
                                     const struct random *random, struct codec_error *error)
    MUST_USE;

/* What replica_bootstrap writes: a log that has more took part in a cluster. */
#define REPLICA_BOOTSTRAP_ENTRIES 2u

/* What a bootstrapped disk says it is. NOT_FOUND when the log has no identity. */
struct replica_identity {
    uint8_t cluster_id[16];
    uint64_t node_id;
    uint8_t disk_id[16];
};
enum conclave_code replica_identity(struct log *log, struct replica_identity *identity) MUST_USE;

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

/* The write given to host->persist ended. Anything but OK ends the replica (host->failed). */
void replica_persisted(struct replica *replica, enum conclave_code code);

/* Hands in a command whose form and signature were checked (bytes are copied). `token` is the
 * host's, unique among those under way. The answer comes by host->decided within `timeout_ms`.
 * Never calls it before returning: BUSY (limits), NO_LEADER, TOO_LARGE, NO_MEMORY and
 * SHUTTING_DOWN (the replica has failed) are return values, and then decided is not called. */
enum conclave_code replica_submit(struct replica *replica, struct slice command, uint64_t token,
                                  uint64_t timeout_ms) MUST_USE;

/* Asks for a linearizable read (ReadIndex; a follower asks the leader). Same rules as
 * replica_submit; answers by host->readable. */
enum conclave_code replica_read(struct replica *replica, uint64_t token, uint64_t timeout_ms)
    MUST_USE;

/* Answers a query from the state as it is now (call it from within or after host->readable has
 * queued it, or for stale reads at any time): model_query, and log.read. */
enum conclave_code replica_query(struct replica *replica, struct slice method,
                                 const msgpack_object *params, struct buffer *answer,
                                 struct codec_error *error) MUST_USE;

/* For admission: see model.h. */
struct model_author;
enum conclave_code replica_author(struct replica *replica, struct slice author,
                                  struct model_author *out) MUST_USE;

/* Hands leadership over to the most advanced peer, if this node leads and can. Watch replica_status
 * for the end. */
void replica_transfer(struct replica *replica);

/* Changes the raft configuration (membership comes with a later release; the driver's rules are
 * here, M3: one change at a time, only when every voter has the last one). NOT_LEADER, BUSY,
 * BAD_VALUE (a new server starts as standby or spare; a last voter stays), NO_MEMORY.
 * `role`: 0 standby, 1 voter, 2 spare, -1 remove. */
enum conclave_code replica_change(struct replica *replica, uint64_t node_id, const char *address,
                                  int role) MUST_USE;

struct replica_peer {
    uint64_t node_id;
    char address[LIMIT_ADDRESS_BYTES + 1];
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
    bool ready; /* leads and has committed an entry of its term, or follows a known leader */
    unsigned peer_count;
    struct replica_peer peers[LIMIT_NODES];
    uint64_t in_flight; /* commands under way here */
    uint64_t messages_malformed, messages_dropped;
    /* how often each mitigation acted (M1..M8 of the consensus notes, index 1..8) */
    uint64_t mitigations[9];
};
void replica_status(struct replica *replica, struct replica_status *status);

#endif
