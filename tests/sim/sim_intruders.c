/* Strangers at the peer port, and all kinds of clients. */
#include "sim/sim_intruders.h"

#include <stdlib.h>
#include <xxhash.h>

#include "codec/writer.h"
#include "net/frame.h"
#include "net/handshake.h"
#include "sim/sim_commands.h"
#include "sim/sim_disk.h"
#include "sim/sim_door.h"
#include "sim/sim_host.h"
#include "sim/sim_model.h"
#include "sim/sim_op.h"
#include "sim/sim_queue.h"
#include "sim/sim_unpack.h"
#include "tls/certificate.h"

#define VISITS   16u
#define KINDS    17u
#define PATIENCE 4000u /* how long a client waits */

/* What may be answered. */
enum expectation {
    ANYTHING,
    NO_RESULT, /* nothing that a log index stands in */
    A_REPLY,   /* if it is a result: that of the command */
    A_TALLY    /* if it is a result: not older than what was acknowledged */
};

/* A client that waits for an answer. */
struct visit {
    uint64_t caller; /* 0: free */
    unsigned node;
    uint64_t life;
    enum expectation expectation;
    enum sim_count kind;
    struct sim_op op; /* hash and floor only */
    uint64_t until_ms;
};

struct sim_intruders {
    unsigned weights[KINDS];
    unsigned sum;
    unsigned pace_ms;
    uint64_t next_ms;
    struct visit visits[VISITS];
    enum sim_count kind; /* of who comes now */
    struct actor stranger;
    struct buffer body;
    struct buffer bytes;
};

static uint64_t lot(struct sim *sim, uint64_t bound)
{
    return sim_random_below(&sim->foe, bound);
}

static void add_noise(struct sim *sim, struct buffer *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)lot(sim, 256);
        buffer_append(bytes, &byte, 1);
    }
}

static struct sim_node *any_node(struct sim *sim)
{
    struct sim_node *node = &sim->nodes[1 + lot(sim, sim->node_count)];
    return node->up && node->paused_until_ms <= sim->now_ms ? node : NULL;
}

/* --- At the peer port --- */

static void add_frame(struct buffer *bytes, struct slice content)
{
    uint8_t header[FRAME_HEADER_BYTES];
    frame_header((uint32_t)content.size, header);
    buffer_append(bytes, header, sizeof header);
    buffer_append(bytes, content.data, content.size);
}

/* What nodes really said to each other a while ago, to be taken for a node. */
static void add_messages(struct sim *sim, struct buffer *bytes)
{
    for (unsigned i = 0; i < 4; i++) {
        const struct sim_event *past = &sim->past[lot(sim, SIM_PAST_MESSAGES)];
        if (past->bytes != NULL) {
            add_frame(bytes, slice_of(past->bytes, past->size));
        }
    }
}

static void greet(struct sim *sim, const struct handshake *handshake)
{
    struct buffer *bytes = &sim->intruders->bytes;
    struct buffer greeting;
    buffer_init(&greeting, HANDSHAKE_BYTES_MAX);
    handshake_write(&greeting, handshake);
    add_frame(bytes, buffer_slice(&greeting));
    buffer_close(&greeting);
    add_messages(sim, bytes);
}

/* With some certificate of the CA, or none: in secure worlds most are turned away for that already.
 */
static void knock(struct sim *sim, struct sim_node *node, bool stays)
{
    struct certificate certificate = {.kind = CERTIFICATE_CLIENT};
    memcpy(certificate.cluster_id, sim->cluster_id, sizeof certificate.cluster_id);
    if (lot(sim, 2) == 0) {
        certificate.kind = CERTIFICATE_NODE;
        certificate.node_id = 1 + lot(sim, sim->genesis_count);
    }
    sim_door_stranger(node->door, lot(sim, 3) == 0 ? NULL : &certificate,
                      buffer_slice(&sim->intruders->bytes), stays);
}

/* A greeting that would do, of some other node. */
static struct handshake right_greeting(struct sim *sim, const struct sim_node *node)
{
    struct handshake handshake = {.to = node->id, .program_version = "sim"};
    handshake.from = 1 + lot(sim, sim->genesis_count);
    if (handshake.from == node->id) { /* of a single node, itself: no peer's number either */
        handshake.from = 1 + handshake.from % sim->genesis_count;
    }
    struct replica_identity identity;
    enum conclave_code rv =
        replica_identity(sim_disk_bare_log(sim->nodes[handshake.from].disk), &identity);
    ASSERT(rv == CONCLAVE_OK);
    memcpy(handshake.cluster_id, identity.cluster_id, sizeof handshake.cluster_id);
    sim_door_show_disk(&sim->nodes[handshake.from], &handshake.disk);
    return handshake;
}

static void stranger(struct sim *sim, struct sim_node *node)
{
    add_noise(sim, &sim->intruders->bytes, 1 + (size_t)lot(sim, 300));
    if (lot(sim, 2) == 0) { /* a frame of the right size, at least */
        sim->intruders->bytes.data[0] = sim->intruders->bytes.data[1] = 0;
    }
    knock(sim, node, lot(sim, 4) == 0);
}

static void stranger_silent(struct sim *sim, struct sim_node *node)
{
    for (unsigned i = 0; i < 1 + lot(sim, 20); i++) {
        knock(sim, node, true);
    }
}

static void other_cluster(struct sim *sim, struct sim_node *node)
{
    struct handshake handshake = right_greeting(sim, node);
    handshake.cluster_id[lot(sim, sizeof handshake.cluster_id)] ^= (uint8_t)(1u << lot(sim, 8));
    greet(sim, &handshake);
    knock(sim, node, false);
}

static void wrong_node(struct sim *sim, struct sim_node *node)
{
    struct handshake handshake = right_greeting(sim, node);
    switch (lot(sim, 3)) {
    case 0:
        handshake.from = lot(sim, 2) == 0 ? node->id : sim->node_count + 1 + lot(sim, 3);
        break;
    case 1:
        handshake.to = node->id + 1 + lot(sim, 3);
        break;
    default:
        handshake.from = 0;
        break;
    }
    greet(sim, &handshake);
    knock(sim, node, false);
}

/* Everything is right but for whom the certificate was made. */
static void wrong_certificate(struct sim *sim, struct sim_node *node)
{
    struct handshake handshake = right_greeting(sim, node);
    if (!sim->secure) {
        return; /* there is nothing else to tell the two apart */
    }
    struct certificate certificate = {.kind = CERTIFICATE_NODE, .node_id = handshake.from};
    memcpy(certificate.cluster_id, sim->cluster_id, sizeof certificate.cluster_id);
    switch (lot(sim, 3)) {
    case 0:
        certificate.kind = CERTIFICATE_CLIENT;
        break;
    case 1:
        certificate.cluster_id[lot(sim, sizeof certificate.cluster_id)] ^= 1;
        break;
    default:
        certificate.node_id++;
        break;
    }
    greet(sim, &handshake);
    sim_door_stranger(node->door, lot(sim, 4) == 0 ? NULL : &certificate,
                      buffer_slice(&sim->intruders->bytes), false);
}

/* A node whose disk was wiped, or copied from somewhere, and set up anew under its old number. */
static void other_disk(struct sim *sim, struct sim_node *node)
{
    struct handshake handshake = right_greeting(sim, node);
    for (unsigned i = 0; i < sizeof handshake.disk.id; i++) {
        handshake.disk.id[i] = (uint8_t)lot(sim, 256);
    }
    greet(sim, &handshake);
    knock(sim, node, false);
}

static void frame_malformed(struct sim *sim, struct sim_node *node)
{
    struct buffer *bytes = &sim->intruders->bytes;
    struct handshake handshake = right_greeting(sim, node);
    handshake.cluster_id[0] ^= 1;
    uint8_t header[FRAME_HEADER_BYTES];
    switch (lot(sim, 4)) {
    case 0: /* too long a frame, before and after its length is believed */
        frame_header(HANDSHAKE_BYTES_MAX + 1 + (uint32_t)lot(sim, UINT32_MAX / 2), header);
        buffer_append(bytes, header, sizeof header);
        add_noise(sim, bytes, 20);
        break;
    case 1: /* cut off, and silent then */
        greet(sim, &handshake);
        bytes->size = 1 + (size_t)lot(sim, 40);
        break;
    case 2: /* an empty frame, and messages without a greeting */
        add_frame(bytes, slice_of("", 0));
        add_messages(sim, bytes);
        break;
    default: /* a greeting with damage, at the end at least */
        greet(sim, &handshake);
        bytes->data[FRAME_HEADER_BYTES] ^= 0x10; /* an array of another length */
        break;
    }
    knock(sim, node, lot(sim, 2) == 0);
}

/* --- At the client port --- */

/* [0, msgid, "submit", [{"command": bytes, "timeout_ms": n}]] */
static void write_submit(struct sim *sim, struct buffer *bytes, struct slice command)
{
    codec_write_array(bytes, 4);
    codec_write_u64(bytes, 0);
    codec_write_u64(bytes, 1 + lot(sim, 1000));
    codec_write_text(bytes, "submit");
    codec_write_array(bytes, 1);
    codec_write_map(bytes, 2);
    codec_write_text(bytes, "command");
    codec_write_bytes(bytes, command);
    codec_write_text(bytes, "timeout_ms");
    codec_write_u64(bytes, 100 + lot(sim, 2000));
}

/* Says what is in `bytes`, and waits for the answer. */
static void call(struct sim *sim, struct sim_node *node, enum expectation expectation,
                 const struct sim_op *op)
{
    struct sim_intruders *intruders = sim->intruders;
    struct visit *visit = NULL;
    for (unsigned i = 0; i < VISITS; i++) {
        visit = intruders->visits[i].caller == 0 ? &intruders->visits[i] : visit;
    }
    uint64_t caller = visit == NULL ? 0 : sim_door_call(node->door);
    if (caller == 0) {
        return;
    }
    *visit = (struct visit){.caller = caller,
                            .node = node->id,
                            .life = node->life,
                            .expectation = expectation,
                            .kind = intruders->kind,
                            .until_ms = sim->now_ms + PATIENCE};
    if (op != NULL) {
        visit->op = (struct sim_op){.hash = op->hash, .floor = op->floor};
    }
    sim_host_enter(node);
    sim_door_say(node->door, caller, buffer_slice(&intruders->bytes));
    sim_host_leave(node);
    sim_node_settle(node);
}

static void client_garbage(struct sim *sim, struct sim_node *node)
{
    add_noise(sim, &sim->intruders->bytes, 1 + (size_t)lot(sim, 200));
    call(sim, node, ANYTHING, NULL);
}

static void client_malformed(struct sim *sim, struct sim_node *node)
{
    struct buffer *bytes = &sim->intruders->bytes;
    write_submit(sim, bytes, sim_op_past(sim, &sim->foe));
    for (uint64_t i = 1 + lot(sim, 3); i > 0; i--) {
        bytes->data[lot(sim, bytes->size)] ^= (uint8_t)(1u << lot(sim, 8));
    }
    call(sim, node, ANYTHING, NULL);
}

static void client_cut_off(struct sim *sim, struct sim_node *node)
{
    struct buffer *bytes = &sim->intruders->bytes;
    write_submit(sim, bytes, sim_op_past(sim, &sim->foe));
    bytes->size = 1 + (size_t)lot(sim, bytes->size - 1);
    call(sim, node, NO_RESULT, NULL);
}

static void command_altered(struct sim *sim, struct sim_node *node)
{
    struct slice past = sim_op_past(sim, &sim->foe);
    if (past.size == 0) {
        return;
    }
    struct buffer command;
    buffer_init(&command, 2u * LIMIT_COMMAND_BYTES);
    buffer_append(&command, past.data, past.size);
    command.data[lot(sim, command.size)] ^= (uint8_t)(1u << lot(sim, 8));
    write_submit(sim, &sim->intruders->bytes, buffer_slice(&command));
    buffer_close(&command);
    call(sim, node, NO_RESULT, NULL);
}

static void write_forged(struct sim *sim, struct actor *actor, const uint8_t cluster_id[16])
{
    struct sim_intruders *intruders = sim->intruders;
    struct buffer command;
    buffer_init(&command, 2u * LIMIT_COMMAND_BYTES);
    const char *kind = sim_command_admit(sim, &intruders->body, &intruders->stranger);
    actor_command(actor, &command, cluster_id, sim->model->time_ms + 3600000, kind,
                  buffer_slice(&intruders->body));
    write_submit(sim, &intruders->bytes, buffer_slice(&command));
    buffer_close(&command);
}

/* In the chair's name, by another key. */
static void command_forged(struct sim *sim, struct sim_node *node)
{
    struct actor forger = sim->intruders->stranger;
    if (lot(sim, 4) != 0) { /* else under a name that nobody has */
        memcpy(forger.id, sim->chair.id, sizeof forger.id);
    }
    forger.nonces = lot(sim, 1u << 30);
    write_forged(sim, &forger, sim->cluster_id);
    call(sim, node, NO_RESULT, NULL);
}

/* The chair has signed it, for another cluster. */
static void command_other_cluster(struct sim *sim, struct sim_node *node)
{
    struct actor chair = sim->chair;
    chair.nonces = UINT32_MAX + lot(sim, 1u << 30);
    uint8_t cluster_id[16];
    memcpy(cluster_id, sim->cluster_id, sizeof cluster_id);
    cluster_id[lot(sim, sizeof cluster_id)] ^= 1;
    write_forged(sim, &chair, cluster_id);
    call(sim, node, NO_RESULT, NULL);
}

static void command_replayed(struct sim *sim, struct sim_node *node)
{
    struct slice past = sim_op_past(sim, &sim->foe);
    if (past.size > 0) {
        const struct sim_op op = {.hash = XXH3_64bits(past.data, past.size)};
        write_submit(sim, &sim->intruders->bytes, past);
        call(sim, node, A_REPLY, &op);
    }
}

/* A poll that is open, or that is not, and a member for it. */
static const struct sim_poll *find_poll(struct sim *sim, bool open, unsigned *actor,
                                        unsigned *member)
{
    const struct sim_model *model = sim->model;
    if (model->poll_count == 0) {
        return NULL;
    }
    const struct sim_poll *poll = model->polls[lot(sim, model->poll_count)];
    *actor = 1 + (unsigned)lot(sim, SIM_PEOPLE);
    for (*member = 0; *member < model->member_count; (*member)++) {
        if (strcmp(model->members[*member].id, sim_op_actor(sim, *actor)->id) == 0) {
            return (strcmp(poll->state, "open") == 0) == open ? poll : NULL;
        }
    }
    return NULL;
}

static void vote(struct sim *sim, struct sim_node *node, unsigned actor, unsigned member,
                 const char *poll)
{
    struct sim_intruders *intruders = sim->intruders;
    const char *kind = sim_command_ballot(sim, &intruders->body, member, poll);
    struct sim_op *op = sim_op_make(sim, actor, kind, buffer_slice(&intruders->body), 3600000);
    buffer_clear(&intruders->bytes);
    write_submit(sim, &intruders->bytes, slice_of(op->bytes, op->size));
    call(sim, node, A_REPLY, op);
    sim_op_free(op);
}

/* Two ballots of one member, by two nodes, at the same instant. */
static void vote_twice(struct sim *sim, struct sim_node *node)
{
    unsigned actor;
    unsigned member;
    const struct sim_poll *poll = find_poll(sim, true, &actor, &member);
    struct sim_node *other = any_node(sim);
    if (poll == NULL || other == NULL || other == node) {
        return;
    }
    vote(sim, node, actor, member, poll->id);
    if (other->up) {
        vote(sim, other, actor, member, poll->id);
    }
}

/* The poll is closed; by the member's clock, and the node's, it is not. */
static void vote_late(struct sim *sim, struct sim_node *node)
{
    unsigned actor;
    unsigned member;
    const struct sim_poll *poll = find_poll(sim, false, &actor, &member);
    if (poll != NULL) {
        node->skew_ms = -3600000;
        vote(sim, node, actor, member, poll->id);
    }
}

/* An honest question, as all others. */
static void call_tally(struct sim *sim, struct sim_node *node)
{
    struct buffer *bytes = &sim->intruders->bytes;
    const struct sim_model *model = sim->model;
    if (model->poll_count == 0) {
        return;
    }
    const struct sim_op op = {.floor = sim_op_acknowledged_index(sim)};
    codec_write_array(bytes, 4);
    codec_write_u64(bytes, 0);
    codec_write_u64(bytes, 7);
    codec_write_text(bytes, "tally");
    codec_write_array(bytes, 1);
    codec_write_map(bytes, 1);
    codec_write_text(bytes, "poll");
    codec_write_text(bytes, model->polls[lot(sim, model->poll_count)]->id);
    call(sim, node, A_TALLY, &op);
}

/* --- Answers --- */

static void note_error(struct sim *sim, const msgpack_object *error)
{
    const msgpack_object *code = unpack_item(error, 0);
    SOMETIMES(sim, true, call_refused);
    SOMETIMES(sim, unpack_is(code, "bad_signature"), call_bad_signature);
    SOMETIMES(sim, unpack_is(code, "wrong_cluster"), call_wrong_cluster);
    SOMETIMES(sim, unpack_is(code, "unknown_author"), call_unknown_author);
    SOMETIMES(sim, unpack_is(code, "bad_request"), call_bad_request);
}

static void check_result(struct sim *sim, const struct visit *visit, const msgpack_object *result)
{
    switch (visit->expectation) {
    case NO_RESULT:
        sim_break(sim, "I7: node %u has a result for what nobody signed (%s)", visit->node,
                  sim_report_name(visit->kind));
        break;
    case A_REPLY:
        sim_op_check(sim, &visit->op, result);
        SOMETIMES(sim, visit->kind == SIM_command_replayed, replay_first_answer);
        SOMETIMES(sim, visit->kind == SIM_vote_twice_at_once, vote_twice_decided);
        SOMETIMES(sim,
                  visit->kind == SIM_vote_late &&
                      unpack_is(unpack_get(result, "code"), "poll_closed"),
                  vote_late_refused);
        break;
    case A_TALLY:
        if (unpack_u64(unpack_get(result, "index"), 0) < visit->op.floor) {
            sim_break(sim, "I6: the api of node %u shows an old tally", visit->node);
        }
        break;
    case ANYTHING:
        break;
    }
    SOMETIMES(sim, true, call_accepted);
}

/* Does the answer say what can be looked up in the log by now? */
static bool can_check(const struct sim *sim, const msgpack_object *result)
{
    return unpack_u64(unpack_get(result, "index"), 0) <= sim->model->index;
}

/* False while there is nothing to say yet. */
static bool take_answer(struct sim *sim, const struct visit *visit, struct slice heard)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    bool whole = heard.size > 0 && msgpack_unpack_next(&unpacked, (const char *)heard.data,
                                                       heard.size, NULL) == MSGPACK_UNPACK_SUCCESS;
    const msgpack_object *error = whole ? unpack_item(&unpacked.data, 2) : NULL;
    const msgpack_object *result = whole ? unpack_item(&unpacked.data, 3) : NULL;
    bool taken = whole;
    if (whole && (error == NULL || result == NULL)) {
        sim_break(sim, "the api of node %u answers what is no response", visit->node);
    } else if (whole && error->type != MSGPACK_OBJECT_NIL) {
        note_error(sim, error);
    } else if (whole && can_check(sim, result)) {
        check_result(sim, visit, result);
    } else {
        taken = false;
    }
    msgpack_unpacked_destroy(&unpacked);
    return taken;
}

static void look_after(struct sim *sim, struct visit *visit)
{
    struct sim_node *node = &sim->nodes[visit->node];
    if (!node->up || node->life != visit->life) {
        visit->caller = 0;
        return;
    }
    struct slice heard = sim_door_heard(node->door, visit->caller);
    bool has = sim_door_has(node->door, visit->caller);
    SOMETIMES(sim, !has, call_closed);
    if (!has || take_answer(sim, visit, heard) || sim->now_ms >= visit->until_ms) {
        sim_door_hang_up(node->door, visit->caller);
        visit->caller = 0;
    }
}

/* --- Coming and going --- */

static const struct kind {
    void (*come)(struct sim *sim, struct sim_node *node);
    enum sim_count count;
} kinds[] = {
    {stranger, SIM_stranger},
    {stranger_silent, SIM_stranger_silent},
    {other_cluster, SIM_other_cluster},
    {wrong_node, SIM_wrong_node},
    {wrong_certificate, SIM_wrong_certificate},
    {other_disk, SIM_other_disk},
    {frame_malformed, SIM_frame_malformed},
    {client_garbage, SIM_client_garbage},
    {client_malformed, SIM_client_malformed},
    {client_cut_off, SIM_client_cut_off},
    {command_altered, SIM_command_altered},
    {command_forged, SIM_command_forged},
    {command_other_cluster, SIM_command_other_cluster},
    {command_replayed, SIM_command_replayed},
    {vote_twice, SIM_vote_twice_at_once},
    {vote_late, SIM_vote_late},
    {call_tally, SIM_call_tally},
};
_Static_assert(sizeof kinds / sizeof kinds[0] == KINDS, "a weight for each kind");

void sim_intruders_open(struct sim *sim)
{
    struct sim_intruders *made = sim->intruders = sim_checked(calloc(1, sizeof *made));
    for (unsigned i = 0; i < KINDS; i++) {
        made->weights[i] = sim_random_rate(&sim->foe, 20);
        made->sum += made->weights[i];
    }
    made->pace_ms = 40 + (unsigned)lot(sim, 500);
    made->next_ms = sim->now_ms + lot(sim, 3000);
    actor_init(&made->stranger, "stranger");
    buffer_init(&made->body, LIMIT_COMMAND_BYTES);
    buffer_init(&made->bytes, 8u * LIMIT_COMMAND_BYTES);
}

void sim_intruders_close(struct sim *sim)
{
    buffer_close(&sim->intruders->body);
    buffer_close(&sim->intruders->bytes);
    free(sim->intruders);
}

static void come(struct sim *sim, struct sim_node *node)
{
    struct sim_intruders *intruders = sim->intruders;
    uint64_t which = lot(sim, intruders->sum);
    unsigned i = 0;
    while (which >= intruders->weights[i]) {
        which -= intruders->weights[i++];
    }
    intruders->kind = kinds[i].count;
    buffer_clear(&intruders->bytes);
    sim_say(sim, "%s at node %u", sim_report_name(kinds[i].count), node->id);
    sim_count(sim, kinds[i].count);
    kinds[i].come(sim, node);
}

void sim_intruders_run(struct sim *sim)
{
    struct sim_intruders *intruders = sim->intruders;
    for (unsigned i = 0; i < VISITS && sim->broken[0] == 0; i++) {
        if (intruders->visits[i].caller != 0) {
            look_after(sim, &intruders->visits[i]);
        }
    }
    if (intruders->sum == 0 || sim->now_ms < intruders->next_ms || sim->calm ||
        sim->broken[0] != 0) {
        return;
    }
    intruders->next_ms = sim->now_ms + 1 + lot(sim, intruders->pace_ms * 2u);
    struct sim_node *node = any_node(sim);
    if (node != NULL) {
        come(sim, node);
    }
}

bool sim_intruders_gone(struct sim *sim)
{
    for (unsigned i = 0; i < VISITS; i++) {
        if (sim->intruders->visits[i].caller != 0) {
            return false;
        }
    }
    return true;
}
