/* From the journal into LMDB. A round takes everything that was appended so far, while more is
 * appended; the mark that it writes stands for exactly that. */
#include <errno.h>
#include <time.h>

#include "base/memory.h"
#include "log/log_journal_internal.h"

/* Between two rounds of which the first failed: twice as long each time. */
#define RETRY_MS      100u
#define RETRY_MOST_MS 1600u

static void wait_for(struct log_journal *journal, pthread_cond_t *condition)
{
    int rv = pthread_cond_wait(condition, &journal->lock);
    ASSERT(rv == 0);
}

struct round {
    struct log_tail_entry **entries;
    struct slice *records;
    size_t count;
    uint64_t first_index;
    uint64_t used;
    struct log_mark mark;
};

static void round_close(struct round *round)
{
    for (size_t i = 0; i < round->count; i++) {
        log_tail_entry_release(round->entries[i]);
    }
    memory_free(round->entries);
    memory_free(round->records);
}

/* Everything that was appended so far: the net of it, which is what the mark stands for. */
static enum conclave_code round_begin(struct log_journal *journal, bool open, struct round *round)
{
    const struct log_tail *tail = &journal->tail;
    *round = (struct round){
        .first_index = tail->first_index,
        .used = journal->used,
        .mark = {.journal_id = journal->file.head.id,
                 .sequence = journal->sequence,
                 .offset = journal->offset,
                 .open = open},
    };
    if (tail->count > 0) {
        round->entries = memory_allocate(tail->count * sizeof *round->entries);
        round->records = memory_allocate(tail->count * sizeof *round->records);
        if (round->entries == NULL || round->records == NULL) {
            round_close(round);
            return CONCLAVE_NO_MEMORY;
        }
    }
    for (size_t i = 0; i < tail->count; i++) {
        round->entries[i] = log_tail_entry_take(log_tail_get(tail, tail->first_index + i));
        round->records[i] = log_tail_entry_record(round->entries[i]);
    }
    round->count = tail->count;
    journal->drain_limit = log_tail_next_index(tail) - 1;
    return CONCLAVE_OK;
}

/* One round, with the lock held at its begin and end. */
enum conclave_code journal_drain_once(struct log_journal *journal, bool open)
{
    struct round round;
    ASSERT(!journal->draining);
    journal->drain_now = false;
    enum conclave_code code = round_begin(journal, open, &round);
    if (code == CONCLAVE_OK) {
        journal->draining = true;
        bool opening = !journal->opened;
        journal_unlock(journal);
        code = log_lmdb_drain(journal->below, round.first_index, round.records, round.count,
                              &round.mark, opening);
        journal_lock(journal);
        journal->draining = false;
        if (code == CONCLAVE_OK) {
            /* What was replaced meanwhile stays: LMDB has what it was before. */
            log_tail_drop(&journal->tail, journal->drain_limit);
            journal->used -= round.used;
        }
        round_close(&round);
    }
    if (code == CONCLAVE_IO || code == CONCLAVE_CORRUPT) {
        atomic_store(&journal->poisoned, true);
    }
    journal->rounds++;
    journal->round_code = code;
    journal_signal(&journal->drained);
    return code;
}

/* Waits for the end of a round that begins now or later. */
enum conclave_code journal_wait_round(struct log_journal *journal)
{
    uint64_t rounds = journal->rounds + (journal->draining ? 2 : 1);
    while (journal->rounds < rounds) {
        journal->drain_now = true;
        journal_signal(&journal->wanted);
        wait_for(journal, &journal->drained);
    }
    return journal->round_code;
}

static struct timespec time_after(unsigned ms)
{
    struct timespec until;
    int rv = clock_gettime(CLOCK_MONOTONIC, &until);
    ASSERT(rv == 0);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    return until;
}

/* True when nobody signalled until then. */
static bool wait_until(struct log_journal *journal, const struct timespec *until)
{
    int rv = pthread_cond_timedwait(&journal->wanted, &journal->lock, until);
    ASSERT(rv == 0 || rv == ETIMEDOUT);
    return rv == ETIMEDOUT;
}

static bool wait_ms(struct log_journal *journal, unsigned ms)
{
    struct timespec until = time_after(ms);
    return wait_until(journal, &until);
}

/* Waits until there is something to drain, and a reason; or the end. */
static void wait_for_reason(struct log_journal *journal)
{
    while (!journal->ending && !journal_drain_due(journal)) {
        uint64_t appends = journal->appends;
        if (journal->tail.count == 0 || journal->idle_ms == 0) {
            wait_for(journal, &journal->wanted);
        } else if (wait_ms(journal, journal->idle_ms) && journal->appends == appends) {
            return;
        }
    }
}

/* An append that found no room comes again by itself: whoever waits for a round has the code of the
 * last one, and makes none before its time. */
static void wait_to_retry(struct log_journal *journal, unsigned ms)
{
    struct timespec until = time_after(ms);
    bool waits = true;
    while (waits && !journal->ending) {
        waits = !wait_until(journal, &until) &&
                (!journal->drain_now || journal->round_code == CONCLAVE_DISK_FULL);
    }
}

void *journal_drain_thread(void *context)
{
    struct log_journal *journal = context;
    unsigned retry_ms = RETRY_MS;
    journal_lock(journal);
    for (;;) {
        wait_for_reason(journal);
        if (journal->ending) {
            break;
        }
        if (journal_drain_once(journal, true) == CONCLAVE_OK) {
            retry_ms = RETRY_MS;
        } else if (!journal->ending) {
            wait_to_retry(journal, retry_ms);
            retry_ms = retry_ms < RETRY_MOST_MS ? 2 * retry_ms : retry_ms;
        }
    }
    journal_unlock(journal);
    return NULL;
}
