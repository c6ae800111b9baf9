/* conclave log: the entries of the log. */
#include <inttypes.h>
#include <string.h>

#include "commands.h"
#include "convert.h"
#include "entry.h"
#include "format.h"
#include "session.h"

#define SHOWN_BY_DEFAULT 20u

/* What a command is about: the id that its body names. */
static const char *subject(const json_t *command)
{
    const json_t *body = json_object_get(command, "body");
    const char *poll = convert_text(body, "poll");
    return poll[0] != '\0' ? poll : convert_text(body, "id");
}

static void print_command(const struct output *output, const json_t *command)
{
    const char *code = convert_text(command, "code");
    bool accepted = strcmp(code, "ok") == 0;
    output_print(output, OUTPUT_PLAIN, "    ");
    output_safe(output, accepted ? OUTPUT_GOOD : OUTPUT_BAD, accepted ? "ok" : code);
    output_print(output, OUTPUT_PLAIN, "  ");
    output_safe(output, OUTPUT_ACCENT, convert_text(command, "kind"));
    output_print(output, OUTPUT_PLAIN, " ");
    output_safe(output, OUTPUT_BOLD, subject(command));
    output_print(output, OUTPUT_PLAIN, " by ");
    output_safe(output, OUTPUT_PLAIN, convert_text(command, "author"));
    output_print(output, OUTPUT_PLAIN, "  ");
    output_safe(output, OUTPUT_DIM, convert_text(command, "request"));
    output_print(output, OUTPUT_PLAIN, "\n");
}

static void print_entry(const struct output *output, const json_t *entry)
{
    char time[FORMAT_TIME_BYTES];
    format_time_exact(convert_u64(entry, "time"), time);
    output_print(output, OUTPUT_NOTICE, "%" PRIu64, convert_u64(entry, "index"));
    output_print(output, OUTPUT_DIM, "  term %" PRIu64 "  %s  ", convert_u64(entry, "term"), time);
    output_safe(output, OUTPUT_PLAIN, convert_text(entry, "type"));
    output_print(output, OUTPUT_PLAIN, "\n");
    const json_t *closes = json_object_get(entry, "closes");
    for (size_t i = 0; i < json_array_size(closes); i++) {
        output_print(output, OUTPUT_PLAIN, "    closes ");
        output_safe(output, OUTPUT_BOLD, convert_item_text(closes, i));
        output_print(output, OUTPUT_PLAIN, "\n");
    }
    const json_t *commands = json_object_get(entry, "commands");
    for (size_t i = 0; i < json_array_size(commands); i++) {
        print_command(output, json_array_get(commands, i));
    }
}

/* Where to start: --from, or so that the last entries are shown. Nonzero: the exit status. */
static int find_start(struct cli *cli, uint64_t limit, uint64_t *from)
{
    int status = session_number(cli, "from", 1, UINT64_MAX, 0, from);
    if (status != 0 || *from > 0) {
        return status;
    }
    json_t *page = entry_page(cli, 1, 1, &status);
    if (page == NULL) {
        return status;
    }
    uint64_t last = convert_u64(page, "last");
    *from = last > limit ? last - limit + 1 : 1;
    json_decref(page);
    return 0;
}

static int run_log(struct cli *cli)
{
    uint64_t from;
    uint64_t limit;
    bool from_given = args_given(&cli->args, "from");
    int status = session_number(cli, "limit", 1, UINT64_MAX,
                                from_given ? UINT64_MAX : SHOWN_BY_DEFAULT, &limit);
    if (status == 0) {
        status = find_start(cli, limit, &from);
    }
    json_t *all = json_array();
    uint64_t last = 0;
    bool more = true;
    while (status == 0 && more && limit > 0) {
        json_t *page = entry_page(cli, from, limit, &status);
        if (page == NULL) {
            break;
        }
        size_t i;
        json_t *entry;
        json_array_foreach(json_object_get(page, "items"), i, entry)
        {
            entry_expand(entry);
            from = convert_u64(entry, "index") + 1;
            if (cli->output.json) {
                (void)json_array_append(all, entry);
            } else {
                print_entry(&cli->output, entry);
            }
            limit--;
        }
        more = convert_bool(page, "more") && i > 0;
        last = convert_u64(page, "last");
        json_decref(page);
    }
    if (status == 0 && cli->output.json) {
        output_json(&cli->output, "log",
                    json_pack("{s:O, s:b, s:o}", "items", all, "more", more, "last",
                              json_sprintf("%" PRIu64, last)));
    }
    json_decref(all);
    return status;
}

static const struct args_option log_options[] = {
    {.name = "from", .argument = "INDEX", .help = "Start here (default: the last 20 entries)"},
    {.name = "limit", .argument = "N", .help = "Show at most N entries"},
    ARGS_END};

static const struct command log_commands[] = {
    {.summary = "Show entries of the log: what was decided, in which order, and how",
     .usage = "[--from INDEX] [--limit N]",
     .examples = "conclave log\nconclave log --from 1 --limit 100\nconclave log --from 1 --json\n",
     .options = log_options,
     .run = run_log},
};

const struct command_group cli_group_log = {"log", "Show entries of the log", log_commands, 1};
