/* src/model: commands of every kind, beyond the signature, in a state that has everything.
 *
 * Every command gets one reply, a map; what was refused wrote nothing but the record of that; the
 * same batches from the same start make the same writes and replies again, in memory and in LMDB;
 * and the state that comes out can be read.
 *
 * fuzz: -max_len=320 -entropic=0
 */
#include <conclave/limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/writer.h"
#include "fuzz/mutate.h"
#include "fuzz/state.h"
#include "model/keys.h"

#define COMMANDS_MAX 3u
#define BATCHES_MAX  3u

static struct model_fixture *state;
static struct buffer batches[BATCHES_MAX], envelope, command, replies[2], answer;

void fuzz_open(void)
{
    state = fuzz_state();
    for (unsigned i = 0; i < BATCHES_MAX; i++) {
        buffer_init(&batches[i], LIMIT_BATCH_BYTES * 2);
    }
    buffer_init(&envelope, LIMIT_FRAME_BYTES);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    buffer_init(&replies[0], LIMIT_FRAME_BYTES);
    buffer_init(&replies[1], LIMIT_FRAME_BYTES);
    buffer_init(&answer, LIMIT_ANSWER_BYTES);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(0, data, size, size_max, seed, fuzz_words);
}

/* --- A transaction that notes writes outside of the record of decisions --- */

struct watched {
    struct kv_transaction base;
    struct kv_transaction *inner;
    bool wrote;
};

static struct watched *watched_of(struct kv_transaction *transaction)
{
    return (struct watched *)transaction;
}

static void note_write(struct watched *watched, struct slice key)
{
    watched->wrote = watched->wrote || key.data[0] > KEY_REPLY_QUEUE;
}

static enum conclave_code watched_get(struct kv_transaction *transaction, struct slice key,
                                      struct slice *value)
{
    return kv_get(watched_of(transaction)->inner, key, value);
}

static enum conclave_code watched_put(struct kv_transaction *transaction, struct slice key,
                                      struct slice value)
{
    note_write(watched_of(transaction), key);
    return kv_put(watched_of(transaction)->inner, key, value);
}

static enum conclave_code watched_remove(struct kv_transaction *transaction, struct slice key)
{
    note_write(watched_of(transaction), key);
    return kv_remove(watched_of(transaction)->inner, key);
}

static enum conclave_code watched_seek(struct kv_transaction *transaction, struct slice from,
                                       struct slice *key, struct slice *value)
{
    return kv_seek(watched_of(transaction)->inner, from, key, value);
}

static enum conclave_code watched_seek_last(struct kv_transaction *transaction, struct slice before,
                                            struct slice *key, struct slice *value)
{
    return kv_seek_last(watched_of(transaction)->inner, before, key, value);
}

static const struct kv_operations watched_operations = {
    .get = watched_get,
    .put = watched_put,
    .remove = watched_remove,
    .seek = watched_seek,
    .seek_last = watched_seek_last,
};

/* --- Applying --- */

struct sink {
    struct watched *watched;
    struct buffer *replies;
    uint32_t count;
    bool accepted; /* a command so far, or the batch closes polls: what they write may come late */
};

static void on_reply(void *context, const struct model_decided *decided)
{
    static const char accepted[] = "\x86\xa4"
                                   "code\xa2ok";
    struct sink *sink = context;
    struct slice reply = decided->reply;
    ASSERT(decided->position == sink->count);
    sink->count++;
    bool ok = reply.size > sizeof accepted &&
              memcmp(reply.data, accepted, sizeof accepted - 1) == 0;
    ASSERT(ok == (decided->code == CONCLAVE_OK));
    sink->accepted = sink->accepted || ok;
    ASSERT(sink->accepted || !sink->watched->wrote);
    struct codec_tree tree;
    enum conclave_code code = codec_parse(&tree, reply);
    ASSERT(code == CONCLAVE_OK && tree.root.type == MSGPACK_OBJECT_MAP);
    codec_tree_close(&tree);
    buffer_append(sink->replies, reply.data, reply.size);
}

static void on_event(void *context, struct slice event)
{
    struct sink *sink = context;
    buffer_append(sink->replies, event.data, event.size);
}

/* Lists of everything, from the state as the batches left it. */
static void read_state(struct kv_transaction *transaction, uint64_t index)
{
    static const char *const params[] = {"\x81\xa4poll\xa1p", "\x81\xa2id\xa1p", "\x80"};
    static const struct {
        const char *method;
        unsigned params;
    } queries[] = {{"tally", 0},         {"poll.get", 1},    {"poll.list", 2},
                   {"member.list", 2},   {"policy.list", 2}, {"proposal.list", 2},
                   {"decision.list", 2}, {"ballot.list", 0}};
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        struct codec_tree tree;
        struct codec_error error;
        enum conclave_code code = codec_parse(&tree, slice_of_text(params[queries[i].params]));
        ASSERT(code == CONCLAVE_OK);
        buffer_clear(&answer);
        code = model_query(transaction, NULL, slice_of_text(queries[i].method), &tree.root, index,
                           slice_of("0123456789abcdef", 16), &answer, &error);
        ASSERT(code == CONCLAVE_OK);
        codec_tree_close(&tree);
        code = codec_parse(&tree, buffer_slice(&answer));
        ASSERT(code == CONCLAVE_OK);
        codec_tree_close(&tree);
    }
}

struct plan {
    unsigned batch_count;
    uint32_t commands[BATCHES_MAX];
    bool closes[BATCHES_MAX];
};

static void apply_all(struct kv *kv, const struct plan *plan, struct buffer *out, bool look,
                      uint8_t digest_value[KV_DIGEST_BYTES])
{
    static const uint8_t zeros[KV_DIGEST_BYTES];
    struct kv_transaction *transaction;
    struct kv_digest digest;
    enum conclave_code code = kv_begin(kv, true, &transaction);
    ASSERT(code == CONCLAVE_OK);
    code = kv_digest_open(&digest, transaction, zeros);
    ASSERT(code == CONCLAVE_OK);
    struct watched watched = {.base = {kv, &watched_operations, true}, .inner = &digest.base};
    buffer_clear(out);
    for (unsigned i = 0; i < plan->batch_count; i++) {
        struct sink sink = {.watched = &watched, .replies = out, .accepted = plan->closes[i]};
        const struct model_sink told = {.context = &sink, .reply = on_reply, .event = on_event};
        watched.wrote = false;
        code = model_apply(&watched.base, state->index + 1 + i, buffer_slice(&batches[i]), &told);
        ASSERT(code == CONCLAVE_OK);
        ASSERT(sink.count == plan->commands[i]);
        ASSERT(sink.accepted || !watched.wrote);
    }
    if (look) {
        read_state(transaction, state->index + plan->batch_count);
    }
    kv_digest_value(&digest, digest_value);
    kv_digest_close(&digest);
    kv_abort(transaction);
}

/* --- From the input --- */

static int pack(void *context, const char *data, size_t size)
{
    buffer_append(context, data, size);
    return 0;
}

/* A number names one of the table, a text stands for itself. */
static struct slice choose(const msgpack_object *object, const char *const *table, uint32_t count)
{
    struct slice text;
    uint64_t number = 0;
    if (codec_get_string(object, &text) == CONCLAVE_OK) {
        return text;
    }
    (void)!codec_get_u64(object, &number);
    return slice_of_text(table[number % count]);
}

/* [author, kind, body, nonce?] */
static bool make_command(const msgpack_object *object, unsigned number)
{
    static const uint8_t signature[ENVELOPE_SIGNATURE_BYTES];
    const msgpack_object *items;
    uint32_t count;
    if (codec_get_array(object, 3, 4, &items, &count) != CONCLAVE_OK) {
        return false;
    }
    uint8_t nonce[ENVELOPE_NONCE_BYTES] = {0xfe, (uint8_t)number};
    uint64_t chosen;
    if (count == 4 && codec_get_u64(&items[3], &chosen) == CONCLAVE_OK) {
        nonce[1] = (uint8_t)(chosen % COMMANDS_MAX);
    }
    const struct envelope head = {.cluster = slice_of(state->cluster, sizeof state->cluster),
                                  .author = choose(&items[0], fuzz_authors, FUZZ_AUTHORS),
                                  .nonce = slice_of(nonce, sizeof nonce),
                                  .not_after_ms = state->time_ms + MODEL_HOUR_MS,
                                  .kind = choose(&items[1], fuzz_kinds, FUZZ_KINDS)};
    buffer_clear(&envelope);
    buffer_clear(&command);
    envelope_write_head(&envelope, &head);
    msgpack_packer packer;
    msgpack_packer_init(&packer, &envelope, pack);
    ASSERT(msgpack_pack_object(&packer, items[2]) == 0);
    envelope_write_command(&command, buffer_slice(&envelope),
                           slice_of(signature, sizeof signature));
    ASSERT(command.status == CONCLAVE_OK);
    return true;
}

/* The array's items: commands of a batch, and numbers, which end it and say how many ms pass. */
static void make_batches(const msgpack_object *items, uint32_t count, struct plan *plan)
{
    static const char *const polls[] = {"p", "s", "v", "e", "old", "next"};
    struct slice commands[COMMANDS_MAX];
    uint8_t *copies[COMMANDS_MAX];
    struct slice closes[2] = {{0}};
    uint64_t time_ms = state->time_ms;
    unsigned number = 0;
    uint32_t gathered = 0;
    *plan = (struct plan){0};
    for (uint32_t i = 0; i <= count && plan->batch_count < BATCHES_MAX; i++) {
        uint64_t passed = 0;
        if (i < count && number < COMMANDS_MAX && make_command(&items[i], number)) {
            copies[gathered] = fuzz_copy(buffer_slice(&command));
            commands[gathered] = slice_of(copies[gathered], command.size);
            gathered++;
            number++;
            continue;
        }
        bool waits = i < count && codec_get_u64(&items[i], &passed) == CONCLAVE_OK;
        if (i < count && !waits) {
            continue;
        }
        unsigned b = plan->batch_count++;
        plan->closes[b] = b > 0;
        plan->commands[b] = gathered;
        buffer_clear(&batches[b]);
        batch_write(&batches[b], time_ms, closes, b > 0 ? 2 : 0, commands, gathered);
        ASSERT(batches[b].status == CONCLAVE_OK);
        if (waits) {
            time_ms += passed % (2 * MODEL_HOUR_MS);
            closes[0] = slice_of_text(polls[passed % 6]);
            closes[1] = slice_of_text(polls[passed / 6 % 6]);
        }
        while (gathered > 0) {
            free(copies[--gathered]);
        }
    }
    while (gathered > 0) {
        free(copies[--gathered]);
    }
}

void fuzz_run(struct slice input)
{
    struct codec_tree tree;
    const msgpack_object *items;
    uint32_t count;
    struct plan plan;
    uint8_t digests[2][KV_DIGEST_BYTES];
    if (codec_parse(&tree, input) != CONCLAVE_OK) {
        return;
    }
    if (codec_get_array(&tree.root, 1, 32, &items, &count) == CONCLAVE_OK) {
        make_batches(items, count, &plan);
        apply_all(state->stores[0], &plan, &replies[0], input.size % 32 == 0, digests[0]);
        if (input.size % 64 == 1) {
            apply_all(state->stores[1], &plan, &replies[1], false, digests[1]);
            ASSERT(memcmp(digests[0], digests[1], KV_DIGEST_BYTES) == 0);
            ASSERT(slice_equal(buffer_slice(&replies[0]), buffer_slice(&replies[1])));
        }
    }
    codec_tree_close(&tree);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    char name[32];
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    for (size_t i = 0; i <= fuzz_body_count; i++) {
        size_t first = i < fuzz_body_count ? i : 0;
        size_t end = i < fuzz_body_count ? i + 1 : 3;
        codec_write_array(&seed, (uint32_t)(end - first) + 1);
        for (size_t j = first; j < end; j++) {
            codec_write_array(&seed, 3);
            codec_write_u64(&seed, fuzz_bodies[j].author);
            codec_write_u64(&seed, fuzz_bodies[j].kind);
            fuzz_pack(&seed, fuzz_bodies[j].json);
        }
        codec_write_u64(&seed, 200000); /* and all polls are due */
        (void)snprintf(name, sizeof name, "%zu", i);
        fuzz_seed_buffer(name, "", &seed);
    }
    buffer_close(&seed);
}
