/* Running a virtual world until something holds. */
#include "support/world.h"

/* Long enough for anything, short enough that a test ends. */
#define WORLD_AWAIT_MS 60000u

static bool has_leader(struct world *world, void *context)
{
    (void)context;
    return world_leader(world) != 0;
}

unsigned world_await_leader(struct world *world, uint64_t timeout_ms)
{
    return world_run_until(world, has_leader, NULL, timeout_ms) ? world_leader(world) : 0;
}

static bool all_equal(struct world *world, void *context)
{
    (void)context;
    uint64_t applied_index = 0;
    for (unsigned id = 1; id <= world->config.node_count; id++) {
        if (!world->nodes[id].up) {
            continue;
        }
        struct replica_status status;
        replica_status(world->nodes[id].replica, &status);
        if (status.applied_index != status.last_index ||
            (applied_index != 0 && applied_index != status.applied_index)) {
            return false;
        }
        applied_index = status.applied_index;
    }
    return true;
}

bool world_await_equal(struct world *world, uint64_t timeout_ms)
{
    return world_run_until(world, all_equal, NULL, timeout_ms);
}

static bool is_answered(struct world *world, void *context)
{
    const uint64_t *token = context;
    return world_answer(world, *token)->state != WORLD_WAITING;
}

const struct world_answer *world_await(struct world *world, uint64_t token)
{
    (void)world_run_until(world, is_answered, &token, WORLD_AWAIT_MS);
    return world_answer(world, token);
}
