/* The contract of log.h as tests. */
#include "support/contract_log.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/memory.h"

#define FAULT_ROUNDS_MAX 10000u
#define LARGE_DATA_BYTES (2u * 1024u * 1024u)
#define THREAD_APPENDS   100u
#define THREAD_ENTRIES   8u
#define THREAD_DATA      5000u

static struct log *log_of(void **state)
{
    return ((struct contract_log *)*state)->log;
}

/* An entry as a test writes it: its data is text. */
struct line {
    uint64_t term;
    enum log_entry_type type;
    const char *text;
};

static enum conclave_code append_lines(struct log *log, uint64_t first_index,
                                       const struct line *lines, size_t line_count)
{
    struct log_entry entries[8];
    assert_true(line_count <= 8);
    for (size_t i = 0; i < line_count; i++) {
        entries[i] = (struct log_entry){
            .term = lines[i].term, .type = lines[i].type, .data = slice_of_text(lines[i].text)};
    }
    return log_append(log, first_index, entries, line_count);
}

struct expectation {
    uint64_t next_index;
    const struct line *lines; /* of next_index and on */
};

static enum conclave_code expect_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    struct expectation *expectation = context;
    assert_int_equal(index, expectation->next_index);
    assert_int_equal(entry->term, expectation->lines->term);
    assert_int_equal(entry->type, expectation->lines->type);
    assert_true(slice_is_text(entry->data, expectation->lines->text));
    expectation->next_index++;
    expectation->lines++;
    return CONCLAVE_OK;
}

/* The log has exactly these lines, from index 1. */
static void expect_lines(struct log *log, const struct line *lines, size_t line_count)
{
    struct expectation expectation = {.next_index = 1, .lines = lines};
    uint64_t term;
    enum log_entry_type type;
    assert_int_equal(log_last_index(log), line_count);
    if (line_count > 0) {
        assert_int_equal(log_read(log, 1, line_count, expect_entry, &expectation), CONCLAVE_OK);
    }
    assert_int_equal(expectation.next_index, line_count + 1);
    for (size_t i = 0; i < line_count; i++) {
        assert_int_equal(log_read_header(log, i + 1, &term, &type), CONCLAVE_OK);
        assert_int_equal(term, lines[i].term);
        assert_int_equal(type, lines[i].type);
    }
    assert_int_equal(log_read(log, line_count + 1, line_count + 1, expect_entry, NULL),
                     CONCLAVE_NOT_FOUND);
    assert_int_equal(log_read_header(log, line_count + 1, &term, &type), CONCLAVE_NOT_FOUND);
}

static const struct line first_lines[] = {
    {1, LOG_ENTRY_CONFIGURATION, "three servers"},
    {1, LOG_ENTRY_BARRIER, ""},
    {1, LOG_ENTRY_COMMAND, "a"},
    {3, LOG_ENTRY_COMMAND, "a longer command than the one before"},
};

void contract_log_empty(void **state)
{
    struct log *log = log_of(state);
    struct log_vote vote = {7, 7};
    uint8_t identity[LOG_IDENTITY_BYTES];
    size_t identity_size;
    uint64_t term;
    enum log_entry_type type;
    expect_lines(log, NULL, 0);
    assert_int_equal(log_read_header(log, 0, &term, &type), CONCLAVE_NOT_FOUND);
    assert_int_equal(log_load_vote(log, &vote), CONCLAVE_OK);
    assert_int_equal(vote.term, 0);
    assert_int_equal(vote.voted_for, 0);
    assert_int_equal(log_load_identity(log, identity, &identity_size), CONCLAVE_NOT_FOUND);
}

void contract_log_entries(void **state)
{
    struct contract_log *contract = *state;
    assert_int_equal(append_lines(contract->log, 1, first_lines, 3), CONCLAVE_OK);
    expect_lines(contract->log, first_lines, 3);
    assert_int_equal(append_lines(contract->log, 4, first_lines + 3, 1), CONCLAVE_OK);
    expect_lines(contract->log, first_lines, 4);
    contract->reopen(contract);
    expect_lines(contract->log, first_lines, 4);

    struct expectation middle = {.next_index = 2, .lines = first_lines + 1};
    assert_int_equal(log_read(contract->log, 2, 3, expect_entry, &middle), CONCLAVE_OK);
    assert_int_equal(middle.next_index, 4);
    struct expectation past = {.next_index = 3, .lines = first_lines + 2};
    assert_int_equal(log_read(contract->log, 3, 9, expect_entry, &past), CONCLAVE_NOT_FOUND);
    assert_int_equal(past.next_index, 5);
}

static uint8_t large_byte(size_t at)
{
    return (uint8_t)(at * 31 + at / 251);
}

static enum conclave_code expect_large(void *context, uint64_t index, const struct log_entry *entry)
{
    const size_t *sizes = context;
    assert_int_equal(entry->data.size, sizes[index - 1]);
    assert_int_equal(entry->term, UINT64_MAX - index);
    for (size_t i = 0; i < entry->data.size; i++) {
        if (entry->data.data[i] != large_byte(i)) {
            fail_msg("byte %zu of entry %llu differs", i, (unsigned long long)index);
        }
    }
    return CONCLAVE_OK;
}

void contract_log_sizes(void **state)
{
    static uint8_t data[LARGE_DATA_BYTES];
    static size_t sizes[] = {0, 1, 1900, 1984, 2000, 2048, 4064, 4096, 100000, LARGE_DATA_BYTES};
    struct contract_log *contract = *state;
    const size_t count = sizeof sizes / sizeof sizes[0];
    struct log_entry entries[sizeof sizes / sizeof sizes[0]];
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = large_byte(i);
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct log_entry){.term = UINT64_MAX - (i + 1),
                                        .type = LOG_ENTRY_COMMAND,
                                        .data = slice_of(data, sizes[i])};
    }
    assert_int_equal(log_append(contract->log, 1, entries, count), CONCLAVE_OK);
    contract->reopen(contract);
    assert_int_equal(log_read(contract->log, 1, count, expect_large, sizes), CONCLAVE_OK);
}

void contract_log_truncate(void **state)
{
    static const struct line other[] = {{4, LOG_ENTRY_COMMAND, "instead"},
                                        {4, LOG_ENTRY_COMMAND, "and after"}};
    const struct line replaced[] = {first_lines[0], first_lines[1], other[0], other[1]};
    const struct line shorter[] = {first_lines[0], other[0]};
    struct contract_log *contract = *state;
    assert_int_equal(append_lines(contract->log, 1, first_lines, 4), CONCLAVE_OK);
    assert_int_equal(append_lines(contract->log, 3, other, 2), CONCLAVE_OK);
    expect_lines(contract->log, replaced, 4);
    assert_int_equal(append_lines(contract->log, 2, other, 1), CONCLAVE_OK);
    expect_lines(contract->log, shorter, 2);
    contract->reopen(contract);
    expect_lines(contract->log, shorter, 2);
    assert_int_equal(append_lines(contract->log, 1, other, 2), CONCLAVE_OK);
    expect_lines(contract->log, other, 2);
}

struct nested {
    struct log *log;
    unsigned calls;
};

static enum conclave_code read_within(void *context, uint64_t index, const struct log_entry *entry)
{
    struct nested *nested = context;
    uint64_t term;
    enum log_entry_type type;
    struct expectation first = {.next_index = 1, .lines = first_lines};
    assert_int_equal(log_read_header(nested->log, index, &term, &type), CONCLAVE_OK);
    assert_int_equal(term, entry->term);
    assert_int_equal(log_read(nested->log, 1, 1, expect_entry, &first), CONCLAVE_OK);
    assert_true(slice_is_text(entry->data, first_lines[index - 1].text)); /* still there */
    nested->calls++;
    return index == 3 ? CONCLAVE_SHUTTING_DOWN : CONCLAVE_OK;
}

void contract_log_callback(void **state)
{
    struct nested nested = {.log = log_of(state)};
    assert_int_equal(append_lines(nested.log, 1, first_lines, 4), CONCLAVE_OK);
    assert_int_equal(log_read(nested.log, 1, 4, read_within, &nested), CONCLAVE_SHUTTING_DOWN);
    assert_int_equal(nested.calls, 3);
    expect_lines(nested.log, first_lines, 4);
}

static void expect_vote(struct log *log, uint64_t term, uint64_t voted_for)
{
    struct log_vote vote;
    assert_int_equal(log_load_vote(log, &vote), CONCLAVE_OK);
    assert_int_equal(vote.term, term);
    assert_int_equal(vote.voted_for, voted_for);
}

void contract_log_vote(void **state)
{
    struct contract_log *contract = *state;
    assert_int_equal(log_save_vote(contract->log, (struct log_vote){5, 2}), CONCLAVE_OK);
    expect_vote(contract->log, 5, 2);
    assert_int_equal(log_save_vote(contract->log, (struct log_vote){UINT64_MAX, 0}), CONCLAVE_OK);
    contract->reopen(contract);
    expect_vote(contract->log, UINT64_MAX, 0);
    expect_lines(contract->log, NULL, 0);
}

void contract_log_identity(void **state)
{
    struct contract_log *contract = *state;
    uint8_t saved[LOG_IDENTITY_BYTES];
    uint8_t loaded[LOG_IDENTITY_BYTES];
    size_t size = 0;
    for (size_t i = 0; i < sizeof saved; i++) {
        saved[i] = (uint8_t)(255 - i);
    }
    assert_int_equal(log_save_identity(contract->log, slice_of(saved, sizeof saved)), CONCLAVE_OK);
    contract->reopen(contract);
    assert_int_equal(log_load_identity(contract->log, loaded, &size), CONCLAVE_OK);
    assert_int_equal(size, sizeof saved);
    assert_memory_equal(loaded, saved, sizeof saved);
    assert_int_equal(log_save_identity(contract->log, slice_of_text("x")), CONCLAVE_OK);
    contract->reopen(contract);
    assert_int_equal(log_load_identity(contract->log, loaded, &size), CONCLAVE_OK);
    assert_int_equal(size, 1);
    assert_int_equal(loaded[0], 'x');
}

/* --- Failures --- */

static const struct line new_lines[] = {{9, LOG_ENTRY_COMMAND, "new 1"},
                                        {9, LOG_ENTRY_COMMAND, "new 2"},
                                        {9, LOG_ENTRY_COMMAND, "new 3"}};

enum change {
    CHANGE_APPEND,
    CHANGE_VOTE,
    CHANGE_IDENTITY,
    CHANGE_COUNT
};

static enum conclave_code change(struct log *log, enum change what)
{
    switch (what) {
    case CHANGE_APPEND:
        return append_lines(log, 3, new_lines, 3);
    case CHANGE_VOTE:
        return log_save_vote(log, (struct log_vote){9, 9});
    default:
        return log_save_identity(log, slice_of_text("new"));
    }
}

/* Everything is as it was, but for the first `done` changes. */
static void expect_state(struct log *log, unsigned done)
{
    const struct line appended[] = {first_lines[0], first_lines[1], new_lines[0], new_lines[1],
                                    new_lines[2]};
    uint8_t identity[LOG_IDENTITY_BYTES];
    size_t size;
    expect_lines(log, done > CHANGE_APPEND ? appended : first_lines, done > CHANGE_APPEND ? 5 : 4);
    expect_vote(log, done > CHANGE_VOTE ? 9 : 2, done > CHANGE_VOTE ? 9 : 1);
    assert_int_equal(log_load_identity(log, identity, &size), CONCLAVE_OK);
    assert_true(slice_is_text(slice_of(identity, size), done > CHANGE_IDENTITY ? "new" : "old"));
}

static void prepare(struct log *log)
{
    assert_int_equal(append_lines(log, 1, first_lines, 4), CONCLAVE_OK);
    assert_int_equal(log_save_vote(log, (struct log_vote){2, 1}), CONCLAVE_OK);
    assert_int_equal(log_save_identity(log, slice_of_text("old")), CONCLAVE_OK);
    expect_state(log, 0);
}

void contract_log_allocation_failures(void **state)
{
    struct log *log = log_of(state);
    prepare(log);
    for (unsigned what = 0; what < CHANGE_COUNT; what++) {
        uint64_t n = 1;
        for (; n < FAULT_ROUNDS_MAX; n++) {
            memory_fault_arm(n);
            enum conclave_code rv = change(log, (enum change)what);
            int hit = memory_fault_hit();
            memory_fault_arm(0);
            if (!hit) {
                assert_int_equal(rv, CONCLAVE_OK);
                break;
            }
            assert_int_equal(rv, CONCLAVE_NO_MEMORY);
            expect_state(log, what);
        }
        assert_true(n < FAULT_ROUNDS_MAX);
        assert_true(n > 1 || what != CHANGE_APPEND);
        expect_state(log, what + 1);
    }
}

void contract_log_write_failures(void **state)
{
    struct contract_log *contract = *state;
    prepare(contract->log);
    for (unsigned what = 0; what < CHANGE_COUNT; what++) {
        uint64_t n = 1;
        for (; n < FAULT_ROUNDS_MAX; n++) {
            contract->fault_arm(contract->log, n);
            enum conclave_code rv = change(contract->log, (enum change)what);
            bool hit = contract->fault_hit(contract->log);
            contract->fault_arm(contract->log, 0);
            if (!hit) {
                assert_int_equal(rv, CONCLAVE_OK);
                break;
            }
            assert_int_equal(rv, CONCLAVE_IO);
            contract->reopen(contract);
            expect_state(contract->log, what);
        }
        assert_true(n > 1 && n < FAULT_ROUNDS_MAX);
        expect_state(contract->log, what + 1);
    }
}

static enum conclave_code ignore_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)context;
    (void)index;
    (void)entry;
    return CONCLAVE_OK;
}

/* A read that finds no memory is an error, and changes nothing. */
void contract_log_read_failures(void **state)
{
    struct contract_log *contract = *state;
    prepare(contract->log);
    uint64_t n = 1;
    for (; n < FAULT_ROUNDS_MAX; n++) {
        contract->reopen(contract); /* no spare transaction */
        memory_fault_arm(n);
        enum conclave_code rv = log_read(contract->log, 1, 4, ignore_entry, NULL);
        int hit = memory_fault_hit();
        memory_fault_arm(0);
        if (!hit) {
            assert_int_equal(rv, CONCLAVE_OK);
            break;
        }
        assert_int_equal(rv, CONCLAVE_NO_MEMORY);
    }
    assert_true(n < FAULT_ROUNDS_MAX);
    expect_state(contract->log, 0);
}

/* --- Two threads --- */

struct appender {
    struct log *log;
    _Atomic enum conclave_code result;
    _Atomic bool done;
};

static void fill_data(uint8_t data[THREAD_DATA], uint64_t index)
{
    for (size_t i = 0; i < THREAD_DATA; i++) {
        data[i] = (uint8_t)(index * 7 + i);
    }
}

static void *append_on_thread(void *context)
{
    struct appender *appender = context;
    static uint8_t data[THREAD_ENTRIES][THREAD_DATA];
    uint64_t index = 1;
    enum conclave_code rv = CONCLAVE_OK;
    for (unsigned i = 0; i < THREAD_APPENDS && rv == CONCLAVE_OK; i++) {
        struct log_entry entries[THREAD_ENTRIES];
        for (size_t j = 0; j < THREAD_ENTRIES; j++) {
            fill_data(data[j], index + j);
            entries[j] = (struct log_entry){.term = index + j,
                                            .type = LOG_ENTRY_COMMAND,
                                            .data = slice_of(data[j], THREAD_DATA)};
        }
        rv = log_append(appender->log, index, entries, THREAD_ENTRIES);
        index += THREAD_ENTRIES;
    }
    appender->result = rv;
    appender->done = true;
    return NULL;
}

static enum conclave_code expect_filled(void *context, uint64_t index,
                                        const struct log_entry *entry)
{
    uint64_t *seen = context;
    uint8_t data[THREAD_DATA];
    fill_data(data, index);
    assert_int_equal(entry->term, index);
    assert_true(slice_equal(entry->data, slice_of(data, sizeof data)));
    *seen = index;
    return CONCLAVE_OK;
}

/* The other thread appends; this one reads what is complete, and votes. */
void contract_log_threads(void **state)
{
    struct appender appender = {.log = log_of(state)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, append_on_thread, &appender), 0);
    uint64_t seen = 0;
    uint64_t votes = 0;
    bool done;
    do {
        done = appender.done;
        uint64_t last = log_last_index(appender.log);
        assert_true(last >= seen && last % THREAD_ENTRIES == 0);
        uint64_t from = seen > 20 ? seen - 20 : 1;
        if (last > 0) {
            assert_int_equal(log_read(appender.log, from, last, expect_filled, &seen), CONCLAVE_OK);
            assert_int_equal(seen, last);
        }
        if (votes < 20) {
            votes++;
            assert_int_equal(log_save_vote(appender.log, (struct log_vote){votes, 1}), CONCLAVE_OK);
        }
    } while (!done);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(appender.result, CONCLAVE_OK);
    assert_int_equal(seen, THREAD_APPENDS * THREAD_ENTRIES);
    expect_vote(appender.log, votes, 1);
}

/* --- Damage --- */

/* Entry 2 is put back by what it was, and by nothing else. */
static void expect_repair(struct log *log, const char *text, const char *damaged)
{
    struct log_entry entry = {.term = 1, .type = LOG_ENTRY_COMMAND, .data = slice_of_text(damaged)};
    assert_int_equal(log_repair(log, 2, &entry), CONCLAVE_CORRUPT);
    entry.data = slice_of_text(text);
    entry.term = 2;
    assert_int_equal(log_repair(log, 2, &entry), CONCLAVE_CORRUPT);
    entry.term = 1;
    entry.type = LOG_ENTRY_BARRIER;
    assert_int_equal(log_repair(log, 2, &entry), CONCLAVE_CORRUPT);
    entry.type = LOG_ENTRY_COMMAND;
    assert_int_equal(log_repair(log, 3, &entry), CONCLAVE_CORRUPT);
    assert_int_equal(log_repair(log, 4, &entry), CONCLAVE_NOT_FOUND);
    entry.data.size--;
    assert_int_equal(log_repair(log, 2, &entry), CONCLAVE_CORRUPT);
    entry.data.size++;
    assert_int_equal(log_repair(log, 2, &entry), CONCLAVE_OK);
    assert_int_equal(log_repair(log, 2, &entry), CONCLAVE_OK); /* it is that already */
}

void contract_log_corruption(void **state)
{
    static const char text[] = "bytes that stand in the file as they are";
    static const struct line lines[] = {{1, LOG_ENTRY_COMMAND, "before"},
                                        {1, LOG_ENTRY_COMMAND, text},
                                        {1, LOG_ENTRY_COMMAND, "after"}};
    struct contract_log *contract = *state;
    assert_int_equal(append_lines(contract->log, 1, lines, 3), CONCLAVE_OK);
    for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit += 13) {
        char damaged[sizeof text];
        uint64_t term;
        enum log_entry_type type;
        struct expectation after = {.next_index = 3, .lines = lines + 2};
        struct expectation all = {.next_index = 1, .lines = lines};
        contract->corrupt(contract, 2, slice_of_text(text), bit);
        assert_int_equal(log_read(contract->log, 2, 2, expect_entry, NULL), CONCLAVE_CORRUPT);
        assert_int_equal(log_read(contract->log, 1, 3, expect_entry, &all), CONCLAVE_CORRUPT);
        assert_int_equal(all.next_index, 2);
        assert_int_equal(log_read(contract->log, 3, 3, expect_entry, &after), CONCLAVE_OK);
        assert_int_equal(log_read_header(contract->log, 2, &term, &type), CONCLAVE_OK);
        memcpy(damaged, text, sizeof text);
        damaged[bit / 8] ^= (char)(1 << bit % 8);
        if (bit % 2 == 0) {
            contract->corrupt(contract, 2, slice_of_text(damaged), bit); /* as it was */
        } else {
            expect_repair(contract->log, text, damaged);
        }
        expect_lines(contract->log, lines, 3);
    }
    contract->reopen(contract);
    expect_lines(contract->log, lines, 3);
}
