/* Lines of an export: see the header. */
#include "export_lines.h"

#include <inttypes.h>
#include <string.h>

#include "convert.h"
#include "entry.h"

#define BAR_COLUMNS 30u

static struct output line_to(const struct export *export)
{
    return (struct output){.file = export->file, .error = stderr};
}

static void write_entry(struct export *export, json_t *entry)
{
    const struct output line = line_to(export);
    const json_t *commands = json_object_get(entry, "commands");
    entry_expand(entry);
    output_json_line(&line, "entry", json_incref(entry));
    export->from = convert_u64(entry, "index") + 1;
    export->entries++;
    export->commands += json_array_size(commands);
    export->leaves += json_array_size(commands);
    export->leaves += json_array_size(json_object_get(entry, "closes")) > 0;
}

int export_entries(struct cli *cli, struct export *export, bool *more)
{
    ASSERT(cli != NULL && export != NULL && more != NULL);
    int status;
    json_t *page = entry_page(cli, export->from, LIMIT_PAGE_ITEMS, &status);
    if (page == NULL) {
        return status;
    }
    const json_t *items = json_object_get(page, "items");
    *more = convert_bool(page, "more") && json_array_size(items) > 0;
    for (size_t i = 0; i < json_array_size(items); i++) {
        json_t *entry = json_array_get(items, i);
        if (convert_u64(entry, "index") > export->to) {
            *more = false;
            break;
        }
        write_entry(export, entry);
    }
    *more = *more && export->from <= export->to;
    json_decref(page);
    return 0;
}

int export_checkpoint(struct cli *cli, const struct export *export)
{
    ASSERT(cli != NULL && export != NULL);
    int status;
    json_t *checkpoint = session_query(cli, "record.checkpoint", NULL, &status);
    if (checkpoint == NULL) {
        return status;
    }
    if (!convert_is_null(checkpoint, "note")) {
        const struct output line = line_to(export);
        output_json_line(&line, "checkpoint",
                         json_pack("{s:s, s:s}", "size", convert_text(checkpoint, "final"), "note",
                                   convert_text(checkpoint, "note")));
    }
    json_decref(checkpoint);
    return 0;
}

int export_decisions(struct cli *cli, struct export *export, uint64_t first)
{
    ASSERT(cli != NULL && export != NULL);
    char after[2 * LIMIT_ID_BYTES + 2] = "";
    bool more = true;
    while (more) {
        struct body params;
        int status;
        body_init(&params);
        body_text(&params, "after", after[0] == '\0' ? NULL : after);
        body_u64(&params, "limit", LIMIT_PAGE_ITEMS);
        json_t *page = session_query(cli, "decision.list", &params, &status);
        if (page == NULL) {
            return status;
        }
        const json_t *items = json_object_get(page, "items");
        more = convert_bool(page, "more") && json_array_size(items) > 0;
        for (size_t i = 0; i < json_array_size(items); i++) {
            json_t *decision = json_array_get(items, i);
            uint64_t index = convert_u64(decision, "index");
            snprintf(after, sizeof after, "%s", convert_text(decision, "id"));
            if (index >= first && index < export->from) {
                const struct output line = line_to(export);
                output_json_line(&line, "decision", json_incref(decision));
                export->decisions++;
            }
        }
        json_decref(page);
    }
    return 0;
}

void export_end(const struct export *export)
{
    const struct output line = line_to(export);
    output_json_line(&line, "end",
                     json_pack("{s:o, s:o, s:o}", "entries",
                               json_sprintf("%" PRIu64, export->entries), "commands",
                               json_sprintf("%" PRIu64, export->commands), "decisions",
                               json_sprintf("%" PRIu64, export->decisions)));
}

/* --- Progress --- */

static bool shows_progress(const struct cli *cli)
{
    return cli->output.error_terminal && !cli->output.quiet;
}

void export_show_progress(const struct cli *cli, const struct export *export)
{
    FILE *error = cli->output.error;
    if (!shows_progress(cli) || export->file == stdout) {
        return;
    }
    fputs("\r", error);
    if (export->to != UINT64_MAX) {
        struct output bar = cli->output;
        bar.file = error;
        bar.color = cli->output.error_color;
        output_bar(&bar, export->from - 1, export->to, BAR_COLUMNS, OUTPUT_ACCENT);
    }
    fprintf(error, "%" PRIu64 " entries", export->entries);
}

void export_end_progress(const struct cli *cli)
{
    if (shows_progress(cli)) {
        fprintf(cli->output.error, "\r\033[K");
    }
}
