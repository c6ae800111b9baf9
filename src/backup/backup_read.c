/* Lines of JSON into entries: see the header. */
#include "backup/backup_read.h"

#include <conclave/limits.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

#define BASE64_VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

struct reading {
    backup_on_entry on_entry;
    void *context;
    struct codec_error *error;
    uint64_t line;
    struct buffer bytes; /* of an entry's commands, one after the other */
    struct slice closes[LIMIT_OPEN_POLLS];
    struct slice commands[LIMIT_BATCH_COMMANDS];
    size_t offsets[LIMIT_BATCH_COMMANDS + 1];
};

static enum conclave_code bad_line(const struct reading *reading, const char *what)
{
    codec_error_set(reading->error, "line %llu: %s", (unsigned long long)reading->line, what);
    return CONCLAVE_BAD_REQUEST;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

/* Integers are texts of decimal digits. */
static bool number_of(const json_t *object, const char *key, uint64_t *number)
{
    const char *text = text_of(object, key);
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    *number = value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0;
}

static bool add_command(struct reading *reading, const json_t *command)
{
    const json_t *value = json_object_get(command, "command");
    size_t size = json_string_length(value);
    size_t got = 0;
    if (!json_is_string(value)) {
        return false;
    }
    uint8_t *at = buffer_reserve(&reading->bytes, size + 1);
    if (at == NULL || sodium_base642bin(at, size + 1, json_string_value(value), size, NULL, &got,
                                        NULL, BASE64_VARIANT) != 0) {
        return false;
    }
    reading->bytes.size += got;
    return true;
}

static enum conclave_code read_commands(struct reading *reading, const json_t *commands)
{
    size_t count = json_array_size(commands);
    buffer_clear(&reading->bytes);
    reading->offsets[0] = 0;
    for (size_t i = 0; i < count; i++) {
        if (!add_command(reading, json_array_get(commands, i))) {
            return reading->bytes.status == CONCLAVE_NO_MEMORY
                       ? CONCLAVE_NO_MEMORY
                       : bad_line(reading, "a command is no base64url, or too large");
        }
        reading->offsets[i + 1] = reading->bytes.size;
    }
    for (size_t i = 0; i < count; i++) { /* the buffer does not move any more */
        reading->commands[i] = slice_of(reading->bytes.data + reading->offsets[i],
                                        reading->offsets[i + 1] - reading->offsets[i]);
    }
    return CONCLAVE_OK;
}

static enum conclave_code read_entry(struct reading *reading, const json_t *line)
{
    static const char *const types[] = {
        [BACKUP_BATCH] = "batch",
        [BACKUP_BARRIER] = "barrier",
        [BACKUP_CONFIGURATION] = "configuration",
    };
    const json_t *closes = json_object_get(line, "closes");
    const json_t *commands = json_object_get(line, "commands");
    struct backup_entry entry = {.closes = reading->closes, .commands = reading->commands};
    size_t type = 0;
    while (type < sizeof types / sizeof types[0] &&
           strcmp(text_of(line, "type"), types[type]) != 0) {
        type++;
    }
    if (!number_of(line, "index", &entry.index) || !number_of(line, "term", &entry.term) ||
        !number_of(line, "time", &entry.time_ms) || type == sizeof types / sizeof types[0] ||
        !json_is_array(closes) || json_array_size(closes) > LIMIT_OPEN_POLLS ||
        !json_is_array(commands) || json_array_size(commands) > LIMIT_BATCH_COMMANDS) {
        return bad_line(reading, "this is no entry");
    }
    entry.type = (enum backup_entry_type)type;
    enum conclave_code code = read_commands(reading, commands);
    if (code != CONCLAVE_OK) {
        return code;
    }
    for (size_t i = 0; i < json_array_size(closes); i++) {
        const char *poll = json_string_value(json_array_get(closes, i));
        reading->closes[i] = slice_of_text(poll == NULL ? "" : poll);
    }
    entry.close_count = (uint32_t)json_array_size(closes);
    entry.command_count = (uint32_t)json_array_size(commands);
    return reading->on_entry(reading->context, &entry, reading->error);
}

static enum conclave_code read_lines(struct reading *reading, FILE *file)
{
    char *text = NULL;
    size_t capacity = 0;
    ssize_t size;
    enum conclave_code code = CONCLAVE_OK;
    while (code == CONCLAVE_OK && (size = getline(&text, &capacity, file)) >= 0) {
        json_error_t problem;
        json_t *line = json_loadb(text, (size_t)size, JSON_REJECT_DUPLICATES, &problem);
        reading->line++;
        if (line == NULL) {
            code = bad_line(reading, problem.text);
        } else if (strcmp(text_of(line, "schema"), "conclave.entry.v1") == 0) {
            code = read_entry(reading, line);
        }
        json_decref(line);
    }
    free(text);
    if (code == CONCLAVE_OK && ferror(file)) {
        codec_error_set(reading->error, "it cannot be read");
        code = CONCLAVE_IO;
    }
    return code;
}

enum conclave_code backup_read(const char *path, const uint8_t sha256[BACKUP_SHA256_BYTES],
                               backup_on_entry on_entry, void *context, struct codec_error *error)
{
    ASSERT(path != NULL && sha256 != NULL && on_entry != NULL && error != NULL);
    uint8_t found[BACKUP_SHA256_BYTES];
    enum conclave_code code = backup_file_check(path, found, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (memcmp(found, sha256, sizeof found) != 0) {
        codec_error_set(error, "this is another backup than the one that was signed for: it has "
                               "another checksum");
        return CONCLAVE_NOT_PROVEN;
    }
    struct reading *reading = memory_allocate_zeroed(1, sizeof *reading);
    FILE *file = reading == NULL ? NULL : fopen(path, "rbe");
    if (file == NULL) {
        memory_free(reading);
        codec_error_set(error, "it cannot be read: %s", strerror(errno));
        return reading == NULL ? CONCLAVE_NO_MEMORY : CONCLAVE_IO;
    }
    reading->on_entry = on_entry;
    reading->context = context;
    reading->error = error;
    buffer_init(&reading->bytes, 2u * LIMIT_BATCH_BYTES);
    code = read_lines(reading, file);
    buffer_close(&reading->bytes);
    memory_free(reading);
    (void)fclose(file);
    return code;
}
