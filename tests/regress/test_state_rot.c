/* A bit of the state view that turns is found: LMDB checks no more than its own structure, so that
 * a tally could be read with a number that nobody had counted (35184372088893 votes, once), and
 * answered. Found by tests/chaos/run --only state-rot --seed 1. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "kv/kv_lmdb.h"
#include "support/scratch.h"

#define RECORDS    20u
#define FILE_BYTES ((size_t)1 << 20)

static char directory[SCRATCH_PATH_BYTES];
static uint8_t file_bytes[FILE_BYTES];

static struct slice text_slice(const char *text)
{
    return slice_of(text, strlen(text));
}

static void write_records(void)
{
    struct kv *kv;
    struct kv_transaction *transaction;
    char key[16], value[32];
    assert_int_equal(kv_lmdb_open(directory, 0, &kv), CONCLAVE_OK);
    assert_int_equal(kv_begin(kv, true, &transaction), CONCLAVE_OK);
    for (unsigned i = 0; i < RECORDS; i++) {
        (void)snprintf(key, sizeof key, "key %02u", i);
        (void)snprintf(value, sizeof value, "the value of %02u", i);
        assert_int_equal(kv_put(transaction, text_slice(key), text_slice(value)), CONCLAVE_OK);
    }
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
    kv_close(kv);
}

/* Where the value of record 7 stands in the file; its key stands before it. */
static off_t find_value(int file)
{
    ssize_t size = pread(file, file_bytes, sizeof file_bytes, 0);
    assert_true(size > 0);
    const uint8_t *found = memmem(file_bytes, (size_t)size, "the value of 07", 15);
    assert_non_null(found);
    return found - file_bytes;
}

static void flip(int file, off_t offset, unsigned bit)
{
    uint8_t byte;
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    byte ^= (uint8_t)(1u << bit);
    assert_int_equal(pwrite(file, &byte, 1, offset), 1);
}

static void expect_key_missed(unsigned place)
{
    struct kv *kv;
    struct kv_transaction *transaction;
    struct slice value;
    assert_int_equal(kv_lmdb_open(directory, 0, &kv), CONCLAVE_OK);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    enum conclave_code rv = kv_get(transaction, text_slice("key 07"), &value);
    if (rv != CONCLAVE_CORRUPT) {
        fail_msg("byte %u of the key: kv_get says %s", place, conclave_code_name(rv));
    }
    kv_abort(transaction);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    assert_int_equal(kv_get(transaction, text_slice("key 03x"), &value), CONCLAVE_NOT_FOUND);
    kv_abort(transaction);
    kv_close(kv);
}

static void expect_found(unsigned place)
{
    struct kv *kv;
    struct kv_transaction *transaction;
    struct slice key, value;
    assert_int_equal(kv_lmdb_open(directory, 0, &kv), CONCLAVE_OK);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    enum conclave_code rv = kv_get(transaction, text_slice("key 07"), &value);
    if (rv != CONCLAVE_CORRUPT) {
        fail_msg("byte %u of the value: kv_get says %s", place, conclave_code_name(rv));
    }
    kv_abort(transaction);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    assert_int_equal(kv_seek(transaction, text_slice("key 07"), &key, &value), CONCLAVE_CORRUPT);
    kv_abort(transaction);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    assert_int_equal(kv_seek_last(transaction, text_slice("key 08"), &key, &value),
                     CONCLAVE_CORRUPT);
    assert_int_equal(kv_commit(transaction), CONCLAVE_CORRUPT);
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    assert_int_equal(kv_get(transaction, text_slice("key 08"), &value), CONCLAVE_OK);
    kv_abort(transaction);
    kv_close(kv);
}

/* A bit of each byte of a value and of its key, one after the other; the others stay readable. */
static void test_each_bit_is_found(void **state)
{
    (void)state;
    char above[SCRATCH_PATH_BYTES], path[SCRATCH_PATH_BYTES];
    scratch_make(above);
    scratch_join(directory, above, "state");
    scratch_join(path, directory, "data.mdb");
    write_records();
    int file = open(path, O_RDWR);
    assert_true(file >= 0);
    off_t offset = find_value(file);
    for (unsigned place = 0; place < 15; place++) {
        flip(file, offset + place, place % 8);
        expect_found(place);
        flip(file, offset + place, place % 8);
    }
    for (unsigned place = 0; place < 6; place++) {
        off_t key_offset = offset - 6 + place;
        flip(file, key_offset, place % 8);
        expect_key_missed(place);
        flip(file, key_offset, place % 8);
    }
    assert_int_equal(close(file), 0);
    scratch_remove(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_bit_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
