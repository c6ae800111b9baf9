/* Checkpoints of the record: made, compared, signed, final. docs/RECORD.md, "Checkpoints".
 *
 * The happy path: the leader, when the tree has grown and a second has passed, signs its root; what
 * was signed is kept (host->keep) before the signature leaves; the other genesis nodes are asked,
 * compare with their own root of that size, keep, and cosign; with a majority the checkpoint is
 * final, and every node is sent it.
 *
 * A leader that joined after genesis has no key there: then the nodes of genesis that follow it
 * make the checkpoints, the first of them soon, each other one when those before it seem not to.
 *
 * The failure modes: a message or an answer is lost (asked again every second); no majority answers
 * (a newer checkpoint takes its place after some seconds); the leader is lost (the next one makes
 * the next, of the same size if need be: signing one root twice is allowed, two roots are not);
 * what was signed cannot be kept (no signature leaves, and the next second tries again); roots
 * differ: this node stops taking part (replica_stand_aside), and says so for as long as its own
 * history is what it is.
 */
#ifndef CONSENSUS_CHECKPOINT_H
#define CONSENSUS_CHECKPOINT_H

#include "auth/genesis.h"
#include "consensus/message.h"
#include "consensus/replica.h"
#include "record/checkpoint.h"

/* A claim about the tree. Size 0: none. */
struct checkpoint_claim {
    uint64_t size;
    struct merkle_hash root;
};

/* What the leader collects. */
struct checkpoint_proposal {
    bool active; /* signed by this node as leader, and not yet final */
    bool kept;   /* the others may be asked */
    uint64_t made_ms;
    uint64_t size;
    struct merkle_hash root;
    uint8_t log_signature[NOTE_ED25519_BYTES];
    struct {
        bool there;
        uint64_t time_s;
        uint8_t signature[NOTE_ED25519_BYTES];
    } cosigned[LIMIT_NODES]; /* in the order of the genesis nodes */
};

/* The answer to a leader that waits for what was signed to be kept. */
struct checkpoint_answer {
    uint64_t node_id; /* 0: none */
    uint64_t time_s;
    uint8_t signature[NOTE_ED25519_BYTES];
};

/* A node, and the size of its newest final checkpoint. */
struct checkpoint_holder {
    uint64_t node_id; /* 0: none */
    uint64_t size;
};

struct checkpoint_waiter {
    struct checkpoint_waiter *next;
    uint64_t token;
    uint64_t deadline_ms;
    uint64_t size;
};

struct checkpoints {
    struct buffer genesis; /* the command, for receipts */
    struct checkpoint_nodes nodes;
    unsigned position; /* of this node among them; nodes.count: it is none of them */

    struct checkpoint_claim signed_last;
    bool signed_checked; /* against the tree, since the start */
    struct checkpoint_claim final;
    struct buffer final_note;
    bool diverged;                      /* what follows is true of this node, as kept */
    struct checkpoint_claim own, other; /* of one size */

    bool keeping;    /* host->keep is under way */
    bool keep_again; /* something changed since it began */

    struct checkpoint_claim asked; /* by the leader, waits for the state */
    uint64_t asked_by;
    struct buffer offered_note; /* a final checkpoint that waits for the state */
    struct checkpoint_claim offered;
    uint64_t offered_by;
    struct checkpoint_answer answer;

    bool awaits_restore; /* the log begins with a genesis of a former cluster, and goes on */
    uint64_t led_term;   /* the last in which this node made checkpoints */
    struct checkpoint_proposal proposal;
    uint64_t next_ms;  /* no new proposal, and nothing sent again, before */
    uint64_t grown_ms; /* since then the tree has more than the final checkpoint; 0: it has not */
    struct checkpoint_holder holders[LIMIT_NODES]; /* what the others say they have as final */

    struct checkpoint_waiter *waiters;
    size_t waiter_count;
    struct checkpoint_claim shown; /* by status last: a root costs some hashes */
    uint64_t disagreements;        /* times that another node said its root is different */
};

/* Reads the genesis from the log, and what was kept. CONFIG (a signer with another key than
 * genesis has for the node; kept bytes that are damaged or of another cluster), CORRUPT, NO_MEMORY.
 */
enum conclave_code checkpoint_open(struct replica *replica) MUST_USE;

/* The id of the cluster that the entry `index` of the log founds (0: its genesis). CORRUPT when it
 * founds none; log errors. */
enum conclave_code checkpoint_founder(const struct replica *replica, uint64_t index,
                                      uint8_t cluster_id[CHECKPOINT_CLUSTER_BYTES]) MUST_USE;
void checkpoint_close(struct replica *replica);

/* Does what can be done now, after entries were applied. */
void checkpoint_run(struct replica *replica);

/* host->keep has ended. */
void checkpoint_kept(struct replica *replica, enum conclave_code code);

/* Lets waiters' deadlines pass; or ends all waiting, as if they had. */
void checkpoint_expire(struct replica *replica);
void checkpoint_give_up(struct replica *replica);

uint64_t checkpoint_deadline_ms(const struct replica *replica);

/* Messages. */
void checkpoint_asked(struct replica *replica, uint64_t node_id,
                      const struct message_checkpoint *ask);
void checkpoint_cosigned(struct replica *replica, uint64_t node_id,
                         const struct message_checkpoint *cosigned);
void checkpoint_offered(struct replica *replica, uint64_t node_id, struct slice note);
void checkpoint_held(struct replica *replica, uint64_t node_id, uint64_t size);

#endif
