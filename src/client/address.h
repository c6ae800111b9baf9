/* Endpoints as text: "127.0.0.1:7201", "[::1]:7201", "name:7201". */
#ifndef CLIENT_ADDRESS_H
#define CLIENT_ADDRESS_H

#include <conclave/codes.h>

#include "base/assert.h"

#define CLIENT_ADDRESS_TEXT_BYTES 96u
#define CLIENT_ADDRESS_HOST_BYTES 80u
#define CLIENT_ADDRESS_PORT_BYTES 6u

struct client_address {
    char text[CLIENT_ADDRESS_TEXT_BYTES]; /* as it was given */
    char host[CLIENT_ADDRESS_HOST_BYTES]; /* without brackets */
    char port[CLIENT_ADDRESS_PORT_BYTES]; /* "1" to "65535" */
};

/* USAGE when the text is not host:port. Looks nothing up: names are resolved when connecting. */
enum conclave_code client_address_parse(struct client_address *address, const char *text) MUST_USE;

#endif
