/* Endpoints as text. */
#include "client/address.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define PORT_MAX 65535u

static bool host_valid(const char *host, size_t size, bool bracketed)
{
    if (size == 0 || size >= CLIENT_ADDRESS_HOST_BYTES) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)host[i];
        bool fits = bracketed ? isxdigit(byte) || byte == ':' || byte == '.'
                              : isalnum(byte) || byte == '.' || byte == '-' || byte == '_';
        if (!fits) {
            return false;
        }
    }
    return true;
}

static bool port_valid(const char *port)
{
    size_t size = strlen(port);
    unsigned value = 0;
    if (size == 0 || size >= CLIENT_ADDRESS_PORT_BYTES) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!isdigit((unsigned char)port[i])) {
            return false;
        }
        value = value * 10 + (unsigned)(port[i] - '0');
    }
    return value >= 1 && value <= PORT_MAX;
}

enum conclave_code client_address_parse(struct client_address *address, const char *text)
{
    ASSERT(address != NULL && text != NULL);
    *address = (struct client_address){0};
    size_t size = strlen(text);
    const char *colon = strrchr(text, ':');
    if (size >= CLIENT_ADDRESS_TEXT_BYTES || colon == NULL) {
        return CONCLAVE_USAGE;
    }
    const char *host = text;
    size_t host_size = (size_t)(colon - text);
    bool bracketed = host_size >= 2 && host[0] == '[' && host[host_size - 1] == ']';
    if (bracketed) {
        host++;
        host_size -= 2;
    }
    if (!host_valid(host, host_size, bracketed) || !port_valid(colon + 1)) {
        return CONCLAVE_USAGE;
    }
    memcpy(address->text, text, size);
    memcpy(address->host, host, host_size);
    memcpy(address->port, colon + 1, strlen(colon + 1));
    return CONCLAVE_OK;
}
