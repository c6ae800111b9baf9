/* conclave completion: shell completions, made from the table of commands.
 *
 * tools/completions/ holds what this prints; a test compares them.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "session.h"

static void print_options(const struct output *output, const struct args_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        output_print(output, OUTPUT_PLAIN, " --%s", options->name);
    }
}

static void print_groups(const struct output *output)
{
    for (size_t i = 0; i < cli_group_count; i++) {
        output_print(output, OUTPUT_PLAIN, "%s%s", i == 0 ? "" : " ", cli_groups[i]->name);
    }
}

/* The options that take an argument: the word after them is no command. */
static void print_with_argument(const struct output *output, const char *separator)
{
    bool first = true;
    for (const struct args_option *option = cli_global_options; option->name != NULL; option++) {
        if (option->argument != NULL) {
            output_print(output, OUTPUT_PLAIN, "%s--%s", first ? "" : separator, option->name);
            first = false;
            if (option->letter != 0) {
                output_print(output, OUTPUT_PLAIN, "%s-%c", separator, option->letter);
            }
        }
    }
}

/* Groups of one command, whose first word is all of it. */
static void print_single_groups(const struct output *output)
{
    bool first = true;
    for (size_t i = 0; i < cli_group_count; i++) {
        if (cli_groups[i]->commands[0].verb == NULL) {
            output_print(output, OUTPUT_PLAIN, "%s%s", first ? "" : "|", cli_groups[i]->name);
            first = false;
        }
    }
}

static void print_bash_case(const struct output *output, const struct command_group *group)
{
    if (group->commands[0].verb != NULL) {
        output_print(output, OUTPUT_PLAIN, "    %s) words=\"", group->name);
        for (size_t i = 0; i < group->command_count; i++) {
            output_print(output, OUTPUT_PLAIN, "%s%s", i == 0 ? "" : " ", group->commands[i].verb);
        }
        output_print(output, OUTPUT_PLAIN, "\" ;;\n");
    }
    for (size_t i = 0; i < group->command_count; i++) {
        const struct command *command = &group->commands[i];
        if (command->options != NULL) {
            output_print(output, OUTPUT_PLAIN, "    %s%s%s) options+=\"", group->name,
                         command->verb == NULL ? "" : "/",
                         command->verb == NULL ? "" : command->verb);
            print_options(output, command->options);
            output_print(output, OUTPUT_PLAIN, "\" ;;\n");
        }
    }
}

static void print_bash(const struct output *output)
{
    output_print(
        output, OUTPUT_PLAIN,
        "# bash completion for conclave; made by `conclave completion bash`.\n"
        "_conclave() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
        "    local path='' words='' options='' i\n"
        "    local -a found=()\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n"
        "        ");
    print_with_argument(output, "|");
    output_print(output, OUTPUT_PLAIN,
                 ") i=$((i + 1)) ;;\n"
                 "        -*) ;;\n"
                 "        *) found+=(\"${COMP_WORDS[i]}\") ;;\n"
                 "        esac\n"
                 "    done\n"
                 "    path=${found[0]:-}${found[1]:+/${found[1]}}\n"
                 "    case ${found[0]:-} in\n    ");
    print_single_groups(output);
    output_print(output, OUTPUT_PLAIN,
                 ") path=${found[0]} ;;\n"
                 "    esac\n"
                 "    case $previous in\n"
                 "    --key|-k|--file|--out|--ca|--cert|--cert-key|--dir)\n"
                 "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
                 "        return ;;\n"
                 "    esac\n"
                 "    options='");
    print_options(output, cli_global_options);
    output_print(output, OUTPUT_PLAIN, "'\n    case $path in\n    '') words=\"");
    print_groups(output);
    output_print(output, OUTPUT_PLAIN, "\" ;;\n");
    for (size_t i = 0; i < cli_group_count; i++) {
        print_bash_case(output, cli_groups[i]);
    }
    output_print(output, OUTPUT_PLAIN,
                 "    esac\n"
                 "    if [[ $current == -* ]]; then\n"
                 "        words=$options\n"
                 "    fi\n"
                 "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
                 "}\n"
                 "complete -o bashdefault -o default -F _conclave conclave\n");
}

/* Within single quotes, and without what _arguments and _describe take for their own. */
static void print_quoted(const struct output *output, const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            output_print(output, OUTPUT_PLAIN, "'\\''");
        } else if (strchr(special, *text) != NULL) {
            output_print(output, OUTPUT_PLAIN, "\\%c", *text);
        } else {
            output_print(output, OUTPUT_PLAIN, "%c", *text);
        }
    }
}

static void print_zsh_options(const struct output *output, const struct args_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        bool file = options->argument != NULL && strcmp(options->argument, "FILE") == 0;
        output_print(output, OUTPUT_PLAIN, " \\\n            '%s--%s%s[",
                     options->repeatable ? "*" : "", options->name,
                     options->argument == NULL ? "" : "=");
        print_quoted(output, options->help, ":[]\\");
        output_print(output, OUTPUT_PLAIN, "]");
        if (options->argument != NULL) {
            output_print(output, OUTPUT_PLAIN, ":");
            print_quoted(output, options->argument, ":[]\\");
            output_print(output, OUTPUT_PLAIN, ":%s", file ? "_files" : " ");
        }
        output_print(output, OUTPUT_PLAIN, "'");
    }
}

static void print_zsh_command(const struct output *output, const struct command_group *group,
                              const struct command *command)
{
    output_print(output, OUTPUT_PLAIN, "    %s%s%s)\n        _arguments -S", group->name,
                 command->verb == NULL ? "" : "/", command->verb == NULL ? "" : command->verb);
    print_zsh_options(output, cli_global_options);
    print_zsh_options(output, command->options);
    output_print(output, OUTPUT_PLAIN, " \\\n            '*: :_files' ;;\n");
}

static void print_zsh_words(const struct output *output, const struct command_group *group)
{
    output_print(output, OUTPUT_PLAIN, "    %s)\n        names=(", group->name);
    for (size_t i = 0; i < group->command_count; i++) {
        output_print(output, OUTPUT_PLAIN, "\n            '%s:", group->commands[i].verb);
        print_quoted(output, group->commands[i].summary, ":\\");
        output_print(output, OUTPUT_PLAIN, "'");
    }
    output_print(output, OUTPUT_PLAIN, ")\n        _describe command names ;;\n");
}

static void print_zsh(const struct output *output)
{
    output_print(output, OUTPUT_PLAIN,
                 "#compdef conclave\n"
                 "# zsh completion for conclave; made by `conclave completion zsh`.\n"
                 "_conclave() {\n"
                 "    local spot='' i word\n"
                 "    local -a found names\n"
                 "    for ((i = 2; i < CURRENT; i++)); do\n"
                 "        word=${words[i]}\n"
                 "        case $word in\n"
                 "        ");
    print_with_argument(output, "|");
    output_print(output, OUTPUT_PLAIN,
                 ") ((i++)) ;;\n"
                 "        -*) ;;\n"
                 "        *) found+=($word) ;;\n"
                 "        esac\n"
                 "    done\n"
                 "    spot=${(j:/:)found[1,2]}\n"
                 "    case ${found[1]} in\n    ");
    print_single_groups(output);
    output_print(output, OUTPUT_PLAIN,
                 ") spot=${found[1]} ;;\n    esac\n    case $spot in\n    '')\n        names=(");
    for (size_t i = 0; i < cli_group_count; i++) {
        output_print(output, OUTPUT_PLAIN, "\n            '%s:", cli_groups[i]->name);
        print_quoted(output, cli_groups[i]->summary, ":\\");
        output_print(output, OUTPUT_PLAIN, "'");
    }
    output_print(output, OUTPUT_PLAIN, ")\n        _describe command names ;;\n");
    for (size_t i = 0; i < cli_group_count; i++) {
        const struct command_group *group = cli_groups[i];
        if (group->commands[0].verb != NULL) {
            print_zsh_words(output, group);
        }
        for (size_t j = 0; j < group->command_count; j++) {
            print_zsh_command(output, group, &group->commands[j]);
        }
    }
    output_print(output, OUTPUT_PLAIN, "    esac\n}\n_conclave \"$@\"\n");
}

/* Within single quotes, as fish reads them. */
static void print_fish_text(const struct output *output, const char *text)
{
    for (; *text != '\0'; text++) {
        output_print(output, OUTPUT_PLAIN, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "",
                     *text);
    }
}

static void print_fish_options(const struct output *output, const char *condition,
                               const struct args_option *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        bool file = options->argument != NULL && strcmp(options->argument, "FILE") == 0;
        output_print(output, OUTPUT_PLAIN, "complete -c conclave%s -l %s", condition,
                     options->name);
        if (options->letter != 0) {
            output_print(output, OUTPUT_PLAIN, " -s %c", options->letter);
        }
        output_print(output, OUTPUT_PLAIN, "%s -d '",
                     options->argument == NULL ? ""
                     : file                    ? " -rF"
                                               : " -x");
        print_fish_text(output, options->help);
        output_print(output, OUTPUT_PLAIN, "'\n");
    }
}

static void print_fish(const struct output *output)
{
    output_print(output, OUTPUT_PLAIN,
                 "# fish completion for conclave; made by `conclave completion fish`.\n"
                 "complete -c conclave -f\n");
    print_fish_options(output, "", cli_global_options);
    for (size_t i = 0; i < cli_group_count; i++) {
        const struct command_group *group = cli_groups[i];
        output_print(output, OUTPUT_PLAIN,
                     "complete -c conclave -n __fish_use_subcommand -a %s -d '", group->name);
        print_fish_text(output, group->summary);
        output_print(output, OUTPUT_PLAIN, "'\n");
        for (size_t j = 0; j < group->command_count; j++) {
            const struct command *command = &group->commands[j];
            char condition[256];
            if (command->verb == NULL) {
                snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %s'",
                         group->name);
            } else {
                output_print(output, OUTPUT_PLAIN,
                             "complete -c conclave -n '__fish_seen_subcommand_from %s' -a %s -d '",
                             group->name, command->verb);
                print_fish_text(output, command->summary);
                output_print(output, OUTPUT_PLAIN, "'\n");
                snprintf(condition, sizeof condition,
                         " -n '__fish_seen_subcommand_from %s; and "
                         "__fish_seen_subcommand_from %s'",
                         group->name, command->verb);
            }
            print_fish_options(output, condition, command->options);
        }
    }
}

static bool print_shell(const struct output *output, const char *shell)
{
    if (strcmp(shell, "bash") == 0) {
        print_bash(output);
    } else if (strcmp(shell, "zsh") == 0) {
        print_zsh(output);
    } else if (strcmp(shell, "fish") == 0) {
        print_fish(output);
    } else {
        return false;
    }
    return true;
}

/* --json: the script as a text. */
static int print_json(struct cli *cli, const char *shell)
{
    char *script = NULL;
    size_t size = 0;
    struct output memory = {.file = open_memstream(&script, &size), .error = cli->output.error};
    if (memory.file == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, "", "out of memory");
    }
    bool known = print_shell(&memory, shell);
    bool written = fclose(memory.file) == 0;
    if (known && written) {
        output_json(&cli->output, "completion",
                    json_pack("{s:s, s:s}", "shell", shell, "script", script));
    }
    free(script);
    return known && written ? 0 : cli_error(cli, CONCLAVE_NO_MEMORY, "", "out of memory");
}

static int run_completion(struct cli *cli)
{
    const char *shell = args_word(&cli->args, 0);
    if (strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0 && strcmp(shell, "fish") != 0) {
        return cli_usage(cli, "there is no completion for %s: bash, zsh or fish", shell);
    }
    if (cli->output.json) {
        return print_json(cli, shell);
    }
    (void)print_shell(&cli->output, shell);
    return 0;
}

static const struct command completion_commands[] = {
    {.summary = "Print the completion of a shell",
     .usage = "bash|zsh|fish",
     .examples = "source <(conclave completion bash)\n"
                 "conclave completion fish > ~/.config/fish/completions/conclave.fish\n",
     .words_min = 1,
     .words_max = 1,
     .run = run_completion},
};

const struct command_group cli_group_completion = {"completion", "Print shell completions",
                                                   completion_commands, 1};
