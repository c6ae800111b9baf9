/* The end of one MessagePack value in a growing input, without allocating.
 *
 * Why there is one beside msgpack-c's unpacker: that one allocates as many elements as an array's
 * head declares before it has seen any of them. A value that this scan found complete holds what it
 * declares.
 */
#include "codec/reader.h"

#include <conclave/limits.h>

_Static_assert(sizeof((struct codec_scan *)0)->remaining / sizeof(uint32_t) == LIMIT_NESTING + 1,
               "one count for each depth, and one for the value itself");

/* No input of ours is longer, so nothing in it can have more bytes or more elements. */
#define SCAN_DECLARED_MAX LIMIT_PEER_FRAME_BYTES

/* The head of a value: its bytes, then `payload_bytes` of its own, then `children` values. */
struct scan_head {
    size_t head_bytes;
    size_t payload_bytes;
    uint32_t children;
    bool container;
};

/* What a first byte from 0xc0 to 0xdf announces (the MessagePack specification, "Formats"). */
enum scan_shape {
    SHAPE_NONE,
    SHAPE_FIXED,
    SHAPE_PAYLOAD,
    SHAPE_ARRAY,
    SHAPE_MAP
};

static const struct {
    enum scan_shape shape;
    uint8_t
        argument_bytes; /* of the number that follows: a value for FIXED, a length for the others */
} scan_formats[32] = {
    [0x00] = {SHAPE_FIXED, 0},   /* nil */
    [0x02] = {SHAPE_FIXED, 0},   /* false */
    [0x03] = {SHAPE_FIXED, 0},   /* true */
    [0x04] = {SHAPE_PAYLOAD, 1}, /* bin 8 */
    [0x05] = {SHAPE_PAYLOAD, 2}, /* bin 16 */
    [0x06] = {SHAPE_PAYLOAD, 4}, /* bin 32 */
    [0x0a] = {SHAPE_FIXED, 4},   /* float 32 */
    [0x0b] = {SHAPE_FIXED, 8},   /* float 64 */
    [0x0c] = {SHAPE_FIXED, 1},   /* uint 8 */
    [0x0d] = {SHAPE_FIXED, 2},   /* uint 16 */
    [0x0e] = {SHAPE_FIXED, 4},   /* uint 32 */
    [0x0f] = {SHAPE_FIXED, 8},   /* uint 64 */
    [0x10] = {SHAPE_FIXED, 1},   /* int 8 */
    [0x11] = {SHAPE_FIXED, 2},   /* int 16 */
    [0x12] = {SHAPE_FIXED, 4},   /* int 32 */
    [0x13] = {SHAPE_FIXED, 8},   /* int 64 */
    [0x19] = {SHAPE_PAYLOAD, 1}, /* str 8 */
    [0x1a] = {SHAPE_PAYLOAD, 2}, /* str 16 */
    [0x1b] = {SHAPE_PAYLOAD, 4}, /* str 32 */
    [0x1c] = {SHAPE_ARRAY, 2},   /* array 16 */
    [0x1d] = {SHAPE_ARRAY, 4},   /* array 32 */
    [0x1e] = {SHAPE_MAP, 2},     /* map 16 */
    [0x1f] = {SHAPE_MAP, 4},     /* map 32 */
};

static enum codec_scan_result head_of(enum scan_shape shape, size_t head_bytes, uint64_t declared,
                                      struct scan_head *head)
{
    ASSERT(shape != SHAPE_NONE);
    uint64_t children = shape == SHAPE_MAP ? declared * 2 : declared;
    bool container = shape == SHAPE_ARRAY || shape == SHAPE_MAP;
    if (shape != SHAPE_FIXED && children > SCAN_DECLARED_MAX) {
        return CODEC_SCAN_MALFORMED;
    }
    *head = (struct scan_head){
        .head_bytes = head_bytes,
        .payload_bytes = shape == SHAPE_PAYLOAD ? (size_t)declared : 0,
        .children = container ? (uint32_t)children : 0,
        .container = container,
    };
    return CODEC_SCAN_COMPLETE;
}

static enum codec_scan_result read_head(struct slice at, struct scan_head *head)
{
    ASSERT(at.size > 0);
    uint8_t first = at.data[0];
    if (first < 0x80 || first >= 0xe0) {
        return head_of(SHAPE_FIXED, 1, 0, head);
    }
    if (first < 0x90) {
        return head_of(SHAPE_MAP, 1, first & 0x0fu, head);
    }
    if (first < 0xa0) {
        return head_of(SHAPE_ARRAY, 1, first & 0x0fu, head);
    }
    if (first < 0xc0) {
        return head_of(SHAPE_PAYLOAD, 1, first & 0x1fu, head);
    }
    enum scan_shape shape = scan_formats[first - 0xc0].shape;
    size_t argument_bytes = scan_formats[first - 0xc0].argument_bytes;
    if (shape == SHAPE_NONE) {
        return CODEC_SCAN_MALFORMED;
    }
    if (at.size < 1 + argument_bytes) {
        return CODEC_SCAN_INCOMPLETE;
    }
    uint64_t declared = 0;
    for (size_t i = 0; i < argument_bytes; i++) {
        declared = declared << 8 | at.data[1 + i];
    }
    return head_of(shape, 1 + argument_bytes, declared, head);
}

enum codec_scan_result codec_scan(struct codec_scan *scan, struct slice input)
{
    ASSERT(scan != NULL);
    ASSERT(scan->offset <= input.size);
    if (!scan->started) {
        scan->started = true;
        scan->remaining[0] = 1;
    }
    while (scan->remaining[0] > 0 || scan->depth > 0) {
        if (scan->offset == input.size) {
            return CODEC_SCAN_INCOMPLETE;
        }
        struct scan_head head;
        enum codec_scan_result result =
            read_head(slice_of(input.data + scan->offset, input.size - scan->offset), &head);
        if (result != CODEC_SCAN_COMPLETE) {
            return result;
        }
        if (head.container && scan->depth == LIMIT_NESTING) {
            return CODEC_SCAN_MALFORMED;
        }
        if (head.payload_bytes > input.size - scan->offset - head.head_bytes) {
            return CODEC_SCAN_INCOMPLETE;
        }
        scan->offset += head.head_bytes + head.payload_bytes;
        ASSERT(scan->remaining[scan->depth] > 0);
        scan->remaining[scan->depth]--;
        if (head.children > 0) {
            scan->depth++;
            scan->remaining[scan->depth] = head.children;
        }
        while (scan->depth > 0 && scan->remaining[scan->depth] == 0) {
            scan->depth--;
        }
    }
    return CODEC_SCAN_COMPLETE;
}
