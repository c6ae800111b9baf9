/* A running node: the loop, and everything wired to it. */
#ifndef DAEMON_NODE_H
#define DAEMON_NODE_H

#include "daemon/config.h"

/* Exit statuses of conclaved. */
enum node_status {
    NODE_STOPPED = 0, /* on request, cleanly */
    NODE_FAILED = 1,  /* could not start or go on: port in use, disk, a damaged log */
    NODE_CONFIG = 2   /* wrong configuration, or data that does not fit it */
};

/* Runs until SIGTERM or SIGINT, or a failure. What keeps it from starting is one line on standard
 * error, and one in the log. */
enum node_status node_run(const struct config *config) MUST_USE;

#endif
