/* Text that others wrote, made harmless and measured. */
#include "text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/memory.h"

#define TEXT_SAFE_BYTES_MAX (16u * 1024u * 1024u)

bool text_start(void)
{
    bool own = setlocale(LC_CTYPE, "") != NULL && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    if (!own) {
        (void)setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth; part of every glibc */
    }
    return own;
}

size_t text_decode(struct slice text, uint32_t *code_point)
{
    ASSERT(code_point != NULL);
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (text.size == 0) {
        return 0;
    }
    uint8_t first = text.data[0];
    if (first < 0x80) {
        *code_point = first;
        return 1;
    }
    size_t size = first >= 0xf0 && first < 0xf8   ? 4
                  : first >= 0xe0 && first < 0xf0 ? 3
                  : first >= 0xc0 && first < 0xe0 ? 2
                                                  : 0;
    if (size == 0 || text.size < size) {
        return 0;
    }
    uint32_t value = first & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0u) != 0x80u) {
            return 0;
        }
        value = value << 6 | (text.data[i] & 0x3fu);
    }
    if (value < least[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return 0;
    }
    *code_point = value;
    return size;
}

/* Characters that make a terminal do something, or make text read as what it is not. */
static bool is_harmful(uint32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f) ||
           code_point == 0x061c || (code_point >= 0x200b && code_point <= 0x200f) ||
           (code_point >= 0x2028 && code_point <= 0x202e) ||
           (code_point >= 0x2060 && code_point <= 0x206f) || code_point == 0xfeff ||
           (code_point >= 0xfff9 && code_point <= 0xfffb) ||
           (code_point >= 0xe0000 && code_point <= 0xe007f);
}

void text_safe(struct buffer *buffer, struct slice text, enum text_lines lines)
{
    ASSERT(buffer != NULL);
    while (text.size > 0) {
        uint32_t code_point = 0;
        size_t size = text_decode(text, &code_point);
        char escape[16];
        if (size == 0) {
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)text.data[0]);
            buffer_append(buffer, escape, strlen(escape));
            size = 1;
        } else if (code_point == '\n' || code_point == '\t') {
            buffer_append(buffer, lines == TEXT_LINES ? (const void *)text.data : " ", 1);
        } else if (code_point == '\r' && text.size > 1 && text.data[1] == '\n') {
            /* the line feed that follows says it */
        } else if (is_harmful(code_point)) {
            snprintf(escape, sizeof escape, code_point < 0x80 ? "\\x%02x" : "\\u%04x",
                     (unsigned)code_point);
            buffer_append(buffer, escape, strlen(escape));
        } else {
            buffer_append(buffer, text.data, size);
        }
        text = slice_of(text.data + size, text.size - size);
    }
}

char *text_safe_copy(struct slice text, enum text_lines lines)
{
    struct buffer buffer;
    buffer_init(&buffer, TEXT_SAFE_BYTES_MAX);
    text_safe(&buffer, text, lines);
    buffer_append(&buffer, "", 1);
    if (buffer.status != CONCLAVE_OK) {
        buffer_close(&buffer);
        return NULL;
    }
    return (char *)buffer.data; /* a buffer's memory is memory_resize's */
}

static size_t width_of(uint32_t code_point)
{
    int width = wcwidth((wchar_t)code_point);
    return width < 0 ? 1 : (size_t)width;
}

size_t text_width(const char *text)
{
    ASSERT(text != NULL);
    size_t width = 0;
    struct slice rest = slice_of_text(text);
    while (rest.size > 0) {
        uint32_t code_point = 0;
        size_t size = text_decode(rest, &code_point);
        width += size == 0 ? 1 : width_of(code_point);
        size = size == 0 ? 1 : size;
        rest = slice_of(rest.data + size, rest.size - size);
    }
    return width;
}

size_t text_fitting(const char *text, size_t columns)
{
    ASSERT(text != NULL);
    size_t width = 0;
    struct slice rest = slice_of_text(text);
    while (rest.size > 0) {
        uint32_t code_point = 0;
        size_t size = text_decode(rest, &code_point);
        size_t more = size == 0 ? 1 : width_of(code_point);
        if (width + more > columns) {
            break;
        }
        width += more;
        size = size == 0 ? 1 : size;
        rest = slice_of(rest.data + size, rest.size - size);
    }
    return strlen(text) - rest.size;
}
