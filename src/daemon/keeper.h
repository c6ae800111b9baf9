/* What a node signs checkpoints with, and what it must not forget of them: its key, and the file
 * `checkpoint` in its data directory.
 *
 * The file is written whole beside its name, synced and renamed, on one of the loop's threads, one
 * writing at a time: after a crash it is the old one or the new one.
 */
#ifndef DAEMON_KEEPER_H
#define DAEMON_KEEPER_H

#include <uv.h>

#include "auth/auth.h"
#include "consensus/replica.h"
#include "daemon/config.h"
#include "daemon/genesis_file.h"

#define KEEPER_PATH_BYTES (SETTINGS_VALUE_BYTES + 32u)

struct keeper {
    uv_loop_t *loop;
    char directory[SETTINGS_VALUE_BYTES];
    char path[KEEPER_PATH_BYTES];
    bool signs;
    struct auth_key key;
    struct replica_signer signer;
    struct buffer kept; /* the file as it was found, then what is being written */
    bool busy;
    uv_work_t work;
    enum conclave_code code;
    void (*done)(void *context, enum conclave_code code);
    void *context;
};

/* Reads the key and the file. The key of a node that is not in genesis, or that no setting names
 * and that is not in its usual place, is done without: the node signs nothing, and a warning says
 * so. CONFIG with `error` set (the key cannot be read, is not genesis's; the file cannot be read);
 * NO_MEMORY. `done` is called on the loop when keeper_keep's writing has ended. */
enum conclave_code keeper_open(struct keeper *keeper, uv_loop_t *loop, const struct config *config,
                               const struct genesis_file *genesis,
                               void (*done)(void *context, enum conclave_code code), void *context,
                               struct settings_error *error) MUST_USE;

/* Wipes the key. No writing may be under way. */
void keeper_close(struct keeper *keeper);

/* Starts writing. `done` follows, never from within. */
void keeper_keep(struct keeper *keeper, struct slice bytes);

#endif
