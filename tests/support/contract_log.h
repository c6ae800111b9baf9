/* The contract of log.h as tests: every implementation passes them all.
 *
 * A test program gives a setup that makes *state a struct contract_log, and lists
 * CONTRACT_LOG_TESTS.
 */
#ifndef TESTS_SUPPORT_CONTRACT_LOG_H
#define TESTS_SUPPORT_CONTRACT_LOG_H

#include "log/log.h"

struct contract_log {
    struct log *log;                           /* empty */
    void (*fault_arm)(struct log *, uint64_t); /* the n-th write to the medium fails */
    bool (*fault_hit)(const struct log *);
    void (*reopen)(struct contract_log *contract); /* closes and opens it, if it is on a medium */
    /* Flips a bit of an entry's data where it is stored; `data` is what it is now. */
    void (*corrupt)(struct contract_log *contract, uint64_t index, struct slice data, size_t bit);
};

void contract_log_empty(void **state);
void contract_log_entries(void **state);
void contract_log_sizes(void **state);
void contract_log_truncate(void **state);
void contract_log_callback(void **state);
void contract_log_vote(void **state);
void contract_log_identity(void **state);
void contract_log_allocation_failures(void **state);
void contract_log_write_failures(void **state);
void contract_log_read_failures(void **state);
void contract_log_threads(void **state);
void contract_log_corruption(void **state);

#define CONTRACT_LOG_TEST(name, setup, teardown) \
    cmocka_unit_test_setup_teardown(contract_log_##name, setup, teardown)

#define CONTRACT_LOG_TESTS(setup, teardown)                                                      \
    CONTRACT_LOG_TEST(empty, setup, teardown), CONTRACT_LOG_TEST(entries, setup, teardown),      \
        CONTRACT_LOG_TEST(sizes, setup, teardown), CONTRACT_LOG_TEST(truncate, setup, teardown), \
        CONTRACT_LOG_TEST(callback, setup, teardown), CONTRACT_LOG_TEST(vote, setup, teardown),  \
        CONTRACT_LOG_TEST(identity, setup, teardown),                                            \
        CONTRACT_LOG_TEST(allocation_failures, setup, teardown),                                 \
        CONTRACT_LOG_TEST(write_failures, setup, teardown),                                      \
        CONTRACT_LOG_TEST(read_failures, setup, teardown),                                       \
        CONTRACT_LOG_TEST(threads, setup, teardown),                                             \
        CONTRACT_LOG_TEST(corruption, setup, teardown)

#endif
