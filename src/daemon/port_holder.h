/* Who listens on an address already, as /proc tells it. */
#ifndef DAEMON_PORT_HOLDER_H
#define DAEMON_PORT_HOLDER_H

#include "base/assert.h"

/* The pid of a process that listens on the port of `address` ("127.0.0.1:7101"), or 0 when that
 * cannot be found out (it is another user's, say). */
long port_holder_find(const char *address) MUST_USE;

#endif
