/* Frames between nodes: a length of 4 bytes, big endian, then that many bytes. A frame of length 0
 * says only that the sender is alive. */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "base/buffer.h"

#define FRAME_HEADER_BYTES 4u

/* Puts a stream together again. */
struct frame_reader {
    struct buffer input;
    size_t consumed;   /* bytes at its front that were handed out */
    uint32_t size_max; /* of a frame: may be changed between frames */
};

void frame_reader_init(struct frame_reader *reader, uint32_t size_max);
void frame_reader_close(struct frame_reader *reader);

/* Adds bytes of the stream. NO_MEMORY; never more is held than one frame and what came with it. */
enum conclave_code frame_reader_add(struct frame_reader *reader, struct slice bytes) MUST_USE;

/* The next frame: OK with `frame` (valid until the next call of either function), NOT_FOUND when it
 * has not all come, TOO_LARGE when the length is more than size_max: the stream is lost. */
enum conclave_code frame_reader_next(struct frame_reader *reader, struct slice *frame) MUST_USE;

/* The four bytes for a frame of this size. */
void frame_header(uint32_t size, uint8_t header[FRAME_HEADER_BYTES]);

#endif
