/* Reads everything that is stored, slowly, over and over, so that damage is found before it is met.
 *
 * A thread of low priority walks the log's entries and the state's values, which their
 * stores check as they are read, a chunk at a time; between two it waits so long that it stays
 * below its share of the disk and of a core, and between two rounds it rests. The first finding is
 * told on the loop, and ends the round. What the kernel has in its cache is read from there: what
 * rots beneath it is found once it has been read anew.
 */
#ifndef DAEMON_SCRUB_H
#define DAEMON_SCRUB_H

#include <uv.h>

#include "http/http.h"

enum scrub_store {
    SCRUB_LOG,
    SCRUB_STATE
};

struct scrub_finding {
    enum scrub_store store;
    uint64_t index; /* of the log's entry */
};

struct scrub_config {
    uv_loop_t *loop;
    struct log *log;
    struct kv *kv;
    struct http_instruments *instruments;
    uint64_t bytes_a_second;
    uint64_t rest_ms; /* between two rounds */
    /* On the loop. The scrub stands still until scrub_go_on. */
    void (*found)(void *context, const struct scrub_finding *finding);
    void *context;
};

struct scrub;

/* Begins. NO_MEMORY, IO (no thread). */
enum conclave_code scrub_open(const struct scrub_config *config, struct scrub **scrub) MUST_USE;

/* What was found is mended, or is to be looked at again: the round begins anew at an entry. */
void scrub_go_on(struct scrub *scrub, uint64_t index);

/* Ends the thread; the rest goes with the next turn of the loop. */
void scrub_close(struct scrub *scrub);

#endif
