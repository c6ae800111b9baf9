/* Text that others wrote, made harmless and measured.
 *
 * Titles, names and rationales are in the record as their authors signed them, and a terminal obeys
 * what it is sent. So nothing from the cluster reaches a terminal but through text_safe: control
 * characters (C0, DEL, C1), bidirectional overrides and bytes that are no UTF-8 come out as visible
 * escapes, \x1b or \u202e.
 */
#ifndef CONCLAVE_TEXT_H
#define CONCLAVE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/buffer.h"

/* Sets the locale so that wcwidth knows Unicode. True when the user's own terminal is UTF-8. */
bool text_start(void);

enum text_lines {
    TEXT_ONE_LINE, /* line feeds and tabs become spaces */
    TEXT_LINES     /* they stay */
};

/* Appends the harmless form of `text`. */
void text_safe(struct buffer *buffer, struct slice text, enum text_lines lines);

/* The same as a new string, to be freed with memory_free; NULL when there is no memory. */
char *text_safe_copy(struct slice text, enum text_lines lines);

/* Terminal columns that harmless text takes. */
size_t text_width(const char *text);

/* How many bytes of harmless text fit into `columns`, whole characters only. */
size_t text_fitting(const char *text, size_t columns);

/* One character from UTF-8: its bytes, or 0 when there is none at `text` (RFC 3629). */
size_t text_decode(struct slice text, uint32_t *code_point);

#endif
