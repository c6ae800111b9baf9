/* See encoding.h. */
#include "model/encoding.h"

void encode_u8(struct buffer *buffer, uint8_t value)
{
    buffer_append(buffer, &value, 1);
}

void encode_u16(struct buffer *buffer, uint16_t value)
{
    uint8_t bytes[2];
    store_be16(bytes, value);
    buffer_append(buffer, bytes, sizeof bytes);
}

void encode_u32(struct buffer *buffer, uint32_t value)
{
    uint8_t bytes[4];
    store_be32(bytes, value);
    buffer_append(buffer, bytes, sizeof bytes);
}

void encode_u64(struct buffer *buffer, uint64_t value)
{
    uint8_t bytes[8];
    store_be64(bytes, value);
    buffer_append(buffer, bytes, sizeof bytes);
}

void encode_bytes(struct buffer *buffer, const void *bytes, size_t size)
{
    ASSERT(bytes != NULL || size == 0);
    if (size > 0) {
        buffer_append(buffer, bytes, size);
    }
}

void encode_slice(struct buffer *buffer, struct slice slice)
{
    ASSERT(slice.size <= UINT16_MAX);
    encode_u16(buffer, (uint16_t)slice.size);
    encode_bytes(buffer, slice.data, slice.size);
}

struct decoder decoder_of(struct slice bytes)
{
    ASSERT(bytes.data != NULL || bytes.size == 0);
    return (struct decoder){.bytes = bytes};
}

/* The next `size` bytes, or NULL (and the decoder has failed) when there are not so many. */
static const uint8_t *take(struct decoder *decoder, size_t size)
{
    ASSERT(decoder->offset <= decoder->bytes.size);
    if (decoder->failed || decoder->bytes.size - decoder->offset < size) {
        decoder->failed = true;
        return NULL;
    }
    const uint8_t *bytes = decoder->bytes.data + decoder->offset;
    decoder->offset += size;
    return bytes;
}

uint8_t decode_u8(struct decoder *decoder)
{
    const uint8_t *bytes = take(decoder, 1);
    return bytes == NULL ? 0 : *bytes;
}

uint16_t decode_u16(struct decoder *decoder)
{
    const uint8_t *bytes = take(decoder, 2);
    return bytes == NULL ? 0 : load_be16(bytes);
}

uint32_t decode_u32(struct decoder *decoder)
{
    const uint8_t *bytes = take(decoder, 4);
    return bytes == NULL ? 0 : load_be32(bytes);
}

uint64_t decode_u64(struct decoder *decoder)
{
    const uint8_t *bytes = take(decoder, 8);
    return bytes == NULL ? 0 : load_be64(bytes);
}

void decode_bytes(struct decoder *decoder, void *bytes, size_t size)
{
    ASSERT(bytes != NULL && size > 0);
    const uint8_t *from = take(decoder, size);
    if (from == NULL) {
        memset(bytes, 0, size);
    } else {
        memcpy(bytes, from, size);
    }
}

struct slice decode_slice(struct decoder *decoder)
{
    size_t size = decode_u16(decoder);
    const uint8_t *bytes = take(decoder, size);
    return bytes == NULL ? slice_of("", 0) : slice_of(bytes, size);
}

bool decoder_done(const struct decoder *decoder)
{
    return !decoder->failed && decoder->offset == decoder->bytes.size;
}
