/* Linux: /proc, the control group, statvfs. See proc(5), section /proc/pid/stat. */
#include "http/process.h"

#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"

/* Fields of /proc/self/stat after the name, which may hold anything and ends with the last ')'. */
#define STAT_STATE_FIELD     3u
#define STAT_STARTTIME_FIELD 22u
#define STAT_VSIZE_FIELD     23u
#define STAT_RSS_FIELD       24u

static bool read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    size_t got = fread(text, 1, size - 1, file);
    text[got] = '\0';
    (void)fclose(file);
    return got > 0;
}

/* The n-th field of the text, in which fields are counted from STAT_STATE_FIELD on; 0: none. */
static uint64_t stat_field(const char *text, unsigned n)
{
    for (unsigned i = STAT_STATE_FIELD; i < n; i++) {
        text += strcspn(text, " ");
        text += strspn(text, " ");
    }
    return strtoull(text, NULL, 10);
}

static uint64_t boot_ms(void)
{
    struct timespec now;
    struct timespec since_boot;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 ||
        clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) {
        return 0;
    }
    int64_t seconds = now.tv_sec - since_boot.tv_sec;
    int64_t nanoseconds = now.tv_nsec - since_boot.tv_nsec;
    return (uint64_t)(seconds * 1000 + nanoseconds / 1000000);
}

static void read_stat(struct process_usage *usage)
{
    char text[1024];
    long ticks = sysconf(_SC_CLK_TCK);
    long page = sysconf(_SC_PAGESIZE);
    const char *after_name = read_text("/proc/self/stat", text, sizeof text) ? strrchr(text, ')')
                                                                             : NULL;
    if (after_name == NULL || after_name[1] != ' ' || ticks <= 0 || page <= 0) {
        return;
    }
    const char *fields = after_name + 2;
    usage->start_ms = boot_ms() + stat_field(fields, STAT_STARTTIME_FIELD) * 1000 / (uint64_t)ticks;
    usage->virtual_bytes = stat_field(fields, STAT_VSIZE_FIELD);
    usage->resident_bytes = stat_field(fields, STAT_RSS_FIELD) * (uint64_t)page;
}

static void read_cpu(struct process_usage *usage)
{
    struct rusage used;
    cpu_set_t cpus;
    if (getrusage(RUSAGE_SELF, &used) == 0) {
        usage->cpu_us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
                        (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    }
    if (sched_getaffinity(0, sizeof cpus, &cpus) == 0) {
        usage->cpus = (uint64_t)CPU_COUNT(&cpus);
    }
}

static void read_files(struct process_usage *usage)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        usage->max_files = limit.rlim_cur;
    }
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        usage->open_files += entry->d_name[0] != '.';
    }
    (void)closedir(directory);
    usage->open_files--; /* the directory's own */
}

/* The limit of the control group (version 2), if it has one: in a container that is what counts. */
static uint64_t control_group_limit(void)
{
    char text[512];
    char path[600];
    char limit[32];
    if (!read_text("/proc/self/cgroup", text, sizeof text) || strncmp(text, "0::", 3) != 0) {
        return 0;
    }
    text[strcspn(text, "\n")] = '\0';
    (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", text + 3);
    return read_text(path, limit, sizeof limit) ? strtoull(limit, NULL, 10) : 0; /* "max" is 0 */
}

static void read_memory(struct process_usage *usage)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t machine = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    uint64_t limit = control_group_limit();
    usage->memory_limit_bytes = limit == 0 || (machine != 0 && machine < limit) ? machine : limit;
}

void process_read(const char *directory, struct process_usage *usage)
{
    ASSERT(directory != NULL && usage != NULL);
    struct statvfs disk;
    *usage = (struct process_usage){0};
    read_stat(usage);
    read_cpu(usage);
    read_files(usage);
    read_memory(usage);
    if (statvfs(directory, &disk) == 0) {
        usage->disk_bytes = (uint64_t)disk.f_blocks * disk.f_frsize;
        usage->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    }
}
