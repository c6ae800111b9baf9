/* Makes the n-th write or sync of this process fail: a program that names these functions gets its
 * own write, writev, pwrite, ftruncate, fallocate, fsync and fdatasync, which libraries such as
 * LMDB call too.
 */
#ifndef TESTS_SUPPORT_DISK_FAULTS_H
#define TESTS_SUPPORT_DISK_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* The `countdown`-th call from now fails with `error` (an errno), once (1 is the next; 0 never). */
void disk_faults_arm(uint64_t countdown, int error);

/* Every call from now on, until it is armed anew. */
void disk_faults_arm_all(int error);

/* Whether it happened since it was armed. */
bool disk_faults_hit(void);

/* Syncs (fsync, fdatasync) since the program began. */
uint64_t disk_faults_sync_count(void);

/* Whether `path` was synced by fsync since the program began (of the last 64 such). */
bool disk_faults_synced(const char *path);

#endif
