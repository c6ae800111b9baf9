/* The commands of the simulator's people, drawn by lot: mostly right, sometimes wrong. */
#ifndef TESTS_SIM_COMMANDS_H
#define TESTS_SIM_COMMANDS_H

#include "sim/sim.h"

#define SIM_POLICIES 4u

/* Each replaces `body` with the packed body of a command and returns its kind. */
const char *sim_command_admit(struct sim *sim, struct buffer *body, const struct actor *who);
const char *sim_command_policy(struct sim *sim, struct buffer *body, unsigned number);
const char *sim_command_open(struct sim *sim, struct buffer *body, unsigned number);
const char *sim_command_update(struct sim *sim, struct buffer *body, unsigned member);
const char *sim_command_end(struct sim *sim, struct buffer *body, const char *poll, bool cancel);

/* A ballot by `member` (his number in the model) in a poll that the log has. */
const char *sim_command_ballot(struct sim *sim, struct buffer *body, unsigned member,
                               const char *poll);

#endif
