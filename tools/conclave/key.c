/* conclave key: key files. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "codec/envelope.h"
#include "commands.h"
#include "convert.h"
#include "key.h"

#define KEYS_LISTED_MAX 1000u

bool key_make_parents(const char *path)
{
    ASSERT(path != NULL);
    char part[CLI_PATH_BYTES];
    size_t size = strlen(path);
    if (size >= sizeof part) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(part, path, size + 1);
    for (char *at = part + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            if (mkdir(part, 0700) != 0 && errno != EEXIST) {
                return false;
            }
            *at = '/';
        }
    }
    return true;
}

int key_create(struct cli *cli, const char *path, const char *id, struct auth_key *key,
               const struct passphrase *passphrase)
{
    ASSERT(cli != NULL && path != NULL && id != NULL && key != NULL);
    if (!envelope_id_valid(slice_of_text(id))) {
        return cli_usage(
            cli,
            "%s is no id: 1 to %u bytes, a letter or digit first, then letters, digits "
            "and . _ - : +",
            id, LIMIT_ID_BYTES);
    }
    if (!key_make_parents(path)) {
        return cli_error(cli, CONCLAVE_IO, "", "the directory of %s cannot be made: %s", path,
                         strerror(errno));
    }
    auth_key_generate(key);
    enum conclave_code code = key_file_save(
        path, id, key, passphrase == NULL ? slice_of_text("") : passphrase_slice(passphrase),
        &key_file_cost_standard);
    if (code == CONCLAVE_DUPLICATE_ID) {
        return cli_error(cli, CONCLAVE_USAGE,
                         "keys are never overwritten: name another file with --key FILE",
                         "there is a file %s already", path);
    }
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, "", "%s cannot be written: %s", path, strerror(errno));
    }
    return 0;
}

int key_take_public(struct cli *cli, const char *text, uint8_t key[AUTH_PUBLIC_KEY_BYTES])
{
    if (auth_public_key_parse(text, key) == CONCLAVE_OK ||
        convert_hex_parse(text, key, AUTH_PUBLIC_KEY_BYTES)) {
        return 0;
    }
    if (strncmp(text, "ed25519:", 8) == 0) {
        return cli_usage(cli, "--public-key %s: not what `conclave key show` prints", text);
    }
    struct key_file file = {.locked = false};
    enum conclave_code code = key_file_read(text, &file); /* a locked one tells it too */
    if (code != CONCLAVE_OK) {
        return cli_usage(cli,
                         "--public-key %s: neither a public key (ed25519:...) nor a key file "
                         "that can be read",
                         text);
    }
    memcpy(key, file.key.public_key, AUTH_PUBLIC_KEY_BYTES);
    key_file_wipe(&file);
    return 0;
}

int key_create_asking(struct cli *cli, const char *path, const char *id, struct auth_key *key)
{
    if (!args_given(&cli->args, "passphrase")) {
        return key_create(cli, path, id, key, NULL);
    }
    struct passphrase passphrase;
    int status = passphrase_choose(cli, path, &passphrase);
    if (status == 0) {
        status = key_create(cli, path, id, key, &passphrase);
    }
    passphrase_wipe(&passphrase);
    return status;
}

static json_t *describe(const char *path, const char *id, const struct auth_key *key, bool locked)
{
    char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
    auth_public_key_text(key->public_key, text);
    char *hex = convert_hex(slice_of(key->public_key, sizeof key->public_key));
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:b}", "file", path, "id", id, "public_key",
                               text, "key", hex == NULL ? "" : hex, "locked", locked);
    memory_free(hex);
    return object;
}

static void print_key(const struct output *output, const char *path, const char *id,
                      const struct auth_key *key, bool locked)
{
    char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
    auth_public_key_text(key->public_key, text);
    output_field(output, "id", id);
    output_field(output, "public key", text);
    output_field(output, "file", path);
    output_field(output, "locked", locked ? "with a passphrase" : "no");
}

static int run_new(struct cli *cli)
{
    const char *id = args_word(&cli->args, 0);
    int status = key_create_asking(cli, cli->key_path, id, &cli->key);
    if (status != 0) {
        return status;
    }
    bool locked = args_given(&cli->args, "passphrase");
    if (cli->output.json) {
        output_json(&cli->output, "key", describe(cli->key_path, id, &cli->key, locked));
        return 0;
    }
    print_key(&cli->output, cli->key_path, id, &cli->key, locked);
    if (!cli->output.quiet) {
        char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
        auth_public_key_text(cli->key.public_key, text);
        output_print(&cli->output, OUTPUT_DIM,
                     "\nA chair admits you with:\n  conclave member admit %s --public-key %s\n", id,
                     text);
    }
    return 0;
}

static int run_show(struct cli *cli)
{
    const char *path = args_word(&cli->args, 0);
    if (path != NULL) {
        snprintf(cli->key_path, sizeof cli->key_path, "%s", path);
    }
    struct key_file file = {.locked = false};
    int status = session_read_key(cli, cli->key_path, &file);
    if (status != 0) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "key",
                    describe(cli->key_path, file.member_id, &file.key, file.locked));
    } else if (args_given(&cli->args, "public")) {
        char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
        auth_public_key_text(file.key.public_key, text);
        output_print(&cli->output, OUTPUT_PLAIN, "%s\n", text);
    } else {
        print_key(&cli->output, cli->key_path, file.member_id, &file.key, file.locked);
    }
    key_file_wipe(&file);
    return 0;
}

/* The file's key under another passphrase, or none. */
static int relock(struct cli *cli, const char *path, const struct key_file *file)
{
    struct passphrase chosen = {.size = 0};
    int status = args_given(&cli->args, "remove") ? 0 : passphrase_choose(cli, path, &chosen);
    if (status == 0) {
        enum conclave_code code = key_file_replace(
            path, file->member_id, &file->key, passphrase_slice(&chosen), &key_file_cost_standard);
        if (code != CONCLAVE_OK) {
            status = cli_error(cli, code, "", "%s cannot be written: %s", path, strerror(errno));
        }
    }
    passphrase_wipe(&chosen);
    return status;
}

static int run_passphrase(struct cli *cli)
{
    const char *word = args_word(&cli->args, 0);
    const char *path = word == NULL ? cli->key_path : word;
    struct key_file file = {.locked = false};
    int status = session_open_key(cli, path, &file);
    if (status == 0) {
        status = relock(cli, path, &file);
    }
    if (status == 0 && cli->output.json) {
        output_json(&cli->output, "key",
                    describe(path, file.member_id, &file.key, !args_given(&cli->args, "remove")));
    } else if (status == 0 && !cli->output.quiet) {
        output_print(&cli->output, OUTPUT_PLAIN,
                     args_given(&cli->args, "remove") ? "%s has no passphrase now\n"
                                                      : "%s has its new passphrase\n",
                     path);
    }
    key_file_wipe(&file);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a directory, sorted; each to be freed with memory_free. */
static size_t read_names(DIR *directory, char *names[KEYS_LISTED_MAX])
{
    size_t count = 0;
    const struct dirent *entry;
    while (count < KEYS_LISTED_MAX && (entry = readdir(directory)) != NULL) {
        size_t size = strlen(entry->d_name) + 1;
        char *name = entry->d_name[0] == '.' ? NULL : memory_allocate(size);
        if (name != NULL) {
            memcpy(name, entry->d_name, size);
            names[count++] = name;
        }
    }
    qsort(names, count, sizeof *names, compare_names);
    return count;
}

static int run_list(struct cli *cli)
{
    char path[CLI_PATH_BYTES];
    const char *given = args_word(&cli->args, 0);
    snprintf(path, sizeof path, "%s", given == NULL ? cli->key_path : given);
    char *slash = strrchr(path, '/');
    if (given == NULL) {
        snprintf(slash == NULL ? path : slash, 2, "%s", slash == NULL ? "." : "");
    }
    DIR *directory = opendir(path);
    if (directory == NULL && (errno != ENOENT || given != NULL)) {
        return cli_error(cli, errno == ENOENT ? CONCLAVE_NOT_FOUND : CONCLAVE_IO, "", "%s: %s",
                         path, strerror(errno));
    }
    char *names[KEYS_LISTED_MAX] = {0};
    size_t count = directory == NULL ? 0 : read_names(directory, names);
    json_t *items = json_array();
    struct output_table table;
    output_table_init(&table);
    output_table_column(&table, "ID", OUTPUT_LEFT);
    output_table_column(&table, "PUBLIC KEY", OUTPUT_LEFT);
    output_table_column(&table, "LOCKED", OUTPUT_LEFT);
    output_table_column(&table, "FILE", OUTPUT_SHRINK);
    for (size_t i = 0; i < count; i++) {
        char file[CLI_PATH_BYTES + 256];
        struct key_file key;
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        if (key_file_read(file, &key) == CONCLAVE_OK) {
            char text[AUTH_PUBLIC_KEY_TEXT_BYTES];
            auth_public_key_text(key.key.public_key, text);
            (void)json_array_append_new(items, describe(file, key.member_id, &key.key, key.locked));
            output_table_cell(&table, key.member_id);
            output_table_cell(&table, text);
            output_table_cell(&table, key.locked ? "yes" : "no");
            output_table_cell(&table, file);
            key_file_wipe(&key);
        }
        memory_free(names[i]);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    if (cli->output.json) {
        output_table_drop(&table);
        output_json(&cli->output, "keys", json_pack("{s:o}", "items", items));
        return 0;
    }
    json_decref(items);
    output_table_finish(&table, &cli->output, "no keys; make one with `conclave key new ID`");
    return 0;
}

static const struct args_option new_options[] = {KEY_PASSPHRASE_OPTION, ARGS_END};

static const struct args_option passphrase_options[] = {
    {.name = "remove", .help = "Leave the key file without a passphrase"}, ARGS_END};

static const struct args_option show_options[] = {
    {.name = "public", .help = "Print the public key alone"}, ARGS_END};

static const struct command key_commands[] = {
    {.verb = "new",
     .summary = "Make a key and write it to a file that only you can read",
     .usage = "ID [--key FILE] [--passphrase]",
     .details = "ID is the member that signs with the key. The file is the one that --key, "
                "CONCLAVE_KEY or the default name; it must not be there yet.",
     .examples = "conclave key new alice\nconclave key new bob --key ./bob.key\n"
                 "conclave key new carol --passphrase\n",
     .options = new_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_new},
    {.verb = "show",
     .summary = "Show whose key it is, and its public half",
     .usage = "[FILE]",
     .examples = "conclave key show\nconclave key show ./bob.key --public\n",
     .options = show_options,
     .words_max = 1,
     .run = run_show},
    {.verb = "passphrase",
     .summary = "Lock a key file with a passphrase, or change or remove it",
     .usage = "[FILE] [--remove]",
     .details = "The passphrase is asked for at the terminal, without echo, or read with "
                "--passphrase-fd: a line for each, the old one (if the file is locked) first. "
                "The key itself stays the same.",
     .examples = "conclave key passphrase\nconclave key passphrase ./bob.key --remove\n"
                 "conclave key passphrase --passphrase-fd 3 3<FILE\n",
     .options = passphrase_options,
     .words_max = 1,
     .run = run_passphrase},
    {.verb = "list",
     .summary = "List the key files of a directory",
     .usage = "[DIRECTORY]",
     .details = "Without a directory: the one where your key file is.",
     .examples = "conclave key list\nconclave key list ./keys\n",
     .words_max = 1,
     .run = run_list},
};

const struct command_group cli_group_key = {"key", "Make and show keys", key_commands,
                                            COMMANDS_COUNT(key_commands)};
