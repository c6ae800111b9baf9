/* conclave verify: what can be checked without a server. */
#include <string.h>

#include "commands.h"
#include "record_ask.h"
#include "verify_export.h"
#include "verify_receipt.h"

static int run_verify(struct cli *cli)
{
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    bool given;
    const char *path = args_text(&cli->args, "export");
    if (path == NULL && cli->args.word_count == 0) {
        return cli_usage(cli, "say what to verify: receipts, or --export FILE");
    }
    int status = record_named_cluster(cli, cluster_id, &given);
    if (status != 0) {
        return status;
    }
    const struct verify_wish wish = {.path = path, .cluster_id = given ? cluster_id : NULL};
    return path != NULL ? verify_export(cli, &wish)
                        : verify_receipts(cli, given ? cluster_id : NULL);
}

static const struct args_option verify_options[] = {
    {.name = "export",
     .argument = "FILE",
     .help = "A whole log, as `conclave export` or `conclave backup save` writes it"},
    {.name = "cluster",
     .argument = "ID",
     .help = "The cluster that it must be of, 32 hex digits (CONCLAVE_CLUSTER; default: the one "
             "its genesis makes)"},
    {.name = "public-key",
     .argument = "KEY",
     .help = "The author's key, as `conclave key show` prints it, or a key file: the signature in "
             "the receipts is checked with it"},
    ARGS_END};

static const struct command verify_commands[] = {
    {.summary = "Check receipts or a whole record without a server",
     .usage =
         "RECEIPT... [--cluster ID] [--public-key KEY] | --export FILE [RECEIPT...] [--cluster ID]",
     .details =
         "A receipt: that the checkpoint in it is signed by the log and by a majority of the "
         "nodes that the cluster's genesis names, that the command is in the tree that they "
         "signed, and that nothing in it was changed; then it shows what that proves. The only "
         "thing to trust is the cluster's id.\n\n"
         "An export: checks the signature of every command with the key its author had then, "
         "decides every "
         "command again by the rules, recounts every poll from its ballots by a count of its own, "
         "and compares every published decision. The tree of its leaves must have the root that "
         "the "
         "nodes have signed, and be the one that the receipts named with it prove. "
         "The first thing that is wrong is named, with its "
         "place in the log. Exit status: 0 proven, 1 not proven (the sentence says what is wrong), "
         "2 wrong "
         "use, 3 no such file. Of several receipts the first that is not proven counts.",
     .examples =
         "conclave verify ~/.local/share/conclave/receipts/*/lunch.bob.*.tlog-proof\n"
         "conclave verify lunch.bob.17-0.tlog-proof --public-key bob.key "
         "--cluster 59a7b4e3562e6d723599209c00ddf91e\n"
         "conclave export --out hive.jsonl\n"
         "conclave verify --export hive.jsonl\n"
         "conclave verify --export hive.jsonl ~/.local/share/conclave/receipts/*/*.tlog-proof\n"
         "conclave verify --export hive.jsonl --cluster 59a7b4e3562e6d723599209c00ddf91e\n",
     .options = verify_options,
     .words_max = CLI_WORDS_ANY,
     .run = run_verify},
};

const struct command_group cli_group_verify = {"verify",
                                               "Check receipts or a record without a server",
                                               verify_commands, COMMANDS_COUNT(verify_commands)};
