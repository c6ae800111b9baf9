/* Writing MessagePack into a buffer (msgpack-c's packer underneath).
 *
 * Failures (no memory, over the buffer's limit) are remembered in the buffer's status: write all,
 * then check `buffer->status` once.
 */
#ifndef CODEC_WRITER_H
#define CODEC_WRITER_H

#include "base/buffer.h"

void codec_write_nil(struct buffer *buffer);
void codec_write_bool(struct buffer *buffer, bool value);
void codec_write_u64(struct buffer *buffer, uint64_t value);
void codec_write_i64(struct buffer *buffer, int64_t value);
void codec_write_text(struct buffer *buffer, const char *text);    /* str, NUL-terminated */
void codec_write_string(struct buffer *buffer, struct slice text); /* str */
void codec_write_bytes(struct buffer *buffer, struct slice bytes); /* bin */
void codec_write_array(struct buffer *buffer, uint32_t count);     /* then `count` values */
void codec_write_map(struct buffer *buffer, uint32_t count); /* then `count` keys and values */
void codec_write_raw(struct buffer *buffer,
                     struct slice packed); /* bytes that are MessagePack already */

#endif
