/* chaos-disk: a disk of a node of the chaos test, mounted by libfuse3. It answers one line on
 * standard output for each line on standard input, and ends when that ends. One thread: a slow sync
 * is slow for everybody, as on a disk.
 *
 *   fail-syncs N KEEP SEED  the next N syncs fail with EIO; KEEP percent of it is written
 *   lie on|off           syncs say yes and write nothing
 *   sync-delay MS        each sync takes so long
 *   capacity BYTES|MiB   the size of the disk (e.g. 64M); `capacity +N` is N bytes more than in use
 *   flip PATH COUNT SEED flips bits of a file
 *   cut KEEP SEED        the power goes: KEEP percent of what was not synced survives; mounts anew
 *   stats                counts
 *
 * `cut` and `flip` want that nobody has a file open. */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

#define LINE_BYTES        512u
#define FOREVER_S         1e9 /* the kernel may remember: nobody else changes anything */
#define CAPACITY_BYTES    ((uint64_t)1 << 40)
#define MEBIBYTE          ((uint64_t)1 << 20)
#define SYNC_DELAY_MAX_MS 10000u
#define FLIPS_MAX         100000u
#define CLOSE_TRIES       200u
#define CLOSE_WAIT_MS     10

static struct {
    struct store store;
    const char *mount_point;
    struct fuse *fuse;
    struct fuse_session *session;
    unsigned sync_delay_ms;
    char line[LINE_BYTES];
    size_t line_size;
} disk;

/* --- the file system --- */

static struct store_file *file_of(const struct fuse_file_info *info, const char *path)
{
    if (info != NULL && info->fh != 0) {
        return (struct store_file *)(uintptr_t)info->fh;
    }
    return path == NULL ? NULL : store_find(&disk.store, path);
}

static void sync_delay(void)
{
    struct timespec delay = {disk.sync_delay_ms / 1000,
                             (long)(disk.sync_delay_ms % 1000) * 1000000};
    while (nanosleep(&delay, &delay) != 0 && errno == EINTR) {
    }
}

static void *disk_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    connection->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
    config->kernel_cache = 1;
    config->entry_timeout = FOREVER_S;
    config->attr_timeout = FOREVER_S;
    config->negative_timeout = 0;
    config->hard_remove = 1;
    config->nullpath_ok = 1;
    return NULL;
}

static int disk_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    const struct store_file *file = file_of(info, path);
    if (file == NULL) {
        return -ENOENT;
    }
    memset(status, 0, sizeof *status);
    status->st_mode = file->mode | (file->directory ? (mode_t)S_IFDIR : (mode_t)S_IFREG);
    status->st_nlink = file->directory ? 2 : 1;
    status->st_uid = geteuid();
    status->st_gid = getegid();
    status->st_size = (off_t)file->seen_bytes;
    status->st_blocks = (blkcnt_t)(file->seen_bytes / 512 + 1);
    status->st_mtim = file->changed;
    status->st_ctim = file->changed;
    status->st_atim = file->changed;
    return 0;
}

/* Handles of directories hold nothing: nobody here removes one that is open. */
static int disk_opendir(const char *path, struct fuse_file_info *info)
{
    struct store_file *file = store_find(&disk.store, path);
    if (file == NULL) {
        return -ENOENT;
    }
    info->fh = (uint64_t)(uintptr_t)file;
    return 0;
}

/* With a handle, libfuse gives no path. */
static const char *directory_path(const struct fuse_file_info *info)
{
    const struct store_names *seen = &disk.store.seen;
    for (size_t i = 0; i < seen->count; i++) {
        if (seen->names[i].file == file_of(info, NULL)) {
            return seen->names[i].path;
        }
    }
    return NULL;
}

static int disk_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                        struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)offset;
    (void)flags;
    path = directory_path(info);
    if (path == NULL) {
        return -ENOENT;
    }
    size_t size = strcmp(path, "/") == 0 ? 0 : strlen(path);
    fill(buffer, ".", NULL, 0, 0);
    fill(buffer, "..", NULL, 0, 0);
    for (size_t i = 0; i < disk.store.seen.count; i++) {
        const char *name = disk.store.seen.names[i].path;
        if (strncmp(name, path, size) == 0 && name[size] == '/' && name[size + 1] != '\0' &&
            strchr(name + size + 1, '/') == NULL) {
            fill(buffer, name + size + 1, NULL, 0, 0);
        }
    }
    return 0;
}

static int disk_mkdir(const char *path, mode_t mode)
{
    return store_create(&disk.store, path, mode & 07777, true, NULL);
}

static void hold(struct fuse_file_info *info, struct store_file *file)
{
    store_hold(file);
    info->fh = (uint64_t)(uintptr_t)file;
}

static int disk_open(const char *path, struct fuse_file_info *info)
{
    struct store_file *file = store_find(&disk.store, path);
    if (file == NULL) {
        return -ENOENT;
    }
    hold(info, file);
    return 0;
}

static int disk_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    struct store_file *file;
    int rv = store_create(&disk.store, path, mode & 07777, false, &file);
    if (rv == 0) {
        hold(info, file);
    }
    return rv;
}

static int disk_release(const char *path, struct fuse_file_info *info)
{
    (void)path;
    store_release(&disk.store, file_of(info, NULL));
    return 0;
}

static int disk_unlink(const char *path)
{
    return store_remove(&disk.store, path);
}

static int disk_rename(const char *from, const char *to, unsigned flags)
{
    return flags != 0 ? -EINVAL : store_rename(&disk.store, from, to);
}

static int disk_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    struct store_file *file = file_of(info, path);
    if (file == NULL) {
        return -ENOENT;
    }
    file->mode = mode & 07777;
    return 0;
}

static int disk_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    struct store_file *file = file_of(info, path);
    return file == NULL ? -ENOENT : store_truncate(&disk.store, file, (uint64_t)size);
}

static int disk_read(const char *path, char *bytes, size_t size, off_t offset,
                     struct fuse_file_info *info)
{
    return (int)store_read(file_of(info, path), bytes, size, (uint64_t)offset);
}

static int disk_write(const char *path, const char *bytes, size_t size, off_t offset,
                      struct fuse_file_info *info)
{
    struct store_file *file = file_of(info, path);
    ssize_t written = store_write(&disk.store, file, bytes, size, (uint64_t)offset);
    if (written >= 0 && (info->flags & O_DSYNC) != 0) {
        sync_delay();
        int rv = store_sync(&disk.store, file);
        return rv < 0 ? rv : (int)written;
    }
    return (int)written;
}

static int disk_fsync(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)data_only;
    sync_delay();
    return store_sync(&disk.store, file_of(info, path));
}

static int disk_fsyncdir(const char *path, int data_only, struct fuse_file_info *info)
{
    (void)data_only;
    sync_delay();
    path = directory_path(info);
    return path == NULL ? -ENOENT : store_sync_directory(&disk.store, path);
}

static int disk_utimens(const char *path, const struct timespec times[2],
                        struct fuse_file_info *info)
{
    struct store_file *file = file_of(info, path);
    if (file == NULL) {
        return -ENOENT;
    }
    file->changed = times[1];
    return 0;
}

static const struct fuse_operations operations = {
    .init = disk_init,
    .getattr = disk_getattr,
    .opendir = disk_opendir,
    .readdir = disk_readdir,
    .mkdir = disk_mkdir,
    .rmdir = disk_unlink,
    .open = disk_open,
    .create = disk_create,
    .release = disk_release,
    .unlink = disk_unlink,
    .rename = disk_rename,
    .chmod = disk_chmod,
    .truncate = disk_truncate,
    .read = disk_read,
    .write = disk_write,
    .fsync = disk_fsync,
    .fsyncdir = disk_fsyncdir,
    .utimens = disk_utimens,
};

/* --- mounting --- */

static int disk_mount(void)
{
    char name[] = "chaos-disk", option[] = "-o", options[] = "fsname=chaos-disk";
    char *arguments[] = {name, option, options};
    struct fuse_args args = FUSE_ARGS_INIT(3, arguments);
    disk.fuse = fuse_new(&args, &operations, sizeof operations, NULL);
    fuse_opt_free_args(&args);
    if (disk.fuse == NULL) {
        return -EIO;
    }
    if (fuse_mount(disk.fuse, disk.mount_point) != 0) {
        fuse_destroy(disk.fuse);
        disk.fuse = NULL;
        return -EIO;
    }
    disk.session = fuse_get_session(disk.fuse);
    return 0;
}

static void disk_unmount(void)
{
    if (disk.fuse != NULL) {
        fuse_unmount(disk.fuse);
        fuse_destroy(disk.fuse);
        disk.fuse = NULL;
    }
}

static bool serve(void);

static bool anything_open(void)
{
    for (size_t i = 0; i < disk.store.seen.count; i++) {
        if (disk.store.seen.names[i].file->opened > 0) {
            return true;
        }
    }
    return false;
}

/* The kernel tells of files that a dead process had open a little later. */
static bool all_closed(void)
{
    for (unsigned i = 0; i < CLOSE_TRIES && anything_open(); i++) {
        struct pollfd event = {.fd = fuse_session_fd(disk.session), .events = POLLIN};
        if (poll(&event, 1, CLOSE_WAIT_MS) > 0 && !serve()) {
            return false;
        }
    }
    return !anything_open();
}

/* --- commands --- */

static int set_capacity(const char *text)
{
    char *end;
    bool more = text[0] == '+';
    errno = 0;
    uint64_t bytes = strtoull(text + (more ? 1 : 0), &end, 10);
    if (errno != 0 || end == text) {
        return -EINVAL;
    }
    bytes = *end == 'M' ? bytes * MEBIBYTE : bytes;
    disk.store.capacity_bytes = bytes + (more ? disk.store.used_bytes : 0);
    return 0;
}

static int cut(unsigned keep, uint64_t seed)
{
    if (!all_closed()) {
        return -EBUSY;
    }
    disk_unmount();
    int rv = store_cut(&disk.store, seed, keep);
    return rv != 0 ? rv : disk_mount();
}

static int flip(const char *path, unsigned count, uint64_t seed)
{
    if (!all_closed()) {
        return -EBUSY;
    }
    disk_unmount(); /* what the kernel remembers must not hide it */
    int rv = store_flip(&disk.store, path, seed, count);
    int mounted = disk_mount();
    return rv != 0 ? rv : mounted;
}

static int run_command(const char *line)
{
    char word[STORE_PATH_BYTES];
    uint64_t number, seed, keep;
    if (sscanf(line, "fail-syncs %" SCNu64 " %" SCNu64 " %" SCNu64, &number, &keep, &seed) == 3 &&
        keep <= 100) {
        disk.store.syncs_to_fail = number;
        disk.store.tear_percent = (unsigned)keep;
        disk.store.random = seed;
    } else if (sscanf(line, "lie %255s", word) == 1) {
        disk.store.lying = strcmp(word, "on") == 0;
    } else if (sscanf(line, "sync-delay %" SCNu64, &number) == 1 && number <= SYNC_DELAY_MAX_MS) {
        disk.sync_delay_ms = (unsigned)number;
    } else if (sscanf(line, "capacity %255s", word) == 1) {
        return set_capacity(word);
    } else if (sscanf(line, "flip %255s %" SCNu64 " %" SCNu64, word, &number, &seed) == 3 &&
               number <= FLIPS_MAX) {
        return flip(word, (unsigned)number, seed);
    } else if (sscanf(line, "cut %" SCNu64 " %" SCNu64, &number, &seed) == 2 && number <= 100) {
        return cut((unsigned)number, seed);
    } else if (strcmp(line, "stats") != 0) {
        return -EINVAL;
    }
    return 0;
}

static void answer(const char *line)
{
    const struct store *store = &disk.store;
    int rv = run_command(line);
    if (rv != 0) {
        printf("error %s: %s\n", line, strerror(-rv));
    } else {
        printf("ok used=%" PRIu64 " syncs=%" PRIu64 " failed=%" PRIu64 " lied=%" PRIu64
               " lost=%" PRIu64 "\n",
               store->used_bytes, store->syncs, store->syncs_failed, store->syncs_lied,
               store->sectors_lost);
    }
    (void)fflush(stdout);
}

/* False at the end of standard input. */
static bool read_commands(void)
{
    ssize_t got = read(STDIN_FILENO, disk.line + disk.line_size, LINE_BYTES - 1 - disk.line_size);
    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    disk.line_size += (size_t)got;
    disk.line[disk.line_size] = '\0';
    char *end;
    while ((end = strchr(disk.line, '\n')) != NULL) {
        *end = '\0';
        answer(disk.line);
        disk.line_size -= (size_t)(end + 1 - disk.line);
        memmove(disk.line, end + 1, disk.line_size + 1);
    }
    return disk.line_size < LINE_BYTES - 1;
}

/* False when the file system was unmounted by somebody else. */
static bool serve(void)
{
    static struct fuse_buf buffer;
    int got = fuse_session_receive_buf(disk.session, &buffer);
    if (got == -EINTR || got == -EAGAIN) {
        return true;
    }
    if (got <= 0) {
        return false;
    }
    fuse_session_process_buf(disk.session, &buffer);
    return true;
}

static int run(void)
{
    for (;;) {
        struct pollfd events[] = {{.fd = fuse_session_fd(disk.session), .events = POLLIN},
                                  {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(events, 2, -1) < 0 && errno != EINTR) {
            return EXIT_FAILURE;
        }
        if (events[0].revents != 0 && !serve()) {
            return EXIT_FAILURE;
        }
        if (events[1].revents != 0 && !read_commands()) {
            return EXIT_SUCCESS;
        }
        if (disk.fuse == NULL) {
            return EXIT_FAILURE;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: chaos-disk MOUNT_POINT BACKING_DIRECTORY\n");
        return 2;
    }
    disk.mount_point = argv[1];
    (void)signal(SIGINT, SIG_IGN); /* it ends with its standard input */
    (void)signal(SIGPIPE, SIG_IGN);
    int rv = store_open(&disk.store, argv[2], CAPACITY_BYTES);
    if (rv == 0) {
        rv = disk_mount();
    }
    if (rv != 0) {
        (void)fprintf(stderr, "chaos-disk: %s: %s\n", disk.mount_point, strerror(-rv));
        return EXIT_FAILURE;
    }
    printf("ready\n");
    (void)fflush(stdout);
    int status = run();
    disk_unmount();
    return status;
}
