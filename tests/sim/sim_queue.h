/* What is to happen in the world: events by time, then in the order in which they were queued. */
#ifndef TESTS_SIM_QUEUE_H
#define TESTS_SIM_QUEUE_H

#include "sim/sim.h"

enum sim_event_type {
    SIM_MESSAGE,
    SIM_WRITTEN,
    SIM_KEPT,
    SIM_PEER_LOST /* `from` is not connected with `to` any more */
};

struct sim_event {
    uint64_t time_ms;
    uint64_t number;
    enum sim_event_type type;
    unsigned from;
    unsigned to;
    uint64_t
        life;    /* WRITTEN, KEPT: of the node that wrote; MESSAGE: of the link, when it was sent */
    bool broken; /* MESSAGE: only a part of it comes */
    uint8_t *bytes;
    size_t size;
};

/* Messages that are kept, and may come again. */
#define SIM_PAST_MESSAGES 64u

/* Owns the bytes until the event is popped. */
void sim_queue_push(struct sim *sim, struct sim_event event);

/* The earliest; there must be one. */
struct sim_event sim_queue_pop(struct sim *sim);

#endif
