/* Keys, what was signed, and what the record must be. */
#include "sim/sim_record.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/sim_check.h"
#include "sim/sim_disk.h"
#include "sim/sim_host.h"
#include "sim/sim_leaves.h"
#include "sim/sim_queue.h"
#include "sim/sim_seats.h"
#include "sim/sim_unpack.h"

#define ROOT_BYTES  SIM_ROOT_BYTES
#define KEPT_FAULTS 300u /* of 10,000, at most */

/* What is known of a size of the tree. */
struct known_root {
    bool seen;
    uint8_t root[ROOT_BYTES];
    unsigned cosigners; /* a bit for each node */
};

struct claim {
    uint64_t size;
    uint8_t root[ROOT_BYTES];
};

struct signing_node {
    struct auth_key key;
    struct replica_signer signer;
    uint8_t *kept; /* on the disk */
    size_t kept_size;
    uint8_t *keeping; /* under way, or NULL */
    size_t keeping_size;
    struct claim durable;     /* in `kept`: signed last */
    uint64_t signed_greatest; /* in this event */
    uint64_t final_size;      /* as last seen in this life */
};

struct sim_record {
    struct known_root *roots; /* by size */
    size_t roots_capacity;
    uint64_t *leaves; /* by index: how many there are up to this entry */
    size_t leaves_capacity;
    uint64_t last_index;
    unsigned fault; /* of 10,000 keepings */
    struct signing_node nodes[SIM_NODES + 1];
};

static struct signing_node *signing(struct sim_node *node)
{
    return &node->sim->record->nodes[node->id];
}

/* --- Roots --- */

static struct known_root *root_at(struct sim_record *record, uint64_t size)
{
    if (size >= record->roots_capacity) {
        size_t grown = (size_t)size * 2 + 64;
        record->roots = sim_checked(realloc(record->roots, grown * sizeof *record->roots));
        memset(record->roots + record->roots_capacity, 0,
               (grown - record->roots_capacity) * sizeof *record->roots);
        record->roots_capacity = grown;
    }
    return &record->roots[size];
}

/* Somebody says that the tree has this root at this size. */
static struct known_root *see_root(struct sim_node *node, uint64_t size, const uint8_t *root,
                                   const char *how)
{
    struct known_root *known = root_at(node->sim->record, size);
    if (!known->seen) {
        known->seen = true;
        memcpy(known->root, root, ROOT_BYTES);
    } else if (memcmp(known->root, root, ROOT_BYTES) != 0) {
        sim_break(node->sim, "record: node %u %s another root of %" PRIu64 " leaves", node->id, how,
                  size);
    }
    return known;
}

/* --- Signing --- */

/* The last two lines of a checkpoint's text: the size and the root. */
static bool read_text(struct slice text, struct claim *claim)
{
    char copy[512];
    size_t got = 0;
    char *end;
    if (text.size == 0 || text.size >= sizeof copy || text.data[text.size - 1] != '\n') {
        return false;
    }
    memcpy(copy, text.data, text.size - 1);
    copy[text.size - 1] = '\0';
    char *root = strrchr(copy, '\n');
    if (root == NULL) {
        return false;
    }
    *root++ = '\0';
    char *size = strrchr(copy, '\n');
    if (size == NULL) {
        return false;
    }
    claim->size = strtoull(size + 1, &end, 10);
    return *end == '\0' &&
           sodium_base642bin(claim->root, sizeof claim->root, root, strlen(root), NULL, &got, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0 &&
           got == ROOT_BYTES;
}

static void sign(void *context, struct slice message, uint8_t signature[64])
{
    static const char cosigns[] = "cosignature/v1\n";
    struct sim_node *node = context;
    struct signing_node *signer = signing(node);
    struct claim claim;
    auth_sign(&signer->key, message, signature);
    if (node->doomed) {
        return; /* it has died: what it signs on top of what did not reach its disk leaves never */
    }
    if (!read_text(message, &claim) || claim.size == 0) {
        sim_break(node->sim, "record: node %u signs what is no checkpoint", node->id);
        return;
    }
    struct known_root *known = see_root(node, claim.size, claim.root, "signs");
    if (message.size > sizeof cosigns && memcmp(message.data, cosigns, sizeof cosigns - 1) == 0) {
        known->cosigners |= 1u << node->id;
    }
    signer->signed_greatest = claim.size > signer->signed_greatest ? claim.size
                                                                   : signer->signed_greatest;
    sim_count(node->sim, SIM_checkpoint_signed);
}

const struct replica_signer *sim_record_signer(struct sim_node *node)
{
    return &signing(node)->signer;
}

/* --- Keeping --- */

struct slice sim_record_kept(const struct sim_node *node)
{
    const struct signing_node *signer = &node->sim->record->nodes[node->id];
    return slice_of(signer->kept, signer->kept_size);
}

/* What the kept bytes say was signed last: [1, payload, digest] with [cluster, size, root, ...]. */
static bool read_kept(struct slice bytes, struct claim *claim)
{
    msgpack_unpacked outer;
    msgpack_unpacked inner;
    msgpack_unpacked_init(&outer);
    msgpack_unpacked_init(&inner);
    bool read = msgpack_unpack_next(&outer, (const char *)bytes.data, bytes.size, NULL) ==
                MSGPACK_UNPACK_SUCCESS;
    struct slice payload = unpack_bytes(read ? unpack_item(&outer.data, 1) : NULL);
    read = read && msgpack_unpack_next(&inner, (const char *)payload.data, payload.size, NULL) ==
                       MSGPACK_UNPACK_SUCCESS;
    struct slice root = unpack_bytes(read ? unpack_item(&inner.data, 2) : NULL);
    read = read && root.size == ROOT_BYTES;
    if (read) {
        claim->size = unpack_u64(unpack_item(&inner.data, 1), 0);
        memcpy(claim->root, root.data, ROOT_BYTES);
    }
    msgpack_unpacked_destroy(&inner);
    msgpack_unpacked_destroy(&outer);
    return read;
}

void sim_record_keep(struct sim_node *node, struct slice bytes)
{
    struct sim *sim = node->sim;
    struct signing_node *signer = signing(node);
    if (sim_doom(node, SIM_crash_before_keep)) {
        return;
    }
    if (signer->keeping != NULL) {
        sim_break(sim, "node %u keeps while another keeping is under way", node->id);
        return;
    }
    signer->keeping = sim_checked(malloc(bytes.size));
    signer->keeping_size = bytes.size;
    memcpy(signer->keeping, bytes.data, bytes.size);
    uint64_t takes_ms = sim_random_between(&sim->lot, 1, 5) * (node->slow ? 100u : 1u);
    sim_queue_push(sim, (struct sim_event){.time_ms = sim->now_ms + takes_ms,
                                           .type = SIM_KEPT,
                                           .to = node->id,
                                           .life = node->life});
    (void)sim_doom(node, SIM_crash_after_keep);
}

/* The file is written beside its name and renamed: it is the new one, or still the old one. */
static void end_keeping(struct sim_node *node, bool done)
{
    struct signing_node *signer = signing(node);
    if (!done) {
        free(signer->keeping);
    } else {
        free(signer->kept);
        signer->kept = signer->keeping;
        signer->kept_size = signer->keeping_size;
        if (!read_kept(slice_of(signer->kept, signer->kept_size), &signer->durable)) {
            sim_break(node->sim, "record: what node %u keeps cannot be read", node->id);
        }
    }
    signer->keeping = NULL;
}

enum conclave_code sim_record_finish(struct sim_node *node)
{
    struct sim *sim = node->sim;
    enum conclave_code rv = CONCLAVE_OK;
    if (sim_disk_is_full(node->disk)) {
        rv = CONCLAVE_DISK_FULL;
    } else if (!sim->calm && sim_random_happens(&sim->lot, sim->record->fault)) {
        rv = CONCLAVE_IO;
    }
    if (rv != CONCLAVE_OK) {
        sim_count(sim, SIM_keep_error);
        sim_say(sim, "node %u cannot keep what it signed: %s", node->id, conclave_code_name(rv));
    }
    /* Nobody knows what a sync that failed has done. */
    end_keeping(node,
                rv == CONCLAVE_OK || (rv == CONCLAVE_IO && sim_random_below(&sim->lot, 2) == 0));
    return rv;
}

void sim_record_interrupt(struct sim_node *node)
{
    if (signing(node)->keeping != NULL) {
        sim_count(node->sim, SIM_keep_interrupted);
        end_keeping(node, sim_random_below(&node->sim->lot, 2) == 0);
    }
}

/* --- What leaves --- */

/* [1, 13 (asked) or 14 (cosigned), size, root, time, signature]. */
static void check_durable(struct sim_node *node, const msgpack_object *message)
{
    const struct claim *durable = &signing(node)->durable;
    uint64_t size = unpack_u64(unpack_item(message, 2), 0);
    struct slice root = unpack_bytes(unpack_item(message, 3));
    if (unpack_bytes(unpack_item(message, 5)).size == 0) {
        sim_break(node->sim,
                  "record: node %u has another root of %" PRIu64 " leaves than the leader",
                  node->id, size);
    } else if (size > durable->size ||
               (size == durable->size && !slice_equal(root, slice_of(durable->root, ROOT_BYTES)))) {
        sim_break(node->sim,
                  "record: node %u sends a signature of %" PRIu64
                  " leaves that it has not kept: %" PRIu64,
                  node->id, size, durable->size);
    }
}

void sim_record_sent(struct sim_node *node, struct slice message)
{
    if (message.size < 4 || message.data[1] != 1 ||
        (message.data[2] != 13 && message.data[2] != 14)) {
        return;
    }
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (const char *)message.data, message.size, NULL) ==
        MSGPACK_UNPACK_SUCCESS) {
        check_durable(node, &unpacked.data);
    }
    msgpack_unpacked_destroy(&unpacked);
}

/* --- What is committed --- */

void sim_record_entry(struct sim *sim, uint64_t index, bool closes, uint32_t commands)
{
    struct sim_record *record = sim->record;
    ASSERT(index == record->last_index + 1);
    if (index >= record->leaves_capacity) {
        record->leaves_capacity = (size_t)index * 2 + 64;
        record->leaves =
            sim_checked(realloc(record->leaves, record->leaves_capacity * sizeof *record->leaves));
        record->leaves[0] = 0;
    }
    record->leaves[index] = record->leaves[index - 1] + closes + commands;
    record->last_index = index;
}

static uint64_t committed(const struct sim *sim)
{
    const struct sim_record *record = sim->record;
    return record->last_index == 0 ? 0 : record->leaves[record->last_index];
}

static void check_final(struct sim_node *node, uint64_t size)
{
    struct sim *sim = node->sim;
    struct signing_node *signer = signing(node);
    if (size == signer->final_size) {
        return;
    }
    const struct known_root *known = root_at(sim->record, size);
    unsigned cosigners = (unsigned)__builtin_popcount(known->cosigners);
    if (size < signer->final_size) {
        sim_break(sim, "record: the final checkpoint of node %u shrinks to %" PRIu64 " leaves",
                  node->id, size);
    } else if (size > committed(sim)) {
        sim_break(sim, "record: %" PRIu64 " leaves are final at node %u, %" PRIu64 " are committed",
                  size, node->id, committed(sim));
    } else if (cosigners <= sim->genesis_count / 2) {
        sim_break(sim, "record: %" PRIu64 " leaves are final at node %u, cosigned by %u", size,
                  node->id, cosigners);
    }
    signer->final_size = size;
    sim_count(sim, SIM_checkpoint_final);
    sim_say(sim, "%" PRIu64 " leaves are final at node %u", size, node->id);
}

void sim_record_started(struct sim_node *node)
{
    signing(node)->final_size = 0;
    signing(node)->signed_greatest = 0;
}

void sim_record_check(struct sim_node *node, const struct replica_status *status)
{
    struct sim *sim = node->sim;
    struct sim_record *record = sim->record;
    struct signing_node *signer = signing(node);
    if (status->diverged_size != 0) {
        sim_break(sim, "record: node %u finds its record to be another, of %" PRIu64 " leaves",
                  node->id, status->diverged_size);
        return;
    }
    if (status->applied_index <= record->last_index && status->applied_index > 0 &&
        status->record_size != record->leaves[status->applied_index]) {
        sim_break(sim,
                  "record: node %u has %" PRIu64 " leaves at %" PRIu64 ": the log has %" PRIu64,
                  node->id, status->record_size, status->applied_index,
                  record->leaves[status->applied_index]);
        return;
    }
    if (status->record_size > 0) {
        (void)see_root(node, status->record_size, status->record_root, "has");
    }
    if (signer->signed_greatest > committed(sim)) {
        sim_break(sim, "record: node %u signs %" PRIu64 " leaves, %" PRIu64 " are committed",
                  node->id, signer->signed_greatest, committed(sim));
    }
    signer->signed_greatest = 0;
    check_final(node, status->final_size);
}

/* --- The end --- */

bool sim_record_final(struct sim *sim)
{
    unsigned signers = 0;
    bool final = true;
    for (unsigned id = 1; id <= sim->node_count; id++) {
        struct replica_status status;
        if (!sim_seated(sim, id)) {
            continue;
        }
        signers += id <= sim->genesis_count;
        if (sim->nodes[id].up) {
            replica_status(sim->nodes[id].replica, &status);
            final = final && status.final_size == committed(sim);
        } else {
            final = false;
        }
    }
    bool possible = signers > sim->genesis_count / 2;
    SOMETIMES(sim, possible && final && sim_leader(sim) > sim->genesis_count, leader_without_key);
    return final || !possible;
}

void sim_record_check_end(struct sim *sim)
{
    unsigned node = 1 + (unsigned)sim_random_below(&sim->lot, sim->node_count);
    while (!sim_seated(sim, node)) {
        node = 1 + node % sim->node_count;
    }
    uint8_t root[ROOT_BYTES];
    if (sim_leaves_check(sim, node, committed(sim), root)) {
        (void)see_root(&sim->nodes[node], committed(sim), root, "has leaves that give");
        SOMETIMES(sim, sim->broken[0] == 0, leaves_checked);
    }
}

/* --- Opening and closing --- */

void sim_record_open(struct sim *sim)
{
    sim->record = sim_checked(calloc(1, sizeof *sim->record));
    sim->record->fault = sim_random_rate(&sim->chaos, KEPT_FAULTS);
    for (unsigned id = 1; id <= SIM_NODES; id++) {
        struct signing_node *signer = &sim->record->nodes[id];
        actor_node_key(&signer->key, id);
        signer->signer = (struct replica_signer){.context = &sim->nodes[id], .sign = sign};
        memcpy(signer->signer.public_key, signer->key.public_key, sizeof signer->signer.public_key);
    }
}

void sim_record_close(struct sim *sim)
{
    for (unsigned id = 1; id <= sim->node_count; id++) {
        free(sim->record->nodes[id].kept);
        free(sim->record->nodes[id].keeping);
    }
    free(sim->record->roots);
    free(sim->record->leaves);
    free(sim->record);
}
