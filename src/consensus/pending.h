/* Commands under way: what this node took in, or was forwarded, and is not decided yet.
 *
 * A record is one command (byte for byte), known by its id, the first 16 bytes of its BLAKE2b
 * digest; several waiters may want its reply (two clients that send the same command at once, a
 * client and a peer). A record is in one of two lists: `queued`, to be put into a batch or
 * forwarded, or `sent`, in a batch of ours or forwarded to a leader, in the order of sending.
 */
#ifndef CONSENSUS_PENDING_H
#define CONSENSUS_PENDING_H

#include <conclave/codes.h>
#include <stdbool.h>

#include "base/assert.h"
#include "base/slice.h"
#include "consensus/message.h"

/* Who wants the reply: a token of this node's host, or a peer's forwarded attempt. */
struct pending_waiter {
    struct pending_waiter *next;
    uint64_t token; /* local only */
    uint64_t deadline_ms;
    uint64_t node_id; /* 0: local */
    uint64_t incarnation;
    uint64_t attempt;
};

struct pending_record {
    struct pending_record *bucket_next;
    struct pending_record *next;
    struct pending_record *previous;
    struct pending_waiter *waiters;
    uint8_t id[MESSAGE_COMMAND_ID_BYTES];
    bool queued;       /* which list it is in */
    bool proposed;     /* was once put into a batch here */
    uint32_t forwards; /* how often it was forwarded */
    uint64_t attempt;  /* the latest forward */
    uint64_t sent_ms;  /* when it was forwarded; 0 when it is in a batch of ours */
    size_t size;
    uint8_t bytes[];
};

struct pending_list {
    struct pending_record *first;
    struct pending_record *last;
    size_t count;
};

#define PENDING_BUCKETS 4096u /* a power of two */

struct pending {
    struct pending_record **buckets;
    struct pending_list queued;
    struct pending_list sent;
    size_t local_count;   /* tokens waiting */
    size_t bytes;         /* of all records */
    uint64_t deadline_ms; /* not later than the earliest deadline of a waiter; UINT64_MAX: none */
};

/* NO_MEMORY. */
enum conclave_code pending_open(struct pending *pending) MUST_USE;
void pending_close(struct pending *pending);

void pending_command_id(struct slice command, uint8_t id[MESSAGE_COMMAND_ID_BYTES]);

struct pending_record *pending_find(const struct pending *pending,
                                    const uint8_t id[MESSAGE_COMMAND_ID_BYTES]);

/* By its bytes. What was sent first is mostly what is asked for first, and found without its id. */
struct pending_record *pending_find_command(const struct pending *pending, struct slice command);

/* The record of a command: found, or made anew and queued. NULL when there is no memory. */
struct pending_record *pending_enter(struct pending *pending, struct slice command) MUST_USE;

/* Adds a waiter (copied). A peer that waits already gets its attempt renewed. NO_MEMORY. */
enum conclave_code pending_wait(struct pending *pending, struct pending_record *record,
                                const struct pending_waiter *waiter) MUST_USE;

/* Moves a record to the end of the list of those sent. */
void pending_mark_sent(struct pending *pending, struct pending_record *record);

/* Puts all that were sent back in front of the queue, in order. */
void pending_requeue(struct pending *pending);

/* Drops what only peers wait for: they send it to the next leader themselves. */
void pending_drop_remote(struct pending *pending);

/* Takes a record out of lists and table; the caller frees it with pending_record_free. */
void pending_remove(struct pending *pending, struct pending_record *record);
void pending_record_free(struct pending_record *record);

/* Puts one back that was taken out: among those sent. */
void pending_return(struct pending *pending, struct pending_record *record);

static inline size_t pending_count(const struct pending *pending)
{
    return pending->queued.count + pending->sent.count;
}

/* Calls `expired` for each local waiter whose deadline is at or before `now_ms`, then frees it, and
 * the record too once nobody waits. */
void pending_expire(struct pending *pending, uint64_t now_ms,
                    void (*expired)(void *context, const struct pending_record *record,
                                    const struct pending_waiter *waiter),
                    void *context);

#endif
