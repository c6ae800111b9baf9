/* conclave audit: a running cluster against the receipts that one holds.
 *
 * Of each receipt: it proves what it says by itself (audit/receipt.h); the cluster proves that the
 * tree which was signed then is part of the tree it has signed now (consistency), that the leaf is
 * in that one (inclusion), and shows no older ballot in the place of a newer one. A cluster that
 * was rewritten cannot, whoever did it. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "auth/genesis.h"
#include "base/clock.h"
#include "base/memory.h"
#include "commands.h"
#include "convert.h"
#include "format.h"
#include "kept_file.h"
#include "receipt_print.h"
#include "receipts.h"

#define FAULT_BYTES     640u
#define BEHIND_AGAIN_MS 200
#define BEHIND_MOST_MS  3000u

struct auditing {
    struct cli *cli;
    const char *directory;
    uint8_t cluster_id[AUTH_CLUSTER_ID_BYTES];
    struct checkpoint_nodes nodes;
    struct buffer founding;       /* the command that founds the cluster */
    struct record_checkpoint now; /* what the cluster has signed */
    size_t held, contradicted;
    char first[FAULT_BYTES]; /* of what is wrong */
    json_t *list;
    int status; /* not 0: the cluster could not be asked any more */
};

static bool fault(char text[FAULT_BYTES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Says what is wrong; false. */
static bool fault(char text[FAULT_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, FAULT_BYTES, format, arguments);
    va_end(arguments);
    return false;
}

/* --- What the cluster has in the place of a leaf --- */

/* "ballot.cast by bob in the poll lunch" */
static void describe_command(struct slice command, char text[RECEIPT_WHAT_BYTES])
{
    struct audit_receipt like = {.leaf = {.kind = LEAF_COMMAND}};
    struct codec_error error = {.text = "no memory"};
    char poll[LIMIT_ID_BYTES + 1];
    like.has_command = envelope_decode(&like.envelope, command, &error) == CONCLAVE_OK;
    if (!like.has_command) {
        snprintf(text, RECEIPT_WHAT_BYTES, "a command that cannot be read");
        return;
    }
    receipt_what(&like, text);
    if (receipt_poll(&like, poll)) {
        size_t used = strlen(text);
        snprintf(text + used, RECEIPT_WHAT_BYTES - used, " in the poll %s", poll);
    }
    envelope_close(&like.envelope);
}

/* The same of what the log has at a place. */
static void describe_place(struct cli *cli, uint64_t index, uint32_t position,
                           char text[RECEIPT_WHAT_BYTES])
{
    struct body params;
    struct buffer command;
    enum conclave_code code;
    body_init(&params);
    body_u64(&params, "from", index);
    body_u64(&params, "limit", 1);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    json_t *page = record_query(cli, "log.read", &params, &code);
    const json_t *commands =
        json_object_get(json_array_get(json_object_get(page, "items"), 0), "commands");
    const json_t *one = json_array_get(commands, position);
    if (one != NULL && convert_base64_parse(convert_text(one, "command"), &command)) {
        describe_command(buffer_slice(&command), text);
    } else {
        snprintf(text, RECEIPT_WHAT_BYTES, "nothing at log %" PRIu64 ", position %" PRIu32, index,
                 position);
    }
    json_decref(page);
    buffer_close(&command);
}

/* "ok at log 17, position 0, at 2026-08-01T12:00:00.123Z" */
static void describe_decision(const struct leaf *leaf, char text[RECEIPT_WHAT_BYTES])
{
    char time[FORMAT_TIME_BYTES];
    format_time_exact(leaf->time_ms, time);
    snprintf(text, RECEIPT_WHAT_BYTES, "%.*s at log %" PRIu64 ", position %" PRIu32 ", %s",
             (int)leaf->code.size, (const char *)leaf->code.data, leaf->index, leaf->position,
             time);
}

static void describe_difference(struct cli *cli, const struct audit_receipt *proven,
                                const struct leaf *there, char text[FAULT_BYTES])
{
    const struct leaf *ours = &proven->leaf;
    char was[RECEIPT_WHAT_BYTES];
    char is[RECEIPT_WHAT_BYTES];
    if (ours->kind == LEAF_CLOSING || there->kind == LEAF_CLOSING) {
        (void)fault(text, "leaf %" PRIu64 " is another one now", proven->receipt.number);
        return;
    }
    if (slice_equal(ours->envelope, there->envelope)) {
        describe_decision(ours, was);
        describe_decision(there, is);
        bool alike = strcmp(was, is) == 0;
        (void)fault(text, "leaf %" PRIu64 " was decided %s, and the cluster now has it %s%s",
                    proven->receipt.number, was, is, alike ? ", with another reply" : "");
        return;
    }
    if (proven->has_command) {
        describe_command(proven->receipt.command, was);
    } else {
        snprintf(was, sizeof was, "a command whose bytes are not in the receipt");
    }
    describe_place(cli, there->index, there->position, is);
    bool alike = strcmp(was, is) == 0;
    (void)fault(text, "leaf %" PRIu64 " was %s, and the cluster now has %s%s there",
                proven->receipt.number, was, alike ? "another " : "", is);
}

/* Why the leaf is not proven to be there. */
static void explain_leaf(struct cli *cli, const struct audit_receipt *proven,
                         char text[FAULT_BYTES])
{
    struct body params;
    enum conclave_code code;
    struct buffer bytes;
    struct leaf there;
    body_init(&params);
    body_u64(&params, "from", proven->receipt.number);
    body_u64(&params, "limit", 1);
    buffer_init(&bytes, LEAF_BYTES_MAX);
    json_t *page = record_query(cli, "record.leaves", &params, &code);
    const char *hex = convert_item_text(json_object_get(page, "items"), 0);
    size_t size = strlen(hex) / 2;
    uint8_t *at = size == 0 ? NULL : buffer_reserve(&bytes, size);
    if (at == NULL || !convert_hex_parse(hex, at, size)) {
        (void)fault(text, "the cluster has no leaf %" PRIu64 " now", proven->receipt.number);
    } else if (slice_equal(slice_of(at, size), proven->receipt.leaf)) {
        (void)fault(text,
                    "the cluster shows leaf %" PRIu64
                    " as it was, but cannot prove that it is in the tree that was signed",
                    proven->receipt.number);
    } else if (leaf_decode(&there, slice_of(at, size)) != CONCLAVE_OK) {
        (void)fault(text, "the cluster has something else as leaf %" PRIu64 " now",
                    proven->receipt.number);
    } else {
        describe_difference(cli, proven, &there, text);
        leaf_close(&there);
    }
    json_decref(page);
    buffer_close(&bytes);
}

/* --- One receipt --- */

/* The cluster could not be asked: not the receipt's fault. */
static bool give_up(struct auditing *auditing, enum conclave_code code, char text[FAULT_BYTES])
{
    auditing->status = conclave_last_failure(auditing->cli->client)->code == code
                           ? cli_failure(auditing->cli, NULL)
                           : cli_error(auditing->cli, code, NULL, "%s", conclave_code_text(code));
    return fault(text, "not known: the cluster could not be asked");
}

/* The cluster must have signed at least as much as it had then. Its nodes may lag a little. */
static bool check_size(struct auditing *auditing, const struct audit_receipt *proven,
                       char text[FAULT_BYTES])
{
    uint64_t size = proven->verdict.checkpoint.size;
    uint64_t until_ms = clock_monotonic_ms(&clock_system) + BEHIND_MOST_MS;
    while (auditing->now.verdict.checkpoint.size < size &&
           clock_monotonic_ms(&clock_system) < until_ms) {
        struct codec_error error = {.text = "no memory"};
        (void)poll(NULL, 0, BEHIND_AGAIN_MS);
        enum conclave_code code =
            record_newest(auditing->cli, &auditing->nodes, &auditing->now, &error);
        if (code != CONCLAVE_OK) {
            return give_up(auditing, code, text);
        }
    }
    if (auditing->now.verdict.checkpoint.size >= size) {
        return true;
    }
    char signers[RECORD_SIGNERS_BYTES];
    record_signers(&proven->verdict, signers);
    return fault(text,
                 "nodes %s signed a record of %" PRIu64
                 " leaves, and the cluster now has one of %" PRIu64 " only: it was cut off",
                 signers, size, auditing->now.verdict.checkpoint.size);
}

static bool check_consistency(struct auditing *auditing, const struct audit_receipt *proven,
                              bool *consistent, struct record_proof *proof, char text[FAULT_BYTES])
{
    const struct checkpoint *then = &proven->verdict.checkpoint;
    const struct checkpoint *now = &auditing->now.verdict.checkpoint;
    enum conclave_code code = record_prove(auditing->cli, UINT64_MAX, then->size, now->size, proof);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return give_up(auditing, code, text);
    }
    *consistent =
        code == CONCLAVE_OK &&
        merkle_verify_consistency(then->size, &then->root, now->size, &now->root, &proof->proof);
    return true;
}

static bool check_inclusion(struct auditing *auditing, const struct audit_receipt *proven,
                            bool *included, char text[FAULT_BYTES])
{
    const struct checkpoint *now = &auditing->now.verdict.checkpoint;
    struct record_proof proof;
    struct merkle_hash hash;
    enum conclave_code code =
        record_prove(auditing->cli, proven->receipt.number, 0, now->size, &proof);
    if (code != CONCLAVE_OK && code != CONCLAVE_NOT_FOUND) {
        return give_up(auditing, code, text);
    }
    merkle_hash_leaf(proven->receipt.leaf, &hash);
    *included = code == CONCLAVE_OK && merkle_verify_inclusion(&hash, proven->receipt.number,
                                                               now->size, &proof.proof, &now->root);
    return true;
}

static void explain_fork(const struct auditing *auditing, const struct audit_receipt *proven,
                         const struct record_proof *proof, char text[FAULT_BYTES])
{
    const struct checkpoint *then = &proven->verdict.checkpoint;
    char signers[RECORD_SIGNERS_BYTES];
    char was[RECORD_ROOT_BYTES];
    char is[RECORD_ROOT_BYTES];
    size_t used = strlen(text);
    record_signers(&proven->verdict, signers);
    record_root(&then->root, was);
    record_root(&proof->from_root, is);
    (void)snprintf(text + used, FAULT_BYTES - used,
                   "%snodes %s signed the root %s... of %" PRIu64
                   " leaves, and the cluster's record of %" PRIu64
                   " does not go on from it (it has %s... there): the record was rewritten, or "
                   "what they signed was no record of this cluster",
                   used == 0 ? "" : "; ", signers, was, then->size,
                   auditing->now.verdict.checkpoint.size, is);
}

/* The ballot that counts is this one, or one that came after it. */
static bool check_ballot(struct auditing *auditing, const struct audit_receipt *proven,
                         char text[FAULT_BYTES])
{
    char poll_id[LIMIT_ID_BYTES + 1];
    char member[LIMIT_ID_BYTES + 1];
    struct body params;
    enum conclave_code code;
    if (!receipt_poll(proven, poll_id) ||
        !slice_is_text(proven->leaf.code, conclave_code_name(CONCLAVE_OK))) {
        return true;
    }
    snprintf(member, sizeof member, "%.*s", (int)proven->envelope.author.size,
             (const char *)proven->envelope.author.data);
    body_init(&params);
    body_text(&params, "poll", poll_id);
    body_text(&params, "member", member);
    json_t *ballot = record_query(auditing->cli, "ballot.get", &params, &code);
    uint64_t index = convert_u64(ballot, "index");
    uint64_t position = convert_u64(ballot, "position");
    json_decref(ballot);
    if (code != CONCLAVE_OK &&
        conclave_code_exit_status(code) != conclave_code_exit_status(CONCLAVE_NOT_FOUND)) {
        return give_up(auditing, code, text);
    }
    bool there = code == CONCLAVE_OK &&
                 (index > proven->leaf.index ||
                  (index == proven->leaf.index && position >= proven->leaf.position));
    return there || fault(text,
                          "the record has the ballot of %s in the poll %s, but the cluster does "
                          "not count it: its state contradicts its record",
                          member, poll_id);
}

/* False with the sentence. */
static bool check(struct auditing *auditing, const struct audit_receipt *proven,
                  char text[FAULT_BYTES])
{
    bool consistent = false;
    bool included = false;
    struct record_proof proof = {.proof = {.count = 0}};
    if (!check_size(auditing, proven, text) ||
        !check_inclusion(auditing, proven, &included, text) ||
        !check_consistency(auditing, proven, &consistent, &proof, text)) {
        return false;
    }
    if (!included) {
        explain_leaf(auditing->cli, proven, text);
    }
    if (!consistent) {
        explain_fork(auditing, proven, &proof, text);
    }
    return included && consistent && check_ballot(auditing, proven, text);
}

/* --- All of them --- */

static void report(struct auditing *auditing, const char *path, const struct audit_receipt *proven,
                   const char *why)
{
    const struct output *output = &auditing->cli->output;
    bool good = why[0] == '\0';
    auditing->contradicted += !good;
    if (!good && auditing->first[0] == '\0') {
        snprintf(auditing->first, sizeof auditing->first, "%s", why);
    }
    if (output->json) {
        (void)json_array_append_new(auditing->list, json_pack("{s:s, s:b, s:s}", "file", path,
                                                              "consistent", good, "why", why));
        return;
    }
    if (good && output->quiet) {
        return;
    }
    char what[RECEIPT_WHAT_BYTES] = "";
    if (good) {
        receipt_what(proven, what);
    }
    output_print(output, good ? OUTPUT_GOOD : OUTPUT_BAD, "%-12s ",
                 good ? "consistent" : "contradicted");
    output_safe(output, OUTPUT_PLAIN, path);
    output_print(output, OUTPUT_PLAIN, "%s", good ? "  " : "\n    ");
    output_safe(output, good ? OUTPUT_DIM : OUTPUT_PLAIN, good ? what : why);
    output_print(output, OUTPUT_PLAIN, "\n");
}

/* A receipt of this cluster; or of one whose record this one restored: then what was signed there
 * is the beginning of what is signed here. */
static enum conclave_code open_receipt(const struct auditing *auditing,
                                       struct audit_receipt *proven, struct slice text,
                                       struct codec_error *error)
{
    struct genesis genesis;
    struct codec_error other;
    enum conclave_code code = audit_receipt_open(proven, text, auditing->cluster_id, error);
    if (code != CONCLAVE_NOT_PROVEN ||
        genesis_decode(&genesis, buffer_slice(&auditing->founding), &other) != CONCLAVE_OK) {
        return code;
    }
    for (uint32_t i = 0; i < genesis.former.count && code == CONCLAVE_NOT_PROVEN; i++) {
        code = audit_receipt_open(proven, text, genesis.former.clusters[i], &other);
    }
    return code;
}

static bool audit_one(const char *name, void *context)
{
    struct auditing *auditing = context;
    char path[CLI_PATH_BYTES];
    struct buffer text;
    struct audit_receipt proven;
    struct codec_error error = {.text = ""};
    char why[FAULT_BYTES] = "";
    int size = snprintf(path, sizeof path, "%s/%s", auditing->directory, name);
    if (size < 0 || (size_t)size >= sizeof path) {
        auditing->status = cli_usage(auditing->cli, "the path of %s is too long", name);
        return false;
    }
    auditing->held++;
    buffer_init(&text, RECEIPT_BYTES_MAX);
    enum conclave_code code = kept_file_read(path, &text);
    if (code != CONCLAVE_OK && code != CONCLAVE_TOO_LARGE) {
        auditing->status = cli_error(auditing->cli, CONCLAVE_IO, "", "%s cannot be read: %s", path,
                                     strerror(errno));
        buffer_close(&text);
        return false;
    }
    code = open_receipt(auditing, &proven, buffer_slice(&text), &error);
    if (code == CONCLAVE_OK) {
        bool good = check(auditing, &proven, why);
        ASSERT(good == (why[0] == '\0'));
        if (auditing->status == 0) {
            report(auditing, path, &proven, why);
        }
        audit_receipt_close(&proven);
    } else {
        (void)fault(why, "%s", code == CONCLAVE_NOT_PROVEN ? error.text : conclave_code_text(code));
        report(auditing, path, NULL, why);
    }
    buffer_close(&text);
    return auditing->status == 0;
}

/* The directory itself, or in it the one of this cluster. */
static int choose_directory(struct auditing *auditing, char path[CLI_PATH_BYTES])
{
    const char *given = args_text(&auditing->cli->args, "receipts");
    struct stat information;
    if (given == NULL) {
        if (receipts_directory(auditing->cluster_id, path) != CONCLAVE_OK) {
            return cli_usage(auditing->cli, "no receipts are kept here: name their directory with "
                                            "--receipts DIR");
        }
        return 0;
    }
    char *cluster = convert_hex(slice_of(auditing->cluster_id, AUTH_CLUSTER_ID_BYTES));
    int size = snprintf(path, CLI_PATH_BYTES, "%s/%s", given, cluster == NULL ? "" : cluster);
    memory_free(cluster);
    if (size < 0 || (size_t)size >= CLI_PATH_BYTES) {
        return cli_usage(auditing->cli, "--receipts: the path is too long");
    }
    if (stat(path, &information) != 0 || !S_ISDIR(information.st_mode)) {
        snprintf(path, CLI_PATH_BYTES, "%s", given);
    }
    return 0;
}

static int conclude(struct auditing *auditing)
{
    const struct output *output = &auditing->cli->output;
    const struct checkpoint *now = &auditing->now.verdict.checkpoint;
    char root[RECORD_ROOT_BYTES];
    char signers[RECORD_SIGNERS_BYTES];
    record_root(&now->root, root);
    record_signers(&auditing->now.verdict, signers);
    if (output->json) {
        char *cluster = convert_hex(slice_of(auditing->cluster_id, AUTH_CLUSTER_ID_BYTES));
        char *whole = convert_hex(slice_of(now->root.bytes, MERKLE_HASH_BYTES));
        output_json(
            output, "audit",
            json_pack("{s:s, s:o, s:s, s:o, s:o, s:O}", "cluster", cluster == NULL ? "" : cluster,
                      "size", json_sprintf("%" PRIu64, now->size), "root",
                      whole == NULL ? "" : whole, "receipts", json_sprintf("%zu", auditing->held),
                      "contradicted", json_sprintf("%zu", auditing->contradicted), "items",
                      auditing->list));
        memory_free(cluster);
        memory_free(whole);
    }
    if (auditing->contradicted > 0) {
        return cli_error(auditing->cli, CONCLAVE_NOT_PROVEN,
                         "keep the receipts: they prove it to anybody. Others should audit theirs",
                         "%zu of %zu receipts are contradicted; the first: %s",
                         auditing->contradicted, auditing->held, auditing->first);
    }
    if (!output->json && !output->quiet) {
        output_print(output, OUTPUT_PLAIN,
                     "%zu receipt%s, all in the record of %" PRIu64
                     " leaves, root %s..., that nodes %s signed\n",
                     auditing->held, auditing->held == 1 ? "" : "s", now->size, root, signers);
    }
    return 0;
}

static int run(struct auditing *auditing)
{
    char directory[CLI_PATH_BYTES];
    struct codec_error error = {.text = "no memory"};
    int status = record_cluster(auditing->cli, auditing->cluster_id);
    if (status == 0) {
        status = choose_directory(auditing, directory);
    }
    if (status == 0) {
        status = record_nodes(auditing->cli, auditing->cluster_id, &auditing->nodes,
                              &auditing->founding);
    }
    if (status != 0) {
        return status;
    }
    enum conclave_code code =
        record_newest(auditing->cli, &auditing->nodes, &auditing->now, &error);
    if (code != CONCLAVE_OK) {
        return cli_error(auditing->cli, code, NULL, "%s", error.text);
    }
    auditing->directory = directory;
    code = kept_directory_each(directory, RECEIPTS_SUFFIX, audit_one, auditing);
    if (auditing->status != 0) {
        return auditing->status;
    }
    if (code != CONCLAVE_OK || auditing->held == 0) {
        return cli_error(
            auditing->cli, code == CONCLAVE_OK ? CONCLAVE_NOT_FOUND : code,
            "`conclave vote` keeps one for each ballot, `conclave receipt` gets others",
            "there are no receipts in %s", directory);
    }
    return conclude(auditing);
}

static int run_audit(struct cli *cli)
{
    struct auditing *auditing = memory_allocate_zeroed(1, sizeof *auditing);
    if (auditing == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, NULL, "no memory");
    }
    auditing->cli = cli;
    auditing->list = json_array();
    record_checkpoint_init(&auditing->now);
    buffer_init(&auditing->founding, LIMIT_FRAME_BYTES);
    int status = run(auditing);
    record_checkpoint_close(&auditing->now);
    buffer_close(&auditing->founding);
    json_decref(auditing->list);
    memory_free(auditing);
    return status;
}

static const struct args_option audit_options[] = {
    {.name = "receipts",
     .argument = "DIR",
     .help = "The receipts: files *.tlog-proof in DIR, or in the directory of the cluster in it "
             "(default: those that are kept, CONCLAVE_RECEIPTS)"},
    {.name = "cluster",
     .argument = "ID",
     .help = "The cluster it must be, 32 hex digits (CONCLAVE_CLUSTER; default: the nodes')"},
    ARGS_END};

static const struct command audit_commands[] = {
    {.summary = "Hold a running cluster against the receipts that you hold",
     .usage = "[--receipts DIR] [--cluster ID]",
     .details =
         "Asks the cluster for proof that each receipt is in the record that it has now: that the "
         "record which was signed then is the beginning of the one that is signed now, and that "
         "the command is still where it was. A record in which anything was changed, dropped or "
         "moved cannot give it, and each receipt that is contradicted is named, with what is "
         "wrong and with the nodes that had signed. Exit status: 0 all are consistent, 1 at least "
         "one is not, 2 wrong use, 3 there are no receipts, 5 the cluster could not be asked.",
     .examples = "conclave audit\n"
                 "conclave audit --receipts ./receipts --endpoint 127.0.0.1:7201 "
                 "--cluster 59a7b4e3562e6d723599209c00ddf91e\n",
     .options = audit_options,
     .run = run_audit},
};

const struct command_group cli_group_audit = {"audit", "Hold the cluster against your receipts",
                                              audit_commands, 1};
