/* conclave ballot: ballots as they stand in the record. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "format.h"
#include "session.h"

/* "yes", "7, veto", "- (approve)" */
static void answer_text(const json_t *answer, char *text, size_t size)
{
    const char *choice = convert_text(answer, "a");
    const char *review = convert_text(answer, "review");
    snprintf(text, size, "%s%s%s%s%s", choice[0] == '\0' ? "-" : choice,
             convert_bool(answer, "veto") ? ", veto" : "", review[0] == '\0' ? "" : " (", review,
             review[0] == '\0' ? "" : ")");
}

static int run_list(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "poll", args_word(&cli->args, 0));
    int status;
    json_t *answer = session_list(cli, "ballot.list", &params, "member", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "ballots", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "MEMBER", OUTPUT_LEFT);
    output_table_column(&table, "BALLOT", OUTPUT_RIGHT);
    output_table_column(&table, "WEIGHT", OUTPUT_RIGHT);
    output_table_column(&table, "LOG", OUTPUT_RIGHT);
    output_table_column(&table, "ANSWERS", OUTPUT_SHRINK);
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        char line[512] = "";
        size_t used = 0;
        size_t j;
        const json_t *one;
        json_array_foreach(json_object_get(item, "answers"), j, one)
        {
            char text[96];
            answer_text(one, text, sizeof text);
            int written = used >= sizeof line
                              ? 0
                              : snprintf(line + used, sizeof line - used, "%s%s=%s",
                                         j == 0 ? "" : " ", convert_text(one, "q"), text);
            used += written < 0 ? 0 : (size_t)written;
        }
        output_table_cell(&table, convert_text(item, "member"));
        output_table_cell(&table, convert_text(item, "ballot"));
        output_table_cell(&table, convert_text(item, "weight"));
        output_table_cell(&table, convert_text(item, "index"));
        output_table_cell(&table, line);
    }
    output_table_finish(&table, &cli->output, "no ballots");
    json_decref(answer);
    return 0;
}

static void print_answers(const struct output *output, const json_t *answers)
{
    size_t i;
    const json_t *answer;
    json_array_foreach(answers, i, answer)
    {
        char text[96];
        answer_text(answer, text, sizeof text);
        output_print(output, OUTPUT_PLAIN, "  ");
        output_safe(output, OUTPUT_BOLD, convert_text(answer, "q"));
        output_print(output, OUTPUT_PLAIN, "  ");
        output_safe(output, OUTPUT_PLAIN, text);
        output_print(output, OUTPUT_PLAIN, "\n");
        output_block(output, 6, convert_text(answer, "why"));
    }
}

static int run_show(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "poll", args_word(&cli->args, 0));
    body_text(&params, "member", args_word(&cli->args, 1));
    int status;
    json_t *answer = session_query(cli, "ballot.get", &params, &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "ballot", answer);
        return 0;
    }
    const struct output *output = &cli->output;
    const json_t *imported = json_object_get(answer, "imported");
    char claimed[FORMAT_TIME_BYTES] = "";
    char place[96];
    if (!convert_is_null(answer, "claimed_at")) {
        format_time(convert_u64(answer, "claimed_at"), claimed);
    }
    snprintf(place, sizeof place, "%" PRIu64 ", position %" PRIu64, convert_u64(answer, "index"),
             convert_u64(answer, "position"));
    output_field(output, "poll", convert_text(answer, "poll"));
    output_field(output, "member", convert_text(answer, "member"));
    output_field(output, "ballot", convert_text(answer, "ballot"));
    output_field(output, "weight", convert_text(answer, "weight"));
    output_field(output, "log", place);
    output_field(output, "claimed time", claimed);
    output_field(output, "imported", convert_text(imported, "file"));
    output_field(output, "  sha256", convert_text(imported, "sha256"));
    output_field(output, "  timestamp", convert_text(imported, "timestamp"));
    output_print(output, OUTPUT_PLAIN, "\n");
    print_answers(output, json_object_get(answer, "answers"));
    json_decref(answer);
    return 0;
}

static const struct args_option list_options[] = {SESSION_LIST_OPTIONS, ARGS_END};

static const struct command ballot_commands[] = {
    {.verb = "list",
     .summary = "List the ballots of a poll, the valid one of each member",
     .usage = "POLL",
     .examples = "conclave ballot list minutes-0004\nconclave ballot list minutes-0004 --json\n",
     .options = list_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_list},
    {.verb = "show",
     .summary = "Show a member's ballot with its rationales",
     .usage = "POLL MEMBER",
     .examples = "conclave ballot show minutes-0004 bob\n",
     .words_min = 2,
     .words_max = 2,
     .run = run_show},
};

const struct command_group cli_group_ballot = {"ballot", "Show ballots and their rationales",
                                               ballot_commands, COMMANDS_COUNT(ballot_commands)};
