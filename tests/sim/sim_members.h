/* Configurations of the cluster, read from the bytes of the log entries alone: who votes.
 *
 *   M3  a change is taken only when every voter has on its disk the configuration that made it one:
 *       a node that does not know yet that it votes refuses to, and with changes on top of changes
 *       the others can be left unable to elect anyone
 */
#ifndef TESTS_SIM_MEMBERS_H
#define TESTS_SIM_MEMBERS_H

#include "log/log.h"
#include "sim/sim.h"

void sim_members_open(struct sim *sim);
void sim_members_close(struct sim *sim);

/* The next committed entry. */
void sim_members_entry(struct sim *sim, uint64_t index, const struct log_entry *entry);

/* Is what `has` says true of a majority of the voters, by the configuration that held at `index`,
 * one that was proposed on top of it, or one that stands after it in the log of `node`? */
bool sim_members_majority(struct sim *sim, unsigned node, uint64_t index,
                          bool (*has)(struct sim *sim, unsigned node, uint64_t index));

/* What a leader takes for the configuration, as its status shows it: it counts by it at once. */
void sim_members_led(struct sim *sim, unsigned node, const struct replica_status *status);

/* What a server is by the last committed configuration: 0 stands by, 1 votes, 2 is a spare (which
 * gets no entries), -1 is none of them. */
int sim_members_role(const struct sim *sim, unsigned server);

/* `leader` has just taken a change of the members. */
void sim_members_changed(struct sim *sim, unsigned leader, unsigned server, int role,
                         bool (*has)(struct sim *sim, unsigned node, uint64_t index));

#endif
