/* Memory and addresses that libraries ask for: each allocation of LMDB's and msgpack-c's fails in
 * turn, and the map cannot grow. (Sanitizers bring their own malloc: this is not built for them.)
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "codec/reader.h"
#include "codec/writer.h"
#include "kv/kv_lmdb.h"
#include "log/log_lmdb.h"
#include "support/scratch.h"

#define ROUNDS_MAX 5000u
#define DATA_BYTES 4000u

/* --- malloc, with a countdown to one failure --- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *data, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static uint64_t fault_countdown;
static bool fault_hit;

static bool fault(void)
{
    if (fault_countdown == 0 || --fault_countdown > 0) {
        return false;
    }
    fault_hit = true;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fault() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fault() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *data, size_t size)
{
    return fault() ? NULL : __libc_realloc(data, size);
}

int posix_memalign(void **data, size_t alignment, size_t size)
{
    *data = fault() ? NULL : __libc_memalign(alignment, size);
    return *data == NULL ? ENOMEM : 0;
}

/* --- What is tried --- */

static char scratch[SCRATCH_PATH_BYTES];
static char kv_directory[SCRATCH_PATH_BYTES];
static char log_directory[SCRATCH_PATH_BYTES];

static int setup(void **state)
{
    (void)state;
    scratch_make(scratch);
    scratch_join(kv_directory, scratch, "state");
    scratch_join(log_directory, scratch, "log");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

static enum conclave_code put_all(struct kv_transaction *transaction)
{
    enum conclave_code rv = CONCLAVE_OK;
    struct slice key;
    for (unsigned i = 0; i < 50 && rv == CONCLAVE_OK; i++) {
        char name[8];
        int size = snprintf(name, sizeof name, "%u", i * 77 % 50);
        rv = kv_put(transaction, slice_of(name, (size_t)size), slice_of_text("a value"));
    }
    if (rv == CONCLAVE_OK) {
        rv = kv_remove(transaction, slice_of_text("7"));
    }
    return rv == CONCLAVE_OK ? kv_seek(transaction, slice_of_text("3"), &key, NULL) : rv;
}

static enum conclave_code try_kv(void)
{
    struct kv *kv;
    struct kv_transaction *transaction;
    enum conclave_code rv = kv_lmdb_open(kv_directory, 0, &kv);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    rv = kv_begin(kv, true, &transaction);
    if (rv == CONCLAVE_OK) {
        rv = put_all(transaction);
        if (rv == CONCLAVE_OK) {
            rv = kv_commit(transaction);
        } else {
            kv_abort(transaction);
        }
    }
    if (rv == CONCLAVE_OK) {
        rv = kv_begin(kv, false, &transaction);
        if (rv == CONCLAVE_OK) {
            struct slice key;
            rv = kv_seek_last(transaction, slice_of_text("3"), &key, NULL);
            kv_abort(transaction);
        }
    }
    kv_close(kv);
    return rv;
}

static enum conclave_code ignore_entry(void *context, uint64_t index, const struct log_entry *entry)
{
    (void)context;
    (void)index;
    (void)entry;
    return CONCLAVE_OK;
}

static enum conclave_code append_data(struct log *log, uint64_t index)
{
    static const uint8_t data[DATA_BYTES];
    const struct log_entry entries[] = {
        {.term = 1, .type = LOG_ENTRY_COMMAND, .data = slice_of(data, sizeof data)},
        {.term = 1, .type = LOG_ENTRY_COMMAND, .data = slice_of(data, 100)},
    };
    return log_append(log, index, entries, 2);
}

static enum conclave_code try_log(void)
{
    struct log *log;
    enum conclave_code rv = log_lmdb_open(log_directory, 0, &log);
    if (rv != CONCLAVE_OK) {
        return rv;
    }
    uint64_t last_index = log_last_index(log);
    rv = append_data(log, last_index == 0 ? 1 : last_index); /* drops one, if there is one */
    if (rv == CONCLAVE_OK) {
        rv = log_save_vote(log, (struct log_vote){1, 2});
    }
    if (rv == CONCLAVE_OK) {
        rv = log_read(log, 1, log_last_index(log), ignore_entry, NULL);
    }
    log_close(log);
    return rv;
}

/* Enough arrays that msgpack-c needs several pieces of memory. */
static enum conclave_code try_codec(void)
{
    struct buffer buffer;
    struct codec_tree tree;
    buffer_init(&buffer, 100000);
    codec_write_array(&buffer, 3000);
    for (unsigned i = 0; i < 3000; i++) {
        codec_write_array(&buffer, 1);
        codec_write_u64(&buffer, i);
    }
    enum conclave_code rv = buffer.status;
    if (rv == CONCLAVE_OK) {
        rv = codec_parse(&tree, buffer_slice(&buffer));
        if (rv == CONCLAVE_OK) {
            codec_tree_close(&tree);
        }
    }
    buffer_close(&buffer);
    return rv;
}

/* Each failure is NO_MEMORY, and what comes after it works. */
static void fail_each_allocation(enum conclave_code (*tried)(void))
{
    uint64_t n = 1;
    for (; n < ROUNDS_MAX; n++) {
        fault_hit = false;
        fault_countdown = n;
        enum conclave_code rv = tried();
        fault_countdown = 0;
        assert_int_equal(rv, fault_hit ? CONCLAVE_NO_MEMORY : CONCLAVE_OK);
        if (!fault_hit) {
            break;
        }
        assert_int_equal(tried(), CONCLAVE_OK);
    }
    assert_true(n > 5 && n < ROUNDS_MAX);
}

static void test_codec(void **state)
{
    (void)state;
    fail_each_allocation(try_codec);
}

static void test_kv(void **state)
{
    (void)state;
    fail_each_allocation(try_kv);
}

static void test_log(void **state)
{
    (void)state;
    fail_each_allocation(try_log);
}

/* --- A map that cannot grow --- */

/* Leaves this process `bytes` of addresses beyond what it has. */
static bool limit_addresses(size_t bytes)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    bool read = file != NULL && fscanf(file, "%lu", &pages) == 1;
    if (file != NULL && fclose(file) != 0) {
        return false;
    }
    size_t limit = pages * (size_t)sysconf(_SC_PAGESIZE) + bytes;
    struct rlimit addresses = {.rlim_cur = limit, .rlim_max = limit};
    return read && setrlimit(RLIMIT_AS, &addresses) == 0;
}

/* Appends until it fails; says how, and whether all that was acknowledged can still be read. */
static int fill_log(void)
{
    struct log *log;
    uint64_t last_index = 0;
    if (log_lmdb_open(log_directory, (size_t)8 << 20, &log) != CONCLAVE_OK ||
        !limit_addresses((size_t)12 << 20)) {
        return 1;
    }
    enum conclave_code rv = CONCLAVE_OK;
    while (rv == CONCLAVE_OK && last_index < 10000) {
        rv = append_data(log, last_index + 1);
        last_index = log_last_index(log);
    }
    if (rv != CONCLAVE_DISK_FULL || last_index < 1000) {
        return 2;
    }
    if (log_read(log, 1, last_index, ignore_entry, NULL) != CONCLAVE_OK) {
        return 3;
    }
    log_close(log);
    return 7;
}

static int fill_kv(void)
{
    static const uint8_t value[DATA_BYTES];
    struct kv *kv;
    struct kv_transaction *transaction;
    if (kv_lmdb_open(kv_directory, (size_t)8 << 20, &kv) != CONCLAVE_OK ||
        !limit_addresses((size_t)12 << 20)) {
        return 1;
    }
    enum conclave_code rv = CONCLAVE_OK;
    uint32_t number = 0;
    for (; rv == CONCLAVE_OK && number < 10000; number++) {
        rv = kv_begin(kv, true, &transaction);
        if (rv != CONCLAVE_OK) {
            return 2;
        }
        rv = kv_put(transaction, slice_of(&number, sizeof number), slice_of(value, sizeof value));
        if (rv == CONCLAVE_OK) {
            rv = kv_commit(transaction);
        } else {
            kv_abort(transaction);
        }
    }
    if (rv != CONCLAVE_DISK_FULL || number < 1000) {
        return 3;
    }
    number = 0;
    if (kv_begin(kv, false, &transaction) != CONCLAVE_OK ||
        kv_get(transaction, slice_of(&number, sizeof number), NULL) != CONCLAVE_OK) {
        return 4;
    }
    kv_abort(transaction);
    kv_close(kv);
    return 7;
}

static void expect_in_child(int (*filled)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(filled());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

/* Without addresses for a larger map the store says that it is full, and what it has can be read.
 */
static void test_no_addresses(void **state)
{
    (void)state;
    expect_in_child(fill_log);
    expect_in_child(fill_kv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_codec, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kv, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_addresses, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
