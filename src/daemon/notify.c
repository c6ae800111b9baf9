/* Telling systemd how we are. Nobody there to be told, or nobody listening, is no error. */
#include "daemon/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/logger.h"

static void notify_send(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') ||
        strlen(path) >= sizeof address.sun_path) {
        return;
    }
    size_t size = strlen(path);
    memcpy(address.sun_path, path, size);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* the abstract namespace */
    }
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file < 0) {
        return;
    }
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    if (sendto(file, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address,
               address_size) < 0) {
        LOG_WARN("the service manager could not be told", FIELD_TEXT("text", text));
    }
    (void)close(file);
}

void notify_ready(void)
{
    notify_send("READY=1");
}

void notify_reloading(void)
{
    char text[64];
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                   clock_monotonic_ms(&clock_system) * 1000);
    notify_send(text);
}

void notify_stopping(void)
{
    notify_send("STOPPING=1");
}
