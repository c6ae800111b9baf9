/* A node's disk: the in-memory log and state, behind tables of their own that can be frozen.
 *
 * Frozen is dead: the process still runs to the end of its event, but nothing that it does reaches
 * the disk. Both stores are atomic by transaction, as LMDB is; what a write in flight leaves is
 * decided by the world. */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "kv/kv.h"
#include "log/log.h"
#include "sim/sim.h"

struct sim_disk;

/* `node` is asked and told at each point where a crash may come. */
struct sim_disk *sim_disk_open(struct sim_node *node);
void sim_disk_close(struct sim_disk *disk);

/* What the replica is given. */
struct log *sim_disk_log(struct sim_disk *disk);
struct kv *sim_disk_kv(struct sim_disk *disk);

/* What is on the platter, whoever asks. */
struct log *sim_disk_bare_log(struct sim_disk *disk);

void sim_disk_wipe_state(struct sim_disk *disk);

/* The n-th write of the log, or of the state, fails once; 0: none. */
void sim_disk_log_error(struct sim_disk *disk, uint64_t countdown);
void sim_disk_state_error(struct sim_disk *disk, uint64_t countdown);

/* Flips a bit of an entry, and flips it back if the entry is still the damaged one. */
void sim_disk_rot(struct sim_disk *disk, uint64_t index, size_t bit);
void sim_disk_mend(struct sim_disk *disk);
uint64_t sim_disk_rotten(const struct sim_disk *disk); /* the entry's index, or 0 */

/* At a point of the host where a crash may come: true when it has come. (sim_world.c) */
bool sim_doom(struct sim_node *node, enum sim_count point);

#endif
