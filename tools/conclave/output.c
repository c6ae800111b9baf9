/* What the command line prints, but for tables (table.c). */
#include "output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "format.h"
#include "text.h"

#define PROSE_LEAST  40u
#define PROSE_MOST   100u
#define FIELD_COLUMN 14

static const char *const style_codes[] = {
    [OUTPUT_PLAIN] = "",          [OUTPUT_BOLD] = "\033[1m", [OUTPUT_DIM] = "\033[2m",
    [OUTPUT_GOOD] = "\033[32m",   [OUTPUT_BAD] = "\033[31m", [OUTPUT_NOTICE] = "\033[33m",
    [OUTPUT_ACCENT] = "\033[36m",
};

static size_t find_width(bool terminal)
{
    uint64_t columns;
    const char *wanted = getenv("COLUMNS");
    if (wanted != NULL && format_parse_u64(wanted, &columns) && columns > 0 && columns < 10000) {
        return (size_t)columns;
    }
    struct winsize size;
    if (terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        return size.ws_col;
    }
    return terminal ? 80 : 0;
}

void output_start(struct output *output)
{
    ASSERT(output != NULL);
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool wanted = (no_color == NULL || no_color[0] == '\0') &&
                  (term == NULL || strcmp(term, "dumb") != 0);
    *output = (struct output){
        .file = stdout,
        .error = stderr,
        .terminal = isatty(STDOUT_FILENO) == 1,
        .error_terminal = isatty(STDERR_FILENO) == 1,
        .utf8 = text_start(),
    };
    output->color = wanted && output->terminal;
    output->error_color = wanted && output->error_terminal;
    output->width = find_width(output->terminal);
}

size_t output_prose_width(const struct output *output)
{
    ASSERT(output != NULL);
    size_t width = output->width == 0 ? 80 : output->width;
    return width < PROSE_LEAST ? PROSE_LEAST : width > PROSE_MOST ? PROSE_MOST : width;
}

static void style_begin(const struct output *output, enum output_style style)
{
    if (output->color) {
        fputs(style_codes[style], output->file);
    }
}

static void style_end(const struct output *output, enum output_style style)
{
    if (output->color && style != OUTPUT_PLAIN) {
        fputs("\033[0m", output->file);
    }
}

void output_print(const struct output *output, enum output_style style, const char *format, ...)
{
    ASSERT(output != NULL && format != NULL);
    va_list arguments;
    style_begin(output, style);
    va_start(arguments, format);
    (void)vfprintf(output->file, format, arguments);
    va_end(arguments);
    style_end(output, style);
}

void output_safe(const struct output *output, enum output_style style, const char *text)
{
    ASSERT(output != NULL && text != NULL);
    char *safe = text_safe_copy(slice_of_text(text), TEXT_ONE_LINE);
    output_print(output, style, "%s", safe == NULL ? "(out of memory)" : safe);
    memory_free(safe);
}

void output_block(const struct output *output, size_t indent, const char *text)
{
    ASSERT(output != NULL && text != NULL);
    char *safe = text_safe_copy(slice_of_text(text), TEXT_LINES);
    for (const char *line = safe; line != NULL && *line != '\0';) {
        size_t size = strcspn(line, "\n");
        output_print(output, OUTPUT_PLAIN, "%*s%.*s\n", size == 0 ? 0 : (int)indent, "", (int)size,
                     line);
        line += size + (line[size] == '\n');
    }
    memory_free(safe);
}

void output_field(const struct output *output, const char *name, const char *value)
{
    ASSERT(output != NULL && name != NULL && value != NULL);
    if (value[0] == '\0') {
        return;
    }
    output_print(output, OUTPUT_DIM, "%-*s", FIELD_COLUMN, name);
    output_safe(output, OUTPUT_PLAIN, value);
    output_print(output, OUTPUT_PLAIN, "\n");
}

void output_bar(const struct output *output, uint64_t have, uint64_t of, size_t columns,
                enum output_style style)
{
    ASSERT(output != NULL && columns > 0);
    unsigned __int128 scaled = of == 0 ? 0 : (unsigned __int128)have * columns;
    size_t filled = of == 0 ? 0 : (size_t)((scaled + of / 2) / of);
    filled = filled > columns ? columns : filled;
    if (have > 0 && filled == 0) {
        filled = 1; /* something is not nothing */
    }
    style_begin(output, style);
    for (size_t i = 0; i < filled; i++) {
        fputs(output->utf8 ? "█" : "#", output->file);
    }
    style_end(output, style);
    style_begin(output, OUTPUT_DIM);
    for (size_t i = filled; i < columns; i++) {
        fputs(output->utf8 ? "░" : ".", output->file);
    }
    style_end(output, OUTPUT_DIM);
    fputs(" ", output->file);
}

static void print_json(const struct output *output, FILE *file, bool terminal, const char *schema,
                       json_t *object, size_t flags)
{
    char name[96];
    snprintf(name, sizeof name, "conclave.%s.v1", schema);
    json_t *whole = json_object();
    if (whole == NULL || object == NULL ||
        json_object_set_new(whole, "schema", json_string(name)) != 0 ||
        json_object_update(whole, object) != 0) {
        fputs("conclave: out of memory\n", output->error);
    } else {
        /* Terminals may obey C1 characters even inside of JSON. */
        (void)json_dumpf(whole, file, flags | (terminal ? JSON_ENSURE_ASCII : 0));
        fputs("\n", file);
    }
    json_decref(whole);
    json_decref(object);
}

void output_json(const struct output *output, const char *schema, json_t *object)
{
    ASSERT(output != NULL && schema != NULL);
    print_json(output, output->file, output->terminal, schema, object, JSON_INDENT(2));
}

void output_json_line(const struct output *output, const char *schema, json_t *object)
{
    ASSERT(output != NULL && schema != NULL);
    print_json(output, output->file, output->terminal, schema, object, JSON_COMPACT);
    fflush(output->file);
}
