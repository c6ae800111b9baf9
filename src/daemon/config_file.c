/* The INI file, read by inih. Its lines come through our reader, which counts them, so that every
 * complaint has a line (the library hands out none), and which refuses what inih would cut in two.
 */
#include "daemon/config_file.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/suggest.h"

#define CONFIG_SECTION_BYTES 64u

struct reading {
    FILE *file;
    const char *path;
    unsigned line;
    unsigned set_on[SETTING_COUNT]; /* the line, 0 when not set by this file */
    struct settings *settings;
    struct settings_error *error;
    enum conclave_code code; /* of the first fault; the rest of the file is then not looked at */
};

static enum conclave_code refuse(struct reading *reading, const char *what, const char *meant)
{
    if (meant[0] != '\0') {
        settings_error_set(reading->error, "%s:%u: %s (did you mean \"%s\"?)", reading->path,
                           reading->line, what, meant);
    } else {
        settings_error_set(reading->error, "%s:%u: %s", reading->path, reading->line, what);
    }
    return CONCLAVE_CONFIG;
}

static bool section_known(const char *section)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings_table[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

/* `line` begins with '['. */
static enum conclave_code check_section(struct reading *reading, const char *line)
{
    char section[CONFIG_SECTION_BYTES], what[128];
    size_t size = strcspn(line + 1, "]\r\n");
    if (line[1 + size] != ']') {
        return refuse(reading, "a section is written [name]", "");
    }
    (void)snprintf(section, sizeof section, "%.*s",
                   (int)(size < sizeof section ? size : sizeof section - 1), line + 1);
    if (section_known(section)) {
        return CONCLAVE_OK;
    }
    struct suggest best = {.word = ""};
    for (int i = 0; i < SETTING_COUNT; i++) {
        suggest_offer(&best, section, settings_table[i].section);
    }
    (void)snprintf(what, sizeof what, "there is no section [%s]", section);
    return refuse(reading, what, best.word);
}

/* inih's own fgets: one line, without the blanks at its front (to inih they would make it the
 * continuation of the line before). */
static char *read_line(char *line, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->code != CONCLAVE_OK || fgets(line, size, reading->file) == NULL) {
        return NULL;
    }
    reading->line++;
    size_t length = strlen(line), blanks = strspn(line, " \t");
    bool comment = line[blanks] == ';' || line[blanks] == '#';
    if (comment && line[length - 1] != '\n') { /* of any length: the rest of it is skipped */
        for (int byte = 0; byte != EOF && byte != '\n';) {
            byte = fgetc(reading->file);
        }
        return line;
    }
    if ((length == 0 || line[length - 1] != '\n') && fgetc(reading->file) != EOF) {
        char what[96];
        (void)snprintf(what, sizeof what, "the line is longer than %d bytes or has a zero byte",
                       size - 2);
        reading->code = refuse(reading, what, "");
        return NULL;
    }
    memmove(line, line + blanks, length - blanks + 1);
    if (line[0] == '[') {
        reading->code = check_section(reading, line);
    }
    return reading->code == CONCLAVE_OK ? line : NULL;
}

/* The nearest key of the section, or of any if the section has none like it. */
static enum conclave_code refuse_key(struct reading *reading, const char *section, const char *key)
{
    struct suggest best = {.word = ""};
    char what[192];
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings_table[i].section, section) == 0) {
            suggest_offer(&best, key, settings_table[i].key);
        }
    }
    if (best.word[0] != '\0') {
        (void)snprintf(what, sizeof what, "there is no key \"%s\" in [%s]", key, section);
        return refuse(reading, what, best.word);
    }
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings_table[i].key, key) == 0) {
            (void)snprintf(what, sizeof what, "there is no key \"%s\" in [%s]: it belongs in [%s]",
                           key, section, settings_table[i].section);
            return refuse(reading, what, "");
        }
        suggest_offer(&best, key, settings_table[i].key);
    }
    (void)snprintf(what, sizeof what, "there is no key \"%s\" in [%s]", key, section);
    return refuse(reading, what, best.word);
}

static enum conclave_code set_key(struct reading *reading, const char *section, const char *key,
                                  const char *value)
{
    char what[192];
    if (section[0] == '\0') {
        (void)snprintf(what, sizeof what, "the key \"%s\" stands before any [section]", key);
        return refuse(reading, what, "");
    }
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (strcmp(settings_table[i].section, section) != 0 ||
            strcmp(settings_table[i].key, key) != 0) {
            continue;
        }
        if (reading->set_on[i] != 0) {
            (void)snprintf(what, sizeof what, "\"%s\" was set on line %u already", key,
                           reading->set_on[i]);
            return refuse(reading, what, "");
        }
        reading->set_on[i] = reading->line;
        char where[SETTINGS_WHERE_BYTES];
        (void)snprintf(where, sizeof where, "%s:%u", reading->path, reading->line);
        return settings_set(reading->settings, (enum setting)i, value, where, reading->error);
    }
    return refuse_key(reading, section, key);
}

static int on_key(void *context, const char *section, const char *key, const char *value)
{
    struct reading *reading = context;
    if (reading->code == CONCLAVE_OK) {
        reading->code = set_key(reading, section, key, value);
    }
    return 1;
}

enum conclave_code config_file_read(const char *path, struct settings *settings,
                                    struct settings_error *error)
{
    ASSERT(path != NULL && settings != NULL && error != NULL);
    struct stat info;
    FILE *file = fopen(path, "re");
    if (file == NULL || fstat(fileno(file), &info) != 0 || S_ISDIR(info.st_mode)) {
        settings_error_set(error, "%s: cannot be read: %s", path,
                           file == NULL ? strerror(errno) : "it is not a file");
        if (file != NULL) {
            (void)fclose(file);
        }
        return CONCLAVE_CONFIG;
    }
    struct reading reading = {
        .file = file, .path = path, .settings = settings, .error = error, .code = CONCLAVE_OK};
    int line = ini_parse_stream(read_line, &reading, on_key, &reading);
    if (reading.code == CONCLAVE_OK && line != 0) {
        reading.line = line > 0 ? (unsigned)line : reading.line;
        reading.code = refuse(&reading, "this is neither [section] nor key = value", "");
    }
    if (reading.code == CONCLAVE_OK && ferror(file)) {
        settings_error_set(error, "%s: cannot be read: %s", path, strerror(errno));
        reading.code = CONCLAVE_CONFIG;
    }
    (void)fclose(file);
    return reading.code;
}
