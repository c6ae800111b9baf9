/* See the header. */
#include "http/exposition.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define US_IN_SECOND 1000000u

const char *exposition_content_type(bool openmetrics)
{
    return openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
}

/* --- Accept --- */

/* The weight of a media range `type/subtype;q=0.5;...`, in thousandths. */
static unsigned weight_of(const char *range, size_t size)
{
    for (size_t i = 0; i + 2 < size; i++) {
        if (range[i] != ';') {
            continue;
        }
        size_t at = i + 1;
        while (at < size && (range[at] == ' ' || range[at] == '\t')) {
            at++;
        }
        if (at + 2 < size && (range[at] == 'q' || range[at] == 'Q') && range[at + 1] == '=') {
            double weight = strtod(range + at + 2, NULL);
            return weight <= 0 ? 0 : weight >= 1 ? 1000 : (unsigned)(weight * 1000);
        }
    }
    return 1000;
}

static bool is_type(const char *range, size_t size, const char *type)
{
    size_t type_size = strlen(type);
    return size >= type_size && strncasecmp(range, type, type_size) == 0 &&
           (size == type_size || range[type_size] == ';' || range[type_size] == ' ');
}

bool exposition_wants_openmetrics(const char *accept)
{
    unsigned openmetrics = 0;
    unsigned text = 0;
    bool text_named = false;
    for (const char *at = accept == NULL ? "" : accept; *at != '\0';) {
        at += strspn(at, " \t,");
        size_t size = strcspn(at, ",");
        if (is_type(at, size, "application/openmetrics-text")) {
            openmetrics = weight_of(at, size);
        } else if (is_type(at, size, "text/plain")) {
            text = weight_of(at, size);
            text_named = true;
        } else if (!text_named && (is_type(at, size, "text/*") || is_type(at, size, "*/*"))) {
            text = weight_of(at, size);
        }
        at += size;
    }
    return openmetrics > text;
}

/* --- Lines --- */

__attribute__((format(printf, 2, 3))) static void write_line(struct exposition *exposition,
                                                             const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ASSERT(size > 0 && (size_t)size < sizeof line);
    buffer_append(exposition->text, line, (size_t)size);
}

void exposition_family(struct exposition *exposition, const char *name, enum exposition_type type,
                       const char *help)
{
    ASSERT(exposition != NULL && name != NULL && help != NULL);
    static const char *const openmetrics_types[] = {"counter", "gauge", "histogram", "info"};
    static const char *const text_types[] = {"counter", "gauge", "histogram", "gauge"};
    static const char *const text_suffixes[] = {"_total", "", "", "_info"};
    const char *suffix = exposition->openmetrics ? "" : text_suffixes[type];
    exposition->name = name;
    write_line(exposition, "# HELP %s%s %s\n", name, suffix, help);
    write_line(exposition, "# TYPE %s%s %s\n", name, suffix,
               (exposition->openmetrics ? openmetrics_types : text_types)[type]);
}

static void write_sample(struct exposition *exposition, const char *suffix, const char *labels,
                         const char *value)
{
    ASSERT(exposition->name != NULL);
    bool none = labels == NULL || labels[0] == '\0';
    exposition->series++;
    write_line(exposition, "%s%s%s%s%s %s\n", exposition->name, suffix, none ? "" : "{",
               none ? "" : labels, none ? "" : "}", value);
}

static void write_number(struct exposition *exposition, const char *suffix, const char *labels,
                         uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    write_sample(exposition, suffix, labels, text);
}

/* Microseconds as seconds, without what a float would lose. */
static void write_seconds(struct exposition *exposition, const char *suffix, const char *labels,
                          uint64_t value_us)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRIu64 ".%06" PRIu64, value_us / US_IN_SECOND,
                   value_us % US_IN_SECOND);
    write_sample(exposition, suffix, labels, text);
}

void exposition_counter(struct exposition *exposition, const char *labels, uint64_t value)
{
    write_number(exposition, "_total", labels, value);
}

void exposition_gauge(struct exposition *exposition, const char *labels, uint64_t value)
{
    write_number(exposition, "", labels, value);
}

void exposition_seconds(struct exposition *exposition, const char *labels, uint64_t value_us)
{
    write_seconds(exposition, "", labels, value_us);
}

void exposition_seconds_counter(struct exposition *exposition, const char *labels,
                                uint64_t value_us)
{
    write_seconds(exposition, "_total", labels, value_us);
}

void exposition_info(struct exposition *exposition, const char *labels)
{
    write_number(exposition, "_info", labels, 1);
}

/* A bound as OpenMetrics' canonical numbers are: "0.0005", "2.5", "16.0". */
static void bound_text(const struct metric_scale *scale, unsigned i, char text[32])
{
    if (i == scale->bound_count) {
        (void)snprintf(text, 32, "+Inf");
    } else if (scale == &metric_scale_us) {
        int size = snprintf(text, 32, "%" PRIu64 ".%06" PRIu64, scale->bounds[i] / US_IN_SECOND,
                            scale->bounds[i] % US_IN_SECOND);
        while (text[size - 1] == '0' && text[size - 2] != '.') {
            text[--size] = '\0';
        }
    } else {
        (void)snprintf(text, 32, "%" PRIu64 ".0", scale->bounds[i]);
    }
}

void exposition_histogram(struct exposition *exposition, const char *labels,
                          const struct metric_histogram *histogram)
{
    ASSERT(histogram != NULL);
    const struct metric_scale *scale = histogram->scale;
    struct metric_reading reading;
    metric_read(histogram, &reading);
    bool none = labels == NULL;
    for (unsigned i = 0; i <= scale->bound_count; i++) {
        char bound[32];
        char all[128];
        bound_text(scale, i, bound);
        (void)snprintf(all, sizeof all, "%s%sle=\"%s\"", none ? "" : labels, none ? "" : ",",
                       bound);
        write_number(exposition, "_bucket", all, reading.at_most[i]);
    }
    if (scale == &metric_scale_us) {
        write_seconds(exposition, "_sum", labels, reading.sum);
    } else {
        write_number(exposition, "_sum", labels, reading.sum);
    }
    write_number(exposition, "_count", labels, reading.count);
}

void exposition_end(struct exposition *exposition)
{
    if (exposition->openmetrics) {
        write_line(exposition, "# EOF\n");
    }
}
