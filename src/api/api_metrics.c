/* What the api counts: see the header. */
#include "api/api_metrics.h"

enum api_outcome api_outcome(enum conclave_code code)
{
    switch (conclave_code_exit_status(code)) {
    case 0:
        return API_ANSWERED;
    case 1: /* this machine or program */
    case 5: /* no quorum, overload */
        return API_FAILED;
    case 7:
        return API_UNKNOWN;
    default:
        return API_REFUSED;
    }
}

void api_metrics_init(struct api_metrics *metrics)
{
    ASSERT(metrics != NULL);
    for (int i = 0; i < API_KINDS; i++) {
        metric_histogram_init(&metrics->request_us[i], &metric_scale_us);
    }
    for (int i = 0; i < API_STAGES; i++) {
        metric_histogram_init(&metrics->stage_us[i], &metric_scale_us);
    }
}
