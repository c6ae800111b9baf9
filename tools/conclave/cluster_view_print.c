/* The cluster as people read it. */
#include <inttypes.h>
#include <string.h>

#include "cluster_view.h"
#include "base/clock.h"
#include "convert.h"
#include "format.h"

#define CERTIFICATE_SOON_MS (30ull * 24u * 3600u * 1000u)

static void print_table(const struct output *output, const struct cluster_view *view)
{
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "NODE", OUTPUT_RIGHT);
    output_table_column(&table, "ADDRESS", OUTPUT_LEFT);
    output_table_column(&table, "ROLE", OUTPUT_LEFT);
    output_table_column(&table, "TERM", OUTPUT_RIGHT);
    output_table_column(&table, "APPLIED", OUTPUT_RIGHT);
    output_table_column(&table, "LAG", OUTPUT_RIGHT);
    output_table_column(&table, "UP SINCE", OUTPUT_RIGHT);
    output_table_column(&table, "WHY", OUTPUT_SHRINK);
    for (size_t i = 0; i < view->node_count; i++) {
        const struct cluster_node *node = &view->nodes[i];
        const char *state = convert_text(node->status, "state");
        char lag_text[24] = "-";
        char uptime[FORMAT_DURATION_BYTES] = "-";
        uint64_t lag;
        if (cluster_view_lag(view, i, &lag)) {
            snprintf(lag_text, sizeof lag_text, "%" PRIu64, lag);
        }
        if (node->up) {
            format_duration(convert_u64(node->status, "uptime_ms"), uptime);
        }
        output_table_cell(&table, node->node);
        output_table_cell(&table, node->address);
        output_table_styled(&table,
                            !node->up           ? OUTPUT_BAD
                            : i == view->leader ? OUTPUT_GOOD
                                                : OUTPUT_PLAIN,
                            node->up ? state : "down");
        output_table_cell(&table, node->up ? convert_text(node->status, "term") : "-");
        output_table_cell(&table, node->up ? convert_text(node->status, "applied") : "-");
        output_table_cell(&table, lag_text);
        output_table_cell(&table, uptime);
        output_table_styled(&table, OUTPUT_NOTICE, node->why);
    }
    output_table_finish(&table, output, "no nodes");
}

void cluster_view_print(const struct output *output, const struct cluster_view *view)
{
    if (view->named) {
        output_print(output, OUTPUT_PLAIN, "cluster ");
        output_safe(output, OUTPUT_BOLD, view->name);
        output_print(output, OUTPUT_DIM, " (%s)", view->cluster);
        output_print(output, OUTPUT_PLAIN, ": ");
    }
    bool degraded = strcmp(view->health, "degraded") == 0;
    output_print(output,
                 cluster_view_no_quorum(view) ? OUTPUT_BAD
                 : degraded                   ? OUTPUT_NOTICE
                                              : OUTPUT_GOOD,
                 "%s", view->health);
    if (degraded || (cluster_view_no_quorum(view) && view->named)) {
        output_print(output, OUTPUT_PLAIN, ", %zu of %zu", view->up, view->node_count);
    }
    output_print(output, OUTPUT_PLAIN, "\n\n");
    print_table(output, view);
}

void cluster_view_print_security(const struct output *output, const struct cluster_view *view)
{
    uint64_t ends_ms = UINT64_MAX, now_ms = clock_wall_ms(&clock_system);
    const char *whose = "";
    for (size_t i = 0; i < view->node_count; i++) {
        const json_t *tls = json_object_get(view->nodes[i].status, "tls");
        if (!json_is_object(tls)) {
            continue;
        }
        uint64_t own_ms = convert_u64(tls, "certificate_ends"), ca_ms = convert_u64(tls, "ca_ends");
        if (own_ms < ends_ms) {
            ends_ms = own_ms;
            whose = view->nodes[i].node;
        }
        if (ca_ms < ends_ms) {
            ends_ms = ca_ms;
            whose = "";
        }
    }
    if (ends_ms == UINT64_MAX) {
        return;
    }
    uint64_t left_ms = ends_ms > now_ms ? ends_ms - now_ms : 0;
    char left[FORMAT_DURATION_BYTES];
    format_duration(left_ms, left);
    output_print(output, left_ms < CERTIFICATE_SOON_MS ? OUTPUT_NOTICE : OUTPUT_DIM,
                 "\nencrypted (TLS 1.3); the first certificate to end is %s%s, in %s\n",
                 whose[0] == '\0' ? "the CA's" : "that of node ", whose, left);
}
