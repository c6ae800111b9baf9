/* Telling a disk from its copies. */
#include "net/disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum disk_verdict disk_judge(const struct disk_known *known, const struct disk_shown *shown)
{
    ASSERT(known != NULL && shown != NULL);
    ASSERT(shown->start_count > 0 && shown->start_count <= shown->generation);
    if (memcmp(known->id, shown->id, DISK_ID_BYTES) != 0) {
        return DISK_OTHER;
    }
    if (shown->generation < known->generation) {
        return DISK_OLDER;
    }
    uint64_t since = shown->generation - known->generation;
    if (since < shown->start_count && memcmp(shown->starts[shown->start_count - 1 - since],
                                             known->start, DISK_START_BYTES) != 0) {
        return DISK_COPY;
    }
    return since == 0 ? DISK_SAME : DISK_NEWER;
}

void disk_remember(const struct disk_shown *shown, struct disk_known *known)
{
    ASSERT(shown != NULL && known != NULL && shown->start_count > 0);
    memcpy(known->id, shown->id, DISK_ID_BYTES);
    known->generation = shown->generation;
    memcpy(known->start, shown->starts[shown->start_count - 1], DISK_START_BYTES);
}

void disk_sentence(enum disk_verdict verdict, uint64_t node_id, const struct disk_known *known,
                   const struct disk_shown *shown, char *text, size_t size)
{
    static const char cure[] = "stop it, and put the newest disk back or add the node anew under "
                               "another number";
    switch (verdict) {
    case DISK_OTHER:
        (void)snprintf(text, size,
                       "node %" PRIu64 " had another disk: one that was wiped or replaced has "
                       "forgotten its votes; %s",
                       node_id, cure);
        return;
    case DISK_OLDER:
        (void)snprintf(text, size,
                       "the disk of node %" PRIu64 " is an old copy (start %" PRIu64
                       ", but start %" PRIu64 " was seen) and has forgotten votes; %s",
                       node_id, shown->generation, known->generation, cure);
        return;
    case DISK_COPY:
        (void)snprintf(text, size,
                       "there are two copies of the disk of node %" PRIu64 ": start %" PRIu64
                       " was another's; %s",
                       node_id, known->generation, cure);
        return;
    default:
        UNREACHABLE("a disk that is not refused");
    }
}
