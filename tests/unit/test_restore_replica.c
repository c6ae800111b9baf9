/* Replicas whose logs are restored, in the virtual world: a cluster of one writes a record; three
 * nodes begin with it, and all die while they replay it, so that they start with a state of the old
 * cluster under the id of the new one; a fourth joins and dies on the same way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "codec/envelope.h"
#include "codec/writer.h"
#include "consensus/restore.h"
#include "log/log_memory.h"
#include "support/packed.h"
#include "support/world.h"

#define TIMEOUT_MS UINT64_C(20000)
#define MEMBERS    700u /* entries: far more than are applied in one turn */

static struct buffer command;
static struct buffer founding;

/* Hands `command` to whoever leads, until it is decided as `ok`. */
static void decide(struct world *world)
{
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        unsigned leader = world_await_leader(world, TIMEOUT_MS);
        assert_int_not_equal(leader, 0);
        const struct world_answer *answer =
            world_await(world, world_submit(world, leader, buffer_slice(&command), TIMEOUT_MS));
        if (answer->state == WORLD_ANSWERED && answer->code == CONCLAVE_OK) {
            assert_true(packed_is(answer->reply, "code", "ok"));
            return;
        }
        world_run(world, 100);
    }
    fail_msg("the command was never decided");
}

static void admit(struct world *world, unsigned number)
{
    struct actor member;
    char id[32];
    snprintf(id, sizeof id, "member-%u", number);
    actor_init(&member, id);
    actor_admit(&world->chair, &command, world->cluster_id, world_wall_ms(world) + 3600000,
                &member);
    decide(world);
}

static void add_node(struct world *world, unsigned id)
{
    static const uint8_t token[32] = {9};
    struct buffer body;
    char address[32];
    buffer_init(&body, 1024);
    codec_write_map(&body, 5);
    codec_write_text(&body, "id");
    codec_write_u64(&body, id);
    codec_write_text(&body, "peer");
    snprintf(address, sizeof address, "127.0.0.1:%u", 7100 + id);
    codec_write_text(&body, address);
    codec_write_text(&body, "client");
    snprintf(address, sizeof address, "127.0.0.1:%u", 7200 + id);
    codec_write_text(&body, address);
    codec_write_text(&body, "token");
    codec_write_bytes(&body, slice_of(token, sizeof token));
    codec_write_text(&body, "role");
    codec_write_text(&body, "standby");
    actor_command(&world->chair, &command, world->cluster_id, world_wall_ms(world) + 3600000,
                  "node.add", buffer_slice(&body));
    buffer_close(&body);
    decide(world);
}

static enum conclave_code give(void *context, uint64_t index, const struct log_entry *entry)
{
    static const enum replica_restore_type types[] = {
        [LOG_ENTRY_COMMAND] = REPLICA_RESTORE_BATCH,
        [LOG_ENTRY_BARRIER] = REPLICA_RESTORE_BARRIER,
        [LOG_ENTRY_CONFIGURATION] = REPLICA_RESTORE_CONFIGURATION,
    };
    struct replica_restore *restore = context;
    struct codec_error error = {.text = ""};
    struct batch batch = {.command_count = 0};
    struct slice commands[4];
    bool is_batch = entry->type == LOG_ENTRY_COMMAND;
    if (is_batch) {
        assert_int_equal(batch_decode(&batch, entry->data), CONCLAVE_OK);
        assert_true(batch.command_count <= 4 && batch.close_count == 0);
        for (uint32_t i = 0; i < batch.command_count; i++) {
            assert_int_equal(codec_get_bytes(&batch.commands[i], &commands[i]), CONCLAVE_OK);
        }
    }
    const struct replica_restore_entry given = {.index = index,
                                                .term = entry->term,
                                                .type = types[entry->type],
                                                .time_ms = batch.time_ms,
                                                .commands = commands,
                                                .command_count = batch.command_count};
    enum conclave_code code = replica_restore_entry(restore, &given, &error);
    assert_string_equal(error.text, "");
    if (is_batch) {
        batch_close(&batch);
    }
    return code;
}

/* The disks of `world` begin with the record of `old`. */
static uint64_t restore(struct world *world, struct world *old)
{
    struct log *record = old->nodes[1].log;
    struct envelope envelope;
    struct codec_error error;
    uint8_t hash[crypto_hash_sha256_BYTES];
    struct genesis_former former = {.count = 1, .index = log_last_index(record), .leaves = 1};
    memcpy(former.clusters[0], old->cluster_id, sizeof old->cluster_id);
    world->chair.nonces = old->chair.nonces; /* those that it used are used */
    actor_restore(&world->chair, &founding, world->config.node_count, world_wall_ms(old), &former);
    assert_int_equal(envelope_decode(&envelope, buffer_slice(&founding), &error), CONCLAVE_OK);
    crypto_hash_sha256(hash, envelope.bytes.data, envelope.bytes.size);
    envelope_close(&envelope);
    memcpy(world->cluster_id, hash, sizeof world->cluster_id);
    for (unsigned i = 1; i <= world->config.node_count; i++) {
        struct world_node *node = &world->nodes[i];
        struct replica_restore *made;
        log_close(node->log);
        assert_int_equal(log_memory_open(&node->log), CONCLAVE_OK);
        const struct replica_restore_config config = {node->log, buffer_slice(&founding), i,
                                                      &node->random};
        assert_int_equal(replica_restore_open(&config, &made, &error), CONCLAVE_OK);
        assert_int_equal(log_read(record, 1, former.index, give, made), CONCLAVE_OK);
        assert_int_equal(replica_restore_finish(made, &error), CONCLAVE_OK);
        replica_restore_close(made);
    }
    return former.index;
}

static uint64_t applied(const struct world *world, unsigned node)
{
    struct replica_status status;
    replica_status(world->nodes[node].replica, &status);
    return status.applied_index;
}

struct half {
    unsigned node;
    uint64_t end;
};

/* A node has replayed a part of the record. */
static bool is_half(struct world *world, void *context)
{
    const struct half *half = context;
    uint64_t at = applied(world, half->node);
    return at > 10 && at < half->end;
}

static unsigned configurations_after(struct world *world, uint64_t end)
{
    struct log *log = world->nodes[1].log;
    unsigned count = 0;
    for (uint64_t index = end + 1; index <= log_last_index(log); index++) {
        uint64_t term;
        enum log_entry_type type;
        assert_int_equal(log_read_header(log, index, &term, &type), CONCLAVE_OK);
        count += type == LOG_ENTRY_CONFIGURATION;
    }
    return count;
}

static void all_go_on_whenever_they_die(void **state)
{
    (void)state;
    const struct world_config alone = {.seed = 5, .node_count = 1};
    const struct world_config three = {.seed = 6, .node_count = 3};
    buffer_init(&command, LIMIT_FRAME_BYTES);
    buffer_init(&founding, LIMIT_FRAME_BYTES);
    struct world *old = world_open(&alone);
    world_start_all(old);
    assert_int_equal(world_await_leader(old, TIMEOUT_MS), 1);
    /* A standby of this id in the old cluster is no reason to take the new node's vote. */
    assert_int_equal(world_add(old), 2);
    add_node(old, 2);
    for (unsigned i = 0; i < MEMBERS; i++) {
        admit(old, i);
    }
    struct world *world = world_open(&three);
    uint64_t end = restore(world, old);
    world_close(old);
    world_start_all(world);
    struct half half = {1, end};
    unsigned deaths = 0;
    while (world_run_until(world, is_half, &half, TIMEOUT_MS) && deaths < 3) {
        deaths++;
        for (unsigned i = 1; i <= 3; i++) {
            world_crash(world, i);
        }
        for (unsigned i = 1; i <= 3; i++) {
            assert_int_equal(world_start(world, i), CONCLAVE_OK);
        }
    }
    assert_true(deaths > 0);
    assert_int_not_equal(world_await_leader(world, TIMEOUT_MS), 0);
    admit(world, MEMBERS);
    assert_true(world_await_equal(world, TIMEOUT_MS));
    assert_int_equal(configurations_after(world, end), 0);
    add_node(world, 4);
    assert_int_equal(world_add(world), 4);
    assert_int_equal(world_start(world, 4), CONCLAVE_OK);
    half.node = 4;
    for (deaths = 0; deaths < 3 && world_run_until(world, is_half, &half, TIMEOUT_MS); deaths++) {
        world_crash(world, 4);
        assert_int_equal(world_start(world, 4), CONCLAVE_OK);
    }
    assert_true(deaths > 0);
    admit(world, MEMBERS + 1);
    assert_true(world_await_equal(world, TIMEOUT_MS));
    world_run(world, 3000);
    for (unsigned i = 1; i <= 4; i++) {
        assert_true(applied(world, i) > end + 3);
        assert_int_equal(world->nodes[i].failure, CONCLAVE_OK);
    }
    /* A majority of the new nodes has signed what there is: genesis, two nodes, all members, the
     * restore. */
    const struct world_answer *final = world_await(
        world, world_await_final(world, world_leader(world), 1 + 1 + MEMBERS + 2 + 2, TIMEOUT_MS));
    assert_int_equal(final->code, CONCLAVE_OK);
    assert_string_equal(world->broken, "");
    world_close(world);
    buffer_close(&command);
    buffer_close(&founding);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_go_on_whenever_they_die)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
