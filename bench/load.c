/* The loops. One epoll a thread; the threads share the number of the next request and the
 * time of the last answer, nothing else.
 *
 * The happy path is: connect, fill the pipeline, read answers, send the next. The failure modes
 * are: a connection that breaks (its requests go to the next endpoint) and passing refusals (sent
 * again after RETRY_US, in `maintain`). */
#include "load.h"

#include <conclave/limits.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "answer.h"

#define RETRY_US    5000u
#define READ_BYTES  65536u
#define EVENTS      256
#define WAIT_MS     5u
#define BACKLOG_US  500u /* requests are due, and no connection is free */
#define INPUT_BYTES (LIMIT_ANSWER_BYTES + READ_BYTES)

struct slot {
    uint32_t request;
    bool waiting; /* to be sent again */
};

struct link {
    int fd; /* -1: none */
    unsigned endpoint;
    uint64_t retry_us; /* when to connect or send again; 0: nothing to do */
    bool blocked;      /* the socket took no more: EPOLLOUT is asked for */
    struct buffer input;
    struct buffer output;
    struct codec_scan scan;
    unsigned count; /* slots in use */
    struct slot *slots;
};

struct shared {
    const struct load_config *config;
    struct sockaddr_storage *addresses;
    uint64_t *sent_us; /* of each request: when it was first sent, or was to be */
    uint64_t begin_us; /* when the first request of an open loop is due */
    uint64_t measure_from_us;
    uint64_t measure_to_us;
    _Atomic uint64_t next;
    _Atomic uint64_t answered;
    _Atomic uint64_t last_answer_us;
    _Atomic uint64_t longest_gap_us;
    _Atomic bool stop;
    _Atomic bool stalled;
};

struct worker {
    struct shared *shared;
    pthread_t thread;
    unsigned number;
    int epoll;
    struct link *links;
    unsigned link_count;
    unsigned turn; /* whose turn it is in an open loop */
    struct load_result result;
};

uint64_t load_now_us(void)
{
    struct timespec now;
    int rv = clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(rv == 0);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* --- sending --- */

static void link_drop(struct worker *worker, struct link *link);

static void link_watch(struct worker *worker, struct link *link, bool blocked)
{
    if (link->blocked == blocked) {
        return;
    }
    link->blocked = blocked;
    struct epoll_event event = {.events = EPOLLIN | (blocked ? (uint32_t)EPOLLOUT : 0u),
                                .data.ptr = link};
    int rv = epoll_ctl(worker->epoll, EPOLL_CTL_MOD, link->fd, &event);
    ASSERT(rv == 0);
}

static void link_flush(struct worker *worker, struct link *link)
{
    while (link->fd >= 0 && link->output.size > 0) {
        ssize_t sent =
            send(link->fd, link->output.data, link->output.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            buffer_consume(&link->output, (size_t)sent);
        } else if (errno == EAGAIN) {
            link_watch(worker, link, true);
            return;
        } else if (errno != EINTR) {
            link_drop(worker, link);
            return;
        }
    }
    if (link->fd >= 0) {
        link_watch(worker, link, false);
    }
}

static void link_send(struct worker *worker, struct link *link, uint32_t request)
{
    struct slice bytes = requests_get(worker->shared->config->requests, request);
    buffer_append(&link->output, bytes.data, bytes.size);
    ASSERT(link->output.status == CONCLAVE_OK);
}

static uint64_t due_us(const struct shared *shared, uint64_t number)
{
    return shared->begin_us + number * 1000000u / shared->config->rate;
}

/* The number of the next request, of which each thread gets another: false when there is none, or
 * none is due yet. */
static bool take_next(struct shared *shared, uint64_t now_us, uint64_t *number)
{
    const struct load_config *config = shared->config;
    *number = atomic_load(&shared->next);
    do {
        if (atomic_load(&shared->stop) || (*number >= config->requests->count && !config->repeat) ||
            (config->rate != 0 && due_us(shared, *number) > now_us)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&shared->next, number, *number + 1));
    return true;
}

/* Sends the next request, if there is room for it and one to be sent. */
static bool link_next(struct worker *worker, struct link *link, uint64_t now_us)
{
    struct shared *shared = worker->shared;
    uint64_t number;
    if (link->count >= shared->config->pipeline || !take_next(shared, now_us, &number)) {
        return false;
    }
    uint32_t request = (uint32_t)(number % shared->config->requests->count);
    shared->sent_us[request] = shared->config->rate == 0 ? now_us : due_us(shared, number);
    link->slots[link->count++] = (struct slot){.request = request};
    link_send(worker, link, request);
    return true;
}

/* Fills the pipeline with new requests. */
static void link_fill(struct worker *worker, struct link *link)
{
    uint64_t now_us = load_now_us();
    while (link_next(worker, link, now_us)) {
    }
    link_flush(worker, link);
}

/* Open loop: what is due goes out, one request to each connection in turn. */
static void send_due(struct worker *worker)
{
    uint64_t now_us = load_now_us();
    for (unsigned i = 0;
         i < worker->link_count && due_us(worker->shared, worker->shared->next) <= now_us; i++) {
        struct link *link = &worker->links[worker->turn];
        worker->turn = (worker->turn + 1) % worker->link_count;
        if (link->fd >= 0 && link_next(worker, link, now_us)) {
            link_flush(worker, link);
            i = 0;
        }
    }
}

/* How long a thread may wait for events. */
static struct timespec wait_of(const struct shared *shared)
{
    uint64_t wait_us = WAIT_MS * 1000u;
    if (shared->config->rate != 0) {
        uint64_t now_us = load_now_us();
        uint64_t next_us = due_us(shared, atomic_load(&shared->next));
        uint64_t left_us = next_us > now_us ? next_us - now_us : BACKLOG_US;
        wait_us = left_us < wait_us ? left_us : wait_us;
    }
    return (struct timespec){.tv_nsec = (long)wait_us * 1000};
}

/* --- connecting --- */

static bool link_connect(struct worker *worker, struct link *link)
{
    const struct load_config *config = worker->shared->config;
    for (unsigned i = 0; i < config->endpoint_count; i++) {
        const struct sockaddr_storage *address = &worker->shared->addresses[link->endpoint];
        int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            (void)snprintf(worker->result.failure, sizeof worker->result.failure, "socket: %s",
                           strerror(errno));
            return false;
        }
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        socklen_t size = address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                       : sizeof(struct sockaddr_in6);
        if (connect(fd, (const struct sockaddr *)address, size) == 0) {
            struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};
            int rv = epoll_ctl(worker->epoll, EPOLL_CTL_ADD, fd, &event);
            ASSERT(rv == 0);
            link->fd = fd;
            link->blocked = false;
            return true;
        }
        close(fd);
        link->endpoint = (link->endpoint + 1) % config->endpoint_count;
    }
    return false;
}

/* Everything under way is sent again, when there is a connection. */
static void link_drop(struct worker *worker, struct link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
        link->fd = -1;
        worker->result.connection_lost++;
    }
    buffer_clear(&link->input);
    buffer_clear(&link->output);
    link->scan = (struct codec_scan){0};
    link->endpoint = (link->endpoint + 1) % worker->shared->config->endpoint_count;
    for (unsigned i = 0; i < link->count; i++) {
        link->slots[i].waiting = true;
    }
    link->retry_us = load_now_us();
}

static void link_retry(struct worker *worker, struct link *link)
{
    link->retry_us = 0;
    if (link->fd < 0 && !link_connect(worker, link)) {
        link->retry_us = load_now_us() + RETRY_US;
        return;
    }
    for (unsigned i = 0; i < link->count; i++) {
        if (link->slots[i].waiting) {
            link->slots[i].waiting = false;
            worker->result.resent++;
            link_send(worker, link, link->slots[i].request);
        }
    }
    link_fill(worker, link);
}

/* --- answers --- */

static void note_answer(struct worker *worker, uint32_t request, uint64_t now_us)
{
    struct shared *shared = worker->shared;
    uint64_t last_us = atomic_exchange(&shared->last_answer_us, now_us);
    atomic_fetch_add(&shared->answered, 1);
    if (now_us < shared->measure_from_us || now_us > shared->measure_to_us) {
        return;
    }
    worker->result.accepted++;
    latency_add(&worker->result.latency, now_us - shared->sent_us[request]);
    uint64_t gap_us = now_us > last_us ? now_us - last_us : 0;
    uint64_t longest_us = atomic_load(&shared->longest_gap_us);
    while (gap_us > longest_us && last_us >= shared->measure_from_us &&
           !atomic_compare_exchange_weak(&shared->longest_gap_us, &longest_us, gap_us)) {
    }
}

static void take_answer(struct worker *worker, struct link *link, struct slice bytes,
                        uint64_t now_us)
{
    struct answer answer;
    unsigned at = 0;
    if (!answer_read(bytes, &answer)) {
        (void)snprintf(worker->result.failure, sizeof worker->result.failure,
                       "an answer was not understood");
        link_drop(worker, link);
        return;
    }
    while (at < link->count && link->slots[at].request != answer.msgid) {
        at++;
    }
    if (at == link->count) {
        return; /* answered twice: sent again on this connection before */
    }
    if (answer.passing) {
        worker->result.busy += answer.code == CONCLAVE_BUSY || answer.code == CONCLAVE_RATE_LIMITED;
        link->slots[at].waiting = true;
        link->retry_us = link->retry_us != 0 ? link->retry_us : now_us + RETRY_US;
        return;
    }
    link->slots[at] = link->slots[--link->count];
    if (answer.code == CONCLAVE_OK) {
        note_answer(worker, answer.msgid, now_us);
        return;
    }
    atomic_store(&worker->shared->last_answer_us, now_us);
    atomic_fetch_add(&worker->shared->answered, 1);
    if (worker->result.refused++ == 0) {
        (void)snprintf(worker->result.refusal, sizeof worker->result.refusal, "%s: %s",
                       conclave_code_name(answer.code), answer.text);
    }
}

static void take_input(struct worker *worker, struct link *link)
{
    uint64_t now_us = load_now_us();
    size_t start = 0;
    while (link->fd >= 0 && start < link->input.size) {
        struct slice rest = slice_of(link->input.data + start, link->input.size - start);
        enum codec_scan_result result = codec_scan(&link->scan, rest);
        if (result == CODEC_SCAN_INCOMPLETE) {
            break;
        }
        if (result == CODEC_SCAN_MALFORMED) {
            link_drop(worker, link);
            return;
        }
        struct slice message = slice_of(rest.data, link->scan.offset);
        start += link->scan.offset;
        link->scan = (struct codec_scan){0};
        take_answer(worker, link, message, now_us);
    }
    if (link->fd >= 0) {
        buffer_consume(&link->input, start);
        link_fill(worker, link);
    }
}

static void link_read(struct worker *worker, struct link *link)
{
    uint8_t *room = buffer_reserve(&link->input, READ_BYTES);
    ASSERT(room != NULL);
    ssize_t got = recv(link->fd, room, READ_BYTES, MSG_DONTWAIT);
    if (got > 0) {
        link->input.size += (size_t)got;
        take_input(worker, link);
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
        link_drop(worker, link);
    }
}

/* --- the threads --- */

static void maintain(struct worker *worker, uint64_t now_us)
{
    struct shared *shared = worker->shared;
    for (unsigned i = 0; i < worker->link_count; i++) {
        struct link *link = &worker->links[i];
        if (link->retry_us != 0 && link->retry_us <= now_us) {
            link_retry(worker, link);
        }
    }
    uint64_t last_us = atomic_load(&shared->last_answer_us);
    if (now_us > last_us && now_us - last_us > LOAD_STALL_MS * 1000u) {
        atomic_store(&shared->stalled, true);
        atomic_store(&shared->stop, true);
    }
    bool all = !shared->config->repeat &&
               atomic_load(&shared->answered) >= shared->config->requests->count;
    if (now_us >= shared->measure_to_us || all) {
        atomic_store(&shared->stop, true);
    }
}

static void *worker_thread(void *argument)
{
    struct worker *worker = argument;
    struct shared *shared = worker->shared;
    struct epoll_event events[EVENTS];
    uint64_t maintained_us = 0;
    for (unsigned i = 0; i < worker->link_count; i++) {
        worker->links[i].retry_us = 1;
    }
    while (!atomic_load(&shared->stop)) {
        uint64_t now_us = load_now_us();
        if (now_us - maintained_us >= WAIT_MS * 1000u) {
            maintained_us = now_us;
            maintain(worker, now_us);
        }
        if (shared->config->rate != 0) {
            send_due(worker);
        }
        struct timespec wait = wait_of(shared);
        int count = epoll_pwait2(worker->epoll, events, EVENTS, &wait, NULL);
        for (int i = 0; i < count; i++) {
            struct link *link = events[i].data.ptr;
            if (link->fd >= 0 && (events[i].events & EPOLLOUT) != 0) {
                link_flush(worker, link);
            }
            if (link->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT) != 0) {
                link_read(worker, link);
            }
        }
    }
    return NULL;
}

static void worker_open(struct worker *worker, struct shared *shared, unsigned number)
{
    const struct load_config *config = shared->config;
    *worker = (struct worker){.shared = shared, .number = number};
    worker->link_count = config->connections / config->threads +
                         (number < config->connections % config->threads ? 1 : 0);
    worker->links = memory_allocate_zeroed(worker->link_count + 1u, sizeof *worker->links);
    worker->epoll = epoll_create1(EPOLL_CLOEXEC);
    ASSERT(worker->links != NULL && worker->epoll >= 0);
    for (unsigned i = 0; i < worker->link_count; i++) {
        struct link *link = &worker->links[i];
        link->fd = -1;
        link->endpoint = (i * config->threads + number) % config->endpoint_count;
        buffer_init(&link->input, INPUT_BYTES);
        buffer_init(&link->output, SIZE_MAX / 2);
        link->slots = memory_allocate(config->pipeline * sizeof *link->slots);
        ASSERT(link->slots != NULL);
    }
}

static void worker_close(struct worker *worker, struct load_result *result)
{
    for (unsigned i = 0; i < worker->link_count; i++) {
        struct link *link = &worker->links[i];
        if (link->fd >= 0) {
            close(link->fd);
        }
        buffer_close(&link->input);
        buffer_close(&link->output);
        memory_free(link->slots);
    }
    memory_free(worker->links);
    close(worker->epoll);
    const struct load_result *part = &worker->result;
    latency_merge(&result->latency, &part->latency);
    result->accepted += part->accepted;
    result->refused += part->refused;
    result->resent += part->resent;
    result->busy += part->busy;
    result->connection_lost += part->connection_lost;
    if (result->refusal[0] == '\0') {
        memcpy(result->refusal, part->refusal, sizeof result->refusal);
    }
    if (result->failure[0] == '\0') {
        memcpy(result->failure, part->failure, sizeof result->failure);
    }
}

static bool parse_addresses(const struct load_config *config, struct shared *shared,
                            struct load_result *result)
{
    shared->addresses = memory_allocate_zeroed(config->endpoint_count, sizeof *shared->addresses);
    shared->sent_us = memory_allocate_zeroed(config->requests->count, sizeof *shared->sent_us);
    if (shared->addresses == NULL || shared->sent_us == NULL) {
        (void)snprintf(result->failure, sizeof result->failure, "out of memory");
        return false;
    }
    for (unsigned i = 0; i < config->endpoint_count; i++) {
        if (!answer_parse_endpoint(config->endpoints[i], &shared->addresses[i])) {
            (void)snprintf(result->failure, sizeof result->failure,
                           "the endpoint \"%s\" is not an IPv4 address and a port",
                           config->endpoints[i]);
            return false;
        }
    }
    return true;
}

static void sleep_until_us(const struct shared *shared, uint64_t when_us)
{
    while (load_now_us() < when_us && !atomic_load(&shared->stop)) {
        struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
}

void load_run(const struct load_config *config, struct load_result *result,
              void (*started)(void *context), void (*ended)(void *context), void *context)
{
    ASSERT(config->connections >= 1 && config->connections <= LOAD_CONNECTIONS_MAX);
    ASSERT(config->pipeline >= 1 && config->pipeline <= LOAD_PIPELINE_MAX);
    ASSERT(config->threads >= 1 && config->threads <= LOAD_THREADS_MAX);
    *result = (struct load_result){0};
    struct shared shared = {.config = config};
    struct worker *workers = memory_allocate_zeroed(config->threads, sizeof *workers);
    if (workers == NULL || !parse_addresses(config, &shared, result)) {
        goto done;
    }
    uint64_t now_us = load_now_us();
    shared.last_answer_us = now_us;
    shared.begin_us = now_us;
    shared.measure_from_us = now_us + config->warm_ms * 1000u;
    shared.measure_to_us =
        config->measure_ms == 0 ? UINT64_MAX : shared.measure_from_us + config->measure_ms * 1000u;
    for (unsigned i = 0; i < config->threads; i++) {
        worker_open(&workers[i], &shared, i);
    }
    for (unsigned i = 0; i < config->threads; i++) {
        int rv = pthread_create(&workers[i].thread, NULL, worker_thread, &workers[i]);
        ASSERT(rv == 0);
    }
    sleep_until_us(&shared, shared.measure_from_us);
    if (started != NULL) {
        started(context);
    }
    sleep_until_us(&shared, shared.measure_to_us);
    uint64_t end_us = load_now_us();
    if (ended != NULL) {
        ended(context);
    }
    for (unsigned i = 0; i < config->threads; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        worker_close(&workers[i], result);
    }
    uint64_t last_us = shared.stalled ? shared.last_answer_us : end_us;
    result->measured_us = last_us > shared.measure_from_us ? last_us - shared.measure_from_us : 0;
    result->longest_gap_us = shared.longest_gap_us;
    result->stalled = shared.stalled;

done:
    memory_free(workers);
    memory_free(shared.addresses);
    memory_free(shared.sent_us);
}
