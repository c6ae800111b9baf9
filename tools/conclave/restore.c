/* conclave restore: a new cluster that goes on from a backup.
 *
 * The happy path is: the checksum -> the backup is verified whole -> the key is that of somebody
 * who is a chair at its end -> the command cluster.restore is signed, and decided by the rules
 * after the last entry, as the nodes will -> keys, configurations, the genesis file. The nodes make
 * their logs of backup and genesis when they are first started. The failure modes are: anything
 * about the backup, said as verify says it; no chair's key; a directory in which a cluster is.
 * Nothing of the old cluster's is needed but the backup and a chair's key. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backup.h"
#include "backup/backup_file.h"
#include "base/memory.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "init.h"
#include "key.h"
#include "record_ask.h"
#include "session.h"
#include "verify_export.h"

struct restoring {
    struct init init;
    struct genesis_former former;
    char name[LIMIT_NAME_BYTES + 1];
    char backup[CLI_PATH_BYTES]; /* absolute */
};

/* The first line of a backup whose checksum is good: the cluster's name. */
static int read_name(struct cli *cli, struct restoring *restoring)
{
    FILE *file = fopen(restoring->backup, "rbe");
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size = file == NULL ? -1 : getline(&text, &capacity, file);
    json_t *head = size < 0 ? NULL : json_loadb(text, (size_t)size, 0, NULL);
    const char *given = args_text(&cli->args, "name");
    snprintf(restoring->name, sizeof restoring->name, "%s",
             given != NULL ? given : convert_text(head, "name"));
    json_decref(head);
    free(text);
    if (file != NULL) {
        (void)fclose(file);
    }
    restoring->init.name = restoring->name;
    return init_check_name(cli, restoring->name);
}

static int check_chair(struct cli *cli, const struct audit *audit)
{
    enum conclave_code code = audit_chair(audit, slice_of_text(cli->author), cli->key.public_key);
    switch (code) {
    case CONCLAVE_OK:
        return 0;
    case CONCLAVE_UNKNOWN_AUTHOR:
        return cli_error(cli, code, "name a chair's key file with --key",
                         "the key file %s is that of \"%s\", who is no member in this backup",
                         cli->key_path, cli->author);
    case CONCLAVE_KEY_REVOKED:
        return cli_error(cli, code, "name the file with the key that was valid when it was made",
                         "\"%s\" has another key in this backup than the one in %s", cli->author,
                         cli->key_path);
    default:
        return cli_error(cli, code, "a chair must sign for what is restored: --key FILE",
                         "\"%s\", whose key %s is, is no active chair in this backup", cli->author,
                         cli->key_path);
    }
}

/* As the nodes will decide it. */
static int try_command(struct cli *cli, struct audit *audit, const struct init *init)
{
    const struct audit_command command = {.bytes = buffer_slice(&init->command),
                                          .code = CONCLAVE_OK};
    const struct audit_entry entry = {.index = init->former->index + 1,
                                      .batch = true,
                                      .time_ms = init->created_ms,
                                      .commands = &command,
                                      .command_count = 1};
    enum conclave_code code = audit_entry(audit, &entry);
    return code == CONCLAVE_OK ? 0
                               : cli_error(cli, code, NULL, "the backup cannot be restored: %s",
                                           code == CONCLAVE_NOT_PROVEN ? audit_fault(audit)->text
                                                                       : conclave_code_text(code));
}

/* The backup is proven. */
static int make_cluster(struct cli *cli, struct audit *audit, void *context)
{
    struct restoring *restoring = context;
    struct genesis_former *former = &restoring->former;
    struct init *init = &restoring->init;
    struct audit_summary summary;
    audit_summary(audit, &summary);
    int status = check_chair(cli, audit);
    if (status != 0) {
        return status;
    }
    if (summary.former_count == GENESIS_FORMER_MAX) {
        return cli_error(cli, CONCLAVE_LIMIT_REACHED, "",
                         "this record was restored %u times, and cannot be once more",
                         GENESIS_FORMER_MAX);
    }
    memcpy(former->clusters, summary.former, sizeof former->clusters);
    memcpy(former->clusters[summary.former_count], summary.cluster_id, sizeof summary.cluster_id);
    former->count = summary.former_count + 1;
    former->index = summary.last_index;
    former->leaves = summary.leaves;
    memcpy(former->digest, summary.digest, sizeof former->digest);
    memcpy(former->root, summary.root.bytes, sizeof former->root);
    init->former = former;
    init->created_ms = summary.time_ms;
    status = init_make_directory(cli, init);
    if (status == 0) {
        status = init_sign(cli, init);
    }
    if (status == 0) {
        status = try_command(cli, audit, init);
    }
    if (status == 0) {
        status = init_write(cli, init);
    }
    return status;
}

static void print_restored(const struct cli *cli, const struct restoring *restoring)
{
    const struct genesis_former *former = &restoring->former;
    char *before =
        convert_hex(slice_of(former->clusters[former->count - 1], AUTH_CLUSTER_ID_BYTES));
    if (!cli->output.json && !cli->output.quiet) {
        char place[96];
        snprintf(place, sizeof place, "log %" PRIu64 ", %" PRIu64 " leaves", former->index,
                 former->leaves);
        output_field(&cli->output, "backup", restoring->backup);
        output_field(&cli->output, "up to", place);
        output_field(&cli->output, "was", before == NULL ? "" : before);
    }
    memory_free(before);
    init_print(cli, &restoring->init, false);
}

static int take_options(struct cli *cli, struct restoring *restoring)
{
    struct init *init = &restoring->init;
    init->out = args_text(&cli->args, "out");
    init->tls = args_given(&cli->args, "tls");
    if (init->out == NULL) {
        return cli_usage(cli, "--out is needed: the directory of the new cluster's files");
    }
    int status = init_take_nodes(cli, init);
    if (status == 0) {
        status = backup_check(cli, args_word(&cli->args, 0));
    }
    if (status == 0 && realpath(args_word(&cli->args, 0), restoring->backup) == NULL) {
        return cli_error(cli, CONCLAVE_IO, "", "%s: its path cannot be told",
                         args_word(&cli->args, 0));
    }
    init->backup = restoring->backup;
    return status;
}

static int run(struct cli *cli, struct restoring *restoring)
{
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    bool named;
    struct codec_error error = {.text = ""};
    int status = take_options(cli, restoring);
    if (status == 0) {
        status = record_named_cluster(cli, cluster_id, &named);
    }
    if (status == 0) {
        status = read_name(cli, restoring);
    }
    if (status == 0) {
        status = session_load_key(cli);
    }
    if (status != 0) {
        return status;
    }
    restoring->init.chair = cli->author;
    /* Once more, for the hash: what is verified next has it. */
    enum conclave_code code =
        backup_file_check(restoring->backup, restoring->former.backup, &error);
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, NULL, "%s: %s", restoring->backup, error.text);
    }
    const struct verify_wish wish = {.path = restoring->backup,
                                     .cluster_id = named ? cluster_id : NULL,
                                     .first_receipt = 1,
                                     .proven = make_cluster,
                                     .context = restoring};
    status = verify_export(cli, &wish);
    if (status == 0) {
        print_restored(cli, restoring);
    }
    return status;
}

static int run_restore(struct cli *cli)
{
    struct restoring *restoring = memory_allocate_zeroed(1, sizeof *restoring);
    if (restoring == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, NULL, "no memory");
    }
    buffer_init(&restoring->init.command, LIMIT_FRAME_BYTES);
    int status = run(cli, restoring);
    buffer_close(&restoring->init.command);
    memory_free(restoring);
    return status;
}

static const struct args_option restore_options[] = {
    INIT_NODE_OPTION,
    INIT_OUT_OPTION,
    {.name = "name", .argument = "NAME", .help = "The cluster's name (default: as it was)"},
    INIT_TLS_OPTION,
    {.name = "cluster",
     .argument = "ID",
     .help = "The cluster that the backup must be of, 32 hex digits (CONCLAVE_CLUSTER)"},
    ARGS_END};

static const struct command restore_commands[] = {
    {.summary = "Make a new cluster that goes on from a backup",
     .usage = "FILE --node N=PEER,CLIENT... --out DIR [--key FILE] [--name NAME]",
     .details =
         "Verifies the backup whole, and makes what `conclave init` makes: keys and configurations "
         "of the nodes, and DIR/genesis, which a chair of the backup signs with --key. It says how "
         "to start the nodes: each with that genesis and the backup, in a data directory that is "
         "empty; it writes the record there and goes on from it. Members, polls, ballots, "
         "decisions and replies are as they were; the cluster has another id, so no node, no "
         "command and no receipt of it can be taken for one of the old cluster's. The record says "
         "where it was restored, from which cluster's record, and by whom. Ballots that were cast "
         "after the backup are not there. Exit status: 1 the backup is not proven, 2 wrong use or "
         "no backup, 3 no such file or key, 4 the key is no chair's in this backup.",
     .examples = "conclave restore hive.backup --key alice.key --out ./hive-2 \\\n"
                 "  --node 1=127.0.0.1:7101,127.0.0.1:7201 \\\n"
                 "  --node 2=127.0.0.1:7102,127.0.0.1:7202 \\\n"
                 "  --node 3=127.0.0.1:7103,127.0.0.1:7203\n",
     .options = restore_options,
     .words_min = 1,
     .words_max = 1,
     .run = run_restore},
};

const struct command_group cli_group_restore = {"restore", "Make a cluster out of a backup",
                                                restore_commands, 1};
