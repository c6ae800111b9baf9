/* What `conclave top` shows: two looks at the cluster, and what changed between them. */
#ifndef CONCLAVE_TOP_H
#define CONCLAVE_TOP_H

#include "cluster_view.h"

#define TOP_BOUNDS 32u

/* What is counted, at one time. */
struct top_counts {
    bool known;
    uint64_t at_ms; /* monotonic */
    uint64_t ballots, commands;
    size_t bound_count;
    uint64_t bounds_us[TOP_BOUNDS]; /* of latency; the last is UINT64_MAX */
    uint64_t at_most[TOP_BOUNDS];   /* commands answered within them, on all nodes that are up */
    uint64_t uptime_ms;             /* of those nodes, summed: less than before: one began anew */
};

/* The difference of two counts, a second. */
struct top_rates {
    bool known;
    uint64_t ballots_x10, commands_x10; /* a second, in tenths */
    bool latency_known;                 /* something was answered in between */
    uint64_t p50_us, p99_us;            /* at most; UINT64_MAX: more than the last bound */
};

struct top {
    struct cluster_view view;
    uint64_t members;
    json_t *polls; /* the open ones; NULL: unknown */
    bool more_polls;
    struct top_counts counts;
    struct top_rates rates;
};

/* Looks at all nodes, and asks one of them for polls and counts; the rates are those since the last
 * look. Nonzero: the exit status, of what no later look can change. */
int top_look(struct cli *cli, struct top *top) MUST_USE;
void top_close(struct top *top);

/* What changed from `before` to `after`. */
struct top_rates top_rates_of(const struct top_counts *before, const struct top_counts *after);

/* The page, to output->file. `now_ms`: wall clock, for the time left. */
void top_print(const struct output *output, const struct top *top, uint64_t now_ms);
void top_print_json(const struct output *output, const struct top *top, uint64_t now_ms);

/* The full screen: looks every `interval_ms` until somebody presses q. Returns the exit status. */
int top_screen(struct cli *cli, struct top *top, uint64_t interval_ms);

#endif
