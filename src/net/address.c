/* Addresses: text to sockaddr and back. */
#include "net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static enum conclave_code parse_port(const char *text, bool port_zero, in_port_t *port)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; digits < 6 && isdigit((unsigned char)text[digits]); digits++) {
        value = value * 10 + (unsigned)(text[digits] - '0');
    }
    if (digits == 0 || text[digits] != '\0' || value > 65535 || (value == 0 && !port_zero)) {
        return CONCLAVE_BAD_VALUE;
    }
    *port = htons((uint16_t)value);
    return CONCLAVE_OK;
}

static bool all_digits(const char *text)
{
    return text[0] != '\0' && strspn(text, "0123456789") == strlen(text);
}

/* No port, or something that is no address at all: say what it probably was to be. */
static enum conclave_code refuse_form(const char *text, struct codec_error *error)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (all_digits(text) && strlen(text) <= 5) {
        codec_error_set(error, "\"%s\" is not an address (did you mean \"127.0.0.1:%s\"?)", text,
                        text);
    } else if (inet_pton(AF_INET, text, &v4) == 1) {
        codec_error_set(error, "\"%s\" has no port: an address is IP:PORT", text);
    } else if (inet_pton(AF_INET6, text, &v6) == 1) {
        codec_error_set(error, "\"%s\" has no port: an address is [IP]:PORT", text);
    } else {
        codec_error_set(error, "\"%s\" is not an address like 127.0.0.1:7101 or [::1]:7101", text);
    }
    return CONCLAVE_BAD_VALUE;
}

static enum conclave_code refuse_host(const char *text, const char *host, const char *port,
                                      struct codec_error *error)
{
    if (strcmp(host, "localhost") == 0 || host[0] == '\0') {
        codec_error_set(error, "\"%s\" needs an IP address (did you mean \"127.0.0.1:%s\"?)", text,
                        port);
        return CONCLAVE_BAD_VALUE;
    }
    codec_error_set(error, "\"%s\" is not an IP address and a port: names are not looked up", text);
    return CONCLAVE_BAD_VALUE;
}

enum conclave_code net_address_parse(const char *text, bool port_zero, union net_address *address,
                                     struct codec_error *error)
{
    ASSERT(text != NULL && address != NULL && error != NULL);
    memset(address, 0, sizeof *address);
    if (strlen(text) > LIMIT_ADDRESS_BYTES) {
        codec_error_set(error, "an address has at most %u bytes", LIMIT_ADDRESS_BYTES);
        return CONCLAVE_BAD_VALUE;
    }
    bool brackets = text[0] == '[';
    const char *colon = strrchr(text, ':');
    struct in6_addr bare;
    if (colon == NULL || (!brackets && inet_pton(AF_INET6, text, &bare) == 1)) {
        return refuse_form(text, error);
    }
    char host[LIMIT_ADDRESS_BYTES + 1];
    size_t host_size = (size_t)(colon - text);
    if (brackets && (host_size < 2 || text[host_size - 1] != ']')) {
        return refuse_form(text, error);
    }
    size_t skip = brackets ? 1 : 0;
    memcpy(host, text + skip, host_size - 2 * skip);
    host[host_size - 2 * skip] = '\0';

    in_port_t port;
    if (parse_port(colon + 1, port_zero, &port) != CONCLAVE_OK) {
        codec_error_set(error, "\"%s\": the port must be a number from 1 to 65535", text);
        return CONCLAVE_BAD_VALUE;
    }
    if (!brackets && inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = port;
        return CONCLAVE_OK;
    }
    if (brackets && inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = port;
        return CONCLAVE_OK;
    }
    memset(address, 0, sizeof *address);
    return refuse_host(text, host, colon + 1, error);
}

void net_address_text(const union net_address *address, char text[LIMIT_ADDRESS_BYTES + 1])
{
    ASSERT(address != NULL && text != NULL);
    char host[INET6_ADDRSTRLEN];
    if (address->any.sa_family == AF_INET6) {
        const char *ok = inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof host);
        ASSERT(ok != NULL);
        (void)snprintf(text, LIMIT_ADDRESS_BYTES + 1, "[%s]:%u", host,
                       ntohs(address->v6.sin6_port));
        return;
    }
    ASSERT(address->any.sa_family == AF_INET);
    const char *ok = inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof host);
    ASSERT(ok != NULL);
    (void)snprintf(text, LIMIT_ADDRESS_BYTES + 1, "%s:%u", host, ntohs(address->v4.sin_port));
}

bool net_address_is_loopback(const union net_address *address)
{
    ASSERT(address != NULL);
    if (address->any.sa_family == AF_INET) {
        return (ntohl(address->v4.sin_addr.s_addr) >> 24) == 127;
    }
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

enum conclave_code net_address_check_allowed(const union net_address *address, const char *text,
                                             struct codec_error *error)
{
    ASSERT(text != NULL && error != NULL);
    if (net_address_is_loopback(address)) {
        return CONCLAVE_OK;
    }
    codec_error_set(error,
                    "\"%s\" is not a loopback address: without certificates connections are not "
                    "encrypted, and only 127.0.0.0/8 and ::1 are allowed (`conclave certs` makes "
                    "certificates)",
                    text);
    return CONCLAVE_BAD_VALUE;
}
