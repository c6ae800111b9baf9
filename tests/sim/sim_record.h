/* The record in the simulator: what nodes sign and keep, and what must hold of it.
 *
 * Each node has a key and a small file (replica_host's `keep`). Written again from docs/RECORD.md,
 * sharing no code with src/record: how many leaves the log has, what a root is, and who must have
 * signed what. Two signatures for one size are of one root, whoever made them; nothing is signed or
 * final that is not committed; a signature leaves a node only when the node cannot forget it; a
 * final checkpoint was cosigned by a majority; and at the end all leaves are as they were decided.
 */
#ifndef TESTS_SIM_RECORD_H
#define TESTS_SIM_RECORD_H

#include "sim/sim.h"

void sim_record_open(struct sim *sim);
void sim_record_close(struct sim *sim);

/* For a replica's configuration. */
const struct replica_signer *sim_record_signer(struct sim_node *node);
struct slice sim_record_kept(const struct sim_node *node);

/* The host's `keep`; a keeping that has ended; a machine that died before it had. */
void sim_record_keep(struct sim_node *node, struct slice bytes);
enum conclave_code sim_record_finish(struct sim_node *node);
void sim_record_interrupt(struct sim_node *node);

/* The next committed entry has so many leaves. */
void sim_record_entry(struct sim *sim, uint64_t index, bool closes, uint32_t commands);

/* A message that leaves a node. */
void sim_record_sent(struct sim_node *node, struct slice message);

/* After anything that a node did, once its entries were seen. */
void sim_record_started(struct sim_node *node);
void sim_record_check(struct sim_node *node, const struct replica_status *status);

/* At the end of a run. */
/* Is everything final wherever it should be? */
bool sim_record_final(struct sim *sim);
void sim_record_check_end(struct sim *sim);

#endif
