/* What keeps a process's secrets in the process. */
#ifndef AUTH_PROCESS_H
#define AUTH_PROCESS_H

#include <conclave/codes.h>

#include "base/assert.h"

/* No core dumps from now on, and no tracing by other processes of the same user. First thing in
 * main of whatever holds keys. IO. (In builds with a sanitizer, whose leak checker traces, only the
 * former.) */
enum conclave_code auth_process_protect(void) MUST_USE;

#endif
