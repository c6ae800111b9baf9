/* What the system says of this process and its disk. */
#ifndef HTTP_PROCESS_H
#define HTTP_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

struct process_usage {
    uint64_t cpu_us; /* user and system */
    uint64_t resident_bytes;
    uint64_t virtual_bytes;
    uint64_t memory_limit_bytes; /* of its control group, or the machine's */
    uint64_t open_files, max_files;
    uint64_t start_ms;                    /* since 1970 */
    uint64_t cpus;                        /* that it may use */
    uint64_t disk_bytes, disk_free_bytes; /* of the disk with `directory`, for this user */
};

/* What cannot be read stays 0. */
void process_read(const char *directory, struct process_usage *usage);

#endif
