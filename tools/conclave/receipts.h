/* The receipts that are kept on this machine.
 *
 *   ROOT/<cluster id>/<poll>.<member>.<index>-<position>.tlog-proof
 *   ROOT/<cluster id>/<poll>.<member>.<nonce>.pending
 *
 * ROOT is CONCLAVE_RECEIPTS, or $XDG_DATA_HOME/conclave/receipts, or
 * ~/.local/share/conclave/receipts; CONCLAVE_RECEIPTS=off: none are kept. Directories are for their
 * owner only, files too: they say how one voted.
 *
 * The happy path is: ballot decided -> pending file -> receipt asked for, checked, written -> the
 * pending file goes. The failure modes are: no final checkpoint in time, nobody reachable, the
 * program killed: then the pending file stays, and a later command goes on from it. What a cluster
 * shows in place of the ballot that was signed is never taken for its receipt.
 */
#ifndef CONCLAVE_RECEIPTS_H
#define CONCLAVE_RECEIPTS_H

#include "record_ask.h"

#define RECEIPTS_SUFFIX         ".tlog-proof"
#define RECEIPTS_PENDING_SUFFIX ".pending"
#define RECEIPTS_WAIT_MS        1500u /* after a vote */
#define RECEIPTS_CATCH_UP_MS    500u  /* after another command, for all that is pending */

/* Where receipts of this cluster are kept. USAGE: nowhere (off, or no home), `path` says why. */
enum conclave_code receipts_directory(const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                                      char path[CLI_PATH_BYTES]) MUST_USE;

/* The name that a receipt has in its directory. */
#define RECEIPTS_NAME_BYTES 256u
void receipts_name(const struct audit_receipt *proven, char name[RECEIPTS_NAME_BYTES]);

/* Asks for a receipt until `deadline_ms` (monotonic), and checks it against `cluster_id`. `params`
 * names the command, as record.receipt takes it, and stays. OK with the text; NOT_PROVEN with
 * `error`; else what the client failed with. */
enum conclave_code receipts_ask(struct cli *cli, const struct body *params,
                                const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                                uint64_t deadline_ms, struct buffer *text,
                                struct codec_error *error) MUST_USE;

enum receipts_state {
    RECEIPTS_NONE, /* `why`, if there is something to say */
    RECEIPTS_KEPT, /* at `path` */
    RECEIPTS_PENDING,
    RECEIPTS_REFUSED,   /* the cluster shows something else: `why`; it stays pending */
    RECEIPTS_NEVER_CAME /* the command was never decided, and cannot be any more */
};

struct receipts_result {
    enum receipts_state state;
    char path[CLI_PATH_BYTES];
    char why[320];
};

/* After a ballot was sent (cli->client's last command): `reply` is what came of it, or NULL where
 * that is not known. Keeps the receipt, or what is needed to get it later. */
void receipts_keep(struct cli *cli, const char *poll, const json_t *reply,
                   struct receipts_result *result);

/* Goes on with what is pending of this cluster, for at most `wait_ms`; calls `each` for every
 * pending file. Returns how many there were. */
typedef void receipts_each(struct cli *cli, const struct receipts_result *result, void *context);
size_t receipts_catch_up(struct cli *cli, const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES],
                         uint64_t wait_ms, receipts_each *each, void *context);

/* After any command that talked to a cluster: the same, said only where something is wrong. */
void receipts_after_command(struct cli *cli);

#endif
