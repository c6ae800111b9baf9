/* The table and the JSON. */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const mode_names[] = {"ballots", "reads", "mixed"};
static const char *const target_names[] = {"leader", "followers", "all"};

static double per_second(const struct report_run *run)
{
    return run->load.measured_us == 0
               ? 0
               : (double)run->load.accepted * 1e6 / (double)run->load.measured_us;
}

static double ms(uint64_t us)
{
    return (double)us / 1e3;
}

/* Cores used: CPU time over time. */
static double cores(const struct report_run *run, uint64_t cpu_us)
{
    return run->load.measured_us == 0 ? 0 : (double)cpu_us / (double)run->load.measured_us;
}

void report_head(void)
{
    (void)printf("%-8s %-9s %5s %4s %4s %9s %8s %8s %8s %8s %6s %6s  %s\n", "what", "target",
                 "conns", "pipe", "ques", "per_s", "p50_ms", "p99_ms", "max_ms", "gap_ms", "busy",
                 "resent", "cores: nodes, load; stolen");
}

void report_row(const struct options *options, const struct report_run *run)
{
    const struct load_result *load = &run->load;
    (void)printf("%-8s %-9s %5u %4u %4u %9.0f %8.2f %8.2f %8.2f %8.1f %6" PRIu64 " %6" PRIu64 " ",
                 mode_names[options->mode], target_names[options->target], run->connections,
                 options->pipeline, options->questions, per_second(run),
                 ms(latency_quantile_us(&load->latency, 50, 100)),
                 ms(latency_quantile_us(&load->latency, 99, 100)), ms(load->latency.max_us),
                 ms(load->longest_gap_us), load->busy, load->resent);
    for (unsigned i = 0; i < options->pid_count; i++) {
        (void)printf(" %.2f", cores(run, run->nodes[i].cpu_us));
    }
    (void)printf(", %.2f; %.2f\n", cores(run, run->generator_cpu_us), cores(run, run->steal_us));
    if (load->refused > 0) {
        (void)printf("  %" PRIu64 " refused; the first: %s\n", load->refused, load->refusal);
    }
    if (load->stalled) {
        (void)printf("  stalled: no answer for %u ms\n", LOAD_STALL_MS);
    }
    if (load->failure[0] != '\0') {
        (void)printf("  failure: %s\n", load->failure);
    }
    (void)fflush(stdout);
}

static json_t *nodes_json(const struct options *options, const struct report_run *run)
{
    json_t *nodes = json_array();
    for (unsigned i = 0; i < options->pid_count; i++) {
        const struct report_node *node = &run->nodes[i];
        (void)json_array_append_new(
            nodes,
            json_pack("{s:s, s:f, s:I, s:I}", "endpoint", options->endpoints[i], "cores",
                      cores(run, node->cpu_us), "anonymous_kb", (json_int_t)node->end.anonymous_kb,
                      "resident_kb", (json_int_t)node->end.resident_kb));
    }
    return nodes;
}

static json_t *run_json(const struct options *options, const struct report_run *run)
{
    const struct load_result *load = &run->load;
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:f, s:I, s:I, s:I, s:I}", "mode",
                  mode_names[options->mode], "target", target_names[options->target], "round",
                  (int)run->round, "connections", (int)run->connections, "pipeline",
                  (int)options->pipeline, "questions", (int)options->questions, "voters",
                  (int)options->voters, "per_second", per_second(run), "accepted",
                  (json_int_t)load->accepted, "measured_us", (json_int_t)load->measured_us,
                  "refused", (json_int_t)load->refused, "busy", (json_int_t)load->busy);
    if (object != NULL) {
        (void)json_object_set_new(object, "rate", json_integer((json_int_t)options->rate));
        (void)json_object_set_new(object, "polls", json_integer((json_int_t)options->polls));
    }
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:b, s:o}", "resent", (json_int_t)load->resent,
        "connections_lost", (json_int_t)load->connection_lost, "p50_us",
        (json_int_t)latency_quantile_us(&load->latency, 50, 100), "p99_us",
        (json_int_t)latency_quantile_us(&load->latency, 99, 100), "max_us",
        (json_int_t)load->latency.max_us, "longest_gap_us", (json_int_t)load->longest_gap_us,
        "load_cores", cores(run, run->generator_cpu_us), "steal_cores", cores(run, run->steal_us),
        "stalled", (int)load->stalled, "nodes", nodes_json(options, run));
    if (object != NULL && more != NULL) {
        (void)json_object_update(object, more);
    }
    json_decref(more);
    return object;
}

bool report_json(const struct options *options, const struct report_run *runs, unsigned count)
{
    json_t *all = json_array();
    for (unsigned i = 0; i < count; i++) {
        (void)json_array_append_new(all, run_json(options, &runs[i]));
    }
    bool good = all != NULL && json_array_size(all) == count &&
                json_dump_file(all, options->json_path, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) ==
                    0;
    json_decref(all);
    if (!good) {
        (void)fprintf(stderr, "conclave-bench: %s could not be written: %s\n", options->json_path,
                      strerror(errno));
    }
    return good;
}
