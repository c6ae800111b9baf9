/* Times, durations and numbers as people write and read them. */
#ifndef CONCLAVE_FORMAT_H
#define CONCLAVE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define FORMAT_TIME_BYTES     32u
#define FORMAT_DURATION_BYTES 32u

/* "500ms", "90s", "1h30m", "2d", "1w": numbers with units, the greater unit first or not. False for
 * anything else, for 0 units, and past 2^63 ms. */
bool format_parse_duration(const char *text, uint64_t *duration_ms) MUST_USE;

/* RFC 3339 in UTC ("2026-08-01T12:00:00Z", also without seconds, with a space for the T, or only
 * the date for its midnight) or with an offset ("+02:00"). */
bool format_parse_time(const char *text, uint64_t *time_ms) MUST_USE;

/* Decimal digits only, no sign; false past 2^64 - 1. */
bool format_parse_u64(const char *text, uint64_t *value) MUST_USE;

/* "2026-08-01 12:00:00Z"; with milliseconds: "2026-08-01T12:00:00.123Z". "-" for 0. */
void format_time(uint64_t time_ms, char text[FORMAT_TIME_BYTES]);
void format_time_exact(uint64_t time_ms, char text[FORMAT_TIME_BYTES]);

/* The two greatest units: "1d 3h", "5m 10s", "0s"; below a second "250ms". */
void format_duration(uint64_t duration_ms, char text[FORMAT_DURATION_BYTES]);

#endif
