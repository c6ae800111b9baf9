/* A minute of bad weather, many times over: crashes, wiped states, partitions, loss, repetition and
 * reordering, while members vote by any node and send again what they do not know the outcome of.
 *
 * After every event: I3, I4, I5 (world_check.h). At the end: the cluster works within ten election
 * timeouts (I8); every reply that was acknowledged names the place in every log where exactly that
 * command stands (I1); each member's last ballot has the number of its commands that the log has,
 * each counted once (I2). CONCLAVE_SOAK_SEEDS says how many seeds (default 60).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/writer.h"
#include "support/packed.h"
#include "support/world.h"
#include "support/world_check.h"
#include "support/world_faults.h"

#define MEMBERS    8u
#define VOTES_MAX  1200u
#define STORM_MS   60000u
#define DAY_MS     (24u * 3600u * 1000u)
#define REQUEST_MS 5000u

/* One command, sent as often as it takes; all its tokens. */
struct vote {
    unsigned member;
    uint8_t *command;
    size_t size;
    uint64_t token; /* the latest */
    bool known;     /* decided, as far as its client knows */
    uint64_t index;
    uint64_t position;
};

struct soak {
    struct world *world;
    struct world_faults faults;
    struct actor members[MEMBERS];
    struct buffer scratch;
    struct buffer params;
    struct vote votes[VOTES_MAX];
    unsigned vote_count;
    uint64_t next_vote_ms;
};

static unsigned any_node(struct soak *soak)
{
    return 1 + (unsigned)world_random(soak->world, soak->world->config.node_count);
}

static void decide(struct soak *soak, const char *what)
{
    for (unsigned attempt = 0; attempt < 50; attempt++) {
        uint64_t token =
            world_submit(soak->world, any_node(soak), buffer_slice(&soak->scratch), REQUEST_MS);
        const struct world_answer *answer = world_await(soak->world, token);
        if (answer->state == WORLD_ANSWERED && answer->code == CONCLAVE_OK) {
            assert_true(packed_is(answer->reply, "code", "ok"));
            return;
        }
        world_run(soak->world, 200);
    }
    fail_msg("%s was never decided", what);
}

static void prepare(struct soak *soak)
{
    struct world *world = soak->world;
    uint64_t not_after_ms = world_wall_ms(world) + DAY_MS / 2;
    assert_int_not_equal(world_await_leader(world, 5000), 0);
    for (unsigned i = 0; i < MEMBERS; i++) {
        char id[16];
        snprintf(id, sizeof id, "member-%u", i);
        actor_init(&soak->members[i], id);
        actor_admit(&world->chair, &soak->scratch, world->cluster_id, not_after_ms,
                    &soak->members[i]);
        decide(soak, id);
    }
    actor_open(&world->chair, &soak->scratch, world->cluster_id, not_after_ms, "poll",
               "simple-majority", DAY_MS);
    decide(soak, "the poll");
}

/* Notes the reply if there is one; a second one must be the same. */
static void learn(struct soak *soak, struct vote *vote)
{
    const struct world_answer *answer = world_answer(soak->world, vote->token);
    if (answer->state != WORLD_ANSWERED || answer->code != CONCLAVE_OK) {
        return;
    }
    assert_true(packed_is(answer->reply, "code", "ok"));
    uint64_t index = packed_u64(answer->reply, "index");
    uint64_t position = packed_u64(answer->reply, "position");
    if (vote->known) {
        assert_int_equal(vote->index, index);
        assert_int_equal(vote->position, position);
    }
    vote->known = true;
    vote->index = index;
    vote->position = position;
}

static void cast_new(struct soak *soak)
{
    struct world *world = soak->world;
    struct vote *vote = &soak->votes[soak->vote_count++];
    vote->member = (unsigned)world_random(world, MEMBERS);
    static const char *const answers[] = {"yes", "no", "abstain"};
    actor_vote(&soak->members[vote->member], &soak->scratch, world->cluster_id,
               world_wall_ms(world) + DAY_MS / 2, "poll", answers[world_random(world, 3)]);
    vote->size = soak->scratch.size;
    vote->command = malloc(vote->size);
    assert_non_null(vote->command);
    memcpy(vote->command, soak->scratch.data, vote->size);
    vote->token = world_submit(world, any_node(soak), slice_of(vote->command, vote->size),
                               1 + world_random(world, REQUEST_MS));
}

/* A client's turn: a new ballot, or one sent again whether or not its outcome is known. */
static void client_run(struct soak *soak)
{
    struct world *world = soak->world;
    if (world->now_ms < soak->next_vote_ms || soak->vote_count == VOTES_MAX) {
        return;
    }
    soak->next_vote_ms = world->now_ms + 10 + world_random(world, 80);
    if (soak->vote_count > 0 && world_random(world, 3) == 0) {
        struct vote *vote = &soak->votes[world_random(world, soak->vote_count)];
        learn(soak, vote);
        vote->token = world_submit(world, any_node(soak), slice_of(vote->command, vote->size),
                                   1 + world_random(world, REQUEST_MS));
    } else {
        cast_new(soak);
    }
    if (world_random(world, 4) == 0) {
        (void)world_read(world, any_node(soak), 1 + world_random(world, 2000));
    }
}

/* --- After the storm --- */

static void assert_all_decided(struct soak *soak)
{
    for (unsigned i = 0; i < soak->vote_count; i++) {
        struct vote *vote = &soak->votes[i];
        learn(soak, vote);
        vote->token = world_submit(soak->world, 1 + i % soak->world->config.node_count,
                                   slice_of(vote->command, vote->size), REQUEST_MS);
    }
    for (unsigned i = 0; i < soak->vote_count; i++) {
        struct vote *vote = &soak->votes[i];
        const struct world_answer *answer = world_await(soak->world, vote->token);
        assert_int_equal(answer->state, WORLD_ANSWERED);
        assert_int_equal(answer->code, CONCLAVE_OK);
        learn(soak, vote);
    }
}

static struct slice query(struct soak *soak, unsigned node, const char *method)
{
    enum conclave_code rv =
        world_query(soak->world, node, method, buffer_slice(&soak->params), &soak->scratch);
    assert_int_equal(rv, CONCLAVE_OK);
    return buffer_slice(&soak->scratch);
}

/* The command that a node's log has at a place. */
static void assert_stands(struct soak *soak, unsigned node, const struct vote *vote)
{
    buffer_clear(&soak->params);
    codec_write_map(&soak->params, 2);
    codec_write_text(&soak->params, "from");
    codec_write_u64(&soak->params, vote->index);
    codec_write_text(&soak->params, "limit");
    codec_write_u64(&soak->params, 1);
    struct slice log = query(soak, node, "log.read");
    char path[64];
    snprintf(path, sizeof path, "items.0.commands.%u.command", (unsigned)vote->position);
    struct slice command = packed_bytes(log, path);
    assert_int_equal(command.size, vote->size);
    assert_memory_equal(command.data, vote->command, vote->size);
    snprintf(path, sizeof path, "items.0.commands.%u.code", (unsigned)vote->position);
    assert_true(packed_is(log, path, "ok"));
}

/* All commands were decided, each is the member's own: as many effects as commands. */
static void assert_counted_once(struct soak *soak, unsigned node)
{
    unsigned commands[MEMBERS] = {0};
    for (unsigned i = 0; i < soak->vote_count; i++) {
        commands[soak->votes[i].member]++;
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (commands[i] == 0) {
            continue;
        }
        buffer_clear(&soak->params);
        codec_write_map(&soak->params, 2);
        codec_write_text(&soak->params, "poll");
        codec_write_text(&soak->params, "poll");
        codec_write_text(&soak->params, "member");
        codec_write_text(&soak->params, soak->members[i].id);
        assert_int_equal(packed_u64(query(soak, node, "ballot.get"), "ballot"), commands[i]);
    }
}

static void end_soak(struct soak *soak)
{
    struct world *world = soak->world;
    world_faults_end(world, &soak->faults);
    assert_int_not_equal(world_await_leader(world, 10u * world->config.election_ms), 0); /* I8 */
    world_run(world, 10u * world->config.election_ms);
    assert_all_decided(soak);
    assert_true(world_await_equal(world, 10u * world->config.election_ms));
    for (unsigned node = 1; node <= world->config.node_count; node++) {
        struct replica_status status;
        replica_status(world->nodes[node].replica, &status);
        assert_int_equal(status.messages_malformed, 0);
        assert_counted_once(soak, node);
        for (unsigned i = node % 7; i < soak->vote_count; i += 7) {
            assert_stands(soak, node, &soak->votes[i]);
        }
    }
}

static void run_seed(uint64_t seed)
{
    static struct soak soak; /* large */
    memset(&soak, 0, sizeof soak);
    const struct world_config config = {.seed = seed, .node_count = seed % 4 == 3 ? 5 : 3};
    soak.world = world_open(&config);
    buffer_init(&soak.scratch, 2u * LIMIT_FRAME_BYTES);
    buffer_init(&soak.params, LIMIT_FRAME_BYTES);
    world_start_all(soak.world);
    prepare(&soak);
    uint64_t end_ms = soak.world->now_ms + STORM_MS;
    while (soak.world->now_ms < end_ms && world_step(soak.world)) {
        world_faults_run(soak.world, &soak.faults);
        client_run(&soak);
    }
    if (soak.world->broken[0] != 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, soak.world->broken);
    }
    assert_true(soak.faults.crashes > 0 && soak.vote_count > 0);
    end_soak(&soak);
    assert_string_equal(soak.world->broken, "");
    for (unsigned i = 0; i < soak.vote_count; i++) {
        free(soak.votes[i].command);
    }
    buffer_close(&soak.scratch);
    buffer_close(&soak.params);
    world_close(soak.world);
}

static void test_a_minute_of_faults_breaks_nothing(void **state)
{
    (void)state;
    const char *seeds_text = getenv("CONCLAVE_SOAK_SEEDS");
    const char *first_text = getenv("CONCLAVE_SOAK_FIRST");
    uint64_t seeds = seeds_text == NULL ? 60 : strtoull(seeds_text, NULL, 10);
    uint64_t first = first_text == NULL ? 1 : strtoull(first_text, NULL, 10);
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed); /* the last one is the one */
        run_seed(seed);
    }
}

static void note_bytes(void *context, unsigned from, unsigned to, struct slice message)
{
    uint64_t *sum = context;
    *sum = *sum * UINT64_C(1099511628211) + from * 16 + to;
    for (size_t i = 0; i < message.size; i++) {
        *sum = (*sum ^ message.data[i]) * UINT64_C(1099511628211);
    }
}

/* The same seed is the same run: without this no seed is worth noting down. */
static void test_a_seed_repeats_exactly(void **state)
{
    (void)state;
    uint64_t sums[2] = {0};
    for (unsigned run = 0; run < 2; run++) {
        const struct world_config config = {.seed = 77, .node_count = 3};
        struct world *world = world_open(&config);
        struct world_faults faults = {0};
        world->watch.context = &sums[run];
        world->watch.sent = note_bytes;
        world_start_all(world);
        while (world->now_ms < 20000 && world_step(world)) {
            world_faults_run(world, &faults);
        }
        assert_string_equal(world->broken, "");
        world_close(world);
    }
    assert_true(sums[0] != 0);
    assert_true(sums[0] == sums[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seed_repeats_exactly),
        cmocka_unit_test(test_a_minute_of_faults_breaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
