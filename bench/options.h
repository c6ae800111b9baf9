/* The load generator's options: see options.c for the text of --help. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define OPTIONS_ENDPOINTS 7u
#define OPTIONS_COUNTS    16u /* values of --connections */

enum options_mode {
    MODE_BALLOTS,
    MODE_READS,
    MODE_MIXED
};

enum options_target {
    TARGET_LEADER,
    TARGET_FOLLOWERS,
    TARGET_ALL
};

struct options {
    enum options_mode mode;
    enum options_target target;
    char endpoint_text[512];
    const char *endpoints[OPTIONS_ENDPOINTS];
    unsigned endpoint_count;
    long pids[OPTIONS_ENDPOINTS]; /* of the nodes, in the order of the endpoints */
    unsigned pid_count;
    const char *key_path;
    const char *json_path; /* NULL: none */
    unsigned connections[OPTIONS_COUNTS];
    unsigned connection_count;
    unsigned pipeline;
    unsigned questions;
    unsigned polls;
    unsigned reads_percent; /* of mixed requests */
    unsigned rate;          /* requests a second, of an open loop; 0: a closed one */
    unsigned voters;
    unsigned requests; /* 0: enough for the time */
    unsigned threads;
    unsigned repeat;
    unsigned warm_ms;
    unsigned measure_ms;
};

/* False, with a line on standard error, when they are wrong. `*help`: it was asked for, and given.
 */
bool options_parse(struct options *options, int argc, char **argv, bool *help);

#endif
