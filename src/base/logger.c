/* Log lines. Each is put together in a fixed buffer on the caller's stack and leaves by one write,
 * so lines of several threads never mix and logging never allocates. */
#include "base/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOGGER_LINE_BYTES  8192u
#define LOGGER_VALUE_BYTES 2048u /* the most of one value that is written; the rest is cut */
#define LOGGER_TAIL_BYTES  4u    /* kept free for the closing brace and the newline */
#define LOGGER_PATH_BYTES  4096u

static atomic_int threshold = LOGGER_WARN;
static atomic_int line_format = LOGGER_LOGFMT;
static atomic_uint_least64_t line_node_id;

static pthread_mutex_t destination_lock = PTHREAD_MUTEX_INITIALIZER;
static int destination = STDERR_FILENO;
static char destination_path[LOGGER_PATH_BYTES]; /* empty: standard error */

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

struct line {
    char data[LOGGER_LINE_BYTES];
    size_t size;
    bool full; /* something did not fit: the field that did not is taken back */
    enum logger_format format;
};

static void line_add(struct line *line, const char *data, size_t size)
{
    if (line->full || size > sizeof line->data - LOGGER_TAIL_BYTES - line->size) {
        line->full = true;
        return;
    }
    memcpy(line->data + line->size, data, size);
    line->size += size;
}

static void line_add_text(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

/* The length of the UTF-8 sequence at the front (RFC 3629, section 4), 0 when there is none. */
static size_t utf8_sequence_size(const uint8_t *at, size_t left)
{
    uint8_t first = at[0];
    if (first < 0x80) {
        return 1;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > left) {
        return 0;
    }
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf) {
            return 0;
        }
    }
    return size;
}

/* C0 controls, DEL, and the C1 controls, which some terminals obey. */
static bool is_control(const uint8_t *at, size_t size)
{
    return (size == 1 && (at[0] < 0x20 || at[0] == 0x7f)) ||
           (size == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

static void line_add_escaped(struct line *line, const uint8_t *at, size_t size)
{
    char escape[8];
    if (size == 0) { /* a byte that is no UTF-8 */
        line_add_text(line, "\\ufffd");
    } else if (*at == '"' || *at == '\\') {
        line_add(line, (char[]){'\\', (char)*at}, 2);
    } else if (*at == '\n') {
        line_add_text(line, "\\n");
    } else if (*at == '\r') {
        line_add_text(line, "\\r");
    } else if (*at == '\t') {
        line_add_text(line, "\\t");
    } else if (is_control(at, size)) {
        (void)snprintf(escape, sizeof escape, "\\u%04x", size == 2 ? at[1] : at[0]);
        line_add_text(line, escape);
    } else {
        line_add(line, (const char *)at, size);
    }
}

/* Both formats share the escapes of JSON strings (RFC 8259, section 7). */
static void line_add_quoted(struct line *line, struct slice value)
{
    size_t end = value.size > LOGGER_VALUE_BYTES ? LOGGER_VALUE_BYTES : value.size;
    line_add_text(line, "\"");
    size_t offset = 0;
    while (offset < end) {
        size_t size = utf8_sequence_size(value.data + offset, value.size - offset);
        line_add_escaped(line, value.data + offset, size);
        offset += size == 0 ? 1 : size;
    }
    line_add_text(line, offset < value.size ? "...\"" : "\"");
}

static bool needs_quotes(struct slice value)
{
    if (value.size == 0 || value.size > LOGGER_VALUE_BYTES) {
        return true;
    }
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];
        if (byte <= 0x20 || byte >= 0x7f || byte == '"' || byte == '=' || byte == '\\') {
            return true;
        }
    }
    return false;
}

static void line_add_key(struct line *line, const char *key)
{
    if (line->format == LOGGER_JSON) {
        line_add_text(line, ",\"");
        line_add_text(line, key);
        line_add_text(line, "\":");
    } else {
        line_add_text(line, " ");
        line_add_text(line, key);
        line_add_text(line, "=");
    }
}

static void line_add_value(struct line *line, struct slice value)
{
    if (line->format == LOGGER_JSON || needs_quotes(value)) {
        line_add_quoted(line, value);
    } else {
        line_add(line, (const char *)value.data, value.size);
    }
}

static void line_add_number(struct line *line, bool negative, uint64_t magnitude)
{
    char number[24];
    (void)snprintf(number, sizeof number, "%s%" PRIu64, negative ? "-" : "", magnitude);
    line_add_text(line, number);
}

static void line_add_field(struct line *line, const struct logger_field *field)
{
    size_t before = line->size;
    line_add_key(line, field->key);
    switch (field->type) {
    case LOGGER_FIELD_U64:
        line_add_number(line, false, field->u64);
        break;
    case LOGGER_FIELD_I64:
        line_add_number(line, field->i64 < 0,
                        field->i64 < 0 ? 0u - (uint64_t)field->i64 : (uint64_t)field->i64);
        break;
    case LOGGER_FIELD_TEXT:
        line_add_value(line, slice_of_text(field->text == NULL ? "" : field->text));
        break;
    case LOGGER_FIELD_SLICE:
        line_add_value(line, field->slice);
        break;
    case LOGGER_FIELD_END:
    default:
        UNREACHABLE("a log field of no type");
    }
    if (line->full) {
        line->size = before;
    }
}

static void line_add_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char text[64];
    int rv = clock_gettime(CLOCK_REALTIME, &now);
    ASSERT(rv == 0);
    if (gmtime_r(&now.tv_sec, &utc) == NULL) {
        utc = (struct tm){.tm_year = 70, .tm_mday = 1};
    }
    (void)snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", utc.tm_year + 1900,
                   utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                   now.tv_nsec / 1000000);
    line_add_text(line, text);
}

static void line_start(struct line *line, enum logger_level level, const char *message)
{
    bool json = line->format == LOGGER_JSON;
    line_add_text(line, json ? "{\"ts\":\"" : "ts=");
    line_add_time(line);
    line_add_text(line, json ? "\",\"level\":\"" : " level=");
    line_add_text(line, level_names[level]);
    line_add_text(line, json ? "\",\"msg\":" : " msg=");
    line_add_quoted(line, slice_of_text(message));
    uint64_t node_id = atomic_load_explicit(&line_node_id, memory_order_relaxed);
    if (node_id != 0) {
        line_add_field(line, &FIELD_U64("node", node_id));
    }
}

/* A log that cannot be written (a full disk) must not stop the node: the line is lost. */
static void line_write(const struct line *line)
{
    int rv = pthread_mutex_lock(&destination_lock);
    ASSERT(rv == 0);
    size_t written = 0;
    while (written < line->size) {
        ssize_t now = write(destination, line->data + written, line->size - written);
        if (now < 0 && errno == EINTR) {
            continue;
        }
        if (now <= 0) {
            break;
        }
        written += (size_t)now;
    }
    rv = pthread_mutex_unlock(&destination_lock);
    ASSERT(rv == 0);
}

void logger_write(enum logger_level level, const char *message, const struct logger_field *fields)
{
    ASSERT(level < LOGGER_OFF);
    ASSERT(message != NULL && fields != NULL);
    int saved_errno = errno;
    struct line line;
    line.size = 0;
    line.full = false;
    line.format = (enum logger_format)atomic_load_explicit(&line_format, memory_order_relaxed);
    line_start(&line, level, message);
    for (const struct logger_field *field = fields; field->type != LOGGER_FIELD_END; field++) {
        line_add_field(&line, field);
    }
    if (line.format == LOGGER_JSON) {
        line.data[line.size++] = '}';
    }
    line.data[line.size++] = '\n';
    line_write(&line);
    errno = saved_errno;
}

bool logger_enabled(enum logger_level level)
{
    return (int)level >= atomic_load_explicit(&threshold, memory_order_relaxed) &&
           level < LOGGER_OFF;
}

void logger_configure(enum logger_level level, enum logger_format format, uint64_t node_id)
{
    ASSERT(level <= LOGGER_OFF);
    ASSERT(format == LOGGER_LOGFMT || format == LOGGER_JSON);
    atomic_store(&threshold, (int)level);
    atomic_store(&line_format, (int)format);
    atomic_store(&line_node_id, node_id);
}

/* Puts `descriptor` in the place of the destination that was. */
static void destination_replace(int descriptor, const char *path)
{
    int rv = pthread_mutex_lock(&destination_lock);
    ASSERT(rv == 0);
    if (destination != STDERR_FILENO) {
        (void)close(destination);
    }
    destination = descriptor;
    if (path != destination_path) {
        memcpy(destination_path, path, strlen(path) + 1);
    }
    rv = pthread_mutex_unlock(&destination_lock);
    ASSERT(rv == 0);
}

enum conclave_code logger_open(const char *path)
{
    if (path == NULL) {
        destination_replace(STDERR_FILENO, "");
        return CONCLAVE_OK;
    }
    if (path[0] == '\0' || strlen(path) >= LOGGER_PATH_BYTES) {
        return CONCLAVE_IO;
    }
    int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (descriptor < 0) {
        return CONCLAVE_IO;
    }
    destination_replace(descriptor, path);
    return CONCLAVE_OK;
}

enum conclave_code logger_reopen(void)
{
    return destination_path[0] == '\0' ? CONCLAVE_OK : logger_open(destination_path);
}

void logger_close(void)
{
    destination_replace(STDERR_FILENO, "");
}
