/* Faults by lot. */
#include "support/world_faults.h"

static void partition(struct world *world)
{
    uint64_t side = world_random(world, UINT64_C(1) << world->config.node_count);
    for (unsigned a = 1; a <= world->config.node_count; a++) {
        for (unsigned b = 1; b <= world->config.node_count; b++) {
            world->cut[a][b] = (side >> (a - 1) & 1) != (side >> (b - 1) & 1);
        }
    }
}

static void cut_one_link(struct world *world)
{
    unsigned from = 1 + (unsigned)world_random(world, world->config.node_count);
    unsigned to = 1 + (unsigned)world_random(world, world->config.node_count);
    world->cut[from][to] = from != to;
}

static void crash(struct world *world, struct world_faults *faults)
{
    unsigned node = 1 + (unsigned)world_random(world, world->config.node_count);
    if (!world->nodes[node].up) {
        return;
    }
    world_crash(world, node);
    faults->crashes++;
    if (world_random(world, 4) == 0) {
        world_wipe_state(world, node);
        faults->wipes++;
    }
    uint64_t down_ms = 1 + world_random(world, world_random(world, 10) < 3 ? 8000 : 800);
    faults->restart_ms[node] = world->now_ms + down_ms;
}

static void change_network(struct world *world)
{
    struct world_network *network = &world->network;
    network->loss = (unsigned)world_random(world, world_random(world, 3) == 0 ? 3000 : 300);
    network->repetition = (unsigned)world_random(world, 1500);
    network->straggling = (unsigned)world_random(world, 200);
    network->delay_max_ms = network->delay_min_ms + 1 +
                            world_random(world, world_random(world, 4) == 0 ? 250 : 30);
    world->disks.write_max_ms = 1 + world_random(world, world_random(world, 4) == 0 ? 60 : 6);
}

static void restart(struct world *world, struct world_faults *faults, unsigned node)
{
    enum conclave_code rv = world_start(world, node);
    ASSERT(rv == CONCLAVE_OK);
    faults->restart_ms[node] = 0;
}

void world_faults_run(struct world *world, struct world_faults *faults)
{
    for (unsigned node = 1; node <= world->config.node_count; node++) {
        if (faults->restart_ms[node] != 0 && faults->restart_ms[node] <= world->now_ms) {
            restart(world, faults, node);
        }
    }
    if (world->now_ms < faults->next_ms) {
        return;
    }
    faults->next_ms = world->now_ms + 100 + world_random(world, 1400);
    uint64_t lot = world_random(world, 100);
    if (lot < 25) {
        world_heal(world);
    } else if (lot < 45) {
        partition(world);
        faults->partitions++;
    } else if (lot < 55) {
        cut_one_link(world);
    } else if (lot < 85) {
        crash(world, faults);
    } else {
        change_network(world);
    }
}

void world_faults_end(struct world *world, struct world_faults *faults)
{
    world_heal(world);
    world->network = (struct world_network){.delay_min_ms = 1, .delay_max_ms = 5};
    world->disks = (struct world_disks){.write_min_ms = 1, .write_max_ms = 3};
    for (unsigned node = 1; node <= world->config.node_count; node++) {
        if (faults->restart_ms[node] != 0) {
            restart(world, faults, node);
        }
    }
}
