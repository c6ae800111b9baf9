/* Which disk a node runs on, and whether it is the one that it ran on before.
 *
 * A node's votes are on its disk. A disk that was wiped has forgotten them, one that was brought
 * back from a backup has forgotten some, and of one that was copied there are two that promise
 * different things: none of them may take part as the node that it was. So a disk has a random id;
 * each start raises its generation by one and draws a start number; and both are synced before the
 * node says a word. A node shows all this when it calls, with the start numbers of its last
 * DISK_STARTS starts; the called one remembers, synced before it accepts, the id and the last
 * generation with its start number, for each node.
 *
 * Another id: another disk. A lower generation: an older copy. Another start number at the
 * generation that is remembered: a copy that went its own way since then, however often it was
 * started. (A node that was started more than DISK_STARTS times without one contact cannot be told
 * from such a copy; it is let in.)
 */
#ifndef NET_DISK_H
#define NET_DISK_H

#include <stdint.h>
#include <stddef.h>

#include "base/assert.h"

#define DISK_ID_BYTES    16u
#define DISK_START_BYTES 8u
#define DISK_STARTS      16u

/* What a node shows. */
struct disk_shown {
    uint8_t id[DISK_ID_BYTES];
    uint64_t generation; /* of this start: 1 is the first */
    /* The last starts' numbers, oldest first, this one's last: as many as the generation, at most
     * DISK_STARTS. */
    unsigned start_count;
    uint8_t starts[DISK_STARTS][DISK_START_BYTES];
};

/* What is remembered of a node. */
struct disk_known {
    uint8_t id[DISK_ID_BYTES];
    uint64_t generation;
    uint8_t start[DISK_START_BYTES]; /* the number at that generation */
};

enum disk_verdict {
    DISK_SAME,  /* nothing to remember that is not remembered */
    DISK_NEWER, /* the same disk, started again */
    DISK_OTHER,
    DISK_OLDER,
    DISK_COPY
};

enum disk_verdict disk_judge(const struct disk_known *known, const struct disk_shown *shown);

/* What there is to remember. */
void disk_remember(const struct disk_shown *shown, struct disk_known *known);

/* Why it is refused and what to do, for OTHER, OLDER and COPY. */
void disk_sentence(enum disk_verdict verdict, uint64_t node_id, const struct disk_known *known,
                   const struct disk_shown *shown, char *text, size_t size);

#endif
