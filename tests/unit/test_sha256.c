/* SHA-256: the examples of FIPS 180 (NIST's "SHA256.pdf" and FIPS 180-2, B.3), and libsodium's code
 * for every length around the blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

#include "base/sha256.h"

static void assert_hash(struct slice message, const char *hex)
{
    uint8_t digest[SHA256_BYTES];
    char text[2 * SHA256_BYTES + 1];
    sha256(message, digest);
    sodium_bin2hex(text, sizeof text, digest, sizeof digest);
    assert_string_equal(text, hex);
}

static void test_examples(void **state)
{
    (void)state;
    assert_hash(slice_of(NULL, 0),
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_hash(slice_of_text("abc"),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash(slice_of_text("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    const size_t size = 1000000;
    char *letters = malloc(size);
    assert_non_null(letters);
    memset(letters, 'a', size);
    assert_hash(slice_of(letters, size),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

/* Whole, and in three parts of which any may be empty. */
static void check_length(const uint8_t *message, size_t size)
{
    uint8_t expected[SHA256_BYTES];
    uint8_t digest[SHA256_BYTES];
    crypto_hash_sha256(expected, message, size);
    sha256(slice_of(message, size), digest);
    assert_memory_equal(digest, expected, sizeof digest);
    for (size_t cut = 0; cut <= size; cut += 13) {
        const struct slice parts[] = {slice_of(message, cut), slice_of(NULL, 0),
                                      slice_of(message + cut, size - cut)};
        sha256_parts(parts, 3, digest);
        assert_memory_equal(digest, expected, sizeof digest);
    }
}

static void test_every_length(void **state)
{
    (void)state;
    uint8_t message[400];
    for (size_t i = 0; i < sizeof message; i++) {
        message[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t size = 0; size <= sizeof message; size++) {
        check_length(message, size);
    }
}

static void *hash_much(void *argument)
{
    uint8_t *digest = argument;
    for (unsigned i = 0; i < 20000; i++) {
        sha256(slice_of(digest, SHA256_BYTES), digest);
    }
    return NULL;
}

/* Each thread has a context of its own, which goes when the thread ends. */
static void test_threads(void **state)
{
    (void)state;
    enum {
        THREADS = 4
    };
    pthread_t threads[THREADS];
    uint8_t digests[THREADS][SHA256_BYTES];
    uint8_t expected[SHA256_BYTES] = {9};
    for (unsigned i = 0; i < 20000; i++) {
        crypto_hash_sha256(expected, expected, sizeof expected);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        memset(digests[i], 0, SHA256_BYTES);
        digests[i][0] = 9;
        assert_int_equal(pthread_create(&threads[i], NULL, hash_much, digests[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_memory_equal(digests[i], expected, SHA256_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
