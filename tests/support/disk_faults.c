/* The calls that write to disks, with a countdown to one failure: defined here, they stand before
 * the C library's. */
#include "support/disk_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static _Atomic uint64_t fault_countdown;
static _Atomic int fault_error;
static _Atomic bool fault_hit;
static _Atomic bool fault_always;
static _Atomic uint64_t sync_count;

#define SYNCED_MAX 64u
static _Atomic ino_t synced[SYNCED_MAX];
static _Atomic unsigned synced_count;

static bool fault(void)
{
    if (!fault_always && (fault_countdown == 0 || --fault_countdown > 0)) {
        return false;
    }
    fault_hit = true;
    errno = fault_error;
    return true;
}

void disk_faults_arm(uint64_t countdown, int error)
{
    fault_error = error;
    fault_hit = false;
    fault_always = false;
    fault_countdown = countdown;
}

void disk_faults_arm_all(int error)
{
    disk_faults_arm(0, error);
    fault_always = true;
}

bool disk_faults_hit(void)
{
    return fault_hit;
}

uint64_t disk_faults_sync_count(void)
{
    return sync_count;
}

ssize_t write(int file, const void *data, size_t size)
{
    return fault() ? -1 : syscall(SYS_write, file, data, size);
}

ssize_t writev(int file, const struct iovec *pieces, int piece_count)
{
    return fault() ? -1 : syscall(SYS_writev, file, pieces, piece_count);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
{
    return fault() ? -1 : syscall(SYS_pwrite64, file, data, size, offset);
}

int ftruncate(int file, off_t size)
{
    return fault() ? -1 : (int)syscall(SYS_ftruncate, file, size);
}

int fallocate(int file, int mode, off_t offset, off_t size)
{
    return fault() ? -1 : (int)syscall(SYS_fallocate, file, mode, offset, size);
}

bool disk_faults_synced(const char *path)
{
    struct stat status;
    bool found = false;
    for (unsigned i = 0; stat(path, &status) == 0 && i < SYNCED_MAX && !found; i++) {
        found = synced[i] == status.st_ino;
    }
    return found;
}

int fsync(int file)
{
    struct stat status;
    sync_count++;
    if (fstat(file, &status) == 0) {
        synced[synced_count++ % SYNCED_MAX] = status.st_ino;
    }
    return fault() ? -1 : (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    sync_count++;
    return fault() ? -1 : (int)syscall(SYS_fdatasync, file);
}
