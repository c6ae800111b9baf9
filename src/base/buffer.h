/* A buffer: bytes that grow at the end, up to a limit given at the start.
 *
 * A failed growth is remembered (`status`), and later appends do nothing: a writer can append many
 * pieces and check once. The bytes belong to the buffer until buffer_close.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <conclave/codes.h>

#include "base/assert.h"
#include "base/slice.h"

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t limit;              /* the most bytes it may hold */
    enum conclave_code status; /* OK, NO_MEMORY, or TOO_LARGE past the limit */
};

/* An empty buffer that owns nothing yet. */
void buffer_init(struct buffer *buffer, size_t limit_bytes);

/* Frees the bytes. The buffer may be initialised again. */
void buffer_close(struct buffer *buffer);

/* Keeps the memory, drops the bytes and a remembered failure. */
void buffer_clear(struct buffer *buffer);

/* Appends, making room first; on failure sets `status` and changes nothing else. */
void buffer_append_grow(struct buffer *buffer, const void *data, size_t size);

/* The same: mostly there is room. */
static inline void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (size > 0 && size <= buffer->capacity - buffer->size &&
        size <= buffer->limit - buffer->size && buffer->status == CONCLAVE_OK) {
        memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
    } else {
        buffer_append_grow(buffer, data, size);
    }
}

/* Makes room for `size` more bytes and returns where they go, or NULL on failure (status is set).
 * The caller writes at most `size` bytes there and adds what it wrote to buffer->size. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size) MUST_USE;

/* Drops the first `size` bytes and moves the rest to the front. */
void buffer_consume(struct buffer *buffer, size_t size);

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data, buffer->size);
}

#endif
