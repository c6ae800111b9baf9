/* The file of known disks. A file and its successor change places, so that each has its place on
 * the disk already when the disk is full. Changes gather in `entries` while a write is under way;
 * the next write takes them all. */
#include "daemon/known_disks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "base/logger.h"
#include "base/memory.h"

#define FILE_BYTES_MAX 16384u
#define PATH_BYTES     (SETTINGS_VALUE_BYTES + 32u)
#define HEADING        "conclave-peers-v1\n"
#define DISK_HEX       (2u * DISK_ID_BYTES + 1u)
#define START_HEX      (2u * DISK_START_BYTES + 1u)
#define SUM_HEX        (2u * AUTH_SHA256_BYTES + 1u)

struct entry {
    struct peers_disk disk;   /* durable, when there is one */
    struct peers_disk wanted; /* to become so */
    bool there, changed, writing;
};

struct known_disks {
    uv_loop_t *loop;
    char path[PATH_BYTES];
    void (*done)(void *context, uint64_t node_id, enum conclave_code code);
    void *context;
    struct entry entries[KNOWN_DISKS_MAX];
    unsigned count;
    struct peers_disk list[KNOWN_DISKS_MAX]; /* what known_disks_list gives out */
    uv_work_t work;
    bool busy;
    char text[FILE_BYTES_MAX]; /* of the write under way */
    size_t text_size;
    enum conclave_code result;
    int why; /* errno */
};

/* --- text --- */

static void write_text(struct known_disks *known)
{
    int used = snprintf(known->text, sizeof known->text, HEADING);
    for (unsigned i = 0; i < known->count; i++) {
        const struct entry *entry = &known->entries[i];
        const struct peers_disk *disk = entry->writing ? &entry->wanted : &entry->disk;
        char id[DISK_HEX], start[START_HEX];
        if (!entry->writing && !entry->there) {
            continue;
        }
        sodium_bin2hex(id, sizeof id, disk->disk.id, DISK_ID_BYTES);
        sodium_bin2hex(start, sizeof start, disk->disk.start, DISK_START_BYTES);
        used += snprintf(known->text + used, sizeof known->text - (size_t)used,
                         "%" PRIu64 " %s %" PRIu64 " %s\n", disk->node_id, id,
                         disk->disk.generation, start);
        ASSERT(used > 0 && (size_t)used < sizeof known->text);
    }
    uint8_t sum[AUTH_SHA256_BYTES];
    char hex[SUM_HEX];
    auth_sha256(slice_of(known->text, (size_t)used), sum);
    sodium_bin2hex(hex, sizeof hex, sum, sizeof sum);
    used += snprintf(known->text + used, sizeof known->text - (size_t)used, "sha256 %s\n", hex);
    ASSERT(used > 0 && (size_t)used < sizeof known->text);
    known->text_size = (size_t)used;
}

static bool read_hex(const char *text, uint8_t *bytes, size_t size)
{
    size_t read;
    return strlen(text) == 2 * size &&
           sodium_hex2bin(bytes, size, text, 2 * size, NULL, &read, NULL) == 0 && read == size;
}

/* The lines are ours: their sum is right. */
static bool read_line(struct known_disks *known, const char *line)
{
    struct entry *entry = &known->entries[known->count];
    struct peers_disk *disk = &entry->disk;
    char id[DISK_HEX], start[START_HEX];
    int end = 0;
    if (known->count == KNOWN_DISKS_MAX ||
        sscanf(line, "%" SCNu64 " %32s %" SCNu64 " %16s%n", &disk->node_id, id,
               &disk->disk.generation, start, &end) != 4 ||
        line[end] != '\n' || disk->node_id == 0 || disk->disk.generation == 0 ||
        !read_hex(id, disk->disk.id, DISK_ID_BYTES) ||
        !read_hex(start, disk->disk.start, DISK_START_BYTES)) {
        return false;
    }
    entry->there = true;
    known->count++;
    return true;
}

static bool read_text(struct known_disks *known)
{
    uint8_t sum[AUTH_SHA256_BYTES];
    char hex[SUM_HEX], last[SUM_HEX + 16];
    const size_t last_size = sizeof "sha256 " - 1 + SUM_HEX - 1 + 1;
    if (known->text_size < sizeof HEADING - 1 + last_size ||
        strlen(known->text) != known->text_size ||
        strncmp(known->text, HEADING, sizeof HEADING - 1) != 0) {
        return false;
    }
    size_t body = known->text_size - last_size;
    auth_sha256(slice_of(known->text, body), sum);
    sodium_bin2hex(hex, sizeof hex, sum, sizeof sum);
    (void)snprintf(last, sizeof last, "sha256 %s\n", hex);
    if (strcmp(known->text + body, last) != 0) {
        return false;
    }
    for (const char *at = known->text + sizeof HEADING - 1; at < known->text + body;
         at = strchr(at, '\n') + 1) {
        if (!read_line(known, at)) {
            return false;
        }
    }
    return true;
}

/* --- the file --- */

static enum conclave_code read_file(struct known_disks *known, struct settings_error *error)
{
    int file = open(known->path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT) {
        return CONCLAVE_OK;
    }
    ssize_t size = file < 0 ? -1 : read(file, known->text, sizeof known->text - 1);
    if (size < 0) {
        settings_error_set(error, "%s: cannot be read: %s", known->path, strerror(errno));
    }
    if (file >= 0) {
        (void)close(file);
    }
    if (size < 0) {
        return CONCLAVE_IO;
    }
    known->text[size] = '\0';
    known->text_size = (size_t)size;
    if (!read_text(known)) {
        settings_error_set(error,
                           "%s is damaged: it remembers the disks of the other nodes. Take it away "
                           "only if no node's disk was wiped, copied or restored since",
                           known->path);
        return CONCLAVE_CORRUPT;
    }
    return CONCLAVE_OK;
}

static bool sync_directory(const char *path)
{
    char directory[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    ASSERT(slash != NULL);
    (void)snprintf(directory, sizeof directory, "%.*s", (int)(slash - path + 1), path);
    int file = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = file >= 0 && fsync(file) == 0;
    if (file >= 0) {
        (void)close(file);
    }
    return synced;
}

/* The first has nothing to change places with, and some file systems cannot. */
static bool take_place(const char *beside, const char *path)
{
    return renameat2(AT_FDCWD, beside, AT_FDCWD, path, RENAME_EXCHANGE) == 0 ||
           rename(beside, path) == 0;
}

/* On a thread: nothing of `known` is changed meanwhile but by us. */
static void write_file(uv_work_t *work)
{
    struct known_disks *known = work->data;
    char beside[PATH_BYTES + 8];
    (void)snprintf(beside, sizeof beside, "%s.new", known->path);
    int file = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    bool written = file >= 0 &&
                   write(file, known->text, known->text_size) == (ssize_t)known->text_size &&
                   ftruncate(file, (off_t)known->text_size) == 0 && fsync(file) == 0;
    known->why = errno;
    if (file >= 0 && close(file) != 0) {
        written = false;
    }
    if (written && (!take_place(beside, known->path) || !sync_directory(known->path))) {
        known->why = errno;
        written = false;
    }
    known->result = written                                        ? CONCLAVE_OK
                    : known->why == ENOSPC || known->why == EDQUOT ? CONCLAVE_DISK_FULL
                                                                   : CONCLAVE_IO;
}

static void start_write(struct known_disks *known);

static void on_written(uv_work_t *work, int status)
{
    struct known_disks *known = work->data;
    ASSERT(status == 0); /* nobody cancels it */
    enum conclave_code result = known->result;
    uint64_t nodes[KNOWN_DISKS_MAX];
    unsigned node_count = 0;
    known->busy = false;
    if (result != CONCLAVE_OK) {
        LOG_ERROR("the disks of other nodes could not be written down",
                  FIELD_TEXT("file", known->path), FIELD_TEXT("reason", strerror(known->why)));
    }
    for (unsigned i = 0; i < known->count; i++) {
        struct entry *entry = &known->entries[i];
        if (entry->writing) {
            entry->writing = false;
            nodes[node_count++] = entry->wanted.node_id;
            if (result == CONCLAVE_OK) {
                entry->disk = entry->wanted;
                entry->there = true;
            }
        }
    }
    start_write(known);
    for (unsigned i = 0; i < node_count; i++) {
        known->done(known->context, nodes[i], result);
    }
}

static void start_write(struct known_disks *known)
{
    bool any = false;
    if (known->busy) {
        return;
    }
    for (unsigned i = 0; i < known->count; i++) {
        struct entry *entry = &known->entries[i];
        entry->writing = entry->changed;
        entry->changed = false;
        any = any || entry->writing;
    }
    if (!any) {
        return;
    }
    write_text(known);
    known->busy = true;
    known->work.data = known;
    int rv = uv_queue_work(known->loop, &known->work, write_file, on_written);
    ASSERT(rv == 0);
}

enum conclave_code known_disks_open(uv_loop_t *loop, const char *path,
                                    void (*done)(void *context, uint64_t node_id,
                                                 enum conclave_code code),
                                    void *context, struct known_disks **known,
                                    struct settings_error *error)
{
    ASSERT(loop != NULL && path != NULL && strchr(path, '/') != NULL && done != NULL);
    ASSERT(strlen(path) < PATH_BYTES && known != NULL && error != NULL);
    struct known_disks *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        settings_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    made->loop = loop;
    made->done = done;
    made->context = context;
    memcpy(made->path, path, strlen(path) + 1);
    enum conclave_code code = read_file(made, error);
    if (code != CONCLAVE_OK) {
        memory_free(made);
        return code;
    }
    for (unsigned i = 0; i < made->count; i++) {
        made->list[i] = made->entries[i].disk;
    }
    *known = made;
    return CONCLAVE_OK;
}

const struct peers_disk *known_disks_list(const struct known_disks *known, unsigned *count)
{
    ASSERT(known != NULL && count != NULL);
    *count = known->count;
    return known->list;
}

void known_disks_add(struct known_disks *known, const struct peers_disk *disk)
{
    ASSERT(known != NULL && disk != NULL && disk->node_id != 0);
    unsigned i = 0;
    while (i < known->count && known->entries[i].disk.node_id != disk->node_id &&
           known->entries[i].wanted.node_id != disk->node_id) {
        i++;
    }
    if (i == KNOWN_DISKS_MAX) {
        known->done(known->context, disk->node_id, CONCLAVE_LIMIT_REACHED);
        return;
    }
    known->count = i == known->count ? i + 1 : known->count;
    ASSERT(!known->entries[i].writing && !known->entries[i].changed); /* one at a time a node */
    known->entries[i].wanted = *disk;
    known->entries[i].changed = true;
    start_write(known);
}

void known_disks_close(struct known_disks *known)
{
    if (known != NULL) {
        ASSERT(!known->busy);
        memory_free(known);
    }
}
