/* conclave import: minutes kept by hand become members, proposals, a poll and ballots of the
 * cluster. */
#include "import.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* Does the comma list `names` have `name`? */
static bool list_has(const char *names, const char *name)
{
    size_t size = strlen(name);
    while (*names != '\0') {
        size_t length = strcspn(names, ",");
        if (length == size && memcmp(names, name, size) == 0) {
            return true;
        }
        names += length + (names[length] == ',');
    }
    return false;
}

/* The names of --class general=..., or NULL. */
static const char *general_names(const struct import *import)
{
    const char *option = args_text(&import->cli->args, "class");
    return option == NULL ? NULL : strchr(option, '=') + 1;
}

bool import_is_general(const struct import *import, const char *model)
{
    const char *names = general_names(import);
    return names == NULL || list_has(names, model);
}

/* --class must name the class general and only models that voted. */
static int check_class(struct import *import)
{
    const char *option = args_text(&import->cli->args, "class");
    if (option == NULL) {
        return 0;
    }
    if (strncmp(option, "general=", 8) != 0) {
        return cli_usage(import->cli, "--class %s: not general=MODEL,MODEL,...", option);
    }
    for (const char *name = option + 8; *name != '\0';) {
        size_t length = strcspn(name, ",");
        bool voted = length == 0;
        for (size_t i = 0; i < import->minutes.ballot_count && !voted; i++) {
            const char *model = import->minutes.ballots[i].model;
            voted = strlen(model) == length && memcmp(model, name, length) == 0;
        }
        if (!voted) {
            return cli_usage(import->cli, "--class: no ballot of these minutes is by %.*s",
                             (int)length, name);
        }
        name += length + (name[length] == ',');
    }
    return 0;
}

static int open_minutes(struct import *import)
{
    const char *directory = args_word(&import->cli->args, 0);
    enum conclave_code code = minutes_open(&import->minutes, directory);
    if (code == CONCLAVE_NOT_FOUND) {
        return cli_error(import->cli, code,
                         "name the directory of one minute: the one with proposals.json in it",
                         "%s: there is no such directory", directory);
    }
    if (code != CONCLAVE_OK) {
        size_t i;
        const json_t *problem;
        json_array_foreach(import->minutes.problems, i, problem)
        {
            fprintf(import->cli->output.error, "%s/%s: %s\n", directory,
                    json_string_value(json_object_get(problem, "file")),
                    json_string_value(json_object_get(problem, "text")));
        }
        return cli_error(import->cli, code, "proposals.json and votes/*.json are needed",
                         "%s: nothing in it that could be voted on", directory);
    }
    return 0;
}

static void name_things(struct import *import)
{
    const char *id = import->minutes.id;
    snprintf(import->poll, sizeof import->poll, "minutes-%s", id);
    snprintf(import->voters_class, sizeof import->voters_class, "minutes:%s", id);
    snprintf(import->general_class, sizeof import->general_class, "minutes:%s:general", id);
}

/* Where the keys go when --keys does not say: beside the chair's own. */
static int default_keys(struct import *import, char *path, size_t size)
{
    const char *given = args_text(&import->cli->args, "keys");
    const char *slash = strrchr(import->cli->key_path, '/');
    int length = given != NULL ? snprintf(path, size, "%s", given)
                 : slash != NULL
                     ? snprintf(path, size, "%.*s/imported", (int)(slash - import->cli->key_path),
                                import->cli->key_path)
                     : snprintf(path, size, "imported");
    if (length < 0 || (size_t)length >= size) {
        return cli_usage(import->cli, "--keys: the path is too long");
    }
    import->keys_directory = path;
    return 0;
}

static int play(struct import *import)
{
    int status;
    struct body params;
    body_init(&params);
    body_text(&params, "id", import->poll);
    json_t *poll = import_find(import, "poll.get", &params, &status);
    bool exists = poll != NULL;
    json_decref(poll);
    if (status == 0 && !exists) {
        status = import_make_members(import);
    }
    if (status == 0) {
        status = import_make_poll(import);
    }
    return status;
}

static int run_minutes(struct cli *cli)
{
    struct import import = {.cli = cli};
    char keys[CLI_PATH_BYTES];
    int status = default_keys(&import, keys, sizeof keys);
    if (status != 0) {
        return status;
    }
    status = open_minutes(&import);
    if (status != 0) {
        goto done;
    }
    name_things(&import);
    import.not_on_poll = json_array();
    status = check_class(&import);
    if (status == 0) {
        status = session_load_key(cli);
    }
    if (status == 0) {
        status = session_connect(cli);
    }
    if (status == 0) {
        status = play(&import);
    }
    if (status == 0) {
        status = import_report(&import);
    }
done:
    json_decref(import.not_on_poll);
    minutes_close(&import.minutes);
    return status;
}

static const struct args_option minutes_options[] = {
    {.name = "class",
     .argument = "general=A,B",
     .help = "The models that may veto (default: all that voted)"},
    {.name = "keys",
     .argument = "DIR",
     .help = "Where the keys made for imported members are kept (default: imported/ beside your "
             "key)"},
    ARGS_END};

static const struct command import_commands[] = {
    {.verb = "minutes",
     .summary = "Play a minute kept by hand through the cluster, and say what was counted wrong",
     .usage = "DIR [--class general=A,B,...] [--keys DIR]",
     .details =
         "DIR has proposals.json, votes/*.json, voting_chain.json and results.json in the hive's "
         "format. Its models become members (a key is made for each), its proposals become "
         "proposals, and its ballots become signed ballots of a poll minutes-NAME, marked as "
         "imported, with the original bytes in them. The poll is then closed and counted by the "
         "cluster. Nothing is repaired: the report names every block that does not verify, every "
         "answer that is not on the poll, every published figure that differs from the count, and "
         "every decision that flips. Running it again doubles nothing. The models stay active "
         "members, on the roll of later polls that name no class.\n\n"
         "The rule is taken from the minutes: scores of 1 to 10 against approval_threshold and "
         "special_thresholds, or SUPPORT and REJECT by simple majority; where ballots carry "
         "vetoes, a score of at most 2 by a model of the class general is one, 80/100 of the class "
         "reject, 50/100 send to revision. The report says what was taken.\n\n"
         "Exit status 1: something could not be read; the report names it, the rest was done.",
     .examples = "conclave import minutes cluster/minutes/0101\n"
                 "conclave import minutes minutes/0003 --class general=gpt-4o,grok-3-beta --json\n",
     .options = minutes_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_minutes},
};

const struct command_group cli_group_import = {"import", "Take over minutes kept by hand",
                                               import_commands, COMMANDS_COUNT(import_commands)};
