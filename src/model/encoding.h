/* Records of the state as bytes: big-endian integers and counted bytes, written one field after the
 * other.
 *
 * Every record starts with a version byte of its own. A writer appends to a buffer and checks
 * `buffer->status` once at the end; a reader goes over a slice, gives zeros once it ran out, and
 * decoder_done says whether all was well. No host struct, padding or byte order ever reaches the
 * state: digests of two machines must agree.
 */
#ifndef MODEL_ENCODING_H
#define MODEL_ENCODING_H

#include "base/buffer.h"

static inline void store_be16(uint8_t *bytes, uint16_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void store_be32(uint8_t *bytes, uint32_t value)
{
    store_be16(bytes, (uint16_t)(value >> 16));
    store_be16(bytes + 2, (uint16_t)value);
}

static inline void store_be64(uint8_t *bytes, uint64_t value)
{
    store_be32(bytes, (uint32_t)(value >> 32));
    store_be32(bytes + 4, (uint32_t)value);
}

static inline uint16_t load_be16(const uint8_t *bytes)
{
    return (uint16_t)((uint32_t)bytes[0] << 8 | bytes[1]);
}

static inline uint32_t load_be32(const uint8_t *bytes)
{
    return (uint32_t)load_be16(bytes) << 16 | load_be16(bytes + 2);
}

static inline uint64_t load_be64(const uint8_t *bytes)
{
    return (uint64_t)load_be32(bytes) << 32 | load_be32(bytes + 4);
}

void encode_u8(struct buffer *buffer, uint8_t value);
void encode_u16(struct buffer *buffer, uint16_t value);
void encode_u32(struct buffer *buffer, uint32_t value);
void encode_u64(struct buffer *buffer, uint64_t value);
void encode_bytes(struct buffer *buffer, const void *bytes, size_t size); /* as they are */
void encode_slice(struct buffer *buffer,
                  struct slice slice); /* u16 length (asserted), then the bytes */

struct decoder {
    struct slice bytes;
    size_t offset;
    bool failed; /* ran out */
};

struct decoder decoder_of(struct slice bytes);
uint8_t decode_u8(struct decoder *decoder);
uint16_t decode_u16(struct decoder *decoder);
uint32_t decode_u32(struct decoder *decoder);
uint64_t decode_u64(struct decoder *decoder);
void decode_bytes(struct decoder *decoder, void *bytes,
                  size_t size);                     /* zeros when they are not there */
struct slice decode_slice(struct decoder *decoder); /* points into the record */

/* True when nothing ran out and nothing is left over. */
bool decoder_done(const struct decoder *decoder);

#endif
