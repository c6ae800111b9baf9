/* conclave top: the cluster live, on the whole screen, or one look at it. */
#include "top.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "client/connection.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "session.h"

#define LOOK_MS          1500u /* for one look at all nodes */
#define INTERVAL_MS      1000u
#define INTERVAL_MS_MIN  100u
#define INTERVAL_MS_MOST 3600000u
#define POLLS_MOST       200u

/* --- Looking --- */

/* A stale query to the node at this place; NULL when it fails. Closes the params. */
static json_t *ask(struct top *top, size_t place, const char *method, struct body *params)
{
    struct conclave_bytes result;
    struct buffer packed;
    uint64_t now_ms = client_now_ms();
    uint64_t left_ms = top->view.deadline_ms > now_ms ? top->view.deadline_ms - now_ms : 1;
    json_t *answer = NULL;
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    body_bool(params, "stale", true);
    if (body_finish(params, &packed) == CONCLAVE_OK &&
        conclave_ask(top->view.client, place, method, packed.data, packed.size, left_ms, &result) ==
            CONCLAVE_OK) {
        answer = convert_packed_to_json(slice_of(result.data, result.size));
    }
    buffer_close(&packed);
    body_close(params);
    return answer;
}

static void add_latency(struct top_counts *counts, const json_t *status)
{
    const json_t *latency = json_object_get(status, "latency");
    size_t count = json_array_size(latency);
    if (count == 0 || count > TOP_BOUNDS) {
        return;
    }
    counts->bound_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *pair = json_array_get(latency, i);
        counts->bounds_us[i] = i + 1 == count ? UINT64_MAX : convert_item_u64(pair, 0);
        counts->at_most[i] += convert_item_u64(pair, 1);
    }
}

static void count_nodes(struct top *top)
{
    for (size_t i = 0; i < top->view.node_count; i++) {
        const struct cluster_node *node = &top->view.nodes[i];
        if (node->up) {
            top->counts.uptime_ms += convert_u64(node->status, "uptime_ms");
            add_latency(&top->counts, node->status);
        }
    }
}

/* The node to ask for what all of them have: the leader, or else any that is up. */
static size_t source_of(const struct cluster_view *view)
{
    size_t place = view->leader;
    for (size_t i = 0; i < view->node_count && place == SIZE_MAX; i++) {
        place = view->nodes[i].up ? i : place;
    }
    return place;
}

static void ask_state(struct top *top, size_t place)
{
    struct body params;
    body_init(&params);
    json_t *cluster = ask(top, place, "cluster.get", &params);
    const json_t *counts = json_object_get(cluster, "counts");
    if (counts != NULL) {
        top->counts.known = true;
        top->counts.ballots = convert_u64(counts, "ballots");
        top->counts.commands = convert_u64(counts, "commands");
        top->members = convert_u64(counts, "members");
    }
    json_decref(cluster);

    body_init(&params);
    body_text(&params, "state", "open");
    body_u64(&params, "limit", POLLS_MOST);
    json_t *polls = ask(top, place, "poll.list", &params);
    json_decref(top->polls);
    top->polls = json_incref(json_object_get(polls, "items"));
    top->more_polls = convert_bool(polls, "more");
    json_decref(polls);
}

static uint64_t quantile(const struct top_counts *before, const struct top_counts *after,
                         uint64_t per_cent)
{
    size_t last = after->bound_count - 1;
    uint64_t all = after->at_most[last] - before->at_most[last];
    for (size_t i = 0; i < last; i++) {
        if ((after->at_most[i] - before->at_most[i]) * 100 >= all * per_cent) {
            return after->bounds_us[i];
        }
    }
    return UINT64_MAX;
}

struct top_rates top_rates_of(const struct top_counts *before, const struct top_counts *after)
{
    struct top_rates rates = {0};
    if (!before->known || !after->known || after->at_ms <= before->at_ms) {
        return rates;
    }
    uint64_t passed_ms = after->at_ms - before->at_ms;
    /* A look at a node that lags may show less than the last look did. */
    if (after->ballots >= before->ballots && after->commands >= before->commands) {
        rates.known = true;
        rates.ballots_x10 = (after->ballots - before->ballots) * 10000 / passed_ms;
        rates.commands_x10 = (after->commands - before->commands) * 10000 / passed_ms;
    }
    size_t count = after->bound_count;
    if (count > 0 && count == before->bound_count && after->uptime_ms >= before->uptime_ms &&
        after->at_most[count - 1] > before->at_most[count - 1]) {
        rates.latency_known = true;
        rates.p50_us = quantile(before, after, 50);
        rates.p99_us = quantile(before, after, 99);
    }
    return rates;
}

int top_look(struct cli *cli, struct top *top)
{
    struct top_counts before = top->counts;
    top->view.deadline_ms = client_now_ms() + LOOK_MS;
    if (!top->view.named) {
        top->view.node_count = 0;
        int status = cluster_view_find(cli, &top->view);
        if (status != 0) {
            return status;
        }
    }
    top->counts = (struct top_counts){.at_ms = client_now_ms()};
    if (!top->view.named) {
        cluster_view_judge(&top->view);
        return 0;
    }
    int status = cluster_view_ask(cli, &top->view, false);
    if (status != 0) {
        return status;
    }
    count_nodes(top);
    size_t place = source_of(&top->view);
    if (place != SIZE_MAX) {
        ask_state(top, place);
    }
    top->rates = top_rates_of(&before, &top->counts);
    return 0;
}

void top_close(struct top *top)
{
    json_decref(top->polls);
    cluster_view_close(&top->view);
}

/* --- The command --- */

/* Two looks, so that there are rates. */
static int look_once(struct cli *cli, struct top *top, uint64_t interval_ms)
{
    int status = top_look(cli, top);
    if (status == 0 && top->counts.known) {
        (void)poll(NULL, 0, (int)interval_ms);
        status = top_look(cli, top);
    }
    if (status != 0) {
        return status;
    }
    uint64_t now_ms = clock_wall_ms(&clock_system);
    if (cli->output.json) {
        top_print_json(&cli->output, top, now_ms);
    } else {
        top_print(&cli->output, top, now_ms);
    }
    return cluster_view_no_quorum(&top->view) ? conclave_code_exit_status(CONCLAVE_NO_LEADER) : 0;
}

static int run_top(struct cli *cli)
{
    uint64_t interval_ms = INTERVAL_MS;
    const char *interval = args_text(&cli->args, "interval");
    if (interval != NULL && (!format_parse_duration(interval, &interval_ms) ||
                             interval_ms < INTERVAL_MS_MIN || interval_ms > INTERVAL_MS_MOST)) {
        return cli_usage(cli, "--interval %s: not a duration from 100ms to 1h", interval);
    }
    struct top top = {.view = {.leader = SIZE_MAX}};
    bool once = args_given(&cli->args, "once") || cli->output.json || !cli->output.terminal;
    int status = once ? look_once(cli, &top, interval_ms) : top_screen(cli, &top, interval_ms);
    top_close(&top);
    return status;
}

static const struct args_option top_options[] = {
    {.name = "interval",
     .argument = "DURATION",
     .help = "Time between two looks, such as 500ms or 5s (default 1s)"},
    {.name = "once",
     .help = "Look twice, print once, and end (also where the output is no terminal)"},
    ARGS_END};

static const struct command top_commands[] = {
    {.summary = "Watch the cluster on the whole screen: nodes, lag, ballots a second, open polls",
     .usage = "[--once] [--interval DURATION]",
     .details = "Shows every node with its role and why it is down, how many ballots and commands "
                "are decided a second and how long they took (p50 and p99 of those answered "
                "between two looks), and the open polls with turnout and time left, the next to "
                "close first. q ends it. Reads are stale: it goes on without a quorum. With --json "
                "one object. Exit status with --once and --json: 5 without a quorum.",
     .examples = "conclave top\nconclave top --interval 5s\nconclave top --once\n"
                 "conclave top --json | jq .ballots_per_second\n",
     .options = top_options,
     .run = run_top},
};

const struct command_group cli_group_top = {"top", "Watch the cluster on the whole screen",
                                            top_commands, 1};
