/* Talking to the cluster, as commands do it: answers as JSON, failures said at once.
 *
 * Functions that fail have printed why and give the exit status; the command returns it.
 */
#ifndef CONCLAVE_SESSION_H
#define CONCLAVE_SESSION_H

#include "auth/key_file.h"
#include "body.h"
#include "cli.h"
#include "passphrase.h"

/* A client of these endpoints, with the TLS that the options ask for. Nonzero: the exit status. */
int session_open(struct cli *cli, const char *const *endpoints, size_t count, uint64_t timeout_ms,
                 struct conclave_client **client) MUST_USE;

/* Opens the client (no connection yet). Nonzero: the exit status. */
int session_connect(struct cli *cli) MUST_USE;

/* Loads the key, once. Nonzero: the exit status. */
int session_load_key(struct cli *cli) MUST_USE;

/* Reads a key file; what is wrong with it is said. Nonzero: the exit status. `file` is to be wiped.
 */
int session_read_key(struct cli *cli, const char *path, struct key_file *file) MUST_USE;

/* Asks for the passphrase of one that is locked and opens it; the passphrase, to be wiped, is there
 * for more. */
int session_unlock_key(struct cli *cli, const char *path, struct key_file *file,
                       struct passphrase *passphrase) MUST_USE;

/* Both. */
int session_open_key(struct cli *cli, const char *path, struct key_file *file) MUST_USE;

/* A query; frees the params (NULL: none). The answer is a new reference, NULL on failure. --stale
 * is heeded. */
json_t *session_query(struct cli *cli, const char *method, struct body *params, int *status)
    MUST_USE;

/* All items of a list query, page after page, at most as many as --limit says: an object with
 * `items` and `more` (as a query has it) and the `index` of the last page. --after is heeded. Items
 * are followed on by the text of their field `cursor`. */
json_t *session_list(struct cli *cli, const char *method, struct body *params, const char *cursor,
                     int *status) MUST_USE;

/* The options that session_list heeds. */
#define SESSION_LIST_OPTIONS                                                           \
    {.name = "limit", .argument = "N", .help = "Show at most N items (default: all)"}, \
    {                                                                                  \
        .name = "after", .argument = "ID", .help = "Start behind this item"            \
    }

/* Signs and submits a command; frees the body. 0: accepted, `*reply` is the reply map as JSON with
 * the key `request` added (a new reference). Else the exit status, and `*reply` is NULL. */
int session_submit(struct cli *cli, const char *kind, struct body *body, json_t **reply) MUST_USE;

/* The id of a request, "author:nonce", as the params `author` and `nonce`. Nonzero: the exit
 * status.
 */
int session_take_request(struct cli *cli, const char *text, struct body *params) MUST_USE;

/* For the end of a command that submitted: with --json the reply (conclave.reply.v1), else the line
 * (not with --quiet; the format's arguments must be harmless), and where it stands in the log.
 * Takes the reference; returns 0. */
int session_done(struct cli *cli, json_t *reply, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A JSON file, or standard input for "-": a new reference, or NULL with `*status` set and the place
 * of the fault said. It must be an object. */
json_t *session_read_json(struct cli *cli, const char *path, int *status) MUST_USE;

/* A whole file, or standard input for "-", of at most `limit` bytes. Nonzero: the exit status. */
int session_read_file(struct cli *cli, const char *path, size_t limit, struct buffer *contents)
    MUST_USE;

/* The number of an option within bounds; `otherwise` when it was not given. Nonzero: exit status.
 */
int session_number(struct cli *cli, const char *option, uint64_t least, uint64_t most,
                   uint64_t otherwise, uint64_t *value) MUST_USE;

#endif
