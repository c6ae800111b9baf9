/* The record of a cluster of real replicas in a virtual world: checkpoints become final, with all
 * that can go wrong, and a node with another record is caught.
 *
 * Notes are verified by the record's own verifier, whose vectors are published ones
 * (test_record_note.c, test_record_merkle.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "auth/genesis.h"
#include "codec/writer.h"
#include "kv/kv_memory.h"
#include "record/checkpoint.h"
#include "record/tree.h"
#include "support/world.h"

#define TIMEOUT_MS 10000u

static struct buffer command;
static struct checkpoint_nodes nodes;
static unsigned members;

static struct world *open_world(unsigned node_count)
{
    const struct world_config config = {.seed = 7, .node_count = node_count};
    struct world *world = world_open(&config);
    buffer_init(&command, LIMIT_COMMAND_BYTES + 128u);
    members = 0;

    struct genesis genesis;
    struct codec_error error;
    assert_int_equal(genesis_decode(&genesis, buffer_slice(&world->genesis), &error), CONCLAVE_OK);
    memcpy(nodes.cluster_id, genesis.cluster_id, sizeof nodes.cluster_id);
    nodes.count = genesis.node_count;
    for (unsigned i = 0; i < nodes.count; i++) {
        nodes.nodes[i].id = genesis.nodes[i].id;
        memcpy(nodes.nodes[i].public_key, genesis.nodes[i].key.data, NOTE_PUBLIC_KEY_BYTES);
    }
    return world;
}

static void close_world(struct world *world)
{
    buffer_close(&command);
    world_close(world);
}

/* One more leaf. */
static void admit(struct world *world, unsigned node)
{
    struct actor member;
    char id[32];
    snprintf(id, sizeof id, "member-%u", ++members);
    actor_init(&member, id);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + 3600000,
                &member);
    uint64_t token = world_submit(world, node, buffer_slice(&command), TIMEOUT_MS);
    assert_int_equal(world_await(world, token)->code, CONCLAVE_OK);
}

static struct replica_status status_of(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status;
}

/* The newest final checkpoint that a node has. */
static struct checkpoint_verdict final_of(struct world *world, unsigned node, struct note *note,
                                          struct buffer *answer)
{
    struct checkpoint_verdict verdict;
    struct codec_error error;
    struct codec_tree tree;
    static const uint8_t no_params[] = {0x80};
    assert_int_equal(world_query(world, node, "record.checkpoint",
                                 slice_of(no_params, sizeof no_params), answer),
                     CONCLAVE_OK);
    assert_int_equal(codec_parse(&tree, buffer_slice(answer)), CONCLAVE_OK);
    struct fields {
        struct slice note;
    } fields = {0};
    static const struct codec_field table[] = {
        {"note", CODEC_STRING, true, offsetof(struct fields, note), 1, 0}};
    assert_int_equal(codec_decode_map(&tree.root, table, 1, false, &fields, &error), CONCLAVE_OK);
    assert_int_equal(note_decode(note, fields.note), CONCLAVE_OK);
    assert_int_equal(checkpoint_verify(&verdict, note, &nodes, &error), CONCLAVE_OK);
    codec_tree_close(&tree);
    return verdict;
}

static bool all_final(struct world *world, void *context)
{
    const uint64_t *size = context;
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        if (world->nodes[id].up && status_of(world, id).final_size < *size) {
            return false;
        }
    }
    return true;
}

static void await_final(struct world *world, uint64_t size)
{
    if (!world_run_until(world, all_final, &size, TIMEOUT_MS)) {
        fail_msg("no final checkpoint of %u leaves: %s", (unsigned)size, world->broken);
    }
}

/* Every node that is up has the same size and root, and they are these of its final checkpoint. */
static void assert_one_record(struct world *world, uint64_t size)
{
    struct note *note = malloc(sizeof *note);
    struct buffer answer;
    buffer_init(&answer, LIMIT_ANSWER_BYTES);
    assert_non_null(note);
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        if (!world->nodes[id].up) {
            continue;
        }
        struct replica_status status = status_of(world, id);
        struct checkpoint_verdict verdict = final_of(world, id, note, &answer);
        assert_int_equal(status.record_size, size);
        assert_int_equal(status.final_size, size);
        assert_true(verdict.final);
        assert_int_equal(verdict.checkpoint.size, size);
        assert_memory_equal(verdict.checkpoint.root.bytes, status.record_root, 32);
        assert_true(verdict.cosigner_count >= nodes.count / 2 + 1);
        assert_int_equal(verdict.cosigned_s[0] / 60, world_wall_ms(world) / 60000);
    }
    buffer_close(&answer);
    free(note);
}

/* Genesis and three commands: four leaves. */
static void checkpoints_become_final(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    for (unsigned i = 0; i < 3; i++) {
        admit(world, leader % 3 + 1);
    }
    await_final(world, 4);
    assert_one_record(world, 4);
    close_world(world);
}

static void one_node_is_its_own_majority(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    world_start_all(world);
    assert_int_equal(world_await_leader(world, TIMEOUT_MS), 1);
    admit(world, 1);
    await_final(world, 2);
    assert_one_record(world, 2);
    close_world(world);
}

static void count_notes(void *context, unsigned from, unsigned to, struct slice message)
{
    (void)from;
    (void)to;
    unsigned *asks = context;
    /* [1, 13, ...]: an array, version 1, type 13 */
    *asks += message.size > 3 && message.data[1] == 1 && message.data[2] == 13;
}

/* At most one a second, whatever is written, and none when nothing is. */
static void not_more_than_one_a_second(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned asks = 0;
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    await_final(world, 1);
    world->watch.context = &asks;
    world->watch.sent = count_notes;
    uint64_t begun_ms = world->now_ms;
    for (unsigned i = 0; i < 200; i++) {
        admit(world, leader);
    }
    await_final(world, 201);
    uint64_t seconds = (world->now_ms - begun_ms) / 1000 + 1;
    assert_true(asks >= 2 && asks <= 2 * seconds);
    assert_one_record(world, 201);
    asks = 0;
    world_run(world, 20000);
    assert_int_equal(asks, 0);
    close_world(world);
}

static void a_lost_leader_breaks_nothing(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    for (unsigned i = 0; i < 6; i++) {
        unsigned leader = world_await_leader(world, TIMEOUT_MS);
        assert_int_not_equal(leader, 0);
        admit(world, leader);
        world_run(world, 5 * i); /* now and then with a proposal under way */
        world_crash(world, leader);
        unsigned next = world_await_leader(world, TIMEOUT_MS);
        assert_int_not_equal(next, 0);
        await_final(world, 2 + i);
        assert_int_equal(world_start(world, leader), CONCLAVE_OK);
        await_final(world, 2 + i);
        assert_one_record(world, 2 + i);
    }
    close_world(world);
}

/* A node that was away has the newest checkpoint soon after it is back, though nothing is written.
 */
static void one_who_was_away_is_told(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    unsigned away = leader % 3 + 1;
    world_isolate(world, away);
    for (unsigned i = 0; i < 5; i++) {
        admit(world, leader);
    }
    world_run(world, 5000);
    assert_true(status_of(world, away).final_size < 6);
    assert_int_equal(status_of(world, leader).final_size, 6);
    world_heal(world);
    await_final(world, 6);
    assert_one_record(world, 6);
    close_world(world);
}

static void no_majority_no_final(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world->nodes[2].signs = world->nodes[3].signs = false;
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    admit(world, leader);
    uint64_t token = world_await_final(world, leader, 2, 3000);
    assert_int_equal(world_await(world, token)->code, CONCLAVE_NOT_FINAL);
    assert_int_equal(world_answer(world, token)->answered_ms - world_answer(world, token)->asked_ms,
                     3000);
    for (unsigned id = 1; id <= 3; id++) {
        assert_int_equal(status_of(world, id).final_size, 0);
    }
    close_world(world);
}

static void waiting_for_what_is_final(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    admit(world, leader);
    for (unsigned id = 1; id <= 3; id++) {
        uint64_t token = world_await_final(world, id, 2, TIMEOUT_MS);
        assert_int_equal(world_await(world, token)->code, CONCLAVE_OK);
        token = world_await_final(world, id, 2, TIMEOUT_MS); /* it is already */
        assert_int_equal(world_await(world, token)->code, CONCLAVE_OK);
    }
    close_world(world);
}

/* What cannot be kept is not signed; the next time it is. */
static void a_signature_waits_until_it_is_kept(void **state)
{
    (void)state;
    struct world *world = open_world(1);
    world->nodes[1].keep_fault = CONCLAVE_DISK_FULL;
    world_start_all(world);
    assert_int_equal(world_await_leader(world, TIMEOUT_MS), 1);
    world_run(world, 500);
    assert_int_equal(status_of(world, 1).final_size, 0);
    await_final(world, 1);
    assert_one_record(world, 1);
    close_world(world);
}

/* --- Nodes that joined --- */

static void add_node(struct world *world, unsigned node)
{
    struct buffer body;
    char address[32];
    const uint8_t token[32] = {9};
    buffer_init(&body, 1024);
    codec_write_map(&body, 5);
    codec_write_text(&body, "id");
    codec_write_u64(&body, node);
    codec_write_text(&body, "peer");
    snprintf(address, sizeof address, "127.0.0.1:%u", 7100 + node);
    codec_write_text(&body, address);
    codec_write_text(&body, "client");
    snprintf(address, sizeof address, "127.0.0.1:%u", 7200 + node);
    codec_write_text(&body, address);
    codec_write_text(&body, "token");
    codec_write_bytes(&body, slice_of(token, sizeof token));
    codec_write_text(&body, "role");
    codec_write_text(&body, "voter");
    actor_command(&world->chair, &command, world->cluster_id, world_wall_ms(world) + 3600000,
                  "node.add", buffer_slice(&body));
    uint64_t token_number =
        world_submit(world, world_leader(world), buffer_slice(&command), TIMEOUT_MS);
    assert_int_equal(world_await(world, token_number)->code, CONCLAVE_OK);
    buffer_close(&body);
    assert_int_equal(world_add(world), node);
    assert_int_equal(world_start(world, node), CONCLAVE_OK);
}

static bool votes(struct world *world, void *context)
{
    const unsigned *node = context;
    return status_of(world, *node).voter;
}

/* It has no key in genesis. It holds the newest final checkpoint all the same, and while it leads
 * the others make them: the first of them, or the next when that one is dead. */
static void a_leader_without_a_key(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned joined = 4;
    world_start_all(world);
    (void)world_await_leader(world, TIMEOUT_MS);
    add_node(world, joined);
    assert_true(world_run_until(world, votes, &joined, TIMEOUT_MS));
    await_final(world, 2);
    assert_int_equal(status_of(world, joined).final_size, 2);
    for (unsigned i = 0; i < 50 && world_await_leader(world, TIMEOUT_MS) != joined; i++) {
        unsigned leader = world_leader(world);
        world_crash(world, leader);
        (void)world_await_leader(world, TIMEOUT_MS);
        assert_int_equal(world_start(world, leader), CONCLAVE_OK);
    }
    assert_int_equal(world_leader(world), joined);
    admit(world, joined);
    await_final(world, 3);
    world_crash(world, 1);
    assert_int_equal(world_leader(world), joined);
    admit(world, joined);
    await_final(world, 4);
    assert_int_equal(world_leader(world), joined);
    assert_one_record(world, 4);
    close_world(world);
}

/* --- Another record --- */

/* Changes a bit of the last entry's last node in a node's stored tree: as a rotten or forged state
 * would have it. The node must be down. */
static void spoil_tree(struct world *world, unsigned node)
{
    struct kv_transaction *transaction;
    static const uint8_t past[] = {0x02};
    struct slice key;
    struct slice value;
    uint8_t key_copy[16];
    assert_int_equal(kv_begin(world->nodes[node].kv, true, &transaction), CONCLAVE_OK);
    assert_int_equal(kv_seek_last(transaction, slice_of(past, 1), &key, &value), CONCLAVE_OK);
    uint8_t *copy = malloc(value.size);
    assert_non_null(copy);
    memcpy(copy, value.data, value.size);
    copy[value.size - 1] ^= 1;
    assert_true(key.size <= sizeof key_copy);
    memcpy(key_copy, key.data, key.size);
    assert_int_equal(kv_put(transaction, slice_of(key_copy, key.size), slice_of(copy, value.size)),
                     CONCLAVE_OK);
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
    free(copy);
}

/* The world notices different digests (I3) first: here that is meant to be. */
static bool run_to_divergence(struct world *world, unsigned node)
{
    uint64_t end_ms = world->now_ms + TIMEOUT_MS;
    while (world->now_ms < end_ms && status_of(world, node).diverged_size == 0) {
        (void)world_step(world);
        world->broken[0] = 0;
    }
    return status_of(world, node).diverged_size != 0;
}

/* A follower with another tree is found, stands aside, and stays so after a restart; a state made
 * anew from the log is well again. */
static void another_record_is_caught(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    admit(world, leader);
    admit(world, leader);
    await_final(world, 3);
    unsigned liar = leader % 3 + 1;
    world_crash(world, liar);
    spoil_tree(world, liar);
    world->nodes[liar].kept_size = 0; /* what it signed is forgotten too: only the others know */
    assert_int_equal(world_start(world, liar), CONCLAVE_OK);
    admit(world, leader);
    assert_true(run_to_divergence(world, liar));
    struct replica_status status = status_of(world, liar);
    assert_int_equal(status.state, REPLICA_UNAVAILABLE);
    assert_false(status.ready);
    assert_memory_not_equal(status.diverged_own, status.diverged_other, 32);
    assert_int_equal(world->nodes[liar].failure, CONCLAVE_OK); /* it stays up, to be asked */

    admit(world, leader); /* the others go on, without it */
    uint64_t applied = status_of(world, liar).applied_index;
    world_run(world, 3000);
    assert_int_equal(status_of(world, liar).applied_index, applied);
    assert_int_equal(status_of(world, leader).final_size, 5);

    world_crash(world, liar);
    assert_int_equal(world_start(world, liar), CONCLAVE_OK);
    assert_true(run_to_divergence(world, liar));
    world_crash(world, liar);
    world_wipe_state(world, liar);
    assert_int_equal(world_start(world, liar), CONCLAVE_OK);
    await_final(world, 5);
    assert_int_equal(status_of(world, liar).diverged_size, 0);
    assert_one_record(world, 5);
    close_world(world);
}

/* A node whose own tree no longer has the root that it signed says so by itself. */
static void what_was_signed_is_remembered(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    admit(world, leader);
    await_final(world, 2);
    world_run(world, 2000);
    unsigned liar = leader % 3 + 1;
    world_crash(world, liar);
    spoil_tree(world, liar);
    assert_int_equal(world_start(world, liar), CONCLAVE_OK);
    world_isolate(world, liar);
    assert_true(run_to_divergence(world, liar));
    close_world(world);
}

/* A leader with another record finds no cosigner: who compares stands aside, and it is told. */
static void a_lying_leader_is_not_believed(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned liar = world_await_leader(world, TIMEOUT_MS);
    unsigned other = liar % 3 + 1;
    admit(world, liar);
    await_final(world, 2);
    for (unsigned id = 1; id <= 3; id++) {
        world_crash(world, id);
        world->nodes[id].kept_size = 0;
        world->nodes[id].signs = id == liar; /* so that nobody compares before it leads */
    }
    spoil_tree(world, liar);
    world_start_all(world);
    for (unsigned i = 0; i < 50 && world_await_leader(world, TIMEOUT_MS) != liar; i++) {
        replica_transfer(world->nodes[world_leader(world)].replica);
        world_run(world, 1000);
    }
    assert_int_equal(world_leader(world), liar);
    world_crash(world, other);
    world->nodes[other].signs = true;
    assert_int_equal(world_start(world, other), CONCLAVE_OK);
    assert_true(run_to_divergence(world, other));
    world_run(world, 100);
    assert_true(status_of(world, liar).disagreements > 0);
    assert_int_equal(status_of(world, liar).final_size, 0);
    close_world(world);
}

/* What is kept is not believed when it is damaged, and a key must be genesis's. */
static void damage_is_refused(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world_start_all(world);
    unsigned leader = world_await_leader(world, TIMEOUT_MS);
    admit(world, leader);
    await_final(world, 2);
    world_run(world, 1000);
    world_crash(world, 1);
    struct world_node *node = &world->nodes[1];
    assert_true(node->kept_size > 0);
    for (size_t i = 0; i < node->kept_size; i++) {
        node->kept[i] ^= 0x10;
        assert_int_equal(world_start(world, 1), CONCLAVE_CONFIG);
        node->kept[i] ^= 0x10;
    }
    node->signer.public_key[5] ^= 1;
    assert_int_equal(world_start(world, 1), CONCLAVE_CONFIG);
    node->signer.public_key[5] ^= 1;
    assert_int_equal(world_start(world, 1), CONCLAVE_OK);
    await_final(world, 2);
    assert_one_record(world, 2);
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_become_final),
        cmocka_unit_test(one_node_is_its_own_majority),
        cmocka_unit_test(not_more_than_one_a_second),
        cmocka_unit_test(a_lost_leader_breaks_nothing),
        cmocka_unit_test(one_who_was_away_is_told),
        cmocka_unit_test(no_majority_no_final),
        cmocka_unit_test(waiting_for_what_is_final),
        cmocka_unit_test(a_signature_waits_until_it_is_kept),
        cmocka_unit_test(a_leader_without_a_key),
        cmocka_unit_test(another_record_is_caught),
        cmocka_unit_test(what_was_signed_is_remembered),
        cmocka_unit_test(a_lying_leader_is_not_believed),
        cmocka_unit_test(damage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
