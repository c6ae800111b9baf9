/* The files of a disk that can fail: see the header. The contents of file N are N.seen and N.medium
 * in the backing directory; everything else is in memory, and the disk ends with its process. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum store_sector {
    SECTOR_CLEAN,    /* seen and medium are the same */
    SECTOR_DIRTY,    /* the next sync writes it */
    SECTOR_FORGOTTEN /* a failed sync was to write it: no later one will */
};

/* --- Chance: splitmix64, as its author published it --- */

static uint64_t random_next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static bool random_percent(uint64_t *state, unsigned percent)
{
    return random_next(state) % 100 < percent;
}

/* --- Names --- */

static size_t find_name(const struct store_names *names, const char *path)
{
    size_t i = 0;
    while (i < names->count && strcmp(names->names[i].path, path) != 0) {
        i++;
    }
    return i;
}

static int put_name(struct store_names *names, const char *path, struct store_file *file)
{
    size_t i = find_name(names, path);
    if (i == names->count) {
        if (names->count == STORE_NAMES_MAX || strlen(path) >= STORE_PATH_BYTES) {
            return -ENOSPC;
        }
        names->count++;
        (void)snprintf(names->names[i].path, STORE_PATH_BYTES, "%s", path);
    }
    names->names[i].file = file;
    return 0;
}

static void take_name(struct store_names *names, size_t i)
{
    names->names[i] = names->names[--names->count];
}

static bool has_name(const struct store_names *names, const struct store_file *file)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->names[i].file == file) {
            return true;
        }
    }
    return false;
}

/* Whether `path` stands directly in `directory`. */
static bool is_in(const char *path, const char *directory)
{
    size_t size = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
    return strcmp(path, "/") != 0 && strncmp(path, directory, size) == 0 && path[size] == '/' &&
           strchr(path + size + 1, '/') == NULL;
}

static void parent_of(const char *path, char parent[STORE_PATH_BYTES])
{
    (void)snprintf(parent, STORE_PATH_BYTES, "%s", path);
    char *slash = strrchr(parent, '/');
    slash[slash == parent ? 1 : 0] = '\0';
}

struct store_file *store_find(struct store *store, const char *path)
{
    size_t i = find_name(&store->seen, path);
    return i < store->seen.count ? store->seen.names[i].file : NULL;
}

/* --- Files --- */

static uint64_t blocks_of(uint64_t bytes)
{
    return (bytes + STORE_BLOCK_BYTES - 1) / STORE_BLOCK_BYTES * STORE_BLOCK_BYTES;
}

static int open_backing(const struct store *store, uint64_t id, const char *suffix)
{
    char path[STORE_PATH_BYTES + 64];
    (void)snprintf(path, sizeof path, "%s/%llu.%s", store->backing, (unsigned long long)id, suffix);
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file >= 0 && unlink(path) != 0) { /* it goes with this process */
        close(file);
        return -errno;
    }
    return file < 0 ? -errno : file;
}

static void set_changed(struct store_file *file)
{
    (void)clock_gettime(CLOCK_REALTIME, &file->changed);
}

static struct store_file *make_file(struct store *store, mode_t mode, bool directory)
{
    struct store_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    file->id = ++store->next_id;
    file->directory = directory;
    file->mode = mode;
    set_changed(file);
    if (!directory) {
        file->seen_fd = open_backing(store, file->id, "seen");
        file->medium_fd = open_backing(store, file->id, "medium");
        if (file->seen_fd < 0 || file->medium_fd < 0) {
            free(file);
            return NULL;
        }
    }
    return file;
}

/* Frees it once neither a name nor a handle leads to it. */
static void drop_file(struct store *store, struct store_file *file)
{
    if (file->opened > 0 || has_name(&store->seen, file) || has_name(&store->medium, file)) {
        return;
    }
    if (!file->directory) {
        store->used_bytes -= blocks_of(file->seen_bytes);
        (void)close(file->seen_fd);
        (void)close(file->medium_fd);
    }
    free(file->sectors);
    free(file);
}

int store_open(struct store *store, const char *backing, uint64_t capacity_bytes)
{
    *store = (struct store){.backing = backing, .capacity_bytes = capacity_bytes};
    struct store_file *root = make_file(store, 0755, true);
    if (root == NULL) {
        return -ENOMEM;
    }
    (void)put_name(&store->medium, "/", root);
    return put_name(&store->seen, "/", root);
}

int store_create(struct store *store, const char *path, mode_t mode, bool directory,
                 struct store_file **file)
{
    char parent[STORE_PATH_BYTES];
    if (store_find(store, path) != NULL) {
        return -EEXIST;
    }
    parent_of(path, parent);
    if (store_find(store, parent) == NULL) {
        return -ENOENT;
    }
    struct store_file *made = make_file(store, mode, directory);
    if (made == NULL) {
        return -EIO;
    }
    int rv = put_name(&store->seen, path, made);
    if (rv != 0) {
        drop_file(store, made);
        return rv;
    }
    if (file != NULL) {
        *file = made;
    }
    return 0;
}

int store_remove(struct store *store, const char *path)
{
    size_t i = find_name(&store->seen, path);
    if (i == store->seen.count) {
        return -ENOENT;
    }
    for (size_t k = 0; k < store->seen.count; k++) {
        if (is_in(store->seen.names[k].path, path)) {
            return -ENOTEMPTY;
        }
    }
    struct store_file *file = store->seen.names[i].file;
    take_name(&store->seen, i);
    drop_file(store, file);
    return 0;
}

int store_rename(struct store *store, const char *from, const char *to)
{
    struct store_file *file = store_find(store, from);
    struct store_file *replaced = store_find(store, to);
    if (file == NULL) {
        return -ENOENT;
    }
    if (file->directory) {
        return -EINVAL; /* nobody here does, and the names below would have to move too */
    }
    if (file == replaced) {
        return 0;
    }
    take_name(&store->seen, find_name(&store->seen, from));
    int rv = put_name(&store->seen, to, file);
    if (rv == 0 && replaced != NULL) {
        drop_file(store, replaced);
    }
    return rv;
}

void store_hold(struct store_file *file)
{
    file->opened++;
}

void store_release(struct store *store, struct store_file *file)
{
    file->opened--;
    drop_file(store, file);
}

/* --- Contents --- */

ssize_t store_read(struct store_file *file, void *bytes, size_t size, uint64_t offset)
{
    ssize_t got = pread(file->seen_fd, bytes, size, (off_t)offset);
    return got < 0 ? -errno : got;
}

static int mark_sectors(struct store_file *file, uint64_t begin, uint64_t end)
{
    size_t first = (size_t)(begin / STORE_SECTOR_BYTES);
    size_t after = (size_t)((end + STORE_SECTOR_BYTES - 1) / STORE_SECTOR_BYTES);
    if (after > file->sector_count) {
        size_t count = after + after / 2 + 64;
        uint8_t *sectors = realloc(file->sectors, count);
        if (sectors == NULL) {
            return -ENOMEM;
        }
        memset(sectors + file->sector_count, SECTOR_CLEAN, count - file->sector_count);
        file->sectors = sectors;
        file->sector_count = count;
    }
    memset(file->sectors + first, SECTOR_DIRTY, after - first);
    return 0;
}

/* Makes room for a size, or says that there is none. */
static int take_space(struct store *store, struct store_file *file, uint64_t size)
{
    uint64_t without = store->used_bytes - blocks_of(file->seen_bytes);
    if (size > file->seen_bytes && without + blocks_of(size) > store->capacity_bytes) {
        return -ENOSPC;
    }
    store->used_bytes = without + blocks_of(size);
    file->seen_bytes = size;
    return 0;
}

ssize_t store_write(struct store *store, struct store_file *file, const void *bytes, size_t size,
                    uint64_t offset)
{
    uint64_t end = offset + size;
    int rv = mark_sectors(file, offset, end);
    if (rv == 0 && end > file->seen_bytes) {
        rv = take_space(store, file, end);
    }
    if (rv != 0) {
        return rv;
    }
    set_changed(file);
    ssize_t written = pwrite(file->seen_fd, bytes, size, (off_t)offset);
    return written < 0 ? -errno : written;
}

int store_truncate(struct store *store, struct store_file *file, uint64_t size)
{
    uint64_t before = file->seen_bytes;
    int rv = take_space(store, file, size);
    if (rv != 0) {
        return rv;
    }
    set_changed(file);
    if (ftruncate(file->seen_fd, (off_t)size) != 0) {
        return -errno;
    }
    return size > before ? mark_sectors(file, before, size) : mark_sectors(file, size, size + 1);
}

/* --- The medium --- */

/* Copies sectors from `first` up to `after`, at most RUN_SECTORS, as far as `size` reaches. */
#define RUN_SECTORS 128u

static int copy_sectors(int from, int to, size_t first, size_t after, uint64_t size)
{
    static char bytes[RUN_SECTORS * STORE_SECTOR_BYTES];
    uint64_t begin = (uint64_t)first * STORE_SECTOR_BYTES;
    uint64_t end = (uint64_t)after * STORE_SECTOR_BYTES;
    end = end < size ? end : size;
    if (begin >= end) {
        return 0;
    }
    size_t count = (size_t)(end - begin);
    memset(bytes, 0, count);
    if (pread(from, bytes, count, (off_t)begin) < 0 ||
        pwrite(to, bytes, count, (off_t)begin) != (ssize_t)count) {
        return -EIO;
    }
    return 0;
}

static int write_back(struct store_file *file)
{
    if (ftruncate(file->medium_fd, (off_t)file->seen_bytes) != 0) {
        return -errno;
    }
    file->medium_bytes = file->seen_bytes;
    for (size_t i = 0; i < file->sector_count; i++) {
        const uint8_t *found = memchr(file->sectors + i, SECTOR_DIRTY, file->sector_count - i);
        if (found == NULL) {
            break;
        }
        size_t first = (size_t)(found - file->sectors);
        for (i = first;
             i < file->sector_count && i < first + RUN_SECTORS && file->sectors[i] == SECTOR_DIRTY;
             i++) {
            file->sectors[i] = SECTOR_CLEAN;
        }
        int rv = copy_sectors(file->seen_fd, file->medium_fd, first, i, file->seen_bytes);
        if (rv != 0) {
            return rv;
        }
        i--;
    }
    return 0;
}

/* A sync that fails: each sector may have been written before it did, the others never will be. */
static int tear(struct store *store, struct store_file *file)
{
    for (size_t i = 0; i < file->sector_count; i++) {
        if (file->sectors[i] != SECTOR_DIRTY) {
            continue;
        }
        file->sectors[i] = SECTOR_FORGOTTEN;
        uint64_t end = ((uint64_t)i + 1) * STORE_SECTOR_BYTES;
        end = end < file->seen_bytes ? end : file->seen_bytes;
        if (end <= file->medium_bytes && random_percent(&store->random, store->tear_percent)) {
            int rv = copy_sectors(file->seen_fd, file->medium_fd, i, i + 1, file->medium_bytes);
            if (rv != 0) {
                return rv;
            }
            file->sectors[i] = SECTOR_CLEAN;
        }
    }
    return -EIO;
}

/* What a sync is to do now: 1 to write, 0 to lie, or an error. */
static int begin_sync(struct store *store)
{
    store->syncs++;
    if (store->syncs_to_fail > 0) {
        store->syncs_to_fail--;
        store->syncs_failed++;
        return -EIO;
    }
    store->syncs_lied += store->lying ? 1 : 0;
    return store->lying ? 0 : 1;
}

int store_sync(struct store *store, struct store_file *file)
{
    int rv = begin_sync(store);
    if (rv < 0) {
        return tear(store, file);
    }
    return rv == 1 ? write_back(file) : rv;
}

static int settle_directory(struct store *store, const char *path)
{
    for (size_t i = store->medium.count; i-- > 0;) {
        if (is_in(store->medium.names[i].path, path)) {
            struct store_file *file = store->medium.names[i].file;
            take_name(&store->medium, i);
            drop_file(store, file);
        }
    }
    for (size_t i = 0; i < store->seen.count; i++) {
        const struct store_name *name = &store->seen.names[i];
        if (is_in(name->path, path)) {
            int rv = put_name(&store->medium, name->path, name->file);
            if (rv != 0) {
                return rv;
            }
        }
    }
    return 0;
}

int store_sync_directory(struct store *store, const char *path)
{
    int rv = begin_sync(store);
    return rv == 1 ? settle_directory(store, path) : rv;
}

/* --- What happens to disks --- */

static int cut_file(struct store *store, struct store_file *file, uint64_t *random, unsigned keep)
{
    uint64_t seen_bytes = file->seen_bytes;
    if (random_percent(random, keep)) { /* the size alone may have been written back */
        file->medium_bytes = seen_bytes;
    }
    for (size_t i = 0; i < file->sector_count; i++) {
        if (file->sectors[i] == SECTOR_DIRTY && random_percent(random, keep)) {
            uint64_t end = ((uint64_t)i + 1) * STORE_SECTOR_BYTES;
            int rv = copy_sectors(file->seen_fd, file->medium_fd, i, i + 1, seen_bytes);
            if (rv != 0) {
                return rv;
            }
            end = end < seen_bytes ? end : seen_bytes;
            file->medium_bytes = end > file->medium_bytes ? end : file->medium_bytes;
            file->sectors[i] = SECTOR_CLEAN;
        }
    }
    store->used_bytes += blocks_of(file->medium_bytes);
    store->used_bytes -= blocks_of(seen_bytes);
    file->seen_bytes = file->medium_bytes;
    if (ftruncate(file->seen_fd, (off_t)file->medium_bytes) != 0 ||
        ftruncate(file->medium_fd, (off_t)file->medium_bytes) != 0) {
        return -errno;
    }
    for (size_t i = 0; i < file->sector_count; i++) {
        if (file->sectors[i] != SECTOR_CLEAN) {
            store->sectors_lost++;
            int rv = copy_sectors(file->medium_fd, file->seen_fd, i, i + 1, file->medium_bytes);
            if (rv != 0) {
                return rv;
            }
            file->sectors[i] = SECTOR_CLEAN;
        }
    }
    return 0;
}

/* A name whose directory is not there leads nowhere. */
static void drop_orphans(struct store *store)
{
    for (size_t i = 0; i < store->medium.count;) {
        char parent[STORE_PATH_BYTES];
        parent_of(store->medium.names[i].path, parent);
        if (find_name(&store->medium, parent) < store->medium.count) {
            i++;
            continue;
        }
        struct store_file *file = store->medium.names[i].file;
        take_name(&store->medium, i);
        drop_file(store, file);
        i = 0;
    }
}

int store_cut(struct store *store, uint64_t seed, unsigned keep_percent)
{
    uint64_t random = seed;
    for (size_t i = 0; i < store->seen.count; i++) {
        if (store->seen.names[i].file->opened > 0) {
            return -EBUSY;
        }
        if (store->seen.names[i].file->directory && random_percent(&random, keep_percent)) {
            int rv = settle_directory(store, store->seen.names[i].path);
            if (rv != 0) {
                return rv;
            }
        }
    }
    drop_orphans(store);
    struct store_names before = store->seen;
    store->seen = store->medium;
    for (size_t i = 0; i < before.count; i++) {
        drop_file(store, before.names[i].file);
    }
    for (size_t i = 0; i < store->seen.count; i++) {
        struct store_file *file = store->seen.names[i].file;
        int rv = file->directory ? 0 : cut_file(store, file, &random, keep_percent);
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}

static int flip_bit(int file, off_t offset, unsigned bit)
{
    uint8_t byte;
    if (pread(file, &byte, 1, offset) != 1) {
        return -EIO;
    }
    byte ^= (uint8_t)(1u << bit);
    return pwrite(file, &byte, 1, offset) == 1 ? 0 : -EIO;
}

int store_flip(struct store *store, const char *path, uint64_t seed, unsigned count)
{
    struct store_file *file = store_find(store, path);
    uint64_t random = seed;
    if (file == NULL || file->directory || file->medium_bytes == 0) {
        return -ENOENT;
    }
    for (unsigned i = 0; i < count; i++) {
        off_t offset = (off_t)(random_next(&random) % file->medium_bytes);
        unsigned bit = (unsigned)(random_next(&random) % 8);
        int rv = flip_bit(file->seen_fd, offset, bit);
        if (rv == 0) {
            rv = flip_bit(file->medium_fd, offset, bit);
        }
        if (rv != 0) {
            return rv;
        }
    }
    return 0;
}
