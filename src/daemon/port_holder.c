/* Who listens on an address: /proc/net/tcp has the socket's inode, /proc/PID/fd has who holds it.
 */
#include "daemon/port_holder.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/address.h"

#define TCP_LISTENING 0x0a

/* The inode of the socket that listens on `port` (host order), 0 when there is none. */
static uint64_t find_inode(const char *table, unsigned port)
{
    char line[512];
    uint64_t found = 0;
    FILE *file = fopen(table, "re");
    if (file == NULL) {
        return 0;
    }
    while (found == 0 && fgets(line, sizeof line, file) != NULL) {
        unsigned local_port, state;
        uint64_t inode;
        /* "sl local:port remote:port state tx:rx tr:when retransmits uid timeout inode" */
        if (sscanf(line,
                   " %*[^:]: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*x:%*x %*x:%*x %*x %*u %*u "
                   "%" SCNu64,
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == TCP_LISTENING) {
            found = inode;
        }
    }
    (void)fclose(file);
    return found;
}

static bool holds(const char *pid, const char *link)
{
    char path[64], target[64];
    bool found = false;
    (void)snprintf(path, sizeof path, "/proc/%.20s/fd", pid);
    DIR *directory = opendir(path);
    if (directory == NULL) {
        return false;
    }
    const struct dirent *entry;
    while (!found && (entry = readdir(directory)) != NULL) {
        ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof target - 1);
        if (size > 0) {
            target[size] = '\0';
            found = strcmp(target, link) == 0;
        }
    }
    (void)closedir(directory);
    return found;
}

static long find_process(uint64_t inode)
{
    char link[64];
    long pid = 0;
    (void)snprintf(link, sizeof link, "socket:[%" PRIu64 "]", inode);
    DIR *directory = opendir("/proc");
    if (directory == NULL) {
        return 0;
    }
    const struct dirent *entry;
    while (pid == 0 && (entry = readdir(directory)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) && holds(entry->d_name, link)) {
            pid = strtol(entry->d_name, NULL, 10);
        }
    }
    (void)closedir(directory);
    return pid;
}

long port_holder_find(const char *address)
{
    union net_address parsed;
    struct codec_error error;
    if (net_address_parse(address, false, &parsed, &error) != CONCLAVE_OK) {
        return 0;
    }
    unsigned port = parsed.any.sa_family == AF_INET ? ntohs(parsed.v4.sin_port)
                                                    : ntohs(parsed.v6.sin6_port);
    uint64_t inode = find_inode("/proc/net/tcp", port);
    if (inode == 0) {
        inode = find_inode("/proc/net/tcp6", port);
    }
    return inode == 0 ? 0 : find_process(inode);
}
