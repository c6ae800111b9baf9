/* The contract of kv.h as tests: every implementation passes them all.
 *
 * A test program gives a setup that makes *state a struct contract_kv, and lists CONTRACT_KV_TESTS.
 */
#ifndef TESTS_SUPPORT_CONTRACT_KV_H
#define TESTS_SUPPORT_CONTRACT_KV_H

#include "kv/kv.h"

struct contract_kv {
    struct kv *kv;                            /* empty */
    void (*fault_arm)(struct kv *, uint64_t); /* the n-th write to the medium fails */
    bool (*fault_hit)(const struct kv *);
    enum conclave_code fault_code;                /* with this */
    void (*reopen)(struct contract_kv *contract); /* closes and opens it, if it is on a medium */
};

void contract_kv_pairs(void **state);
void contract_kv_sizes(void **state);
void contract_kv_order(void **state);
void contract_kv_walk(void **state);
void contract_kv_snapshot(void **state);
void contract_kv_abort(void **state);
void contract_kv_aliases(void **state);
void contract_kv_random(void **state);
void contract_kv_allocation_failures(void **state);
void contract_kv_write_failures(void **state);
void contract_kv_digest(void **state);

#define CONTRACT_KV_TEST(name, setup, teardown) \
    cmocka_unit_test_setup_teardown(contract_kv_##name, setup, teardown)

#define CONTRACT_KV_TESTS(setup, teardown)                                                     \
    CONTRACT_KV_TEST(pairs, setup, teardown), CONTRACT_KV_TEST(sizes, setup, teardown),        \
        CONTRACT_KV_TEST(order, setup, teardown), CONTRACT_KV_TEST(walk, setup, teardown),     \
        CONTRACT_KV_TEST(snapshot, setup, teardown), CONTRACT_KV_TEST(abort, setup, teardown), \
        CONTRACT_KV_TEST(aliases, setup, teardown), CONTRACT_KV_TEST(random, setup, teardown), \
        CONTRACT_KV_TEST(allocation_failures, setup, teardown),                                \
        CONTRACT_KV_TEST(write_failures, setup, teardown),                                     \
        CONTRACT_KV_TEST(digest, setup, teardown)

#endif
