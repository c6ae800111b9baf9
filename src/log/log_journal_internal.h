/* What log_journal.c (appends, reads), log_journal_drain.c and log_journal_open.c share.
 *
 * One lock guards everything that is not the appending thread's own. It is never held over a write
 * to the disk.
 */
#ifndef LOG_LOG_JOURNAL_INTERNAL_H
#define LOG_LOG_JOURNAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/log_journal.h"
#include "log/log_journal_file.h"
#include "log/log_lmdb.h"
#include "log/log_tail.h"

#define JOURNAL_FRAMES_AT   LOG_FRAME_BLOCK_BYTES /* where the first frame stands */
#define JOURNAL_DRAIN_SHARE 4u                    /* drained once this part is used */

struct log_journal {
    struct log base;
    struct log *below; /* LMDB */
    struct log_journal_file file;
    unsigned idle_ms;
    _Atomic uint64_t last_index;
    _Atomic bool poisoned;
    _Atomic bool full; /* the last frame found no room */
    bool opened;       /* the thread runs */

    /* The appending thread's. */
    struct log_tail_entry **made;
    size_t made_capacity;
    uint8_t *memory; /* of `frame` */
    uint8_t *frame;  /* aligned */
    size_t frame_capacity;

    pthread_t thread;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t wanted;
    pthread_cond_t drained;
    bool ending;
    bool drain_now;
    bool draining;
    uint64_t rounds;               /* of draining */
    enum conclave_code round_code; /* how the last one ended */
    uint64_t appends;
    struct log_tail tail;
    uint64_t drain_limit; /* entries after it changed since the round under way began */
    uint64_t sequence;    /* of the next frame */
    uint64_t offset;      /* where it goes, if it fits */
    uint64_t used;        /* bytes of frames that LMDB has not, with what was skipped at the end */
};

extern const struct log_operations journal_operations;

static inline void journal_lock(struct log_journal *journal)
{
    int rv = pthread_mutex_lock(&journal->lock);
    ASSERT(rv == 0);
}

static inline void journal_unlock(struct log_journal *journal)
{
    int rv = pthread_mutex_unlock(&journal->lock);
    ASSERT(rv == 0);
}

static inline void journal_signal(pthread_cond_t *condition)
{
    int rv = pthread_cond_broadcast(condition);
    ASSERT(rv == 0);
}

/* Bytes for frames. */
static inline uint64_t journal_room(const struct log_journal *journal)
{
    return journal->file.head.bytes - JOURNAL_FRAMES_AT;
}

/* What follows is called with the lock held. */

/* Is the drain thread to begin a round? */
static inline bool journal_drain_due(const struct log_journal *journal)
{
    return journal->drain_now || journal->used >= journal_room(journal) / JOURNAL_DRAIN_SHARE;
}

/* One round: everything that was appended so far goes into LMDB. Lets go of the lock meanwhile.
 * `open`: more may be appended. */
enum conclave_code journal_drain_once(struct log_journal *journal, bool open) MUST_USE;

/* Waits for the end of a round that begins now or later. */
enum conclave_code journal_wait_round(struct log_journal *journal) MUST_USE;

/* The thread; `context` is the journal. */
void *journal_drain_thread(void *context);

/* Frees what does not stand on a disk; nobody may use it any more. */
void journal_free(struct log_journal *journal);

#endif
