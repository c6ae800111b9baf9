/* Blocking sockets with deadlines: the sockets are non-blocking, poll() waits. With TLS, what is
 * sent is encrypted into `output` first, and what comes is decrypted into `input`. */
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
#define TLS_ALERT     21u /* the first byte of one (RFC 8446 section 5.1); no answer of ours */
/* A request encrypted, and what TLS says by itself. */
#define OUTPUT_BYTES_MAX (LIMIT_FRAME_BYTES + 65536u)

uint64_t client_now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

void client_connection_init(struct client_connection *connection)
{
    ASSERT(connection != NULL);
    *connection = (struct client_connection){.fd = -1};
    buffer_init(&connection->input, LIMIT_ANSWER_BYTES + RECEIVE_BYTES);
    buffer_init(&connection->output, OUTPUT_BYTES_MAX);
}

void client_connection_close(struct client_connection *connection)
{
    ASSERT(connection != NULL);
    if (connection->fd >= 0) {
        close(connection->fd);
    }
    connection->fd = -1;
    tls_close(connection->tls);
    connection->tls = NULL;
    connection->heard = false;
    buffer_close(&connection->output);
    buffer_init(&connection->output, OUTPUT_BYTES_MAX);
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

bool client_connection_binding(const struct client_connection *connection, uint8_t binding[32])
{
    ASSERT(client_connection_is_open(connection) && binding != NULL);
    return connection->tls != NULL && tls_binding(connection->tls, binding);
}

static enum conclave_code read_some(struct client_connection *connection);

void client_connection_check(struct client_connection *connection)
{
    ASSERT(connection != NULL);
    if (connection->fd < 0) {
        return;
    }
    if (connection->tls != NULL) { /* what is there may be the end, encrypted: look */
        buffer_consume(&connection->input, connection->consumed);
        connection->consumed = 0;
        if (read_some(connection) != CONCLAVE_OK) {
            client_connection_close(connection);
        }
        return;
    }
    uint8_t byte;
    ssize_t got = recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        client_connection_close(connection);
    }
}

/* The reason of TLS, and whose the trouble is. */
static void set_why_tls(struct client_connection *connection)
{
    const struct tls *tls = connection->tls;
    connection->distrusted = tls_failed_by_certificate(tls);
    connection->unheard = tls_was_refused(tls) && !connection->heard;
    snprintf(connection->why, sizeof connection->why, "%s", tls_reason(tls));
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

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)address;
        return ntohl(four->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

static enum conclave_code connect_any(struct client_connection *connection,
                                      const struct client_address *address, bool encrypted,
                                      uint64_t deadline_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rv = getaddrinfo(address->host, address->port, &hints, &found);
    if (rv != 0) {
        set_why(connection, rv == EAI_SYSTEM ? strerror(errno) : gai_strerror(rv));
        return CONCLAVE_UNREACHABLE;
    }
    bool allowed = false;
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *info = found; info != NULL && error != 0; info = info->ai_next) {
        if (encrypted || is_loopback(info->ai_addr)) {
            allowed = true;
            error = connect_one(connection, info, deadline_ms);
        }
    }
    freeaddrinfo(found);
    if (!allowed) {
        set_why(connection, "not a loopback address, and no CA is given to encrypt with");
        connection->distrusted = true;
        return CONCLAVE_UNREACHABLE;
    }
    if (error != 0) {
        set_why_errno(connection, error);
        return CONCLAVE_UNREACHABLE;
    }
    return CONCLAVE_OK;
}

/* Sends bytes as they are. */
static enum conclave_code send_raw(struct client_connection *connection, struct slice bytes,
                                   uint64_t deadline_ms, bool *sent_any)
{
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
            return CONCLAVE_UNKNOWN_OUTCOME;
        }
        set_why_errno(connection, sent == 0 ? EPIPE : errno);
        return CONCLAVE_UNREACHABLE;
    }
    return CONCLAVE_OK;
}

/* Sends what TLS has made. */
static enum conclave_code send_output(struct client_connection *connection, uint64_t deadline_ms,
                                      bool *sent_any)
{
    enum conclave_code rv =
        send_raw(connection, buffer_slice(&connection->output), deadline_ms, sent_any);
    buffer_clear(&connection->output);
    return rv;
}

/* Is it a node, or the host that was dialled? */
static enum conclave_code check_node(struct client_connection *connection,
                                     const struct client_address *address)
{
    const struct certificate *shown = tls_peer(connection->tls);
    if (shown != NULL &&
        (shown->kind == CERTIFICATE_NODE || tls_peer_names(connection->tls, address->host))) {
        return CONCLAVE_OK;
    }
    snprintf(connection->why, sizeof connection->why,
             "the certificate that was shown is neither a node's nor that of %s", address->host);
    connection->distrusted = true;
    return CONCLAVE_UNREACHABLE;
}

/* One part of the handshake: what came in, what goes out. `done` when it is through. */
static enum conclave_code handshake_step(struct client_connection *connection, uint64_t deadline_ms,
                                         bool *done)
{
    bool sent_any = false;
    enum tls_status status = tls_handshake(connection->tls);
    enum conclave_code rv = CONCLAVE_OK;
    if (status == TLS_FAILED) {
        set_why_tls(connection);
        rv = connection->output.status == CONCLAVE_OK ? CONCLAVE_UNREACHABLE
                                                      : connection->output.status;
    }
    enum conclave_code sent = send_output(connection, deadline_ms, &sent_any);
    *done = status == TLS_DONE;
    return rv == CONCLAVE_OK ? sent : rv; /* the alert was sent, or not: it has failed */
}

static enum conclave_code shake_hands(struct client_connection *connection, uint64_t deadline_ms)
{
    uint8_t bytes[RECEIVE_BYTES];
    for (;;) {
        bool done;
        enum conclave_code rv = handshake_step(connection, deadline_ms, &done);
        if (rv != CONCLAVE_OK || done) {
            return rv;
        }
        if (!wait_for(connection, POLLIN, deadline_ms)) {
            set_why(connection, "timed out: no answer to the TLS handshake");
            return CONCLAVE_UNREACHABLE;
        }
        ssize_t got = recv(connection->fd, bytes, sizeof bytes, 0);
        if (got > 0) {
            tls_input(connection->tls, slice_of(bytes, (size_t)got));
        } else if (got == 0) {
            set_why(connection, "the node closed the connection in the TLS handshake");
            return CONCLAVE_UNREACHABLE;
        } else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK) {
            set_why_errno(connection, errno);
            return CONCLAVE_UNREACHABLE;
        }
    }
}

enum conclave_code client_connection_open(struct client_connection *connection,
                                          const struct client_address *address,
                                          struct tls_context *context, uint64_t deadline_ms)
{
    ASSERT(connection->fd < 0);
    ASSERT(address != NULL && address->host[0] != '\0');
    connection->distrusted = connection->unheard = false;
    enum conclave_code rv = connect_any(connection, address, context != NULL, deadline_ms);
    if (rv != CONCLAVE_OK || context == NULL) {
        return rv;
    }
    connection->tls = tls_open(context, TLS_CLIENT, &connection->output);
    if (connection->tls == NULL) {
        set_why(connection, conclave_code_text(CONCLAVE_NO_MEMORY));
        rv = CONCLAVE_NO_MEMORY;
    } else {
        rv = shake_hands(connection, deadline_ms);
    }
    if (rv == CONCLAVE_OK) {
        rv = check_node(connection, address);
    }
    if (rv != CONCLAVE_OK) {
        client_connection_close(connection);
        return rv == CONCLAVE_NO_MEMORY ? rv : CONCLAVE_UNREACHABLE;
    }
    return CONCLAVE_OK;
}

enum conclave_code client_connection_send(struct client_connection *connection, struct slice bytes,
                                          uint64_t deadline_ms, bool *sent_any)
{
    ASSERT(connection->fd >= 0 && sent_any != NULL);
    ASSERT(bytes.size > 0);
    *sent_any = false;
    enum conclave_code rv;
    if (connection->tls == NULL) {
        rv = send_raw(connection, bytes, deadline_ms, sent_any);
    } else if (tls_write(connection->tls, bytes) == TLS_DONE) {
        rv = send_output(connection, deadline_ms, sent_any);
    } else {
        set_why_tls(connection);
        rv = connection->output.status == CONCLAVE_NO_MEMORY ? CONCLAVE_NO_MEMORY
                                                             : CONCLAVE_UNREACHABLE;
    }
    if (rv != CONCLAVE_OK) {
        client_connection_close(connection);
    }
    return rv;
}

/* Decrypts what came. */
static enum conclave_code read_tls(struct client_connection *connection, struct slice bytes)
{
    tls_input(connection->tls, bytes);
    for (;;) {
        size_t got;
        uint8_t *at = buffer_reserve(&connection->input, RECEIVE_BYTES);
        if (at == NULL) {
            set_why(connection, conclave_code_text(connection->input.status));
            return connection->input.status == CONCLAVE_TOO_LARGE ? CONCLAVE_BAD_REQUEST
                                                                  : CONCLAVE_NO_MEMORY;
        }
        enum tls_status status = tls_read(connection->tls, at, RECEIVE_BYTES, &got);
        connection->input.size += got;
        connection->heard = connection->heard || got > 0;
        if (status == TLS_MORE) {
            return CONCLAVE_OK;
        }
        if (status == TLS_CLOSED) {
            set_why_errno(connection, ECONNRESET);
            return CONCLAVE_UNREACHABLE;
        }
        if (status == TLS_FAILED) {
            set_why_tls(connection);
            return CONCLAVE_UNREACHABLE;
        }
    }
}

/* Reads what is there. OK; UNREACHABLE (closed); NO_MEMORY. */
static enum conclave_code read_some(struct client_connection *connection)
{
    uint8_t encrypted[RECEIVE_BYTES];
    uint8_t *at = connection->tls != NULL ? encrypted
                                          : buffer_reserve(&connection->input, RECEIVE_BYTES);
    if (at == NULL) {
        set_why(connection, conclave_code_text(connection->input.status));
        return connection->input.status == CONCLAVE_TOO_LARGE ? CONCLAVE_BAD_REQUEST
                                                              : CONCLAVE_NO_MEMORY;
    }
    ssize_t got = recv(connection->fd, at, RECEIVE_BYTES, 0);
    if (got > 0 && connection->tls != NULL) {
        return read_tls(connection, slice_of(encrypted, (size_t)got));
    }
    if (got > 0 && !connection->heard && *at == TLS_ALERT) {
        set_why(connection, "the node speaks TLS: it is reached with its CA (--ca)");
        connection->distrusted = connection->unheard = true;
        return CONCLAVE_UNREACHABLE;
    }
    if (got > 0) {
        connection->heard = true;
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
