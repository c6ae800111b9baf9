/* See context.h. */
#include "model/context.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/utf8.h"

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

int text_shown_bytes(struct slice text)
{
    size_t size = text.size < TEXT_SHOWN_BYTES ? text.size : TEXT_SHOWN_BYTES;
    return (int)codec_utf8_whole(slice_of(text.data, size)).size;
}

struct slice text_whole(const char *text)
{
    return codec_utf8_whole(slice_of_text(text));
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
