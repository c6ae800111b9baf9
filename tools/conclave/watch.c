/* conclave watch: events as they happen, over reconnections. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "commands.h"
#include "convert.h"
#include "count.h"
#include "format.h"
#include "session.h"

#define EVENT_WAIT_MS  1000u
#define RECONNECT_MS   200u
#define RECONNECT_MOST 2000u

struct watching {
    const char *poll; /* only this one's events; NULL: all */
    uint64_t events_left;
    uint64_t until_ms; /* monotonic; UINT64_MAX: for ever */
    uint64_t last_index;
    bool lost; /* the connection was, and is not back */
};

/* Field by field what follows the type. */
static void print_details(const struct output *output, const json_t *event)
{
    static const char *const skipped[] = {"type",  "index",     "time",     "poll",  "member",
                                          "title", "decisions", "proposal", "policy"};
    static const char *const named[] = {"poll", "proposal", "policy", "member", "title"};
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        const char *text = convert_text(event, named[i]);
        if (text[0] != '\0') {
            output_print(output, OUTPUT_PLAIN, " ");
            output_safe(output, i == 0 ? OUTPUT_BOLD : OUTPUT_PLAIN, text);
        }
    }
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)event, key, value)
    {
        bool skip = !json_is_string(value);
        for (size_t i = 0; i < sizeof skipped / sizeof skipped[0]; i++) {
            skip = skip || strcmp(key, skipped[i]) == 0;
        }
        if (skip) {
            continue;
        }
        char time[FORMAT_TIME_BYTES];
        bool is_time = strcmp(key, "closes_at") == 0;
        format_time(is_time ? convert_u64(event, key) : 0, time);
        output_print(output, OUTPUT_DIM, " ");
        output_safe(output, OUTPUT_DIM, key);
        output_print(output, OUTPUT_DIM, "=");
        output_safe(output, OUTPUT_PLAIN, is_time ? time : json_string_value(value));
    }
    const json_t *decisions = json_object_get(event, "decisions");
    for (size_t i = 0; i < json_array_size(decisions); i++) {
        const json_t *decision = json_array_get(decisions, i);
        const char *outcome = convert_item_text(decision, 1);
        output_print(output, OUTPUT_PLAIN, " ");
        output_safe(output, OUTPUT_PLAIN, convert_item_text(decision, 0));
        output_print(output, OUTPUT_PLAIN, "=");
        output_safe(output, count_outcome_style(outcome), outcome);
    }
}

static void print_event(struct cli *cli, json_t *event)
{
    const struct output *output = &cli->output;
    if (output->json) {
        output_json_line(output, "event", json_incref(event));
        return;
    }
    char time[FORMAT_TIME_BYTES];
    format_time_exact(convert_u64(event, "time"), time);
    output_print(output, OUTPUT_DIM, "%s %6" PRIu64 "  ", time, convert_u64(event, "index"));
    output_safe(output, OUTPUT_ACCENT, convert_text(event, "type"));
    print_details(output, event);
    output_print(output, OUTPUT_PLAIN, "\n");
    (void)fflush(output->file);
}

/* Says that events may be missing after a reconnection: the log has them. */
static void print_gap(struct cli *cli, uint64_t from, uint64_t to)
{
    if (cli->output.json) {
        output_json_line(&cli->output, "event",
                         json_pack("{s:s, s:o, s:o}", "type", "watch.gap", "from",
                                   json_sprintf("%" PRIu64, from), "to",
                                   json_sprintf("%" PRIu64, to)));
    } else {
        output_print(&cli->output, OUTPUT_NOTICE,
                     "(back; entries %" PRIu64 " to %" PRIu64
                     " were missed: conclave log --from %" PRIu64 ")\n",
                     from, to, from);
        (void)fflush(cli->output.file);
    }
}

static uint64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

/* Connects, again and again. Nonzero: the exit status, of a refusal or of the end of time before
 * the first connection. */
static int connect_watch(struct cli *cli, struct watching *watching, bool first)
{
    uint64_t wait_ms = RECONNECT_MS;
    uint64_t give_up_ms = first ? now_ms() + cli->timeout_ms : watching->until_ms;
    for (;;) {
        uint64_t index;
        enum conclave_code code = conclave_watch(cli->client, &index);
        if (code == CONCLAVE_OK) {
            if (!first && index > watching->last_index) {
                print_gap(cli, watching->last_index + 1, index);
            }
            watching->last_index = index;
            watching->lost = false;
            return 0;
        }
        bool passing = conclave_code_exit_status(code) ==
                       conclave_code_exit_status(CONCLAVE_UNREACHABLE);
        if (!passing || now_ms() >= give_up_ms) {
            return cli_failure(cli, NULL);
        }
        (void)poll(NULL, 0, (int)wait_ms);
        wait_ms = wait_ms * 2 > RECONNECT_MOST ? RECONNECT_MOST : wait_ms * 2;
    }
}

static void take_event(struct cli *cli, struct watching *watching, struct slice packed)
{
    json_t *event = convert_packed_to_json(packed);
    if (!json_is_object(event)) {
        json_decref(event);
        return;
    }
    uint64_t index = convert_u64(event, "index");
    watching->last_index = index > watching->last_index ? index : watching->last_index;
    if (watching->poll == NULL || strcmp(watching->poll, convert_text(event, "poll")) == 0) {
        print_event(cli, event);
        watching->events_left--;
    }
    json_decref(event);
}

static int follow(struct cli *cli, struct watching *watching)
{
    int status = connect_watch(cli, watching, true);
    if (status == 0 && !cli->output.json && cli->output.terminal && !cli->output.quiet) {
        output_print(&cli->output, OUTPUT_DIM, "watching from entry %" PRIu64 "; Ctrl-C stops\n",
                     watching->last_index);
    }
    while (status == 0 && watching->events_left > 0 && now_ms() < watching->until_ms) {
        uint64_t left_ms = watching->until_ms - now_ms();
        struct conclave_bytes packed;
        enum conclave_code code = conclave_next_event(
            cli->client, left_ms < EVENT_WAIT_MS ? left_ms : EVENT_WAIT_MS, &packed);
        if (code == CONCLAVE_OK) {
            take_event(cli, watching, slice_of(packed.data, packed.size));
        } else if (code != CONCLAVE_UNKNOWN_OUTCOME) {
            if (!cli->output.quiet) {
                fprintf(cli->output.error, "conclave: connection lost, connecting again\n");
            }
            status = connect_watch(cli, watching, false);
        }
        if (ferror(cli->output.file)) {
            break; /* nobody reads any more; the caller says so */
        }
    }
    return status;
}

static int run_watch(struct cli *cli)
{
    struct watching watching = {.poll = args_text(&cli->args, "poll"), .until_ms = UINT64_MAX};
    const char *duration = args_text(&cli->args, "for");
    uint64_t ms;
    int status = session_number(cli, "count", 1, UINT64_MAX, UINT64_MAX, &watching.events_left);
    if (status != 0) {
        return status;
    }
    if (duration != NULL) {
        if (!format_parse_duration(duration, &ms)) {
            return cli_usage(cli, "--for %s: not a duration such as 90s or 1h", duration);
        }
        watching.until_ms = now_ms() + ms;
    }
    status = session_connect(cli);
    return status != 0 ? status : follow(cli, &watching);
}

static const struct args_option watch_options[] = {
    {.name = "poll", .argument = "POLL", .help = "Only events of this poll"},
    {.name = "count", .argument = "N", .help = "Stop after N events"},
    {.name = "for", .argument = "DURATION", .help = "Stop after this time"},
    ARGS_END};

static const struct command watch_commands[] = {
    {.summary = "Follow events live: polls opened and closed, ballots in, leaders changed",
     .usage = "[--poll POLL] [--count N] [--for DURATION]",
     .details =
         "When the connection breaks it connects to another node and says which entries were "
         "missed meanwhile. With --json an object a line.",
     .examples = "conclave watch\nconclave watch --poll lunch --for 1h\n"
                 "conclave watch --json | jq -r .type\n",
     .options = watch_options,
     .run = run_watch},
};

const struct command_group cli_group_watch = {"watch", "Follow events live", watch_commands, 1};
