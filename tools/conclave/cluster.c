/* conclave cluster: what holds for the cluster as a whole. Its nodes: cluster_nodes.c. */
#include <string.h>

#include "cluster_nodes.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "session.h"

static int run_show(struct cli *cli)
{
    int status;
    json_t *cluster = session_query(cli, "cluster.get", NULL, &status);
    if (cluster == NULL) {
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "cluster", cluster);
        return 0;
    }
    char created[FORMAT_TIME_BYTES];
    char nodes[24];
    const struct output *output = &cli->output;
    const json_t *counts = json_object_get(cluster, "counts");
    static const char *const counted[] = {"members", "proposals", "polls", "ballots", "commands"};
    format_time(convert_u64(cluster, "created"), created);
    snprintf(nodes, sizeof nodes, "%zu", json_array_size(json_object_get(cluster, "nodes")));
    output_field(output, "name", convert_text(cluster, "name"));
    output_field(output, "id", convert_text(cluster, "cluster"));
    output_field(output, "created", created);
    output_field(output, "first chair", convert_text(cluster, "chair"));
    output_field(output, "nodes", nodes);
    output_field(output, "reads",
                 strcmp(convert_text(cluster, "reads"), "members") == 0 ? "members only"
                                                                        : "public");
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        output_field(output, counted[i], convert_text(counts, counted[i]));
    }
    json_decref(cluster);
    return 0;
}

static int run_set(struct cli *cli)
{
    const char *reads = args_text(&cli->args, "reads");
    if (reads == NULL) {
        return cli_usage(cli, "nothing to change: give --reads public or --reads members");
    }
    struct body body;
    body_init(&body);
    body_text(&body, "reads", reads);
    json_t *reply;
    int status = session_submit(cli, "cluster.set", &body, &reply);
    return status != 0
               ? status
               : session_done(cli, reply, "reads are %s now",
                              strcmp(reads, "members") == 0 ? "for members only" : "public");
}

static const struct args_option set_options[] = {
    {.name = "reads",
     .argument = "WHO",
     .help = "Who may read: public (anybody who reaches a node) or members"},
    ARGS_END};

static const struct command cluster_commands[] = {
    {.verb = "show",
     .summary = "Show the cluster: its name, who may read, and how much there is",
     .examples = "conclave cluster show\nconclave cluster show --json\n",
     .run = run_show},
    {.verb = "status",
     .summary = "Show the nodes: who votes, who leads, who is behind, and how many may fail",
     .examples = "conclave cluster status\nconclave cluster status --json\n",
     .run = cluster_run_status},
    {.verb = "add",
     .summary = "Add a node, with a ticket for its first start (chairs only)",
     .usage = "ID --peer ADDRESS --client ADDRESS [--standby] [--out FILE]",
     .details =
         "The node comes as a standby, learns the log, and is given its vote when it has it, "
         "unless --standby says that it is to stay one. The ticket holds a token that is good "
         "for one disk: bring it to the node's machine and start it with conclaved --join "
         "FILE. An id is never used again.",
     .examples = "conclave cluster add 4 --peer 127.0.0.1:7104 --client 127.0.0.1:7204\n"
                 "conclaved --config node4.ini --join node4.ticket\n",
     .options = cluster_add_options,
     .words_min = 1,
     .words_max = 1,
     .run = cluster_run_add},
    {.verb = "replace",
     .summary = "Add a node in the place of another, which goes when it votes (chairs only)",
     .usage = "OLD_ID ID --peer ADDRESS --client ADDRESS [--out FILE]",
     .details =
         "For a node that is lost, or whose disk is: the new one joins with a ticket, as with "
         "`cluster add`; when it votes the old one loses its seat. Until then nothing "
         "changes.",
     .examples = "conclave cluster replace 2 4 --peer 127.0.0.1:7104 --client 127.0.0.1:7204\n",
     .options = cluster_replace_options,
     .words_min = 2,
     .words_max = 2,
     .run = cluster_run_replace},
    {.verb = "promote",
     .summary = "Give a standby a vote, when it has the log (chairs only)",
     .usage = "ID",
     .examples = "conclave cluster promote 4\n",
     .words_min = 1,
     .words_max = 1,
     .run = cluster_run_promote},
    {.verb = "demote",
     .summary = "Take a node's vote; it keeps the log (chairs only)",
     .usage = "ID [--force]",
     .details = "Refused when those that are up would be no majority of the voters that are left, "
                "unless forced.",
     .examples = "conclave cluster demote 4\n",
     .options = cluster_force_options,
     .words_min = 1,
     .words_max = 1,
     .run = cluster_run_demote},
    {.verb = "remove",
     .summary = "Remove a node for good (chairs only)",
     .usage = "ID [--force]",
     .details = "A leader hands over first. Refused when those that are up would be no majority of "
                "the voters that are left, unless forced.",
     .examples = "conclave cluster remove 4\n",
     .options = cluster_force_options,
     .words_min = 1,
     .words_max = 1,
     .run = cluster_run_remove},
    {.verb = "transfer",
     .summary = "Ask the leader to hand over to a node (chairs only)",
     .usage = "ID",
     .examples = "conclave cluster transfer 2\n",
     .words_min = 1,
     .words_max = 1,
     .run = cluster_run_transfer},
    {.verb = "ticket",
     .summary = "Write a ticket that tells a known node where the others are now",
     .usage = "ID [--out FILE]",
     .details =
         "For a node that was away while all the others it knew were replaced: started with "
         "conclaved --join FILE it finds those that are there now. It opens no door: it holds "
         "no token.",
     .examples = "conclave cluster ticket 3 --out node3.ticket\n",
     .options = cluster_ticket_options,
     .words_min = 1,
     .words_max = 1,
     .run = cluster_run_ticket},
    {.verb = "set",
     .summary = "Change who may read (chairs only)",
     .usage = "--reads WHO",
     .details = "Commands are signed in any case. Where reads are for members, the command line "
                "proves with your key who you are.",
     .examples = "conclave cluster set --reads members\n",
     .options = set_options,
     .run = run_set},
};

const struct command_group cli_group_cluster = {
    "cluster", "The cluster and its nodes: show, grow, shrink, replace", cluster_commands,
    COMMANDS_COUNT(cluster_commands)};
