/* When the state on disk may be believed.
 *
 * The state is kept without sync, because it can be rebuilt from the log. What was committed to it
 * survives the death of the process, not that of the machine. The file TRUST in its directory says
 * since when it is written to: the boot id of the machine (written, and synced, before the state is
 * opened), or "clean" (written after the state was synced and closed). If the boot id is still the
 * machine's, the page cache has survived; if it is another one, or the file says nothing of the
 * kind, the state is wiped.
 */
#ifndef DAEMON_STATE_TRUST_H
#define DAEMON_STATE_TRUST_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

#define STATE_TRUST_BOOT_ID_BYTES 64u

/* This boot's id; empty when the system does not tell, and then only a clean state is believed. */
void state_trust_boot_id(char boot_id[STATE_TRUST_BOOT_ID_BYTES]);

/* Call it before the state is opened: wipes what cannot be believed (`wiped` says whether there was
 * anything), then marks the state as written to. IO. */
enum conclave_code state_trust_begin(const char *directory, const char *boot_id, bool *wiped)
    MUST_USE;

/* Deletes the state's files, whatever TRUST says (they turned out to be damaged). IO. */
enum conclave_code state_trust_wipe(const char *directory, bool *wiped) MUST_USE;

/* The state turned out to be wrong while it was open: the next begin wipes it. IO. */
enum conclave_code state_trust_withdraw(const char *directory) MUST_USE;

/* Call it after the state was synced and closed. IO. */
enum conclave_code state_trust_end(const char *directory) MUST_USE;

#endif
