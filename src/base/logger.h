/* Log lines: one line an event, in logfmt or JSON, with a level, a message and typed fields.
 *
 *   LOG_INFO("elected", FIELD_U64("term", 7), FIELD_TEXT("peer", address));
 *   ts=2026-01-02T03:04:05.678Z level=info msg="elected" node=1 term=7 peer=127.0.0.1:7101
 *
 * Values are quoted as needed; control characters never reach the output raw. Secrets (keys,
 * passphrases, signatures) are never fields. Lines go out whole, by one write. Safe to call from
 * any thread.
 */
#ifndef BASE_LOGGER_H
#define BASE_LOGGER_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/slice.h"

enum logger_level {
    LOGGER_DEBUG,
    LOGGER_INFO,
    LOGGER_WARN,
    LOGGER_ERROR,
    LOGGER_OFF
};
enum logger_format {
    LOGGER_LOGFMT,
    LOGGER_JSON
};

enum logger_field_type {
    LOGGER_FIELD_END,
    LOGGER_FIELD_U64,
    LOGGER_FIELD_I64,
    LOGGER_FIELD_TEXT,
    LOGGER_FIELD_SLICE
};

struct logger_field {
    enum logger_field_type type;
    const char *key; /* [a-z0-9_]+ */
    union {
        uint64_t u64;
        int64_t i64;
        const char *text; /* NULL is written as an empty value */
        struct slice slice;
    };
};

#define FIELD_U64(key_, value_) \
    ((struct logger_field){.type = LOGGER_FIELD_U64, .key = (key_), .u64 = (value_)})
#define FIELD_I64(key_, value_) \
    ((struct logger_field){.type = LOGGER_FIELD_I64, .key = (key_), .i64 = (value_)})
#define FIELD_TEXT(key_, value_) \
    ((struct logger_field){.type = LOGGER_FIELD_TEXT, .key = (key_), .text = (value_)})
#define FIELD_SLICE(key_, value_) \
    ((struct logger_field){.type = LOGGER_FIELD_SLICE, .key = (key_), .slice = (value_)})

/* Starts as: warnings and errors, logfmt, to standard error, no node field. `node_id` 0 leaves the
 * field out. */
void logger_configure(enum logger_level level, enum logger_format format, uint64_t node_id);

/* Sends lines to a file (appended, created with mode 0640), or to standard error when `path` is
 * NULL. IO when it cannot be opened: the old destination stays. logger_reopen opens the same path
 * anew (SIGHUP). */
enum conclave_code logger_open(const char *path) MUST_USE;
enum conclave_code logger_reopen(void) MUST_USE;
void logger_close(void);

bool logger_enabled(enum logger_level level);

/* `fields` ends with a field of type LOGGER_FIELD_END. Use the macros. */
void logger_write(enum logger_level level, const char *message, const struct logger_field *fields);

#define LOGGER_AT(level_, message_, ...)                                             \
    do {                                                                             \
        if (logger_enabled(level_)) {                                                \
            logger_write(level_, message_,                                           \
                         (const struct logger_field[]){                              \
                             __VA_ARGS__ __VA_OPT__(, ){.type = LOGGER_FIELD_END}}); \
        }                                                                            \
    } while (0)

#define LOG_DEBUG(message_, ...) LOGGER_AT(LOGGER_DEBUG, message_, __VA_ARGS__)
#define LOG_INFO(message_, ...)  LOGGER_AT(LOGGER_INFO, message_, __VA_ARGS__)
#define LOG_WARN(message_, ...)  LOGGER_AT(LOGGER_WARN, message_, __VA_ARGS__)
#define LOG_ERROR(message_, ...) LOGGER_AT(LOGGER_ERROR, message_, __VA_ARGS__)

#endif
