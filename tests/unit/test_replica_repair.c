/* An entry of a log that is damaged is put back from another node's log; until then the node
 * neither votes nor acknowledges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "consensus/message.h"
#include "log/log_memory.h"
#include "support/world.h"

#define TIMEOUT_MS 5000u
#define DAY_MS     (24u * 3600u * 1000u)
#define BIT        77u

static struct world *open_world(unsigned node_count)
{
    const struct world_config config = {.seed = 1, .node_count = node_count};
    return world_open(&config);
}

static void close_world(struct world *world)
{
    for (unsigned node = 1; node <= world->config.node_count; node++) {
        assert_int_equal(world->nodes[node].failure, CONCLAVE_OK);
    }
    assert_string_equal(world->broken, "");
    world_close(world);
}

static enum conclave_code admitted(struct world *world, unsigned node, const char *id)
{
    struct actor member;
    actor_init(&member, id);
    struct buffer command;
    buffer_init(&command, LIMIT_FRAME_BYTES);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + DAY_MS / 2,
                &member);
    uint64_t token = world_submit(world, node, buffer_slice(&command), TIMEOUT_MS);
    buffer_close(&command);
    return world_await(world, token)->code;
}

static struct replica_status status_of(struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status;
}

static enum conclave_code copy_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)index;
    buffer_append(context, entry->data.data, entry->data.size);
    return CONCLAVE_OK;
}

static enum conclave_code entry_of(struct world *world, unsigned node, uint64_t index,
                                   struct buffer *data)
{
    buffer_init(data, LIMIT_FRAME_BYTES);
    return log_read(world->nodes[node].log, index, index, copy_entry, data);
}

static bool is_whole(struct world *world, void *context)
{
    const unsigned *node = context;
    return status_of(world, *node).repairing == 0;
}

/* A cluster in which all have entry `*index`, a command; its leader. */
static unsigned start(struct world *world, uint64_t *index)
{
    world_start_all(world);
    unsigned leader = world_await_leader(world, 5000);
    assert_int_not_equal(leader, 0);
    assert_int_equal(admitted(world, leader, "one"), CONCLAVE_OK);
    *index = log_last_index(world->nodes[leader].log);
    assert_int_equal(admitted(world, leader, "two"), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    return leader;
}

static void damage(struct world *world, unsigned node, uint64_t index)
{
    log_memory_corrupt(world->nodes[node].log, index, BIT);
    assert_int_equal(replica_repair(world->nodes[node].replica, index), CONCLAVE_OK);
    assert_true(status_of(world, node).repairing == index);
    replica_tick(world->nodes[node].replica);
}

static void expect_same(struct world *world, unsigned a, unsigned b, uint64_t index)
{
    struct buffer first;
    struct buffer second;
    assert_int_equal(entry_of(world, a, index, &first), CONCLAVE_OK);
    assert_int_equal(entry_of(world, b, index, &second), CONCLAVE_OK);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.data, second.data, first.size);
    buffer_close(&first);
    buffer_close(&second);
}

static void test_a_follower_is_repaired(void **state)
{
    (void)state;
    uint64_t index;
    struct world *world = open_world(3);
    unsigned leader = start(world, &index);
    unsigned ill = leader % 3 + 1;
    /* Nothing is damaged: there is nothing to do. */
    assert_int_equal(replica_repair(world->nodes[ill].replica, index), CONCLAVE_OK);
    assert_true(status_of(world, ill).repairing == 0);
    damage(world, ill, index);
    assert_true(world_run_until(world, is_whole, &ill, 1000));
    expect_same(world, ill, leader, index);
    assert_int_equal(admitted(world, leader, "three"), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

/* It hands over, if there is somebody, and is repaired either way. */
static void test_a_leader_is_repaired(void **state)
{
    (void)state;
    uint64_t index;
    struct world *world = open_world(3);
    unsigned leader = start(world, &index);
    damage(world, leader, index);
    assert_true(world_run_until(world, is_whole, &leader, 2000));
    world_run(world, 1000); /* leadership is on its way */
    unsigned next = world_await_leader(world, 5000);
    expect_same(world, leader, leader % 3 + 1, index);
    assert_int_equal(admitted(world, next, "three"), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

/* While its entry is damaged and nobody can be asked it is no voter: a leader that only it could
 * make one is not made, nothing that needs its acknowledgement is committed. */
static void test_it_does_not_vote_meanwhile(void **state)
{
    (void)state;
    uint64_t index;
    struct world *world = open_world(3);
    unsigned leader = start(world, &index);
    unsigned ill = leader % 3 + 1;
    unsigned other = ill % 3 + 1;
    world_crash(world, leader);
    world->cut[ill][other] = true; /* its question is lost; all that is sent to it comes */
    damage(world, ill, index);
    uint64_t term = status_of(world, ill).term;
    world_run(world, 5000);
    assert_int_equal(world_leader(world), 0);
    assert_true(status_of(world, ill).repairing == index);
    assert_true(status_of(world, ill).term == term);
    world->cut[ill][other] = false;
    assert_true(world_run_until(world, is_whole, &ill, 2000));
    unsigned next = world_await_leader(world, 5000);
    assert_int_not_equal(next, 0);
    assert_int_equal(admitted(world, next, "three"), CONCLAVE_OK);
    assert_int_equal(world_start(world, leader), CONCLAVE_OK);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

/* An entry that was never committed is nowhere else: it is replaced as any such entry is. A leader
 * that has more than that (`later`) has to be told first that the logs differ. */
static void replace_what_nobody_committed(bool later)
{
    uint64_t index;
    struct world *world = open_world(3);
    unsigned ill = start(world, &index);
    world_isolate(world, ill);
    struct actor member;
    struct buffer command;
    actor_init(&member, "lost");
    buffer_init(&command, LIMIT_FRAME_BYTES);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + DAY_MS / 2,
                &member);
    (void)world_submit(world, ill, buffer_slice(&command), TIMEOUT_MS);
    buffer_close(&command);
    world_run(world, 100);
    index = log_last_index(world->nodes[ill].log);
    world_crash(world, ill);
    world_heal(world);
    unsigned next = world_await_leader(world, 5000);
    assert_int_equal(admitted(world, next, "other"), CONCLAVE_OK);
    assert_true(log_last_index(world->nodes[next].log) >= index);
    if (later) {
        replica_transfer(world->nodes[next].replica);
        world_run(world, 1000);
        next = world_await_leader(world, 5000);
    }
    assert_int_equal(world_start(world, ill), CONCLAVE_OK);
    damage(world, ill, index);
    assert_true(world_run_until(world, is_whole, &ill, 3000));
    expect_same(world, ill, next, index);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

static void test_an_entry_that_nobody_committed(void **state)
{
    (void)state;
    replace_what_nobody_committed(false);
    replace_what_nobody_committed(true);
}

static void inject(struct world *world, unsigned from, unsigned to,
                   const struct message_repair *answer)
{
    struct buffer message;
    buffer_init(&message, LIMIT_FRAME_BYTES);
    message_write_repair(&message, MESSAGE_REPAIR_ENTRY, answer);
    world_inject(world, from, to, buffer_slice(&message));
    buffer_close(&message);
}

/* Bytes that are not the entry's are not taken, whoever sends them. */
static void test_only_the_very_bytes_are_taken(void **state)
{
    (void)state;
    uint64_t index;
    struct world *world = open_world(3);
    unsigned leader = start(world, &index);
    unsigned ill = leader % 3 + 1;
    struct buffer data;
    uint64_t term;
    enum log_entry_type type;
    assert_int_equal(entry_of(world, leader, index, &data), CONCLAVE_OK);
    assert_int_equal(log_read_header(world->nodes[leader].log, index, &term, &type), CONCLAVE_OK);
    world_isolate(world, ill);
    damage(world, ill, index);
    struct message_repair answer = {
        .index = index, .term = term, .type = (uint64_t)type, .data = buffer_slice(&data)};
    data.data[3] ^= 1;
    inject(world, leader, ill, &answer);
    data.data[3] ^= 1;
    answer.data.size--;
    inject(world, leader, ill, &answer);
    answer.data.size++;
    answer.type = LOG_ENTRY_BARRIER;
    inject(world, leader, ill, &answer);
    answer.type = (uint64_t)type;
    answer.term++;
    inject(world, leader, ill, &answer);
    answer.term--;
    answer.index++;
    inject(world, leader, ill, &answer);
    assert_true(status_of(world, ill).repairing == index);
    answer.index--;
    inject(world, leader, ill, &answer);
    assert_true(status_of(world, ill).repairing == 0);
    expect_same(world, ill, leader, index);
    buffer_close(&data);
    world_heal(world);
    assert_true(world_await_equal(world, 5000));
    close_world(world);
}

/* A head that is damaged says nothing any more of what was acknowledged. */
static void test_a_damaged_head_is_not_repaired(void **state)
{
    (void)state;
    uint64_t index;
    struct world *world = open_world(3);
    unsigned leader = start(world, &index);
    unsigned ill = leader % 3 + 1;
    for (size_t bit = 0; bit < 256; bit += 13) {
        log_memory_corrupt_head(world->nodes[ill].log, index, bit);
        assert_int_equal(replica_repair(world->nodes[ill].replica, index), CONCLAVE_CORRUPT);
        assert_true(status_of(world, ill).repairing == 0);
        log_memory_corrupt_head(world->nodes[ill].log, index, bit);
    }
    close_world(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_follower_is_repaired),
        cmocka_unit_test(test_a_leader_is_repaired),
        cmocka_unit_test(test_it_does_not_vote_meanwhile),
        cmocka_unit_test(test_an_entry_that_nobody_committed),
        cmocka_unit_test(test_only_the_very_bytes_are_taken),
        cmocka_unit_test(test_a_damaged_head_is_not_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
