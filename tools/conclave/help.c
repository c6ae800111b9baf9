/* Pages of help, made from the table of commands. */
#include <string.h>

#include "cli.h"
#include "text.h"

#define OPTION_COLUMN 26u
#define OVERVIEW_EXAMPLES                                                               \
    "conclave status\n"                                                                 \
    "conclave proposal submit P-001 --title 'Use BLAKE3' --file p-001.md\n"             \
    "conclave poll open lunch --title Lunch --for 1h --question 'pizza,title=Pizza?'\n" \
    "conclave vote lunch pizza=yes\n"                                                   \
    "conclave tally lunch\n"

/* Words of `text` filled into lines from `column` on; the cursor stands there already. */
static void fill(const struct output *output, size_t column, const char *text)
{
    size_t width = output_prose_width(output);
    size_t at = column;
    while (*text != '\0') {
        size_t size = strcspn(text, " \n");
        if (at > column && at + 1 + size > width) {
            output_print(output, OUTPUT_PLAIN, "\n%*s", (int)column, "");
            at = column;
        }
        if (at > column) {
            output_print(output, OUTPUT_PLAIN, " ");
            at++;
        }
        output_print(output, OUTPUT_PLAIN, "%.*s", (int)size, text);
        at += size;
        text += size;
        if (*text == '\n') {
            output_print(output, OUTPUT_PLAIN, "\n%*s", (int)column, "");
            at = column;
        }
        text += *text != '\0';
    }
    output_print(output, OUTPUT_PLAIN, "\n");
}

static void print_title(const struct output *output, const char *title)
{
    output_print(output, OUTPUT_PLAIN, "\n");
    output_print(output, OUTPUT_BOLD, "%s", title);
    output_print(output, OUTPUT_PLAIN, "\n");
}

static void print_entry(const struct output *output, const char *name, size_t column,
                        const char *text)
{
    output_print(output, OUTPUT_PLAIN, "  ");
    output_print(output, OUTPUT_ACCENT, "%s", name);
    size_t at = 2 + strlen(name);
    if (at + 2 > column) {
        output_print(output, OUTPUT_PLAIN, "\n");
        at = 0;
    }
    output_print(output, OUTPUT_PLAIN, "%*s", (int)(column - at), "");
    fill(output, column, text);
}

static void print_options(const struct output *output, const struct args_option *options)
{
    for (; options->name != NULL; options++) {
        char name[96];
        char letter[5] = "    ";
        if (options->letter != 0) {
            snprintf(letter, sizeof letter, "-%c, ", options->letter);
        }
        snprintf(name, sizeof name, "%s--%s%s%s", letter, options->name,
                 options->argument == NULL ? "" : " ",
                 options->argument == NULL ? "" : options->argument);
        print_entry(output, name, OPTION_COLUMN, options->help);
    }
}

void cli_help_overview(const struct output *output)
{
    ASSERT(output != NULL);
    output_print(output, OUTPUT_PLAIN, "usage: conclave COMMAND [WORDS] [OPTIONS]\n\n");
    fill(output, 0, "The command line of Conclave, a replicated voting cluster.");
    print_title(output, "commands:");
    for (size_t i = 0; i < cli_group_count; i++) {
        print_entry(output, cli_groups[i]->name, 15, cli_groups[i]->summary);
    }
    print_title(output, "options of every command:");
    print_options(output, cli_global_options);
    print_title(output, "examples:");
    output_block(output, 2, OVERVIEW_EXAMPLES);
    print_title(output, "exit status:");
    fill(output, 0,
         "0 done, 1 other failure, 2 usage or configuration, 3 not found, 4 not allowed, 5 no "
         "quorum "
         "or nobody reachable, 6 refused by a rule, 7 outcome unknown");
    output_print(output, OUTPUT_PLAIN,
                 "\n`conclave help COMMAND` tells more; so does conclave(1).\n");
}

void cli_help_group(const struct output *output, const struct command_group *group)
{
    ASSERT(output != NULL && group != NULL);
    if (group->commands[0].verb == NULL) {
        cli_help_command(output, group, &group->commands[0]);
        return;
    }
    output_print(output, OUTPUT_PLAIN, "usage: conclave %s COMMAND\n\n%s\n", group->name,
                 group->summary);
    print_title(output, "commands:");
    for (size_t i = 0; i < group->command_count; i++) {
        print_entry(output, group->commands[i].verb, 15, group->commands[i].summary);
    }
    print_title(output, "examples:");
    for (size_t i = 0; i < group->command_count; i++) {
        output_block(output, 2, group->commands[i].examples);
    }
    output_print(output, OUTPUT_PLAIN, "\n`conclave help %s %s` tells more about one.\n",
                 group->name, group->commands[0].verb);
}

void cli_help_command(const struct output *output, const struct command_group *group,
                      const struct command *command)
{
    ASSERT(output != NULL && group != NULL && command != NULL);
    output_print(output, OUTPUT_PLAIN, "usage: conclave %s%s%s%s%s\n\n", group->name,
                 command->verb == NULL ? "" : " ", command->verb == NULL ? "" : command->verb,
                 command->usage == NULL ? "" : " ", command->usage == NULL ? "" : command->usage);
    output_print(output, OUTPUT_PLAIN, "%s\n", command->summary);
    if (command->details != NULL) {
        output_print(output, OUTPUT_PLAIN, "\n");
        fill(output, 0, command->details);
    }
    if (command->options != NULL) {
        print_title(output, "options:");
        print_options(output, command->options);
    }
    print_title(output, "options of every command:");
    print_options(output, cli_global_options);
    print_title(output, "examples:");
    output_block(output, 2, command->examples);
}

static json_t *options_json(const struct args_option *options)
{
    json_t *list = json_array();
    for (; options != NULL && options->name != NULL; options++) {
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s?, s:s, s:b}", "name", options->name,
                                              "argument", options->argument, "help", options->help,
                                              "repeatable", options->repeatable));
    }
    return list;
}

/* The table itself, for programs; `group` and `verb` (or NULL) choose. */
static void print_json(const struct output *output, const char *group_name, const char *verb)
{
    json_t *list = json_array();
    for (size_t i = 0; i < cli_group_count; i++) {
        const struct command_group *group = cli_groups[i];
        if (group_name != NULL && strcmp(group_name, group->name) != 0) {
            continue;
        }
        for (size_t j = 0; j < group->command_count; j++) {
            const struct command *command = &group->commands[j];
            if (verb != NULL && (command->verb == NULL || strcmp(verb, command->verb) != 0)) {
                continue;
            }
            (void)json_array_append_new(
                list, json_pack("{s:s, s:s?, s:s, s:s?, s:s?, s:s, s:o}", "command", group->name,
                                "verb", command->verb, "summary", command->summary, "usage",
                                command->usage, "details", command->details, "examples",
                                command->examples, "options", options_json(command->options)));
        }
    }
    output_json(
        output, "help",
        json_pack("{s:o, s:o}", "commands", list, "options", options_json(cli_global_options)));
}

void cli_help(const struct output *output, const struct command_group *group,
              const struct command *command)
{
    if (output->json) {
        print_json(output, group == NULL ? NULL : group->name,
                   command == NULL ? NULL : command->verb);
    } else if (command != NULL) {
        cli_help_command(output, group, command);
    } else if (group != NULL) {
        cli_help_group(output, group);
    } else {
        cli_help_overview(output);
    }
}

static int run_help(struct cli *cli)
{
    const char *name = args_word(&cli->args, 0);
    const char *verb = args_word(&cli->args, 1);
    const struct command_group *group = name == NULL ? NULL : cli_find_group(name);
    if (name != NULL && group == NULL) {
        return cli_unknown_group(cli, name);
    }
    const struct command *command = verb == NULL ? NULL : cli_find_command(group, verb);
    if (verb != NULL && command == NULL) {
        cli->group = group;
        return cli_unknown_command(cli, verb);
    }
    cli_help(&cli->output, group, command);
    return 0;
}

static int run_version(struct cli *cli)
{
    if (cli->output.json) {
        output_json(&cli->output, "version",
                    json_pack("{s:s, s:s}", "version", CONCLAVE_VERSION, "protocol", "1"));
        return 0;
    }
    output_print(&cli->output, OUTPUT_PLAIN, "conclave %s (protocol 1)\n", CONCLAVE_VERSION);
    return 0;
}

static const struct command help_commands[] = {
    {.summary = "Show help",
     .usage = "[COMMAND [VERB]]",
     .examples = "conclave help\nconclave help poll open\n",
     .words_max = 2,
     .run = run_help},
};

static const struct command version_commands[] = {
    {.summary = "Show the version of this program and its protocol",
     .examples = "conclave version\nconclave version --json\n",
     .run = run_version},
};

const struct command_group cli_group_help = {"help", "Show help", help_commands, 1};
const struct command_group cli_group_version = {"version", "Show the version", version_commands, 1};
