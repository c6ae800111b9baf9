/* A node that does as it is told: for tests of libconclave.
 *
 * It listens on 127.0.0.1 and takes the n-th request by the n-th step of its script (the last step
 * is repeated), whatever connection it comes on. It keeps what it was asked. One thread, one
 * connection at a time plus those that wait.
 */
#ifndef SUPPORT_FAKE_NODE_H
#define SUPPORT_FAKE_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum fake_step {
    FAKE_ANSWER,      /* the result given by `result` */
    FAKE_HELLO,       /* a hello result with the cluster id */
    FAKE_ERROR,       /* the error code in `text` */
    FAKE_LIMITED,     /* rate_limited: again in `text` ms */
    FAKE_HANG_UP,     /* closes the connection without an answer */
    FAKE_SILENCE,     /* no answer, the connection stays */
    FAKE_GARBAGE,     /* bytes that are no message */
    FAKE_WRONG_FIRST, /* an answer to another msgid and a notification, then the right one */
    FAKE_TRICKLE,     /* the right answer byte by byte */
    FAKE_EVENT /* the right answer, then the notification "event" with `event`, then hangs up */
};

struct fake_script {
    enum fake_step step;
    const char *text;
    struct slice result; /* packed */
    struct slice event;  /* packed */
};

struct fake_node;

#define FAKE_CLUSTER_BYTE 0xc5 /* 16 of them are the cluster's id */

struct fake_node *fake_node_start(const struct fake_script *script, size_t script_size);
void fake_node_stop(struct fake_node *node);

/* "127.0.0.1:PORT" */
const char *fake_node_address(const struct fake_node *node);

/* After fake_node_stop or when no request is under way: how many requests came, and the n-th's
 * method and packed params. */
size_t fake_node_request_count(struct fake_node *node);
struct slice fake_node_method(struct fake_node *node, size_t n);
struct slice fake_node_params(struct fake_node *node, size_t n);

/* An address on which nobody listens. */
const char *fake_node_nobody(void);

#endif
