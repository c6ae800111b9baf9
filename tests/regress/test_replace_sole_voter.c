/* node.add with `replaces` of the only voter was accepted. The new node got its vote, and then the
 * old one could not go, since a cluster that has two voters keeps two: the leader tried for ever.
 * Found by conclave-sim (a run of one node at first, whose nodes changed by commands: "the nodes do
 * not become what was commanded"). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "codec/writer.h"
#include "support/packed.h"
#include "support/world.h"

#define TIMEOUT_MS UINT64_C(10000)
#define DAY_MS     UINT64_C(86400000)

/* node.add of a voter; the reply's code must be this one. */
static void add(struct world *world, unsigned node, unsigned replaces, const char *code)
{
    struct buffer body;
    struct buffer command;
    char address[32];
    const uint8_t token[32] = {9};
    buffer_init(&body, 1024);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    codec_write_map(&body, replaces == 0 ? 5 : 6);
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
    if (replaces != 0) {
        codec_write_text(&body, "replaces");
        codec_write_u64(&body, replaces);
    }
    actor_command(&world->chair, &command, world->cluster_id, world_wall_ms(world) + DAY_MS / 2,
                  "node.add", buffer_slice(&body));
    const struct world_answer *answer =
        world_await(world, world_submit(world, world_await_leader(world, TIMEOUT_MS),
                                        buffer_slice(&command), TIMEOUT_MS));
    assert_int_equal(answer->code, CONCLAVE_OK);
    assert_true(packed_is(answer->reply, "code", code));
    buffer_close(&command);
    buffer_close(&body);
}

static bool two_vote(struct world *world, void *context)
{
    (void)context;
    struct replica_status status;
    replica_status(world->nodes[1].replica, &status);
    return status.peer_count == 1 && status.peers[0].voter;
}

static void test_the_only_voter_stays(void **state)
{
    (void)state;
    const struct world_config config = {.seed = 1, .node_count = 1};
    struct world *world = world_open(&config);
    world_start_all(world);
    add(world, 2, 1, "last_voter");
    add(world, 2, 0, "ok");
    assert_int_equal(world_add(world), 2);
    assert_int_equal(world_start(world, 2), CONCLAVE_OK);
    assert_true(world_run_until(world, two_vote, NULL, TIMEOUT_MS));
    add(world, 3, 1, "ok"); /* of two */
    world_close(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_only_voter_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
