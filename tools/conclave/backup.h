/* conclave backup save, inspect and verify. */
#ifndef CONCLAVE_BACKUP_H
#define CONCLAVE_BACKUP_H

#include "cli.h"

extern const struct args_option backup_save_options[];

int backup_run_save(struct cli *cli) MUST_USE;
int backup_run_inspect(struct cli *cli) MUST_USE;

/* The checksum of a backup; says what is wrong with it. Nonzero: the exit status. */
int backup_check(struct cli *cli, const char *path) MUST_USE;

#endif
