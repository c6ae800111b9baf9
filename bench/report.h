/* What was measured, as a table and as JSON. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "load.h"
#include "options.h"
#include "usage.h"

struct report_node {
    bool known;
    uint64_t cpu_us; /* in the measured time */
    struct usage end;
};

struct report_run {
    unsigned round; /* from 1 */
    unsigned connections;
    struct load_result load;
    struct report_node nodes[OPTIONS_ENDPOINTS];
    uint64_t generator_cpu_us;
    uint64_t steal_us;
};

void report_head(void);
void report_row(const struct options *options, const struct report_run *run);

/* All runs as a JSON array of objects. False, with a line on standard error, when it cannot be
 * written. */
bool report_json(const struct options *options, const struct report_run *runs, unsigned count);

#endif
