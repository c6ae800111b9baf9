/* Tables: columns as wide as they need, cut where the terminal is too narrow. */
#include "output.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "text.h"

#define GAP        2u /* columns between columns */
#define SHRINK_MIN 8u /* no column is cut below this */

void output_table_init(struct output_table *table)
{
    ASSERT(table != NULL);
    *table = (struct output_table){0};
}

void output_table_drop(struct output_table *table)
{
    ASSERT(table != NULL);
    for (size_t i = 0; i < table->cell_count; i++) {
        memory_free(table->cells[i].text);
    }
    memory_free(table->cells);
    *table = (struct output_table){0};
}

void output_table_column(struct output_table *table, const char *header, unsigned flags)
{
    ASSERT(table->column_count < OUTPUT_COLUMNS_MAX);
    ASSERT(table->cell_count == 0);
    table->headers[table->column_count] = header;
    table->flags[table->column_count] = flags;
    table->column_count++;
}

void output_table_styled(struct output_table *table, enum output_style style, const char *text)
{
    ASSERT(table->column_count > 0 && text != NULL);
    if (table->failed) {
        return;
    }
    if (table->cell_count == table->cell_capacity) {
        size_t capacity = table->cell_capacity == 0 ? 64 : table->cell_capacity * 2;
        struct output_cell *cells = memory_resize(table->cells, capacity * sizeof *cells);
        if (cells == NULL) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->cell_capacity = capacity;
    }
    char *safe = text_safe_copy(slice_of_text(text), TEXT_ONE_LINE);
    if (safe == NULL) {
        table->failed = true;
        return;
    }
    table->cells[table->cell_count++] = (struct output_cell){.text = safe, .style = style};
}

void output_table_cell(struct output_table *table, const char *text)
{
    output_table_styled(table, OUTPUT_PLAIN, text);
}

void output_table_number(struct output_table *table, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, number);
    output_table_styled(table, OUTPUT_PLAIN, text);
}

static void measure(const struct output_table *table, size_t widths[OUTPUT_COLUMNS_MAX])
{
    for (size_t i = 0; i < table->column_count; i++) {
        widths[i] = text_width(table->headers[i]);
    }
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = text_width(table->cells[i].text);
        if (width > widths[i % table->column_count]) {
            widths[i % table->column_count] = width;
        }
    }
}

/* Takes columns from the widest that may shrink until the table fits or nothing more can be taken.
 */
static void shrink(const struct output_table *table, size_t widths[OUTPUT_COLUMNS_MAX], size_t room)
{
    size_t total = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        total += widths[i] + (i > 0 ? GAP : 0);
    }
    while (total > room) {
        size_t widest = OUTPUT_COLUMNS_MAX;
        for (size_t i = 0; i < table->column_count; i++) {
            if ((table->flags[i] & OUTPUT_SHRINK) != 0 && widths[i] > SHRINK_MIN &&
                (widest == OUTPUT_COLUMNS_MAX || widths[i] > widths[widest])) {
                widest = i;
            }
        }
        if (widest == OUTPUT_COLUMNS_MAX) {
            return;
        }
        widths[widest]--;
        total--;
    }
}

/* `blanks` are owed by the cells before it; returns those owed now: a line ends without any. */
static size_t print_cell(const struct output_table *table, const struct output *output,
                         const size_t *widths, size_t column, size_t blanks, const char *text,
                         enum output_style style)
{
    size_t width = text_width(text);
    bool last = column + 1 == table->column_count;
    const char *ellipsis = "";
    size_t size = strlen(text);
    if (width > widths[column]) {
        ellipsis = output->utf8 ? "…" : "...";
        size_t ellipsis_width = output->utf8 ? 1 : 3;
        size = text_fitting(text, widths[column] - ellipsis_width);
        char *cut = text_safe_copy(slice_of(text, size), TEXT_ONE_LINE);
        width = ellipsis_width + (cut == NULL ? size : text_width(cut));
        memory_free(cut);
    }
    size_t padding = widths[column] > width ? widths[column] - width : 0;
    bool right = (table->flags[column] & OUTPUT_RIGHT) != 0;
    if (size == 0) { /* blanks, owed as well */
        return last ? 0 : blanks + widths[column] + GAP;
    }
    output_print(output, OUTPUT_PLAIN, "%*s", (int)(blanks + (right ? padding : 0)), "");
    output_print(output, style, "%.*s%s", (int)size, text, ellipsis);
    return last ? 0 : (right ? 0 : padding) + GAP;
}

void output_table_finish(struct output_table *table, const struct output *output,
                         const char *nothing)
{
    ASSERT(table->column_count > 0 && output != NULL && nothing != NULL);
    ASSERT(table->failed || table->cell_count % table->column_count == 0);
    size_t widths[OUTPUT_COLUMNS_MAX];
    size_t blanks = 0;
    if (table->failed) {
        fputs("conclave: out of memory\n", output->error);
    } else if (table->cell_count == 0) {
        output_print(output, OUTPUT_DIM, "%s\n", nothing);
    } else {
        measure(table, widths);
        shrink(table, widths, output->width == 0 ? SIZE_MAX : output->width);
        for (size_t i = 0; i < table->column_count; i++) {
            blanks = print_cell(table, output, widths, i, blanks, table->headers[i], OUTPUT_BOLD);
        }
        output_print(output, OUTPUT_PLAIN, "\n");
        for (size_t i = 0; i < table->cell_count; i++) {
            blanks = print_cell(table, output, widths, i % table->column_count, blanks,
                                table->cells[i].text, table->cells[i].style);
            if ((i + 1) % table->column_count == 0) {
                output_print(output, OUTPUT_PLAIN, "\n");
            }
        }
    }
    output_table_drop(table);
}
