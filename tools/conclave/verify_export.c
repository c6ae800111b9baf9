/* Lines of JSON into the auditor (src/audit), which says what is wrong first.
 *
 * The happy path is: head line -> checkpoint line (or none) -> entry lines in order -> decision
 * lines -> end line; in a backup a proof line (or none) before the end line, and the checksum
 * after it. The failure modes are: a line that is no JSON or lacks something (said with
 * file and line), a file that ends before its end line (cut off), and whatever the auditor finds
 * (said with the log index). */
#include "verify_export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "audit/receipt.h"
#include "backup/backup_file.h"
#include "base/memory.h"
#include "convert.h"
#include "format.h"
#include "kept_file.h"

#define PROGRESS_LINES 512u

/* What comes next. */
enum expected {
    EXPECT_HEAD,
    EXPECT_CHECKPOINT, /* or an entry */
    EXPECT_ENTRY,      /* or a decision, or the end */
    EXPECT_DECISION,
    EXPECT_END,      /* a proof was read */
    EXPECT_CHECKSUM, /* of a backup */
    EXPECT_NOTHING
};

struct verify {
    struct cli *cli;
    const struct verify_wish *wish;
    const char *path;
    FILE *file;
    uint64_t line, bytes, size;
    enum expected expected;
    struct audit *audit;
    struct buffer commands; /* the bytes of an entry's commands, one after the other */
    struct slice closes[LIMIT_OPEN_POLLS];
    struct audit_command items[LIMIT_BATCH_COMMANDS];
    bool backup;
    char digest[33];    /* that its node had, in a backup */
    uint64_t last_said; /* index that it goes up to, in a backup */
    struct backup_hash hash;
};

static int bad_line(struct verify *verify, const char *what)
{
    return cli_error(verify->cli, CONCLAVE_NOT_PROVEN, "export it again; nothing can be said of it",
                     "%s:%" PRIu64 ": %s", verify->path, verify->line, what);
}

/* The auditor's answer as an exit status. */
static int conclude(struct verify *verify, enum conclave_code code)
{
    if (code == CONCLAVE_OK) {
        return 0;
    }
    if (code != CONCLAVE_NOT_PROVEN) {
        return cli_error(verify->cli, code, NULL, "%s:%" PRIu64 ": %s", verify->path, verify->line,
                         conclave_code_text(code));
    }
    const struct audit_fault *fault = audit_fault(verify->audit);
    char where[64] = "";
    if (fault->index > 0 && fault->has_position) {
        snprintf(where, sizeof where, "log %" PRIu64 ", command %" PRIu32 ": ", fault->index,
                 fault->position);
    } else if (fault->index > 0) {
        snprintf(where, sizeof where, "log %" PRIu64 ": ", fault->index);
    }
    return cli_error(verify->cli, CONCLAVE_NOT_PROVEN,
                     "compare with an export of another node, and with receipts that voters hold",
                     "%s%s", where, fault->text);
}

/* --- Entries --- */

static int read_commands(struct verify *verify, const json_t *commands)
{
    /* Reserved at once: the slices must not move. */
    size_t offset[LIMIT_BATCH_COMMANDS + 1] = {0};
    size_t count = json_array_size(commands);
    buffer_clear(&verify->commands);
    for (size_t i = 0; i < count; i++) {
        const json_t *command = json_array_get(commands, i);
        const char *code = convert_text(command, "code");
        verify->items[i].code = conclave_code_from_name(code, strlen(code));
        if (verify->items[i].code == CONCLAVE_CODE_COUNT) {
            return bad_line(verify, "a command has no code that is known here");
        }
        if (!convert_base64_parse(convert_text(command, "command"), &verify->commands)) {
            return bad_line(verify, "\"command\" is no base64url");
        }
        offset[i + 1] = verify->commands.size;
    }
    for (size_t i = 0; i < count; i++) {
        verify->items[i].bytes =
            slice_of(verify->commands.data + offset[i], offset[i + 1] - offset[i]);
    }
    return 0;
}

static int take_entry(struct verify *verify, const json_t *json)
{
    const json_t *closes = json_object_get(json, "closes");
    const json_t *commands = json_object_get(json, "commands");
    if (!json_is_array(closes) || !json_is_array(commands) ||
        json_array_size(closes) > LIMIT_OPEN_POLLS ||
        json_array_size(commands) > LIMIT_BATCH_COMMANDS) {
        return bad_line(verify, "\"closes\" and \"commands\" are not lists within their limits");
    }
    int status = read_commands(verify, commands);
    if (status != 0) {
        return status;
    }
    for (size_t i = 0; i < json_array_size(closes); i++) {
        verify->closes[i] = slice_of_text(convert_item_text(closes, i));
    }
    const struct audit_entry entry = {.index = convert_u64(json, "index"),
                                      .batch = strcmp(convert_text(json, "type"), "batch") == 0,
                                      .time_ms = convert_u64(json, "time"),
                                      .closes = verify->closes,
                                      .close_count = (uint32_t)json_array_size(closes),
                                      .commands = verify->items,
                                      .command_count = (uint32_t)json_array_size(commands)};
    return conclude(verify, audit_entry(verify->audit, &entry));
}

/* --- Decisions --- */

static void read_pair(const json_t *object, const char *key, uint64_t pair[2])
{
    const json_t *array = json_object_get(object, key);
    pair[0] = convert_item_u64(array, 0);
    pair[1] = convert_item_u64(array, 1);
}

static int take_decision(struct verify *verify, const json_t *json)
{
    const json_t *tally = json_object_get(json, "tally");
    const json_t *roll = json_object_get(tally, "roll");
    const json_t *verdict = json_object_get(tally, "verdict");
    struct audit_published published = {.poll = slice_of_text(convert_text(json, "poll")),
                                        .question = slice_of_text(convert_text(json, "question")),
                                        .outcome = slice_of_text(convert_text(json, "outcome")),
                                        .index = convert_u64(json, "index")};
    struct audit_figures *figures = &published.figures;
    figures->ballots = convert_u64(tally, "ballots");
    figures->answers = convert_u64(tally, "answers");
    figures->left_out = convert_u64(tally, "left_out");
    figures->score_sum = convert_u64(tally, "score_sum");
    read_pair(tally, "yes", figures->yes);
    read_pair(tally, "no", figures->no);
    read_pair(tally, "abstain", figures->abstain);
    read_pair(tally, "scored", figures->scored);
    figures->roll_heads = convert_u64(roll, "heads");
    figures->roll_weight = convert_u64(roll, "weight");
    figures->roll_veto_class = convert_u64(roll, "veto_class");
    figures->roll_experts = convert_u64(roll, "experts");
    read_pair(verdict, "support", figures->support);
    read_pair(verdict, "quorum", figures->quorum);
    read_pair(verdict, "veto", figures->veto);
    figures->approvals = convert_u64(verdict, "approvals");
    figures->objections = convert_u64(verdict, "objections");
    return conclude(verify, audit_decision(verify->audit, &published));
}

/* --- Lines --- */

static int take_head(struct verify *verify, const json_t *json)
{
    verify->expected = EXPECT_CHECKPOINT;
    verify->last_said = convert_u64(json, "to");
    snprintf(verify->digest, sizeof verify->digest, "%s", convert_text(json, "digest"));
    if (convert_u64(json, "from") != 1) {
        return bad_line(verify, "the export does not start with the first entry of the log");
    }
    return 0;
}

static int take_checkpoint(struct verify *verify, const json_t *json)
{
    verify->expected = EXPECT_ENTRY;
    return conclude(verify,
                    audit_expect_note(verify->audit, slice_of_text(convert_text(json, "note"))));
}

/* What the first line of a backup says, against what its entries make. */
static int check_backup(struct verify *verify, const struct audit_summary *summary)
{
    char *digest = convert_hex(slice_of(summary->digest, sizeof summary->digest));
    bool same = digest != NULL && strcmp(digest, verify->digest) == 0;
    memory_free(digest);
    if (verify->last_said != summary->last_index) {
        return bad_line(verify, "the backup ends at another entry than its first line says");
    }
    return same ? 0
                : cli_error(verify->cli, CONCLAVE_NOT_PROVEN,
                            "back it up again from another node, and compare the digests of the "
                            "nodes (conclave status --json)",
                            "%s: its entries do not lead to the state that the node had, by its "
                            "digest",
                            verify->path);
}

static int take_end(struct verify *verify, const json_t *json)
{
    verify->expected = verify->backup ? EXPECT_CHECKSUM : EXPECT_NOTHING;
    struct audit_summary summary;
    audit_summary(verify->audit, &summary);
    if (convert_u64(json, "entries") != summary.entries) {
        return bad_line(verify, "the end line counts other entries than there are");
    }
    int status = conclude(verify, audit_finish(verify->audit));
    return status == 0 && verify->backup ? check_backup(verify, &summary) : status;
}

/* The log went on when this was saved: a checkpoint of later, which covers all that is here. */
static int take_proof(struct verify *verify, const json_t *json)
{
    verify->expected = EXPECT_END;
    const json_t *hashes = json_object_get(json, "hashes");
    struct merkle_proof proof = {.count = (unsigned)json_array_size(hashes)};
    if (!json_is_array(hashes) || json_array_size(hashes) > MERKLE_PROOF_HASHES) {
        return bad_line(verify, "\"hashes\" is no proof");
    }
    for (unsigned i = 0; i < proof.count; i++) {
        if (!convert_hex_parse(convert_item_text(hashes, i), proof.hashes[i].bytes,
                               MERKLE_HASH_BYTES)) {
            return bad_line(verify, "\"hashes\" is no proof");
        }
    }
    return conclude(
        verify, audit_covered(verify->audit, slice_of_text(convert_text(json, "note")), &proof));
}

/* The last line of a backup, byte for byte. */
static int take_checksum(struct verify *verify, const char *text, size_t size)
{
    char expected[BACKUP_CHECKSUM_LINE_BYTES];
    verify->expected = EXPECT_NOTHING;
    backup_hash_line(&verify->hash, expected);
    return slice_is_text(slice_of(text, size), expected)
               ? 0
               : bad_line(verify, "the backup is damaged: this line is not the checksum of the "
                                  "bytes before it");
}

static int take_line(struct verify *verify, const json_t *json)
{
    const char *schema = convert_text(json, "schema");
    bool is_entry = strcmp(schema, "conclave.entry.v1") == 0;
    if (verify->expected == EXPECT_HEAD) {
        verify->backup = strcmp(schema, BACKUP_HEAD_SCHEMA) == 0;
        return verify->backup || strcmp(schema, "conclave.export.v1") == 0
                   ? take_head(verify, json)
                   : bad_line(verify, "this is no export: the first line is not its head");
    }
    if (strcmp(schema, "conclave.checkpoint.v1") == 0 && verify->expected == EXPECT_CHECKPOINT) {
        return take_checkpoint(verify, json);
    }
    if (is_entry && (verify->expected == EXPECT_CHECKPOINT || verify->expected == EXPECT_ENTRY)) {
        verify->expected = EXPECT_ENTRY;
        return take_entry(verify, json);
    }
    bool may_end = verify->expected >= EXPECT_CHECKPOINT && verify->expected <= EXPECT_END;
    if (strcmp(schema, "conclave.decision.v1") == 0 && may_end && verify->expected != EXPECT_END) {
        verify->expected = EXPECT_DECISION;
        return take_decision(verify, json);
    }
    if (strcmp(schema, "conclave.proof.v1") == 0 && verify->backup && may_end &&
        verify->expected != EXPECT_END) {
        return take_proof(verify, json);
    }
    if (strcmp(schema, "conclave.end.v1") == 0 && may_end) {
        return take_end(verify, json);
    }
    return bad_line(verify, "a line that has no place here");
}

static void show_progress(const struct verify *verify)
{
    const struct output *output = &verify->cli->output;
    if (!output->error_terminal || output->quiet || verify->line % PROGRESS_LINES != 0) {
        return;
    }
    struct output bar = *output;
    bar.file = output->error;
    bar.color = output->error_color;
    fputs("\r", output->error);
    if (verify->size > 0) {
        output_bar(&bar, verify->bytes, verify->size, 30, OUTPUT_ACCENT);
        fprintf(output->error, "%3" PRIu64 " %%  ", verify->bytes * 100 / verify->size);
    }
    fprintf(output->error, "line %" PRIu64, verify->line);
}

static int read_line(struct verify *verify, const char *text, size_t size)
{
    json_error_t error;
    verify->line++;
    verify->bytes += size;
    if (verify->expected == EXPECT_CHECKSUM) {
        return take_checksum(verify, text, size);
    }
    backup_hash_add(&verify->hash, text, size);
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    int status = json == NULL ? bad_line(verify, error.text) : take_line(verify, json);
    json_decref(json);
    return status;
}

static int read_lines(struct verify *verify)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    int status = 0;
    errno = 0;
    while (status == 0 && (size = getline(&text, &capacity, verify->file)) >= 0) {
        status = read_line(verify, text, (size_t)size);
        show_progress(verify);
    }
    if (verify->cli->output.error_terminal && !verify->cli->output.quiet) {
        fputs("\r\033[K", verify->cli->output.error);
    }
    free(text);
    if (status == 0 && ferror(verify->file)) {
        return cli_error(verify->cli, CONCLAVE_IO, "", "%s cannot be read: %s", verify->path,
                         strerror(errno));
    }
    if (status == 0 && verify->expected != EXPECT_NOTHING) {
        return bad_line(verify, "the file ends before its end line: it was cut off");
    }
    return status;
}

static void print_tree(const struct verify *verify, const struct audit_summary *summary)
{
    const struct output *output = &verify->cli->output;
    size_t receipts = verify->cli->args.word_count - verify->wish->first_receipt;
    if (summary->final_size > 0) {
        output_print(output, OUTPUT_PLAIN,
                     "  %" PRIu64 " leaves; with %" PRIu64
                     " of them the root is the one that a majority of the nodes has signed\n",
                     summary->leaves, summary->final_size);
    } else {
        output_print(output, OUTPUT_NOTICE,
                     "  %" PRIu64 " leaves; no checkpoint came with them: nothing says that a node "
                     "has signed this log\n",
                     summary->leaves);
    }
    if (receipts > 0) {
        output_print(output, OUTPUT_PLAIN, "  %zu receipts agree\n", receipts);
    }
}

/* --- Receipts --- */

/* One of a former cluster will do, whose record was restored as that of this one: its leaf and its
 * root must be in the log in any case. What is said of a bad one is about this cluster. */
static enum conclave_code open_receipt(struct audit_receipt *proven, struct slice text,
                                       const uint8_t *cluster_id, struct codec_error *error)
{
    struct codec_error other;
    enum conclave_code code = audit_receipt_open(proven, text, cluster_id, error);
    if (code != CONCLAVE_NOT_PROVEN || cluster_id == NULL) {
        return code;
    }
    enum conclave_code again = audit_receipt_open(proven, text, NULL, &other);
    return again == CONCLAVE_NOT_PROVEN ? code : again;
}

/* What a receipt proves by itself is expected of the log: its leaf, and the root it was signed in.
 */
static int expect_receipt(struct verify *verify, const char *path, const uint8_t *cluster_id)
{
    struct cli *cli = verify->cli;
    struct buffer text;
    struct audit_receipt proven;
    struct codec_error error = {.text = ""};
    buffer_init(&text, RECEIPT_BYTES_MAX);
    enum conclave_code code = kept_file_read(path, &text);
    int status = 0;
    if (code != CONCLAVE_OK) {
        status = cli_error(cli, code, "", "%s cannot be read: %s", path, conclave_code_text(code));
    } else if ((code = open_receipt(&proven, buffer_slice(&text), cluster_id, &error)) !=
               CONCLAVE_OK) {
        status = cli_error(cli, code, "", "%s: %s", path, error.text);
    } else {
        struct audit_expected leaf = {.is_leaf = true, .at = proven.receipt.number};
        struct audit_expected root = {.at = proven.verdict.checkpoint.size,
                                      .hash = proven.verdict.checkpoint.root};
        merkle_hash_leaf(proven.receipt.leaf, &leaf.hash);
        snprintf(leaf.name, sizeof leaf.name, "%s", path);
        snprintf(root.name, sizeof root.name, "%s", path);
        status = conclude(verify, audit_expect_proven(verify->audit, &leaf));
        if (status == 0) {
            status = conclude(verify, audit_expect_proven(verify->audit, &root));
        }
        audit_receipt_close(&proven);
    }
    buffer_close(&text);
    return status;
}

static int print_summary(struct verify *verify)
{
    struct audit_summary summary;
    audit_summary(verify->audit, &summary);
    char *cluster = convert_hex(slice_of(summary.cluster_id, sizeof summary.cluster_id));
    const struct output *output = &verify->cli->output;
    if (output->json) {
        output_json(output, "verified",
                    json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                              "file", verify->path, "cluster", cluster == NULL ? "" : cluster,
                              "entries", json_sprintf("%" PRIu64, summary.entries), "commands",
                              json_sprintf("%" PRIu64, summary.commands), "refused",
                              json_sprintf("%" PRIu64, summary.refused), "signatures",
                              json_sprintf("%" PRIu64, summary.signatures), "ballots",
                              json_sprintf("%" PRIu64, summary.ballots), "polls",
                              json_sprintf("%" PRIu64, summary.polls), "decisions",
                              json_sprintf("%" PRIu64, summary.decisions), "leaves",
                              json_sprintf("%" PRIu64, summary.leaves), "final",
                              json_sprintf("%" PRIu64, summary.final_size), "receipts",
                              json_sprintf("%zu", verify->cli->args.word_count -
                                                      verify->wish->first_receipt)));
    } else if (!output->quiet) {
        output_print(output, OUTPUT_GOOD, "verified");
        output_print(output, OUTPUT_PLAIN, "  %s, cluster %s\n", verify->path,
                     cluster == NULL ? "" : cluster);
        output_print(output, OUTPUT_PLAIN,
                     "  %" PRIu64 " entries, %" PRIu64 " commands (%" PRIu64 " refused), each "
                     "decided as the rules say\n  %" PRIu64 " signatures checked\n  %" PRIu64
                     " ballots in %" PRIu64 " polls recounted, %" PRIu64
                     " published decisions agree\n",
                     summary.entries, summary.commands, summary.refused, summary.signatures,
                     summary.ballots, summary.polls, summary.decisions);
        print_tree(verify, &summary);
    }
    memory_free(cluster);
    return 0;
}

static int open_file(struct verify *verify)
{
    struct stat information;
    if (strcmp(verify->path, "-") == 0) {
        verify->file = stdin;
        return 0;
    }
    verify->file = fopen(verify->path, "rbe");
    if (verify->file == NULL) {
        return cli_error(verify->cli, errno == ENOENT ? CONCLAVE_NOT_FOUND : CONCLAVE_IO, "",
                         "%s cannot be read: %s", verify->path, strerror(errno));
    }
    if (fstat(fileno(verify->file), &information) == 0) {
        verify->size = (uint64_t)information.st_size;
    }
    return 0;
}

int verify_export(struct cli *cli, const struct verify_wish *wish)
{
    ASSERT(cli != NULL && wish != NULL && cli->args.word_count >= wish->first_receipt);
    struct verify *verify = memory_allocate_zeroed(1, sizeof *verify);
    if (verify == NULL) {
        return cli_error(cli, CONCLAVE_NO_MEMORY, NULL, "no memory");
    }
    verify->cli = cli;
    verify->wish = wish;
    verify->path = wish->path;
    backup_hash_begin(&verify->hash);
    buffer_init(&verify->commands, 2 * LIMIT_BATCH_BYTES);
    int status = open_file(verify);
    if (status == 0) {
        status = conclude(verify, audit_open(wish->cluster_id, &verify->audit));
    }
    for (size_t i = wish->first_receipt; status == 0 && i < cli->args.word_count; i++) {
        status = expect_receipt(verify, args_word(&cli->args, i), wish->cluster_id);
    }
    if (status == 0) {
        status = read_lines(verify);
    }
    if (status == 0) {
        status = wish->proven != NULL ? wish->proven(cli, verify->audit, wish->context)
                                      : print_summary(verify);
    }
    audit_close(verify->audit);
    buffer_close(&verify->commands);
    if (verify->file != NULL && verify->file != stdin) {
        (void)fclose(verify->file);
    }
    memory_free(verify);
    return status;
}
