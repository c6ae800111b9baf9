/* Addresses as people write them: "127.0.0.1:7101", "[::1]:7101". Numbers only, no host names: a
 * node must not wait for a name server. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <conclave/codes.h>
#include <conclave/limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "codec/reader.h"

union net_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* BAD_VALUE, with `error` saying what is wrong and what was probably meant. Port 0 (the system's
 * choice, for tests) is taken only when `port_zero` is true. */
enum conclave_code net_address_parse(const char *text, bool port_zero, union net_address *address,
                                     struct codec_error *error) MUST_USE;

/* Writes it as net_address_parse reads it. */
void net_address_text(const union net_address *address, char text[LIMIT_ADDRESS_BYTES + 1]);

/* 127.0.0.0/8 or ::1. */
bool net_address_is_loopback(const union net_address *address);

/* Without TLS nothing may leave the machine: BAD_VALUE, with a sentence that says so, for anything
 * but loopback. */
enum conclave_code net_address_check_allowed(const union net_address *address, const char *text,
                                             struct codec_error *error) MUST_USE;

#endif
