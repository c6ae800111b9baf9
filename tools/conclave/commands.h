/* The groups of commands, each in a file of its own. A new one is a line here and one in
 * commands.c. */
#ifndef CONCLAVE_COMMANDS_H
#define CONCLAVE_COMMANDS_H

#include "cli.h"

extern const struct command_group cli_group_key;
extern const struct command_group cli_group_init;
extern const struct command_group cli_group_certs;
extern const struct command_group cli_group_cluster;
extern const struct command_group cli_group_member;
extern const struct command_group cli_group_policy;
extern const struct command_group cli_group_proposal;
extern const struct command_group cli_group_poll;
extern const struct command_group cli_group_vote;
extern const struct command_group cli_group_tally;
extern const struct command_group cli_group_decision;
extern const struct command_group cli_group_ballot;
extern const struct command_group cli_group_request;
extern const struct command_group cli_group_log;
extern const struct command_group cli_group_watch;
extern const struct command_group cli_group_status;
extern const struct command_group cli_group_top;
extern const struct command_group cli_group_import;
extern const struct command_group cli_group_export;
extern const struct command_group cli_group_backup;
extern const struct command_group cli_group_restore;
extern const struct command_group cli_group_receipt;
extern const struct command_group cli_group_verify;
extern const struct command_group cli_group_audit;
extern const struct command_group cli_group_witness;
extern const struct command_group cli_group_completion;
extern const struct command_group cli_group_help;
extern const struct command_group cli_group_version;

#define COMMANDS_COUNT(table) (sizeof(table) / sizeof((table)[0]))

#endif
