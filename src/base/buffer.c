/* A growable byte buffer with a limit and a remembered failure. */
#include "base/buffer.h"

#include "base/memory.h"

#define BUFFER_CAPACITY_MIN 256u

void buffer_init(struct buffer *buffer, size_t limit_bytes)
{
    ASSERT(buffer != NULL);
    ASSERT(limit_bytes > 0);
    *buffer = (struct buffer){.limit = limit_bytes, .status = CONCLAVE_OK};
}

void buffer_close(struct buffer *buffer)
{
    ASSERT(buffer != NULL);
    memory_free(buffer->data);
    buffer->data = NULL;
    buffer->size = 0;
    buffer->capacity = 0;
}

void buffer_clear(struct buffer *buffer)
{
    ASSERT(buffer != NULL);
    buffer->size = 0;
    buffer->status = CONCLAVE_OK;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    ASSERT(buffer != NULL);
    ASSERT(buffer->size <= buffer->capacity);
    if (buffer->status != CONCLAVE_OK) {
        return NULL;
    }
    if (size > buffer->limit - buffer->size) {
        buffer->status = CONCLAVE_TOO_LARGE;
        return NULL;
    }
    if (size <= buffer->capacity - buffer->size && buffer->data != NULL) {
        return buffer->data + buffer->size;
    }
    size_t needed = buffer->size + size; /* at most the limit, so it does not overflow */
    size_t capacity = buffer->capacity < BUFFER_CAPACITY_MIN ? BUFFER_CAPACITY_MIN
                                                             : buffer->capacity;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    uint8_t *data = memory_resize(buffer->data, capacity);
    if (data == NULL) {
        buffer->status = CONCLAVE_NO_MEMORY;
        return NULL;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return buffer->data + buffer->size;
}

void buffer_append_grow(struct buffer *buffer, const void *data, size_t size)
{
    ASSERT(buffer != NULL);
    ASSERT(data != NULL || size == 0);
    uint8_t *at = buffer_reserve(buffer, size);
    if (at == NULL || size == 0) {
        return;
    }
    memcpy(at, data, size);
    buffer->size += size;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    ASSERT(buffer != NULL);
    ASSERT(size <= buffer->size);
    if (size == 0) {
        return;
    }
    memmove(buffer->data, buffer->data + size, buffer->size - size);
    buffer->size -= size;
}
