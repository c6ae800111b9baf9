/* Entries as large as a page of a disk, whose bytes and terms tell their index: to fill a log, and
 * to see that it has them. */
#ifndef SUPPORT_LOG_PAGES_H
#define SUPPORT_LOG_PAGES_H

#include "log/log.h"

#define LOG_PAGES_BYTES 4000u

/* Appends `count` of them, 2,000 at most. log_append's errors. */
enum conclave_code log_pages_append(struct log *log, uint64_t first_index, size_t count);

/* For log_read: asserts that it is one of these, and counts it in `context`, a uint64_t. */
enum conclave_code log_pages_expect_one(void *context, uint64_t index,
                                        const struct log_entry *entry);

/* Asserts that the log has these, from 1 to `count`, and no others. */
void log_pages_expect(struct log *log, uint64_t count);

#endif
