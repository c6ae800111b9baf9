/* Seeing how the node is: it asks itself for a linearizable read now and then, which only a node
 * with a majority behind it can serve; and it hands a view of all to the thread that serves HTTP.
 */
#ifndef DAEMON_SEEING_H
#define DAEMON_SEEING_H

#include "daemon/settings.h"
#include "http/health.h"

struct node;

struct seeing {
    struct http *http; /* NULL: no address was set */
    struct http_instruments instruments;
    bool asking;                     /* a read is under way */
    uint64_t asked_ms, published_ms; /* monotonic, or 0 */
    bool read_known;
    uint64_t read_ok_ms;
};

/* The token of the node's own reads: the api counts its tokens up from 1. */
#define SEEING_TOKEN UINT64_MAX

/* Listens where the setting says. From here to seeing_serve the node is alive, and not ready. BUSY,
 * CONFIG, IO, NO_MEMORY, with `error` set. */
enum conclave_code seeing_open(struct node *node, struct settings_error *error) MUST_USE;

/* The replica and the api are there. */
void seeing_serve(struct node *node);

/* Once a turn of the loop, and when it should turn next. */
void seeing_turn(struct node *node);
uint64_t seeing_deadline_ms(const struct node *node);

/* The read was answered. */
void seeing_readable(struct node *node, enum conclave_code code);

/* How the node is, now. */
void seeing_report(struct node *node, struct health_report *report);

/* Before the replica and the api close. */
void seeing_close(struct node *node);

#endif
