/* The in-memory twin of log.h: the contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "log/log_memory.h"
#include "support/contract_log.h"

static void reopen(struct contract_log *contract)
{
    assert_non_null(contract->log); /* memory is the medium */
}

static void corrupt(struct contract_log *contract, uint64_t index, struct slice data, size_t bit)
{
    assert_true(data.size * 8 > bit);
    log_memory_corrupt(contract->log, index, bit);
}

static struct contract_log contract_memory = {
    .fault_arm = log_memory_fault_arm,
    .fault_hit = log_memory_fault_hit,
    .reopen = reopen,
    .corrupt = corrupt,
};

static int setup(void **state)
{
    assert_int_equal(log_memory_open(&contract_memory.log), CONCLAVE_OK);
    *state = &contract_memory;
    return 0;
}

static int teardown(void **state)
{
    log_close(((struct contract_log *)*state)->log);
    return 0;
}

static void test_open_without_memory(void **state)
{
    (void)state;
    struct log *log = NULL;
    memory_fault_arm(1);
    assert_int_equal(log_memory_open(&log), CONCLAVE_NO_MEMORY);
    memory_fault_arm(0);
    assert_null(log);
    log_close(log);
}

static enum conclave_code count_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)index;
    (void)entry;
    ++*(unsigned *)context;
    return CONCLAVE_OK;
}

/* An entry without data has a head that can rot. */
static void test_corrupt_head(void **state)
{
    (void)state;
    struct log *log;
    struct log_entry barrier = {.term = 1, .type = LOG_ENTRY_BARRIER};
    unsigned count = 0;
    assert_int_equal(log_memory_open(&log), CONCLAVE_OK);
    assert_int_equal(log_append(log, 1, &barrier, 1), CONCLAVE_OK);
    for (size_t bit = 0; bit < 32 * 8; bit++) {
        log_memory_corrupt(log, 1, bit);
        assert_int_equal(log_read(log, 1, 1, count_entry, &count), CONCLAVE_CORRUPT);
        log_memory_corrupt(log, 1, bit);
    }
    assert_int_equal(count, 0);
    assert_int_equal(log_read(log, 1, 1, count_entry, &count), CONCLAVE_OK);
    assert_int_equal(count, 1);
    log_close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_LOG_TESTS(setup, teardown),
        cmocka_unit_test(test_open_without_memory),
        cmocka_unit_test(test_corrupt_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
