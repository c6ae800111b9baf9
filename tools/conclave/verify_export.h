/* conclave verify --export: a whole export, checked without a server. */
#ifndef CONCLAVE_VERIFY_EXPORT_H
#define CONCLAVE_VERIFY_EXPORT_H

#include "cli.h"

/* Reads the file ("-": standard input), holds it against the rules and against the receipts that
 * are named as words, prints what was found, and returns the exit status. `cluster_id`: 16 bytes
 * that its genesis must have, or NULL. */
int verify_export(struct cli *cli, const char *path, const uint8_t *cluster_id) MUST_USE;

#endif
