/* Finding the command, its options, and failing well. */
#include "cli.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "convert.h"
#include "format.h"
#include "nearest.h"
#include "receipts.h"
#include "text.h"

#define DEFAULT_ENDPOINTS  "127.0.0.1:7201,127.0.0.1:7202,127.0.0.1:7203"
#define DEFAULT_TIMEOUT_MS 10000u
#define TABLES_MAX         96u
#define MESSAGE_BYTES      2048u

const struct command_group *cli_find_group(const char *name)
{
    ASSERT(name != NULL);
    for (size_t i = 0; i < cli_group_count; i++) {
        if (strcmp(cli_groups[i]->name, name) == 0) {
            return cli_groups[i];
        }
    }
    return NULL;
}

const struct command *cli_find_command(const struct command_group *group, const char *verb)
{
    ASSERT(group != NULL && verb != NULL);
    for (size_t i = 0; i < group->command_count; i++) {
        if (group->commands[i].verb != NULL && strcmp(group->commands[i].verb, verb) == 0) {
            return &group->commands[i];
        }
    }
    return NULL;
}

/* What to do about a code, when the command knows nothing better. */
static const char *hint_for(enum conclave_code code)
{
    switch (code) {
    case CONCLAVE_UNREACHABLE:
        return "is the cluster up? Name its client addresses with --endpoint or CONCLAVE_ENDPOINTS";
    case CONCLAVE_NO_LEADER:
        return "`conclave status` shows which nodes are up; most of them are needed";
    case CONCLAVE_BUSY:
    case CONCLAVE_RATE_LIMITED:
    case CONCLAVE_SHUTTING_DOWN:
        return "try again in a moment";
    case CONCLAVE_UNKNOWN_POLL:
        return "`conclave poll list` shows the polls there are";
    case CONCLAVE_UNKNOWN_QUESTION:
        return "`conclave poll show POLL` shows its questions";
    case CONCLAVE_UNKNOWN_PROPOSAL:
        return "`conclave proposal list` shows the proposals there are";
    case CONCLAVE_UNKNOWN_POLICY:
        return "`conclave policy list` shows the policies there are";
    case CONCLAVE_UNKNOWN_MEMBER:
        return "`conclave member list` shows the members there are";
    case CONCLAVE_UNKNOWN_AUTHOR:
        return "a chair admits members: `conclave member admit`; `conclave key show` shows your id";
    case CONCLAVE_BAD_SIGNATURE:
        return "is --key the key that this member was admitted with?";
    case CONCLAVE_KEY_REVOKED:
        return "sign with the key that the member has now; `conclave member show ID` lists them";
    case CONCLAVE_PROOF_NEEDED:
        return "name your key file with --key FILE or CONCLAVE_KEY";
    case CONCLAVE_NOT_CHAIR:
        return "use a chair's key: --key FILE";
    case CONCLAVE_NOT_ON_ROLL:
        return "`conclave poll roll POLL` shows who may vote";
    case CONCLAVE_RATIONALE_MISSING:
        return "give a rationale: --why QUESTION=TEXT";
    default:
        return "";
    }
}

static void report_json(struct cli *cli, enum conclave_code code, const char *message,
                        const char *hint, const json_t *reply)
{
    json_t *object = json_object();
    (void)json_object_set_new(object, "code", json_string(conclave_code_name(code)));
    (void)json_object_set_new(object, "message", json_string(message));
    (void)json_object_set_new(object, "exit_status",
                              json_sprintf("%d", conclave_code_exit_status(code)));
    if (hint[0] != '\0') {
        (void)json_object_set_new(object, "hint", json_string(hint));
    }
    if (cli->request[0] != '\0') {
        (void)json_object_set_new(object, "request", json_string(cli->request));
    }
    if (reply != NULL) {
        (void)json_object_set_new(object, "reply", json_deep_copy(reply));
    }
    struct output on_error = cli->output;
    on_error.file = cli->output.error;
    on_error.terminal = cli->output.error_terminal;
    output_json(&on_error, "error", object);
}

static int report(struct cli *cli, enum conclave_code code, const char *message, const char *hint,
                  const json_t *reply)
{
    ASSERT(code != CONCLAVE_OK && message != NULL);
    hint = hint == NULL ? hint_for(code) : hint;
    (void)fflush(cli->output.file);
    if (cli->output.json) {
        report_json(cli, code, message, hint, reply);
        return conclave_code_exit_status(code);
    }
    bool color = cli->output.error_color;
    char *safe = text_safe_copy(slice_of_text(message), TEXT_ONE_LINE);
    char *safe_hint = text_safe_copy(slice_of_text(hint), TEXT_ONE_LINE);
    fprintf(cli->output.error, "%sconclave:%s %s (%s)\n", color ? "\033[1;31m" : "",
            color ? "\033[0m" : "", safe == NULL ? "out of memory" : safe,
            conclave_code_name(code));
    if (code == CONCLAVE_UNKNOWN_OUTCOME && cli->request[0] != '\0') {
        fprintf(cli->output.error,
                "request: %s\nhint: `conclave request %s` tells what became of it\n", cli->request,
                cli->request);
    }
    if (safe_hint != NULL && safe_hint[0] != '\0') {
        fprintf(cli->output.error, "%shint:%s %s\n", color ? "\033[33m" : "",
                color ? "\033[0m" : "", safe_hint);
    }
    memory_free(safe);
    memory_free(safe_hint);
    return conclave_code_exit_status(code);
}

int cli_error(struct cli *cli, enum conclave_code code, const char *hint, const char *format, ...)
{
    ASSERT(cli != NULL && format != NULL);
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    return report(cli, code, message, hint, NULL);
}

int cli_failure(struct cli *cli, const json_t *reply)
{
    ASSERT(cli != NULL && cli->client != NULL);
    const struct conclave_failure *failure = conclave_last_failure(cli->client);
    ASSERT(failure->code != CONCLAVE_OK);
    if (failure->code == CONCLAVE_PROOF_NEEDED && cli->identify_status != 0) {
        return cli->identify_status;
    }
    return report(cli, failure->code, failure->message, NULL, reply);
}

int cli_usage(struct cli *cli, const char *format, ...)
{
    ASSERT(cli != NULL && format != NULL);
    char message[MESSAGE_BYTES];
    char hint[128] = "see `conclave --help`";
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (cli->group != NULL) {
        const char *verb = cli->command == NULL ? NULL : cli->command->verb;
        snprintf(hint, sizeof hint, "see `conclave %s%s%s --help`", cli->group->name,
                 verb == NULL ? "" : " ", verb == NULL ? "" : verb);
    }
    return report(cli, CONCLAVE_USAGE, message, hint, NULL);
}

/* All options there are: enough to tell the command's words from arguments of options. */
static size_t gather_tables(const struct args_option *tables[TABLES_MAX])
{
    size_t count = 0;
    tables[count++] = cli_global_options;
    for (size_t i = 0; i < cli_group_count; i++) {
        for (size_t j = 0; j < cli_groups[i]->command_count; j++) {
            if (cli_groups[i]->commands[j].options != NULL) {
                ASSERT(count < TABLES_MAX);
                tables[count++] = cli_groups[i]->commands[j].options;
            }
        }
    }
    return count;
}

int cli_unknown_group(struct cli *cli, const char *word)
{
    const char *names[TABLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < cli_group_count && count < TABLES_MAX; i++) {
        names[count++] = cli_groups[i]->name;
    }
    const char *near = nearest_word(word, names, count);
    char hint[128];
    snprintf(hint, sizeof hint, "did you mean `conclave %s`?", near == NULL ? "" : near);
    return cli_error(cli, CONCLAVE_USAGE,
                     near == NULL ? "`conclave help` lists the commands" : hint,
                     "there is no command %s", word);
}

int cli_unknown_command(struct cli *cli, const char *word)
{
    const char *names[TABLES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < cli->group->command_count && count < TABLES_MAX; i++) {
        if (cli->group->commands[i].verb != NULL) {
            names[count++] = cli->group->commands[i].verb;
        }
    }
    const char *near = nearest_word(word, names, count);
    char hint[160];
    if (near != NULL) {
        snprintf(hint, sizeof hint, "did you mean `conclave %s %s`?", cli->group->name, near);
    } else {
        snprintf(hint, sizeof hint, "`conclave help %s` lists what there is", cli->group->name);
    }
    return cli_error(cli, CONCLAVE_USAGE, hint, "there is no command %s %s", cli->group->name,
                     word);
}

/* Where in argv the command's words stand. Nonzero: exit status. With --help and no command, or a
 * group's name alone, `command` may stay NULL. */
static int find_command(struct cli *cli, int argc, char **argv, size_t places[2])
{
    const struct args_option *tables[TABLES_MAX];
    size_t table_count = gather_tables(tables);
    char *const *words = argv + 1;
    size_t count = (size_t)argc - 1;
    places[0] = args_find_word(words, count, 0, tables, table_count);
    places[1] = SIZE_MAX;
    if (places[0] == SIZE_MAX) {
        return 0;
    }
    cli->group = cli_find_group(words[places[0]]);
    if (cli->group == NULL) {
        return cli_unknown_group(cli, words[places[0]]);
    }
    if (cli->group->commands[0].verb == NULL) {
        cli->command = &cli->group->commands[0];
        return 0;
    }
    places[1] = args_find_word(words, count, 1, tables, table_count);
    if (places[1] == SIZE_MAX) {
        return 0;
    }
    cli->command = cli_find_command(cli->group, words[places[1]]);
    return cli->command == NULL ? cli_unknown_command(cli, words[places[1]]) : 0;
}

/* Parses everything but the command's own words. */
static int parse_options(struct cli *cli, int argc, char **argv, const size_t places[2])
{
    const struct args_option *tables[2] = {cli_global_options,
                                           cli->command == NULL ? NULL : cli->command->options};
    char **rest = memory_allocate_zeroed((size_t)argc + 1, sizeof *rest);
    if (rest == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, "", "out of memory");
    }
    size_t count = 0;
    for (size_t i = 0; i + 1 < (size_t)argc; i++) {
        if (i != places[0] && i != places[1]) {
            rest[count++] = argv[i + 1];
        }
    }
    int status = 0;
    if (!args_parse(&cli->args, rest, count, tables, 2)) {
        status = cli->args.hint[0] != '\0'
                     ? cli_error(cli, CONCLAVE_USAGE, cli->args.hint, "%s", cli->args.problem)
                     : cli_usage(cli, "%s", cli->args.problem);
    }
    memory_free(rest); /* the words themselves are argv's */
    return status;
}

static int split_endpoints(struct cli *cli, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        if (size > 0) {
            if (cli->endpoint_count == LIMIT_ENDPOINTS) {
                return cli_usage(cli, "more than %u endpoints", LIMIT_ENDPOINTS);
            }
            cli->endpoints[cli->endpoint_count++] = text;
        }
        text += size + (text[size] == ',');
    }
    return 0;
}

static int take_endpoints(struct cli *cli)
{
    struct buffer joined;
    buffer_init(&joined, LIMIT_FRAME_BYTES);
    const char *environment = getenv("CONCLAVE_ENDPOINTS");
    for (size_t i = 0; i < args_count(&cli->args, "endpoint"); i++) {
        const char *given = args_nth(&cli->args, "endpoint", i);
        buffer_append(&joined, given, strlen(given));
        buffer_append(&joined, ",", 1);
    }
    if (joined.size == 0) {
        const char *text = environment != NULL && environment[0] != '\0' ? environment
                                                                         : DEFAULT_ENDPOINTS;
        buffer_append(&joined, text, strlen(text));
    }
    buffer_append(&joined, "", 1);
    if (joined.status != CONCLAVE_OK) {
        buffer_close(&joined);
        return cli_error(cli, CONCLAVE_NO_MEMORY, "", "out of memory");
    }
    cli->endpoint_text = (char *)joined.data;
    int status = split_endpoints(cli, cli->endpoint_text);
    for (char *at = cli->endpoint_text; *at != '\0'; at++) {
        *at = *at == ',' ? '\0' : *at;
    }
    if (status == 0 && cli->endpoint_count == 0) {
        status = cli_usage(cli, "no endpoint is given");
    }
    return status;
}

static int take_key_path(struct cli *cli)
{
    const char *given = args_text(&cli->args, "key");
    given = given == NULL ? getenv("CONCLAVE_KEY") : given;
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int written;
    if (given != NULL && given[0] != '\0') {
        written = snprintf(cli->key_path, sizeof cli->key_path, "%s", given);
    } else if (config != NULL && config[0] == '/') {
        written = snprintf(cli->key_path, sizeof cli->key_path, "%s/conclave/key", config);
    } else {
        written = snprintf(cli->key_path, sizeof cli->key_path, "%s/.config/conclave/key",
                           home == NULL ? "" : home);
    }
    if (written < 0 || (size_t)written >= sizeof cli->key_path) {
        return cli_usage(cli, "the key file's path is too long");
    }
    return 0;
}

/* The option, the environment, or NULL. */
static const char *file_of(struct cli *cli, const char *option, const char *variable)
{
    const char *given = args_text(&cli->args, option);
    given = given == NULL ? getenv(variable) : given;
    return given == NULL || given[0] == '\0' ? NULL : given;
}

static int take_tls(struct cli *cli)
{
    cli->ca = file_of(cli, "ca", "CONCLAVE_CA");
    cli->certificate = file_of(cli, "cert", "CONCLAVE_CERT");
    cli->certificate_key = file_of(cli, "cert-key", "CONCLAVE_CERT_KEY");
    if ((cli->certificate == NULL) != (cli->certificate_key == NULL)) {
        return cli_usage(cli, "--cert and --cert-key go together");
    }
    if (cli->certificate != NULL && cli->ca == NULL) {
        return cli_usage(cli, "--cert needs --ca: a certificate is shown on encrypted connections");
    }
    return 0;
}

static int take_globals(struct cli *cli)
{
    cli->stale = args_given(&cli->args, "stale");
    cli->output.quiet = args_given(&cli->args, "quiet");
    if (args_given(&cli->args, "no-color")) {
        cli->output.color = false;
        cli->output.error_color = false;
    }
    const char *timeout = args_text(&cli->args, "timeout");
    cli->timeout_ms = DEFAULT_TIMEOUT_MS;
    if (timeout != NULL &&
        (!format_parse_duration(timeout, &cli->timeout_ms) || cli->timeout_ms == 0)) {
        return cli_usage(cli, "--timeout %s: not a duration such as 500ms, 10s or 2m", timeout);
    }
    int status = take_key_path(cli);
    if (status == 0) {
        status = take_tls(cli);
    }
    return status != 0 ? status : take_endpoints(cli);
}

static int run_command(struct cli *cli)
{
    const struct command *command = cli->command;
    if (cli->args.word_count < command->words_min) {
        return cli_usage(cli, "%s needs %s", cli->group->name,
                         command->usage == NULL ? "more words" : command->usage);
    }
    if (cli->args.word_count > command->words_max) {
        return cli_usage(cli, "%s is one word too many", args_word(&cli->args, command->words_max));
    }
    int status = take_globals(cli);
    if (status != 0) {
        return status;
    }
    status = command->run(cli);
    if (status == 0) {
        receipts_after_command(cli);
    }
    if (fflush(cli->output.file) != 0 || ferror(cli->output.file)) {
        return cli_error(cli, CONCLAVE_IO, "", "the output could not be written");
    }
    return status;
}

static int dispatch(struct cli *cli, int argc, char **argv)
{
    size_t places[2];
    int status = find_command(cli, argc, argv, places);
    if (status == 0) {
        status = parse_options(cli, argc, argv, places);
    }
    if (status != 0) {
        return status;
    }
    bool help = args_given(&cli->args, "help");
    if (args_given(&cli->args, "version")) {
        cli->group = cli_find_group("version");
        cli->command = &cli->group->commands[0];
        return run_command(cli);
    }
    if (cli->group == NULL) {
        if (!help) {
            return cli_usage(cli, "no command is given");
        }
        cli_help(&cli->output, NULL, NULL);
        return 0;
    }
    if (cli->command == NULL) {
        if (!help) {
            return cli_usage(cli, "%s needs a command after it", cli->group->name);
        }
        cli_help(&cli->output, cli->group, NULL);
        return 0;
    }
    if (help) {
        cli_help(&cli->output, cli->group, cli->command);
        return 0;
    }
    return run_command(cli);
}

int cli_main(int argc, char **argv)
{
    struct cli cli = {0};
    /* Where the system lets us, the key is never paged out. */
    (void)sodium_mlock(&cli.key, sizeof cli.key);
    output_start(&cli.output);
    for (int i = 1; i < argc; i++) { /* before the options are understood: errors heed it too */
        cli.output.json = cli.output.json || strcmp(argv[i], "--json") == 0;
    }
    int status;
    if (argc < 1 || auth_init() != CONCLAVE_OK) {
        status = cli_error(&cli, CONCLAVE_INTERNAL, "", "libsodium does not start");
    } else {
        status = dispatch(&cli, argc, argv);
    }
    conclave_close(cli.client);
    (void)sodium_munlock(&cli.key, sizeof cli.key); /* which wipes it */
    memory_free(cli.endpoint_text);
    args_close(&cli.args);
    (void)fflush(cli.output.error);
    return status;
}
