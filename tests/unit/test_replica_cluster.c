/* Replicas together: elections, commands by every node, crashes, reads, rebuilding. The world
 * checks its invariants after every event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/writer.h"
#include "support/packed.h"
#include "support/world.h"
#include "support/world_check.h"

#define MEMBERS    9u
#define TIMEOUT_MS 5000u
#define DAY_MS     (24u * 3600u * 1000u)

struct fixture {
    struct world *world;
    struct buffer command;
    struct buffer params;
    struct buffer answer;
    struct actor members[MEMBERS];
};

static void fixture_open_with(struct fixture *fixture, struct world_config config)
{
    *fixture = (struct fixture){.world = world_open(&config)};
    buffer_init(&fixture->command, LIMIT_FRAME_BYTES);
    buffer_init(&fixture->params, LIMIT_FRAME_BYTES);
    buffer_init(&fixture->answer, LIMIT_FRAME_BYTES);
    for (unsigned i = 0; i < MEMBERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "member-%u", i);
        actor_init(&fixture->members[i], id);
    }
}

static void fixture_open(struct fixture *fixture, uint64_t seed, unsigned node_count)
{
    fixture_open_with(fixture, (struct world_config){.seed = seed, .node_count = node_count});
}

static void fixture_close(struct fixture *fixture)
{
    assert_string_equal(fixture->world->broken, "");
    world_close(fixture->world);
    buffer_close(&fixture->command);
    buffer_close(&fixture->params);
    buffer_close(&fixture->answer);
}

static unsigned start(struct fixture *fixture)
{
    world_start_all(fixture->world);
    unsigned leader = world_await_leader(fixture->world, 10u * 300u);
    assert_int_not_equal(leader, 0);
    return leader;
}

static unsigned other_than(const struct fixture *fixture, unsigned node)
{
    return node % fixture->world->config.node_count + 1;
}

static uint64_t not_after(const struct fixture *fixture)
{
    return world_wall_ms(fixture->world) + DAY_MS / 2;
}

static struct slice command_of(const struct fixture *fixture)
{
    return buffer_slice(&fixture->command);
}

static void assert_decided(struct fixture *fixture, uint64_t token, const char *code)
{
    const struct world_answer *answer = world_await(fixture->world, token);
    assert_int_equal(answer->state, WORLD_ANSWERED);
    assert_int_equal(answer->code, CONCLAVE_OK);
    assert_true(packed_is(answer->reply, "code", code));
}

static uint64_t submit(struct fixture *fixture, unsigned node)
{
    return world_submit(fixture->world, node, command_of(fixture), TIMEOUT_MS);
}

/* Sends the command until it is decided, as a client does: by other nodes when one fails. */
static struct slice send_until_decided(struct fixture *fixture, unsigned node)
{
    struct world *world = fixture->world;
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        uint64_t token = submit(fixture, node);
        const struct world_answer *answer = world_await(world, token);
        if (answer->state == WORLD_ANSWERED && answer->code == CONCLAVE_OK) {
            return answer->reply;
        }
        node = other_than(fixture, node);
        world_run(world, 100);
    }
    fail_msg("the command was never decided");
    return (struct slice){0};
}

static void make_admit(struct fixture *fixture, unsigned member)
{
    actor_admit(&fixture->world->chair, &fixture->command, fixture->world->cluster_id,
                not_after(fixture), &fixture->members[member]);
}

static void make_open(struct fixture *fixture, const char *poll, uint64_t open_for_ms)
{
    actor_open(&fixture->world->chair, &fixture->command, fixture->world->cluster_id,
               not_after(fixture), poll, "simple-majority", open_for_ms);
}

static void make_vote(struct fixture *fixture, unsigned member, const char *poll,
                      const char *answer)
{
    actor_vote(&fixture->members[member], &fixture->command, fixture->world->cluster_id,
               not_after(fixture), poll, answer);
}

/* Admits all members and opens a poll. */
static void prepare_poll(struct fixture *fixture, unsigned node, const char *poll)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        make_admit(fixture, i);
        assert_decided(fixture, submit(fixture, node), "ok");
    }
    make_open(fixture, poll, DAY_MS);
    assert_decided(fixture, submit(fixture, node), "ok");
}

static struct slice query(struct fixture *fixture, unsigned node, const char *method)
{
    enum conclave_code rv =
        world_query(fixture->world, node, method, buffer_slice(&fixture->params), &fixture->answer);
    assert_int_equal(rv, CONCLAVE_OK);
    return buffer_slice(&fixture->answer);
}

static void params_pair(struct fixture *fixture, const char *name, const char *value)
{
    codec_write_text(&fixture->params, name);
    codec_write_text(&fixture->params, value);
}

static struct slice query_ballot(struct fixture *fixture, unsigned node, const char *poll,
                                 unsigned member)
{
    buffer_clear(&fixture->params);
    codec_write_map(&fixture->params, 2);
    params_pair(fixture, "poll", poll);
    params_pair(fixture, "member", fixture->members[member].id);
    return query(fixture, node, "ballot.get");
}

static struct slice query_tally(struct fixture *fixture, unsigned node, const char *poll)
{
    buffer_clear(&fixture->params);
    codec_write_map(&fixture->params, 1);
    params_pair(fixture, "poll", poll);
    return query(fixture, node, "tally");
}

static struct slice query_log(struct fixture *fixture, unsigned node, uint64_t from, uint64_t limit)
{
    buffer_clear(&fixture->params);
    codec_write_map(&fixture->params, 2);
    codec_write_text(&fixture->params, "from");
    codec_write_u64(&fixture->params, from);
    codec_write_text(&fixture->params, "limit");
    codec_write_u64(&fixture->params, limit);
    return query(fixture, node, "log.read");
}

static struct replica_status status_of(struct fixture *fixture, unsigned node)
{
    struct replica_status status;
    replica_status(fixture->world->nodes[node].replica, &status);
    return status;
}

static void assert_equal_digests(struct fixture *fixture)
{
    assert_true(world_await_equal(fixture->world, 10000));
    struct replica_status first = status_of(fixture, 1);
    for (unsigned node = 2; node <= fixture->world->config.node_count; node++) {
        struct replica_status status = status_of(fixture, node);
        assert_int_equal(status.applied_index, first.applied_index);
        assert_memory_equal(status.digest, first.digest, sizeof status.digest);
    }
}

/* --- Tests --- */

static void test_three_nodes_elect_and_commit_genesis(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 1, 3);
    unsigned leader = start(&fixture);
    assert_equal_digests(&fixture);
    for (unsigned node = 1; node <= 3; node++) {
        struct replica_status status = status_of(&fixture, node);
        assert_int_equal(status.leader_id, leader);
        assert_true(status.ready);
        assert_int_equal(status.peer_count, 2);
        assert_memory_equal(status.cluster_id, fixture.world->cluster_id, 16);
        assert_true(fixture.world->nodes[node].leader_events >= 1);
        buffer_clear(&fixture.params);
        codec_write_map(&fixture.params, 0);
        struct slice cluster = query(&fixture, node, "cluster.get");
        assert_true(packed_is(cluster, "name", "test"));
        assert_int_equal(packed_u64(cluster, "counts.members"), 1);
    }
    fixture_close(&fixture);
}

static void test_one_node_is_a_cluster(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 2, 1);
    start(&fixture);
    make_admit(&fixture, 0);
    assert_decided(&fixture, submit(&fixture, 1), "ok");
    uint64_t read = world_read(fixture.world, 1, TIMEOUT_MS);
    assert_int_equal(world_await(fixture.world, read)->code, CONCLAVE_OK);
    fixture_close(&fixture);
}

static void test_leader_dies_in_the_middle_of_a_vote(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fixture fixture;
        fixture_open(&fixture, seed, 3);
        unsigned leader = start(&fixture);
        prepare_poll(&fixture, leader, "poll");
        bool restarted = false;
        for (unsigned i = 0; i < MEMBERS; i++) {
            make_vote(&fixture, i, "poll", i < 6 ? "yes" : "no");
            if (i == 3 || i == 6) {
                /* Handed in at the leader's very end: it may or may not be in the log. */
                leader = world_await_leader(fixture.world, 5000);
                (void)submit(&fixture, leader);
                world_run(fixture.world, seed % 5);
                if (fixture.world->nodes[leader].up) {
                    world_crash(fixture.world, leader);
                }
            }
            struct slice reply = send_until_decided(&fixture, 1 + i % 3);
            assert_true(packed_is(reply, "code", "ok"));
            if (i == 5) {
                world_start_all(fixture.world);
                restarted = true;
            }
        }
        assert_true(restarted);
        world_start_all(fixture.world);
        assert_equal_digests(&fixture);
        for (unsigned node = 1; node <= 3; node++) {
            for (unsigned i = 0; i < MEMBERS; i++) {
                struct slice ballot = query_ballot(&fixture, node, "poll", i);
                assert_int_equal(packed_u64(ballot, "ballot"), 1); /* once */
            }
            struct slice tally = query_tally(&fixture, node, "poll");
            assert_int_equal(packed_u64(tally, "questions.0.yes.0"), 6);
            assert_int_equal(packed_u64(tally, "questions.0.no.0"), 3);
        }
        fixture_close(&fixture);
    }
}

static void test_a_command_sent_to_every_node_is_decided_once(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 3, 3);
    unsigned leader = start(&fixture);
    prepare_poll(&fixture, leader, "poll");
    make_vote(&fixture, 0, "poll", "yes");
    uint64_t tokens[7];
    for (unsigned i = 0; i < 6; i++) { /* twice by each node, at once */
        tokens[i] = submit(&fixture, 1 + i % 3);
    }
    for (unsigned i = 0; i < 6; i++) {
        assert_decided(&fixture, tokens[i], "ok");
    }
    tokens[6] = submit(&fixture, other_than(&fixture, leader)); /* and later */
    assert_decided(&fixture, tokens[6], "ok");
    struct slice first = world_answer(fixture.world, tokens[0])->reply;
    for (unsigned i = 1; i < 7; i++) {
        struct slice reply = world_answer(fixture.world, tokens[i])->reply;
        assert_int_equal(reply.size, first.size);
        assert_memory_equal(reply.data, first.data, first.size);
    }
    assert_equal_digests(&fixture);
    assert_int_equal(packed_u64(query_ballot(&fixture, 1, "poll", 0), "ballot"), 1);
    fixture_close(&fixture);
}

static void test_another_command_with_the_same_nonce_gets_its_own_refusal(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 4, 3);
    unsigned leader = start(&fixture);
    prepare_poll(&fixture, leader, "poll");
    make_vote(&fixture, 0, "poll", "yes");
    uint64_t first = submit(&fixture, other_than(&fixture, leader));
    fixture.members[0].nonces--;
    make_vote(&fixture, 0, "poll", "no");
    uint64_t second = submit(&fixture, other_than(&fixture, leader));
    struct slice replies[2] = {world_await(fixture.world, first)->reply,
                               world_await(fixture.world, second)->reply};
    /* The network may have turned their order round; one of them wins. */
    unsigned winner = packed_u64(replies[0], "index") > packed_u64(replies[1], "index") ||
                      (packed_u64(replies[0], "index") == packed_u64(replies[1], "index") &&
                       packed_u64(replies[0], "position") > packed_u64(replies[1], "position"));
    assert_true(packed_is(replies[winner], "code", "ok"));
    assert_true(packed_is(replies[1 - winner], "code", "nonce_reused"));
    fixture_close(&fixture);
}

static void test_an_isolated_leader_serves_no_stale_read(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 5, 3);
    unsigned old = start(&fixture);
    prepare_poll(&fixture, old, "poll");
    world_isolate(fixture.world, old);
    /* Asked while it still believes that it leads. */
    assert_int_equal(status_of(&fixture, old).state, REPLICA_LEADER);
    uint64_t stale = world_read(fixture.world, old, 2000);
    make_vote(&fixture, 0, "poll", "yes");
    unsigned near = other_than(&fixture, old);
    assert_true(packed_is(send_until_decided(&fixture, near), "code", "ok"));
    const struct world_answer *answer = world_await(fixture.world, stale);
    assert_int_equal(answer->state, WORLD_ANSWERED);
    assert_int_equal(answer->code, CONCLAVE_NO_LEADER);
    /* The others see the ballot, whichever of them is asked. */
    for (unsigned node = 1; node <= 3; node++) {
        if (node != old) {
            uint64_t read = world_read(fixture.world, node, TIMEOUT_MS);
            assert_int_equal(world_await(fixture.world, read)->code, CONCLAVE_OK);
            assert_int_equal(packed_u64(query_ballot(&fixture, node, "poll", 0), "ballot"), 1);
        }
    }
    fixture_close(&fixture);
}

/* Every read that is asked for after an acknowledgement sees what was acknowledged. */
static void test_reads_follow_acknowledgements_on_every_node(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 6, 5);
    unsigned leader = start(&fixture);
    fixture.world->network.delay_max_ms = 20;
    fixture.world->network.loss = 500;
    prepare_poll(&fixture, leader, "poll");
    for (unsigned i = 0; i < MEMBERS; i++) {
        make_vote(&fixture, i, "poll", "yes");
        (void)send_until_decided(&fixture, 1 + i % 5);
        uint64_t tokens[5];
        for (unsigned node = 1; node <= 5; node++) {
            tokens[node - 1] = world_read(fixture.world, node, 20000);
        }
        for (unsigned node = 1; node <= 5; node++) {
            assert_int_equal(world_await(fixture.world, tokens[node - 1])->code, CONCLAVE_OK);
            struct slice tally = query_tally(&fixture, node, "poll");
            assert_int_equal(packed_u64(tally, "questions.0.yes.0"), i + 1);
        }
    }
    fixture_close(&fixture);
}

/* The leader's answer tells the follower what is committed: it need not wait for an append. */
static void test_a_follower_reads_without_waiting_for_a_heartbeat(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open_with(&fixture,
                      (struct world_config){
                          .seed = 14, .node_count = 3, .heartbeat_ms = 2000, .election_ms = 8000});
    fixture.world->network.delay_max_ms = 1;
    fixture.world->disks.write_max_ms = 1;
    world_start_all(fixture.world);
    unsigned leader = world_await_leader(fixture.world, 60000);
    unsigned follower = other_than(&fixture, leader);
    for (unsigned i = 0; i < MEMBERS; i++) {
        make_admit(&fixture, i);
        assert_decided(&fixture, submit(&fixture, follower), "ok");
        uint64_t token = world_read(fixture.world, follower, TIMEOUT_MS);
        const struct world_answer *answer = world_await(fixture.world, token);
        assert_int_equal(answer->code, CONCLAVE_OK);
        assert_true(answer->answered_ms - answer->asked_ms <= 10); /* four messages of 1 ms */
        buffer_clear(&fixture.params);
        codec_write_map(&fixture.params, 1);
        params_pair(&fixture, "id", fixture.members[i].id);
        (void)query(&fixture, follower, "member.get");
    }
    fixture_close(&fixture);
}

static void test_without_a_quorum_there_is_no_leader(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 7, 3);
    unsigned leader = start(&fixture);
    make_admit(&fixture, 0);
    world_isolate(fixture.world, leader);
    /* Taken by a leader that cannot commit it: in its log, so nobody can say. */
    uint64_t unknown = submit(&fixture, leader);
    assert_int_equal(world_await(fixture.world, unknown)->code, CONCLAVE_UNKNOWN_OUTCOME);
    uint64_t refused = submit(&fixture, leader);
    assert_int_equal(world_answer(fixture.world, refused)->code, CONCLAVE_NO_LEADER);
    refused = world_read(fixture.world, leader, TIMEOUT_MS);
    assert_int_equal(world_answer(fixture.world, refused)->code, CONCLAVE_NO_LEADER);
    /* Sent again after all is well, it is decided, once. */
    world_heal(fixture.world);
    world_run(fixture.world, 2000);
    assert_true(packed_is(send_until_decided(&fixture, leader), "code", "ok"));
    fixture_close(&fixture);
}

/* What the deadline would have said; and the command, sent elsewhere, is decided once. */
static void test_those_who_wait_in_vain_are_told_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 11, 3);
    unsigned leader = start(&fixture), follower = other_than(&fixture, leader);
    make_admit(&fixture, 0);
    world_isolate(fixture.world, follower);
    uint64_t command = submit(&fixture, follower);
    uint64_t read = world_read(fixture.world, follower, TIMEOUT_MS);
    uint64_t final = world_await_final(fixture.world, follower, 1000, TIMEOUT_MS);
    for (uint64_t token = command; token <= final; token++) {
        assert_int_equal(world_answer(fixture.world, token)->state, WORLD_WAITING);
    }
    replica_give_up(fixture.world->nodes[follower].replica);
    assert_int_equal(world_answer(fixture.world, command)->code, CONCLAVE_UNKNOWN_OUTCOME);
    assert_int_equal(world_answer(fixture.world, read)->code, CONCLAVE_UNKNOWN_OUTCOME);
    assert_int_equal(world_answer(fixture.world, final)->code, CONCLAVE_NOT_FINAL);
    assert_true(packed_is(send_until_decided(&fixture, leader), "code", "ok"));
    world_heal(fixture.world);
    assert_true(world_await_equal(fixture.world, TIMEOUT_MS));
    fixture_close(&fixture);
}

static void test_a_command_outlives_the_leader_it_was_sent_to(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct fixture fixture;
        fixture_open(&fixture, seed, 3);
        unsigned leader = start(&fixture);
        make_admit(&fixture, 0);
        uint64_t token = submit(&fixture, other_than(&fixture, leader));
        world_crash(fixture.world, leader);
        assert_decided(&fixture, token, "ok"); /* within the same request */
        fixture_close(&fixture);
    }
}

static void test_a_wiped_state_is_rebuilt_from_the_log(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 8, 3);
    unsigned leader = start(&fixture);
    prepare_poll(&fixture, leader, "poll");
    for (unsigned i = 0; i < MEMBERS; i++) {
        make_vote(&fixture, i, "poll", "yes");
        (void)send_until_decided(&fixture, 1 + i % 3);
    }
    assert_equal_digests(&fixture);
    struct replica_status before = status_of(&fixture, leader);
    for (unsigned node = 1; node <= 3; node++) {
        world_crash(fixture.world, node);
        world_wipe_state(fixture.world, node);
    }
    start(&fixture);
    assert_equal_digests(&fixture);
    /* The new leader's barrier changes nothing but the index. */
    assert_memory_equal(status_of(&fixture, 1).digest, before.digest, sizeof before.digest);
    struct slice tally = query_tally(&fixture, 2, "poll");
    assert_int_equal(packed_u64(tally, "questions.0.yes.0"), MEMBERS);
    fixture_close(&fixture);
}

static void test_a_due_poll_is_closed_by_the_leader(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 9, 3);
    unsigned leader = start(&fixture);
    prepare_poll(&fixture, leader, "long");
    make_open(&fixture, "poll", 2000);
    struct slice opened = send_until_decided(&fixture, leader);
    uint64_t closes_at = packed_u64(opened, "result.closes_at");
    assert_int_equal(closes_at, packed_u64(opened, "time") + 2000);
    make_vote(&fixture, 0, "poll", "yes");
    (void)send_until_decided(&fixture, leader);
    uint64_t steps = fixture.world->steps;
    world_run(fixture.world, 3000);
    assert_true(fixture.world->steps - steps < 3000); /* nobody spins */
    for (unsigned node = 1; node <= 3; node++) {
        assert_true(packed_is(query_tally(&fixture, node, "poll"), "state", "closed"));
        assert_true(packed_is(query_tally(&fixture, node, "long"), "state", "open"));
    }
    make_vote(&fixture, 1, "poll", "yes");
    assert_true(packed_is(send_until_decided(&fixture, leader), "code", "poll_closed"));
    /* The closing is an entry of its own, stamped after the closing time. */
    struct slice log = query_log(&fixture, 1, 1, 1000);
    unsigned found = 0;
    for (uint32_t i = 0; i < packed_count(log, "items"); i++) {
        char path[64];
        snprintf(path, sizeof path, "items.%u.closes", i);
        if (packed_count(log, path) > 0) {
            snprintf(path, sizeof path, "items.%u.closes.0", i);
            assert_true(packed_is(log, path, "poll"));
            snprintf(path, sizeof path, "items.%u.time", i);
            assert_true(packed_u64(log, path) > closes_at);
            found++;
        }
    }
    assert_int_equal(found, 1);
    fixture_close(&fixture);
}

static bool poll_is_closed(struct world *world, void *context)
{
    (void)world;
    struct fixture *fixture = context;
    return packed_is(query_tally(fixture, world_leader(world), "late"), "state", "closed");
}

/* A leader is cut off with a closing entry far ahead in its log, which is lost. When it leads again
 * it closes polls as ever: it does not wait for the log to come as far as that entry was. */
static void test_a_lost_closing_entry_holds_up_no_other(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 21, 3);
    struct world *world = fixture.world;
    unsigned old = start(&fixture);
    make_open(&fixture, "early", 1000);
    assert_decided(&fixture, submit(&fixture, old), "ok");
    make_open(&fixture, "late", 20000);
    assert_decided(&fixture, submit(&fixture, old), "ok");
    assert_true(world_await_equal(world, 500));
    world_run(world, 800); /* since the first was opened: nearly a second */
    world_isolate(world, old);
    unsigned waiting = 0;
    while (status_of(&fixture, old).state == REPLICA_LEADER) {
        make_admit(&fixture, waiting++ % MEMBERS);
        (void)world_submit(world, old, command_of(&fixture), 2000);
        world_run(world, 10);
    }
    uint64_t lost_index = status_of(&fixture, old).last_index;
    assert_true(lost_index >= status_of(&fixture, old).commit_index + 10);
    world_run(world, 3000); /* the others close it; what was submitted is given up */
    world_heal(world);
    assert_true(world_await_equal(world, 5000));
    for (unsigned tries = 0; world_leader(world) != old; tries++) {
        assert_true(tries < 50);
        unsigned leader = world_leader(world);
        world_crash(world, leader);
        assert_int_not_equal(world_await_leader(world, 5000), 0);
        assert_int_equal(world_start(world, leader), CONCLAVE_OK);
        assert_true(world_await_equal(world, 5000));
    }
    assert_true(status_of(&fixture, old).last_index + 3 < lost_index);
    assert_true(world_run_until(world, poll_is_closed, &fixture, 30000));
    assert_int_equal(world_leader(world), old);
    fixture_close(&fixture);
}

static void test_log_read_gives_what_was_written(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 10, 3);
    unsigned leader = start(&fixture);
    make_admit(&fixture, 0);
    uint64_t index = packed_u64(send_until_decided(&fixture, leader), "index");
    struct slice log = query_log(&fixture, leader, 1, 2);
    assert_int_equal(packed_count(log, "items"), 2);
    assert_true(packed_is(log, "items.0.type", "configuration"));
    assert_true(packed_is(log, "items.1.type", "batch"));
    assert_true(packed_is(log, "items.1.commands.0.code", "ok"));
    struct slice genesis = packed_bytes(log, "items.1.commands.0.command");
    assert_int_equal(genesis.size, fixture.world->genesis.size);
    assert_memory_equal(genesis.data, fixture.world->genesis.data, genesis.size);
    log = query_log(&fixture, leader, index, 100);
    assert_int_equal(packed_u64(log, "last"), index);
    assert_int_equal(packed_count(log, "items"), 1);
    struct slice command = packed_bytes(log, "items.0.commands.0.command");
    assert_int_equal(command.size, fixture.command.size);
    assert_memory_equal(command.data, fixture.command.data, command.size);
    log = query_log(&fixture, leader, index + 1, 100);
    assert_int_equal(packed_count(log, "items"), 0);
    fixture_close(&fixture);
}

static void test_leadership_is_handed_over(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 11, 3);
    unsigned old = start(&fixture);
    assert_equal_digests(&fixture);
    uint64_t before_ms = fixture.world->now_ms;
    replica_transfer(fixture.world->nodes[old].replica);
    fixture.world->nodes[old].tick_ms = fixture.world->now_ms;
    make_admit(&fixture, 0);
    world_run(fixture.world, 100);
    unsigned leader = world_await_leader(fixture.world, 1000);
    assert_int_not_equal(leader, old);
    /* Without waiting for an election timeout. */
    assert_true(fixture.world->now_ms - before_ms < 300);
    assert_true(packed_is(send_until_decided(&fixture, old), "code", "ok"));
    fixture_close(&fixture);
}

static void test_five_nodes_go_on_without_two(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 12, 5);
    unsigned leader = start(&fixture);
    world_crash(fixture.world, leader);
    world_crash(fixture.world, other_than(&fixture, leader));
    assert_int_not_equal(world_await_leader(fixture.world, 3000), 0);
    make_admit(&fixture, 0);
    assert_true(packed_is(send_until_decided(&fixture, leader), "code", "ok"));
    world_start_all(fixture.world);
    assert_equal_digests(&fixture);
    fixture_close(&fixture);
}

static void test_clocks_that_differ_never_turn_log_time_back(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_open(&fixture, 13, 3);
    for (unsigned node = 1; node <= 3; node++) {
        fixture.world->nodes[node].wall_skew_ms = (int64_t)node * -3000;
    }
    unsigned leader = start(&fixture);
    uint64_t time_ms = 0;
    for (unsigned i = 0; i < MEMBERS; i++) {
        make_admit(&fixture, i);
        struct slice reply = send_until_decided(&fixture, leader);
        assert_true(packed_u64(reply, "time") >= time_ms);
        time_ms = packed_u64(reply, "time");
        if (i % 3 == 1) {
            world_start_all(fixture.world);
            leader = world_await_leader(fixture.world, 5000);
            world_crash(fixture.world, leader);
            leader = world_await_leader(fixture.world, 5000);
        }
    }
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_nodes_elect_and_commit_genesis),
        cmocka_unit_test(test_one_node_is_a_cluster),
        cmocka_unit_test(test_leader_dies_in_the_middle_of_a_vote),
        cmocka_unit_test(test_a_command_sent_to_every_node_is_decided_once),
        cmocka_unit_test(test_another_command_with_the_same_nonce_gets_its_own_refusal),
        cmocka_unit_test(test_an_isolated_leader_serves_no_stale_read),
        cmocka_unit_test(test_reads_follow_acknowledgements_on_every_node),
        cmocka_unit_test(test_a_follower_reads_without_waiting_for_a_heartbeat),
        cmocka_unit_test(test_without_a_quorum_there_is_no_leader),
        cmocka_unit_test(test_those_who_wait_in_vain_are_told_at_once),
        cmocka_unit_test(test_a_command_outlives_the_leader_it_was_sent_to),
        cmocka_unit_test(test_a_wiped_state_is_rebuilt_from_the_log),
        cmocka_unit_test(test_a_due_poll_is_closed_by_the_leader),
        cmocka_unit_test(test_a_lost_closing_entry_holds_up_no_other),
        cmocka_unit_test(test_log_read_gives_what_was_written),
        cmocka_unit_test(test_leadership_is_handed_over),
        cmocka_unit_test(test_five_nodes_go_on_without_two),
        cmocka_unit_test(test_clocks_that_differ_never_turn_log_time_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
