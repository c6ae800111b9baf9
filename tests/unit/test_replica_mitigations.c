/* The raft library's faults, and what the driver does about each (consensus/driver.h has the list).
 *
 * Each test feeds a real replica what brings the fault out. Where it can be seen at one replica,
 * the same message is also given to the core directly, past the driver, to show the fault itself:
 * should the library be mended one day, that half of the test says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "consensus/core.h"
#include "consensus/driver.h"
#include "support/world.h"

#define TIMEOUT_MS 5000u
#define DAY_MS     (24u * 3600u * 1000u)

struct fixture {
    struct world *world;
    struct buffer bytes;
    /* What nodes sent: the last of each type, from whom to whom. */
    struct message last;
    uint8_t last_bytes[4096];
    enum message_type wanted;
    unsigned wanted_from, wanted_to;
    unsigned seen;
    uint64_t previous_index_min; /* of appends */
};

static void note_sent(void *context, unsigned from, unsigned to, struct slice bytes)
{
    struct fixture *fixture = context;
    if ((fixture->wanted_from != 0 && fixture->wanted_from != from) ||
        (fixture->wanted_to != 0 && fixture->wanted_to != to) ||
        bytes.size > sizeof fixture->last_bytes) {
        return;
    }
    struct message message;
    enum conclave_code rv = message_decode(&message, from, bytes);
    assert_int_equal(rv, CONCLAVE_OK);
    if (message.type == fixture->wanted) {
        memcpy(fixture->last_bytes, bytes.data, bytes.size);
        fixture->seen++;
        fixture->last = message; /* its scalars */
        if (message.type == MESSAGE_APPEND &&
            message.raft.append_entries.prev_log_index < fixture->previous_index_min) {
            fixture->previous_index_min = message.raft.append_entries.prev_log_index;
        }
    }
    message_close(&message);
}

static void fixture_open(struct fixture *fixture, unsigned node_count, unsigned election_ms)
{
    const struct world_config config = {
        .seed = 1, .node_count = node_count, .election_ms = election_ms};
    *fixture = (struct fixture){.world = world_open(&config)};
    fixture->world->watch.context = fixture;
    fixture->world->watch.sent = note_sent;
    buffer_init(&fixture->bytes, LIMIT_PEER_FRAME_BYTES);
}

static void fixture_close(struct fixture *fixture)
{
    assert_string_equal(fixture->world->broken, "");
    world_close(fixture->world);
    buffer_close(&fixture->bytes);
}

static void watch(struct fixture *fixture, enum message_type type, unsigned from, unsigned to)
{
    fixture->wanted = type;
    fixture->wanted_from = from;
    fixture->wanted_to = to;
    fixture->seen = 0;
    fixture->previous_index_min = UINT64_MAX;
}

static struct replica *replica_of(struct fixture *fixture, unsigned node)
{
    return fixture->world->nodes[node].replica;
}

static struct replica_status status_of(struct fixture *fixture, unsigned node)
{
    struct replica_status status;
    replica_status(replica_of(fixture, node), &status);
    return status;
}

static unsigned start(struct fixture *fixture)
{
    world_start_all(fixture->world);
    unsigned leader = world_await_leader(fixture->world, 30000);
    assert_int_not_equal(leader, 0);
    return leader;
}

/* Delivers the message in `bytes`. */
static void inject(struct fixture *fixture, unsigned from, unsigned to)
{
    assert_int_equal(fixture->bytes.status, CONCLAVE_OK);
    world_inject(fixture->world, from, to, buffer_slice(&fixture->bytes));
    buffer_clear(&fixture->bytes);
}

static uint64_t submit_admit(struct fixture *fixture, unsigned node, const char *id)
{
    struct actor member;
    actor_init(&member, id);
    struct buffer command;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    actor_admit(&fixture->world->chair, &command, fixture->world->cluster_id,
                world_wall_ms(fixture->world) + DAY_MS / 2, &member);
    uint64_t token = world_submit(fixture->world, node, buffer_slice(&command), TIMEOUT_MS);
    buffer_close(&command);
    return token;
}

/* Changes the configuration at the leader, again while it is busy, for `timeout_ms`. */
static enum conclave_code change(struct fixture *fixture, unsigned leader, uint64_t server,
                                 const char *address, int role, uint64_t timeout_ms)
{
    uint64_t end_ms = fixture->world->now_ms + timeout_ms;
    enum conclave_code rv;
    do {
        world_run(fixture->world, 50);
        rv = replica_change(replica_of(fixture, leader), server, address, role);
    } while (rv == CONCLAVE_BUSY && fixture->world->now_ms < end_ms);
    world_run(fixture->world, 200);
    return rv;
}

/* --- M1 --- */

/* The bytes of a configuration of nodes 1 to 3 and a fourth that learns. */
static struct raft_buffer four_servers(void)
{
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    static const char *const addresses[] = {"127.0.0.1:7101", "127.0.0.1:7102", "127.0.0.1:7103",
                                            "127.0.0.1:7104"};
    for (unsigned i = 0; i < 4; i++) {
        int rv = raft_configuration_add(&configuration, i + 1, addresses[i],
                                        i < 3 ? RAFT_VOTER : RAFT_STANDBY);
        assert_int_equal(rv, 0);
    }
    struct raft_buffer bytes;
    assert_int_equal(raft_configuration_encode(&configuration, &bytes), 0);
    raft_configuration_close(&configuration);
    return bytes;
}

/* After the genesis entries 1 and 2: a barrier at 3, the configuration at 4. */
static void write_append_with_change(struct buffer *buffer, uint64_t commit_index)
{
    struct buffer entries;
    buffer_init(&entries, LIMIT_FRAME_BYTES);
    struct raft_buffer configuration = four_servers();
    message_write_entry(&entries, 5, RAFT_BARRIER, slice_of("12345678", 8));
    message_write_entry(&entries, 5, RAFT_CHANGE, slice_of(configuration.base, configuration.len));
    const struct raft_append_entries append = {
        .term = 5, .prev_log_index = 2, .prev_log_term = 1, .leader_commit = commit_index};
    message_write_append(buffer, &append, buffer_slice(&entries), 2);
    raft_free(configuration.base);
    buffer_close(&entries);
}

static void test_m1_configuration_in_second_place(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    write_append_with_change(&fixture.bytes, 2);
    inject(&fixture, 2, 1);
    const struct raft *raft = &replica_of(&fixture, 1)->raft;
    assert_int_equal(raft->configuration_uncommitted_index, 4);
    assert_int_equal(raft->configuration.n, 4);
    assert_int_equal(status_of(&fixture, 1).mitigations[1], 1);
    world_run(fixture.world, 10); /* stored */
    write_append_with_change(&fixture.bytes, 4);
    inject(&fixture, 2, 1);
    assert_int_equal(status_of(&fixture, 1).applied_index, 4);
    assert_int_equal(raft->configuration_uncommitted_index, 0);
    assert_int_equal(raft->configuration_committed_index, 4);
    fixture_close(&fixture);
}

/* The fault: the core notes the index of the message's first entry. */
static void test_m1_the_core_alone_notes_a_wrong_index(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    struct raft_buffer configuration = four_servers();
    uint8_t *batch = raft_malloc(8 + configuration.len);
    assert_non_null(batch);
    memset(batch, 0, 8);
    memcpy(batch + 8, configuration.base, configuration.len);
    struct raft_entry entries[2] = {
        {.term = 5, .type = RAFT_BARRIER, .buf = {batch, 8}, .batch = batch},
        {.term = 5, .type = RAFT_CHANGE, .buf = {batch + 8, configuration.len}, .batch = batch}};
    struct raft_message message = {.type = RAFT_APPEND_ENTRIES,
                                   .server_id = 2,
                                   .server_address = "127.0.0.1:7102",
                                   .append_entries = {.term = 5,
                                                      .prev_log_index = 2,
                                                      .prev_log_term = 1,
                                                      .leader_commit = 2,
                                                      .entries = entries,
                                                      .n_entries = 2}};
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = &message}};
    assert_int_equal(driver_step(replica_of(&fixture, 1), &event), 0);
    assert_int_equal(replica_of(&fixture, 1)->raft.configuration_uncommitted_index, 3);
    raft_free(configuration.base);
    fixture_close(&fixture);
}

/* --- M2 --- */

static void test_m2_refused_pre_vote_tells_the_term(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    enum conclave_code rv =
        log_save_vote(fixture.world->nodes[1].log, (struct log_vote){.term = 10});
    assert_int_equal(rv, CONCLAVE_OK);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    watch(&fixture, MESSAGE_VOTE_RESULT, 1, 3);
    struct raft_message request = {
        .type = RAFT_REQUEST_VOTE,
        .request_vote = {.term = 5, .last_log_index = 2, .last_log_term = 1, .pre_vote = true}};
    message_write_raft(&fixture.bytes, &request);
    inject(&fixture, 3, 1);
    assert_int_equal(fixture.seen, 1);
    assert_false(fixture.last.raft.request_vote_result.vote_granted);
    assert_int_equal(fixture.last.raft.request_vote_result.term, 10); /* the core says 5 */
    assert_int_equal(status_of(&fixture, 1).mitigations[2], 1);
    fixture_close(&fixture);
}

/* Two of three nodes are up: one has the longer log, the other the higher term. Without M2 neither
 * learns from the other, and there is never a leader. */
static void test_m2_no_deadlock_between_two_nodes(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    const struct log_entry barriers[] = {{2, LOG_ENTRY_BARRIER, slice_of("12345678", 8)},
                                         {3, LOG_ENTRY_BARRIER, slice_of("12345678", 8)}};
    struct log *logs[] = {NULL, fixture.world->nodes[1].log, fixture.world->nodes[2].log};
    assert_int_equal(log_append(logs[1], 3, barriers, 1), CONCLAVE_OK);
    assert_int_equal(log_save_vote(logs[1], (struct log_vote){.term = 5}), CONCLAVE_OK);
    assert_int_equal(log_append(logs[2], 3, barriers, 2), CONCLAVE_OK);
    assert_int_equal(log_save_vote(logs[2], (struct log_vote){.term = 3}), CONCLAVE_OK);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    assert_int_equal(world_start(fixture.world, 2), CONCLAVE_OK);
    assert_int_equal(world_await_leader(fixture.world, 10000), 2);
    assert_true(status_of(&fixture, 1).mitigations[2] > 0);
    fixture_close(&fixture);
}

/* --- M3 --- */

/* A node that was just given a vote, and does not know it yet, blocks the next change. */
static void test_m3_no_change_before_a_new_voter_knows(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    unsigned leader = start(&fixture);
    assert_int_equal(world_add(fixture.world), 4);
    assert_int_equal(world_start(fixture.world, 4), CONCLAVE_OK);
    assert_int_equal(change(&fixture, leader, 4, "127.0.0.1:7104", RAFT_STANDBY, 1000),
                     CONCLAVE_OK);
    world_run(fixture.world, 500);
    world_isolate(fixture.world, 4);
    assert_int_equal(change(&fixture, leader, 4, "127.0.0.1:7104", RAFT_VOTER, 1000), CONCLAVE_OK);
    struct raft *raft = &replica_of(&fixture, leader)->raft;
    assert_int_equal(raft->configuration_uncommitted_index, 0); /* committed by the other three */
    assert_int_equal(change(&fixture, leader, 5, "127.0.0.1:7105", RAFT_STANDBY, 1000),
                     CONCLAVE_BUSY);
    assert_true(status_of(&fixture, leader).mitigations[3] > 0);
    world_heal(fixture.world);
    assert_int_equal(change(&fixture, leader, 5, "127.0.0.1:7105", RAFT_STANDBY, 5000),
                     CONCLAVE_OK);
    assert_int_equal(raft->configuration.n, 5);
    fixture_close(&fixture);
}

/* One that has been a voter all along may be dead: it could not be replaced otherwise. */
static void test_m3_a_dead_voter_blocks_nothing(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    unsigned leader = start(&fixture);
    unsigned dead = leader % 3 + 1;
    world_run(fixture.world, 500);
    world_crash(fixture.world, dead);
    assert_int_equal(change(&fixture, leader, 4, "127.0.0.1:7104", RAFT_STANDBY, 1000),
                     CONCLAVE_OK);
    assert_int_equal(change(&fixture, leader, 5, "127.0.0.1:7105", RAFT_STANDBY, 1000),
                     CONCLAVE_OK);
    assert_int_equal(replica_of(&fixture, leader)->raft.configuration.n, 5);
    fixture_close(&fixture);
}

static void test_m3_one_change_at_a_time(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    struct replica *replica = replica_of(&fixture, start(&fixture));
    world_run(fixture.world, 500);
    assert_int_equal(replica_change(replica, 4, "127.0.0.1:7104", RAFT_STANDBY), CONCLAVE_OK);
    assert_int_equal(replica_change(replica, 5, "127.0.0.1:7105", RAFT_STANDBY), CONCLAVE_BUSY);
    /* J: a refused change leaves nothing behind. */
    uint64_t last_index = raft_last_index(&replica->raft);
    assert_int_equal(replica_change(replica, 5, "127.0.0.1:7105", RAFT_STANDBY), CONCLAVE_BUSY);
    assert_int_equal(raft_last_index(&replica->raft), last_index);
    world_run(fixture.world, 500);
    assert_int_equal(replica_change(replica, 4, NULL, -1), CONCLAVE_OK);
    world_run(fixture.world, 500);
    assert_int_equal(replica->raft.configuration.n, 3);
    fixture_close(&fixture);
}

static void test_changes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    unsigned leader = start(&fixture);
    struct replica *replica = replica_of(&fixture, leader);
    world_run(fixture.world, 500);
    assert_int_equal(replica_change(replica, 0, "a", RAFT_STANDBY), CONCLAVE_BAD_VALUE);
    assert_int_equal(replica_change(replica, 4, "", RAFT_STANDBY), CONCLAVE_BAD_VALUE);
    assert_int_equal(replica_change(replica, 4, "a", RAFT_VOTER), CONCLAVE_BAD_VALUE);
    assert_int_equal(replica_change(replica, 4, "a", 3), CONCLAVE_BAD_VALUE);
    assert_int_equal(replica_change(replica, 4, NULL, -1), CONCLAVE_BAD_VALUE);
    assert_int_equal(replica_change(replica, 4, "127.0.0.1:7101", RAFT_STANDBY),
                     CONCLAVE_BAD_VALUE); /* the address of node 1 */
    unsigned follower = leader % 3 + 1;
    assert_int_equal(
        replica_change(replica_of(&fixture, follower), 4, "127.0.0.1:7104", RAFT_STANDBY),
        CONCLAVE_NOT_LEADER);
    fixture_close(&fixture);
}

/* --- M4 --- */

/* A follower that the leader has not heard of for a while is probed at its match index: just where
 * an old rejection of that index fits. */
static uint64_t probe(struct fixture *fixture, unsigned leader, unsigned follower)
{
    world_run(fixture->world, 500);
    raft_index match_index;
    assert_int_equal(raft_match_index(&replica_of(fixture, leader)->raft, follower, &match_index),
                     0);
    assert_true(match_index >= 2);
    world_isolate(fixture->world, follower);
    world_run(fixture->world, 1000);
    assert_int_equal(status_of(fixture, leader).state, REPLICA_LEADER);
    watch(fixture, MESSAGE_APPEND, leader, follower);
    return match_index;
}

static struct raft_message old_rejection(struct fixture *fixture, unsigned leader,
                                         uint64_t match_index)
{
    return (struct raft_message){.type = RAFT_APPEND_ENTRIES_RESULT,
                                 .append_entries_result = {.version = 2,
                                                           .term = status_of(fixture, leader).term,
                                                           .rejected = match_index,
                                                           .last_log_index = match_index - 1}};
}

static void test_m4_old_rejection_is_dropped(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    unsigned leader = start(&fixture);
    unsigned follower = leader % 3 + 1;
    uint64_t match_index = probe(&fixture, leader, follower);
    uint64_t before = status_of(&fixture, leader).mitigations[4];
    struct raft_message rejection = old_rejection(&fixture, leader, match_index);
    message_write_raft(&fixture.bytes, &rejection);
    inject(&fixture, follower, leader);
    world_run(fixture.world, 200);
    assert_int_equal(status_of(&fixture, leader).mitigations[4], before + 1);
    assert_true(fixture.seen > 0);
    assert_int_equal(fixture.previous_index_min, match_index);
    fixture_close(&fixture);
}

static void test_m4_the_core_alone_goes_below_what_matches(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    unsigned leader = start(&fixture);
    unsigned follower = leader % 3 + 1;
    uint64_t match_index = probe(&fixture, leader, follower);
    struct raft_message rejection = old_rejection(&fixture, leader, match_index);
    rejection.server_id = follower;
    rejection.server_address = "-";
    struct raft_event event = {.type = RAFT_RECEIVE, .receive = {.message = &rejection}};
    assert_int_equal(driver_step(replica_of(&fixture, leader), &event), 0);
    assert_int_equal(fixture.previous_index_min, match_index - 1);
    fixture_close(&fixture);
}

/* --- M5 --- */

static void test_m5_snapshots_are_dropped(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    struct replica_status before = status_of(&fixture, 1);
    world_inject(fixture.world, 2, 1, slice_of("\x92\x01\x05", 3)); /* [1, 5] */
    world_inject(fixture.world, 2, 1, slice_of("\x92\x01\x05", 3));
    struct replica_status after = status_of(&fixture, 1);
    assert_int_equal(after.mitigations[5], 2);
    assert_int_equal(after.messages_malformed, 0);
    assert_int_equal(after.last_index, before.last_index);
    assert_int_equal(after.term, before.term);
    fixture_close(&fixture);
}

/* --- M6 --- */

/* A server that was contacted, and then is a spare, is never contacted again: the core counts its
 * heartbeat as overdue for ever. */
static void test_m6_timer_in_the_past_does_not_spin(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    unsigned leader = start(&fixture);
    assert_int_equal(change(&fixture, leader, 4, "127.0.0.1:7104", RAFT_STANDBY, 1000),
                     CONCLAVE_OK);
    assert_int_equal(change(&fixture, leader, 4, "127.0.0.1:7104", RAFT_SPARE, 1000), CONCLAVE_OK);
    world_run(fixture.world, 200);
    /* The fault: what the core asks for has passed. */
    assert_true(raft_timeout(&replica_of(&fixture, leader)->raft) < fixture.world->now_ms);
    uint64_t before = status_of(&fixture, leader).mitigations[6];
    uint64_t steps = fixture.world->steps;
    world_run(fixture.world, 1000);
    assert_true(status_of(&fixture, leader).mitigations[6] > before);
    /* 5 ms floor: 200 timeouts; and 40 heartbeats of two messages and answers. */
    assert_true(fixture.world->steps - steps < 600);
    assert_int_equal(world_leader(fixture.world), leader);
    fixture_close(&fixture);
}

/* --- M7 --- */

static void test_m7_commit_index_does_not_go_back(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    struct buffer entries;
    buffer_init(&entries, LIMIT_FRAME_BYTES);
    for (unsigned i = 0; i < 4; i++) {
        message_write_entry(&entries, 5, RAFT_BARRIER, slice_of("12345678", 8));
    }
    struct raft_append_entries append = {
        .term = 5, .prev_log_index = 2, .prev_log_term = 1, .leader_commit = 5};
    message_write_append(&fixture.bytes, &append, buffer_slice(&entries), 4); /* 3 to 6 */
    inject(&fixture, 2, 1);
    world_run(fixture.world, 10);
    assert_int_equal(status_of(&fixture, 1).commit_index, 5);
    assert_int_equal(status_of(&fixture, 1).applied_index, 5);
    /* One overtaken by the first, but with news of commits: it covers entry 3 only. */
    buffer_clear(&entries);
    message_write_entry(&entries, 5, RAFT_BARRIER, slice_of("12345678", 8));
    append.leader_commit = 6;
    message_write_append(&fixture.bytes, &append, buffer_slice(&entries), 1);
    inject(&fixture, 2, 1);
    buffer_close(&entries);
    assert_int_equal(raft_commit_index(&replica_of(&fixture, 1)->raft), 3); /* the fault */
    assert_int_equal(status_of(&fixture, 1).commit_index, 5);
    assert_true(status_of(&fixture, 1).mitigations[7] > 0);
    fixture_close(&fixture);
}

/* --- M8 --- */

static void test_m8_a_leader_without_followers_refuses_at_the_cap(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 20000);
    unsigned leader = start(&fixture);
    world_run(fixture.world, 500);
    world_isolate(fixture.world, leader);
    unsigned taken = 0;
    for (;;) {
        char id[16];
        snprintf(id, sizeof id, "member-%u", taken);
        uint64_t token = submit_admit(&fixture, leader, id);
        if (world_answer(fixture.world, token)->state == WORLD_ANSWERED) {
            assert_int_equal(world_answer(fixture.world, token)->code, CONCLAVE_BUSY);
            break;
        }
        taken++;
        assert_true(taken <= LIMIT_UNCOMMITTED_ENTRIES);
        world_run(fixture.world, 5); /* its write ends: each becomes an entry */
    }
    struct replica_status status = status_of(&fixture, leader);
    assert_int_equal(status.state, REPLICA_LEADER);
    assert_int_equal(taken, LIMIT_UNCOMMITTED_ENTRIES);
    assert_int_equal(status.last_index - status.commit_index, LIMIT_UNCOMMITTED_ENTRIES);
    assert_int_equal(status.mitigations[8], 1);
    world_heal(fixture.world);
    assert_true(world_await_equal(fixture.world, 60000));
    status = status_of(&fixture, leader);
    assert_int_equal(status.last_index, status.commit_index);
    fixture_close(&fixture);
}

/* --- K --- */

static void test_k_old_append_is_refused_with_a_sound_index(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 0);
    enum conclave_code rv =
        log_save_vote(fixture.world->nodes[1].log, (struct log_vote){.term = 10});
    assert_int_equal(rv, CONCLAVE_OK);
    assert_int_equal(world_start(fixture.world, 1), CONCLAVE_OK);
    watch(&fixture, MESSAGE_APPEND_RESULT, 1, 2);
    static const uint64_t previous[][3] = {
        /* previous index, term; what must be refused */
        {0, 0, 1},
        {1, 1, 1},
        {2, 1, 2},
        {900, 4, 900},
    };
    for (unsigned i = 0; i < sizeof previous / sizeof previous[0]; i++) {
        const struct raft_append_entries append = {
            .term = 5, .prev_log_index = previous[i][0], .prev_log_term = previous[i][1]};
        message_write_append(&fixture.bytes, &append, (struct slice){0}, 0);
        inject(&fixture, 2, 1);
        assert_int_equal(fixture.seen, i + 1);
        const struct raft_append_entries_result *result = &fixture.last.raft.append_entries_result;
        assert_int_equal(result->term, 10);
        assert_int_equal(result->rejected, previous[i][2]);
        assert_true(result->last_log_index < result->rejected);
        assert_true(result->last_log_index <= 2);
    }
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_m1_configuration_in_second_place),
        cmocka_unit_test(test_m1_the_core_alone_notes_a_wrong_index),
        cmocka_unit_test(test_m2_refused_pre_vote_tells_the_term),
        cmocka_unit_test(test_m2_no_deadlock_between_two_nodes),
        cmocka_unit_test(test_m3_no_change_before_a_new_voter_knows),
        cmocka_unit_test(test_m3_a_dead_voter_blocks_nothing),
        cmocka_unit_test(test_m3_one_change_at_a_time),
        cmocka_unit_test(test_changes_that_make_no_sense_are_refused),
        cmocka_unit_test(test_m4_old_rejection_is_dropped),
        cmocka_unit_test(test_m4_the_core_alone_goes_below_what_matches),
        cmocka_unit_test(test_m5_snapshots_are_dropped),
        cmocka_unit_test(test_m6_timer_in_the_past_does_not_spin),
        cmocka_unit_test(test_m7_commit_index_does_not_go_back),
        cmocka_unit_test(test_m8_a_leader_without_followers_refuses_at_the_cap),
        cmocka_unit_test(test_k_old_append_is_refused_with_a_sound_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
