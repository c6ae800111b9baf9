/* The page of `conclave top`, and the same as JSON. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "format.h"
#include "top.h"

#define BAR_COLUMNS   10u
#define RATE_BYTES    32u
#define TURNOUT_BYTES 64u

static void rate_text(bool known, uint64_t x10, char text[RATE_BYTES])
{
    snprintf(text, RATE_BYTES, "-");
    if (known && x10 < 1000) {
        snprintf(text, RATE_BYTES, "%" PRIu64 ".%" PRIu64, x10 / 10, x10 % 10);
    } else if (known) {
        snprintf(text, RATE_BYTES, "%" PRIu64, x10 / 10);
    }
}

/* "<= 2.5 ms": a histogram knows no more. */
static void latency_text(bool known, uint64_t us, char text[RATE_BYTES])
{
    if (!known) {
        snprintf(text, RATE_BYTES, "-");
    } else if (us == UINT64_MAX) {
        snprintf(text, RATE_BYTES, "> 10 s");
    } else if (us < 1000) {
        snprintf(text, RATE_BYTES, "<= %" PRIu64 " us", us);
    } else if (us < 1000000) {
        snprintf(text, RATE_BYTES, us % 1000 == 0 ? "<= %" PRIu64 " ms" : "<= %" PRIu64 ".5 ms",
                 us / 1000);
    } else {
        snprintf(text, RATE_BYTES, us % 1000000 == 0 ? "<= %" PRIu64 " s" : "<= %" PRIu64 ".5 s",
                 us / 1000000);
    }
}

static void print_rates(const struct output *output, const struct top *top)
{
    const struct top_rates *rates = &top->rates;
    char ballots[RATE_BYTES], commands[RATE_BYTES], p50[RATE_BYTES], p99[RATE_BYTES];
    rate_text(rates->known, rates->ballots_x10, ballots);
    rate_text(rates->known, rates->commands_x10, commands);
    latency_text(rates->latency_known, rates->p50_us, p50);
    latency_text(rates->latency_known, rates->p99_us, p99);
    output_print(output, OUTPUT_PLAIN, "ballots/s ");
    output_print(output, OUTPUT_BOLD, "%s", ballots);
    output_print(output, OUTPUT_PLAIN, "   commands/s ");
    output_print(output, OUTPUT_BOLD, "%s", commands);
    output_print(output, OUTPUT_PLAIN, "   latency p50 ");
    output_print(output, OUTPUT_BOLD, "%s", p50);
    output_print(output, OUTPUT_PLAIN, "  p99 ");
    output_print(output, OUTPUT_BOLD, "%s", p99);
    output_print(output, OUTPUT_PLAIN, "\n");
    output_print(output, OUTPUT_DIM,
                 "ballots %" PRIu64 "   commands %" PRIu64 "   members %" PRIu64,
                 top->counts.ballots, top->counts.commands, top->members);
    output_print(output, OUTPUT_PLAIN, "\n");
}

/* By closing time, then id. */
static int compare_polls(const void *a, const void *b)
{
    const json_t *first = *(json_t *const *)a;
    const json_t *second = *(json_t *const *)b;
    uint64_t first_ms = convert_u64(first, "closes_at");
    uint64_t second_ms = convert_u64(second, "closes_at");
    return first_ms != second_ms ? (first_ms < second_ms ? -1 : 1)
                                 : strcmp(convert_text(first, "id"), convert_text(second, "id"));
}

/* The open polls, the next to close first; NULL when there are none, or no memory. */
static json_t **sorted_polls(const struct top *top, size_t *count)
{
    *count = json_array_size(top->polls);
    json_t **polls = *count == 0 ? NULL : malloc(*count * sizeof(json_t *));
    if (polls == NULL) {
        *count = 0;
        return NULL;
    }
    for (size_t i = 0; i < *count; i++) {
        polls[i] = json_array_get(top->polls, i);
    }
    qsort(polls, *count, sizeof(json_t *), compare_polls);
    return polls;
}

static uint64_t heads_of(const json_t *poll)
{
    return convert_u64(json_object_get(poll, "roll"), "heads");
}

static uint64_t left_ms_of(const json_t *poll, uint64_t now_ms)
{
    uint64_t closes_ms = convert_u64(poll, "closes_at");
    return closes_ms > now_ms ? closes_ms - now_ms : 0;
}

/* "12/30 ####......" */
static void turnout_text(const struct output *output, const json_t *poll, char text[TURNOUT_BYTES])
{
    uint64_t voted = convert_u64(poll, "ballots");
    uint64_t heads = heads_of(poll);
    size_t filled = heads == 0 ? 0 : (size_t)(voted * BAR_COLUMNS / heads);
    int size = snprintf(text, TURNOUT_BYTES, "%" PRIu64 "/%" PRIu64 " ", voted, heads);
    for (size_t i = 0; i < BAR_COLUMNS; i++) {
        const char *mark = i < filled ? (output->utf8 ? "█" : "#") : (output->utf8 ? "░" : ".");
        size += snprintf(text + size, TURNOUT_BYTES - (size_t)size, "%s", mark);
    }
}

static void print_polls(const struct output *output, const struct top *top, uint64_t now_ms)
{
    struct output_table table;
    size_t count;
    json_t **polls = sorted_polls(top, &count);
    output_table_init(&table);
    output_table_column(&table, "POLL", OUTPUT_SHRINK);
    output_table_column(&table, "TURNOUT", OUTPUT_LEFT);
    output_table_column(&table, "TIME LEFT", OUTPUT_RIGHT);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    for (size_t i = 0; i < count; i++) {
        char turnout[TURNOUT_BYTES];
        char left[FORMAT_DURATION_BYTES];
        uint64_t left_ms = left_ms_of(polls[i], now_ms);
        turnout_text(output, polls[i], turnout);
        format_duration(left_ms - left_ms % 1000, left); /* whole seconds: nothing flickers */
        output_table_cell(&table, convert_text(polls[i], "id"));
        output_table_cell(&table, turnout);
        output_table_styled(&table, left_ms == 0 ? OUTPUT_BAD : OUTPUT_PLAIN,
                            left_ms == 0 ? "over" : left);
        output_table_cell(&table, convert_text(polls[i], "title"));
    }
    output_table_finish(&table, output,
                        top->polls == NULL ? "polls: nobody can be asked" : "no open polls");
    if (top->more_polls) {
        output_print(output, OUTPUT_DIM, "... and more\n");
    }
    free((void *)polls);
}

void top_print(const struct output *output, const struct top *top, uint64_t now_ms)
{
    cluster_view_print(output, &top->view);
    output_print(output, OUTPUT_PLAIN, "\n");
    print_rates(output, top);
    output_print(output, OUTPUT_PLAIN, "\n");
    print_polls(output, top, now_ms);
}

static json_t *rate_json(bool known, uint64_t x10)
{
    return known ? json_sprintf("%" PRIu64 ".%" PRIu64, x10 / 10, x10 % 10) : json_null();
}

static json_t *latency_json(bool known, uint64_t us)
{
    return known && us != UINT64_MAX ? json_sprintf("%" PRIu64, us) : json_null();
}

static json_t *nodes_json(const struct cluster_view *view)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < view->node_count; i++) {
        const struct cluster_node *node = &view->nodes[i];
        uint64_t lag;
        bool lag_known = cluster_view_lag(view, i, &lag);
        (void)json_array_append_new(
            nodes, json_pack("{s:s, s:s, s:b, s:s, s:o, s:s, s:s}", "node", node->node, "address",
                             node->address, "up", node->up, "role",
                             node->up ? convert_text(node->status, "state") : "down", "lag",
                             lag_known ? json_sprintf("%" PRIu64, lag) : json_null(), "why",
                             node->why, "http", convert_text(node->status, "http")));
    }
    return nodes;
}

void top_print_json(const struct output *output, const struct top *top, uint64_t now_ms)
{
    const struct top_rates *rates = &top->rates;
    json_t *polls = json_array();
    size_t count;
    json_t **sorted = sorted_polls(top, &count);
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(
            polls, json_pack("{s:s, s:s, s:s, s:o, s:o}", "id", convert_text(sorted[i], "id"),
                             "title", convert_text(sorted[i], "title"), "ballots",
                             convert_text(sorted[i], "ballots"), "heads",
                             json_sprintf("%" PRIu64, heads_of(sorted[i])), "left_ms",
                             json_sprintf("%" PRIu64, left_ms_of(sorted[i], now_ms))));
    }
    free((void *)sorted);
    output_json(output, "top",
                json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "health",
                          top->view.health, "name", top->view.name, "cluster", top->view.cluster,
                          "ballots", json_sprintf("%" PRIu64, top->counts.ballots),
                          "ballots_per_second", rate_json(rates->known, rates->ballots_x10),
                          "commands_per_second", rate_json(rates->known, rates->commands_x10),
                          "p50_us", latency_json(rates->latency_known, rates->p50_us), "p99_us",
                          latency_json(rates->latency_known, rates->p99_us), "nodes",
                          nodes_json(&top->view), "polls", polls));
}
