/* The scrub: everything is read, what is damaged is told, where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/scrub.h"
#include "kv/kv_memory.h"
#include "log/log_memory.h"

#define ENTRIES     700u
#define ENTRY_BYTES 1000u
#define VALUES      600u
#define FAST        (1024u * 1024u * 1024u)

struct fixture {
    uv_loop_t loop;
    struct log *log;
    struct kv *kv;
    struct http_instruments instruments;
    struct scrub *scrub;
    struct scrub_finding finding;
    unsigned findings;
};

static void found(void *context, const struct scrub_finding *finding)
{
    struct fixture *fixture = context;
    fixture->finding = *finding;
    fixture->findings++;
}

static void fill(struct fixture *fixture)
{
    static const uint8_t bytes[ENTRY_BYTES] = {1, 2, 3};
    for (uint64_t index = 1; index <= ENTRIES; index++) {
        struct log_entry entry = {
            .term = 1, .type = LOG_ENTRY_COMMAND, .data = slice_of(bytes, sizeof bytes)};
        assert_int_equal(log_append(fixture->log, index, &entry, 1), CONCLAVE_OK);
    }
    struct kv_transaction *transaction;
    assert_int_equal(kv_begin(fixture->kv, true, &transaction), CONCLAVE_OK);
    for (unsigned i = 0; i < VALUES; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %04u", i);
        assert_int_equal(kv_put(transaction, slice_of_text(key), slice_of(bytes, sizeof bytes)),
                         CONCLAVE_OK);
    }
    assert_int_equal(kv_commit(transaction), CONCLAVE_OK);
}

static void open_scrub(struct fixture *fixture, uint64_t bytes_a_second)
{
    const struct scrub_config config = {.loop = &fixture->loop,
                                        .log = fixture->log,
                                        .kv = fixture->kv,
                                        .instruments = &fixture->instruments,
                                        .bytes_a_second = bytes_a_second,
                                        .rest_ms = 1,
                                        .found = found,
                                        .context = fixture};
    assert_int_equal(scrub_open(&config, &fixture->scrub), CONCLAVE_OK);
}

static void run_until(struct fixture *fixture, bool (*done)(struct fixture *fixture))
{
    uint64_t until_ns = uv_hrtime() + 20ull * 1000 * 1000 * 1000;
    while (!done(fixture)) {
        assert_true(uv_hrtime() < until_ns);
        (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
}

static bool two_rounds(struct fixture *fixture)
{
    return metric_value(&fixture->instruments.scrub_rounds) >= 2;
}

static bool has_found(struct fixture *fixture)
{
    return fixture->findings > 0;
}

static int setup(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof fixture);
    assert_int_equal(uv_loop_init(&fixture.loop), 0);
    assert_int_equal(log_memory_open(&fixture.log), CONCLAVE_OK);
    assert_int_equal(kv_memory_open(&fixture.kv), CONCLAVE_OK);
    fill(&fixture);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    scrub_close(fixture->scrub);
    assert_int_equal(uv_run(&fixture->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
    log_close(fixture->log);
    kv_close(fixture->kv);
    return 0;
}

static void test_all_is_read(void **state)
{
    struct fixture *fixture = *state;
    open_scrub(fixture, FAST);
    run_until(fixture, two_rounds);
    uint64_t each = ENTRIES * ENTRY_BYTES + VALUES * (8u + ENTRY_BYTES);
    assert_true(metric_value(&fixture->instruments.scrub_bytes) >= 2 * each);
    assert_int_equal(fixture->findings, 0);
}

static void test_damage_is_told(void **state)
{
    struct fixture *fixture = *state;
    log_memory_corrupt(fixture->log, 601, 77);
    open_scrub(fixture, FAST);
    run_until(fixture, has_found);
    assert_int_equal(fixture->finding.store, SCRUB_LOG);
    assert_true(fixture->finding.index == 601);
    assert_int_equal(metric_value(&fixture->instruments.scrub_log_findings), 1);
    /* It stands still; mended, the round goes to its end. */
    assert_int_equal(metric_value(&fixture->instruments.scrub_rounds), 0);
    log_memory_corrupt(fixture->log, 601, 77);
    scrub_go_on(fixture->scrub, 601);
    run_until(fixture, two_rounds);
    assert_int_equal(fixture->findings, 1);
}

/* A chunk of 256 KiB, and then a pause that keeps to the rate. */
static void test_it_is_slow(void **state)
{
    struct fixture *fixture = *state;
    uint64_t began_ns = uv_hrtime();
    open_scrub(fixture, 4u * 1024 * 1024);
    while (metric_value(&fixture->instruments.scrub_bytes) < 4 * 256u * 1024) {
        (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
    /* The fourth chunk comes after three pauses of a sixteenth of a second. */
    assert_true(uv_hrtime() - began_ns >= 3ull * 62 * 1000 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_it_is_slow, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
