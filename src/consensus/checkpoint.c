/* Checkpoints: the parts of both sides. What is kept is in checkpoint_kept.c. */
#include "consensus/checkpoint.h"

#include <sodium.h>

#include "base/logger.h"
#include "base/memory.h"
#include "base/mutant.h"
#include "consensus/checkpoint_kept.h"
#include "consensus/checkpoint_spread.h"
#include "consensus/core.h"

#define INTERVAL_MS 1000u
#define TURN_MS     (2u * INTERVAL_MS) /* of each node that stands in for a leader without a key */
#define PATIENCE_MS 5000u              /* for a majority: then a newer checkpoint takes the place */
#define TEXT_BYTES  (CHECKPOINT_ORIGIN_BYTES + 128u)
#define WAITERS_MAX LIMIT_READS_IN_FLIGHT

/* --- Small things --- */

static bool signs(const struct replica *replica)
{
    return replica->config.signer != NULL &&
           replica->checkpoints.position < replica->checkpoints.nodes.count;
}

static bool leads_and_serves(struct replica *replica)
{
    return replica_leads_ready(replica) && replica->state.applied_index >= replica->ready_index;
}

/* The place of a node among those of genesis; their count when it is none of them. */
static unsigned position_of(const struct checkpoints *checkpoints, uint64_t node_id)
{
    unsigned i = 0;
    while (i < checkpoints->nodes.count && checkpoints->nodes.nodes[i].id != node_id) {
        i++;
    }
    return i;
}

static void write_text(struct buffer *text, const struct checkpoints *checkpoints, uint64_t size,
                       const struct merkle_hash *root)
{
    char origin[CHECKPOINT_ORIGIN_BYTES];
    checkpoint_origin(checkpoints->nodes.cluster_id, origin);
    checkpoint_write(text, origin, size, root);
}

/* The root that this node's tree had at a size that it has reached. */
static enum conclave_code own_root(struct replica *replica, uint64_t size, struct merkle_hash *root)
{
    ASSERT(size <= replica->tree.size);
    if (size == replica->tree.size) {
        merkle_root(&replica->tree, root);
        return CONCLAVE_OK;
    }
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(replica->config.kv, false, &transaction);
    if (rv == CONCLAVE_OK) {
        struct merkle_reader reader = tree_reader(transaction);
        rv = merkle_root_at(&reader, size, root);
        kv_abort(transaction);
    }
    return rv;
}

/* --- Divergence --- */

static void stand_aside(struct replica *replica, const struct checkpoint_claim *own,
                        const struct checkpoint_claim *other, const char *whose)
{
    char own_hex[2 * MERKLE_HASH_BYTES + 1];
    char other_hex[2 * MERKLE_HASH_BYTES + 1];
    struct checkpoints *checkpoints = &replica->checkpoints;
    sodium_bin2hex(own_hex, sizeof own_hex, own->root.bytes, MERKLE_HASH_BYTES);
    sodium_bin2hex(other_hex, sizeof other_hex, other->root.bytes, MERKLE_HASH_BYTES);
    LOG_ERROR("the record of this node is not that of the others: it takes part in nothing more",
              FIELD_U64("size", own->size), FIELD_TEXT("own_root", own_hex),
              FIELD_TEXT("other_root", other_hex), FIELD_TEXT("other", whose));
    checkpoints->diverged = true;
    checkpoints->own = *own;
    checkpoints->other = *other;
    replica_stand_aside(replica);
    checkpoint_keep(replica);
}

/* Does this node's tree have that root? `own` is the one it has. */
static bool compare(struct replica *replica, const struct checkpoint_claim *claim,
                    struct checkpoint_claim *own)
{
    own->size = claim->size;
    enum conclave_code rv = own_root(replica, claim->size, &own->root);
    if (rv != CONCLAVE_OK) {
        replica_fail(replica, rv, "the record's tree could not be read");
        return false;
    }
    return merkle_hash_equal(&own->root, &claim->root);
}

/* The same; when it has not, this node takes part no more. `whose` names the claim. */
static bool holds(struct replica *replica, const struct checkpoint_claim *claim, const char *whose)
{
    struct checkpoint_claim own;
    bool same = compare(replica, claim, &own);
    if (!same && !replica->failed) {
        stand_aside(replica, &own, claim, whose);
    }
    return same;
}

/* What this node signed, or stood aside for, before it was started: now that its tree is as large
 * again, is it still so? */
static void check_kept(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    if (checkpoints->diverged && replica->tree.size >= checkpoints->other.size &&
        holds(replica, &checkpoints->other, "a checkpoint signed by another node")) {
        LOG_WARN("the record of this node is that of the others again",
                 FIELD_U64("size", checkpoints->other.size));
        checkpoints->diverged = false;
        checkpoint_keep(replica);
    }
    if (!replica->failed && !checkpoints->signed_checked &&
        replica->tree.size >= checkpoints->signed_last.size) {
        checkpoints->signed_checked =
            checkpoints->signed_last.size == 0 ||
            holds(replica, &checkpoints->signed_last, "a checkpoint signed by this node");
    }
}

/* --- Signing --- */

/* Signs as `key`'s type says. */
static enum conclave_code sign(struct replica *replica, enum note_key_type type, uint64_t time_s,
                               struct slice text, uint8_t signature[NOTE_ED25519_BYTES])
{
    struct buffer message;
    buffer_init(&message, TEXT_BYTES + 64u);
    note_write_message(&message, type, time_s, text);
    enum conclave_code rv = message.status;
    if (rv == CONCLAVE_OK) {
        const struct replica_signer *signer = replica->config.signer;
        signer->sign(signer->context, buffer_slice(&message), signature);
    }
    buffer_close(&message);
    return rv;
}

/* May this node sign that root? Sizes only grow, and one size has one root. */
static bool may_sign(const struct checkpoints *checkpoints, uint64_t size,
                     const struct merkle_hash *root)
{
    const struct checkpoint_claim *last = &checkpoints->signed_last;
    return checkpoints->signed_checked &&
           (size > last->size || (size == last->size && merkle_hash_equal(root, &last->root)));
}

static void note_signed(struct replica *replica, uint64_t size, const struct merkle_hash *root)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    checkpoints->signed_last = (struct checkpoint_claim){.size = size, .root = *root};
    checkpoint_keep(replica);
}

/* --- The side of who makes them --- */

/* Does this node make checkpoints in a leader's place, that has no key in genesis? */
static bool stands_in(const struct replica *replica)
{
    uint64_t leader_id = replica->leader_id;
    return leader_id != 0 && leader_id != replica->config.node_id && !MUTANT(51) &&
           position_of(&replica->checkpoints, leader_id) == replica->checkpoints.nodes.count;
}

/* When this node may make one, or send again; never if that is not its business. */
static uint64_t make_due_ms(struct replica *replica)
{
    const struct checkpoints *checkpoints = &replica->checkpoints;
    if (!signs(replica)) {
        return UINT64_MAX;
    }
    if (leads_and_serves(replica)) {
        return checkpoints->next_ms;
    }
    if (!stands_in(replica)) {
        return UINT64_MAX;
    }
    uint64_t turn_ms = checkpoints->grown_ms + checkpoints->position * TURN_MS;
    return checkpoints->grown_ms > 0 && turn_ms > checkpoints->next_ms ? turn_ms
                                                                       : checkpoints->next_ms;
}

static bool in_cluster(const struct replica *replica, unsigned position)
{
    const struct raft_configuration *configuration = &replica->raft.configuration;
    return configuration_find(configuration, replica->checkpoints.nodes.nodes[position].id) != NULL;
}

/* Every other node of genesis that is in the cluster still and has not answered. */
static void ask_others(struct replica *replica)
{
    const struct checkpoints *checkpoints = &replica->checkpoints;
    const struct checkpoint_proposal *proposal = &checkpoints->proposal;
    const struct message_checkpoint ask = {
        .size = proposal->size,
        .root = slice_of(proposal->root.bytes, MERKLE_HASH_BYTES),
        .signature = slice_of(proposal->log_signature, NOTE_ED25519_BYTES),
    };
    for (unsigned i = 0; i < checkpoints->nodes.count; i++) {
        if (i != checkpoints->position && !proposal->cosigned[i].there && in_cluster(replica, i)) {
            message_write_checkpoint(&replica->message, MESSAGE_CHECKPOINT, &ask);
            replica_send(replica, checkpoints->nodes.nodes[i].id);
        }
    }
}

static void propose(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_proposal proposal = {
        .made_ms = replica->now_ms,
        .size = replica->tree.size,
    };
    checkpoints->next_ms = replica->now_ms + INTERVAL_MS;
    merkle_root(&replica->tree, &proposal.root);
    if (!may_sign(checkpoints, proposal.size, &proposal.root)) {
        return;
    }
    uint64_t time_s = clock_wall_ms(replica->config.clock) / 1000u;
    struct buffer text;
    buffer_init(&text, TEXT_BYTES);
    write_text(&text, checkpoints, proposal.size, &proposal.root);
    enum conclave_code rv = text.status;
    if (rv == CONCLAVE_OK) {
        rv = sign(replica, NOTE_ED25519, 0, buffer_slice(&text), proposal.log_signature);
    }
    if (rv == CONCLAVE_OK) {
        rv = sign(replica, NOTE_COSIGNATURE, time_s, buffer_slice(&text),
                  proposal.cosigned[checkpoints->position].signature);
    }
    buffer_close(&text);
    if (rv != CONCLAVE_OK) {
        return; /* no memory: in a second again */
    }
    proposal.active = true;
    proposal.cosigned[checkpoints->position].there = true;
    proposal.cosigned[checkpoints->position].time_s = time_s;
    checkpoints->proposal = proposal;
    note_signed(replica, proposal.size, &proposal.root);
}

/* Replaces what is final. */
static void become_final(struct replica *replica, const struct checkpoint_claim *claim,
                         struct slice note)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    ASSERT(claim->size > checkpoints->final.size);
    struct buffer kept;
    buffer_init(&kept, CHECKPOINT_NOTE_BYTES_MAX);
    buffer_append(&kept, note.data, note.size);
    if (kept.status != CONCLAVE_OK) {
        buffer_close(&kept); /* no memory: it is offered again, or the next one is */
        return;
    }
    buffer_close(&checkpoints->final_note);
    checkpoints->final_note = kept;
    checkpoints->final = *claim;
    checkpoint_keep(replica);
    if (checkpoints->waiters != NULL) {
        replica->work_pending = true; /* told by the next event */
    }
}

static unsigned cosigned_count(const struct checkpoint_proposal *proposal)
{
    unsigned count = 0;
    for (unsigned i = 0; i < LIMIT_NODES; i++) {
        count += proposal->cosigned[i].there;
    }
    return count;
}

static void finish_proposal(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_proposal *proposal = &checkpoints->proposal;
    if (!proposal->active || !proposal->kept ||
        cosigned_count(proposal) + MUTANT(46) < checkpoint_majority(&checkpoints->nodes)) {
        return;
    }
    struct buffer note;
    struct note_key key;
    buffer_init(&note, CHECKPOINT_NOTE_BYTES_MAX);
    write_text(&note, checkpoints, proposal->size, &proposal->root);
    note_write_separator(&note);
    checkpoint_log_key(&key, &checkpoints->nodes, checkpoints->position);
    note_write_signature(&note, &key, 0, proposal->log_signature);
    for (unsigned i = 0; i < checkpoints->nodes.count; i++) {
        if (proposal->cosigned[i].there) {
            checkpoint_cosigner_key(&key, &checkpoints->nodes, i);
            note_write_signature(&note, &key, proposal->cosigned[i].time_s,
                                 proposal->cosigned[i].signature);
        }
    }
    if (note.status == CONCLAVE_OK) {
        const struct checkpoint_claim claim = {.size = proposal->size, .root = proposal->root};
        proposal->active = false;
        if (claim.size > checkpoints->final.size) {
            become_final(replica, &claim, buffer_slice(&note));
            checkpoint_spread_run(replica);
        }
    }
    buffer_close(&note);
}

static bool has_grown(const struct replica *replica)
{
    return replica->tree.size > replica->checkpoints.final.size;
}

static void make(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_proposal *proposal = &checkpoints->proposal;
    if (checkpoints->led_term != raft_current_term(&replica->raft)) {
        checkpoints->led_term = raft_current_term(&replica->raft);
        proposal->active = false;
        checkpoint_spread_reset(checkpoints);
    }
    if (replica->now_ms < make_due_ms(replica) || checkpoints->keeping) {
        return;
    }
    if (proposal->active && replica->now_ms - proposal->made_ms < PATIENCE_MS) {
        checkpoints->next_ms = replica->now_ms + INTERVAL_MS;
        ask_others(replica);
    } else if (has_grown(replica)) {
        propose(replica);
    } else if (checkpoint_spread_lacking(replica) && !MUTANT(50)) {
        checkpoints->next_ms = replica->now_ms + INTERVAL_MS;
    } else {
        return;
    }
    checkpoint_spread_run(replica);
}

void checkpoint_cosigned(struct replica *replica, uint64_t node_id,
                         const struct message_checkpoint *cosigned)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_proposal *proposal = &checkpoints->proposal;
    unsigned i = position_of(checkpoints, node_id);
    if (i == checkpoints->nodes.count || !proposal->active || cosigned->size != proposal->size) {
        return; /* an old answer */
    }
    if (!slice_equal(cosigned->root, slice_of(proposal->root.bytes, MERKLE_HASH_BYTES))) {
        checkpoints->disagreements++;
        LOG_ERROR("a node has another record than this one", FIELD_U64("peer", node_id),
                  FIELD_U64("size", cosigned->size));
        return;
    }
    struct buffer text;
    struct note_key key;
    bool valid = false;
    buffer_init(&text, TEXT_BYTES);
    write_text(&text, checkpoints, proposal->size, &proposal->root);
    checkpoint_cosigner_key(&key, &checkpoints->nodes, i);
    if (text.status == CONCLAVE_OK && cosigned->signature.size == NOTE_ED25519_BYTES &&
        note_check_signature(&key, cosigned->time_s, buffer_slice(&text), cosigned->signature.data,
                             &valid) == CONCLAVE_OK &&
        valid) {
        proposal->cosigned[i].there = true;
        proposal->cosigned[i].time_s = cosigned->time_s;
        memcpy(proposal->cosigned[i].signature, cosigned->signature.data, NOTE_ED25519_BYTES);
        finish_proposal(replica);
    } else {
        replica->messages_dropped++;
        LOG_WARN("a cosignature does not verify", FIELD_U64("peer", node_id));
    }
    buffer_close(&text);
}

/* --- The other nodes' side --- */

void checkpoint_asked(struct replica *replica, uint64_t node_id,
                      const struct message_checkpoint *ask)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    unsigned i = position_of(checkpoints, node_id);
    if (i == checkpoints->nodes.count || !signs(replica) || ask->size < checkpoints->asked.size ||
        ask->size < checkpoints->signed_last.size) {
        return;
    }
    struct checkpoint_claim claim = {.size = ask->size};
    struct buffer text;
    struct note_key key;
    bool valid = false;
    memcpy(claim.root.bytes, ask->root.data, MERKLE_HASH_BYTES);
    buffer_init(&text, TEXT_BYTES);
    write_text(&text, checkpoints, claim.size, &claim.root);
    checkpoint_log_key(&key, &checkpoints->nodes, i);
    if (text.status == CONCLAVE_OK && ask->signature.size == NOTE_ED25519_BYTES &&
        note_check_signature(&key, 0, buffer_slice(&text), ask->signature.data, &valid) ==
            CONCLAVE_OK &&
        valid) {
        checkpoints->asked = claim;
        checkpoints->asked_by = node_id;
    } else {
        replica->messages_dropped++;
        LOG_WARN("a checkpoint's signature does not verify", FIELD_U64("peer", node_id));
    }
    buffer_close(&text);
}

static void send_cosignature(struct replica *replica, uint64_t node_id,
                             const struct checkpoint_claim *claim, uint64_t time_s,
                             struct slice signature)
{
    const struct message_checkpoint cosigned = {
        .size = claim->size,
        .root = slice_of(claim->root.bytes, MERKLE_HASH_BYTES),
        .time_s = time_s,
        .signature = signature,
    };
    message_write_checkpoint(&replica->message, MESSAGE_CHECKPOINT_COSIGNED, &cosigned);
    replica_send(replica, node_id);
}

/* The tree has what was asked for: compare, and cosign. */
static void answer_asked(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    const struct checkpoint_claim claim = checkpoints->asked;
    uint64_t node_id = checkpoints->asked_by;
    if (claim.size == 0 || checkpoints->keeping || replica->tree.size < claim.size) {
        return;
    }
    checkpoints->asked = (struct checkpoint_claim){0};
    struct checkpoint_claim own;
    if (!compare(replica, &claim, &own)) {
        if (!replica->failed) {
            send_cosignature(replica, node_id, &own, 0, slice_of(NULL, 0));
            stand_aside(replica, &own, &claim, "a checkpoint signed by the leader");
        }
        return;
    }
    if (!may_sign(checkpoints, claim.size, &claim.root)) {
        return;
    }
    struct buffer text;
    struct checkpoint_answer answer = {.node_id = node_id,
                                       .time_s = clock_wall_ms(replica->config.clock) / 1000u};
    buffer_init(&text, TEXT_BYTES);
    write_text(&text, checkpoints, claim.size, &claim.root);
    enum conclave_code rv = text.status;
    if (rv == CONCLAVE_OK) {
        rv = sign(replica, NOTE_COSIGNATURE, answer.time_s, buffer_slice(&text), answer.signature);
    }
    buffer_close(&text);
    if (rv == CONCLAVE_OK) {
        checkpoints->answer = answer;
        note_signed(replica, claim.size, &claim.root);
        if (MUTANT(45)) {
            send_cosignature(replica, answer.node_id, &claim, answer.time_s,
                             slice_of(answer.signature, sizeof answer.signature));
        }
    }
}

/* Verifies an offered checkpoint. */
static bool is_final(const struct checkpoints *checkpoints, struct slice bytes,
                     struct checkpoint_claim *claim)
{
    struct note *note = memory_allocate(sizeof *note);
    struct checkpoint_verdict verdict;
    struct codec_error error;
    if (note == NULL) {
        return false;
    }
    bool final = note_decode(note, bytes) == CONCLAVE_OK &&
                 checkpoint_verify(&verdict, note, &checkpoints->nodes, &error) == CONCLAVE_OK &&
                 verdict.final;
    if (final) {
        *claim = (struct checkpoint_claim){.size = verdict.checkpoint.size,
                                           .root = verdict.checkpoint.root};
    }
    memory_free(note);
    return final;
}

static void say_held(struct replica *replica, uint64_t node_id)
{
    message_write_checkpoint_held(&replica->message, replica->checkpoints.final.size);
    replica_send(replica, node_id);
}

void checkpoint_offered(struct replica *replica, uint64_t node_id, struct slice note)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_claim claim;
    if (checkpoints->nodes.count == 0) {
        return; /* it has just joined, and has no genesis yet: it is sent this again */
    }
    if (note.size > CHECKPOINT_NOTE_BYTES_MAX || !is_final(checkpoints, note, &claim)) {
        replica->messages_dropped++;
        LOG_WARN("an offered checkpoint is not final", FIELD_U64("peer", node_id));
        return;
    }
    if (claim.size <= checkpoints->final.size) {
        say_held(replica, node_id);
        if (claim.size < checkpoints->final.size) {
            checkpoint_spread_to(replica, node_id);
        }
        return;
    }
    if (claim.size <= checkpoints->offered.size) {
        return;
    }
    buffer_clear(&checkpoints->offered_note);
    buffer_append(&checkpoints->offered_note, note.data, note.size);
    checkpoints->offered =
        checkpoints->offered_note.status == CONCLAVE_OK ? claim : (struct checkpoint_claim){0};
    checkpoints->offered_by = node_id;
}

/* The tree has what was offered as final. */
static void take_offered(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    const struct checkpoint_claim claim = checkpoints->offered;
    if (claim.size == 0 || replica->tree.size < claim.size) {
        return;
    }
    checkpoints->offered = (struct checkpoint_claim){0};
    if (claim.size > checkpoints->final.size &&
        holds(replica, &claim, "a final checkpoint, cosigned by a majority")) {
        become_final(replica, &claim, buffer_slice(&checkpoints->offered_note));
        say_held(replica, checkpoints->offered_by);
    }
}

/* --- The contract --- */

/* Those whose deadline has come by `until_ms` go without. */
static void serve_waiters(struct replica *replica, uint64_t until_ms)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    const struct replica_host *host = replica->config.host;
    struct checkpoint_waiter **link = &checkpoints->waiters;
    while (*link != NULL) {
        struct checkpoint_waiter *waiter = *link;
        bool served = waiter->size <= checkpoints->final.size;
        if (!served && waiter->deadline_ms > until_ms) {
            link = &waiter->next;
            continue;
        }
        *link = waiter->next;
        checkpoints->waiter_count--;
        host->readable(host->context, waiter->token, served ? CONCLAVE_OK : CONCLAVE_NOT_FINAL);
        memory_free(waiter);
    }
}

static void note_growth(struct replica *replica)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    if (!has_grown(replica)) {
        checkpoints->grown_ms = 0;
    } else if (checkpoints->grown_ms == 0) {
        checkpoints->grown_ms = replica->now_ms;
    }
}

void checkpoint_run(struct replica *replica)
{
    if (replica->failed || replica->tree.size == 0) {
        return;
    }
    if (replica->checkpoints.nodes.count == 0) { /* it joined without a log */
        enum conclave_code rv = checkpoint_open(replica);
        if (rv == CONCLAVE_OK && replica->checkpoints.awaits_restore) {
            return; /* it joined a restored cluster, and is not so far yet */
        }
        if (rv != CONCLAVE_OK || replica->checkpoints.nodes.count == 0) {
            replica_fail(replica, rv == CONCLAVE_OK ? CONCLAVE_CORRUPT : rv,
                         "the genesis could not be read");
            return;
        }
    }
    check_kept(replica);
    if (!replica->failed) {
        take_offered(replica);
    }
    note_growth(replica);
    if (!replica->failed && signs(replica)) {
        answer_asked(replica);
    }
    if (!replica->failed && make_due_ms(replica) != UINT64_MAX) {
        make(replica);
    }
    serve_waiters(replica, 0);
}

void checkpoint_expire(struct replica *replica)
{
    serve_waiters(replica, replica->now_ms);
}

void checkpoint_give_up(struct replica *replica)
{
    serve_waiters(replica, UINT64_MAX);
}

void checkpoint_kept(struct replica *replica, enum conclave_code code)
{
    struct checkpoints *checkpoints = &replica->checkpoints;
    struct checkpoint_answer answer = checkpoints->answer;
    struct checkpoint_proposal *proposal = &checkpoints->proposal;
    bool again = checkpoints->keep_again;
    ASSERT(checkpoints->keeping);
    checkpoints->keeping = false;
    checkpoints->keep_again = false;
    if (code != CONCLAVE_OK) {
        LOG_ERROR("what was signed could not be kept: no signature leaves",
                  FIELD_TEXT("code", conclave_code_name(code)));
    }
    if (again) {
        checkpoint_keep(replica);
        return;
    }
    checkpoints->answer = (struct checkpoint_answer){0};
    if (replica->failed) {
        return;
    }
    if (code != CONCLAVE_OK) {
        proposal->active &= proposal->kept;
        return;
    }
    if (answer.node_id != 0) {
        send_cosignature(replica, answer.node_id, &checkpoints->signed_last, answer.time_s,
                         slice_of(answer.signature, sizeof answer.signature));
    }
    if (proposal->active && !proposal->kept) {
        proposal->kept = true;
        ask_others(replica);
        finish_proposal(replica); /* the only node there is */
    }
}

uint64_t checkpoint_deadline_ms(const struct replica *replica)
{
    const struct checkpoints *checkpoints = &replica->checkpoints;
    uint64_t deadline_ms = UINT64_MAX;
    for (const struct checkpoint_waiter *waiter = checkpoints->waiters; waiter != NULL;
         waiter = waiter->next) {
        if (waiter->deadline_ms < deadline_ms) {
            deadline_ms = waiter->deadline_ms;
        }
    }
    uint64_t due_ms = make_due_ms((struct replica *)(uintptr_t)replica);
    if (!replica->failed && !checkpoints->keeping && due_ms < deadline_ms &&
        (has_grown(replica) || checkpoint_spread_lacking(replica))) {
        deadline_ms = due_ms;
    }
    return deadline_ms;
}

enum conclave_code replica_await_final(struct replica *replica, uint64_t size, uint64_t token,
                                       uint64_t timeout_ms)
{
    ASSERT(replica != NULL);
    struct checkpoints *checkpoints = &replica->checkpoints;
    replica_advance(replica);
    if (replica->failed) {
        return CONCLAVE_SHUTTING_DOWN;
    }
    if (checkpoints->waiter_count >= WAITERS_MAX) {
        return CONCLAVE_BUSY;
    }
    struct checkpoint_waiter *waiter = memory_allocate(sizeof *waiter);
    if (waiter == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    *waiter = (struct checkpoint_waiter){.next = checkpoints->waiters,
                                         .token = token,
                                         .deadline_ms = replica->now_ms + timeout_ms,
                                         .size = size};
    checkpoints->waiters = waiter;
    checkpoints->waiter_count++;
    replica->work_pending |= size <= checkpoints->final.size;
    return CONCLAVE_OK;
}
