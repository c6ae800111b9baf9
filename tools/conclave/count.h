/* A question's count, as people check it: who answered what, what was left out, and the arithmetic
 * of every gate of the rule. For `tally`, `poll show` and `decision show`. */
#ifndef CONCLAVE_COUNT_H
#define CONCLAVE_COUNT_H

#include <jansson.h>

#include "output.h"

/* Prints the tally of a question (PROTOCOL.md, "tally"). `final`: the poll is closed. */
void count_print(const struct output *output, const json_t *tally, bool final);

/* The style in which an outcome is shown. */
enum output_style count_outcome_style(const char *outcome);

#endif
