/* conclave-sim: runs replicas in worlds that one integer decides, and looks for what must not be.
 *
 * Exit status: 0 every seed passed, 1 a seed broke something (which is printed, with the command
 * that shows it again), 2 wrong use. Never installed. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/logger.h"
#include "sim/sim.h"

struct arguments {
    uint64_t first;
    uint64_t count;
    unsigned node_count;
    uint64_t until_step;
    bool verbose;
    bool trace;
    bool text;
    bool keep_going;
    const char *json_file;
};

static void usage(FILE *out)
{
    fprintf(out,
            "usage: conclave-sim [--seed N] [--seeds K] [--nodes 1..7] [--verbose] [--until STEP]\n"
            "                    [--trace] [--report] [--json FILE] [--keep-going]\n"
            "\n"
            "  --seed N       the first seed (1)\n"
            "  --seeds K      how many, one after the other (1)\n"
            "  --nodes M      nodes of the cluster; without it the seed decides\n"
            "  --verbose      every event, as text\n"
            "  --until STEP   stop there\n"
            "  --trace        a line for each seed: its steps and the hash of its events\n"
            "  --report       faults fired and states reached, as text, at the end\n"
            "  --json FILE    the same as JSON\n"
            "  --keep-going   do not stop at the first seed that breaks something\n");
}

static bool parse_number(const char *name, const char *text, uint64_t least, uint64_t most,
                         uint64_t *value)
{
    char *end = NULL;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || number < least || number > most) {
        fprintf(stderr, "conclave-sim: --%s %s: give an integer from %" PRIu64 " to %" PRIu64 "\n",
                name, text, least, most);
        return false;
    }
    *value = number;
    return true;
}

static bool parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 's'},
                                            {"seeds", required_argument, NULL, 'k'},
                                            {"nodes", required_argument, NULL, 'n'},
                                            {"until", required_argument, NULL, 'u'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"trace", no_argument, NULL, 't'},
                                            {"report", no_argument, NULL, 'r'},
                                            {"keep-going", no_argument, NULL, 'g'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    *arguments = (struct arguments){.first = 1, .count = 1};
    uint64_t number = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        bool valid = true;
        switch (option) {
        case 's':
            valid = parse_number("seed", optarg, 0, UINT64_MAX, &arguments->first);
            break;
        case 'k':
            valid = parse_number("seeds", optarg, 1, UINT32_MAX, &arguments->count);
            break;
        case 'n':
            valid = parse_number("nodes", optarg, 1, SIM_NODES, &number);
            arguments->node_count = (unsigned)number;
            break;
        case 'u':
            valid = parse_number("until", optarg, 1, UINT64_MAX, &arguments->until_step);
            break;
        case 'j':
            arguments->json_file = optarg;
            break;
        case 'v':
            arguments->verbose = true;
            break;
        case 't':
            arguments->trace = true;
            break;
        case 'r':
            arguments->text = true;
            break;
        case 'g':
            arguments->keep_going = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            valid = false;
            break;
        }
        if (!valid) {
            return false;
        }
    }
    return optind == argc;
}

static void print_failure(const struct arguments *arguments, uint64_t seed,
                          const struct sim_result *result)
{
    printf("seed %" PRIu64 ", %u nodes, step %" PRIu64 ", %" PRIu64 " ms: %s\n", seed,
           result->node_count, result->step, result->time_ms, result->broken);
    char nodes[24] = "";
    if (arguments->node_count != 0) {
        (void)snprintf(nodes, sizeof nodes, " --nodes %u", arguments->node_count);
    }
    printf("replay: conclave-sim --seed %" PRIu64 "%s --verbose\n", seed, nodes);
    (void)fflush(stdout);
}

static bool write_json(const char *file, const struct sim_report *report)
{
    FILE *out = fopen(file, "w");
    if (out == NULL) {
        fprintf(stderr, "conclave-sim: %s cannot be written\n", file);
        return false;
    }
    sim_report_json(report, out);
    return fclose(out) == 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    if (!parse(argc, argv, &arguments)) {
        usage(stderr);
        return 2;
    }
    logger_configure(arguments.verbose ? LOGGER_DEBUG : LOGGER_OFF, LOGGER_LOGFMT, 0);
    struct sim_report sum = {.counts = {0}};
    uint64_t failed = 0;
    for (uint64_t i = 0; i < arguments.count; i++) {
        const struct sim_options options = {.seed = arguments.first + i,
                                            .node_count = arguments.node_count,
                                            .until_step = arguments.until_step,
                                            .verbose = arguments.verbose};
        struct sim_result result;
        sim_run(&options, &result);
        sim_report_add(&sum, &result.report);
        if (arguments.trace) {
            printf("seed %" PRIu64 ": %" PRIu64 " steps, trace %016" PRIx64 "\n", options.seed,
                   result.step, result.trace);
        }
        if (!result.passed) {
            failed++;
            print_failure(&arguments, options.seed, &result);
            if (!arguments.keep_going) {
                break;
            }
        }
    }
    if (arguments.text) {
        sim_report_text(&sum, stdout);
    }
    if (arguments.json_file != NULL && !write_json(arguments.json_file, &sum)) {
        return 2;
    }
    return failed == 0 ? 0 : 1;
}
