/* See the header. */
#include "http/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *health_name(enum health health)
{
    static const char *const names[] = {"ok", "degraded", "not ready"};
    return names[health];
}

__attribute__((format(printf, 4, 5))) static void add(struct health_report *report,
                                                      const char *name, enum health health,
                                                      const char *format, ...)
{
    ASSERT(report->count < HEALTH_CHECKS);
    struct health_check *check = &report->checks[report->count++];
    check->name = name;
    check->health = health;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(check->text, sizeof check->text, format, arguments);
    va_end(arguments);
    if (health > report->health) {
        report->health = health;
    }
}

static uint64_t age_of(uint64_t then_ms, uint64_t now_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

static void check_node(const struct http_view *view, uint64_t now_ms, struct health_report *report)
{
    uint64_t age_ms = age_of(view->taken_ms, now_ms);
    if (view->phase == HTTP_STARTING) {
        add(report, "node", HEALTH_NOT_READY, "starting: the state is being opened");
    } else if (view->phase == HTTP_STOPPING) {
        add(report, "node", HEALTH_NOT_READY, "stopping");
    } else if (view->replica.state == REPLICA_UNAVAILABLE) {
        add(report, "node", HEALTH_NOT_READY, "the replica has failed");
    } else if (age_ms > HEALTH_STUCK_MS) {
        add(report, "node", HEALTH_NOT_READY, "it has done nothing for %" PRIu64 " ms", age_ms);
    } else {
        add(report, "node", HEALTH_OK, "running");
    }
}

/* A node without room takes nothing in, whoever else does. */
static void check_disk(const struct http_view *view, struct health_report *report)
{
    if (view->replica.disk_full) {
        add(report, "disk", HEALTH_NOT_READY, "full: make room on the one with %s",
            view->data_dir == NULL ? "the data" : view->data_dir);
    } else if (view->replica.repairing != 0) {
        add(report, "disk", HEALTH_NOT_READY,
            "entry %" PRIu64 " of the log is damaged: it is fetched from another node",
            view->replica.repairing);
    } else {
        add(report, "disk", HEALTH_OK, "has room");
    }
}

static void check_leader(const struct http_view *view, struct health_report *report)
{
    const struct replica_status *replica = &view->replica;
    if (replica->leader_id == 0) {
        add(report, "leader", HEALTH_NOT_READY, "none is known: the cluster may have no quorum");
    } else if (!replica->ready) {
        add(report, "leader", HEALTH_NOT_READY,
            "node %" PRIu64 " of term %" PRIu64 " has not committed anything yet",
            replica->leader_id, replica->term);
    } else {
        add(report, "leader", HEALTH_OK, "node %" PRIu64 ", term %" PRIu64, replica->leader_id,
            replica->term);
    }
}

/* Whoever is taken for the leader may have lost its majority: only an answer says that it has not.
 */
static void check_quorum(const struct http_view *view, uint64_t now_ms,
                         struct health_report *report)
{
    uint64_t age_ms = age_of(view->read_ok_ms, now_ms);
    if (!view->read_known) {
        add(report, "quorum", HEALTH_NOT_READY, "no read was answered yet");
    } else if (age_ms > HEALTH_READ_MS) {
        add(report, "quorum", HEALTH_NOT_READY,
            "no majority has answered a read for %" PRIu64 " ms", age_ms);
    } else {
        add(report, "quorum", HEALTH_OK, "a majority answered a read %" PRIu64 " ms ago", age_ms);
    }
}

static void check_applied(const struct http_view *view, struct health_report *report)
{
    const struct replica_status *replica = &view->replica;
    uint64_t behind = replica->commit_index > replica->applied_index
                          ? replica->commit_index - replica->applied_index
                          : 0;
    if (behind > LIMIT_UNCOMMITTED_ENTRIES) {
        add(report, "applied", HEALTH_DEGRADED, "%" PRIu64 " committed entries wait to be applied",
            behind);
    } else {
        add(report, "applied", HEALTH_OK, "to entry %" PRIu64, replica->applied_index);
    }
}

static void check_peers(const struct http_view *view, struct health_report *report)
{
    char down[HEALTH_TEXT_BYTES - 32] = "";
    size_t size = 0;
    for (unsigned i = 0; i < view->peer_count && size < sizeof down; i++) {
        const struct api_peer *peer = &view->peers[i];
        if (!peer->connected) {
            size += (size_t)snprintf(down + size, sizeof down - size, "%snode %" PRIu64 " (%s)",
                                     size == 0 ? "" : ", ", peer->node_id,
                                     peer->error[0] == '\0' ? "not connected" : peer->error);
        }
    }
    if (size > 0) {
        add(report, "peers", HEALTH_DEGRADED, "not reached: %s", down);
    } else {
        add(report, "peers", HEALTH_OK, "%u of %u reached", view->peer_count, view->peer_count);
    }
}

void health_judge(const struct http_view *view, uint64_t now_ms, struct health_report *report)
{
    ASSERT(view != NULL && report != NULL);
    *report = (struct health_report){.health = HEALTH_OK};
    check_node(view, now_ms, report);
    if (view->phase == HTTP_STARTING) {
        return; /* there is nothing else to be judged */
    }
    check_disk(view, report);
    check_leader(view, report);
    check_quorum(view, now_ms, report);
    check_applied(view, report);
    check_peers(view, report);
}

void health_reason(const struct health_report *report, char text[HEALTH_WHY_BYTES])
{
    ASSERT(report != NULL && text != NULL);
    text[0] = '\0';
    for (unsigned i = 0; i < report->count && report->health != HEALTH_OK; i++) {
        const struct health_check *check = &report->checks[i];
        if (check->health == report->health) {
            (void)snprintf(text, HEALTH_WHY_BYTES, "%s: %s", check->name, check->text);
            return;
        }
    }
}

bool health_alive(const struct http_view *view, uint64_t now_ms, char text[HEALTH_TEXT_BYTES])
{
    ASSERT(view != NULL && text != NULL);
    uint64_t age_ms = age_of(view->taken_ms, now_ms);
    /* A start may take long: the state is made anew from the log, within one turn. */
    bool alive = view->phase == HTTP_STARTING || age_ms <= HEALTH_DEAD_MS;
    (void)snprintf(text, HEALTH_TEXT_BYTES, "the loop has not turned for %" PRIu64 " ms", age_ms);
    return alive;
}

__attribute__((format(printf, 2, 3))) static void write_line(struct buffer *answer,
                                                             const char *format, ...)
{
    char line[HEALTH_TEXT_BYTES + 64];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ASSERT(size > 0 && (size_t)size < sizeof line);
    buffer_append(answer, line, (size_t)size);
}

void health_write(struct buffer *answer, const struct health_report *report, bool verbose)
{
    ASSERT(answer != NULL && report != NULL);
    static const char marks[] = {'+', '!', '-'};
    for (unsigned i = 0; i < report->count && verbose; i++) {
        const struct health_check *check = &report->checks[i];
        write_line(answer, "[%c] %-7s %s: %s\n", marks[check->health], check->name,
                   health_name(check->health), check->text);
    }
    char reason[HEALTH_WHY_BYTES];
    health_reason(report, reason);
    write_line(answer, "%s%s%s\n", health_name(report->health), reason[0] == '\0' ? "" : ": ",
               reason);
}
