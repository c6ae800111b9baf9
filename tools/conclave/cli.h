/* The frame of the command line: the table of commands, what one run knows, and how it fails.
 *
 * main -> cli_main -> finds the command in the table (commands.c) -> parses the options -> run().
 * A command's run() returns the exit status, from cli_error and its like or 0. It prints through
 * cli->output only, and talks to the cluster through session.h only.
 */
#ifndef CONCLAVE_CLI_H
#define CONCLAVE_CLI_H

#include <conclave/client.h>
#include <conclave/codes.h>
#include <conclave/limits.h>
#include <jansson.h>

#include "args.h"
#include "auth/auth.h"
#include "output.h"

struct cli;

struct command {
    const char *verb;                  /* "open"; NULL in a group of one command */
    const char *summary;               /* a line, no full stop */
    const char *usage;                 /* what follows the command's words: "ID [--title TEXT]" */
    const char *details;               /* paragraphs, or NULL */
    const char *examples;              /* lines */
    const struct args_option *options; /* ends with ARGS_END; NULL: none of its own */
    unsigned words_min, words_max;     /* words that are no options; words_max 0 with NULL usage */
    int (*run)(struct cli *cli);
};

struct command_group {
    const char *name; /* "poll" */
    const char *summary;
    const struct command *commands;
    size_t command_count;
};

#define CLI_WORDS_ANY 100000u

/* commands.c: the table, in the order of the help; and the options that every command takes. */
extern const struct command_group *const cli_groups[];
extern const size_t cli_group_count;
extern const struct args_option cli_global_options[];

#define CLI_REQUEST_BYTES (LIMIT_ID_BYTES + 1u + CONCLAVE_NONCE_BYTES * 2u + 1u)
#define CLI_PATH_BYTES    4096u

struct cli {
    const struct command_group *group; /* NULL until they are found */
    const struct command *command;
    struct args args;
    struct output output;
    bool stale;
    uint64_t timeout_ms;
    char *endpoint_text; /* owns what `endpoints` points into */
    const char *endpoints[LIMIT_ENDPOINTS];
    size_t endpoint_count;
    struct conclave_client *client; /* NULL until it is needed */
    char key_path[CLI_PATH_BYTES];
    const char *ca, *certificate, *certificate_key; /* for TLS; NULL: none */
    bool key_loaded;
    struct auth_key key;
    enum conclave_code expected; /* a failure that the command says itself; OK: none */
    int identify_status;         /* not 0: the key could not be used, and why was said */
    char author[LIMIT_ID_BYTES + 1];
    char request[CLI_REQUEST_BYTES]; /* "author:nonce" of the last command signed, or "" */
};

/* The whole program: argv as main gets it; returns the exit status. */
int cli_main(int argc, char **argv);

/* Says what went wrong, `conclave: WHAT (code)`, and what to do about it, `hint: ...` (NULL: what
 * is known for the code, "": nothing); with --json the object conclave.error.v1. On standard error.
 * Returns the exit status of the code. */
int cli_error(struct cli *cli, enum conclave_code code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same for the client's last failure; `reply`, not taken, goes along with --json (or NULL). */
int cli_failure(struct cli *cli, const json_t *reply);

/* Wrong use of the command: says so and points at its help. */
int cli_usage(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* help.c: pages from the table. */
void cli_help_overview(const struct output *output);
void cli_help_group(const struct output *output, const struct command_group *group);
void cli_help_command(const struct output *output, const struct command_group *group,
                      const struct command *command);

/* The page for what there is of group and command (NULL: neither), with --json as conclave.help.v1.
 */
void cli_help(const struct output *output, const struct command_group *group,
              const struct command *command);

/* No such group; no such command in cli->group: says so, and what was probably meant. */
int cli_unknown_group(struct cli *cli, const char *word);
int cli_unknown_command(struct cli *cli, const char *word);

/* The group, or the command of a group, of this name; NULL when there is none. */
const struct command_group *cli_find_group(const char *name);
const struct command *cli_find_command(const struct command_group *group, const char *verb);

#endif
