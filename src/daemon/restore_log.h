/* The first start of a node of a restored cluster: its log is made of a backup. */
#ifndef DAEMON_RESTORE_LOG_H
#define DAEMON_RESTORE_LOG_H

#include "daemon/config.h"
#include "daemon/storage.h"

/* Makes the empty log in `storage` that of a node: all of the backup, then the command in
 * `genesis`, last the identity. One that was cut off is done again from the start. CONFIG (no
 * backup is named, or another one, or the directory is not empty), with `error`; NOT_PROVEN, IO,
 * ... */
enum conclave_code restore_log(const struct config *config, struct storage *storage,
                               const struct genesis_file *genesis, struct settings_error *error)
    MUST_USE;

#endif
