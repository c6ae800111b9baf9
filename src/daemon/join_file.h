/* The ticket of a node that joins (auth/join.h) as a file: the one that the operator gives, and the
 * copy that is kept in the data directory. */
#ifndef DAEMON_JOIN_FILE_H
#define DAEMON_JOIN_FILE_H

#include "auth/join.h"
#include "daemon/settings.h"

/* CONFIG with `error` (`FILE:LINE: what`), also when others than its owner may read it. */
enum conclave_code join_file_read(const char *path, struct join_ticket *ticket,
                                  struct settings_error *error) MUST_USE;

/* Keeps it in this data directory in the place of one kept before, synced. IO, DISK_FULL,
 * NO_MEMORY with `error` set. */
enum conclave_code join_file_keep(const char *data_dir, const struct join_ticket *ticket,
                                  struct settings_error *error) MUST_USE;

/* The kept one. NOT_FOUND; CONFIG with `error` set. */
enum conclave_code join_file_kept(const char *data_dir, struct join_ticket *ticket,
                                  struct settings_error *error) MUST_USE;

#endif
