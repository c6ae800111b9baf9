/* Walking MessagePack and writing it anew with one change. */
#include "fuzz/mutate.h"

#include <conclave/limits.h>

#include "codec/reader.h"
#include "codec/writer.h"

#define WALK_DEPTH    24u /* of values packed in values, too */
#define PAYLOAD_BYTES 4096u

struct walk {
    uint32_t chance;
    uint32_t target;  /* the value that is changed, by number */
    uint32_t number;  /* of the next value */
    struct slice all; /* where others are taken from */
    mutate_words words;
};

static uint32_t chance(struct walk *walk, uint32_t bound)
{
    walk->chance ^= walk->chance << 13; /* xorshift (Marsaglia, 2003) */
    walk->chance ^= walk->chance >> 17;
    walk->chance ^= walk->chance << 5;
    return walk->chance % bound;
}

/* One value: its head, what the head declares, and its whole size. */
struct value {
    enum {
        VALUE_PLAIN,
        VALUE_STRING,
        VALUE_BYTES,
        VALUE_ARRAY,
        VALUE_MAP
    } type;
    uint32_t count; /* of payload bytes, elements or pairs */
    size_t head;
    size_t size;
};

/* The end of what stands at the front. Not codec_scan: that one is instrumented, and a mutation
 * walks often. */
static bool read_head(struct slice at, struct value *value)
{
    static const uint8_t fixed[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8};
    static const uint8_t lengths[] = {1, 2, 4};
    if (at.size == 0) {
        return false;
    }
    uint8_t first = at.data[0];
    size_t length = 0;
    *value = (struct value){.type = VALUE_PLAIN, .head = 1};
    if (first >= 0x80 && first < 0xc0) {
        value->type = first < 0x90 ? VALUE_MAP : first < 0xa0 ? VALUE_ARRAY : VALUE_STRING;
        value->count = first < 0xa0 ? first & 0x0fu : first & 0x1fu;
    } else if (first >= 0xc4 && first <= 0xc6) {
        value->type = VALUE_BYTES;
        length = lengths[first - 0xc4];
    } else if (first >= 0xd9 && first <= 0xdb) {
        value->type = VALUE_STRING;
        length = lengths[first - 0xd9];
    } else if (first >= 0xdc && first <= 0xdf) {
        value->type = first < 0xde ? VALUE_ARRAY : VALUE_MAP;
        length = first % 2 == 0 ? 2 : 4;
    } else if (first >= 0xc0 && first < 0xd4) {
        value->head += fixed[first - 0xc0];
    }
    value->head += length;
    if (value->head > at.size || first == 0xc1 || (first >= 0xc7 && first <= 0xc9) ||
        (first >= 0xd4 && first <= 0xd8)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        value->count = value->count << 8 | at.data[1 + i];
    }
    return true;
}

static bool read_value(struct slice at, struct value *value)
{
    if (!read_head(at, value)) {
        return false;
    }
    size_t end = value->head;
    uint64_t left = 0; /* of the values within */
    struct value piece = *value;
    for (;;) {
        if (piece.type == VALUE_STRING || piece.type == VALUE_BYTES) {
            if (piece.count > at.size - end) {
                return false;
            }
            end += piece.count;
        } else if (piece.type >= VALUE_ARRAY) {
            left += piece.type == VALUE_MAP ? 2 * (uint64_t)piece.count : piece.count;
        }
        if (left == 0) {
            value->size = end;
            return true;
        }
        if (left > at.size - end || !read_head(slice_of(at.data + end, at.size - end), &piece)) {
            return false;
        }
        end += piece.head;
        left--;
    }
}

static struct slice after(struct slice slice, size_t size)
{
    return slice_of(slice.data + size, slice.size - size);
}

/* Is the payload itself packed: an array or a map, and nothing after it? */
static bool is_packed(struct slice payload)
{
    struct value value;
    return payload.size > 1 && read_value(payload, &value) && value.size == payload.size &&
           value.type >= VALUE_ARRAY;
}

static uint32_t count_values(struct slice at, unsigned depth)
{
    struct value value;
    uint32_t total = 0;
    while (depth < WALK_DEPTH && at.size > 0 && read_value(at, &value)) {
        struct slice inner = slice_of(at.data + value.head, value.size - value.head);
        bool nested = value.type >= VALUE_ARRAY || (value.type == VALUE_BYTES && is_packed(inner));
        total += 1 + (nested ? count_values(inner, depth + 1) : 0);
        at = after(at, value.size);
    }
    return total;
}

static void write_random(struct walk *walk, struct buffer *out)
{
    static const uint64_t edges[] = {
        0,           1,         2,          63,        64,         100,
        1000,        1023,      1024,       65535,     65536,      1000000,
        1000000000,  INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_MAX - 1,
        31536000000, 86400000};
    uint32_t words = 0;
    while (walk->words != NULL && walk->words[words] != NULL) {
        words++;
    }
    switch (chance(walk, 9)) {
    case 0:
        codec_write_nil(out);
        return;
    case 1:
        codec_write_bool(out, chance(walk, 2) == 0);
        return;
    case 2:
        codec_write_u64(out, edges[chance(walk, sizeof edges / sizeof *edges)]);
        return;
    case 3:
        codec_write_i64(out, -(int64_t)edges[chance(walk, 16)]);
        return;
    case 4:
        codec_write_array(out, 0);
        return;
    case 5:
        codec_write_map(out, 0);
        return;
    case 6: {
        static const uint8_t bytes[64] = "0123456789abcdef";
        static const uint8_t sizes[] = {0, 1, 16, 32, 64};
        codec_write_bytes(out, slice_of(bytes, sizes[chance(walk, sizeof sizes)]));
        return;
    }
    default:
        codec_write_text(out, words == 0 ? "a" : walk->words[chance(walk, words)]);
        return;
    }
}

/* Some value of the whole input. */
static void write_other(struct walk *walk, struct buffer *out)
{
    struct slice at = walk->all;
    struct value value;
    for (unsigned depth = 0; depth < WALK_DEPTH && read_value(at, &value); depth++) {
        struct slice inner = slice_of(at.data + value.head, value.size - value.head);
        uint32_t steps = value.type == VALUE_MAP ? 2 * value.count : value.count;
        bool enter = value.type >= VALUE_ARRAY && value.count > 0;
        if (value.type == VALUE_BYTES && is_packed(inner)) {
            enter = true;
            steps = 1;
        }
        if (!enter || chance(walk, 4) == 0) {
            codec_write_raw(out, slice_of(at.data, value.size));
            return;
        }
        for (uint32_t i = chance(walk, steps); i > 0 && read_value(inner, &value); i--) {
            inner = after(inner, value.size);
        }
        at = inner;
    }
    write_random(walk, out);
}

static void write_any(struct walk *walk, struct buffer *out)
{
    if (chance(walk, 2) == 0) {
        write_other(walk, out);
    } else {
        write_random(walk, out);
    }
}

static void mutate_payload(struct walk *walk, const struct value *value, struct slice payload,
                           struct buffer *out)
{
    uint8_t bytes[PAYLOAD_BYTES];
    size_t size = payload.size < sizeof bytes ? payload.size : sizeof bytes;
    if (size > 0) {
        memcpy(bytes, payload.data, size);
    }
    size_t size_max = chance(walk, 4) == 0 ? sizeof bytes : size + 8;
    size = LLVMFuzzerMutate(bytes, size, size_max < sizeof bytes ? size_max : sizeof bytes);
    if (value->type == VALUE_BYTES) {
        codec_write_bytes(out, slice_of(bytes, size));
    } else {
        codec_write_string(out, slice_of(bytes, size));
    }
}

static void mutate_number(struct walk *walk, struct slice at, struct buffer *out)
{
    struct codec_tree tree;
    uint64_t number;
    if (chance(walk, 3) == 0 || codec_parse(&tree, at) != CONCLAVE_OK) {
        write_any(walk, out);
        return;
    }
    if (codec_get_u64(&tree.root, &number) == CONCLAVE_OK) {
        uint32_t by = 1 + chance(walk, 3);
        codec_write_u64(out, chance(walk, 2) == 0 ? number + by : number - by);
    } else {
        write_any(walk, out);
    }
    codec_tree_close(&tree);
}

static void write_head(const struct value *value, uint32_t count, struct buffer *out)
{
    if (value->type == VALUE_MAP) {
        codec_write_map(out, count);
    } else {
        codec_write_array(out, count);
    }
}

/* An array or map with an element (of a map: a pair) deleted, repeated, moved or put in. */
static void mutate_container(struct walk *walk, const struct value *value, struct slice inner,
                             struct buffer *out)
{
    uint32_t per = value->type == VALUE_MAP ? 2 : 1;
    uint32_t place = value->count == 0 ? 0 : chance(walk, value->count);
    uint32_t kind = value->count == 0 ? 2 : chance(walk, 4);
    uint32_t moved = value->count == 0 ? 0 : chance(walk, value->count);
    struct slice first = slice_of(inner.data, 0);
    struct slice rest = inner;
    struct value piece;
    for (uint32_t i = 0; kind == 3 && i < per * (moved + 1) && read_value(rest, &piece); i++) {
        if (i == per * moved) {
            first = rest;
        }
        rest = after(rest, piece.size);
    }
    size_t moved_size = kind == 3 ? first.size - rest.size : 0;
    write_head(value,
               kind == 0   ? value->count - 1
               : kind == 3 ? value->count
                           : value->count + 1,
               out);
    for (uint32_t i = 0; i <= value->count; i++) {
        struct slice begin = inner;
        for (uint32_t j = 0; i < value->count && j < per && read_value(inner, &piece); j++) {
            inner = after(inner, piece.size);
        }
        size_t size = begin.size - inner.size;
        if (i == place && kind == 2) {
            for (uint32_t j = 0; j < per; j++) {
                write_any(walk, out);
            }
        }
        if (i == value->count) {
            break;
        }
        if (i == place && kind == 3 && moved_size > 0) { /* another one stands here too */
            codec_write_raw(out, slice_of(first.data, moved_size));
            continue;
        }
        if (i == place && kind == 0) {
            continue;
        }
        if (size > 0) {
            codec_write_raw(out, slice_of(begin.data, size));
        }
        if (i == place && kind == 1 && size > 0) {
            codec_write_raw(out, slice_of(begin.data, size));
        }
    }
}

static void change(struct walk *walk, const struct value *value, struct slice at,
                   struct buffer *out)
{
    struct slice inner = slice_of(at.data + value->head, value->size - value->head);
    if (chance(walk, 4) == 0) {
        write_any(walk, out);
    } else if (value->type >= VALUE_ARRAY) {
        mutate_container(walk, value, inner, out);
    } else if (value->type == VALUE_PLAIN) {
        mutate_number(walk, slice_of(at.data, value->size), out);
    } else {
        mutate_payload(walk, value, inner, out);
    }
}

/* Writes the values of `at` anew. */
static void rewrite(struct walk *walk, struct slice at, unsigned depth, struct buffer *out)
{
    struct value value;
    while (at.size > 0 && read_value(at, &value)) {
        struct slice inner = slice_of(at.data + value.head, value.size - value.head);
        bool packed = value.type == VALUE_BYTES && is_packed(inner);
        bool enter = depth + 1 < WALK_DEPTH && (value.type >= VALUE_ARRAY || packed);
        if (walk->number++ == walk->target) {
            change(walk, &value, at, out);
            walk->number = UINT32_MAX / 2; /* the rest stays as it is */
            at = after(at, value.size);
            continue;
        }
        if (!enter || walk->number > UINT32_MAX / 2) {
            codec_write_raw(out, slice_of(at.data, value.size));
        } else if (packed) {
            struct buffer bytes;
            buffer_init(&bytes, LIMIT_FRAME_BYTES);
            rewrite(walk, inner, depth + 1, &bytes);
            codec_write_bytes(out, buffer_slice(&bytes));
            buffer_close(&bytes);
        } else {
            write_head(&value, value.count, out);
            rewrite(walk, inner, depth + 1, out);
        }
        at = after(at, value.size);
    }
}

size_t mutate_packed(uint8_t *data, size_t size, size_t size_max, unsigned seed, mutate_words words)
{
    struct slice all = slice_of(data, size);
    struct walk walk = {.chance = seed * 2654435761u | 1u, .all = all, .words = words};
    uint32_t count = count_values(all, 0);
    if (count == 0) {
        return 0;
    }
    struct buffer out;
    buffer_init(&out, LIMIT_FRAME_BYTES);
    walk.target = chance(&walk, count);
    rewrite(&walk, all, 0, &out);
    size_t made = out.status == CONCLAVE_OK && out.size <= size_max ? out.size : 0;
    if (made > 0) {
        memcpy(data, out.data, made);
    }
    buffer_close(&out);
    return made;
}

size_t mutate_behind(size_t head, uint8_t *data, size_t size, size_t size_max, unsigned seed,
                     mutate_words words)
{
    if (size <= head || seed % 8 == 0) {
        return LLVMFuzzerMutate(data, size, size_max);
    }
    if (head > 0 && seed % 8 == 1) {
        LLVMFuzzerMutate(data, head, head);
        return size;
    }
    size_t made = mutate_packed(data + head, size - head, size_max - head, seed, words);
    return made == 0 ? LLVMFuzzerMutate(data, size, size_max) : head + made;
}
