/* The LMDB twin of log.h: the contract with writes that fail, growth, the lock, and damaged files.
 */
#include <conclave/limits.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "log/log_lmdb.h"
#include "support/contract_log.h"
#include "support/disk_faults.h"
#include "support/log_pages.h"
#include "support/scratch.h"

#define SMALL_MAP_BYTES ((size_t)256 * 1024)

static char scratch[SCRATCH_PATH_BYTES];
static char directory[SCRATCH_PATH_BYTES]; /* of the log, made by it */

static struct log *open_log(size_t map_bytes)
{
    struct log *log = NULL;
    assert_int_equal(log_lmdb_open(directory, map_bytes, &log), CONCLAVE_OK);
    return log;
}

static void arm(struct log *log, uint64_t countdown)
{
    (void)log;
    disk_faults_arm(countdown, EIO);
}

static bool hit(const struct log *log)
{
    (void)log;
    return disk_faults_hit();
}

static void reopen(struct contract_log *contract)
{
    log_close(contract->log);
    contract->log = open_log(SMALL_MAP_BYTES);
}

/* The data file as it is; freed by the caller. */
static uint8_t *read_data_file(char path[SCRATCH_PATH_BYTES], size_t *size)
{
    struct stat status;
    scratch_join(path, directory, "data.mdb");
    int file = open(path, O_RDONLY);
    assert_true(file >= 0);
    assert_int_equal(fstat(file, &status), 0);
    *size = (size_t)status.st_size;
    uint8_t *bytes = malloc(*size);
    assert_non_null(bytes);
    assert_int_equal(read(file, bytes, *size), *size);
    assert_int_equal(close(file), 0);
    return bytes;
}

/* Flips a bit of every copy of `data` in the file: old pages may hold some. */
static void flip_in_file(struct slice data, size_t bit)
{
    char path[SCRATCH_PATH_BYTES];
    size_t size;
    uint8_t *bytes = read_data_file(path, &size);
    int file = open(path, O_WRONLY);
    assert_true(file >= 0);
    unsigned found = 0;
    for (size_t at = 0; at + data.size <= size; at++) {
        if (memcmp(bytes + at, data.data, data.size) == 0) {
            uint8_t flipped = bytes[at + bit / 8] ^ (uint8_t)(1u << bit % 8);
            assert_int_equal(pwrite(file, &flipped, 1, (off_t)(at + bit / 8)), 1);
            found++;
        }
    }
    assert_true(found > 0);
    assert_int_equal(close(file), 0);
    free(bytes);
}

static void corrupt(struct contract_log *contract, uint64_t index, struct slice data, size_t bit)
{
    assert_true(index <= log_last_index(contract->log));
    log_close(contract->log);
    flip_in_file(data, bit);
    contract->log = open_log(SMALL_MAP_BYTES);
}

static struct contract_log contract_lmdb = {
    .fault_arm = arm,
    .fault_hit = hit,
    .reopen = reopen,
    .corrupt = corrupt,
};

static int make_scratch(void **state)
{
    (void)state;
    scratch_make(scratch);
    scratch_join(directory, scratch, "log");
    return 0;
}

static int remove_scratch(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

/* With a small map, so that all of the contract holds while it grows. */
static int setup(void **state)
{
    make_scratch(state);
    contract_lmdb.log = open_log(SMALL_MAP_BYTES);
    *state = &contract_lmdb;
    return 0;
}

static int teardown(void **state)
{
    log_close(contract_lmdb.log);
    return remove_scratch(state);
}

static void test_growth(void **state)
{
    (void)state;
    struct log *log = open_log(SMALL_MAP_BYTES);
    for (uint64_t i = 1; i <= 1000; i += 10) {
        assert_int_equal(log_pages_append(log, i, 10), CONCLAVE_OK);
    }
    log_pages_expect(log, 1000);
    assert_int_equal(log_pages_append(log, 1001, 2000), CONCLAVE_OK); /* 8 MB at once */
    log_pages_expect(log, 3000);
    assert_int_equal(log_pages_append(log, 101, 10), CONCLAVE_OK); /* 2900 dropped */
    log_pages_expect(log, 110);
    log_close(log);
    log = open_log(SMALL_MAP_BYTES); /* smaller than what is there */
    log_pages_expect(log, 110);
    assert_int_equal(log_pages_append(log, 111, 2000), CONCLAVE_OK);
    log_pages_expect(log, 2110);
    log_close(log);
}

static void test_every_write_is_synced(void **state)
{
    (void)state;
    struct log *log = open_log(0);
    uint64_t syncs = disk_faults_sync_count();
    assert_int_equal(log_pages_append(log, 1, 1), CONCLAVE_OK);
    assert_true(disk_faults_sync_count() > syncs);
    syncs = disk_faults_sync_count();
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_OK);
    assert_true(disk_faults_sync_count() > syncs);
    syncs = disk_faults_sync_count();
    assert_int_equal(log_save_identity(log, slice_of_text("me")), CONCLAVE_OK);
    assert_true(disk_faults_sync_count() > syncs);
    log_close(log);
}

/* One that failed is the last: no write after it succeeds until the log is opened anew. */
static void test_poisoned(void **state)
{
    (void)state;
    struct log *log = open_log(0);
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    disk_faults_arm(1, EIO);
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_IO);
    assert_true(disk_faults_hit());
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_IO);
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_IO);
    assert_int_equal(log_save_identity(log, slice_of_text("me")), CONCLAVE_IO);
    log_pages_expect(log, 5);
    log_close(log);
    log = open_log(0);
    log_pages_expect(log, 5);
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_OK);
    log_close(log);
}

/* Whichever call finds the disk full: nothing is stored, and the same append is, once there is
 * room; or, when it was the last page of a commit, never in this process, but after it. */
static void test_disk_full(void **state)
{
    (void)state;
    unsigned stored_later = 0;
    uint64_t n = 1;
    for (; n < 100; n++) {
        struct log *log = open_log(0);
        assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
        assert_false(log_full(log));
        disk_faults_arm(n, ENOSPC);
        /* Large enough that room must be taken for it. */
        enum conclave_code rv = log_pages_append(log, 6, 300);
        bool hit = disk_faults_hit();
        disk_faults_arm(0, 0);
        if (!hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            log_close(log);
            break;
        }
        if (rv != CONCLAVE_OK) { /* it is: the room that was asked for was more than needed */
            assert_int_equal(rv, CONCLAVE_DISK_FULL);
            assert_true(log_full(log));
            assert_int_equal(log_last_index(log), 5);
            rv = log_pages_append(log, 6, 300);
        }
        assert_true(rv == CONCLAVE_OK || rv == CONCLAVE_IO);
        if (rv == CONCLAVE_OK) {
            stored_later++;
            assert_false(log_full(log));
            log_pages_expect(log, 305);
            assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_OK);
        }
        log_close(log);
        log = open_log(0);
        assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
        log_close(log);
    }
    assert_true(n > 4 && n < 100);
    assert_true(stored_later > 2);
}

/* Room for terms and votes is there when there is none for entries. */
static void test_reserve(void **state)
{
    (void)state;
    struct log *log = open_log(0);
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    char path[SCRATCH_PATH_BYTES];
    struct stat before;
    scratch_join(path, directory, "data.mdb");
    assert_int_equal(stat(path, &before), 0);
    /* It is on the disk, behind the end of the file. */
    assert_true((uint64_t)before.st_blocks * 512 >=
                (uint64_t)before.st_size + LIMIT_DISK_RESERVE_BYTES);
    for (uint64_t term = 1; term <= 200; term++) {
        struct log_vote vote = {term, 1};
        assert_int_equal(log_save_vote(log, vote), CONCLAVE_OK);
        assert_int_equal(log_load_vote(log, &vote), CONCLAVE_OK);
        assert_int_equal(vote.term, term);
    }
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_blocks, before.st_blocks);
    log_close(log);
}

static void test_busy(void **state)
{
    (void)state;
    struct log *log = open_log(0);
    struct log *second = NULL;
    assert_int_equal(log_lmdb_open(directory, 0, &second), CONCLAVE_BUSY);
    assert_null(second);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(log_lmdb_open(directory, 0, &second) == CONCLAVE_BUSY ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    log_close(log);
    log = open_log(0);
    log_close(log);
}

/* What was acknowledged is there after a process that ends without closing; its lock is not. */
static void test_process_dies(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct log *log;
        bool done = log_lmdb_open(directory, 0, &log) == CONCLAVE_OK &&
                    log_pages_append(log, 1, 5) == CONCLAVE_OK &&
                    log_save_vote(log, (struct log_vote){3, 2}) == CONCLAVE_OK;
        _exit(done ? 7 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    struct log *log = open_log(0);
    struct log_vote vote;
    log_pages_expect(log, 5);
    assert_int_equal(log_load_vote(log, &vote), CONCLAVE_OK);
    assert_int_equal(vote.term, 3);
    assert_int_equal(vote.voted_for, 2);
    log_close(log);
}

static void test_open_failures(void **state)
{
    (void)state;
    struct log *log = NULL;
    uint64_t n = 1;
    for (; n < 100; n++) {
        memory_fault_arm(n);
        enum conclave_code rv = log_lmdb_open(directory, 0, &log);
        int was_hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!was_hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            log_close(log);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
        assert_null(log);
    }
    assert_true(n > 1 && n < 100);
    log = NULL;
    char deep[SCRATCH_PATH_BYTES];
    scratch_join(deep, directory, "not/there");
    assert_int_equal(log_lmdb_open(deep, 0, &log), CONCLAVE_IO);
    scratch_join(deep, directory, "data.mdb"); /* a file, not a folder */
    assert_int_equal(log_lmdb_open(deep, 0, &log), CONCLAVE_IO);
    assert_null(log);
}

/* An open that fails half-way leaves a directory that opens. */
static void test_open_write_failures(void **state)
{
    (void)state;
    uint64_t n = 1;
    bool was_hit = true;
    for (; n < 100 && was_hit; n++) {
        struct log *log = NULL;
        make_scratch(state);
        disk_faults_arm(n, EIO);
        enum conclave_code rv = log_lmdb_open(directory, 0, &log);
        was_hit = disk_faults_hit();
        disk_faults_arm(0, 0);
        assert_int_equal(rv, was_hit ? CONCLAVE_IO : CONCLAVE_OK);
        if (was_hit) {
            assert_null(log);
            log = open_log(0);
        }
        log_pages_expect(log, 0);
        assert_int_equal(log_pages_append(log, 1, 1), CONCLAVE_OK);
        log_close(log);
        scratch_remove(scratch);
    }
    assert_true(n > 3 && !was_hit);
}

static void cut_data_file(off_t size)
{
    char path[SCRATCH_PATH_BYTES];
    scratch_join(path, directory, "data.mdb");
    assert_int_equal(truncate(path, size), 0);
}

/* A file cut short gives CORRUPT for what is gone; the rest reads, or is CORRUPT too; nothing
 * faults. */
static void test_cut_file(void **state)
{
    (void)state;
    static const off_t kept_pages[] = {2, 3, 10, 100, 500, 1000};
    for (size_t i = 0; i < sizeof kept_pages / sizeof kept_pages[0]; i++) {
        make_scratch(state);
        struct log *log = open_log(0);
        for (uint64_t first = 1; first <= 1000; first += 100) {
            assert_int_equal(log_pages_append(log, first, 100), CONCLAVE_OK);
        }
        log_close(log);
        log = NULL;
        cut_data_file(kept_pages[i] * 4096);
        enum conclave_code rv = log_lmdb_open(directory, 0, &log);
        unsigned damaged = rv == CONCLAVE_CORRUPT;
        assert_true(rv == CONCLAVE_OK || rv == CONCLAVE_CORRUPT);
        for (uint64_t index = 1; rv == CONCLAVE_OK && index <= 1000; index++) {
            uint64_t count = 0;
            enum conclave_code read = log_read(log, index, index, log_pages_expect_one, &count);
            assert_true(read == CONCLAVE_OK || read == CONCLAVE_CORRUPT);
            damaged += read == CONCLAVE_CORRUPT;
        }
        assert_true(damaged > 0);
        log_close(log);
        scratch_remove(scratch);
    }
}

static void test_not_a_log(void **state)
{
    (void)state;
    static const char noise[] =
        "this is not what LMDB writes, whatever it may be called, and it goes on";
    char path[SCRATCH_PATH_BYTES];
    struct log *log = open_log(0);
    log_close(log);
    scratch_join(path, directory, "data.mdb");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (unsigned i = 0; i < 200; i++) {
        assert_true(fputs(noise, file) >= 0);
    }
    assert_int_equal(fclose(file), 0);
    log = NULL;
    assert_int_equal(log_lmdb_open(directory, 0, &log), CONCLAVE_CORRUPT);
    assert_null(log);
}

static void write_data_file(const char *path, const uint8_t *bytes, size_t size)
{
    int file = open(path, O_WRONLY | O_TRUNC);
    assert_true(file >= 0);
    assert_int_equal(pwrite(file, bytes, size, 0), size);
    assert_int_equal(close(file), 0);
}

/* Any bit of LMDB's two meta pages: nothing crashes, and the log is whole or known to be damaged;
 * never shorter. */
static void test_damaged_meta_pages(void **state)
{
    (void)state;
    char path[SCRATCH_PATH_BYTES];
    size_t size;
    struct log *log = open_log(0);
    for (uint64_t first = 1; first <= 20; first += 5) {
        assert_int_equal(log_pages_append(log, first, 5), CONCLAVE_OK);
    }
    log_close(log);
    uint8_t *bytes = read_data_file(path, &size);
    unsigned corrupt = 0;
    for (size_t at = 0; at < 2 * 152; at++) {
        size_t byte = at < 152 ? at : 4096 + at - 152;
        for (unsigned bit = 0; bit < 8; bit++) {
            bytes[byte] ^= (uint8_t)(1u << bit);
            write_data_file(path, bytes, size);
            bytes[byte] ^= (uint8_t)(1u << bit);
            log = NULL;
            uint64_t seen = 0;
            enum conclave_code rv = log_lmdb_open(directory, 0, &log);
            if (rv == CONCLAVE_OK) {
                rv = log_read(log, 1, 20, log_pages_expect_one, &seen);
                assert_true(rv != CONCLAVE_OK || (seen == 20 && log_last_index(log) == 20));
            }
            if (rv != CONCLAVE_OK && rv != CONCLAVE_CORRUPT) {
                fail_msg("byte %zu bit %u: %s", byte, bit, conclave_code_name(rv));
            }
            corrupt += rv == CONCLAVE_CORRUPT;
            log_close(log);
        }
    }
    assert_true(corrupt > 500);
    write_data_file(path, bytes, size);
    log = open_log(0);
    log_pages_expect(log, 20);
    log_close(log);
    free(bytes);
}

/* The vote and the identity are checked as entries are. */
static void test_damaged_vote(void **state)
{
    (void)state;
    static const uint8_t vote_data[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x08,
                                        0x0a, 0,    0,    0,    0,    0,    0,    0};
    struct log_vote vote = {.term = 0x0877665544332211, .voted_for = 10};
    uint8_t identity[LOG_IDENTITY_BYTES];
    size_t size;
    struct log *log = open_log(0);
    assert_int_equal(log_save_vote(log, vote), CONCLAVE_OK);
    assert_int_equal(log_save_identity(log, slice_of_text("the only disk")), CONCLAVE_OK);
    log_close(log);
    flip_in_file(slice_of(vote_data, sizeof vote_data), 70);
    flip_in_file(slice_of_text("the only disk"), 3);
    log = open_log(0);
    assert_int_equal(log_load_vote(log, &vote), CONCLAVE_CORRUPT);
    assert_int_equal(log_load_identity(log, identity, &size), CONCLAVE_CORRUPT);
    log_close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_LOG_TESTS(setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_every_write_is_synced, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_poisoned, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_disk_full, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_reserve, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_busy, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_process_dies, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_open_failures, make_scratch, remove_scratch),
        cmocka_unit_test(test_open_write_failures),
        cmocka_unit_test(test_cut_file),
        cmocka_unit_test_setup_teardown(test_not_a_log, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_damaged_meta_pages, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_damaged_vote, make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
