/* src/net/frame.h: a stream of frames, however it is cut, has the frames that its bytes say. */
#include <conclave/limits.h>

#include "fuzz/harness.h"
#include "net/frame.h"
#include "net/handshake.h"

void fuzz_open(void)
{
}

static const uint32_t sizes[] = {1, 16, 300, HANDSHAKE_BYTES_MAX, LIMIT_PEER_FRAME_BYTES};

/* What should come next, read from the whole stream in the plainest way. */
static enum conclave_code expected_next(struct slice *stream, uint32_t size_max,
                                        struct slice *frame)
{
    if (stream->size < 4) {
        return CONCLAVE_NOT_FOUND;
    }
    uint64_t size = 0;
    for (unsigned i = 0; i < 4; i++) {
        size = size * 256 + stream->data[i];
    }
    if (size > size_max) {
        return CONCLAVE_TOO_LARGE;
    }
    if (size > stream->size - 4) {
        return CONCLAVE_NOT_FOUND;
    }
    (void)fuzz_take_bytes(stream, 4);
    *frame = fuzz_take_bytes(stream, (size_t)size);
    return CONCLAVE_OK;
}

/* input: which largest size, how it is cut, the stream */
void fuzz_run(struct slice input)
{
    uint32_t size_max = sizes[fuzz_take(&input) % (sizeof sizes / sizeof *sizes)];
    struct fuzz_cuts cuts = {fuzz_take(&input)};
    struct slice to_come = input;
    struct frame_reader reader;
    frame_reader_init(&reader, size_max);
    size_t added = 0;
    enum conclave_code code = CONCLAVE_NOT_FOUND;
    while (added < input.size && code == CONCLAVE_NOT_FOUND) {
        size_t size = fuzz_cut(&cuts, input.size - added);
        enum conclave_code rv = frame_reader_add(&reader, slice_of(input.data + added, size));
        ASSERT(rv == CONCLAVE_OK);
        added += size;
        for (;;) {
            struct slice frame = {0};
            struct slice expected = {0};
            code = frame_reader_next(&reader, &frame);
            if (code != CONCLAVE_OK) {
                break;
            }
            rv = expected_next(&to_come, size_max, &expected);
            ASSERT(rv == CONCLAVE_OK);
            ASSERT(slice_equal(frame, expected));
            uint8_t header[FRAME_HEADER_BYTES];
            frame_header((uint32_t)frame.size, header);
            ASSERT(memcmp(header, expected.data - sizeof header, sizeof header) == 0);
        }
    }
    struct slice none;
    enum conclave_code last = expected_next(&to_come, size_max, &none);
    ASSERT(last == code);
    frame_reader_close(&reader);
}

void fuzz_seeds(void)
{
    static const uint8_t three[] = {4, 7, 0, 0, 0, 0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
    static const uint8_t cut[] = {2, 9, 0, 0, 1, 0x2c, 'x', 'y'};
    static const uint8_t large[] = {3, 1, 0, 0, 0, 1, 'x', 0, 0, 4, 1, 'x'};
    fuzz_seed("three", slice_of(three, sizeof three));
    fuzz_seed("cut", slice_of(cut, sizeof cut));
    fuzz_seed("large", slice_of(large, sizeof large));
}
