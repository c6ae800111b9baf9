/* A wall clock of its own for one process, by LD_PRELOAD: time as the system has it, and so many
 * nanoseconds more as the file CHAOS_CLOCK_FILE says (a signed 64-bit number in the machine's byte
 * order, which may change while the process runs).
 *
 * Why this way: settimeofday changes every process of the machine, and a time namespace has a
 * monotonic clock of its own but no wall clock. The monotonic clock stays what it is: it cannot
 * jump on a real machine either. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NANOSECONDS 1000000000

/* glibc's own; what is here stands before it. */
typedef int (*clock_gettime_function)(clockid_t id, struct timespec *now);

static const volatile int64_t *offset_ns; /* NULL: none */
static clock_gettime_function system_clock_gettime;

__attribute__((constructor)) static void clock_open(void)
{
    const char *path = getenv("CHAOS_CLOCK_FILE");
    if (path == NULL) {
        return;
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    void *mapped = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
    (void)close(file);
    if (mapped != MAP_FAILED) {
        offset_ns = mapped;
    }
}

static clock_gettime_function find_system(void)
{
    if (system_clock_gettime == NULL) {
        *(void **)&system_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    }
    return system_clock_gettime;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int rv = find_system()(id, now);
    if (rv != 0 || offset_ns == NULL || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE)) {
        return rv;
    }
    int64_t total = (int64_t)now->tv_sec * NANOSECONDS + now->tv_nsec + *offset_ns;
    now->tv_sec = (time_t)(total / NANOSECONDS);
    now->tv_nsec = (long)(total % NANOSECONDS);
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    int rv = clock_gettime(CLOCK_REALTIME, &exact);
    if (rv == 0) {
        now->tv_sec = exact.tv_sec;
        now->tv_usec = exact.tv_nsec / 1000;
    }
    return rv;
}

time_t time(time_t *now)
{
    struct timespec exact;
    if (clock_gettime(CLOCK_REALTIME, &exact) != 0) {
        return (time_t)-1;
    }
    if (now != NULL) {
        *now = exact.tv_sec;
    }
    return exact.tv_sec;
}
