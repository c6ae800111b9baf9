/* conclave backup: a copy of the whole record in one file, and what there is to know of it. */
#include "backup.h"

#include "backup/backup_file.h"
#include "commands.h"
#include "record_ask.h"
#include "verify_export.h"

int backup_check(struct cli *cli, const char *path)
{
    struct codec_error error = {.text = ""};
    enum conclave_code code = backup_file_check(path, NULL, &error);
    const char *hint = code == CONCLAVE_NOT_PROVEN ? "take another copy of it, or an older backup"
                       : code == CONCLAVE_BAD_REQUEST
                           ? "`conclave backup save` makes one; an export is checked by `conclave "
                             "verify --export`"
                       : code == CONCLAVE_BAD_VERSION
                           ? "use the program that made it, or a newer one"
                           : "";
    return code == CONCLAVE_OK ? 0 : cli_error(cli, code, hint, "%s: %s", path, error.text);
}

static int run_verify(struct cli *cli)
{
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    bool named;
    struct verify_wish wish = {.path = args_word(&cli->args, 0), .first_receipt = 1};
    int status = record_named_cluster(cli, cluster_id, &named);
    if (status == 0) {
        status = backup_check(cli, wish.path);
    }
    wish.cluster_id = named ? cluster_id : NULL;
    return status == 0 ? verify_export(cli, &wish) : status;
}

static const struct args_option verify_options[] = {
    {.name = "cluster",
     .argument = "ID",
     .help = "The cluster it must be of, 32 hex digits (CONCLAVE_CLUSTER)"},
    ARGS_END};

static const struct command backup_commands[] = {
    {.verb = "save",
     .summary = "Write the whole record into a file, from a node that does not lead",
     .usage = "FILE [--force]",
     .details =
         "The record up to what is decided when it begins: every entry of the log, the decisions, "
         "the digest of the state there, the newest checkpoint that a majority of the nodes has "
         "signed, the proof that it covers the whole, and a checksum over every byte. It is read "
         "from a node that follows, so that voting goes on; where none answers, from the one that "
         "does, and that is said. Written beside FILE first and renamed when it is whole and "
         "synced. With --stale it needs no quorum, and has what that node has.",
     .examples = "conclave backup save /var/backups/hive-$(date +%F).backup\n"
                 "conclave backup save hive.backup && conclave backup verify hive.backup\n",
     .options = backup_save_options,
     .words_min = 1,
     .words_max = 1,
     .run = backup_run_save},
    {.verb = "inspect",
     .summary = "Show what is in a backup: up to where, when, and how many of which commands",
     .usage = "FILE",
     .details = "Reads the whole file, and checks its checksum. Nothing else is checked: that is "
                "what verify is for. Exit status: 0, or 1 when the checksum is not that of its "
                "bytes.",
     .examples = "conclave backup inspect hive.backup\n"
                 "conclave backup inspect hive.backup --json | jq '.commands'\n",
     .words_min = 1,
     .words_max = 1,
     .run = backup_run_inspect},
    {.verb = "verify",
     .summary = "Check a backup without a server: every byte, signature, decision and root",
     .usage = "FILE [RECEIPT ...] [--cluster ID]",
     .details =
         "First the checksum, then all that `conclave verify --export` checks of an export: every "
         "signature, every decision by the rules, every poll by a recount, the tree of the record "
         "against the checkpoint; and that the entries lead to the digest of the state which the "
         "node had. Receipts that are named must agree with it. Exit status: 0 all is well, 1 "
         "something is wrong (it says what), 2 the file is no backup, 3 there is no such file.",
     .examples = "conclave backup verify hive.backup --cluster 59a7b4e3562e6d723599209c00ddf91e\n"
                 "conclave backup verify hive.backup ./receipts/*.tlog-proof\n",
     .options = verify_options,
     .words_min = 1,
     .words_max = CLI_WORDS_ANY,
     .run = run_verify},
};

const struct command_group cli_group_backup = {"backup",
                                               "Save the whole record, and check the copy",
                                               backup_commands, COMMANDS_COUNT(backup_commands)};
