/* Crashes and damage of the journal. A crash leaves any set of a write's sectors; a kill comes at
 * any time; a drain may stop at any of its writes. What was acknowledged is there afterwards, what
 * was not is there as a whole or not at all; and damage is said, never taken for a crash. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/logger.h"
#include "log/log_journal.h"
#include "support/contract_log.h"
#include "support/disk_faults.h"
#include "support/journal_files.h"
#include "support/scratch.h"

#define JOURNAL_BYTES  ((uint64_t)512 * 1024)
#define DRAIN_BYTES    ((uint64_t)80 * 1024) /* less than what makes the journal drain by itself */
#define SECTOR_BYTES   512u
#define BLOCK_BYTES    4096u
#define ENTRIES_MAX    4096u
#define DATA_BYTES_MAX 9000u
#define APPEND_MAX     4u
#define CRASHES        150u
#define KILLS          20u
#define KILL_AFTER_US  30000u

static char scratch[SCRATCH_PATH_BYTES];
static char directory[SCRATCH_PATH_BYTES];
static struct log_journal_config config;

static int setup(void **state)
{
    (void)state;
    scratch_make(scratch);
    scratch_join(directory, scratch, "log");
    logger_configure(LOGGER_OFF, LOGGER_LOGFMT, 0); /* torn writes are warned of */
    config = (struct log_journal_config){.bytes = JOURNAL_BYTES};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

static struct log *open_log(void)
{
    struct log *log = NULL;
    assert_int_equal(log_journal_open(directory, &config, &log), CONCLAVE_OK);
    return log;
}

/* xorshift64*, so that a failure comes again. */
static uint64_t random_state;

static uint64_t chance(uint64_t below)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (random_state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below;
}

/* --- What the log should have: the seed of each entry; its bytes and size follow from that --- */

struct model {
    uint64_t seeds[ENTRIES_MAX + 1]; /* by index */
    uint64_t count;
};

static size_t size_of_seed(uint64_t seed)
{
    return (size_t)(seed % 7 == 0 ? seed % DATA_BYTES_MAX : seed % 500);
}

static void fill(uint8_t *data, uint64_t seed)
{
    size_t size = size_of_seed(seed);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(seed >> i % 5 * 8 ^ i * 11);
    }
}

struct change {
    uint64_t first_index;
    size_t count;
    uint64_t seeds[APPEND_MAX];
    uint64_t bytes; /* about what it takes in the journal */
};

static struct change draw_change(const struct model *model)
{
    struct change change = {.first_index = model->count + 1, .count = 1 + chance(APPEND_MAX)};
    if (model->count > 0 && chance(5) == 0) {
        change.first_index -= chance(model->count < 6 ? model->count + 1 : 6);
    }
    for (size_t i = 0; i < change.count; i++) {
        change.seeds[i] = 1 + chance(UINT32_MAX);
        change.bytes += size_of_seed(change.seeds[i]) + 100;
    }
    change.bytes += 2 * BLOCK_BYTES;
    return change;
}

static enum conclave_code apply(struct log *log, const struct change *change)
{
    static uint8_t data[APPEND_MAX][DATA_BYTES_MAX];
    struct log_entry entries[APPEND_MAX];
    for (size_t i = 0; i < change->count; i++) {
        fill(data[i], change->seeds[i]);
        entries[i] = (struct log_entry){.term = change->seeds[i],
                                        .type = LOG_ENTRY_COMMAND,
                                        .data = slice_of(data[i], size_of_seed(change->seeds[i]))};
    }
    return log_append(log, change->first_index, entries, change->count);
}

static void note(struct model *model, const struct change *change)
{
    model->count = change->first_index - 1;
    for (size_t i = 0; i < change->count; i++) {
        assert_true(model->count < ENTRIES_MAX);
        model->seeds[++model->count] = change->seeds[i];
    }
}

static enum conclave_code expect_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    static uint8_t data[DATA_BYTES_MAX];
    const struct model *model = context;
    assert_true(index <= model->count);
    fill(data, model->seeds[index]);
    assert_int_equal(entry->term, model->seeds[index]);
    assert_true(slice_equal(entry->data, slice_of(data, size_of_seed(model->seeds[index]))));
    return CONCLAVE_OK;
}

static void expect_model(struct log *log, struct model *model)
{
    assert_int_equal(log_last_index(log), model->count);
    if (model->count > 0) {
        assert_int_equal(log_read(log, 1, model->count, expect_entry, model), CONCLAVE_OK);
    }
}

/* Some appends that stay; drains before the journal would by itself. */
static void append_some(struct log *log, struct model *model, uint64_t *used)
{
    for (uint64_t i = chance(chance(8) == 0 ? 60 : 6); i > 0; i--) {
        struct change change = draw_change(model);
        if (*used + change.bytes > DRAIN_BYTES || chance(20) == 0) {
            assert_int_equal(log_journal_drain(log), CONCLAVE_OK);
            *used = 0;
        }
        assert_int_equal(apply(log, &change), CONCLAVE_OK);
        note(model, &change);
        *used += change.bytes;
    }
}

/* Takes a random set of the sectors that differ from `before`; how many were left out. */
static unsigned tear(struct journal_files *after, const struct journal_files *before)
{
    unsigned differ = 0;
    unsigned missing = 0;
    uint64_t style = chance(4); /* a prefix, a suffix, any set, or all */
    unsigned total = 0;
    for (size_t at = 0; at < after->journal_size; at += SECTOR_BYTES) {
        total += memcmp(after->journal + at, before->journal + at, SECTOR_BYTES) != 0;
    }
    uint64_t cut = chance(total + 1);
    for (size_t at = 0; at < after->journal_size; at += SECTOR_BYTES) {
        if (memcmp(after->journal + at, before->journal + at, SECTOR_BYTES) == 0) {
            continue;
        }
        bool kept = style == 3 || (style == 2 && chance(2) == 0) || (style == 1 && differ >= cut) ||
                    (style == 0 && differ < cut);
        if (!kept) {
            memcpy(after->journal + at, before->journal + at, SECTOR_BYTES);
            missing++;
        }
        differ++;
    }
    assert_true(differ > 0);
    return missing;
}

/* Crash after crash, each in the middle of a write of which any sectors reached the disk. */
static void test_torn_writes(void **state)
{
    (void)state;
    static struct model model;
    unsigned torn = 0;
    random_state = 42;
    model.count = 0;
    struct log *log = open_log();
    for (unsigned crash = 0; crash < CRASHES; crash++) {
        struct journal_files before;
        struct journal_files after;
        uint64_t used = 0;
        append_some(log, &model, &used);
        struct change change = draw_change(&model);
        if (used + change.bytes > DRAIN_BYTES) {
            assert_int_equal(log_journal_drain(log), CONCLAVE_OK);
        }
        journal_files_load(&before, directory);
        assert_int_equal(apply(log, &change), CONCLAVE_OK);
        journal_files_load(&after, directory);
        assert_int_equal(before.tree_size, after.tree_size);
        assert_memory_equal(before.tree, after.tree, after.tree_size); /* it did not drain */
        log_close(log);
        unsigned missing = tear(&after, &before);
        if (missing == 0) {
            note(&model, &change);
        }
        torn += missing > 0;
        journal_files_store(&after, directory);
        journal_files_free(&before);
        journal_files_free(&after);
        log = open_log();
        expect_model(log, &model);
    }
    assert_true(torn > CRASHES / 3 && torn < CRASHES);
    log_close(log);
}

/* A crash at any write of a round of draining. */
static void test_crash_while_draining(void **state)
{
    (void)state;
    static struct model model;
    random_state = 7;
    model.count = 0;
    uint64_t n = 1;
    bool was_hit = true;
    struct log *log = open_log();
    for (; was_hit && n < 200; n++) {
        uint64_t used = 0;
        append_some(log, &model, &used);
        disk_faults_arm(n, EIO);
        enum conclave_code rv = log_journal_drain(log);
        was_hit = disk_faults_hit();
        disk_faults_arm(0, 0);
        assert_int_equal(rv, was_hit ? CONCLAVE_IO : CONCLAVE_OK);
        struct journal_files files;
        journal_files_load(&files, directory);
        log_close(log);
        journal_files_store(&files, directory);
        journal_files_free(&files);
        log = open_log();
        expect_model(log, &model);
    }
    assert_true(n > 5 && !was_hit);
    log_close(log);
}

/* --- Damage --- */

/* A crashed log: three frames in the journal, one entry in LMDB. */
static void make_crashed(struct journal_files *files, struct model *model)
{
    static const struct change changes[] = {
        {.first_index = 1, .count = 1, .seeds = {11}},
        {.first_index = 2, .count = 2, .seeds = {8, 2000 * 7}},
        {.first_index = 4, .count = 1, .seeds = {9}},
        {.first_index = 5, .count = 1, .seeds = {10}},
    };
    struct log *log = open_log();
    model->count = 0;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(apply(log, &changes[i]), CONCLAVE_OK);
        note(model, &changes[i]);
        if (i == 0) {
            assert_int_equal(log_journal_drain(log), CONCLAVE_OK);
        }
    }
    journal_files_load(files, directory);
    log_close(log);
}

static enum conclave_code try_open(const struct journal_files *files, struct model *model)
{
    struct log *log = NULL;
    journal_files_store(files, directory);
    enum conclave_code rv = log_journal_open(directory, &config, &log);
    if (rv == CONCLAVE_OK) {
        expect_model(log, model);
        log_close(log);
    } else {
        assert_null(log);
    }
    return rv;
}

/* The frames of make_crashed: one block drained, then 2, 1, 1. */
#define FRAMES_FROM (2u * BLOCK_BYTES)
#define FRAMES_TO   (6u * BLOCK_BYTES)

/* Bits all over the file. Within the frames: always found. Elsewhere: found, or of no matter. */
static void test_damaged_bits(void **state)
{
    (void)state;
    static struct model model;
    struct journal_files files;
    make_crashed(&files, &model);
    assert_int_equal(try_open(&files, &model), CONCLAVE_OK);
    for (size_t byte = 0; byte < FRAMES_TO + 2 * BLOCK_BYTES; byte += 131) {
        files.journal[byte] ^= (uint8_t)(1u << byte % 8);
        enum conclave_code rv = try_open(&files, &model);
        files.journal[byte] ^= (uint8_t)(1u << byte % 8);
        bool matters = byte < BLOCK_BYTES || (byte >= FRAMES_FROM && byte < FRAMES_TO);
        if (matters || rv != CONCLAVE_OK) {
            assert_int_equal(rv, CONCLAVE_CORRUPT);
        }
    }
    assert_int_equal(try_open(&files, &model), CONCLAVE_OK);
    journal_files_free(&files);
}

/* A frame, or the first sector of it, that is as it was before, while a later one is there. */
static void test_lost_frames(void **state)
{
    (void)state;
    static struct model model;
    struct journal_files files;
    make_crashed(&files, &model);
    static const size_t sizes[] = {SECTOR_BYTES, BLOCK_BYTES};
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = FRAMES_FROM; at < FRAMES_TO - BLOCK_BYTES; at += BLOCK_BYTES) {
            uint8_t kept[BLOCK_BYTES];
            memcpy(kept, files.journal + at, sizeof kept);
            memset(files.journal + at, 0, sizes[i]);
            assert_int_equal(try_open(&files, &model), CONCLAVE_CORRUPT);
            memcpy(files.journal + at, kept, sizeof kept);
        }
    }
    assert_int_equal(try_open(&files, &model), CONCLAVE_OK);
    journal_files_free(&files);
}

/* No journal, one cut short, one of another log: not while it may hold entries. */
static void test_wrong_file(void **state)
{
    (void)state;
    static struct model model;
    struct journal_files files;
    struct log *log = NULL;
    char path[SCRATCH_PATH_BYTES];
    make_crashed(&files, &model);
    size_t size = files.journal_size;
    for (size_t cut = 0; cut < size; cut = cut * 3 + 100) {
        files.journal_size = cut;
        assert_int_equal(try_open(&files, &model), CONCLAVE_CORRUPT);
    }
    files.journal_size = size;
    journal_files_store(&files, directory);
    scratch_join(path, directory, "journal");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(log_journal_open(directory, &config, &log), CONCLAVE_CORRUPT);

    static struct model other_model;
    struct journal_files other;
    char first[SCRATCH_PATH_BYTES];
    memcpy(first, directory, sizeof first);
    scratch_join(directory, scratch, "other");
    make_crashed(&other, &other_model);
    memcpy(directory, first, sizeof first);
    uint8_t *own = files.journal;
    files.journal = other.journal;
    assert_int_equal(try_open(&files, &model), CONCLAVE_CORRUPT);
    files.journal = own;
    assert_int_equal(try_open(&files, &model), CONCLAVE_OK);

    /* Closed: everything is in LMDB, and the journal may go. */
    scratch_join(path, directory, "journal");
    assert_int_equal(unlink(path), 0);
    log = open_log();
    expect_model(log, &model);
    log_close(log);
    journal_files_free(&other);
    journal_files_free(&files);
}

/* An older tree beside the journal of later: the frames between are missing. */
static void test_older_tree(void **state)
{
    (void)state;
    static struct model model;
    struct journal_files old;
    struct journal_files files;
    make_crashed(&old, &model);
    assert_int_equal(try_open(&old, &model), CONCLAVE_OK); /* goes on, and drains */
    struct log *log = open_log();
    struct change change = draw_change(&model);
    assert_int_equal(apply(log, &change), CONCLAVE_OK);
    journal_files_load(&files, directory);
    log_close(log);
    uint8_t *newer = files.tree;
    size_t newer_size = files.tree_size;
    files.tree = old.tree;
    files.tree_size = old.tree_size;
    assert_int_equal(try_open(&files, &model), CONCLAVE_CORRUPT);
    files.tree = newer;
    files.tree_size = newer_size;
    note(&model, &change);
    assert_int_equal(try_open(&files, &model), CONCLAVE_OK);
    journal_files_free(&old);
    journal_files_free(&files);
}

/* --- Kills --- */

/* Appends until it is killed; says each change before it makes it, and `yes` after. */
static void run_child(int out)
{
    static struct model model;
    static const struct change yes;
    struct log *log;
    if (log_journal_open(directory, &config, &log) != CONCLAVE_OK) {
        _exit(1);
    }
    for (;;) {
        struct change change = draw_change(&model);
        if (model.count + change.count > ENTRIES_MAX ||
            write(out, &change, sizeof change) != (ssize_t)sizeof change ||
            apply(log, &change) != CONCLAVE_OK ||
            write(out, &yes, sizeof yes) != (ssize_t)sizeof yes) {
            _exit(1);
        }
        note(&model, &change);
    }
}

/* Follows what a child says until it dies, and kills it once it has `enough` entries. What it was
 * about to do is left in `announced` (no entries: nothing). Returns how often it said yes. */
static unsigned follow_child(pid_t child, int in, uint64_t enough, useconds_t delay_us,
                             struct model *model, struct change *announced)
{
    struct change said;
    unsigned acknowledged = 0;
    bool killed = false;
    *announced = (struct change){0};
    while (read(in, &said, sizeof said) == (ssize_t)sizeof said) {
        if (said.count > 0) {
            *announced = said;
        } else {
            note(model, announced);
            *announced = (struct change){0};
            acknowledged++;
        }
        if (!killed && model->count >= enough) {
            usleep(delay_us);
            assert_int_equal(kill(child, SIGKILL), 0);
            killed = true;
        }
    }
    return acknowledged;
}

/* kill -9 while it appends and drains: all that was acknowledged is there, and at most the one
 * change that was under way. */
static void test_kill(void **state)
{
    static struct model model;
    unsigned acknowledged = 0;
    for (unsigned kills = 0; kills < KILLS; kills++) {
        int pipes[2];
        int status;
        struct change announced;
        setup(state);
        config.idle_ms = 1;
        config.bytes = (uint64_t)64 * 1024;
        random_state = 1000 + kills;
        model.count = 0;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            run_child(pipes[1]);
        }
        assert_int_equal(close(pipes[1]), 0);
        acknowledged += follow_child(child, pipes[0], kills * 4 % 60,
                                     (useconds_t)(kills * 1009 % KILL_AFTER_US), &model,
                                     &announced);
        assert_int_equal(close(pipes[0]), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct log *log = open_log();
        uint64_t term = 0;
        enum log_entry_type type;
        if (announced.count > 0 &&
            log_last_index(log) == announced.first_index + announced.count - 1 &&
            log_read_header(log, announced.first_index, &term, &type) == CONCLAVE_OK &&
            term == announced.seeds[0]) {
            note(&model, &announced);
        }
        expect_model(log, &model);
        log_close(log);
        teardown(state);
    }
    assert_true(acknowledged > KILLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_torn_writes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash_while_draining, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damaged_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lost_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_tree, setup, teardown),
        cmocka_unit_test(test_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
