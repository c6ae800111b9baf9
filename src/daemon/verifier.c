/* Signatures checked on libuv's thread pool, several to an item of work: one signature takes some
 * 50 us, a hand-over between threads a good part of that. */
#include "daemon/verifier.h"

#include "base/memory.h"

#define VERIFIER_BATCH 32u

/* Items for each worker: while the loop is busy with a long turn, the workers go on with the items
 * that wait in the pool. */
#define VERIFIER_JOBS_PER_WORKER 16u

struct job {
    struct verifier *verifier;
    uv_work_t work;
    bool busy;
    struct api_verification *list;
};

struct verifier {
    uv_loop_t *loop;
    void (*done)(void *context, struct api_verification *verification);
    void *context;
    struct api_verification *first, **end; /* waiting */
    unsigned waiting;
    unsigned jobs_busy;
    unsigned workers;
    unsigned job_count;
    struct job jobs[];
};

enum conclave_code verifier_open(uv_loop_t *loop, unsigned workers,
                                 void (*done)(void *context, struct api_verification *verification),
                                 void *context, struct verifier **verifier)
{
    ASSERT(loop != NULL && workers > 0 && done != NULL && verifier != NULL);
    unsigned job_count = workers * VERIFIER_JOBS_PER_WORKER;
    struct verifier *made =
        memory_allocate_zeroed(1, sizeof *made + job_count * sizeof made->jobs[0]);
    if (made == NULL) {
        return CONCLAVE_NO_MEMORY;
    }
    made->loop = loop;
    made->done = done;
    made->context = context;
    made->end = &made->first;
    made->workers = workers;
    made->job_count = job_count;
    for (unsigned i = 0; i < job_count; i++) {
        made->jobs[i].verifier = made;
        made->jobs[i].work.data = &made->jobs[i];
    }
    *verifier = made;
    return CONCLAVE_OK;
}

void verifier_add(struct verifier *verifier, struct api_verification *verification)
{
    ASSERT(verifier != NULL && verification != NULL);
    verification->next = NULL;
    *verifier->end = verification;
    verifier->end = &verification->next;
    verifier->waiting++;
}

static void on_work(uv_work_t *work)
{
    const struct job *job = work->data;
    for (struct api_verification *at = job->list; at != NULL; at = at->next) {
        at->valid = auth_verify(at->public_key, at->message, at->signature);
    }
}

static void on_worked(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct verifier *verifier = job->verifier;
    ASSERT(status == 0); /* work is never cancelled */
    struct api_verification *at = job->list;
    job->list = NULL;
    job->busy = false;
    verifier->jobs_busy--;
    while (at != NULL) {
        struct api_verification *next = at->next;
        verifier->done(verifier->context, at);
        at = next;
    }
}

/* Cuts the front off the queue: an even share for each worker, within the batch's size. */
static struct api_verification *take_batch(struct verifier *verifier)
{
    unsigned share = (verifier->waiting + verifier->workers - 1) / verifier->workers;
    unsigned count = share < VERIFIER_BATCH ? share : VERIFIER_BATCH;
    struct api_verification *list = verifier->first, *last = list;
    for (unsigned i = 1; i < count; i++) {
        last = last->next;
    }
    verifier->first = last->next;
    if (verifier->first == NULL) {
        verifier->end = &verifier->first;
    }
    last->next = NULL;
    verifier->waiting -= count;
    return list;
}

void verifier_run(struct verifier *verifier)
{
    ASSERT(verifier != NULL);
    for (unsigned i = 0; i < verifier->job_count && verifier->first != NULL; i++) {
        struct job *job = &verifier->jobs[i];
        if (job->busy) {
            continue;
        }
        job->busy = true;
        job->list = take_batch(verifier);
        verifier->jobs_busy++;
        int rv = uv_queue_work(verifier->loop, &job->work, on_work, on_worked);
        ASSERT(rv == 0);
    }
}

bool verifier_busy(const struct verifier *verifier)
{
    ASSERT(verifier != NULL);
    return verifier->jobs_busy > 0 || verifier->first != NULL;
}

void verifier_close(struct verifier *verifier)
{
    ASSERT(verifier != NULL && verifier->jobs_busy == 0);
    memory_free(verifier);
}
