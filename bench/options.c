/* Options. */
#include "options.h"

#include <conclave/limits.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "requests.h"

static const char help_text[] =
    "usage: conclave-bench --endpoint LIST --key FILE [options]\n"
    "\n"
    "Measures a cluster: signed ballots, or linearizable reads, in a closed loop. Admits the "
    "voters\n"
    "that are missing and opens a poll of its own first; what it sends is made and signed before "
    "the\n"
    "clock starts. Prints a table.\n"
    "\n"
    "  --endpoint LIST      client addresses of all nodes: 127.0.0.1:7201,127.0.0.1:7202,...\n"
    "  --key FILE           secret key of a chair\n"
    "  --mode MODE          ballots (default), reads (member.get) or mixed\n"
    "  --reads PERCENT      of the mixed requests (default 50)\n"
    "  --target WHO         leader (default), followers or all: where the connections go\n"
    "  --connections LIST   connections; one measurement for each (default 64)\n"
    "  --pipeline N         requests under way on each connection (default 1)\n"
    "  --rate N             an open loop: N requests a second, whatever is answered; a latency "
    "counts\n"
    "                       from the time when its request was to leave, also if no connection was "
    "free\n"
    "  --questions N        questions that each ballot answers (default 1)\n"
    "  --polls N            polls open at once, one ballot after the other (default 1)\n"
    "  --voters N           members that vote, one after the other (default 10000)\n"
    "  --requests N         requests to make ready (default: enough for the time)\n"
    "  --seconds N          measured time (default 5); --warm N before it (default 1)\n"
    "  --repeat N           measure everything N times, in turn (default 1)\n"
    "  --threads N          threads of the load (default 1)\n"
    "  --pids LIST          pids of the nodes: their CPU time and memory are shown\n"
    "  --json FILE          results as JSON too\n"
    "\n"
    "exit status: 0 measured, 1 failed, 2 wrong use\n";

static bool wrong(const char *option, const char *value, const char *expected)
{
    (void)fprintf(stderr, "conclave-bench: %s: \"%s\" is not %s; see --help\n", option, value,
                  expected);
    return false;
}

static bool parse_number(const char *option, const char *text, unsigned least, unsigned most,
                         unsigned *value)
{
    char *end;
    errno = 0;
    unsigned long parsed = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || parsed < least || parsed > most) {
        char expected[64];
        (void)snprintf(expected, sizeof expected, "a number from %u to %u", least, most);
        return wrong(option, text, expected);
    }
    *value = (unsigned)parsed;
    return true;
}

/* Cuts `text` at commas. */
static unsigned split(char *text, char **parts, unsigned most)
{
    unsigned count = 0;
    for (char *at = text; at != NULL && count < most;) {
        parts[count++] = at;
        at = strchr(at, ',');
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return count;
}

static bool parse_list(const char *option, const char *text, unsigned most_count, unsigned most,
                       unsigned *values, unsigned *count)
{
    char copy[256];
    char *parts[OPTIONS_COUNTS];
    if (strlen(text) >= sizeof copy) {
        return wrong(option, text, "a short list");
    }
    memcpy(copy, text, strlen(text) + 1);
    *count = split(copy, parts, most_count);
    for (unsigned i = 0; i < *count; i++) {
        if (!parse_number(option, parts[i], 1, most, &values[i])) {
            return false;
        }
    }
    return true;
}

static bool parse_endpoints(struct options *options, const char *text)
{
    char *parts[OPTIONS_ENDPOINTS];
    if (strlen(text) >= sizeof options->endpoint_text) {
        return wrong("--endpoint", text, "a list of addresses");
    }
    memcpy(options->endpoint_text, text, strlen(text) + 1);
    options->endpoint_count = split(options->endpoint_text, parts, OPTIONS_ENDPOINTS);
    for (unsigned i = 0; i < options->endpoint_count; i++) {
        options->endpoints[i] = parts[i];
    }
    return true;
}

static bool parse_word(const char *option, const char *text, const char *const *words,
                       unsigned count, unsigned *value)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, words[i]) == 0) {
            *value = i;
            return true;
        }
    }
    return wrong(option, text, "a word that it takes");
}

static bool parse_option(struct options *options, int option, const char *text)
{
    static const char *const modes[] = {"ballots", "reads", "mixed"};
    static const char *const targets[] = {"leader", "followers", "all"};
    unsigned value = 0;
    unsigned pids[OPTIONS_COUNTS];
    bool good = true;
    switch (option) {
    case 'e':
        return parse_endpoints(options, text);
    case 'k':
        options->key_path = text;
        return true;
    case 'j':
        options->json_path = text;
        return true;
    case 'm':
        good = parse_word("--mode", text, modes, 3, &value);
        options->mode = (enum options_mode)value;
        return good;
    case 't':
        good = parse_word("--target", text, targets, 3, &value);
        options->target = (enum options_target)value;
        return good;
    case 'c':
        return parse_list("--connections", text, OPTIONS_COUNTS, LOAD_CONNECTIONS_MAX,
                          options->connections, &options->connection_count);
    case 'i':
        good = parse_list("--pids", text, OPTIONS_ENDPOINTS, 1u << 22, pids, &options->pid_count);
        for (unsigned i = 0; good && i < options->pid_count; i++) {
            options->pids[i] = (long)pids[i];
        }
        return good;
    case 'p':
        return parse_number("--pipeline", text, 1, LOAD_PIPELINE_MAX, &options->pipeline);
    case 'q':
        return parse_number("--questions", text, 1, LIMIT_QUESTIONS, &options->questions);
    case 'o':
        return parse_number("--polls", text, 1, CLUSTER_POLLS_MAX, &options->polls);
    case 'R':
        return parse_number("--reads", text, 1, 99, &options->reads_percent);
    case 'a':
        return parse_number("--rate", text, 1, 1000000, &options->rate);
    case 'v':
        return parse_number("--voters", text, 1, LIMIT_MEMBERS - 1, &options->voters);
    case 'n':
        return parse_number("--requests", text, REQUESTS_SIGNERS, REQUESTS_MAX, &options->requests);
    case 's':
        good = parse_number("--seconds", text, 1, 3600, &value);
        options->measure_ms = value * 1000u;
        return good;
    case 'w':
        good = parse_number("--warm", text, 0, 60, &value);
        options->warm_ms = value * 1000u;
        return good;
    case 'r':
        return parse_number("--repeat", text, 1, 100, &options->repeat);
    case 'T':
        return parse_number("--threads", text, 1, LOAD_THREADS_MAX, &options->threads);
    default:
        return false; /* getopt has said why */
    }
}

bool options_parse(struct options *options, int argc, char **argv, bool *help)
{
    static const struct option names[] = {
        {"endpoint", required_argument, NULL, 'e'},
        {"key", required_argument, NULL, 'k'},
        {"mode", required_argument, NULL, 'm'},
        {"target", required_argument, NULL, 't'},
        {"connections", required_argument, NULL, 'c'},
        {"pipeline", required_argument, NULL, 'p'},
        {"questions", required_argument, NULL, 'q'},
        {"polls", required_argument, NULL, 'o'},
        {"reads", required_argument, NULL, 'R'},
        {"rate", required_argument, NULL, 'a'},
        {"voters", required_argument, NULL, 'v'},
        {"requests", required_argument, NULL, 'n'},
        {"seconds", required_argument, NULL, 's'},
        {"warm", required_argument, NULL, 'w'},
        {"repeat", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 'T'},
        {"pids", required_argument, NULL, 'i'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *options = (struct options){.connections = {64},
                                .connection_count = 1,
                                .pipeline = 1,
                                .questions = 1,
                                .polls = 1,
                                .reads_percent = 50,
                                .voters = 10000,
                                .threads = 1,
                                .repeat = 1,
                                .warm_ms = 1000,
                                .measure_ms = 5000};
    *help = false;
    for (;;) {
        int option = getopt_long(argc, argv, "h", names, NULL);
        if (option == -1) {
            break;
        }
        if (option == 'h') {
            (void)fputs(help_text, stdout);
            *help = true;
            return true;
        }
        if (!parse_option(options, option, optarg)) {
            return false;
        }
    }
    if (optind < argc) {
        return wrong("argument", argv[optind], "known");
    }
    if (options->endpoint_count == 0 || options->key_path == NULL) {
        (void)fputs("conclave-bench: --endpoint and --key are needed; see --help\n", stderr);
        return false;
    }
    return true;
}
