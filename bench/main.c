/* conclave-bench: measures a running cluster. bench/run starts one for it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/memory.h"
#include "cluster.h"
#include "load.h"
#include "report.h"

/* Requests made ready for each second, if not told: more than a cluster on one machine takes. */
#define ALONE_PER_SECOND   8000u
#define BALLOTS_PER_SECOND 20000u
#define READS              100000u

static bool raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return false;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

/* --- what the nodes used in the measured time --- */

struct meter {
    const struct options *options;
    struct report_run *run;
    struct usage nodes[OPTIONS_ENDPOINTS];
    struct usage self;
    uint64_t steal_us;
};

static void meter_start(void *context)
{
    struct meter *meter = context;
    for (unsigned i = 0; i < meter->options->pid_count; i++) {
        meter->run->nodes[i].known = usage_of_process(meter->options->pids[i], &meter->nodes[i]);
    }
    (void)usage_of_process((long)getpid(), &meter->self);
    meter->steal_us = usage_steal_us();
}

static void meter_end(void *context)
{
    struct meter *meter = context;
    for (unsigned i = 0; i < meter->options->pid_count; i++) {
        struct report_node *node = &meter->run->nodes[i];
        node->known = node->known && usage_of_process(meter->options->pids[i], &node->end);
        node->cpu_us = node->known ? node->end.cpu_us - meter->nodes[i].cpu_us : 0;
    }
    struct usage self = meter->self;
    (void)usage_of_process((long)getpid(), &self);
    meter->run->generator_cpu_us = self.cpu_us - meter->self.cpu_us;
    meter->run->steal_us = usage_steal_us() - meter->steal_us;
}

/* --- one measurement --- */

static uint32_t request_count(const struct options *options, unsigned connections)
{
    if (options->requests != 0) {
        return options->requests;
    }
    if (options->mode == MODE_READS) {
        return READS;
    }
    if (options->rate != 0) {
        uint64_t ms = (uint64_t)options->warm_ms + options->measure_ms;
        uint64_t due = options->rate * ms / 1000u + REQUESTS_SIGNERS;
        return due < REQUESTS_MAX ? (uint32_t)due : REQUESTS_MAX;
    }
    bool alone = connections * options->pipeline < 4;
    uint64_t seconds = (options->warm_ms + options->measure_ms + 999u) / 1000u;
    uint64_t count = seconds * (alone ? ALONE_PER_SECOND : BALLOTS_PER_SECOND);
    return count < REQUESTS_MAX ? (uint32_t)count : REQUESTS_MAX;
}

static bool measure(struct cluster *cluster, struct report_run *run)
{
    const struct options *options = cluster->options;
    const char *endpoints[OPTIONS_ENDPOINTS];
    unsigned endpoint_count = cluster_targets(cluster, endpoints);
    uint32_t count = request_count(options, run->connections);
    struct request_set requests;
    if (endpoint_count == 0) {
        return false;
    }
    if (options->mode == MODE_READS) {
        requests_make_reads(&requests, &cluster->voters, count);
    } else {
        if (!cluster_open_polls(cluster, options->polls, options->questions)) {
            return false;
        }
        const struct ballot_plan plan = {
            .cluster = cluster->id,
            .polls = (const char(*)[CLUSTER_POLL_BYTES])cluster->polls,
            .poll_count = options->polls,
            .questions = options->questions,
            .reads_percent = options->mode == MODE_MIXED ? options->reads_percent : 0,
            .voters = &cluster->voters};
        requests_make_ballots(&requests, &plan, count, 2);
    }
    struct meter meter = {.options = options, .run = run};
    const struct load_config config = {
        .endpoints = endpoints,
        .endpoint_count = endpoint_count,
        .connections = run->connections,
        .pipeline = options->pipeline,
        .rate = options->rate,
        .threads = options->threads < run->connections ? options->threads : run->connections,
        .requests = &requests,
        .repeat = options->mode == MODE_READS,
        .warm_ms = options->warm_ms,
        .measure_ms = options->measure_ms};
    load_run(&config, &run->load, meter_start, meter_end, &meter);
    requests_close(&requests);
    report_row(options, run);
    return run->load.failure[0] == '\0' && !run->load.stalled && run->load.accepted > 0;
}

int main(int argc, char **argv)
{
    static struct options options;
    static struct cluster cluster;
    bool help;
    if (!options_parse(&options, argc, argv, &help)) {
        return 2;
    }
    if (help) {
        return 0;
    }
    (void)raise_file_limit(); /* else connecting says what is missing */
    unsigned count = options.repeat * options.connection_count;
    struct report_run *runs = memory_allocate_zeroed(count, sizeof *runs);
    bool good = runs != NULL && cluster_open(&cluster, &options) && cluster_admit(&cluster);
    if (good) {
        report_head();
    }
    for (unsigned i = 0; good && i < count; i++) {
        runs[i].round = i / options.connection_count + 1;
        runs[i].connections = options.connections[i % options.connection_count];
        good = measure(&cluster, &runs[i]);
    }
    if (good && options.json_path != NULL) {
        good = report_json(&options, runs, count);
    }
    cluster_close(&cluster);
    memory_free(runs);
    return good ? 0 : 1;
}
