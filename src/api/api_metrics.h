/* What the api counts of its own work, for whoever shows it. Times are microseconds.
 *
 * Every request that is answered counts once, by what kind of answer it got; the refused and failed
 * ones also by their code.
 */
#ifndef API_API_METRICS_H
#define API_API_METRICS_H

#include <conclave/codes.h>

#include "base/metric.h"

enum api_outcome {
    API_ANSWERED, /* done, or decided */
    API_REFUSED,  /* by a rule, or because the request was wrong */
    API_FAILED,   /* by this node or the cluster: overload, no leader, disk, ... */
    API_UNKNOWN,  /* it may or may not be decided */
    API_OUTCOMES
};

/* The outcome that a code is. */
enum api_outcome api_outcome(enum conclave_code code);

enum api_stage {
    API_STAGE_AUTHOR, /* a read, to look an unknown author up again */
    API_STAGE_VERIFY, /* the signature, with its time in the queue */
    API_STAGE_DECIDE, /* from the replica's taking it to its reply: batch, majority, apply */
    API_STAGE_READ,   /* a query waits for its index */
    API_STAGES
};

enum api_kind {
    API_KIND_COMMAND,
    API_KIND_READ,  /* linearizable */
    API_KIND_LOCAL, /* what waits for nobody: status, hello, stale queries */
    API_KINDS
};

struct api_metrics {
    struct metric_counter requests[API_OUTCOMES];
    struct metric_counter ballots[API_OUTCOMES]; /* of those, ballots */
    struct metric_counter codes[CONCLAVE_CODE_COUNT];
    struct metric_histogram request_us[API_KINDS]; /* from the first byte's meaning to the answer */
    struct metric_histogram stage_us[API_STAGES];
};

void api_metrics_init(struct api_metrics *metrics);

#endif
