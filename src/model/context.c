/* See context.h. */
#include "model/context.h"

#include <stdarg.h>
#include <stdio.h>

#define TEXT_SHOWN_BYTES 64u

enum conclave_code refuse(struct model_context *context, enum conclave_code code,
                          const char *format, ...)
{
    ASSERT(code != CONCLAVE_OK && !store_failed(code));
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(context->error.text, sizeof context->error.text, format, arguments);
    va_end(arguments);
    ASSERT(written >= 0);
    return code;
}

/* How many of the first `size` bytes are whole characters: valid UTF-8 is only ever cut within its
 * last character. */
static size_t whole_bytes(const uint8_t *bytes, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 3 && (bytes[start - 1] & 0xc0u) == 0x80u) {
        start--;
    }
    if (start == 0 || bytes[start - 1] < 0xc0u) {
        return size;
    }
    uint8_t lead = bytes[start - 1];
    size_t wanted = lead >= 0xf0u ? 4 : lead >= 0xe0u ? 3 : 2;
    return size - (start - 1) < wanted ? start - 1 : size;
}

int text_shown_bytes(struct slice text)
{
    size_t size = text.size < TEXT_SHOWN_BYTES ? text.size : TEXT_SHOWN_BYTES;
    return (int)whole_bytes(text.data, size);
}

struct slice text_whole(const char *text)
{
    size_t size = strlen(text);
    return slice_of(text, whole_bytes((const uint8_t *)text, size));
}

enum conclave_code check_id(struct model_context *context, const char *field, struct slice id)
{
    if (envelope_id_valid(id)) {
        return CONCLAVE_OK;
    }
    return refuse(context, CONCLAVE_BAD_VALUE,
                  "%s \"%.*s\" is not an id: 1 to %u letters, digits and . _ - : +, "
                  "a letter or digit first",
                  field, TEXT_ARGUMENTS(id), LIMIT_ID_BYTES);
}

enum conclave_code check_text(struct model_context *context, const char *field, struct slice text,
                              size_t size_min, size_t size_max)
{
    if (text.size < size_min || text.size > size_max) {
        return refuse(context, CONCLAVE_BAD_VALUE, "%s has %zu bytes, %zu to %zu are allowed",
                      field, text.size, size_min, size_max);
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
            return refuse(context, CONCLAVE_BAD_VALUE,
                          "%s has a control character (0x%02x) at byte %zu", field, text.data[i],
                          i + 1);
        }
    }
    return CONCLAVE_OK;
}

struct buffer *record_begin(struct model_context *context, uint8_t version)
{
    buffer_clear(&context->record);
    encode_u8(&context->record, version);
    return &context->record;
}
