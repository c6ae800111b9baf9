/* Frames between nodes. */
#include "net/frame.h"

#include <conclave/limits.h>

/* `input` holds [what was handed out | what is still to be read]; the front part is dropped when
 * more comes in, so that a burst of frames is moved once, not once a frame. */
void frame_reader_init(struct frame_reader *reader, uint32_t size_max)
{
    ASSERT(reader != NULL && size_max > 0 && size_max <= LIMIT_PEER_FRAME_BYTES);
    buffer_init(&reader->input, 2 * ((size_t)LIMIT_PEER_FRAME_BYTES + FRAME_HEADER_BYTES));
    reader->size_max = size_max;
    reader->consumed = 0;
}

void frame_reader_close(struct frame_reader *reader)
{
    ASSERT(reader != NULL);
    buffer_close(&reader->input);
}

enum conclave_code frame_reader_add(struct frame_reader *reader, struct slice bytes)
{
    ASSERT(reader != NULL && reader->consumed <= reader->input.size);
    buffer_consume(&reader->input, reader->consumed);
    reader->consumed = 0;
    buffer_append(&reader->input, bytes.data, bytes.size);
    return reader->input.status;
}

enum conclave_code frame_reader_next(struct frame_reader *reader, struct slice *frame)
{
    ASSERT(reader != NULL && frame != NULL);
    size_t left = reader->input.size - reader->consumed;
    if (left < FRAME_HEADER_BYTES) {
        return CONCLAVE_NOT_FOUND;
    }
    const uint8_t *at = reader->input.data + reader->consumed;
    uint32_t size = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    if (size > reader->size_max) {
        return CONCLAVE_TOO_LARGE;
    }
    if (left - FRAME_HEADER_BYTES < size) {
        return CONCLAVE_NOT_FOUND;
    }
    *frame = slice_of(at + FRAME_HEADER_BYTES, size);
    reader->consumed += FRAME_HEADER_BYTES + size;
    return CONCLAVE_OK;
}

void frame_header(uint32_t size, uint8_t header[FRAME_HEADER_BYTES])
{
    header[0] = (uint8_t)(size >> 24);
    header[1] = (uint8_t)(size >> 16);
    header[2] = (uint8_t)(size >> 8);
    header[3] = (uint8_t)size;
}
