/* See the header. */
#include "support/log_pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_MAX 2000u

enum conclave_code log_pages_append(struct log *log, uint64_t first_index, size_t count)
{
    static uint8_t data[COUNT_MAX][LOG_PAGES_BYTES];
    static struct log_entry entries[COUNT_MAX];
    assert_true(count <= COUNT_MAX);
    for (size_t i = 0; i < count; i++) {
        memset(data[i], (int)((first_index + i) % 251), LOG_PAGES_BYTES);
        entries[i] = (struct log_entry){.term = first_index + i,
                                        .type = LOG_ENTRY_COMMAND,
                                        .data = slice_of(data[i], LOG_PAGES_BYTES)};
    }
    return log_append(log, first_index, entries, count);
}

enum conclave_code log_pages_expect_one(void *context, uint64_t index,
                                        const struct log_entry *entry)
{
    uint64_t *count = context;
    assert_int_equal(entry->term, index);
    assert_int_equal(entry->data.size, LOG_PAGES_BYTES);
    assert_int_equal(entry->data.data[0], index % 251);
    assert_int_equal(entry->data.data[LOG_PAGES_BYTES - 1], index % 251);
    ++*count;
    return CONCLAVE_OK;
}

void log_pages_expect(struct log *log, uint64_t count)
{
    uint64_t seen = 0;
    assert_int_equal(log_last_index(log), count);
    if (count > 0) {
        assert_int_equal(log_read(log, 1, count, log_pages_expect_one, &seen), CONCLAVE_OK);
    }
    assert_int_equal(seen, count);
}
