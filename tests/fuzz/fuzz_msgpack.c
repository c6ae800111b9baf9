/* src/codec/reader.h and utf8.h: the scan finds the end that msgpack-c finds, whole or in pieces;
 * what parses can be written and parses as the same; the table of fields takes any map; UTF-8 is
 * what RFC 3629 says.
 *
 * fuzz: -max_len=400
 */
#include <conclave/limits.h>
#include <stdlib.h>

#include "codec/reader.h"
#include "codec/utf8.h"
#include "codec/writer.h"
#include "fuzz/mutate.h"

struct fields {
    uint64_t u64;
    int64_t i64;
    bool truth;
    struct slice text, bytes;
    const msgpack_object *any, *list, *map;
};

#define AT(member) offsetof(struct fields, member)
static const struct codec_field table[] = {
    {"u", CODEC_U64, true, AT(u64), 3, 1000},    {"i", CODEC_I64, false, AT(i64), 0, 0},
    {"t", CODEC_BOOL, false, AT(truth), 0, 0},   {"s", CODEC_STRING, false, AT(text), 1, 8},
    {"b", CODEC_BYTES, false, AT(bytes), 2, 16}, {"x", CODEC_ANY, false, AT(any), 0, 0},
    {"l", CODEC_ARRAY, false, AT(list), 1, 4},   {"m", CODEC_MAP, false, AT(map), 0, 2},
};
#define FIELDS (sizeof table / sizeof *table)

static const char *const words[] = {"u", "i", "t", "s", "b", "x", "l", "m", "\xc3\xa4", NULL};

static struct buffer written;

void fuzz_open(void)
{
    buffer_init(&written, 64u * LIMIT_FRAME_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(1, data, size, size_max, seed, words);
}

static enum codec_scan_result scan_in_pieces(struct slice input, uint32_t seed, size_t *end)
{
    struct fuzz_cuts cuts = {seed};
    struct codec_scan scan = {0};
    enum codec_scan_result result = CODEC_SCAN_INCOMPLETE;
    size_t size = 0;
    while (size < input.size && result == CODEC_SCAN_INCOMPLETE) {
        size += fuzz_cut(&cuts, input.size - size);
        result = codec_scan(&scan, slice_of(input.data, size));
    }
    *end = scan.offset;
    return result;
}

/* RFC 3629 by code points: decode, then ask whether this is the shortest form of a scalar value. */
static bool is_utf8(struct slice text)
{
    for (size_t i = 0; i < text.size;) {
        uint8_t first = text.data[i++];
        unsigned tail = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
        uint32_t point = first < 0x80 ? first : first & (0x3fu >> tail);
        if ((first >= 0x80 && first < 0xc0) || first >= 0xf8) {
            return false;
        }
        for (unsigned j = 0; j < tail; j++, i++) {
            if (i >= text.size || (text.data[i] & 0xc0u) != 0x80) {
                return false;
            }
            point = point << 6 | (text.data[i] & 0x3fu);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (point < least[tail] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
            return false;
        }
    }
    return true;
}

static int pack(void *context, const char *data, size_t size)
{
    buffer_append(context, data, size);
    return 0;
}

static void look_at(const msgpack_object *object)
{
    uint64_t u64;
    int64_t i64;
    struct slice slice = {0};
    struct codec_error error = {.text = ""};
    struct fields fields = {.u64 = 0};
    if (codec_get_u64(object, &u64) == CONCLAVE_OK && u64 <= INT64_MAX) {
        enum conclave_code rv = codec_get_i64(object, &i64);
        ASSERT(rv == CONCLAVE_OK && (uint64_t)i64 == u64);
    }
    if (object->type == MSGPACK_OBJECT_STR) {
        bool good = codec_get_string(object, &slice) == CONCLAVE_OK;
        ASSERT(good == is_utf8(slice_of(object->via.str.ptr, object->via.str.size)));
    }
    for (int strict = 0; strict < 2; strict++) {
        enum conclave_code rv =
            codec_decode_map(object, table, FIELDS, strict != 0, &fields, &error);
        ASSERT(rv == CONCLAVE_OK || (rv == CONCLAVE_BAD_REQUEST && error.text[0] != '\0'));
        ASSERT(is_utf8(slice_of_text(error.text)));
        if (rv == CONCLAVE_OK) {
            ASSERT(fields.u64 >= 3 && fields.u64 <= 1000 && fields.text.size <= 8);
        }
    }
}

static void run_tree(struct slice input)
{
    struct codec_tree tree;
    struct codec_tree again;
    enum conclave_code rv = codec_parse(&tree, input);
    ASSERT(rv == CONCLAVE_OK);
    look_at(&tree.root);
    buffer_clear(&written);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &written, pack);
    ASSERT(msgpack_pack_object(&packer, tree.root) == 0);
    rv = codec_parse(&again, buffer_slice(&written));
    ASSERT(rv == CONCLAVE_OK);
    /* A number that is none is not equal to itself; then its bytes must be. */
    if (!msgpack_object_equal(tree.root, again.root)) {
        struct buffer third;
        buffer_init(&third, 64u * LIMIT_FRAME_BYTES);
        msgpack_packer_init(&packer, &third, pack);
        ASSERT(msgpack_pack_object(&packer, again.root) == 0);
        ASSERT(slice_equal(buffer_slice(&third), buffer_slice(&written)));
        buffer_close(&third);
    }
    codec_tree_close(&again);
    codec_tree_close(&tree);
}

/* input: how it is cut, then the value and what follows it */
void fuzz_run(struct slice input)
{
    uint8_t seed = fuzz_take(&input);
    ASSERT(codec_utf8_valid(input) == is_utf8(input));
    struct codec_scan scan = {0};
    size_t end;
    enum codec_scan_result result = codec_scan(&scan, input);
    enum codec_scan_result in_pieces = scan_in_pieces(input, seed, &end);
    ASSERT(in_pieces == result && end == scan.offset);
    struct codec_tree tree;
    if (result != CODEC_SCAN_COMPLETE || scan.offset != input.size) {
        enum conclave_code rv = codec_parse(&tree, input);
        ASSERT(rv == CONCLAVE_BAD_REQUEST);
    }
    if (result != CODEC_SCAN_COMPLETE) {
        return;
    }
    msgpack_unpacked message;
    msgpack_unpacked_init(&message);
    size_t offset = 0;
    msgpack_unpack_return unpacked =
        msgpack_unpack_next(&message, (const char *)input.data, input.size, &offset);
    ASSERT(unpacked == MSGPACK_UNPACK_SUCCESS || unpacked == MSGPACK_UNPACK_EXTRA_BYTES);
    ASSERT(offset == scan.offset);
    msgpack_unpacked_destroy(&message);
    uint8_t *copy = fuzz_copy(slice_of(input.data, scan.offset));
    run_tree(slice_of(copy, scan.offset));
    free(copy);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    codec_write_map(&seed, 8);
    codec_write_text(&seed, "u");
    codec_write_u64(&seed, 700);
    codec_write_text(&seed, "i");
    codec_write_i64(&seed, -70000);
    codec_write_text(&seed, "t");
    codec_write_bool(&seed, true);
    codec_write_text(&seed, "s");
    codec_write_text(&seed, "\xc3\xa4\xe2\x82\xac");
    codec_write_text(&seed, "b");
    codec_write_bytes(&seed, slice_of_text("bytes"));
    codec_write_text(&seed, "x");
    codec_write_nil(&seed);
    codec_write_text(&seed, "l");
    codec_write_array(&seed, 1);
    codec_write_array(&seed, 0);
    codec_write_text(&seed, "m");
    codec_write_map(&seed, 1);
    codec_write_u64(&seed, UINT64_MAX);
    codec_write_i64(&seed, INT64_MIN);
    fuzz_seed_buffer("fields", "5", &seed);
    for (unsigned i = 0; i < LIMIT_NESTING; i++) {
        codec_write_array(&seed, 1);
    }
    codec_write_array(&seed, 0);
    fuzz_seed_buffer("deep", "2", &seed);
    static const uint8_t forms[] = {1,    0xdc, 0, 9,   0xca, 1, 2, 3,    4,    0xcb, 1,
                                    2,    3,    4, 5,   6,    7, 8, 0xd0, 0xff, 0xd1, 0xff,
                                    0xff, 0xc4, 1, 7,   0xc5, 0, 1, 7,    0xd9, 1,    'a',
                                    0xda, 0,    1, 'a', 0xde, 0, 0, 0xcd, 1,    1};
    fuzz_seed("forms", slice_of(forms, sizeof forms));
    buffer_close(&seed);
}
