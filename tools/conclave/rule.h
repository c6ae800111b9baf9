/* Policies in words. */
#ifndef CONCLAVE_RULE_H
#define CONCLAVE_RULE_H

#include <jansson.h>

#include "output.h"

#define RULE_TEXT_BYTES 512u

/* One line: "yes/(yes+no) > 1/2, quorum 1/2 of heads". `policy` is a policy map as JSON. */
void rule_summary(const json_t *policy, char text[RULE_TEXT_BYTES]);

/* What is counted against what: "yes / (yes + no)". */
const char *rule_measure(const json_t *policy);

/* Everything, field by field. */
void rule_print(const struct output *output, const json_t *policy);

#endif
