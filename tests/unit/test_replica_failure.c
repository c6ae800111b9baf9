/* What a replica does when its disk, its memory or its peers fail it: it stops, says so once, and
 * never acknowledges what is not stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"
#include "consensus/message.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"
#include "support/packed.h"
#include "support/world.h"

#define TIMEOUT_MS 5000u
#define DAY_MS     (24u * 3600u * 1000u)

static struct world *open_world(unsigned node_count)
{
    const struct world_config config = {.seed = 1, .node_count = node_count};
    return world_open(&config);
}

static void close_world(struct world *world)
{
    assert_string_equal(world->broken, "");
    world_close(world);
}

static uint64_t admit(struct world *world, unsigned node, const char *id)
{
    struct actor member;
    actor_init(&member, id);
    struct buffer command;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + DAY_MS / 2,
                &member);
    uint64_t token = world_submit(world, node, buffer_slice(&command), TIMEOUT_MS);
    buffer_close(&command);
    return token;
}

static struct replica_status status_of(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status;
}

static unsigned start(struct world *world)
{
    world_start_all(world);
    unsigned leader = world_await_leader(world, 5000);
    assert_int_not_equal(leader, 0);
    return leader;
}

/* Inert: nothing is taken, nothing is sent, nothing is due. */
static void assert_inert(struct world *world, unsigned node, enum conclave_code code)
{
    assert_int_equal(world->nodes[node].failure, code);
    struct replica_status status = status_of(world, node);
    assert_int_equal(status.state, REPLICA_UNAVAILABLE);
    assert_false(status.ready);
    assert_true(replica_deadline_ms(world->nodes[node].replica) == UINT64_MAX);
    uint64_t token = admit(world, node, "late");
    assert_int_equal(world_answer(world, token)->code, CONCLAVE_SHUTTING_DOWN);
    token = world_read(world, node, TIMEOUT_MS);
    assert_int_equal(world_answer(world, token)->code, CONCLAVE_SHUTTING_DOWN);
    world_inject(world, node % 3 + 1, node, slice_of("\x92\x01\x05", 3));
    replica_tick(world->nodes[node].replica);
}

/* --- Disks --- */

static void test_a_failed_write_stops_the_leader_and_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    assert_int_equal(world_await(world, admit(world, leader, "before"))->code, CONCLAVE_OK);
    log_memory_fault_arm(world->nodes[leader].log, 1);
    uint64_t token = admit(world, leader, "during");
    world_run(world, 50);
    assert_inert(world, leader, CONCLAVE_IO);
    assert_int_equal(world_answer(world, token)->state, WORLD_WAITING); /* not answered at all */
    unsigned next = leader % 3 + 1;
    assert_int_not_equal(world_await_leader(world, 5000), leader);
    token = admit(world, next, "after");
    assert_int_equal(world_await(world, token)->code, CONCLAVE_OK);
    /* It comes back with a disk that works again. */
    world_crash(world, leader);
    assert_int_equal(world_start(world, leader), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

static bool has_failed(struct world *world, void *context)
{
    const unsigned *node = context;
    return world->nodes[*node].failure != CONCLAVE_OK;
}

static bool vote_left;

static void note_vote(void *context, unsigned from, unsigned to, struct slice bytes)
{
    (void)context;
    (void)to;
    struct message message;
    enum conclave_code rv = message_decode(&message, from, bytes);
    assert_int_equal(rv, CONCLAVE_OK);
    vote_left |= message.type == MESSAGE_VOTE && !message.raft.request_vote.pre_vote;
    message_close(&message);
}

/* A vote that is not durable must not be asked for: no message of that step leaves. */
static void test_a_failed_save_of_the_vote_stops_before_any_message(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    world->watch.sent = note_vote;
    vote_left = false;
    for (unsigned node = 1; node <= 3; node++) {
        log_memory_fault_arm(world->nodes[node].log, 1);
        assert_int_equal(world_start(world, node), CONCLAVE_OK);
    }
    world_run(world, 5000);
    unsigned failed = 0;
    for (unsigned node = 1; node <= 3; node++) {
        if (world->nodes[node].failure != CONCLAVE_OK) {
            assert_int_equal(world->nodes[node].failure, CONCLAVE_IO);
            failed++;
        }
    }
    /* Two stood in turn, and could not save their vote; the third alone gets no pre-votes. */
    assert_int_equal(failed, 2);
    assert_false(vote_left);
    close_world(world);
}

static void test_a_state_that_cannot_be_written_stops_the_node(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    unsigned follower = leader % 3 + 1;
    assert_true(world_await_equal(world, 5000));
    kv_memory_fault_arm(world->nodes[follower].kv, 1);
    assert_int_equal(world_await(world, admit(world, leader, "one"))->code, CONCLAVE_OK);
    assert_true(world_run_until(world, has_failed, &follower, 1000));
    assert_inert(world, follower, CONCLAVE_IO);
    /* Its state took nothing of what failed: it starts again and catches up. */
    world_crash(world, follower);
    assert_int_equal(world_start(world, follower), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

static void test_a_rotten_entry_is_found_when_the_state_is_rebuilt(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    assert_int_equal(world_await(world, admit(world, leader, "one"))->code, CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    unsigned follower = leader % 3 + 1;
    world_crash(world, follower);
    world_wipe_state(world, follower);
    log_memory_corrupt(world->nodes[follower].log, log_last_index(world->nodes[follower].log), 77);
    assert_int_equal(world_start(world, follower), CONCLAVE_OK);
    /* It is fetched from another node (test_replica_repair.c); alone nobody could have helped. */
    assert_int_equal(world_await(world, admit(world, leader, "two"))->code, CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    assert_int_equal(world->nodes[follower].failure, CONCLAVE_OK);
    close_world(world);
    world = open_world(1);
    leader = start(world);
    assert_int_equal(world_await(world, admit(world, leader, "one"))->code, CONCLAVE_OK);
    world_crash(world, leader);
    world_wipe_state(world, leader);
    log_memory_corrupt(world->nodes[leader].log, log_last_index(world->nodes[leader].log), 77);
    assert_int_equal(world_start(world, leader), CONCLAVE_OK);
    assert_true(world_run_until(world, has_failed, &leader, 2000));
    assert_inert(world, leader, CONCLAVE_CORRUPT);
    close_world(world);
}

/* --- Opening --- */

static enum conclave_code try_open(struct world *world, unsigned node, uint64_t node_id,
                                   struct log *log, struct kv *kv)
{
    struct world_node *at = &world->nodes[node];
    const struct replica_config config = {.node_id = node_id,
                                          .heartbeat_ms = 50,
                                          .election_ms = 300,
                                          .log = log,
                                          .kv = kv,
                                          .clock = &at->clock,
                                          .random = &at->random,
                                          .host = &at->host};
    struct replica *replica = NULL;
    enum conclave_code rv = replica_open(&config, &replica);
    if (rv == CONCLAVE_OK) {
        replica_close(replica);
    }
    return rv;
}

static void test_disks_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    struct world *foreign = open_world(5);
    unsigned leader = start(world);
    unsigned foreign_leader = start(foreign);
    assert_int_equal(world_await(foreign, admit(foreign, foreign_leader, "x"))->code, CONCLAVE_OK);
    for (unsigned i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "member-%u", i);
        assert_int_equal(world_await(world, admit(world, leader, id))->code, CONCLAVE_OK);
    }
    assert_true(world_await_equal(world, 5000));
    assert_true(world_await_equal(foreign, 5000));
    world_crash(world, 1);
    world_crash(foreign, 1);
    struct log *log = world->nodes[1].log;
    struct kv *kv = world->nodes[1].kv;
    assert_int_equal(try_open(world, 1, 1, log, kv), CONCLAVE_OK);
    assert_int_equal(try_open(world, 1, 2, log, kv), CONCLAVE_CONFIG);
    assert_int_equal(try_open(world, 1, 0, log, kv), CONCLAVE_CONFIG);
    assert_int_equal(try_open(world, 1, 1, foreign->nodes[1].log, kv), CONCLAVE_WRONG_CLUSTER);

    struct log *empty;
    assert_int_equal(log_memory_open(&empty), CONCLAVE_OK);
    assert_int_equal(try_open(world, 1, 1, empty, kv), CONCLAVE_NOT_FOUND);
    /* The same cluster, but a log that lost its end: the state is ahead of it. */
    struct codec_error error;
    assert_int_equal(
        replica_bootstrap(empty, buffer_slice(&world->genesis), 1, &world->nodes[1].random, &error),
        CONCLAVE_OK);
    assert_int_equal(try_open(world, 1, 1, empty, kv), CONCLAVE_INTERNAL);
    /* As long, but of another term at the last applied entry. */
    struct replica_status status = status_of(world, 2);
    const struct log_entry other = {99, LOG_ENTRY_BARRIER, slice_of("12345678", 8)};
    for (uint64_t index = 3; index <= status.applied_index; index++) {
        assert_int_equal(log_append(empty, index, &other, 1), CONCLAVE_OK);
    }
    assert_int_equal(log_save_vote(empty, (struct log_vote){.term = 99}), CONCLAVE_OK);
    assert_int_equal(try_open(world, 1, 1, empty, kv), CONCLAVE_INTERNAL);
    /* Terms that go back, or that are above the saved one. */
    struct kv *fresh;
    assert_int_equal(kv_memory_open(&fresh), CONCLAVE_OK);
    assert_int_equal(log_save_vote(empty, (struct log_vote){.term = 98}), CONCLAVE_OK);
    assert_int_equal(try_open(world, 1, 1, empty, fresh), CONCLAVE_CORRUPT);
    kv_close(fresh);
    log_close(empty);
    close_world(world);
    close_world(foreign);
}

static void test_bootstrap_checks_genesis(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    struct codec_error error;
    struct log *log;
    const struct random *random = &world->nodes[1].random;
    assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
    struct slice genesis = buffer_slice(&world->genesis);
    /* Not a node of it; cut off; signature of other bytes. */
    assert_int_equal(replica_bootstrap(log, genesis, 4, random, &error), CONCLAVE_BAD_REQUEST);
    assert_non_null(strstr(error.text, "node 4"));
    assert_int_equal(
        replica_bootstrap(log, slice_of(genesis.data, genesis.size - 1), 1, random, &error),
        CONCLAVE_BAD_REQUEST);
    for (size_t i = 0; i < genesis.size; i += 3) {
        uint8_t damaged[4096];
        assert_true(genesis.size <= sizeof damaged);
        memcpy(damaged, genesis.data, genesis.size);
        damaged[i] ^= 1;
        assert_int_equal(replica_bootstrap(log, slice_of(damaged, genesis.size), 1, random, &error),
                         CONCLAVE_BAD_REQUEST);
        assert_true(error.text[0] != 0);
    }
    assert_int_equal(log_last_index(log), 0);
    /* A command of another kind. */
    struct buffer command;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    actor_vote(&world->chair, &command, world->cluster_id, 1, "poll", "yes");
    assert_int_equal(replica_bootstrap(log, buffer_slice(&command), 1, random, &error),
                     CONCLAVE_BAD_REQUEST);
    buffer_close(&command);
    assert_int_equal(replica_bootstrap(log, genesis, 1, random, &error), CONCLAVE_OK);
    assert_int_equal(replica_bootstrap(log, genesis, 1, random, &error), CONCLAVE_DUPLICATE_ID);
    log_close(log);
    close_world(world);
}

struct copied {
    uint64_t terms[2];
    uint8_t data[2][4096];
    size_t sizes[2];
};

static enum conclave_code copy_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct copied *copied = context;
    assert_true(index <= 2 && entry->data.size <= sizeof copied->data[0]);
    copied->terms[index - 1] = entry->term;
    copied->sizes[index - 1] = entry->data.size;
    memcpy(copied->data[index - 1], entry->data.data, entry->data.size);
    return CONCLAVE_OK;
}

static void test_first_nodes_have_the_same_log_and_their_own_identity(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    static struct copied copies[3];
    struct replica_identity identities[3];
    for (unsigned node = 1; node <= 3; node++) {
        struct log *log = world->nodes[node].log;
        memset(&copies[node - 1], 0, sizeof copies[0]);
        assert_int_equal(log_last_index(log), 2);
        assert_int_equal(log_read(log, 1, 2, copy_entry, &copies[node - 1]), CONCLAVE_OK);
        assert_memory_equal(&copies[node - 1], &copies[0], sizeof copies[0]);
        assert_int_equal(replica_identity(log, &identities[node - 1]), CONCLAVE_OK);
        assert_int_equal(identities[node - 1].node_id, node);
        assert_memory_equal(identities[node - 1].cluster_id, identities[0].cluster_id, 16);
    }
    assert_memory_not_equal(identities[0].disk_id, identities[1].disk_id, 16);
    /* PROTOCOL.md: the first 16 bytes of the SHA-256 of the genesis envelope. The command is an
     * array of two (0x92): the envelope as a bin with two bytes of length (0xc5), the signature. */
    const uint8_t *command = world->genesis.data;
    assert_int_equal(command[0], 0x92);
    assert_int_equal(command[1], 0xc5);
    uint8_t digest[AUTH_SHA256_BYTES];
    auth_sha256(slice_of(command + 4, (size_t)command[2] << 8 | command[3]), digest);
    assert_memory_equal(identities[0].cluster_id, digest, 16);
    close_world(world);
}

/* --- Memory --- */

/* The n-th allocation of ours fails, wherever it is; n is raised until none fails. A replica that
 * could not open says so; one that could not go on has failed; nothing else happens. */
static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    bool hit = true;
    unsigned n = 0;
    while (hit) {
        n++;
        struct world *world = open_world(1);
        struct buffer command;
        buffer_init(&command, LIMIT_FRAME_BYTES);
        struct actor member;
        actor_init(&member, "member");
        actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + DAY_MS / 2,
                    &member);
        memory_fault_arm(n);
        enum conclave_code rv = world_start(world, 1);
        if (rv == CONCLAVE_OK) {
            world_run(world, 300);
            uint64_t token = world_submit(world, 1, buffer_slice(&command), TIMEOUT_MS);
            uint64_t read = world_read(world, 1, TIMEOUT_MS);
            world_run(world, 300);
            hit = memory_fault_hit() != 0;
            memory_fault_arm(0);
            const struct world_answer *answer = world_answer(world, token);
            if (!hit) {
                assert_int_equal(answer->code, CONCLAVE_OK);
                assert_int_equal(world_answer(world, read)->code, CONCLAVE_OK);
            } else if (answer->state == WORLD_ANSWERED && answer->code == CONCLAVE_OK) {
                assert_true(packed_is(answer->reply, "code", "ok"));
            }
            enum conclave_code failure = world->nodes[1].failure;
            assert_true(failure == CONCLAVE_OK || failure == CONCLAVE_NO_MEMORY);
        } else {
            assert_int_equal(rv, CONCLAVE_NO_MEMORY);
            memory_fault_arm(0);
        }
        buffer_close(&command);
        close_world(world);
        assert_true(n < 5000);
    }
    assert_true(n > 20); /* there were some to fail */
}

/* --- Peers --- */

/* A barrier of `term` at 3, from a leader of that term who says that all is committed. */
static void inject_barrier(struct world *world, unsigned from, unsigned to, uint64_t term)
{
    struct buffer entries;
    struct buffer message;
    buffer_init(&entries, LIMIT_FRAME_BYTES);
    buffer_init(&message, LIMIT_FRAME_BYTES);
    message_write_entry(&entries, term, RAFT_BARRIER, slice_of("12345678", 8));
    const struct raft_append_entries append = {
        .term = term, .prev_log_index = 2, .prev_log_term = 1, .leader_commit = 3};
    message_write_append(&message, &append, buffer_slice(&entries), 1);
    assert_int_equal(message.status, CONCLAVE_OK);
    world_inject(world, from, to, buffer_slice(&message));
    buffer_close(&message);
    buffer_close(&entries);
}

/* Not CORRUPT: the host would make the state anew, and then the node would let them be replaced. */
static void test_committed_entries_are_not_replaced(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    assert_int_equal(world_start(world, 1), CONCLAVE_OK);
    inject_barrier(world, 2, 1, 5);
    world_run(world, 10);
    assert_int_equal(status_of(world, 1).applied_index, 3);
    for (unsigned i = 0; i < 2; i++) {
        inject_barrier(world, 3, 1, 6);
        world_run(world, 10);
        assert_inert(world, 1, CONCLAVE_INTERNAL);
        uint64_t term;
        enum log_entry_type type;
        assert_int_equal(log_read_header(world->nodes[1].log, 3, &term, &type), CONCLAVE_OK);
        assert_int_equal(term, 5);
        world_crash(world, 1);
        assert_int_equal(world_start(world, 1), CONCLAVE_OK);
    }
    close_world(world);
}

static void test_garbage_from_peers_is_counted_and_dropped(void **state)
{
    (void)state;
    struct world *world = open_world(3);
    unsigned leader = start(world);
    assert_true(world_await_equal(world, 5000));
    uint64_t chance = 1;
    uint64_t count = 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t bytes[64];
        size_t size = world_random(world, sizeof bytes);
        for (size_t j = 0; j < size; j++) {
            chance = chance * UINT64_C(6364136223846793005) + 1442695040888963407u;
            bytes[j] = (uint8_t)(chance >> 56);
        }
        if (size > 2 && i % 2 == 0) { /* the form, but not the content, of a message */
            bytes[0] = (uint8_t)(0x90 + world_random(world, 9));
            bytes[1] = 1;
            bytes[2] = (uint8_t)world_random(world, 14);
        }
        struct message message;
        if (message_decode(&message, 1 + leader % 3, slice_of(bytes, size)) == CONCLAVE_OK) {
            message_close(&message); /* a message by chance: not this test's */
            continue;
        }
        world_inject(world, 1 + leader % 3, leader, slice_of(bytes, size));
        count++;
    }
    assert_true(count > 10000);
    assert_int_equal(status_of(world, leader).messages_malformed, count);
    world_inject(world, leader, leader, slice_of("\x92\x01\x05", 3)); /* from itself */
    assert_int_equal(status_of(world, leader).messages_malformed, count + 1);
    assert_int_equal(status_of(world, leader).state, REPLICA_LEADER);
    assert_int_equal(world_await(world, admit(world, leader, "one"))->code, CONCLAVE_OK);
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failed_write_stops_the_leader_and_nothing_acknowledged_is_lost),
        cmocka_unit_test(test_a_failed_save_of_the_vote_stops_before_any_message),
        cmocka_unit_test(test_a_state_that_cannot_be_written_stops_the_node),
        cmocka_unit_test(test_a_rotten_entry_is_found_when_the_state_is_rebuilt),
        cmocka_unit_test(test_disks_that_do_not_fit_are_refused),
        cmocka_unit_test(test_bootstrap_checks_genesis),
        cmocka_unit_test(test_first_nodes_have_the_same_log_and_their_own_identity),
        cmocka_unit_test(test_every_allocation_may_fail),
        cmocka_unit_test(test_committed_entries_are_not_replaced),
        cmocka_unit_test(test_garbage_from_peers_is_counted_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
