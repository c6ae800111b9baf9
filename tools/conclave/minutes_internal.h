/* What the parts of minutes.c share. */
#ifndef CONCLAVE_MINUTES_INTERNAL_H
#define CONCLAVE_MINUTES_INTERNAL_H

#include "minutes.h"

/* Adds a problem of a file; `error` (or NULL) gives the place. */
void minutes_problem(struct minutes *minutes, const char *file, const json_error_t *error,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Reads a file of the directory. False when it is not there or cannot be read (`*missing` tells
 * which). */
bool minutes_read_file(const struct minutes *minutes, const char *file, struct buffer *contents,
                       bool *missing);

/* minutes_chain.c: examines chain_root's blocks and fills `chain`. */
void minutes_examine_chain(struct minutes *minutes);

#endif
