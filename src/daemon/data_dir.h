/* A node's directory: log/, state/, and LOCK, which keeps a second process out. */
#ifndef DAEMON_DATA_DIR_H
#define DAEMON_DATA_DIR_H

#include "daemon/settings.h"

#define DATA_DIR_PATH_BYTES (SETTINGS_VALUE_BYTES + 16u)

struct data_dir {
    char log[DATA_DIR_PATH_BYTES];
    char state[DATA_DIR_PATH_BYTES];
    int lock; /* the open LOCK file */
};

/* Makes the directory (0750) if it is not there, and locks it. BUSY (another process has it;
 * `error` names its pid), IO, with `error` set. */
enum conclave_code data_dir_open(const char *path, struct data_dir *data_dir,
                                 struct settings_error *error) MUST_USE;
void data_dir_close(struct data_dir *data_dir);

#endif
