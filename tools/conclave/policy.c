/* conclave policy: the rules for deciding. */
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "format.h"
#include "rule.h"
#include "session.h"

/* Fields of a policy map that are text whatever they look like. */
static const char *const text_keys[] = {"title",  "for",      "method", "base",   "class",
                                        "domain", "sections", "mode",   "revote", NULL};

static int run_put(struct cli *cli)
{
    const char *id = args_word(&cli->args, 0);
    int status;
    json_t *file = session_read_json(cli, args_word(&cli->args, 1), &status);
    if (file == NULL) {
        return status;
    }
    /* Also what `policy show --json` printed, with the policy inside. */
    json_t *inner = json_object_get(file, "policy");
    json_t *policy = json_is_object(inner) ? inner : file;
    convert_restore_integers(policy, text_keys);
    struct body body;
    body_init(&body);
    body_text(&body, "id", id);
    body_json(&body, "policy", policy);
    json_t *reply;
    status = session_submit(cli, "policy.put", &body, &reply);
    json_decref(file);
    if (status != 0) {
        return status;
    }
    return session_done(cli, reply, "policy %s is now version %s", id,
                        convert_text(json_object_get(reply, "result"), "version"));
}

static int run_list(struct cli *cli)
{
    int status;
    json_t *answer = session_list(cli, "policy.list", NULL, "id", &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "policies", answer);
        return 0;
    }
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_column(&table, "VERSION", OUTPUT_RIGHT);
    output_table_column(&table, "RULE", OUTPUT_SHRINK);
    output_table_column(&table, "FOR", OUTPUT_SHRINK);
    size_t i;
    const json_t *item;
    char text[RULE_TEXT_BYTES];
    json_array_foreach(json_object_get(answer, "items"), i, item)
    {
        const json_t *policy = json_object_get(item, "policy");
        rule_summary(policy, text);
        output_table_cell(&table, convert_text(item, "id"));
        output_table_cell(&table, convert_text(item, "version"));
        output_table_cell(&table, text);
        output_table_cell(&table, convert_text(policy, "for"));
    }
    output_table_finish(&table, &cli->output, "no policies");
    json_decref(answer);
    return 0;
}

static int run_show(struct cli *cli)
{
    struct body params;
    body_init(&params);
    body_text(&params, "id", args_word(&cli->args, 0));
    uint64_t version;
    int status = session_number(cli, "version-number", 1, UINT32_MAX, 0, &version);
    if (status != 0) {
        body_close(&params);
        return status;
    }
    if (version > 0) {
        body_u64(&params, "version", version);
    }
    json_t *answer = session_query(cli, "policy.get", &params, &status);
    if (answer == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "policy", answer);
        return 0;
    }
    const json_t *policy = json_object_get(answer, "policy");
    char time[FORMAT_TIME_BYTES];
    char put[160];
    format_time(convert_u64(answer, "time"), time);
    snprintf(put, sizeof put, "by %s, %s (log %s)", convert_text(answer, "author"), time,
             convert_text(answer, "index"));
    output_field(&cli->output, "policy", convert_text(answer, "id"));
    output_field(&cli->output, "version", convert_text(answer, "version"));
    output_field(&cli->output, "title", convert_text(policy, "title"));
    output_field(&cli->output, "for", convert_text(policy, "for"));
    output_field(&cli->output, "put", convert_text(answer, "author")[0] == '\0' ? "" : put);
    rule_print(&cli->output, policy);
    json_decref(answer);
    return 0;
}

static const struct args_option show_options[] = {
    {.name = "version-number", .argument = "N", .help = "An earlier version (default: the newest)"},
    ARGS_END};

static const struct args_option list_options[] = {SESSION_LIST_OPTIONS, ARGS_END};

static const struct command policy_commands[] = {
    {.verb = "put",
     .summary = "Make a policy, or the next version of one (chairs only)",
     .usage = "ID FILE",
     .details = "FILE (- for standard input) is a JSON object with the fields of a policy map "
                "(docs/PROTOCOL.md), or what `conclave policy show --json` printed. Polls that are "
                "open or closed keep the version they were opened with.",
     .examples = "conclave policy put hive-60 policy.json\n"
                 "echo '{\"method\":\"score\",\"min\":1,\"max\":10,\"pass\":[60,100,\">=\"]}' | "
                 "conclave policy put hive-60 -\n",
     .words_min = 2,
     .words_max = 2,
     .run = run_put},
    {.verb = "list",
     .summary = "List the newest version of every policy",
     .examples = "conclave policy list\n",
     .options = list_options,
     .run = run_list},
    {.verb = "show",
     .summary = "Show a policy",
     .usage = "ID [--version-number N]",
     .examples = "conclave policy show simple-majority\n"
                 "conclave policy show hive-60 --version-number 1 --json\n",
     .options = show_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_show},
};

const struct command_group cli_group_policy = {"policy", "Put and show rules for deciding",
                                               policy_commands, COMMANDS_COUNT(policy_commands)};
