/* The LMDB twin of kv.h: the contract with writes that fail, growth, reopening, and files that are
 * not right. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "kv/kv_lmdb.h"
#include "support/contract_kv.h"
#include "support/disk_faults.h"
#include "support/scratch.h"

#define SMALL_MAP_BYTES ((size_t)256 * 1024)

static char scratch[SCRATCH_PATH_BYTES];
static char directory[SCRATCH_PATH_BYTES]; /* of the store, made by it */

static void arm(struct kv *kv, uint64_t countdown)
{
    (void)kv;
    disk_faults_arm(countdown, EIO);
}

static bool hit(const struct kv *kv)
{
    (void)kv;
    return disk_faults_hit();
}

static void reopen(struct contract_kv *stored)
{
    kv_close(stored->kv);
    stored->kv = NULL;
    assert_int_equal(kv_lmdb_open(directory, 0, &stored->kv), CONCLAVE_OK);
}

static struct contract_kv contract = {
    .fault_arm = arm,
    .fault_hit = hit,
    .fault_code = CONCLAVE_IO,
    .reopen = reopen,
};

static int make_scratch(void **state)
{
    (void)state;
    scratch_make(scratch);
    scratch_join(directory, scratch, "state");
    return 0;
}

static int remove_scratch(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

static int setup(void **state)
{
    make_scratch(state);
    assert_int_equal(kv_lmdb_open(directory, 0, &contract.kv), CONCLAVE_OK);
    *state = &contract;
    return 0;
}

static int teardown(void **state)
{
    kv_close(contract.kv);
    return remove_scratch(state);
}

static struct kv *open_store(size_t map_bytes)
{
    struct kv *kv = NULL;
    assert_int_equal(kv_lmdb_open(directory, map_bytes, &kv), CONCLAVE_OK);
    return kv;
}

static struct slice key_of(uint32_t number, char key[16])
{
    int size = snprintf(key, 16, "%08u", number);
    return slice_of(key, (size_t)size);
}

/* Puts `count` pairs of 4000 bytes from `first` on in one transaction. */
static enum conclave_code put_pages(struct kv *kv, uint32_t first, uint32_t count)
{
    static uint8_t page[4000];
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_begin(kv, true, &transaction);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    for (uint32_t i = first; i < first + count; i++) {
        char key[16];
        memset(page, (int)(i % 251), sizeof page);
        rv = kv_put(transaction, key_of(i, key), slice_of(page, sizeof page));
        if (rv != CONCLAVE_OK) {
            kv_abort(transaction);
            return rv;
        }
    }
    return kv_commit(transaction);
}

static void expect_pages(struct kv *kv, uint32_t count)
{
    struct kv_transaction *transaction;
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    for (uint32_t i = 0; i < count; i++) {
        char key[16];
        struct slice found;
        assert_int_equal(kv_get(transaction, key_of(i, key), &found), CONCLAVE_OK);
        assert_int_equal(found.size, 4000);
        assert_int_equal(found.data[0], i % 251);
        assert_int_equal(found.data[3999], i % 251);
    }
    char key[16];
    assert_int_equal(kv_get(transaction, key_of(count, key), NULL), CONCLAVE_NOT_FOUND);
    kv_abort(transaction);
}

static void test_reopen(void **state)
{
    (void)state;
    struct stat status;
    struct kv *kv = open_store(0);
    assert_int_equal(put_pages(kv, 0, 10), CONCLAVE_OK);
    assert_int_equal(kv_sync(kv), CONCLAVE_OK);
    kv_close(kv);
    assert_int_equal(stat(directory, &status), 0);
    assert_int_equal(status.st_mode & 07027, 0); /* nothing for others, no writing for the group */
    kv = open_store(0);
    expect_pages(kv, 10);
    assert_int_equal(put_pages(kv, 10, 10), CONCLAVE_OK);
    kv_close(kv);
    kv = open_store(0);
    expect_pages(kv, 20);
    kv_close(kv);
}

/* What is committed survives a process that ends without closing, with a transaction and a reader
 * open. */
static void test_process_dies(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct kv *kv;
        struct kv_transaction *reader;
        struct kv_transaction *writer;
        bool done = kv_lmdb_open(directory, 0, &kv) == CONCLAVE_OK &&
                    put_pages(kv, 0, 10) == CONCLAVE_OK &&
                    kv_begin(kv, false, &reader) == CONCLAVE_OK &&
                    kv_begin(kv, true, &writer) == CONCLAVE_OK &&
                    kv_put(writer, slice_of_text("00000010"), slice_of_text("x")) == CONCLAVE_OK;
        _exit(done ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    struct kv *kv = open_store(0);
    expect_pages(kv, 10);
    assert_int_equal(put_pages(kv, 10, 1), CONCLAVE_OK);
    kv_close(kv);
}

/* 4000 pages of 4 KiB, forty times the map that it began with. */
static void test_growth(void **state)
{
    (void)state;
    struct kv *kv = open_store(SMALL_MAP_BYTES);
    for (uint32_t i = 0; i < 4000; i += 10) {
        assert_int_equal(put_pages(kv, i, 10), CONCLAVE_OK);
        if (i % 1000 == 0) { /* a spare reader must not stand in the way */
            expect_pages(kv, i + 10);
        }
    }
    expect_pages(kv, 4000);
    kv_close(kv);
    kv = open_store(SMALL_MAP_BYTES); /* smaller than what is there */
    expect_pages(kv, 4000);
    assert_int_equal(put_pages(kv, 4000, 10), CONCLAVE_OK);
    expect_pages(kv, 4010);
    kv_close(kv);
}

/* A transaction larger than the map fails as a whole, and fits after some tries, each with twice
 * the map. */
static void test_too_large_for_map(void **state)
{
    (void)state;
    struct kv *kv = open_store(SMALL_MAP_BYTES);
    unsigned refused = 0;
    while (put_pages(kv, 0, 1000) == CONCLAVE_DISK_FULL) { /* 4 MB: 16 times the map */
        expect_pages(kv, 0);
        refused++;
        assert_true(refused < 10);
    }
    assert_true(refused >= 4 && refused <= 6);
    expect_pages(kv, 1000);
    kv_close(kv);
}

static void test_disk_full(void **state)
{
    (void)state;
    struct kv *kv = open_store(0);
    assert_int_equal(put_pages(kv, 0, 10), CONCLAVE_OK);
    disk_faults_arm(1, ENOSPC);
    assert_int_equal(put_pages(kv, 10, 10), CONCLAVE_DISK_FULL);
    assert_true(disk_faults_hit());
    expect_pages(kv, 10);
    assert_int_equal(put_pages(kv, 10, 10), CONCLAVE_OK);
    expect_pages(kv, 20);
    disk_faults_arm(1, EIO);
    assert_int_equal(kv_sync(kv), CONCLAVE_IO);
    disk_faults_arm(0, 0);
    kv_close(kv);
}

static void test_open_failures(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (; n < 100; n++) {
        struct kv *kv = NULL;
        memory_fault_arm(n);
        enum conclave_code rv = kv_lmdb_open(directory, 0, &kv);
        int was_hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!was_hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            kv_close(kv);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
        assert_null(kv);
    }
    assert_true(n > 1 && n < 100);
    struct kv *kv = NULL;
    char deep[SCRATCH_PATH_BYTES];
    scratch_join(deep, directory, "not/there");
    assert_int_equal(kv_lmdb_open(deep, 0, &kv), CONCLAVE_IO);
    scratch_join(deep, directory, "data.mdb"); /* a file, not a folder */
    assert_int_equal(kv_lmdb_open(deep, 0, &kv), CONCLAVE_IO);
    assert_null(kv);
}

static void overwrite(const char *name, const void *data, size_t size, off_t cut_at)
{
    char path[SCRATCH_PATH_BYTES];
    scratch_join(path, directory, name);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    if (size > 0) {
        assert_int_equal(pwrite(file, data, size, 0), size);
    }
    if (cut_at > 0) {
        assert_int_equal(ftruncate(file, cut_at), 0);
    }
    assert_int_equal(close(file), 0);
}

static void test_not_a_store(void **state)
{
    (void)state;
    static uint8_t noise[8192];
    memset(noise, 0xa5, sizeof noise);
    struct kv *kv = open_store(0);
    assert_int_equal(put_pages(kv, 0, 10), CONCLAVE_OK);
    kv_close(kv);
    overwrite("data.mdb", noise, sizeof noise, 0);
    kv = NULL;
    assert_int_equal(kv_lmdb_open(directory, 0, &kv), CONCLAVE_CORRUPT);
    assert_null(kv);

    assert_int_equal(kv_lmdb_erase(directory), CONCLAVE_OK);
    assert_int_equal(kv_lmdb_erase(directory), CONCLAVE_OK);
    kv = open_store(0);
    expect_pages(kv, 0);
    kv_close(kv);
    assert_int_equal(kv_lmdb_erase("/proc/no such folder"), CONCLAVE_OK);
}

/* A data file cut short: an error for what is gone, and no bus error. */
static void test_cut_file(void **state)
{
    (void)state;
    struct kv *kv = open_store(0);
    assert_int_equal(put_pages(kv, 0, 1000), CONCLAVE_OK);
    kv_close(kv);
    overwrite("data.mdb", NULL, 0, 64 * 4096);
    kv = open_store(0);
    struct kv_transaction *transaction;
    assert_int_equal(kv_begin(kv, false, &transaction), CONCLAVE_OK);
    unsigned corrupt = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        char key[16];
        struct slice found;
        enum conclave_code rv = kv_get(transaction, key_of(i, key), &found);
        assert_true(rv == CONCLAVE_OK || rv == CONCLAVE_CORRUPT);
        corrupt += rv == CONCLAVE_CORRUPT;
    }
    assert_true(corrupt > 0);
    kv_abort(transaction);
    kv_close(kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_KV_TESTS(setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_process_dies, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_growth, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_too_large_for_map, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_disk_full, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_open_failures, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_not_a_store, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_cut_file, make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
