/* What is to happen in the world: events by time, then in the order in which they were queued. */
#ifndef TESTS_SIM_QUEUE_H
#define TESTS_SIM_QUEUE_H

#include "sim/sim.h"

enum sim_event_type {
    SIM_MESSAGE,
    SIM_WRITTEN
};

struct sim_event {
    uint64_t time_ms;
    uint64_t number;
    enum sim_event_type type;
    unsigned from;
    unsigned to;
    uint64_t life; /* WRITTEN: of the node that wrote */
    uint8_t *bytes;
    size_t size;
};

/* Owns the bytes until the event is popped. */
void sim_queue_push(struct sim *sim, struct sim_event event);

/* The earliest; there must be one. */
struct sim_event sim_queue_pop(struct sim *sim);

#endif
