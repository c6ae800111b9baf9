/* src/record/leaf.h: there is one way to write a leaf, and the decoder takes no other; what of a
 * command a leaf binds is told for any bytes.
 *
 * fuzz: -max_len=600
 */
#include "record/leaf.h"

#include <conclave/limits.h>
#include <sodium.h>

#include "fuzz/mutate.h"

static const char *const words[] = {"ok", "poll_closed", "p1", NULL};
static struct buffer written;

void fuzz_open(void)
{
    ASSERT(sodium_init() >= 0);
    buffer_init(&written, LEAF_BYTES_MAX);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(0, data, size, size_max, seed, words);
}

void fuzz_run(struct slice input)
{
    struct leaf leaf;
    enum conclave_code code = leaf_decode(&leaf, input);
    if (code == CONCLAVE_OK) {
        buffer_clear(&written);
        leaf_write(&written, &leaf);
        ASSERT(slice_equal(buffer_slice(&written), input));
        leaf_close(&leaf);
    }
    uint8_t digest[LEAF_DIGEST_BYTES];
    uint8_t expected[LEAF_DIGEST_BYTES];
    struct slice signature;
    code = leaf_bind(input, digest, &signature);
    ASSERT(code == CONCLAVE_OK);
    if (signature.size == 0) {
        crypto_hash_sha256(expected, input.data, input.size);
        ASSERT(memcmp(digest, expected, sizeof digest) == 0);
    } else {
        ASSERT(signature.size == LEAF_SIGNATURE_BYTES);
        ASSERT(signature.data >= input.data &&
               signature.data + signature.size <= input.data + input.size);
    }
}

void fuzz_seeds(void)
{
    static const uint8_t bytes[64] = "bytes";
    struct buffer seed;
    buffer_init(&seed, LEAF_BYTES_MAX);
    struct leaf leaf = {.kind = LEAF_COMMAND,
                        .index = 300,
                        .time_ms = 1767225600000,
                        .position = 2,
                        .code = slice_of_text("ok"),
                        .envelope = slice_of(bytes, 32),
                        .signature = slice_of(bytes, 64),
                        .reply = slice_of(bytes, 32)};
    leaf_write(&seed, &leaf);
    fuzz_seed_buffer("command", "", &seed);
    leaf.kind = LEAF_COPY;
    leaf.signature.size = 0;
    leaf_write(&seed, &leaf);
    fuzz_seed_buffer("copy", "", &seed);
    msgpack_object closes[2] = {{.type = MSGPACK_OBJECT_STR, .via.str = {2, "p1"}},
                                {.type = MSGPACK_OBJECT_STR, .via.str = {1, "x"}}};
    leaf_write_closing(&seed, 9, 1767225600000, closes, 2);
    fuzz_seed_buffer("closing", "", &seed);
    fuzz_seed("bound", slice_of("\x92\xc4\x01x\xc4\x01y", 7));
    buffer_close(&seed);
}
