/* Blocking sockets with deadlines: the sockets are non-blocking, poll() waits. */
#include "client/connection.h"

#include <conclave/limits.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define RECEIVE_BYTES 16384u

uint64_t client_now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

void client_connection_init(struct client_connection *connection)
{
    ASSERT(connection != NULL);
    *connection = (struct client_connection){.fd = -1};
    buffer_init(&connection->input, LIMIT_ANSWER_BYTES + RECEIVE_BYTES);
}

void client_connection_close(struct client_connection *connection)
{
    ASSERT(connection != NULL);
    if (connection->fd >= 0) {
        close(connection->fd);
    }
    connection->fd = -1;
    connection->consumed = 0;
    connection->scan = (struct codec_scan){0};
    buffer_close(&connection->input);
    buffer_init(&connection->input, LIMIT_ANSWER_BYTES + RECEIVE_BYTES);
}

bool client_connection_is_open(const struct client_connection *connection)
{
    ASSERT(connection != NULL);
    return connection->fd >= 0;
}

void client_connection_check(struct client_connection *connection)
{
    ASSERT(connection != NULL);
    if (connection->fd < 0) {
        return;
    }
    uint8_t byte;
    ssize_t got = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        client_connection_close(connection);
    }
}

static void set_why(struct client_connection *connection, const char *why)
{
    ASSERT(why != NULL);
    snprintf(connection->why, sizeof connection->why, "%s", why);
}

static void set_why_errno(struct client_connection *connection, int error)
{
    switch (error) {
    case ECONNREFUSED:
        set_why(connection, "connection refused");
        break;
    case ECONNRESET:
    case EPIPE:
        set_why(connection, "the node closed the connection");
        break;
    case ETIMEDOUT:
        set_why(connection, "timed out");
        break;
    default: {
        char text[CLIENT_WHY_BYTES];
        set_why(connection, strerror_r(error, text, sizeof text));
    }
    }
}

/* Waits for the socket; false when the deadline passed. */
static bool wait_for(const struct client_connection *connection, short events, uint64_t deadline_ms)
{
    for (;;) {
        uint64_t now_ms = client_now_ms();
        uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
        struct pollfd wanted = {.fd = connection->fd, .events = events};
        int ready = poll(&wanted, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (ready > 0) {
            return true;
        }
        if (ready == 0 && left_ms == 0) {
            return false;
        }
        if (ready < 0 && errno != EINTR) {
            return true; /* the call that follows meets the error and says what it is */
        }
    }
}

/* 0, or the errno of why not. */
static int connect_one(struct client_connection *connection, const struct addrinfo *info,
                       uint64_t deadline_ms)
{
    connection->fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                            info->ai_protocol);
    if (connection->fd < 0) {
        return errno;
    }
    int one = 1;
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    int error = connect(connection->fd, info->ai_addr, info->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS || error == EINTR) {
        socklen_t size = sizeof error;
        if (!wait_for(connection, POLLOUT, deadline_ms)) {
            error = ETIMEDOUT;
        } else if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            error = errno;
        }
    }
    if (error != 0) {
        close(connection->fd);
        connection->fd = -1;
    }
    return error;
}

enum conclave_code client_connection_open(struct client_connection *connection,
                                          const struct client_address *address,
                                          uint64_t deadline_ms)
{
    ASSERT(connection->fd < 0);
    ASSERT(address != NULL && address->host[0] != '\0');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rv = getaddrinfo(address->host, address->port, &hints, &found);
    if (rv != 0) {
        set_why(connection, rv == EAI_SYSTEM ? strerror(errno) : gai_strerror(rv));
        return CONCLAVE_UNREACHABLE;
    }
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *info = found; info != NULL; info = info->ai_next) {
        error = connect_one(connection, info, deadline_ms);
        if (error == 0) {
            break;
        }
    }
    freeaddrinfo(found);
    if (error != 0) {
        set_why_errno(connection, error);
        return CONCLAVE_UNREACHABLE;
    }
    return CONCLAVE_OK;
}

enum conclave_code client_connection_send(struct client_connection *connection, struct slice bytes,
                                          uint64_t deadline_ms, bool *sent_any)
{
    ASSERT(connection->fd >= 0 && sent_any != NULL);
    ASSERT(bytes.size > 0);
    *sent_any = false;
    while (bytes.size > 0) {
        ssize_t sent = send(connection->fd, bytes.data, bytes.size, MSG_NOSIGNAL);
        if (sent > 0) {
            *sent_any = true;
            bytes = slice_of(bytes.data + sent, bytes.size - (size_t)sent);
            continue;
        }
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            if (wait_for(connection, POLLOUT, deadline_ms)) {
                continue;
            }
            set_why(connection, "timed out while sending");
            client_connection_close(connection);
            return CONCLAVE_UNKNOWN_OUTCOME;
        }
        set_why_errno(connection, sent == 0 ? EPIPE : errno);
        client_connection_close(connection);
        return CONCLAVE_UNREACHABLE;
    }
    return CONCLAVE_OK;
}

/* Reads what is there. OK; UNREACHABLE (closed); NO_MEMORY. */
static enum conclave_code read_some(struct client_connection *connection)
{
    uint8_t *at = buffer_reserve(&connection->input, RECEIVE_BYTES);
    if (at == NULL) {
        set_why(connection, conclave_code_text(connection->input.status));
        return connection->input.status == CONCLAVE_TOO_LARGE ? CONCLAVE_BAD_REQUEST
                                                              : CONCLAVE_NO_MEMORY;
    }
    ssize_t got = recv(connection->fd, at, RECEIVE_BYTES, 0);
    if (got > 0) {
        connection->input.size += (size_t)got;
        return CONCLAVE_OK;
    }
    if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK)) {
        return CONCLAVE_OK;
    }
    set_why_errno(connection, got == 0 ? ECONNRESET : errno);
    return CONCLAVE_UNREACHABLE;
}

enum conclave_code client_connection_receive(struct client_connection *connection,
                                             uint64_t deadline_ms, struct slice *value)
{
    ASSERT(connection->fd >= 0 && value != NULL);
    buffer_consume(&connection->input, connection->consumed);
    connection->consumed = 0;
    for (;;) {
        struct slice input = buffer_slice(&connection->input);
        enum codec_scan_result result = codec_scan(&connection->scan, input);
        enum conclave_code rv;
        if (result == CODEC_SCAN_COMPLETE) {
            *value = slice_of(input.data, connection->scan.offset);
            connection->consumed = connection->scan.offset;
            connection->scan = (struct codec_scan){0};
            return CONCLAVE_OK;
        }
        if (result == CODEC_SCAN_MALFORMED) {
            set_why(connection, "the other side does not speak Conclave's protocol");
            client_connection_close(connection);
            return CONCLAVE_BAD_REQUEST;
        }
        if (!wait_for(connection, POLLIN, deadline_ms)) {
            set_why(connection, "no answer in time");
            return CONCLAVE_UNKNOWN_OUTCOME;
        }
        rv = read_some(connection);
        if (rv != CONCLAVE_OK) {
            client_connection_close(connection);
            return rv;
        }
    }
}
