/* conclave export: the whole log, for archives and other programs.
 *
 * JSON lines: first {"schema": "conclave.export.v1", "cluster": ..., "name": ..., "from": ...},
 * then, of a whole log, conclave.checkpoint.v1 with the newest final checkpoint, if there is one;
 * then an entry a line, {"schema": "conclave.entry.v1", ...}, as `log --json` has them: every
 * command with its bytes (base64url) and what is in them; then a line conclave.decision.v1, as
 * `decision show --json` has it, for each decision that these entries made; last conclave.end.v1
 * with their number: a file without it was cut off. `verify --export` reads it. MessagePack: the
 * entries as log.read answers them (docs/PROTOCOL.md, "entry"), one value after the other, nothing
 * around them.
 */
#include <errno.h>
#include <inttypes.h>
#include <msgpack.h>
#include <msgpack/fbuffer.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "codec/writer.h"
#include "commands.h"
#include "convert.h"
#include "export_lines.h"

/* One page as the node sent it: the items go out as they came in. Nonzero: the exit status. */
static int export_msgpack_page(struct cli *cli, struct export *export, bool *more)
{
    struct body params;
    struct buffer packed;
    body_init(&params);
    buffer_init(&packed, LIMIT_FRAME_BYTES);
    body_u64(&params, "from", export->from);
    body_u64(&params, "limit", LIMIT_PAGE_ITEMS);
    enum conclave_code code = body_finish(&params, &packed);
    body_close(&params);
    struct conclave_bytes result = {0};
    if (code == CONCLAVE_OK) {
        code = conclave_query(cli->client, "log.read", packed.data, packed.size, &result);
    }
    buffer_close(&packed);
    if (code != CONCLAVE_OK) {
        return cli_failure(cli, NULL);
    }
    struct page {
        const msgpack_object *items;
        bool more;
    } page = {0};
    static const struct codec_field fields[] = {
        {"items", CODEC_ARRAY, true, offsetof(struct page, items), 0, 0},
        {"more", CODEC_BOOL, true, offsetof(struct page, more), 0, 0},
    };
    struct codec_tree tree = {0};
    struct codec_error error;
    if (codec_parse(&tree, slice_of(result.data, result.size)) != CONCLAVE_OK ||
        codec_decode_map(&tree.root, fields, 2, false, &page, &error) != CONCLAVE_OK) {
        codec_tree_close(&tree);
        return cli_error(cli, CONCLAVE_INTERNAL, "", "the node's answer is not understood");
    }
    *more = page.more && page.items->via.array.size > 0;
    msgpack_packer packer;
    msgpack_packer_init(&packer, export->file, msgpack_fbuffer_write);
    for (uint32_t i = 0; i < page.items->via.array.size; i++) {
        const msgpack_object *item = &page.items->via.array.ptr[i];
        json_t *entry = convert_to_json(item); /* for its index and its number of commands */
        uint64_t index = convert_u64(entry, "index");
        if (index > export->to) {
            *more = false;
        } else {
            (void)msgpack_pack_object(&packer, *item);
            export->from = index + 1;
            export->entries++;
            export->commands += json_array_size(json_object_get(entry, "commands"));
        }
        json_decref(entry);
    }
    codec_tree_close(&tree);
    return 0;
}

static int write_head(struct cli *cli, const struct export *export)
{
    int status;
    json_t *cluster = session_query(cli, "cluster.get", NULL, &status);
    if (cluster == NULL) {
        return status;
    }
    const struct output line = {.file = export->file, .error = stderr};
    output_json_line(&line, "export",
                     json_pack("{s:s, s:s, s:o}", "cluster", convert_text(cluster, "cluster"),
                               "name", convert_text(cluster, "name"), "from",
                               json_sprintf("%" PRIu64, export->from)));
    json_decref(cluster);
    return 0;
}

static int write_all(struct cli *cli, struct export *export)
{
    uint64_t first = export->from;
    int status = session_connect(cli);
    if (status == 0 && !export->msgpack) {
        status = write_head(cli, export);
    }
    if (status == 0 && !export->msgpack && export->from == 1 && export->to == UINT64_MAX) {
        status = export_checkpoint(cli, export);
    }
    bool more = true;
    while (status == 0 && more) {
        status = export->msgpack ? export_msgpack_page(cli, export, &more)
                                 : export_entries(cli, export, &more);
        if (status == 0 && ferror(export->file)) {
            status = cli_error(cli, CONCLAVE_IO, "", "the output could not be written");
        }
        export_show_progress(cli, export);
    }
    export_end_progress(cli);
    if (status == 0 && !export->msgpack) {
        status = export_decisions(cli, export, first);
    }
    if (status == 0 && !export->msgpack) {
        export_end(export);
        if (ferror(export->file)) {
            status = cli_error(cli, CONCLAVE_IO, "", "the output could not be written");
        }
    }
    return status;
}

/* Writes beside the file and renames at the end: what stands under its name is whole. */
static int export_to_file(struct cli *cli, struct export *export, const char *path)
{
    char part[CLI_PATH_BYTES];
    int written = snprintf(part, sizeof part, "%s.part", path);
    if (written < 0 || (size_t)written >= sizeof part) {
        return cli_usage(cli, "--out: the path is too long");
    }
    export->file = fopen(part, "wbe");
    if (export->file == NULL) {
        return cli_error(cli, CONCLAVE_IO, "", "%s cannot be made: %s", part, strerror(errno));
    }
    int status = write_all(cli, export);
    bool synced = fflush(export->file) == 0 && fsync(fileno(export->file)) == 0;
    if ((fclose(export->file) != 0 || !synced || (status == 0 && rename(part, path) != 0)) &&
        status == 0) {
        status = cli_error(cli, CONCLAVE_IO, "", "%s cannot be written: %s", path, strerror(errno));
    }
    if (status != 0) {
        (void)unlink(part);
        return status;
    }
    if (cli->output.json) {
        output_json(&cli->output, "exported",
                    json_pack("{s:s, s:o, s:o}", "file", path, "entries",
                              json_sprintf("%" PRIu64, export->entries), "commands",
                              json_sprintf("%" PRIu64, export->commands)));
    } else if (!cli->output.quiet) {
        output_print(&cli->output, OUTPUT_PLAIN,
                     "exported %" PRIu64 " entries with %" PRIu64 " commands to %s\n",
                     export->entries, export->commands, path);
    }
    return 0;
}

static int run_export(struct cli *cli)
{
    struct export export = {.file = cli->output.file};
    const char *format = args_text(&cli->args, "format");
    const char *path = args_text(&cli->args, "out");
    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "msgpack") != 0) {
        return cli_usage(cli, "--format %s: json or msgpack", format);
    }
    export.msgpack = format != NULL && strcmp(format, "msgpack") == 0;
    int status = session_number(cli, "from", 1, UINT64_MAX, 1, &export.from);
    if (status == 0) {
        status = session_number(cli, "to", 1, UINT64_MAX, UINT64_MAX, &export.to);
    }
    if (status != 0) {
        return status;
    }
    if (path == NULL && export.msgpack && cli->output.terminal) {
        return cli_usage(cli, "MessagePack is not for terminals: give --out FILE or a pipe");
    }
    return path == NULL ? write_all(cli, &export) : export_to_file(cli, &export, path);
}

static const struct args_option export_options[] = {
    {.name = "format", .argument = "FORMAT", .help = "json (lines, the default) or msgpack"},
    {.name = "out", .argument = "FILE", .help = "Write to this file (default: standard output)"},
    {.name = "from", .argument = "INDEX", .help = "The first entry (default 1)"},
    {.name = "to", .argument = "INDEX", .help = "The last entry (default: the last there is)"},
    ARGS_END};

static const struct command export_commands[] = {
    {.summary = "Write the whole log as JSON lines or MessagePack",
     .usage = "[--format json|msgpack] [--out FILE] [--from INDEX] [--to INDEX]",
     .details = "JSON: one line conclave.export.v1 that names the cluster, one with the newest "
                "checkpoint that a majority of the nodes has signed, then a line "
                "conclave.entry.v1 for each entry, with the bytes of every command (base64url) and "
                "what is in them, the decisions that they made, and a last line with their number, "
                "without which the file was cut off. MessagePack: the entries as the method "
                "log.read has them, one after "
                "the other. A file is written beside its name first, so that what has the name is "
                "whole.",
     .examples = "conclave export --out hive.jsonl\n"
                 "conclave export | jq -r 'select(.commands) | .commands[].kind' | sort | uniq -c\n"
                 "conclave export --format msgpack --out hive.msgpack\n",
     .options = export_options,
     .run = run_export},
};

const struct command_group cli_group_export = {"export", "Write the whole log", export_commands, 1};
