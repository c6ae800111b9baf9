/* src/daemon/config_file.h: a file is taken whole or refused with a sentence that says where; what
 * was taken is in range.
 *
 * fuzz: -max_len=512
 */
#include "daemon/config_file.h"

#include <stdio.h>

#include "fuzz/harness.h"

static struct fuzz_file file;

void fuzz_open(void)
{
    fuzz_file_open(&file);
}

static void check_values(const struct settings *settings)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = &settings_table[i];
        const char *text = settings_text(settings, (enum setting)i);
        ASSERT(strlen(text) < SETTINGS_VALUE_BYTES);
        ASSERT(settings_where(settings, (enum setting)i)[0] != '\0');
        if (info->type == SETTING_NUMBER) {
            uint64_t number = settings_number(settings, (enum setting)i);
            ASSERT(number >= info->min && number <= info->max);
        } else if (info->type == SETTING_CHOICE) {
            const char *choice = info->choices[settings_choice(settings, (enum setting)i)];
            ASSERT(strcmp(choice, text) == 0);
        }
    }
}

void fuzz_run(struct slice input)
{
    static struct settings settings;
    struct settings_error error = {.text = ""};
    memset(&settings, 0, sizeof settings);
    fuzz_file_write(&file, input);
    enum conclave_code code = config_file_read(file.path, &settings, &error);
    if (code != CONCLAVE_OK) {
        ASSERT(code == CONCLAVE_CONFIG);
        ASSERT(strncmp(error.text, file.path, strlen(file.path)) == 0); /* FILE:LINE: what */
        ASSERT(error.text[strlen(file.path)] == ':' && strchr(error.text, '\n') == NULL);
        return;
    }
    if (settings_finish(&settings, &error) == CONCLAVE_OK) {
        check_values(&settings);
    } else {
        ASSERT(error.text[0] != '\0');
    }
}

void fuzz_seeds(void)
{
    char text[2048] = "";
    size_t used = 0;
    const char *section = "";
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = &settings_table[i];
        const char *standard = info->standard == NULL ? "" : info->standard;
        if (strcmp(section, info->section) != 0) {
            section = info->section;
            used += (size_t)snprintf(text + used, sizeof text - used, "[%s]\n", section);
        }
        used += (size_t)snprintf(text + used, sizeof text - used, "%s = %s\n", info->key, standard);
    }
    fuzz_seed_text("all", text);
    fuzz_seed_text("minimal", "; a node\n[node]\nid = 1\ndata_dir = /var/lib/x\n"
                              "[listen]\npeer = 127.0.0.1:7101\n");
    fuzz_seed_text("wrong", "[node]\n  idd = 1\n[nodes]\n");
}
