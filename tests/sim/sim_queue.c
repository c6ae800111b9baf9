/* A binary heap. */
#include "sim/sim_queue.h"

#include <stdlib.h>

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->time_ms != b->time_ms ? a->time_ms < b->time_ms : a->number < b->number;
}

void sim_queue_push(struct sim *sim, struct sim_event event)
{
    if (sim->queue_count == sim->queue_capacity) {
        sim->queue_capacity = sim->queue_capacity * 2 + 64;
        sim->queue = sim_checked(realloc(sim->queue, sim->queue_capacity * sizeof *sim->queue));
    }
    event.number = ++sim->queue_number;
    size_t at = sim->queue_count++;
    while (at > 0 && before(&event, &sim->queue[(at - 1) / 2])) {
        sim->queue[at] = sim->queue[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->queue[at] = event;
}

struct sim_event sim_queue_pop(struct sim *sim)
{
    ASSERT(sim->queue_count > 0);
    struct sim_event first = sim->queue[0];
    struct sim_event last = sim->queue[--sim->queue_count];
    size_t at = 0;
    while (2 * at + 1 < sim->queue_count) {
        size_t child = 2 * at + 1;
        if (child + 1 < sim->queue_count && before(&sim->queue[child + 1], &sim->queue[child])) {
            child++;
        }
        if (!before(&sim->queue[child], &last)) {
            break;
        }
        sim->queue[at] = sim->queue[child];
        at = child;
    }
    sim->queue[at] = last;
    return first;
}
