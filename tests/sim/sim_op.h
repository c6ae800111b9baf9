/* Signed commands of the simulated people, and what may be answered to them.
 *
 * Every command that was ever signed is known by its hash, with the first answer to it, so that
 * what the log has and nobody signed is found (I7), and a second answer that differs (I2).
 */
#ifndef TESTS_SIM_OP_H
#define TESTS_SIM_OP_H

#include <msgpack.h>

#include "sim/sim.h"

/* A command, from its first sending to its answer. */
struct sim_op {
    uint8_t *bytes;
    size_t size;
    uint64_t hash;
    uint64_t floor; /* the highest index acknowledged before it was first sent */
    bool maybe;     /* some node may have put it into the log */
};

void sim_ops_open(struct sim *sim);
void sim_ops_close(struct sim *sim);

/* The people, by number: 0 is the chair. */
#define SIM_PEOPLE    12u /* members at first, without the chair */
#define SIM_LATECOMER 8u  /* who may be admitted later */
#define SIM_ACTORS    (1 + SIM_PEOPLE + SIM_LATECOMER)
struct actor *sim_op_actor(struct sim *sim, unsigned number);

/* Signs: valid for `life_ms` from now, by log time or the true one, whichever is later. */
struct sim_op *sim_op_make(struct sim *sim, unsigned actor, const char *kind, struct slice body,
                           uint64_t life_ms);
void sim_op_free(struct sim_op *op);

/* Checks an answer from the log: that the command stands where it says, was decided so, and was
 * not answered otherwise before. The second function has no bytes to compare. */
void sim_op_reply(struct sim *sim, const struct sim_op *op, struct slice bytes);
void sim_op_check(struct sim *sim, const struct sim_op *op, const msgpack_object *reply);

/* Where a reply says that its command stands; 0 when there is none. */
uint64_t sim_op_reply_index(struct slice bytes);

/* Was a command with this hash signed by one of the people? Genesis counts. */
bool sim_op_signed(const struct sim *sim, uint64_t hash);

/* One of those signed lately, for others to send; empty when there is none. And: was it ever? */
struct slice sim_op_past(struct sim *sim, struct sim_random *random);
bool sim_op_elsewhere(const struct sim *sim, uint64_t hash);

/* What was acknowledged or shown to anybody: the highest index, and how many commands. */
uint64_t sim_op_acknowledged_index(const struct sim *sim);
void sim_op_shown(struct sim *sim, uint64_t index);
uint64_t sim_op_acknowledged(const struct sim *sim);

#endif
