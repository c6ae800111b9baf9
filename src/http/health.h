/* How a node is: a judgement of its view, check by check. Pure.
 *
 * Alive is a node whose loop turns. Ready is one that could serve a linearizable read now: it knows
 * a leader, and a read of its own was answered a moment ago, which takes a majority. Degraded is
 * ready, with something that an operator should look at.
 */
#ifndef HTTP_HEALTH_H
#define HTTP_HEALTH_H

#include "base/buffer.h"
#include "http/http.h"

/* A loop that was not seen for so long is stuck, and no longer taken for alive. */
#define HEALTH_STUCK_MS 2000u
#define HEALTH_DEAD_MS  30000u

/* A read of the node's own must have been answered so recently. */
#define HEALTH_READ_MS 1500u

enum health {
    HEALTH_OK,
    HEALTH_DEGRADED,
    HEALTH_NOT_READY
};

/* "ok", "degraded", "not ready". */
const char *health_name(enum health health);

#define HEALTH_CHECKS     6u
#define HEALTH_TEXT_BYTES 160u
#define HEALTH_WHY_BYTES  (HEALTH_TEXT_BYTES + 16u)

struct health_check {
    const char *name;
    enum health health;
    char text[HEALTH_TEXT_BYTES];
};

struct health_report {
    enum health health; /* the worst of the checks */
    unsigned count;
    struct health_check checks[HEALTH_CHECKS];
};

void health_judge(const struct http_view *view, uint64_t now_ms, struct health_report *report);

/* The first reason for the report's health: "leader: none is known, ..."; "" when all is well. */
void health_reason(const struct health_report *report, char text[HEALTH_WHY_BYTES]);

/* False, with a reason, when the loop does not turn any more. */
bool health_alive(const struct http_view *view, uint64_t now_ms, char text[HEALTH_TEXT_BYTES]);

/* One line; with `verbose` a line a check first. */
void health_write(struct buffer *answer, const struct health_report *report, bool verbose);

#endif
