/* What /metrics says: every family, written from what the node is and counts. */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http/exposition.h"
#include "http/health.h"
#include "http/process.h"
#include "model/overview.h"

struct metrics_source {
    const struct http_config *config;
    const struct http_view *view;
    uint64_t now_ms;                       /* monotonic */
    const struct replica_metrics *replica; /* NULL until the replica is there */
    const struct api_metrics *api;         /* likewise */
    const struct model_overview *overview; /* NULL where the state could not be read */
    const struct process_usage *process;
};

/* The whole page, to its end. */
void metrics_write(struct exposition *exposition, const struct metrics_source *source);

#endif
