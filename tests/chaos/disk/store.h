/* The files of a disk that can fail: each has what programs see and what the medium holds.
 *
 * A write changes what is seen; a sync copies it to the medium, sector by sector (512 bytes). The
 * same with names: what is made, renamed or removed in a directory is on the medium when the
 * directory was synced. A cut of the power throws away what the medium does not hold, but for a
 * share of the sectors and directories that had been written back by chance.
 *
 * A sync can fail as Linux fails it: what it was to write counts as written, and is so in part or
 * not at all. It can also lie: it says yes and writes nothing.
 *
 * Paths are absolute ("/log/data.mdb"). Functions return 0 or a negated errno. */
#ifndef CHAOS_STORE_H
#define CHAOS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define STORE_PATH_BYTES   256u
#define STORE_SECTOR_BYTES 512u
#define STORE_BLOCK_BYTES  4096u /* what space is counted in */
#define STORE_NAMES_MAX    256u

struct store_file {
    uint64_t id;
    bool directory;
    mode_t mode;
    int seen_fd;   /* of a file: what programs read */
    int medium_fd; /* what the medium holds */
    uint64_t seen_bytes, medium_bytes;
    uint8_t *sectors; /* enum store_sector, of the first sector_count */
    size_t sector_count;
    struct timespec changed;
    unsigned opened; /* handles */
};

struct store_name {
    char path[STORE_PATH_BYTES];
    struct store_file *file;
};

struct store_names {
    struct store_name names[STORE_NAMES_MAX];
    size_t count;
};

struct store {
    const char *backing; /* the directory for the contents */
    uint64_t next_id;
    uint64_t capacity_bytes, used_bytes;
    bool lying;
    uint64_t syncs_to_fail;
    unsigned tear_percent; /* of its sectors that a failing sync writes all the same */
    uint64_t random;
    uint64_t syncs, syncs_failed, syncs_lied, sectors_lost;
    struct store_names seen, medium;
};

/* `backing` must be an empty directory and outlive the store. */
int store_open(struct store *store, const char *backing, uint64_t capacity_bytes);

/* NULL when there is none of that name. */
struct store_file *store_find(struct store *store, const char *path);

int store_create(struct store *store, const char *path, mode_t mode, bool directory,
                 struct store_file **file);
int store_remove(struct store *store, const char *path);
int store_rename(struct store *store, const char *from, const char *to);
void store_hold(struct store_file *file);
void store_release(struct store *store, struct store_file *file);

ssize_t store_read(struct store_file *file, void *bytes, size_t size, uint64_t offset);
ssize_t store_write(struct store *store, struct store_file *file, const void *bytes, size_t size,
                    uint64_t offset);
int store_truncate(struct store *store, struct store_file *file, uint64_t size);
int store_sync(struct store *store, struct store_file *file);
int store_sync_directory(struct store *store, const char *path);

/* Nothing may be open. Each sector and directory not synced survives with this chance. */
int store_cut(struct store *store, uint64_t seed, unsigned keep_percent);

/* Flips `count` bits of a file, seen and on the medium, each anywhere within its size. */
int store_flip(struct store *store, const char *path, uint64_t seed, unsigned count);

#endif
