/* The form of backup files: sealed, then cut at every place and with every byte changed. The
 * checksum line that is expected was made with coreutils:
 *   printf '{"schema":"conclave.backup.v1","cluster":"00"}\n{"schema":"conclave.end.v1"}\n' |
 * sha256sum
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backup/backup_file.h"

#define LINES \
    "{\"schema\":\"conclave.backup.v1\",\"cluster\":\"00\"}\n{\"schema\":\"conclave.end.v1\"}\n"
#define CHECKSUM                                      \
    "{\"schema\":\"conclave.sha256.v1\",\"bytes\":\"" \
    "76"                                              \
    "\",\"sha256\":\"e665fee211d10a343973ea4769da0715cf091007a1fc10997945f90a10eeb98b\"}\n"
#define WHOLE LINES CHECKSUM

struct fixture {
    char path[64];
};

static int set_up(void **state)
{
    static struct fixture fixture;
    snprintf(fixture.path, sizeof fixture.path, "/tmp/conclave-backup-XXXXXX");
    int fd = mkstemp(fixture.path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    const struct fixture *fixture = *state;
    return unlink(fixture->path);
}

static void write_file(const struct fixture *fixture, const char *bytes, size_t size)
{
    FILE *file = fopen(fixture->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static enum conclave_code check(const struct fixture *fixture, char text[256])
{
    struct codec_error error = {.text = ""};
    enum conclave_code code = backup_file_check(fixture->path, NULL, &error);
    snprintf(text, 256, "%s", error.text);
    return code;
}

static void sealed_has_the_checksum_of_its_bytes(void **state)
{
    const struct fixture *fixture = *state;
    char found[sizeof WHOLE + 1];
    char text[256];
    FILE *file = fopen(fixture->path, "w+b");
    assert_non_null(file);
    assert_true(fputs(LINES, file) >= 0);
    assert_int_equal(backup_file_seal(file), CONCLAVE_OK);
    assert_int_equal(fseek(file, 0, SEEK_SET), 0);
    size_t size = fread(found, 1, sizeof found, file);
    assert_int_equal(size, sizeof WHOLE - 1);
    assert_memory_equal(found, WHOLE, size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(check(fixture, text), CONCLAVE_OK);
}

/* Every byte, to each of a few others: by one bit, to its neighbours in the JSON sense (a newline
 * to another space), to nothing like it. */
static void one_changed_byte_is_seen(void **state)
{
    static const uint8_t changes[] = {0x01, 0x02, 0x07, 0x20, 0x2a, 0x80, 0xff};
    const struct fixture *fixture = *state;
    char bytes[] = WHOLE;
    char text[256];
    for (size_t i = 0; i < sizeof bytes - 1; i++) {
        for (size_t j = 0; j < sizeof changes; j++) {
            char was = bytes[i];
            bytes[i] = (char)(bytes[i] ^ (char)changes[j]);
            write_file(fixture, bytes, sizeof bytes - 1);
            assert_int_not_equal(check(fixture, text), CONCLAVE_OK);
            assert_int_not_equal(strlen(text), 0);
            bytes[i] = was;
        }
    }
    write_file(fixture, bytes, sizeof bytes - 1);
    assert_int_equal(check(fixture, text), CONCLAVE_OK);
}

static void a_cut_file_is_seen(void **state)
{
    const struct fixture *fixture = *state;
    const size_t head = sizeof "{\"schema\":\"conclave.backup.v1\"" - 1;
    char text[256];
    for (size_t size = 0; size < sizeof WHOLE - 1; size++) {
        write_file(fixture, WHOLE, size);
        enum conclave_code code = check(fixture, text);
        if (size < head) {
            assert_int_not_equal(code, CONCLAVE_OK); /* what it was is not known any more */
        } else {
            assert_int_equal(code, CONCLAVE_NOT_PROVEN);
        }
    }
}

static void added_bytes_are_seen(void **state)
{
    const struct fixture *fixture = *state;
    char text[256];
    write_file(fixture, WHOLE "\n", sizeof WHOLE);
    assert_int_equal(check(fixture, text), CONCLAVE_NOT_PROVEN);
    write_file(fixture, WHOLE CHECKSUM, sizeof WHOLE + sizeof CHECKSUM - 2);
    assert_int_equal(check(fixture, text), CONCLAVE_NOT_PROVEN);
}

/* Another line in a file that was sealed anew is not found by the checksum, but by what verify
 * does; other files are told from backups. */
static void other_files_are_told_apart(void **state)
{
    static const struct {
        const char *head;
        enum conclave_code code;
        const char *says;
    } cases[] = {
        {"{\"schema\":\"conclave.backup.v2\"}\n", CONCLAVE_BAD_VERSION, "another version"},
        {"{\"schema\":\"conclave.backup.v10\"}\n", CONCLAVE_BAD_VERSION, "another version"},
        {"{\"schema\":\"conclave.export.v1\"}\n", CONCLAVE_BAD_REQUEST, "no backup"},
        {"hello\n", CONCLAVE_BAD_REQUEST, "no backup"},
    };
    const struct fixture *fixture = *state;
    char text[256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *file = fopen(fixture->path, "w+b");
        assert_non_null(file);
        assert_true(fputs(cases[i].head, file) >= 0);
        assert_int_equal(backup_file_seal(file), CONCLAVE_OK);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(check(fixture, text), cases[i].code);
        assert_non_null(strstr(text, cases[i].says));
    }
    assert_int_equal(unlink(fixture->path), 0);
    assert_int_equal(check(fixture, text), CONCLAVE_NOT_FOUND);
    write_file(fixture, "", 0);
    assert_int_equal(check(fixture, text), CONCLAVE_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sealed_has_the_checksum_of_its_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_changed_byte_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_file_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(added_bytes_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_files_are_told_apart, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
