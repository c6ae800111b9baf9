/* conclave decision: what was decided, and why. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "count.h"
#include "format.h"
#include "session.h"

static int run_list(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "poll", args_text(&cli->args, "poll"));
    int status;
    json_t *answer = session_list(cli, "decision.list", &params, "id", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "decisions", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "DECISION", OUTPUT_LEFT);
    output_table_column(&table, "OUTCOME", OUTPUT_LEFT);
    output_table_column(&table, "ARITHMETIC", OUTPUT_SHRINK);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    output_table_column(&table, "TIME", OUTPUT_LEFT);
    size_t i;
    const json_t *item;
    char time[FORMAT_TIME_BYTES];
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        const char *outcome = convert_text(item, "outcome");
        format_time(convert_u64(item, "time"), time);
        output_table_cell(&table, convert_text(item, "id"));
        output_table_styled(&table, count_outcome_style(outcome), outcome);
        output_table_cell(&table, convert_text(item, "text"));
        output_table_cell(&table, convert_text(json_object_get(item, "tally"), "title"));
        output_table_cell(&table, time);
    }
    output_table_finish(&table, &cli->output, "no decisions");
    json_decref(answer);
    return 0;
}

static void print_roll_changes(const struct output *output, const json_t *changes)
{
    size_t i;
    const json_t *change;
    if (json_array_size(changes) == 0) {
        return;
    }
    output_print(output, OUTPUT_PLAIN,
                 "\nMembers of the roll that changed while the poll was open (they kept their "
                 "place):\n");
    json_array_foreach(changes, i, change)
    {
        output_print(output, OUTPUT_PLAIN, "    ");
        output_safe(output, OUTPUT_PLAIN, convert_text(change, "member"));
        output_print(output, OUTPUT_PLAIN, ": ");
        output_safe(output, OUTPUT_PLAIN, convert_text(change, "what"));
        output_print(output, OUTPUT_DIM, " (log %" PRIu64 ")\n", convert_u64(change, "index"));
    }
}

/* "POLL/QUESTION", or two words. */
static int take_id(struct cli *cli, struct body *params)
{
    const char *first = args_word(&cli->args, 0);
    const char *second = args_word(&cli->args, 1);
    char poll[LIMIT_ID_BYTES + 1];
    size_t size = strcspn(first, "/");
    if (size > LIMIT_ID_BYTES || (first[size] == '/') == (second != NULL)) {
        return cli_usage(cli, "a decision is named POLL/QUESTION");
    }
    snprintf(poll, sizeof poll, "%.*s", (int)size, first);
    body_text(params, "poll", poll);
    body_text(params, "question", second == NULL ? first + size + 1 : second);
    return 0;
}

static int run_show(struct cli *cli)
{
    struct body params;
    body_init(&params);
    int status = take_id(cli, &params);
    if (status != 0) {
        body_close(&params);
        return status;
    }
    json_t *answer = session_query(cli, "decision.get", &params, &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "decision", answer);
        return 0;
    }
    const struct output *output = &cli->output;
    const char *outcome = convert_text(answer, "outcome");
    char time[FORMAT_TIME_BYTES];
    char decided[96];
    format_time(convert_u64(answer, "time"), time);
    snprintf(decided, sizeof decided, "%s (log %" PRIu64 ")", time, convert_u64(answer, "index"));
    output_field(output, "decision", convert_text(answer, "id"));
    output_print(output, OUTPUT_DIM, "%-14s", "outcome");
    output_safe(output, count_outcome_style(outcome), outcome);
    output_print(output, OUTPUT_PLAIN, "\n");
    output_field(output, "arithmetic", convert_text(answer, "text"));
    output_field(output, "decided", decided);
    output_field(output, "reason", convert_text(answer, "reason"));
    output_field(output, "superseded by", convert_text(answer, "superseded_by"));
    output_print(output, OUTPUT_PLAIN, "\n");
    count_print(output, json_object_get(answer, "tally"), true);
    print_roll_changes(output, json_object_get(answer, "roll_changes"));
    json_decref(answer);
    return 0;
}

static const struct args_option list_options[] = {
    {.name = "poll", .argument = "POLL", .help = "Only those of this poll"},
    SESSION_LIST_OPTIONS,
    ARGS_END};

static const struct command decision_commands[] = {
    {.verb = "list",
     .summary = "List the decisions",
     .examples = "conclave decision list\nconclave decision list --poll minutes-0004 --json\n",
     .options = list_options,
     .run = run_list},
    {.verb = "show",
     .summary = "Show a decision with the rule and its arithmetic",
     .usage = "POLL/QUESTION",
     .examples = "conclave decision show minutes-0004/P-001\n",
     .words_min = 1,
     .words_max = 2,
     .run = run_show},
};

const struct command_group cli_group_decision = {"decision", "Show what was decided, and why",
                                                 decision_commands,
                                                 COMMANDS_COUNT(decision_commands)};
