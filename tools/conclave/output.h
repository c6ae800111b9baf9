/* What the command line prints: styles, tables, bars, JSON.
 *
 * Colour and bars in block characters only on a terminal (and in a UTF-8 locale); NO_COLOR,
 * TERM=dumb and --no-color turn colour off. Tables fit the terminal's width: what does not fit is
 * cut off with an ellipsis; when the output is no terminal nothing is cut, unless COLUMNS says how
 * wide.
 */
#ifndef CONCLAVE_OUTPUT_H
#define CONCLAVE_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"

enum output_style {
    OUTPUT_PLAIN,
    OUTPUT_BOLD,
    OUTPUT_DIM,
    OUTPUT_GOOD,   /* green */
    OUTPUT_BAD,    /* red */
    OUTPUT_NOTICE, /* yellow */
    OUTPUT_ACCENT  /* cyan */
};

struct output {
    FILE *file;       /* results: standard output */
    FILE *error;      /* errors and progress: standard error */
    bool color;       /* on `file` */
    bool error_color; /* on `error` */
    bool terminal;    /* `file` is one */
    bool error_terminal;
    bool utf8;
    bool json;
    bool quiet;
    size_t width; /* columns; 0: as many as there are */
};

/* From the environment: terminals, locale, NO_COLOR, TERM, COLUMNS. */
void output_start(struct output *output);

/* Columns for lines of prose: the width, within bounds. */
size_t output_prose_width(const struct output *output);

/* printf to the results, in a style. What comes from the cluster must be harmless already
 * (output_safe, text.h). */
void output_print(const struct output *output, enum output_style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Text from the cluster, made harmless; on one line. */
void output_safe(const struct output *output, enum output_style style, const char *text);

/* Text of several lines from the cluster, made harmless, each line indented. */
void output_block(const struct output *output, size_t indent, const char *text);

/* "name:   value" with the names in one column; the value is made harmless. Nothing when it is "".
 */
void output_field(const struct output *output, const char *name, const char *value);

/* A bar of `columns` for have/of, then a space. */
void output_bar(const struct output *output, uint64_t have, uint64_t of, size_t columns,
                enum output_style style);

/* Prints an object with "schema": "conclave.<schema>.v1" first; takes the reference. `compact`: on
 * one line (streams). */
void output_json(const struct output *output, const char *schema, json_t *object);
void output_json_line(const struct output *output, const char *schema, json_t *object);

/* --- Tables --- */
enum output_column {
    OUTPUT_LEFT = 0,
    OUTPUT_RIGHT = 1,
    OUTPUT_SHRINK = 2 /* may be cut when the terminal is narrow */
};

#define OUTPUT_COLUMNS_MAX 12u

struct output_cell {
    char *text;
    enum output_style style;
};

struct output_table {
    size_t column_count;
    const char *headers[OUTPUT_COLUMNS_MAX];
    unsigned flags[OUTPUT_COLUMNS_MAX];
    struct output_cell *cells;
    size_t cell_count, cell_capacity;
    bool failed; /* no memory */
};

void output_table_init(struct output_table *table);
void output_table_column(struct output_table *table, const char *header, unsigned flags);

/* The next cell, made harmless; rows fill up from the left. */
void output_table_cell(struct output_table *table, const char *text);
void output_table_styled(struct output_table *table, enum output_style style, const char *text);
void output_table_number(struct output_table *table, uint64_t number);

/* Prints the table (`nothing` in its place when it has no rows) and frees it. */
void output_table_finish(struct output_table *table, const struct output *output,
                         const char *nothing);

/* Frees it without printing. */
void output_table_drop(struct output_table *table);

#endif
