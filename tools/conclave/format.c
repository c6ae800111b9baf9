/* Times, durations and numbers as people write and read them. */
#include "format.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *name;
    uint64_t ms;
} units[] = {
    {"w", 7ull * 24 * 3600 * 1000},
    {"d", 24ull * 3600 * 1000},
    {"h", 3600ull * 1000},
    {"ms", 1},
    {"m", 60ull * 1000},
    {"s", 1000},
};

bool format_parse_u64(const char *text, uint64_t *value)
{
    ASSERT(text != NULL && value != NULL);
    uint64_t number = 0;
    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (!isdigit((unsigned char)*text) || __builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number)) {
            return false;
        }
    }
    *value = number;
    return true;
}

/* The unit at the start of `text`, and how long it is written. */
static uint64_t parse_unit(const char *text, size_t *size)
{
    size_t letters = 0;
    while (isalpha((unsigned char)text[letters])) {
        letters++;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == letters && memcmp(units[i].name, text, letters) == 0) {
            *size = letters;
            return units[i].ms;
        }
    }
    return 0;
}

bool format_parse_duration(const char *text, uint64_t *duration_ms)
{
    ASSERT(text != NULL && duration_ms != NULL);
    uint64_t total = 0;
    if (*text == '\0') {
        return false;
    }
    while (*text != '\0') {
        uint64_t number = 0;
        size_t digits = 0;
        for (; isdigit((unsigned char)text[digits]); digits++) {
            if (__builtin_mul_overflow(number, 10u, &number) ||
                __builtin_add_overflow(number, (uint64_t)(text[digits] - '0'), &number)) {
                return false;
            }
        }
        size_t size = 0;
        uint64_t unit = digits == 0 ? 0 : parse_unit(text + digits, &size);
        if (unit == 0 || __builtin_mul_overflow(number, unit, &number) ||
            __builtin_add_overflow(total, number, &total) || total > INT64_MAX) {
            return false;
        }
        text += digits + size;
    }
    *duration_ms = total;
    return true;
}

/* "Z", "+02:00", "-0530", or nothing (UTC): minutes east. */
static bool parse_offset(const char *text, int *minutes)
{
    *minutes = 0;
    if (*text == '\0' || ((*text == 'Z' || *text == 'z') && text[1] == '\0')) {
        return true;
    }
    if (*text != '+' && *text != '-') {
        return false;
    }
    int hours = 0;
    int rest = 0;
    int used = 0;
    if ((sscanf(text + 1, "%2d:%2d%n", &hours, &rest, &used) != 2 || text[1 + used] != '\0') &&
        (sscanf(text + 1, "%2d%2d%n", &hours, &rest, &used) != 2 || text[1 + used] != '\0')) {
        return false;
    }
    if (hours < 0 || hours > 23 || rest < 0 || rest > 59) {
        return false;
    }
    *minutes = (hours * 60 + rest) * (*text == '-' ? -1 : 1);
    return true;
}

bool format_parse_time(const char *text, uint64_t *time_ms)
{
    ASSERT(text != NULL && time_ms != NULL);
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm parts = {0};
        const char *rest = strptime(text, forms[i], &parts);
        int minutes;
        if (rest == NULL || !parse_offset(rest, &minutes)) {
            continue;
        }
        struct tm checked = parts;
        time_t seconds = timegm(&checked);
        if (checked.tm_mday != parts.tm_mday || seconds < 0) { /* 31 February */
            return false;
        }
        int64_t moved = (int64_t)seconds - (int64_t)minutes * 60;
        if (moved < 0) {
            return false;
        }
        *time_ms = (uint64_t)moved * 1000u;
        return true;
    }
    return false;
}

static bool break_down(uint64_t time_ms, struct tm *parts)
{
    time_t seconds = (time_t)(time_ms / 1000u);
    return time_ms / 1000u < 253402300800u /* year 10000 */ && gmtime_r(&seconds, parts) != NULL;
}

void format_time(uint64_t time_ms, char text[FORMAT_TIME_BYTES])
{
    ASSERT(text != NULL);
    struct tm parts;
    if (time_ms == 0 || !break_down(time_ms, &parts)) {
        snprintf(text, FORMAT_TIME_BYTES, "-");
        return;
    }
    size_t written = strftime(text, FORMAT_TIME_BYTES, "%Y-%m-%d %H:%M:%SZ", &parts);
    ASSERT(written > 0);
}

void format_time_exact(uint64_t time_ms, char text[FORMAT_TIME_BYTES])
{
    ASSERT(text != NULL);
    struct tm parts;
    if (time_ms == 0 || !break_down(time_ms, &parts)) {
        snprintf(text, FORMAT_TIME_BYTES, "-");
        return;
    }
    char head[FORMAT_TIME_BYTES];
    size_t written = strftime(head, sizeof head, "%Y-%m-%dT%H:%M:%S", &parts);
    ASSERT(written > 0);
    snprintf(text, FORMAT_TIME_BYTES, "%.*s.%03uZ", 19, head, (unsigned)(time_ms % 1000u));
}

void format_duration(uint64_t duration_ms, char text[FORMAT_DURATION_BYTES])
{
    ASSERT(text != NULL);
    uint64_t seconds = duration_ms / 1000u;
    unsigned long long days = seconds / 86400u;
    unsigned hours = (unsigned)(seconds / 3600u % 24u);
    unsigned minutes = (unsigned)(seconds / 60u % 60u);
    unsigned rest = (unsigned)(seconds % 60u);
    if (days > 0) {
        snprintf(text, FORMAT_DURATION_BYTES, "%llud %uh", days, hours);
    } else if (hours > 0) {
        snprintf(text, FORMAT_DURATION_BYTES, "%uh %um", hours, minutes);
    } else if (minutes > 0) {
        snprintf(text, FORMAT_DURATION_BYTES, "%um %us", minutes, rest);
    } else if (seconds > 0 || duration_ms == 0) {
        snprintf(text, FORMAT_DURATION_BYTES, "%us", rest);
    } else {
        snprintf(text, FORMAT_DURATION_BYTES, "%ums", (unsigned)duration_ms);
    }
}
