/* Reading /proc. */
#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t ticks_to_us(unsigned long long ticks)
{
    long per_second = sysconf(_SC_CLK_TCK);
    return per_second > 0 ? ticks * 1000000u / (unsigned long long)per_second : 0;
}

static bool read_text(const char *path, char *text, size_t text_bytes)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(text, 1, text_bytes - 1, file);
    text[size] = '\0';
    (void)fclose(file);
    return size > 0;
}

static uint64_t line_kb(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    unsigned long long value;
    return at != NULL && sscanf(at + strlen(name), "%llu", &value) == 1 ? value : 0;
}

bool usage_of_process(long pid, struct usage *usage)
{
    char path[64];
    char text[4096];
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    if (!read_text(path, text, sizeof text)) {
        return false;
    }
    unsigned long long user, kernel;
    const char *after_name = strrchr(text, ')');
    if (after_name == NULL ||
        sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
               &kernel) != 2) {
        return false;
    }
    (void)snprintf(path, sizeof path, "/proc/%ld/status", pid);
    if (!read_text(path, text, sizeof text)) {
        return false;
    }
    *usage = (struct usage){.cpu_us = ticks_to_us(user + kernel),
                            .anonymous_kb = line_kb(text, "RssAnon:"),
                            .resident_kb = line_kb(text, "VmRSS:")};
    return true;
}

uint64_t usage_steal_us(void)
{
    char text[1024];
    unsigned long long steal;
    if (!read_text("/proc/stat", text, sizeof text) ||
        sscanf(text, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &steal) != 1) {
        return 0;
    }
    return ticks_to_us(steal);
}
