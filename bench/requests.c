/* Making and signing requests. */
#include "requests.h"

#include <conclave/limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "codec/envelope.h"
#include "codec/writer.h"

#define ARENA_BYTES       (UINT64_C(16) * 1024 * 1024 * 1024)
#define NOT_AFTER_MS      (3600u * 1000u)
#define SUBMIT_TIMEOUT_MS 30000u

static void *must(void *memory)
{
    if (memory == NULL) {
        (void)fputs("conclave-bench: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

void voter_id(uint32_t number, char id[VOTER_ID_BYTES])
{
    (void)snprintf(id, VOTER_ID_BYTES, "voter-%07u", number % 10000000u);
}

void voters_open(struct voters *voters, uint32_t count)
{
    voters->keys = must(memory_allocate(count * sizeof *voters->keys));
    voters->count = count;
    for (uint32_t i = 0; i < count; i++) {
        char text[48];
        uint8_t seed[AUTH_SHA256_BYTES];
        (void)snprintf(text, sizeof text, "conclave-bench voter %u", i);
        auth_sha256(slice_of_text(text), seed);
        auth_key_from_seed(&voters->keys[i], seed);
    }
}

void voters_close(struct voters *voters)
{
    memory_free(voters->keys);
    *voters = (struct voters){0};
}

static void requests_open(struct request_set *set, uint32_t capacity)
{
    ASSERT(capacity > 0 && capacity <= REQUESTS_MAX);
    *set = (struct request_set){.capacity = capacity};
    buffer_init(&set->bytes, ARENA_BYTES);
    set->offsets = must(memory_allocate((capacity + (size_t)1) * sizeof *set->offsets));
    set->offsets[0] = 0;
}

void requests_close(struct request_set *set)
{
    buffer_close(&set->bytes);
    memory_free(set->offsets);
    *set = (struct request_set){0};
}

/* The bytes of one request were appended: it is whole. */
static void end_request(struct request_set *set)
{
    ASSERT(set->count < set->capacity);
    if (set->bytes.status != CONCLAVE_OK) {
        (void)must(NULL);
    }
    set->offsets[++set->count] = set->bytes.size;
}

static void begin_request(struct request_set *set, uint32_t msgid, const char *method)
{
    codec_write_array(&set->bytes, 4);
    codec_write_u64(&set->bytes, 0);
    codec_write_u64(&set->bytes, msgid);
    codec_write_text(&set->bytes, method);
    codec_write_array(&set->bytes, 1);
}

/* Signs `envelope` and appends it as `submit`. `command` is the caller's scratch. */
static void append_submit(struct request_set *set, uint32_t msgid, const struct buffer *envelope,
                          const struct auth_key *key, struct buffer *command)
{
    uint8_t signature[AUTH_SIGNATURE_BYTES];
    auth_sign(key, buffer_slice(envelope), signature);
    buffer_clear(command);
    envelope_write_command(command, buffer_slice(envelope), slice_of(signature, sizeof signature));
    if (envelope->status != CONCLAVE_OK || command->status != CONCLAVE_OK) {
        (void)must(NULL);
    }
    begin_request(set, msgid, "submit");
    codec_write_map(&set->bytes, 2);
    codec_write_text(&set->bytes, "command");
    codec_write_bytes(&set->bytes, buffer_slice(command));
    codec_write_text(&set->bytes, "timeout_ms");
    codec_write_u64(&set->bytes, SUBMIT_TIMEOUT_MS);
    end_request(set);
}

static void write_head(struct buffer *envelope, const uint8_t cluster[16], const char *author,
                       const char *kind)
{
    uint64_t now_ms = clock_wall_ms(&clock_system);
    uint64_t chance = random_next(&random_system);
    uint8_t nonce[ENVELOPE_NONCE_BYTES];
    for (unsigned i = 0; i < 8; i++) {
        nonce[i] = (uint8_t)(now_ms >> (8 * (7 - i)));
        nonce[8 + i] = (uint8_t)(chance >> (8 * i));
    }
    const struct envelope head = {.cluster = slice_of(cluster, ENVELOPE_CLUSTER_BYTES),
                                  .author = slice_of_text(author),
                                  .nonce = slice_of(nonce, sizeof nonce),
                                  .not_after_ms = now_ms + NOT_AFTER_MS,
                                  .kind = slice_of_text(kind)};
    buffer_clear(envelope);
    envelope_write_head(envelope, &head);
}

void requests_make_admits(struct request_set *set, const uint8_t cluster[16], const char *chair,
                          const struct auth_key *chair_key, const struct voters *voters,
                          uint32_t first)
{
    ASSERT(first < voters->count);
    struct buffer envelope, command;
    requests_open(set, voters->count - first);
    buffer_init(&envelope, LIMIT_COMMAND_BYTES);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    for (uint32_t i = first; i < voters->count; i++) {
        char id[VOTER_ID_BYTES];
        voter_id(i, id);
        write_head(&envelope, cluster, chair, "member.admit");
        codec_write_map(&envelope, 2);
        codec_write_text(&envelope, "id");
        codec_write_text(&envelope, id);
        codec_write_text(&envelope, "key");
        codec_write_bytes(&envelope, slice_of(voters->keys[i].public_key, AUTH_PUBLIC_KEY_BYTES));
        append_submit(set, i - first, &envelope, chair_key, &command);
    }
    buffer_close(&envelope);
    buffer_close(&command);
}

/* --- Ballots, by several threads: each makes a run of them, and the runs are put together. --- */

struct signer {
    pthread_t thread;
    struct request_set set;
    const struct ballot_plan *plan;
    uint32_t first;
    uint32_t count;
};

static void write_ballot(struct buffer *envelope, const char *poll, unsigned questions,
                         uint32_t number)
{
    static const char *const answers[] = {"yes", "no", "yes", "abstain"};
    codec_write_map(envelope, 2);
    codec_write_text(envelope, "poll");
    codec_write_text(envelope, poll);
    codec_write_text(envelope, "answers");
    codec_write_array(envelope, questions);
    for (unsigned i = 0; i < questions; i++) {
        char question[16];
        (void)snprintf(question, sizeof question, "q%u", i + 1);
        codec_write_map(envelope, 2);
        codec_write_text(envelope, "q");
        codec_write_text(envelope, question);
        codec_write_text(envelope, "a");
        codec_write_text(envelope, answers[(number + i) % 4]);
    }
}

/* One linearizable read. */
static void append_read(struct request_set *set, uint32_t msgid, uint32_t voter)
{
    char id[VOTER_ID_BYTES];
    voter_id(voter, id);
    begin_request(set, msgid, "member.get");
    codec_write_map(&set->bytes, 1);
    codec_write_text(&set->bytes, "id");
    codec_write_text(&set->bytes, id);
    end_request(set);
}

static void *signer_thread(void *argument)
{
    struct signer *signer = argument;
    const struct ballot_plan *plan = signer->plan;
    struct buffer envelope, command;
    buffer_init(&envelope, LIMIT_COMMAND_BYTES);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    for (uint32_t i = signer->first; i < signer->first + signer->count; i++) {
        char id[VOTER_ID_BYTES];
        uint32_t voter = i / plan->poll_count % plan->voters->count;
        /* Spread: 37 and 100 have no common part. */
        if (i * UINT64_C(37) % 100 < plan->reads_percent) {
            append_read(&signer->set, i, voter);
            continue;
        }
        voter_id(voter, id);
        write_head(&envelope, plan->cluster, id, "ballot.cast");
        write_ballot(&envelope, plan->polls[i % plan->poll_count], plan->questions, i);
        append_submit(&signer->set, i, &envelope, &plan->voters->keys[voter], &command);
    }
    buffer_close(&envelope);
    buffer_close(&command);
    return NULL;
}

static void append_set(struct request_set *set, struct request_set *part)
{
    size_t base = set->bytes.size;
    buffer_append(&set->bytes, part->bytes.data, part->bytes.size);
    if (set->bytes.status != CONCLAVE_OK) {
        (void)must(NULL);
    }
    for (uint32_t i = 1; i <= part->count; i++) {
        set->offsets[set->count + i] = base + part->offsets[i];
    }
    set->count += part->count;
    requests_close(part);
}

void requests_make_ballots(struct request_set *set, const struct ballot_plan *plan, uint32_t count,
                           unsigned threads)
{
    ASSERT(plan->questions >= 1 && plan->questions <= LIMIT_QUESTIONS && plan->poll_count >= 1);
    ASSERT(threads >= 1 && threads <= REQUESTS_SIGNERS && count >= threads);
    struct signer signers[REQUESTS_SIGNERS];
    requests_open(set, count);
    for (unsigned i = 0; i < threads; i++) {
        uint32_t first = (uint32_t)((uint64_t)count * i / threads);
        uint32_t end = (uint32_t)((uint64_t)count * (i + 1) / threads);
        signers[i] = (struct signer){.plan = plan, .first = first, .count = end - first};
        requests_open(&signers[i].set, end - first);
        if (pthread_create(&signers[i].thread, NULL, signer_thread, &signers[i]) != 0) {
            (void)must(NULL);
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(signers[i].thread, NULL);
        append_set(set, &signers[i].set);
    }
}

void requests_make_reads(struct request_set *set, const struct voters *voters, uint32_t count)
{
    requests_open(set, count);
    for (uint32_t i = 0; i < count; i++) {
        append_read(set, i, i % voters->count);
    }
}
