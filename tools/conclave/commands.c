/* The table of commands, in the order in which the help shows them. */
#include "commands.h"

const struct command_group *const cli_groups[] = {
    &cli_group_key,     &cli_group_init,    &cli_group_cluster,  &cli_group_certs,
    &cli_group_member,  &cli_group_policy,  &cli_group_proposal, &cli_group_poll,
    &cli_group_vote,    &cli_group_tally,   &cli_group_decision, &cli_group_ballot,
    &cli_group_request, &cli_group_log,     &cli_group_watch,    &cli_group_status,
    &cli_group_top,     &cli_group_import,  &cli_group_export,   &cli_group_backup,
    &cli_group_restore, &cli_group_receipt, &cli_group_verify,   &cli_group_audit,
    &cli_group_witness, &cli_group_help,    &cli_group_version,  &cli_group_completion,
};
const size_t cli_group_count = sizeof cli_groups / sizeof cli_groups[0];

const struct args_option cli_global_options[] = {
    {.name = "endpoint",
     .letter = 'e',
     .argument = "HOST:PORT",
     .help =
         "A node's client address; again, or with commas, for more (CONCLAVE_ENDPOINTS; default "
         "127.0.0.1:7201,127.0.0.1:7202,127.0.0.1:7203)",
     .repeatable = true},
    {.name = "key",
     .letter = 'k',
     .argument = "FILE",
     .help = "Your key file (CONCLAVE_KEY; default ~/.config/conclave/key)"},
    {.name = "passphrase-fd",
     .argument = "N",
     .help = "Read the key file's passphrase from this open file descriptor, a line, and not from "
             "the terminal"},
    {.name = "ca",
     .argument = "FILE",
     .help = "The cluster's CA: connections are encrypted, and only its nodes are trusted "
             "(CONCLAVE_CA)"},
    {.name = "cert",
     .argument = "FILE",
     .help = "A certificate to show, where the cluster asks for one (CONCLAVE_CERT)"},
    {.name = "cert-key", .argument = "FILE", .help = "Its key (CONCLAVE_CERT_KEY)"},
    {.name = "timeout",
     .argument = "DURATION",
     .help = "How long to try, with all retries, such as 500ms or 1m (default 10s)"},
    {.name = "json", .help = "Print JSON with a schema name in it; errors too, on standard error"},
    {.name = "stale", .help = "Read what the node has, without asking the leader"},
    {.name = "no-color", .help = "No colour (also NO_COLOR)"},
    {.name = "quiet", .letter = 'q', .help = "Print nothing when a change succeeded"},
    {.name = "help", .letter = 'h', .help = "Show help"},
    {.name = "version", .help = "Show the version"},
    ARGS_END};
