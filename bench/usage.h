/* What processes and the machine used: CPU time and memory from /proc. */
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage {
    uint64_t cpu_us;       /* user and system */
    uint64_t anonymous_kb; /* RssAnon */
    uint64_t resident_kb;  /* VmRSS, mapped files included */
};

/* False when there is no such process (any more). */
bool usage_of_process(long pid, struct usage *usage);

/* CPU time that the hypervisor took away since boot, of all cores; 0 where it is not told. */
uint64_t usage_steal_us(void);

#endif
