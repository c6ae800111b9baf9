/* Base64 with bytes past ASCII was taken: libsodium's decoder counts with `char`, and a byte from
 * 0x80 on passes for a digit. So one key, note or genesis had many texts, and what a person saw in
 * a file was not what the program read. Found by fuzz_key and fuzz_note.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "auth/key_file.h"
#include "daemon/genesis_file.h"
#include "record/note.h"
#include "support/scratch.h"
#include "tools/conclave/convert.h"

/* 0xc1 where an A belongs. */
#define KEY_TEXT \
    "\xc1"       \
    "AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static void test_public_key(void **state)
{
    (void)state;
    uint8_t key[AUTH_PUBLIC_KEY_BYTES];
    assert_int_equal(auth_public_key_parse("ed25519:" KEY_TEXT, key), CONCLAVE_BAD_REQUEST);
    assert_int_equal(
        auth_public_key_parse("ed25519:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", key),
        CONCLAVE_OK);
}

static void test_note(void **state)
{
    (void)state;
    uint8_t bytes[8];
    size_t size;
    assert_int_equal(note_read_base64(slice_of("A\xff"
                                               "AA",
                                               4),
                                      bytes, sizeof bytes, &size),
                     CONCLAVE_BAD_REQUEST);
    assert_int_equal(note_read_base64(slice_of("AAAA", 4), bytes, sizeof bytes, &size),
                     CONCLAVE_OK);
    assert_int_equal(size, 3);
}

static void test_answers(void **state)
{
    (void)state;
    struct buffer bytes;
    buffer_init(&bytes, 64);
    assert_false(convert_base64_parse("A\xff"
                                      "AA",
                                      &bytes));
    assert_true(convert_base64_parse("AAAA", &bytes));
    assert_int_equal(bytes.size, 3);
    buffer_close(&bytes);
}

static void write_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(close(file), 0);
}

static void test_files(void **state)
{
    (void)state;
    char directory[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    char id[LIMIT_ID_BYTES + 1];
    struct auth_key key;
    scratch_make(directory);
    scratch_join(path, directory, "key");
    write_file(path, "conclave-secret-key-v1 ada\n" KEY_TEXT "\n");
    assert_int_equal(auth_key_load(path, id, &key), CONCLAVE_BAD_REQUEST);
    scratch_join(path, directory, "genesis");
    write_file(path, "conclave-genesis-v1 k\xe1QA\n");
    struct genesis_file genesis;
    struct genesis_file_error error;
    assert_int_equal(genesis_file_read(path, &genesis, &error), CONCLAVE_CONFIG);
    assert_non_null(strstr(error.text, "not base64url"));
    genesis_file_close(&genesis);
    scratch_remove(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_key),
        cmocka_unit_test(test_note),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
