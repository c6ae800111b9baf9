/* MessagePack into a buffer: msgpack-c packs, the buffer remembers failures. */
#include "codec/writer.h"

#include <msgpack.h>
#include <string.h>

static int write_to_buffer(void *context, const char *data, size_t size)
{
    struct buffer *buffer = context;
    buffer_append(buffer, data, size);
    return buffer->status == CONCLAVE_OK ? 0 : -1;
}

static msgpack_packer packer_of(struct buffer *buffer)
{
    ASSERT(buffer != NULL);
    msgpack_packer packer;
    msgpack_packer_init(&packer, buffer, write_to_buffer);
    return packer;
}

/* A packer fails only when the buffer does, and the buffer remembers why. */
static void check_written(const struct buffer *buffer, int rv)
{
    ASSERT(rv == 0 || buffer->status != CONCLAVE_OK);
}

void codec_write_nil(struct buffer *buffer)
{
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_nil(&packer));
}

void codec_write_bool(struct buffer *buffer, bool value)
{
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, value ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer));
}

void codec_write_u64(struct buffer *buffer, uint64_t value)
{
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_uint64(&packer, value));
}

void codec_write_i64(struct buffer *buffer, int64_t value)
{
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_int64(&packer, value));
}

void codec_write_text(struct buffer *buffer, const char *text)
{
    ASSERT(text != NULL);
    codec_write_string(buffer, slice_of_text(text));
}

void codec_write_string(struct buffer *buffer, struct slice text)
{
    ASSERT(text.size <= UINT32_MAX);
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_str(&packer, text.size));
    buffer_append(buffer, text.data, text.size);
}

void codec_write_bytes(struct buffer *buffer, struct slice bytes)
{
    ASSERT(bytes.size <= UINT32_MAX);
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_bin(&packer, bytes.size));
    buffer_append(buffer, bytes.data, bytes.size);
}

void codec_write_array(struct buffer *buffer, uint32_t count)
{
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_array(&packer, count));
}

void codec_write_map(struct buffer *buffer, uint32_t count)
{
    msgpack_packer packer = packer_of(buffer);
    check_written(buffer, msgpack_pack_map(&packer, count));
}

void codec_write_raw(struct buffer *buffer, struct slice packed)
{
    ASSERT(buffer != NULL);
    ASSERT(packed.size > 0);
    buffer_append(buffer, packed.data, packed.size);
}
