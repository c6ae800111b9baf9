/* The INI file of conclaved. */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include "daemon/settings.h"

/* Sets what the file sets. CONFIG with `error` (`FILE:LINE: what`) at the first line that is wrong.
 */
enum conclave_code config_file_read(const char *path, struct settings *settings,
                                    struct settings_error *error) MUST_USE;

#endif
