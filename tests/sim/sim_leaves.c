/* Leaves: what a node says they are, and the root that follows. */
#include "sim/sim_leaves.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

#include "codec/writer.h"
#include "sim/sim_model.h"
#include "sim/sim_unpack.h"

enum leaf_kind {
    COMMAND = 1,
    CLOSING = 2,
    COPY = 3
};

struct checking {
    struct sim *sim;
    unsigned node;
    uint64_t count;        /* leaves seen so far */
    uint64_t decisions;    /* of the model, found in leaves so far */
    uint64_t last_closing; /* the index of it */
    uint8_t (*hashes)[SIM_ROOT_BYTES];
};

static void hash(const struct slice *parts, unsigned part_count, uint8_t digest[SIM_ROOT_BYTES])
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    for (unsigned i = 0; i < part_count; i++) {
        crypto_hash_sha256_update(&state, parts[i].data, parts[i].size);
    }
    crypto_hash_sha256_final(&state, digest);
}

/* RFC 6962, section 2.1, as it stands there: MTH(D[n]). Recursion is as deep as log2(n). */
static void tree_hash(uint8_t (*leaves)[SIM_ROOT_BYTES], uint64_t count,
                      uint8_t root[SIM_ROOT_BYTES]) // NOLINT(misc-no-recursion): RFC 6962's own
{
    if (count == 1) {
        memcpy(root, leaves[0], SIM_ROOT_BYTES);
        return;
    }
    uint64_t half = 1;
    while (half * 2 < count) {
        half *= 2;
    }
    uint8_t left[SIM_ROOT_BYTES];
    uint8_t right[SIM_ROOT_BYTES];
    tree_hash(leaves, half, left);
    tree_hash(leaves + half, count - half, right);
    const struct slice parts[] = {slice_of("\x01", 1), slice_of(left, sizeof left),
                                  slice_of(right, sizeof right)};
    hash(parts, 3, root);
}

static void check_command(struct checking *checking, const msgpack_object *leaf, uint64_t kind)
{
    struct sim *sim = checking->sim;
    uint64_t index = unpack_u64(unpack_item(leaf, 2), 0);
    uint64_t position = unpack_u64(unpack_item(leaf, 3), UINT64_MAX);
    const struct sim_decision *decision = checking->decisions < sim->model->decision_count
                                              ? &sim->model->decisions[checking->decisions]
                                              : NULL;
    checking->decisions++;
    if (decision == NULL || decision->index != index || decision->position != position ||
        decision->time_ms != unpack_u64(unpack_item(leaf, 4), 0) ||
        decision->first != (kind == COMMAND)) {
        sim_break(sim, "record: leaf %" PRIu64 " of node %u is not command %" PRIu64 " of the log",
                  checking->count, checking->node, checking->decisions - 1);
        return;
    }
    const msgpack_object *code = unpack_item(leaf, 5);
    bool refused = strcmp(decision->code, "?") == 0;
    if (refused ? unpack_is(code, "ok") : !unpack_is(code, decision->code)) {
        struct slice text = unpack_bytes(code);
        sim_break(sim, "record: leaf %" PRIu64 " of node %u says %.*s: it was decided %s",
                  checking->count, checking->node, (int)text.size, (const char *)text.data,
                  decision->code);
    }
}

/* A closing stands before the commands of its entry, once. */
static void check_closing(struct checking *checking, const msgpack_object *leaf)
{
    const struct sim *sim = checking->sim;
    uint64_t index = unpack_u64(unpack_item(leaf, 2), 0);
    bool before = checking->decisions == sim->model->decision_count ||
                  sim->model->decisions[checking->decisions].index >= index;
    bool after = checking->decisions > 0 &&
                 sim->model->decisions[checking->decisions - 1].index < index;
    if (!before || !after || index <= checking->last_closing) {
        sim_break(checking->sim,
                  "record: leaf %" PRIu64 " of node %u closes polls in another place",
                  checking->count, checking->node);
    }
    checking->last_closing = index;
}

static void take_leaf(struct checking *checking, struct slice bytes)
{
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    bool read = msgpack_unpack_next(&unpacked, (const char *)bytes.data, bytes.size, NULL) ==
                MSGPACK_UNPACK_SUCCESS;
    uint64_t kind = read ? unpack_u64(unpack_item(&unpacked.data, 1), 0) : 0;
    if (kind == CLOSING) {
        check_closing(checking, &unpacked.data);
    } else if (kind == COMMAND || kind == COPY) {
        check_command(checking, &unpacked.data, kind);
    } else {
        sim_break(checking->sim, "record: leaf %" PRIu64 " of node %u is none", checking->count,
                  checking->node);
    }
    const struct slice parts[] = {slice_of("\x00", 1), bytes};
    hash(parts, 2, checking->hashes[checking->count]);
    checking->count++;
    msgpack_unpacked_destroy(&unpacked);
}

/* Asks for the leaves from the `count`-th on, and takes them in. How many there were. */
static uint32_t take_page(struct checking *checking, uint64_t size, struct buffer *answer)
{
    struct buffer params;
    struct codec_error error = {.text = ""};
    msgpack_unpacked unpacked;
    buffer_init(&params, 64);
    codec_write_map(&params, 2);
    codec_write_text(&params, "from");
    codec_write_u64(&params, checking->count);
    codec_write_text(&params, "limit");
    codec_write_u64(&params, 1000);
    msgpack_unpacked_init(&unpacked);
    bool read = msgpack_unpack_next(&unpacked, (const char *)params.data, params.size, NULL) ==
                MSGPACK_UNPACK_SUCCESS;
    ASSERT(read);
    buffer_clear(answer);
    struct replica *replica = checking->sim->nodes[checking->node].replica;
    enum conclave_code rv =
        replica_query(replica, slice_of_text("record.leaves"), &unpacked.data, answer, &error);
    msgpack_unpacked_destroy(&unpacked);
    buffer_close(&params);
    msgpack_unpacked_init(&unpacked);
    const msgpack_object *items = NULL;
    if (rv == CONCLAVE_OK && msgpack_unpack_next(&unpacked, (const char *)answer->data,
                                                 answer->size, NULL) == MSGPACK_UNPACK_SUCCESS) {
        items = unpack_get(&unpacked.data, "items");
    }
    uint32_t count = unpack_size(items);
    if (count == 0 || count > size - checking->count) {
        sim_break(checking->sim,
                  "record: node %u answers %u leaves from %" PRIu64 " of %" PRIu64 ": %s",
                  checking->node, count, checking->count, size, conclave_code_name(rv));
        count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        take_leaf(checking, unpack_bytes(unpack_item(items, i)));
    }
    msgpack_unpacked_destroy(&unpacked);
    return count;
}

bool sim_leaves_check(struct sim *sim, unsigned node, uint64_t size, uint8_t root[SIM_ROOT_BYTES])
{
    struct checking checking = {.sim = sim, .node = node};
    struct buffer answer;
    if (size == 0) {
        return false;
    }
    buffer_init(&answer, LIMIT_ANSWER_BYTES);
    checking.hashes = sim_checked(calloc((size_t)size, sizeof *checking.hashes));
    while (checking.count < size && take_page(&checking, size, &answer) > 0) {
    }
    if (sim->broken[0] == 0 && checking.decisions != sim->model->decision_count) {
        sim_break(sim, "record: node %u has leaves of %" PRIu64 " commands, the log has %zu", node,
                  checking.decisions, sim->model->decision_count);
    }
    if (sim->broken[0] == 0) {
        tree_hash(checking.hashes, size, root);
    }
    free(checking.hashes);
    buffer_close(&answer);
    return sim->broken[0] == 0;
}
