/* The journal in front of the LMDB log: the contract three ways (closed and opened, crashed and
 * opened, without O_DIRECT), and what is its own: draining, filling up, poisoning, opening.
 * test_log_journal_crash.c has the crashes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "log/log_journal.h"
#include "log/log_lmdb.h"
#include "support/contract_log.h"
#include "support/disk_faults.h"
#include "support/journal_files.h"
#include "support/log_pages.h"
#include "support/scratch.h"

#define JOURNAL_BYTES ((uint64_t)256 * 1024)

static char scratch[SCRATCH_PATH_BYTES];
static char directory[SCRATCH_PATH_BYTES]; /* of the log, made by it */
static struct log_journal_config config;

static struct log *open_log(void)
{
    struct log *log = NULL;
    assert_int_equal(log_journal_open(directory, &config, &log), CONCLAVE_OK);
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

static void close_and_open(struct contract_log *contract)
{
    log_close(contract->log);
    contract->log = open_log();
}

/* What a crash leaves: the files as they are while the log is open. */
static void crash_and_open(struct contract_log *contract)
{
    struct journal_files files;
    journal_files_load(&files, directory);
    log_close(contract->log);
    journal_files_store(&files, directory);
    journal_files_free(&files);
    contract->log = open_log();
}

/* In the tree: test_log_journal_crash.c has damage in the journal's own file. */
static void corrupt(struct contract_log *contract, uint64_t index, struct slice data, size_t bit)
{
    assert_true(index <= log_last_index(contract->log));
    log_close(contract->log);
    struct journal_files files;
    journal_files_load(&files, directory);
    assert_true(journal_files_flip(&files, data, bit) > 0);
    journal_files_store(&files, directory);
    journal_files_free(&files);
    contract->log = open_log();
}

static int make_scratch(void **state)
{
    (void)state;
    scratch_make(scratch);
    scratch_join(directory, scratch, "log");
    config = (struct log_journal_config){.bytes = JOURNAL_BYTES};
    return 0;
}

static int remove_scratch(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

static struct contract_log contract = {.fault_arm = arm, .fault_hit = hit, .corrupt = corrupt};

static int set_up(void **state, void (*reopen)(struct contract_log *), bool buffered)
{
    make_scratch(state);
    config.buffered_only = buffered;
    contract.reopen = reopen;
    contract.log = open_log();
    *state = &contract;
    return 0;
}

static int setup_closed(void **state)
{
    return set_up(state, close_and_open, false);
}

static int setup_crashed(void **state)
{
    return set_up(state, crash_and_open, false);
}

static int setup_buffered(void **state)
{
    return set_up(state, crash_and_open, true);
}

static int teardown(void **state)
{
    log_close(contract.log);
    return remove_scratch(state);
}

/* Whether the file is the length that was asked for and opened so that a write is durable. */
static void test_file(void **state)
{
    (void)state;
    struct log *log = open_log();
    struct stat status;
    char path[SCRATCH_PATH_BYTES];
    scratch_join(path, directory, "journal");
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, JOURNAL_BYTES);
    assert_true((uint64_t)status.st_blocks * 512 >= JOURNAL_BYTES); /* no holes */
    unsigned found = 0;
    for (int descriptor = 0; descriptor < 100; descriptor++) {
        struct stat other;
        if (fstat(descriptor, &other) == 0 && other.st_ino == status.st_ino &&
            other.st_dev == status.st_dev) {
            int flags = fcntl(descriptor, F_GETFL);
            assert_int_equal(flags & O_DSYNC, O_DSYNC);
            found++;
        }
    }
    assert_int_equal(found, 1);
    log_close(log);
}

/* One write each, and no sync of another file. */
static void test_one_write(void **state)
{
    (void)state;
    struct log *log = open_log();
    uint64_t syncs = disk_faults_sync_count();
    for (uint64_t i = 1; i <= 7; i++) { /* less than what is drained */
        disk_faults_arm(2, EIO);
        assert_int_equal(log_pages_append(log, i, 1), CONCLAVE_OK);
        assert_false(disk_faults_hit());
    }
    disk_faults_arm(0, 0);
    assert_int_equal(disk_faults_sync_count(), syncs);
    syncs = disk_faults_sync_count();
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_OK);
    assert_true(disk_faults_sync_count() > syncs);
    log_pages_expect(log, 7);
    log_close(log);
}

/* Many laps of the file, frames of all sizes, and some that are too large for it. */
static void test_laps(void **state)
{
    (void)state;
    struct log *log = open_log();
    uint64_t count = 0;
    for (unsigned i = 0; i < 130; i++) {
        size_t entries = i % 97 == 96 ? 200 : 1 + i * 7 % 13;
        assert_int_equal(log_pages_append(log, count + 1, entries), CONCLAVE_OK);
        count += entries;
        if (i % 50 == 0) {
            log_pages_expect(log, count);
        }
        if (i % 60 == 59) { /* truncated, mostly below what is still in the journal */
            count = count / 2 + 1;
            assert_int_equal(log_pages_append(log, count, 1), CONCLAVE_OK);
        }
    }
    log_pages_expect(log, count);
    log_close(log);
    log = open_log();
    log_pages_expect(log, count);
    log_close(log);
}

/* After a while without an append LMDB has everything. */
static void test_idle(void **state)
{
    (void)state;
    config.idle_ms = 1;
    struct log *log = open_log();
    assert_int_equal(log_pages_append(log, 1, 3), CONCLAVE_OK);
    struct journal_files files;
    uint64_t tries = 0;
    bool there = false;
    do {
        usleep(1000);
        journal_files_load(&files, directory);
        there = journal_files_tree_has(&files, LOG_PAGES_BYTES, 3);
        journal_files_free(&files);
    } while (!there && ++tries < 10000);
    assert_true(there);
    log_pages_expect(log, 3);
    log_close(log);
}

/* One that failed is the last: no write after it succeeds until the log is opened anew. */
static void test_poisoned(void **state)
{
    (void)state;
    struct log *log = open_log();
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    disk_faults_arm(1, EIO);
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_IO);
    assert_true(disk_faults_hit());
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_IO);
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_IO);
    assert_int_equal(log_save_identity(log, slice_of_text("me")), CONCLAVE_IO);
    log_pages_expect(log, 5);
    log_close(log);
    log = open_log();
    log_pages_expect(log, 5);
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_OK);
    log_close(log);
}

/* A frame that found no room: the same one is stored once there is some. */
static void test_disk_full(void **state)
{
    (void)state;
    struct log *log = open_log();
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    disk_faults_arm(1, ENOSPC);
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_DISK_FULL);
    assert_true(disk_faults_hit());
    assert_true(log_full(log));
    log_pages_expect(log, 5);
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_OK);
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_OK);
    assert_false(log_full(log));
    log_pages_expect(log, 10);
    log_close(log);
    log = open_log();
    log_pages_expect(log, 10);
    log_close(log);
}

/* LMDB finds no room: what was appended is as durable in the journal, and more can be appended;
 * the log says that the disk is full until there is room again. */
static void test_disk_full_below(void **state)
{
    (void)state;
    struct log *log = open_log();
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    disk_faults_arm(1, ENOSPC); /* with what it wants to have ahead, */
    assert_int_equal(log_journal_drain(log), CONCLAVE_OK);
    assert_true(disk_faults_hit());
    assert_false(log_full(log)); /* it does without */
    log_close(log);
    log = open_log();
    assert_int_equal(log_pages_append(log, 6, 5), CONCLAVE_OK);
    disk_faults_arm_all(ENOSPC);
    assert_int_equal(log_journal_drain(log), CONCLAVE_DISK_FULL);
    disk_faults_arm(0, 0);
    assert_true(log_full(log));
    log_pages_expect(log, 10);
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_OK);
    assert_true(log_full(log)); /* votes have a room of their own */
    assert_int_equal(log_pages_append(log, 11, 2), CONCLAVE_OK);
    assert_int_equal(log_journal_drain(log), CONCLAVE_OK);
    assert_false(log_full(log));
    log_pages_expect(log, 12);
    log_close(log);
    log = open_log();
    log_pages_expect(log, 12);
    log_close(log);
}

/* A vote that could not be saved, or a round of draining that failed, ends the appends too. */
static void test_poisoned_below(void **state)
{
    (void)state;
    struct log *log = open_log();
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    disk_faults_arm(1, EIO);
    assert_int_equal(log_save_vote(log, (struct log_vote){1, 1}), CONCLAVE_IO);
    assert_int_equal(log_pages_append(log, 6, 1), CONCLAVE_IO);
    log_close(log);
    log = open_log();
    log_pages_expect(log, 5);
    assert_int_equal(log_pages_append(log, 6, 1), CONCLAVE_OK);
    disk_faults_arm(1, EIO);
    assert_int_equal(log_journal_drain(log), CONCLAVE_IO);
    assert_int_equal(log_pages_append(log, 7, 1), CONCLAVE_IO);
    log_pages_expect(log, 6);
    log_close(log);
    log = open_log();
    log_pages_expect(log, 6);
    log_close(log);
}

/* No memory for a round of draining: nothing is lost, and the next one does it. */
static void test_drain_without_memory(void **state)
{
    (void)state;
    struct log *log = open_log();
    assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
    uint64_t n = 1;
    for (; n < 100; n++) {
        memory_fault_arm(n);
        enum conclave_code rv = log_journal_drain(log);
        int was_hit = memory_fault_hit();
        memory_fault_arm(0);
        log_pages_expect(log, 5);
        if (!was_hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
    }
    assert_true(n > 3 && n < 100);
    assert_int_equal(log_pages_append(log, 6, 1), CONCLAVE_OK);
    log_pages_expect(log, 6);
    log_close(log);
}

/* A log that never had a journal gets one; what LMDB has stays. */
static void test_log_without_journal(void **state)
{
    (void)state;
    struct log *log = NULL;
    assert_int_equal(log_lmdb_open(directory, 0, &log), CONCLAVE_OK);
    assert_int_equal(log_pages_append(log, 1, 7), CONCLAVE_OK);
    assert_int_equal(log_save_vote(log, (struct log_vote){3, 2}), CONCLAVE_OK);
    log_close(log);
    log = open_log();
    struct log_vote vote;
    log_pages_expect(log, 7);
    assert_int_equal(log_load_vote(log, &vote), CONCLAVE_OK);
    assert_int_equal(vote.term, 3);
    assert_int_equal(log_pages_append(log, 8, 1), CONCLAVE_OK);
    log_close(log);
    /* Closed, it is whole without the journal. */
    assert_int_equal(log_lmdb_open(directory, 0, &log), CONCLAVE_OK);
    log_pages_expect(log, 8);
    log_close(log);
}

static void test_busy(void **state)
{
    (void)state;
    struct log *log = open_log();
    struct log *second = NULL;
    assert_int_equal(log_journal_open(directory, &config, &second), CONCLAVE_BUSY);
    assert_null(second);
    log_close(log);
    log = open_log();
    log_close(log);
}

static void test_open_failures(void **state)
{
    (void)state;
    struct log *log = NULL;
    uint64_t n = 1;
    for (; n < 200; n++) {
        memory_fault_arm(n);
        enum conclave_code rv = log_journal_open(directory, &config, &log);
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
    assert_true(n > 5 && n < 200);
    log = NULL;
    char deep[SCRATCH_PATH_BYTES];
    scratch_join(deep, directory, "not/there");
    assert_int_equal(log_journal_open(deep, &config, &log), CONCLAVE_IO);
    assert_null(log);
}

/* An open that fails half-way, of a new log or of one with frames, leaves a directory that opens.
 */
static void test_open_write_failures(void **state)
{
    (void)state;
    struct journal_files files = {0};
    for (unsigned with_frames = 0; with_frames < 2; with_frames++) {
        uint64_t n = 1;
        bool was_hit = true;
        for (; n < 200 && was_hit; n++) {
            struct log *log = NULL;
            make_scratch(state);
            if (with_frames == 1) {
                log = open_log();
                assert_int_equal(log_pages_append(log, 1, 5), CONCLAVE_OK);
                journal_files_load(&files, directory);
                log_close(log);
                journal_files_store(&files, directory);
                journal_files_free(&files);
                log = NULL;
            }
            disk_faults_arm(n, EIO);
            enum conclave_code rv = log_journal_open(directory, &config, &log);
            was_hit = disk_faults_hit();
            disk_faults_arm(0, 0);
            assert_int_equal(rv, was_hit ? CONCLAVE_IO : CONCLAVE_OK);
            if (was_hit) {
                assert_null(log);
                log = open_log();
            }
            uint64_t count = with_frames == 1 ? 5 : 0;
            log_pages_expect(log, count);
            assert_int_equal(log_pages_append(log, count + 1, 1), CONCLAVE_OK);
            log_close(log);
            scratch_remove(scratch);
        }
        assert_true(n > 3 && !was_hit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_LOG_TESTS(setup_closed, teardown),
        CONTRACT_LOG_TESTS(setup_crashed, teardown),
        CONTRACT_LOG_TESTS(setup_buffered, teardown),
        cmocka_unit_test_setup_teardown(test_file, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_one_write, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_laps, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_idle, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_poisoned, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_disk_full, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_disk_full_below, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_poisoned_below, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_drain_without_memory, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_log_without_journal, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_busy, make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(test_open_failures, make_scratch, remove_scratch),
        cmocka_unit_test(test_open_write_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
