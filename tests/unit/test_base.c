/* src/base: buffers, failing allocations, codes, slices, and what an assertion does. */
#include <ctype.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/rate.h"

static void test_buffer_appends(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10000);
    assert_int_equal(buffer_slice(&buffer).size, 0);
    for (unsigned i = 0; i < 1000; i++) {
        buffer_append(&buffer, "0123456789", 10);
    }
    buffer_append(&buffer, NULL, 0);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    assert_int_equal(buffer.size, 10000);
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(buffer.data[i], '0' + i % 10);
    }
    buffer_consume(&buffer, 9995);
    assert_true(slice_is_text(buffer_slice(&buffer), "56789"));
    buffer_consume(&buffer, 0);
    buffer_consume(&buffer, 5);
    assert_int_equal(buffer.size, 0);
    buffer_close(&buffer);
}

static void test_buffer_limit(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 4);
    buffer_append(&buffer, "abc", 3);
    buffer_append(&buffer, "de", 2);
    assert_int_equal(buffer.status, CONCLAVE_TOO_LARGE);
    assert_true(slice_is_text(buffer_slice(&buffer), "abc"));
    buffer_append(&buffer, "d", 1); /* would fit, but what came before is missing */
    assert_int_equal(buffer.status, CONCLAVE_TOO_LARGE);
    assert_int_equal(buffer.size, 3);
    assert_null(buffer_reserve(&buffer, 1));
    buffer_clear(&buffer);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    buffer_append(&buffer, "wxyz", 4);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_int_equal(buffer.status, CONCLAVE_TOO_LARGE);
    assert_true(slice_is_text(buffer_slice(&buffer), "wxyz"));
    buffer_close(&buffer);
}

static void test_buffer_reserve(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, SIZE_MAX);
    buffer_append(&buffer, "ab", 2);
    uint8_t *at = buffer_reserve(&buffer, 5000);
    assert_non_null(at);
    assert_true(buffer.capacity - buffer.size >= 5000);
    memcpy(at, "cd", 2);
    buffer.size += 2;
    assert_true(slice_is_text(buffer_slice(&buffer), "abcd"));
    buffer_close(&buffer);
    assert_null(buffer.data);
}

static void test_buffer_without_memory(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100000);
    buffer_append(&buffer, "kept", 4);
    memory_fault_arm(1);
    char large[5000] = {0};
    buffer_append(&buffer, large, sizeof large);
    assert_true(memory_fault_hit());
    assert_int_equal(buffer.status, CONCLAVE_NO_MEMORY);
    buffer_append(&buffer, "x", 1);
    assert_int_equal(buffer.status, CONCLAVE_NO_MEMORY);
    assert_true(slice_is_text(buffer_slice(&buffer), "kept"));
    buffer_clear(&buffer);
    buffer_append(&buffer, large, sizeof large);
    assert_int_equal(buffer.status, CONCLAVE_OK);
    buffer_close(&buffer);
}

/* Each kind of allocation counts, and exactly the n-th fails. */
static void test_memory_fault(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 5; n++) {
        memory_fault_arm(n);
        uint8_t *first = memory_allocate(16);
        uint8_t *second = memory_allocate_zeroed(4, 4);
        uint8_t *third = memory_resize(NULL, 16);
        int library = memory_fault_next();
        assert_int_equal(first == NULL, n == 1);
        assert_int_equal(second == NULL, n == 2);
        assert_int_equal(third == NULL, n == 3);
        assert_int_equal(library != 0, n == 4);
        assert_int_equal(memory_fault_hit() != 0, n <= 4);
        memory_fault_arm(0);
        assert_false(memory_fault_hit());
        if (second != NULL) {
            static const uint8_t zeros[16];
            assert_memory_equal(second, zeros, sizeof zeros);
        }
        memory_free(first);
        memory_free(second);
        memory_free(third);
    }
    memory_free(NULL);
    assert_null(memory_allocate_zeroed(SIZE_MAX, 2)); /* the product does not fit */
}

/* A resize that fails leaves what there was. */
static void test_memory_resize_fails(void **state)
{
    (void)state;
    uint8_t *data = memory_allocate(4);
    assert_non_null(data);
    memcpy(data, "abcd", 4);
    memory_fault_arm(1);
    assert_null(memory_resize(data, 1000));
    memory_fault_arm(0);
    assert_memory_equal(data, "abcd", 4);
    memory_free(data);
}

static void test_codes(void **state)
{
    (void)state;
    for (int code = 0; code < CONCLAVE_CODE_COUNT; code++) {
        const char *name = conclave_code_name((enum conclave_code)code);
        assert_non_null(name);
        assert_true(strlen(name) > 0 && strlen(name) < 32);
        for (const char *at = name; *at != '\0'; at++) {
            assert_true(islower((unsigned char)*at) || *at == '_');
        }
        assert_int_equal(conclave_code_from_name(name, strlen(name)), code);
        assert_true(strlen(conclave_code_text((enum conclave_code)code)) > 3);
        int status = conclave_code_exit_status((enum conclave_code)code);
        assert_true(status >= 0 && status <= 7);
        assert_int_equal(status == 0, code == CONCLAVE_OK);
        for (int other = 0; other < code; other++) {
            assert_string_not_equal(name, conclave_code_name((enum conclave_code)other));
        }
    }
    assert_int_equal(conclave_code_from_name("", 0), CONCLAVE_CODE_COUNT);
    assert_int_equal(conclave_code_from_name("poll_close", 10), CONCLAVE_CODE_COUNT);
    assert_int_equal(conclave_code_from_name("poll_closed and more", 11), CONCLAVE_POLL_CLOSED);
    assert_int_equal(conclave_code_from_name("Poll_closed", 11), CONCLAVE_CODE_COUNT);
}

/* The exit statuses that the command line promises, one code of each. */
static void test_exit_statuses(void **state)
{
    (void)state;
    static const struct {
        enum conclave_code code;
        int status;
    } promised[] = {
        {CONCLAVE_OK, 0},
        {CONCLAVE_IO, 1},
        {CONCLAVE_USAGE, 2},
        {CONCLAVE_CONFIG, 2},
        {CONCLAVE_NOT_FOUND, 3},
        {CONCLAVE_NOT_CHAIR, 4},
        {CONCLAVE_UNREACHABLE, 5},
        {CONCLAVE_NO_LEADER, 5},
        {CONCLAVE_POLL_CLOSED, 6},
        {CONCLAVE_DUPLICATE_ID, 6},
        {CONCLAVE_UNKNOWN_OUTCOME, 7},
    };
    for (size_t i = 0; i < sizeof promised / sizeof promised[0]; i++) {
        assert_int_equal(conclave_code_exit_status(promised[i].code), promised[i].status);
    }
}

static void test_slices(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_of(NULL, 0), slice_of_text("")));
    assert_true(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    assert_false(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
    assert_false(slice_equal(slice_of_text("a"), slice_of_text("ab")));
    assert_true(slice_is_text(slice_of("abc", 2), "ab"));
    assert_false(slice_is_text(slice_of("a\0", 2), "a"));
}

static void test_clock(void **state)
{
    (void)state;
    uint64_t before = clock_monotonic_ms(&clock_system);
    assert_true(clock_wall_ms(&clock_system) > UINT64_C(1704067200000)); /* 2024 began */
    assert_true(clock_monotonic_ms(&clock_system) >= before);
    uint64_t seen = random_next(&random_system);
    unsigned same = 0;
    for (unsigned i = 0; i < 8; i++) {
        same += random_next(&random_system) == seen;
    }
    assert_true(same < 8);
}

/* It says where and what, and the process ends by SIGABRT. */
static void test_assertion(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        struct buffer buffer;
        buffer_init(&buffer, 0);
        _exit(0);
    }
    assert_int_equal(close(ends[1]), 0);
    char text[512] = {0};
    size_t size = 0;
    ssize_t got;
    while ((got = read(ends[0], text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)got;
    }
    assert_int_equal(close(ends[0]), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "buffer.c:"));
    assert_non_null(strstr(text, "buffer_init"));
    assert_non_null(strstr(text, "limit_bytes > 0"));
}

/* Figures by hand: 4 tokens a second, 3 in a full bucket. */
static void test_rates(void **state)
{
    (void)state;
    const struct rate_limit limit = {4, 3};
    struct rate_bucket bucket = {0};
    uint64_t now_us = 5000000;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rate_wait_us(&bucket, &limit, now_us), 0);
        assert_true(rate_take(&bucket, &limit, now_us));
    }
    assert_false(rate_take(&bucket, &limit, now_us));
    assert_int_equal(rate_wait_us(&bucket, &limit, now_us), 250000);
    assert_int_equal(rate_wait_us(&bucket, &limit, now_us + 100000), 150000);
    assert_true(rate_take(&bucket, &limit, now_us + 250000));
    assert_false(rate_take(&bucket, &limit, now_us + 250000));
    rate_refund(&bucket, &limit, 2);
    assert_true(rate_take(&bucket, &limit, now_us + 250000));
    assert_true(rate_take(&bucket, &limit, now_us + 250000));
    assert_false(rate_take(&bucket, &limit, now_us + 250000));
    /* debts are paid: 8 more than there are take 2 s, and one must come back */
    rate_charge(&bucket, &limit, now_us + 250000, 8);
    assert_int_equal(rate_wait_us(&bucket, &limit, now_us + 250000), 2250000);
    /* it is never more than full, whatever is given back */
    rate_refund(&bucket, &limit, 1000);
    now_us = 100000000;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(rate_take(&bucket, &limit, now_us));
    }
    assert_false(rate_take(&bucket, &limit, now_us));
    /* 0: no limit */
    const struct rate_limit none = {0, 0};
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(rate_take(&bucket, &none, now_us));
    }
    /* the fastest is exact too */
    const struct rate_limit fast = {RATE_MOST, 2 * RATE_MOST};
    bucket = (struct rate_bucket){0};
    for (unsigned i = 0; i < 2 * RATE_MOST; i++) {
        assert_true(rate_take(&bucket, &fast, now_us));
    }
    assert_int_equal(rate_wait_us(&bucket, &fast, now_us), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_buffer_appends),
        cmocka_unit_test(test_buffer_limit),
        cmocka_unit_test(test_buffer_reserve),
        cmocka_unit_test(test_buffer_without_memory),
        cmocka_unit_test(test_memory_fault),
        cmocka_unit_test(test_memory_resize_fails),
        cmocka_unit_test(test_codes),
        cmocka_unit_test(test_exit_statuses),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_assertion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
