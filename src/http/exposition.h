/* Metrics as text, in either of the formats that Prometheus reads: OpenMetrics 1.0
 * (https://prometheus.io/docs/specs/om/open_metrics_spec/) and the text format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 * They differ in the names of counters' families, in info metrics, and in `# EOF`. A family is
 * begun once, and all its samples follow.
 */
#ifndef HTTP_EXPOSITION_H
#define HTTP_EXPOSITION_H

#include "base/buffer.h"
#include "base/metric.h"

struct exposition {
    struct buffer *text;
    bool openmetrics;
    const char *name; /* of the family that was begun */
    unsigned series;  /* written so far */
};

enum exposition_type {
    EXPOSITION_COUNTER, /* the name is without _total */
    EXPOSITION_GAUGE,
    EXPOSITION_HISTOGRAM,
    EXPOSITION_INFO /* the name is without _info */
};

/* What Content-Type says of the format. */
const char *exposition_content_type(bool openmetrics);

/* Does a request with this Accept header (NULL: none) want OpenMetrics? The format with the greater
 * weight wins (RFC 9110, section 12.5.1); the text format where they are equal. */
bool exposition_wants_openmetrics(const char *accept);

void exposition_family(struct exposition *exposition, const char *name, enum exposition_type type,
                       const char *help);

/* A sample of the family. `labels`, NULL for none, as `name="value",...`: names and values of ours,
 * which need no escapes. */
void exposition_counter(struct exposition *exposition, const char *labels, uint64_t value);
void exposition_gauge(struct exposition *exposition, const char *labels, uint64_t value);
void exposition_seconds(struct exposition *exposition, const char *labels, uint64_t value_us);
void exposition_seconds_counter(struct exposition *exposition, const char *labels,
                                uint64_t value_us);
void exposition_info(struct exposition *exposition, const char *labels);

/* All series of a histogram; values of the scale of microseconds are shown as seconds. */
void exposition_histogram(struct exposition *exposition, const char *labels,
                          const struct metric_histogram *histogram);

/* Nothing follows. */
void exposition_end(struct exposition *exposition);

#endif
