/* The in-memory twin of kv.h: the contract, and its own fault point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "kv/kv_memory.h"
#include "support/contract_kv.h"

static void reopen(struct contract_kv *stored)
{
    assert_non_null(stored->kv); /* memory is the medium */
}

static struct contract_kv contract = {
    .fault_arm = kv_memory_fault_arm,
    .fault_hit = kv_memory_fault_hit,
    .fault_code = CONCLAVE_IO,
    .reopen = reopen,
};

static int setup(void **state)
{
    assert_int_equal(kv_memory_open(&contract.kv), CONCLAVE_OK);
    *state = &contract;
    return 0;
}

static int teardown(void **state)
{
    kv_close(((struct contract_kv *)*state)->kv);
    return 0;
}

static void test_open_without_memory(void **state)
{
    (void)state;
    struct kv *kv = NULL;
    memory_fault_arm(1);
    assert_int_equal(kv_memory_open(&kv), CONCLAVE_NO_MEMORY);
    memory_fault_arm(0);
    assert_null(kv);
    kv_close(kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONTRACT_KV_TESTS(setup, teardown),
        cmocka_unit_test(test_open_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
