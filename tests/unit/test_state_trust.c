/* When the state on disk is believed, wiped, and marked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/state_trust.h"

#define BOOT  "11111111-2222-3333-4444-555555555555"
#define OTHER "99999999-2222-3333-4444-555555555555"

struct fixture {
    char directory[64];
    char data[96], trust[96];
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    (void)snprintf(fixture->directory, sizeof fixture->directory, "/tmp/conclave-trust-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    (void)snprintf(fixture->data, sizeof fixture->data, "%s/data.mdb", fixture->directory);
    (void)snprintf(fixture->trust, sizeof fixture->trust, "%s/TRUST", fixture->directory);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    (void)unlink(fixture->data);
    (void)unlink(fixture->trust);
    assert_int_equal(rmdir(fixture->directory), 0); /* and nothing else was left there */
    free(fixture);
    return 0;
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void expect_trust(const struct fixture *fixture, const char *text)
{
    char line[128] = "";
    FILE *file = fopen(fixture->trust, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(fclose(file), 0);
    line[strcspn(line, "\n")] = '\0';
    assert_string_equal(line, text);
}

/* Begins with `trust` in the file (NULL: no file) and data there; is the data kept? */
static bool kept_with(struct fixture *fixture, const char *trust, const char *boot_id)
{
    bool wiped = false;
    (void)unlink(fixture->trust);
    write_text(fixture->data, "state");
    if (trust != NULL) {
        write_text(fixture->trust, trust);
    }
    assert_int_equal(state_trust_begin(fixture->directory, boot_id, &wiped), CONCLAVE_OK);
    expect_trust(fixture, boot_id);
    bool there = access(fixture->data, F_OK) == 0;
    assert_int_equal(wiped, !there);
    return there;
}

static void test_what_is_believed(void **state)
{
    struct fixture *fixture = *state;
    assert_true(kept_with(fixture, BOOT "\n", BOOT));   /* the process died, the machine did not */
    assert_true(kept_with(fixture, "clean\n", BOOT));   /* closed in order, before any boot */
    assert_false(kept_with(fixture, OTHER "\n", BOOT)); /* the machine stopped */
    assert_false(kept_with(fixture, NULL, BOOT));
    assert_false(kept_with(fixture, "", BOOT));
    assert_false(kept_with(fixture, "nonsense", BOOT));
    assert_false(kept_with(fixture, "cleanly\n", BOOT));
    assert_false(kept_with(fixture, "1111", BOOT));
}

static void test_without_a_boot_id_only_clean_counts(void **state)
{
    struct fixture *fixture = *state;
    bool wiped;
    write_text(fixture->data, "state");
    write_text(fixture->trust, "\n");
    assert_int_equal(state_trust_begin(fixture->directory, "", &wiped), CONCLAVE_OK);
    assert_true(wiped);
    write_text(fixture->data, "state");
    write_text(fixture->trust, "clean\n");
    assert_int_equal(state_trust_begin(fixture->directory, "", &wiped), CONCLAVE_OK);
    assert_false(wiped);
}

static void test_nothing_to_wipe_is_said(void **state)
{
    struct fixture *fixture = *state;
    bool wiped = true;
    assert_int_equal(state_trust_begin(fixture->directory, BOOT, &wiped), CONCLAVE_OK);
    assert_false(wiped);
    expect_trust(fixture, BOOT);
}

static void test_end_marks_clean(void **state)
{
    struct fixture *fixture = *state;
    bool wiped;
    write_text(fixture->data, "state");
    write_text(fixture->trust, "clean");
    assert_int_equal(state_trust_begin(fixture->directory, BOOT, &wiped), CONCLAVE_OK);
    assert_int_equal(state_trust_end(fixture->directory), CONCLAVE_OK);
    expect_trust(fixture, "clean");
    assert_int_equal(state_trust_begin(fixture->directory, OTHER, &wiped), CONCLAVE_OK);
    assert_false(wiped);
    expect_trust(fixture, OTHER);
}

static void test_withdrawn_trust(void **state)
{
    struct fixture *fixture = *state;
    bool wiped;
    write_text(fixture->data, "state");
    write_text(fixture->trust, BOOT "\n");
    assert_int_equal(state_trust_withdraw(fixture->directory), CONCLAVE_OK);
    assert_int_equal(access(fixture->data, F_OK), 0); /* it may still be open */
    assert_int_equal(state_trust_begin(fixture->directory, BOOT, &wiped), CONCLAVE_OK);
    assert_true(wiped);
    expect_trust(fixture, BOOT);
}

static void test_wipe_on_demand(void **state)
{
    struct fixture *fixture = *state;
    bool wiped;
    write_text(fixture->data, "damaged");
    write_text(fixture->trust, BOOT "\n");
    assert_int_equal(state_trust_wipe(fixture->directory, &wiped), CONCLAVE_OK);
    assert_true(wiped);
    assert_int_equal(access(fixture->data, F_OK), -1);
    expect_trust(fixture, BOOT);
}

static void test_failures_are_told(void **state)
{
    (void)state;
    bool wiped;
    assert_int_equal(state_trust_begin("/nonexistent/state", BOOT, &wiped), CONCLAVE_IO);
    assert_int_equal(state_trust_end("/nonexistent/state"), CONCLAVE_IO);
    assert_int_equal(state_trust_wipe("/nonexistent/state", &wiped), CONCLAVE_IO);
}

static void test_boot_id_of_this_machine(void **state)
{
    (void)state;
    char first[STATE_TRUST_BOOT_ID_BYTES], second[STATE_TRUST_BOOT_ID_BYTES];
    state_trust_boot_id(first);
    state_trust_boot_id(second);
    assert_string_equal(first, second);
    if (access("/proc/sys/kernel/random/boot_id", R_OK) == 0) {
        assert_int_equal(strlen(first), 36); /* a UUID, RFC 4122 section 3 */
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_is_believed),        TEST(test_without_a_boot_id_only_clean_counts),
        TEST(test_nothing_to_wipe_is_said), TEST(test_end_marks_clean),
        TEST(test_withdrawn_trust),         TEST(test_wipe_on_demand),
        TEST(test_failures_are_told),       TEST(test_boot_id_of_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
