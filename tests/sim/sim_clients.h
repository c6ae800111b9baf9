/* People who govern while the world goes wrong, and check every answer.
 *
 * Each client does one thing at a time: a command, sent again byte for byte by other nodes until it
 * is decided (or given up where it surely is not in the log), or a read. Checked are, by the log
 * and the model alone:
 *
 *   I1  an acknowledged command stands where its reply says, and has that answer there
 *   I2  all answers to one command are the same
 *   I6  a reply's index is above every index acknowledged before the command was first sent; a
 *       read's is not below any acknowledged before it began; a read shows that index's state
 */
#ifndef TESTS_SIM_CLIENTS_H
#define TESTS_SIM_CLIENTS_H

#include "sim/sim.h"

void sim_clients_open(struct sim *sim);
void sim_clients_close(struct sim *sim);

/* Everybody's turn: after each step. */
void sim_clients_run(struct sim *sim);

/* No new commands, only what is under way. */
void sim_clients_rest(struct sim *sim);
bool sim_clients_idle(const struct sim *sim);

/* At the end: what was abandoned is not in the log, and every node shows the model's state. */
void sim_clients_check_end(struct sim *sim);

#endif
