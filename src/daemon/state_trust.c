/* When the state on disk may be believed. */
#include "daemon/state_trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRUST_FILE     "TRUST"
#define TRUST_FILE_NEW "TRUST.new"
#define TRUST_CLEAN    "clean"
#define TRUST_DAMAGED  "damaged"
#define BOOT_ID_FILE   "/proc/sys/kernel/random/boot_id"

/* The first line of a small file, empty when there is none. */
static void read_first_line(int directory, const char *name, char *line, size_t size)
{
    line[0] = '\0';
    int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    ssize_t got = read(file, line, size - 1);
    line[got < 0 ? 0 : got] = '\0';
    line[strcspn(line, "\n")] = '\0';
    (void)close(file);
}

void state_trust_boot_id(char boot_id[STATE_TRUST_BOOT_ID_BYTES])
{
    ASSERT(boot_id != NULL);
    read_first_line(AT_FDCWD, BOOT_ID_FILE, boot_id, STATE_TRUST_BOOT_ID_BYTES);
}

/* In the place that the file has on the disk already, which takes no room. Torn by a crash it says
 * nothing that is believed. */
static enum conclave_code write_in_place(int directory, const char *text)
{
    int file = openat(directory, TRUST_FILE, O_WRONLY | O_CLOEXEC);
    if (file < 0) {
        return CONCLAVE_DISK_FULL; /* there is none */
    }
    char line[STATE_TRUST_BOOT_ID_BYTES + 1];
    int size = snprintf(line, sizeof line, "%s\n", text);
    bool ok = size > 0 && (size_t)size < sizeof line &&
              pwrite(file, line, (size_t)size, 0) == size && ftruncate(file, size) == 0 &&
              fsync(file) == 0;
    return close(file) == 0 && ok ? CONCLAVE_OK : CONCLAVE_IO;
}

/* Durable on return: a new file, synced, then put in the place of the old one. */
static enum conclave_code write_trust(int directory, const char *text)
{
    int file = openat(directory, TRUST_FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (file < 0) {
        return errno == ENOSPC || errno == EDQUOT ? write_in_place(directory, text) : CONCLAVE_IO;
    }
    bool ok = dprintf(file, "%s\n", text) == (int)strlen(text) + 1;
    bool full = !ok && (errno == ENOSPC || errno == EDQUOT);
    ok = ok && fsync(file) == 0;
    if (full) {
        (void)close(file); /* nothing of it counts */
        return write_in_place(directory, text);
    }
    if (close(file) != 0 || !ok ||
        renameat(directory, TRUST_FILE_NEW, directory, TRUST_FILE) != 0 || fsync(directory) != 0) {
        return CONCLAVE_IO;
    }
    return CONCLAVE_OK;
}

static enum conclave_code delete_files(DIR *entries, bool *wiped)
{
    const struct dirent *entry;
    while ((errno = 0, entry = readdir(entries)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            strcmp(entry->d_name, TRUST_FILE) == 0) {
            continue;
        }
        if (unlinkat(dirfd(entries), entry->d_name, 0) != 0) {
            return CONCLAVE_IO;
        }
        *wiped = true;
    }
    return errno == 0 && fsync(dirfd(entries)) == 0 ? CONCLAVE_OK : CONCLAVE_IO;
}

enum conclave_code state_trust_wipe(const char *directory, bool *wiped)
{
    ASSERT(directory != NULL && wiped != NULL);
    *wiped = false;
    DIR *entries = opendir(directory);
    if (entries == NULL) {
        return CONCLAVE_IO;
    }
    enum conclave_code code = delete_files(entries, wiped);
    (void)closedir(entries);
    return code;
}

static int open_directory(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum conclave_code state_trust_begin(const char *directory, const char *boot_id, bool *wiped)
{
    ASSERT(directory != NULL && boot_id != NULL && wiped != NULL);
    char line[STATE_TRUST_BOOT_ID_BYTES];
    *wiped = false;
    int file = open_directory(directory);
    if (file < 0) {
        return CONCLAVE_IO;
    }
    read_first_line(file, TRUST_FILE, line, sizeof line);
    enum conclave_code code = CONCLAVE_OK;
    if (strcmp(line, TRUST_CLEAN) != 0 && (boot_id[0] == '\0' || strcmp(line, boot_id) != 0)) {
        code = state_trust_wipe(directory, wiped);
    }
    if (code == CONCLAVE_OK) {
        code = write_trust(file, boot_id);
    }
    (void)close(file);
    return code;
}

static enum conclave_code replace_trust(const char *directory, const char *text)
{
    ASSERT(directory != NULL);
    int file = open_directory(directory);
    if (file < 0) {
        return CONCLAVE_IO;
    }
    enum conclave_code code = write_trust(file, text);
    (void)close(file);
    return code;
}

enum conclave_code state_trust_withdraw(const char *directory)
{
    return replace_trust(directory, TRUST_DAMAGED);
}

enum conclave_code state_trust_end(const char *directory)
{
    return replace_trust(directory, TRUST_CLEAN);
}
