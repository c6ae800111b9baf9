/* A node's disk: the in-memory log and state, behind tables of their own.
 *
 * Frozen is dead: the process still runs to the end of its event, but nothing that it does reaches
 * the disk. What a crash leaves of a write that was under way is decided sector by sector: lost,
 * whole, or torn at boundaries of 512 bytes, of which recovery keeps the entries that are sound
 * before the first that is not. The state is not synced: when the power goes it is what the kernel
 * had written back by then, or damaged, which is thrown away as the daemon does.
 */
#ifndef TESTS_SIM_DISK_H
#define TESTS_SIM_DISK_H

#include "kv/kv.h"
#include "log/log.h"
#include "sim/sim.h"

struct sim_disk;

struct sim_disk *sim_disk_open(struct sim_node *node);
void sim_disk_close(struct sim_disk *disk);

/* What the replica is given. */
struct log *sim_disk_log(struct sim_disk *disk);
struct kv *sim_disk_kv(struct sim_disk *disk);

/* What is on the platter, whoever asks. */
struct log *sim_disk_bare_log(struct sim_disk *disk);

/* The end of a write of the log: IO and DISK_FULL when that was to be. */
enum conclave_code sim_disk_write(struct sim_disk *disk, const struct replica_write *write);

/* The machine died while this was being written. */
void sim_disk_interrupt(struct sim_disk *disk, const struct replica_write *write);

/* The state is as it was some commits ago, or gone. */
void sim_disk_power_loss(struct sim_disk *disk);
void sim_disk_wipe_state(struct sim_disk *disk);

enum sim_trouble {
    SIM_WRITE_ERROR, /* nothing of it is written */
    SIM_SYNC_ERROR,  /* nobody knows what of it is */
    SIM_FULL         /* and stays so for a while, or until sim_disk_heal */
};

/* The n-th write from now, of the log or of the state, fails. */
void sim_disk_log_trouble(struct sim_disk *disk, enum sim_trouble trouble, uint64_t countdown);
void sim_disk_state_trouble(struct sim_disk *disk, enum sim_trouble trouble, uint64_t countdown);
void sim_disk_heal(struct sim_disk *disk);
bool sim_disk_is_full(struct sim_disk *disk);

/* Flips a bit of an entry, and flips it back if the entry is still the damaged one; what is damaged
 * in the state is whole again too. */
void sim_disk_rot(struct sim_disk *disk, uint64_t index, size_t bit);
void sim_disk_mend(struct sim_disk *disk);
uint64_t sim_disk_rotten(const struct sim_disk *disk); /* the entry's index, or 0 */

/* The place that the n-th read of the state from now looks at is damaged until it is written. */
void sim_disk_rot_state(struct sim_disk *disk, uint64_t countdown);
bool sim_disk_state_rotten(const struct sim_disk *disk);

#endif
