/* conclave receipt: getting receipts, and the ones that are pending. */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "codec/envelope.h"
#include "commands.h"
#include "convert.h"
#include "kept_file.h"
#include "receipt_print.h"
#include "receipts.h"

/* --- Which one --- */

/* POLL [MEMBER]: the member is the user, unless another is named. */
static int take_ballot(struct cli *cli, struct body *params)
{
    const char *member = args_word(&cli->args, 1);
    body_text(params, "poll", args_word(&cli->args, 0));
    if (member != NULL) {
        body_text(params, "member", member);
        return 0;
    }
    struct key_file file = {.locked = false};
    int status = session_read_key(cli, cli->key_path, &file); /* a locked one tells it too */
    if (status == 0) {
        body_text(params, "member", file.member_id);
    }
    key_file_wipe(&file);
    return status;
}

static int take_place(struct cli *cli, struct body *params)
{
    uint64_t index;
    uint64_t position;
    int status = session_number(cli, "index", 1, UINT64_MAX, 0, &index);
    if (status == 0) {
        status = session_number(cli, "position", 0, UINT32_MAX, 0, &position);
    }
    if (status == 0) {
        body_u64(params, "index", index);
        body_u64(params, "position", position);
    }
    return status;
}

static int take_command(struct cli *cli, struct body *params)
{
    bool by_ballot = cli->args.word_count > 0;
    bool by_place = args_given(&cli->args, "index");
    const char *request = args_text(&cli->args, "request");
    if (by_ballot + by_place + (request != NULL) != 1) {
        return cli_usage(cli, "say which receipt: POLL [MEMBER], --index N, or --request "
                              "AUTHOR:NONCE");
    }
    if (args_given(&cli->args, "position") && !by_place) {
        return cli_usage(cli, "--position goes with --index");
    }
    if (by_ballot) {
        return take_ballot(cli, params);
    }
    return by_place ? take_place(cli, params) : session_take_request(cli, request, params);
}

/* --- One receipt --- */

static int write_receipt(struct cli *cli, const char *path, const struct buffer *text)
{
    if (kept_file_write(path, buffer_slice(text)) != CONCLAVE_OK) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be written: %s", path, strerror(errno));
    }
    return 0;
}

/* The file that --out names, or its place among the receipts that are kept. */
static int choose_path(struct cli *cli, const struct audit_receipt *proven,
                       char path[CLI_PATH_BYTES])
{
    const char *out = args_text(&cli->args, "out");
    char directory[CLI_PATH_BYTES];
    char name[RECEIPTS_NAME_BYTES];
    int size = -1;
    if (out != NULL) {
        size = snprintf(path, CLI_PATH_BYTES, "%s", out);
    } else if (receipts_directory(proven->nodes.cluster_id, directory) != CONCLAVE_OK) {
        return cli_usage(cli, "no receipts are kept here%s%s: say where with --out FILE",
                         directory[0] == '\0' ? "" : ": ", directory);
    } else if (kept_directory_make(directory) != CONCLAVE_OK) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be made: %s", directory, strerror(errno));
    } else {
        receipts_name(proven, name);
        size = snprintf(path, CLI_PATH_BYTES, "%s/%s", directory, name);
    }
    return size < 0 || size >= (int)CLI_PATH_BYTES ? cli_usage(cli, "the path is too long") : 0;
}

static int deliver(struct cli *cli, const struct buffer *text,
                   const uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES], bool pinned)
{
    struct audit_receipt proven;
    struct codec_error error = {.text = "no memory"};
    char path[CLI_PATH_BYTES];
    const char *out = args_text(&cli->args, "out");
    enum conclave_code code = audit_receipt_open(&proven, buffer_slice(text), cluster_id, &error);
    if (code != CONCLAVE_OK) {
        return cli_error(cli, code, "", "%s", error.text);
    }
    int status = 0;
    if (out != NULL && strcmp(out, "-") == 0) {
        (void)fwrite(text->data, 1, text->size, cli->output.file); /* the frame sees it fail */
    } else {
        status = choose_path(cli, &proven, path);
        status = status == 0 ? write_receipt(cli, path, text) : status;
        if (status == 0 && (!cli->output.quiet || cli->output.json)) {
            const struct receipt_shown shown = {.path = path, .pinned = pinned};
            receipt_print(&cli->output, &proven, &shown);
        }
    }
    audit_receipt_close(&proven);
    return status;
}

static int get_one(struct cli *cli, const struct body *params)
{
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    uint8_t named_id[AUTH_CLUSTER_ID_BYTES];
    bool named;
    struct buffer text;
    struct codec_error error = {.text = ""};
    int status = record_named_cluster(cli, named_id, &named);
    if (status == 0) {
        status = record_cluster(cli, cluster_id);
    }
    if (status != 0) {
        return status;
    }
    buffer_init(&text, RECEIPT_BYTES_MAX);
    enum conclave_code code = receipts_ask(cli, params, cluster_id,
                                           clock_monotonic_ms(&clock_system) + cli->timeout_ms,
                                           &text, &error);
    if (code == CONCLAVE_OK) {
        status = deliver(cli, &text, cluster_id, named);
    } else if (code == CONCLAVE_NOT_PROVEN) {
        status = cli_error(cli, code, "keep what you have, and ask who runs the cluster",
                           "the receipt that the cluster gives proves nothing: %s", error.text);
    } else if (conclave_last_failure(cli->client)->code == code) {
        status = cli_failure(cli, NULL);
    } else {
        status = cli_error(cli, code, NULL, "%s", conclave_code_text(code));
    }
    buffer_close(&text);
    return status;
}

/* --- Pending ones --- */

struct tally_of_pending {
    size_t kept, pending, refused, gone;
    json_t *list;
};

static void take_pending(struct cli *cli, const struct receipts_result *result, void *context)
{
    static const char *const states[] = {"none", "kept", "pending", "refused", "never decided"};
    struct tally_of_pending *tally = context;
    const struct output *output = &cli->output;
    tally->kept += result->state == RECEIPTS_KEPT;
    tally->pending += result->state == RECEIPTS_PENDING;
    tally->refused += result->state == RECEIPTS_REFUSED;
    tally->gone += result->state == RECEIPTS_NEVER_CAME;
    if (output->json) {
        (void)json_array_append_new(tally->list,
                                    json_pack("{s:s, s:s, s:s}", "state", states[result->state],
                                              "file", result->path, "why", result->why));
        return;
    }
    if (output->quiet && result->state == RECEIPTS_KEPT) {
        return;
    }
    output_print(output,
                 result->state == RECEIPTS_KEPT      ? OUTPUT_GOOD
                 : result->state == RECEIPTS_REFUSED ? OUTPUT_BAD
                                                     : OUTPUT_NOTICE,
                 "%-9s ", states[result->state]);
    output_safe(output, OUTPUT_PLAIN, result->path);
    if (result->why[0] != '\0') {
        output_print(output, OUTPUT_PLAIN, ": ");
        output_safe(output, OUTPUT_PLAIN, result->why);
    }
    output_print(output, OUTPUT_PLAIN, "\n");
}

static int get_pending(struct cli *cli)
{
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    struct tally_of_pending tally = {.kept = 0};
    int status = record_cluster(cli, cluster_id);
    if (status != 0) {
        return status;
    }
    tally.list = json_array();
    size_t count = receipts_catch_up(cli, cluster_id, cli->timeout_ms, take_pending, &tally);
    if (cli->output.json) {
        output_json(&cli->output, "pending", json_pack("{s:O}", "items", tally.list));
    } else if (count == 0 && !cli->output.quiet) {
        output_print(&cli->output, OUTPUT_PLAIN, "no receipt is pending\n");
    }
    json_decref(tally.list);
    if (tally.refused > 0) {
        return cli_error(cli, CONCLAVE_NOT_PROVEN,
                         "the pending files hold what was signed: keep them as evidence",
                         "%zu ballots are not in the record as they were signed", tally.refused);
    }
    return tally.pending > 0 ? conclave_code_exit_status(CONCLAVE_NOT_FINAL) : 0;
}

static int run_receipt(struct cli *cli)
{
    if (args_given(&cli->args, "pending")) {
        if (cli->args.word_count > 0 || args_given(&cli->args, "index") ||
            args_given(&cli->args, "request") || args_given(&cli->args, "out")) {
            return cli_usage(cli, "--pending is for all of them: it stands alone");
        }
        return get_pending(cli);
    }
    struct body params;
    body_init(&params);
    int status = take_command(cli, &params);
    if (status == 0) {
        status = get_one(cli, &params);
    }
    body_close(&params);
    return status;
}

static const struct args_option receipt_options[] = {
    {.name = "index", .argument = "N", .help = "Of the command in this entry of the log"},
    {.name = "position",
     .argument = "N",
     .help = "Of this command of the entry, from 0 (default 0)"},
    {.name = "request", .argument = "AUTHOR:NONCE", .help = "Of the command with this request id"},
    {.name = "pending", .help = "Get the receipts that were not ready when the ballots were cast"},
    {.name = "out",
     .argument = "FILE",
     .help = "Write it here (- for standard output; default: among the receipts that are kept)"},
    {.name = "cluster",
     .argument = "ID",
     .help = "The cluster it must be of, 32 hex digits (CONCLAVE_CLUSTER; default: the nodes')"},
    ARGS_END};

static const struct command receipt_commands[] = {
    {.summary = "Get a receipt: proof that a command is in the record",
     .usage = "POLL [MEMBER] | --index N [--position N] | --request AUTHOR:NONCE | --pending",
     .details =
         "A receipt is a small text file: the ballot (or another command), how and when it was "
         "decided, its proof of inclusion, and a checkpoint that a majority of the nodes signed. "
         "It is checked before it is written. Who holds it can show what was decided without a "
         "server (`conclave verify`), and that the record was not rewritten since (`conclave "
         "audit`). Without MEMBER it is your own ballot.\n\n"
         "`conclave vote` keeps one for each ballot, in CONCLAVE_RECEIPTS, or "
         "~/.local/share/conclave/receipts, a directory for each cluster. One that was not ready "
         "in time is pending: the next command gets it, or --pending. Exit status of --pending: 0 "
         "none is left, 1 the record has another command than the one that was signed, 5 not "
         "ready yet.",
     .examples = "conclave receipt lunch\n"
                 "conclave receipt lunch bob --out bob.tlog-proof\n"
                 "conclave receipt --index 17 --position 2 --out - | less\n"
                 "conclave receipt --pending\n",
     .options = receipt_options,
     .words_max = 2,
     .run = run_receipt},
};

const struct command_group cli_group_receipt = {"receipt", "Get proof of a ballot to keep",
                                                receipt_commands, 1};
