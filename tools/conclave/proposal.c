/* conclave proposal: documents that are voted on. */
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "format.h"
#include "session.h"

/* --body TEXT or --file FILE: appends to `text`; `*given` tells whether there was one. */
static int take_body(struct cli *cli, struct buffer *text, bool *given)
{
    const char *body = args_text(&cli->args, "body");
    const char *file = args_text(&cli->args, "file");
    if (body != NULL && file != NULL) {
        return cli_usage(cli, "--body and --file exclude each other");
    }
    *given = body != NULL || file != NULL;
    if (body != NULL) {
        buffer_append(text, body, strlen(body));
    } else if (file != NULL) {
        return session_read_file(cli, file, LIMIT_PROPOSAL_BODY_BYTES, text);
    }
    return 0;
}

static int submit(struct cli *cli, const char *kind, bool all_needed)
{
    const char *id = args_word(&cli->args, 0);
    const char *title = args_text(&cli->args, "title");
    struct buffer text;
    struct body body;
    buffer_init(&text, LIMIT_FRAME_BYTES);
    body_init(&body);
    bool given = false;
    int status = take_body(cli, &text, &given);
    buffer_append(&text, "", 1);
    if (status == 0 && all_needed && (title == NULL || !given)) {
        status = cli_usage(cli, "--title and one of --body and --file are needed");
    }
    if (status == 0 && text.size > 1 && memchr(text.data, '\0', text.size - 1) != NULL) {
        status = cli_usage(cli, "the body has a NUL byte: it must be text");
    }
    json_t *reply = NULL;
    if (status == 0) {
        body_text(&body, "id", id);
        body_text(&body, "title", title);
        body_text(&body, "category", args_text(&cli->args, "category"));
        body_text(&body, "body", given ? (const char *)text.data : NULL);
        status = body.count < 2 ? cli_usage(cli, "nothing to revise: give --title, --category, "
                                                 "--body or --file")
                                : session_submit(cli, kind, &body, &reply);
    }
    body_close(&body);
    buffer_close(&text);
    if (status != 0) {
        return status;
    }
    return session_done(cli, reply, "%s %s, revision %s", all_needed ? "submitted" : "revised", id,
                        convert_text(json_object_get(reply, "result"), "revision"));
}

static int run_submit(struct cli *cli)
{
    return submit(cli, "proposal.submit", true);
}

static int run_revise(struct cli *cli)
{
    return submit(cli, "proposal.revise", false);
}

static int run_withdraw(struct cli *cli)
{
    struct body body;
    body_init(&body);
    body_text(&body, "id", args_word(&cli->args, 0));
    body_text(&body, "reason", args_text(&cli->args, "reason"));
    json_t *reply;
    int status = session_submit(cli, "proposal.withdraw", &body, &reply);
    return status != 0 ? status : session_done(cli, reply, "withdrew %s", args_word(&cli->args, 0));
}

static enum output_style style_of_stage(const char *stage)
{
    return strcmp(stage, "accepted") == 0   ? OUTPUT_GOOD
           : strcmp(stage, "rejected") == 0 ? OUTPUT_BAD
           : strcmp(stage, "voting") == 0   ? OUTPUT_ACCENT
           : strcmp(stage, "revision") == 0 ? OUTPUT_NOTICE
                                            : OUTPUT_PLAIN;
}

static int run_list(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "stage", args_text(&cli->args, "stage"));
    int status;
    json_t *answer = session_list(cli, "proposal.list", &params, "id", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "proposals", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    output_table_column(&table, "CATEGORY", OUTPUT_SHRINK);
    output_table_column(&table, "AUTHOR", OUTPUT_LEFT);
    output_table_column(&table, "REV", OUTPUT_RIGHT);
    output_table_column(&table, "STAGE", OUTPUT_LEFT);
    output_table_column(&table, "POLL", OUTPUT_LEFT);
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        const char *stage = convert_text(item, "stage");
        output_table_cell(&table, convert_text(item, "id"));
        output_table_cell(&table, convert_text(item, "title"));
        output_table_cell(&table, convert_text(item, "category"));
        output_table_cell(&table, convert_text(item, "author"));
        output_table_cell(&table, convert_text(item, "revision"));
        output_table_styled(&table, style_of_stage(stage), stage);
        output_table_cell(&table, convert_text(item, "poll"));
    }
    output_table_finish(&table, &cli->output, "no proposals");
    json_decref(answer);
    return 0;
}

static void print_history(const struct output *output, const json_t *history)
{
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "REV", OUTPUT_RIGHT);
    output_table_column(&table, "TIME", OUTPUT_LEFT);
    output_table_column(&table, "AUTHOR", OUTPUT_LEFT);
    output_table_column(&table, "TITLE", OUTPUT_SHRINK);
    output_table_column(&table, "SHA-256", OUTPUT_SHRINK);
    size_t i;
    const json_t *item;
    char time[FORMAT_TIME_BYTES];
    json_array_foreach(history, i, item)
    {
        format_time(convert_u64(item, "time"), time);
        output_table_cell(&table, convert_text(item, "revision"));
        output_table_cell(&table, time);
        output_table_cell(&table, convert_text(item, "author"));
        output_table_cell(&table, convert_text(item, "title"));
        output_table_cell(&table, convert_text(item, "sha256"));
    }
    output_table_finish(&table, output, "no history");
}

static int run_show(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", args_word(&cli->args, 0));
    uint64_t revision;
    int status = session_number(cli, "revision", 1, LIMIT_REVISIONS, 0, &revision);
    if (status != 0) {
        body_close(&params);
        return status;
    }
    if (revision > 0) {
        body_u64(&params, "revision", revision);
    }
    json_t *answer = session_query(cli, "proposal.get", &params, &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "proposal", answer);
        return 0;
    }
    const struct output *output = &cli->output;
    output_field(output, "proposal", convert_text(answer, "id"));
    output_field(output, "title", convert_text(answer, "title"));
    output_field(output, "category", convert_text(answer, "category"));
    output_field(output, "author", convert_text(answer, "author"));
    output_field(output, "stage", convert_text(answer, "stage"));
    output_field(output, "revision", convert_text(answer, "revision"));
    output_field(output, "poll", convert_text(answer, "poll"));
    output_field(output, "sha256", convert_text(answer, "sha256"));
    output_print(output, OUTPUT_PLAIN, "\n");
    output_block(output, 2, convert_text(answer, "body"));
    output_print(output, OUTPUT_PLAIN, "\n");
    print_history(output, json_object_get(answer, "history"));
    json_decref(answer);
    return 0;
}

#define PROPOSAL_OPTIONS                                                          \
    {.name = "title", .argument = "TEXT", .help = "The title"},                   \
        {.name = "category", .argument = "TEXT", .help = "The category"},         \
        {.name = "body", .argument = "TEXT", .help = "The text of the proposal"}, \
    {                                                                             \
        .name = "file", .argument = "FILE",                                       \
        .help = "Read the text from this file (- for standard input)"             \
    }

static const struct args_option submit_options[] = {PROPOSAL_OPTIONS, ARGS_END};

static const struct args_option withdraw_options[] = {
    {.name = "reason", .argument = "TEXT", .help = "Why"}, ARGS_END};

static const struct args_option list_options[] = {
    {.name = "stage",
     .argument = "STAGE",
     .help = "submitted, voting, accepted, rejected, revision or withdrawn"},
    SESSION_LIST_OPTIONS,
    ARGS_END};

static const struct args_option show_options[] = {
    {.name = "revision", .argument = "N", .help = "An earlier revision (default: the newest)"},
    ARGS_END};

static const struct command proposal_commands[] = {
    {.verb = "submit",
     .summary = "Submit a proposal",
     .usage = "ID --title TEXT (--body TEXT | --file FILE) [--category TEXT]",
     .examples = "conclave proposal submit P-001 --title 'Use BLAKE3' --file p-001.md\n"
                 "conclave proposal submit P-002 --title 'Meet weekly' --body 'On Mondays.'\n",
     .options = submit_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_submit},
    {.verb = "revise",
     .summary = "Revise a proposal (its author or a chair; not while it is voted on)",
     .usage = "ID [--title TEXT] [--category TEXT] [--body TEXT | --file FILE]",
     .examples = "conclave proposal revise P-001 --file p-001.md\n",
     .options = submit_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_revise},
    {.verb = "withdraw",
     .summary = "Withdraw a proposal (its author or a chair; not while it is voted on)",
     .usage = "ID [--reason TEXT]",
     .examples = "conclave proposal withdraw P-001 --reason 'P-002 says it better'\n",
     .options = withdraw_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_withdraw},
    {.verb = "list",
     .summary = "List the proposals",
     .examples = "conclave proposal list\nconclave proposal list --stage accepted --json\n",
     .options = list_options,
     .run = run_list},
    {.verb = "show",
     .summary = "Show a proposal with its text and history",
     .usage = "ID [--revision N]",
     .examples = "conclave proposal show P-001\nconclave proposal show P-001 --revision 1\n",
     .options = show_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_show},
};

const struct command_group cli_group_proposal = {"proposal", "Submit, revise and show proposals",
                                                 proposal_commands,
                                                 COMMANDS_COUNT(proposal_commands)};
