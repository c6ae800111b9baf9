/* Which disk a node is let in with: the verdicts, and the mesh that remembers before it accepts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/peers.h"
#include "support/loop.h"

#define WAIT_MS 10000u

/* A disk as its node would count its starts: `path` has a letter for each start, so that copies
 * that went different ways have different letters. */
static struct disk_shown shown(char disk, const char *path)
{
    struct disk_shown result = {.generation = strlen(path)};
    size_t count = strlen(path) < DISK_STARTS ? strlen(path) : DISK_STARTS;
    memset(result.id, disk, sizeof result.id);
    result.start_count = (unsigned)count;
    for (size_t i = 0; i < count; i++) {
        memset(result.starts[i], path[strlen(path) - count + i], DISK_START_BYTES);
    }
    return result;
}

static struct disk_known known(char disk, const char *path)
{
    struct disk_known result;
    const struct disk_shown seen = shown(disk, path);
    disk_remember(&seen, &result);
    return result;
}

/* Written down from what the header promises, case by case. */
static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *remembered, *shows;
        char disk;
        enum disk_verdict verdict;
    } cases[] = {
        {"abc", "abc", 'd', DISK_SAME},     /* the process that is known */
        {"abc", "abcd", 'd', DISK_NEWER},   /* started again */
        {"abc", "abcdef", 'd', DISK_NEWER}, /* thrice, and we saw nothing of two */
        {"abc", "a", 'w', DISK_OTHER},      /* wiped and bootstrapped */
        {"abc", "abc", 'w', DISK_OTHER},
        {"abc", "ab", 'd', DISK_OLDER}, /* a backup that was not started since */
        {"abc", "a", 'd', DISK_OLDER},
        {"abc", "abx", 'd', DISK_COPY},             /* a backup of "ab", started once, */
        {"abc", "abxy", 'd', DISK_COPY},            /* twice, */
        {"abc", "abxyzuvwrst", 'd', DISK_COPY},     /* and often */
        {"a", "abcdefghijklmnop", 'd', DISK_NEWER}, /* 16 starts: the first still stands there */
        {"x", "abcdefghijklmnop", 'd', DISK_COPY},
        {"x", "abcdefghijklmnopq", 'd', DISK_NEWER}, /* 17: it does not, and nobody can know */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct disk_known remembered = known('d', cases[i].remembered);
        const struct disk_shown disk = shown(cases[i].disk, cases[i].shows);
        assert_int_equal(disk_judge(&remembered, &disk), cases[i].verdict);
    }
}

/* Each names the node, what is wrong, and what to do, within what an answer carries. */
static void test_sentences(void **state)
{
    (void)state;
    static const enum disk_verdict verdicts[] = {DISK_OTHER, DISK_OLDER, DISK_COPY};
    static const char *const says[] = {"had another disk", "is an old copy", "two copies"};
    struct disk_known remembered = known('d', "abc");
    struct disk_shown disk = shown('d', "ab");
    remembered.generation = disk.generation = UINT64_MAX; /* the longest numbers */
    for (size_t i = 0; i < 3; i++) {
        char text[1024];
        disk_sentence(verdicts[i], UINT64_MAX, &remembered, &disk, text, sizeof text);
        assert_true(strlen(text) < HANDSHAKE_SENTENCE_BYTES);
        assert_non_null(strstr(text, "node 18446744073709551615"));
        assert_non_null(strstr(text, says[i]));
        assert_non_null(strstr(text, "put the newest disk back or add the node anew"));
    }
}

/* --- a mesh of two --- */

struct member {
    struct peers *peers;
    bool closed;
    /* What it was asked to remember, last; `held`: it is not answered before the test does. */
    bool hold, held;
    struct peers_disk disk;
    unsigned asked;
    unsigned messages;
};

struct world {
    uv_loop_t loop;
    struct net *net;
    bool net_closed;
    struct peers_node nodes[2];
    struct member members[2];
    bool vouching;         /* node 1 asks node 2 for a token, */
    const char *tokens[2]; /* that it shows */
};

static void on_received(void *context, uint64_t node_id, struct slice message)
{
    (void)node_id;
    (void)message;
    ((struct member *)context)->messages++;
}

static void on_remember(void *context, const struct peers_disk *disk)
{
    struct member *member = context;
    member->disk = *disk;
    member->asked++;
    if (member->hold) {
        member->held = true;
    } else {
        peers_remembered(member->peers, disk->node_id, CONCLAVE_OK);
    }
}

static void on_closed(void *context)
{
    struct member *member = context;
    member->peers = NULL;
    member->closed = true;
}

static bool is_closed(void *context)
{
    return ((struct member *)context)->closed;
}

/* Only the disk that comes first, with the token, is the node. */
static bool on_vouched(void *context, uint64_t node_id, struct slice token)
{
    (void)context;
    assert_int_equal(node_id, 2);
    return slice_is_text(token, "secret");
}

static void start(struct world *world, unsigned i, struct disk_shown disk,
                  const struct peers_disk *disks, unsigned disk_count)
{
    struct member *member = &world->members[i];
    struct codec_error error;
    struct peers_config config = {
        .net = world->net,
        .node_id = i + 1,
        .disk = disk,
        .program_version = "1",
        .nodes = world->nodes,
        .node_count = 2,
        .clock = &clock_system,
        .random = &random_system,
        .received = on_received,
        .remember = on_remember,
        .vouched = world->vouching && i == 0 ? on_vouched : NULL,
        .token = slice_of_text(world->tokens[i] == NULL ? "" : world->tokens[i]),
        .context = member,
        .disks = disks,
        .disk_count = disk_count,
    };
    member->closed = false;
    assert_int_equal(peers_open(&config, &member->peers), CONCLAVE_OK);
    assert_int_equal(peers_listen(member->peers, world->nodes[i].address, &error), CONCLAVE_OK);
    peers_start(member->peers);
}

static void stop(struct world *world, unsigned i)
{
    struct member *member = &world->members[i];
    peers_close(member->peers, on_closed, member);
    assert_true(loop_run_until(&world->loop, is_closed, member, WAIT_MS));
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    assert_int_equal(uv_loop_init(&world->loop), 0);
    assert_int_equal(net_open(&world->loop, NULL, NULL, &world->net), CONCLAVE_OK);
    for (unsigned i = 0; i < 2; i++) {
        world->nodes[i].node_id = i + 1;
        loop_free_address(world->nodes[i].address, sizeof world->nodes[i].address);
    }
    *state = world;
    return 0;
}

static void on_net_closed(void *context)
{
    ((struct world *)context)->net_closed = true;
}

static int teardown(void **state)
{
    struct world *world = *state;
    for (unsigned i = 0; i < 2; i++) {
        if (world->members[i].peers != NULL) {
            stop(world, i);
        }
    }
    net_close(world->net, on_net_closed, world);
    loop_finish(&world->loop);
    assert_true(world->net_closed);
    free(world);
    return 0;
}

static struct peers_status status_of(const struct member *member)
{
    struct peers_status status[LIMIT_NODES];
    assert_int_equal(peers_status(member->peers, status), 1);
    return status[0];
}

static bool is_connected(void *context)
{
    return status_of(context).connected;
}

static bool is_held(void *context)
{
    return ((struct member *)context)->held;
}

static bool is_refused(void *context)
{
    return peers_refusal(((struct member *)context)->peers)[0] != '\0';
}

static bool is_failed(void *context)
{
    const struct peers_status status = status_of(context);
    return !status.connected && status.error == NET_MALFORMED;
}

static void test_remembered_before_accepted(void **state)
{
    struct world *world = *state;
    struct member *first = &world->members[0], *second = &world->members[1];
    first->hold = true;
    start(world, 0, shown('1', "a"), NULL, 0);
    start(world, 1, shown('2', "ab"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_held, first, WAIT_MS));
    assert_int_equal(first->disk.node_id, 2);
    assert_int_equal(first->disk.disk.generation, 2);
    assert_memory_equal(first->disk.disk.id, "2222222222222222", DISK_ID_BYTES);
    assert_memory_equal(first->disk.disk.start, "bbbbbbbb", DISK_START_BYTES);
    for (int i = 0; i < 50; i++) { /* the other way stands, this one waits */
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    assert_true(loop_run_until(&world->loop, is_connected, first, WAIT_MS));
    assert_false(status_of(second).connected);
    peers_remembered(first->peers, 2, CONCLAVE_OK);
    assert_true(loop_run_until(&world->loop, is_connected, second, WAIT_MS));
    assert_int_equal(first->asked, 1);
}

/* What cannot be written down is not accepted, and comes again. */
static void test_not_remembered_is_not_accepted(void **state)
{
    struct world *world = *state;
    struct member *first = &world->members[0], *second = &world->members[1];
    first->hold = true;
    start(world, 0, shown('1', "a"), NULL, 0);
    start(world, 1, shown('2', "a"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_held, first, WAIT_MS));
    peers_remembered(first->peers, 2, CONCLAVE_IO);
    assert_true(loop_run_until(&world->loop, is_failed, second, WAIT_MS));
    assert_string_equal(peers_refusal(second->peers), "");
    first->hold = first->held = false;
    assert_true(loop_run_until(&world->loop, is_connected, second, WAIT_MS));
    assert_int_equal(first->asked, 2);
}

/* The caller goes while its disk is written down: what was learned stays. */
static void test_gone_while_remembered(void **state)
{
    struct world *world = *state;
    struct member *first = &world->members[0], *second = &world->members[1];
    first->hold = true;
    start(world, 0, shown('1', "a"), NULL, 0);
    start(world, 1, shown('2', "ab"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_held, first, WAIT_MS));
    stop(world, 1);
    for (int i = 0; i < 20; i++) {
        (void)uv_run(&world->loop, UV_RUN_NOWAIT);
    }
    peers_remembered(first->peers, 2, CONCLAVE_OK);
    first->hold = false;
    start(world, 1, shown('2', "a"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_refused, second, WAIT_MS));
}

/* Remembered over a restart of the one that remembers; and what is refused says so. */
static void test_old_copy_after_a_restart(void **state)
{
    struct world *world = *state;
    struct member *second = &world->members[1];
    const struct peers_disk disks[] = {{.node_id = 2, .disk = known('2', "abc")},
                                       {.node_id = 9, .disk = known('9', "a")}};
    start(world, 0, shown('1', "a"), disks, 2);
    start(world, 1, shown('2', "ab"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_refused, second, WAIT_MS));
    assert_non_null(strstr(peers_refusal(second->peers), "start 2, but start 3 was seen"));
    assert_int_equal(status_of(second).error, NET_UNAUTHORISED);
    stop(world, 1);
    start(world, 1, shown('2', "abxyz"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_refused, second, WAIT_MS));
    assert_non_null(strstr(peers_refusal(second->peers), "two copies"));
    stop(world, 1);
    start(world, 1, shown('2', "abcd"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_connected, second, WAIT_MS));
    assert_string_equal(peers_refusal(second->peers), "");
    assert_int_equal(world->members[0].asked, 1);
    assert_int_equal(world->members[0].disk.disk.generation, 4);
}

static bool is_unauthorised(void *context)
{
    return status_of(context).error == NET_UNAUTHORISED;
}

/* A token opens the door for the first disk that comes with it, and is asked for no more then. */
static void test_token_of_a_first_disk(void **state)
{
    struct world *world = *state;
    struct member *second = &world->members[1];
    world->vouching = true;
    start(world, 0, shown('1', "a"), NULL, 0);
    start(world, 1, shown('2', "a"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_unauthorised, second, WAIT_MS));
    assert_non_null(strstr(status_of(second).reason, "joins with the token of its ticket"));
    stop(world, 1);
    world->tokens[1] = "secre";
    start(world, 1, shown('2', "a"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_unauthorised, second, WAIT_MS));
    assert_int_equal(world->members[0].asked, 0);
    stop(world, 1);
    world->tokens[1] = "secret";
    start(world, 1, shown('2', "a"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_connected, second, WAIT_MS));
    stop(world, 1);
    start(world, 1, shown('x', "a"), NULL, 0); /* the token again, on another disk */
    assert_true(loop_run_until(&world->loop, is_refused, second, WAIT_MS));
    stop(world, 1);
    world->tokens[1] = NULL;
    start(world, 1, shown('2', "ab"), NULL, 0);
    assert_true(loop_run_until(&world->loop, is_connected, second, WAIT_MS));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),       cmocka_unit_test(test_sentences),
        TEST(test_remembered_before_accepted), TEST(test_not_remembered_is_not_accepted),
        TEST(test_gone_while_remembered),      TEST(test_old_copy_after_a_restart),
        TEST(test_token_of_a_first_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
