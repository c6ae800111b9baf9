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

#include "backup/backup_read.h"

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

/* --- Entries --- */

#define ENTRY(index, more) \
    "{\"schema\":\"conclave.entry.v1\",\"index\":\"" index "\",\"term\":\"3\"," more "}\n"
#define BATCH(more) "\"type\":\"batch\",\"time\":\"17\",\"closes\":[],\"commands\":[" more "]"

struct seen {
    unsigned count;
    struct backup_entry last;
    char close[16];
    uint8_t command[16];
    size_t command_size;
};

static enum conclave_code see(void *context, const struct backup_entry *entry,
                              struct codec_error *error)
{
    struct seen *seen = context;
    seen->count++;
    seen->last = *entry;
    if (entry->index == 99) {
        codec_error_set(error, "no more");
        return CONCLAVE_DISK_FULL;
    }
    if (entry->close_count > 0) {
        snprintf(seen->close, sizeof seen->close, "%.*s", (int)entry->closes[0].size,
                 (const char *)entry->closes[0].data);
    }
    if (entry->command_count > 0) {
        struct slice last = entry->commands[entry->command_count - 1];
        assert_true(last.size <= sizeof seen->command);
        memcpy(seen->command, last.data, last.size);
        seen->command_size = last.size;
    }
    return CONCLAVE_OK;
}

/* The lines, sealed, as they are read. */
static enum conclave_code read_lines(const struct fixture *fixture, const char *lines,
                                     struct seen *seen, char text[256])
{
    uint8_t sha256[BACKUP_SHA256_BYTES];
    struct codec_error error = {.text = ""};
    FILE *file = fopen(fixture->path, "w+b");
    assert_non_null(file);
    assert_true(fprintf(file, "{\"schema\":\"conclave.backup.v1\"}\n%s", lines) > 0);
    assert_int_equal(backup_file_seal(file), CONCLAVE_OK);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(backup_file_check(fixture->path, sha256, &error), CONCLAVE_OK);
    *seen = (struct seen){.count = 0};
    enum conclave_code code = backup_read(fixture->path, sha256, see, seen, &error);
    snprintf(text, 256, "%s", error.text);
    return code;
}

static const char entries[] =
    "{\"schema\":\"conclave.entry.v1\",\"index\":\"1\",\"term\":\"3\",\"time\":\"0\","
    "\"type\":\"configuration\",\"closes\":[],\"commands\":[]}\n"
    "{\"schema\":\"conclave.decision.v1\"}\n"
    "{\"schema\":\"conclave.entry.v1\",\"index\":\"2\",\"term\":\"3\",\"type\":\"batch\","
    "\"time\":\"1795533632606\",\"closes\":[\"lunch\"],\"commands\":[{\"command\":\"\"},"
    "{\"command\":\"AP_-\",\"code\":\"ok\"}]}\n";

static void entries_are_read(void **state)
{
    const struct fixture *fixture = *state;
    struct seen seen;
    char text[256];
    assert_int_equal(read_lines(fixture, entries, &seen, text), CONCLAVE_OK);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last.index, 2);
    assert_int_equal(seen.last.term, 3);
    assert_int_equal(seen.last.type, BACKUP_BATCH);
    assert_int_equal(seen.last.time_ms, 1795533632606);
    assert_int_equal(seen.last.close_count, 1);
    assert_string_equal(seen.close, "lunch");
    assert_int_equal(seen.last.command_count, 2);
    assert_int_equal(seen.command_size, 3);
    assert_memory_equal(seen.command, "\x00\xff\xfe", 3); /* RFC 4648, section 5 */
}

static void lines_that_are_no_entries_are_refused(void **state)
{
    static const char *const lines[] = {
        "not json\n",
        ENTRY("-1", BATCH("")),
        ENTRY("", BATCH("")),
        ENTRY("1x", BATCH("")),
        ENTRY(" 1", BATCH("")),
        ENTRY("18446744073709551616", BATCH("")), /* 2^64 */
        ENTRY("1", "\"type\":\"other\",\"time\":\"0\",\"closes\":[],\"commands\":[]"),
        ENTRY("1", "\"type\":\"batch\",\"time\":\"0\",\"closes\":[]"),
        ENTRY("1", "\"type\":\"batch\",\"closes\":[],\"commands\":[]"),
        ENTRY("1", BATCH("{\"command\":\"A\"}")),
        ENTRY("1", BATCH("{\"command\":\"AP+-\"}")),
        ENTRY("1", BATCH("{\"command\":7}")),
        ENTRY("1", BATCH("{}")),
    };
    const struct fixture *fixture = *state;
    struct seen seen;
    char text[256];
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(read_lines(fixture, lines[i], &seen, text), CONCLAVE_BAD_REQUEST);
        assert_non_null(strstr(text, "line 2: "));
        assert_int_equal(seen.count, 0);
    }
}

static void who_reads_may_end_it(void **state)
{
    const struct fixture *fixture = *state;
    struct seen seen;
    char text[256];
    assert_int_equal(
        read_lines(fixture, ENTRY("99", BATCH("")) ENTRY("100", BATCH("")), &seen, text),
        CONCLAVE_DISK_FULL);
    assert_int_equal(seen.count, 1);
    assert_string_equal(text, "no more");
}

static void another_backup_is_not_read(void **state)
{
    const struct fixture *fixture = *state;
    struct seen seen;
    char text[256];
    uint8_t sha256[BACKUP_SHA256_BYTES] = {1};
    struct codec_error error = {.text = ""};
    assert_int_equal(read_lines(fixture, ENTRY("1", BATCH("")), &seen, text), CONCLAVE_OK);
    assert_int_equal(backup_read(fixture->path, sha256, see, &seen, &error), CONCLAVE_NOT_PROVEN);
    assert_int_equal(seen.count, 1); /* from before */
    assert_non_null(strstr(error.text, "another backup"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sealed_has_the_checksum_of_its_bytes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_changed_byte_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cut_file_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(added_bytes_are_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_files_are_told_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(entries_are_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_that_are_no_entries_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_reads_may_end_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_backup_is_not_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
