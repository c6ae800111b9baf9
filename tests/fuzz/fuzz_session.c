/* src/api: whole sessions of a client, as a stream cut at arbitrary places, over a state that has
 * everything and a replica that answers at once.
 *
 * What is sent is well-formed responses; a session means the same however it was cut; and when its
 * connection is closed, nothing of it is left.
 *
 * fuzz: -max_len=400 -entropic=0
 */
#include <conclave/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "api/api.h"
#include "codec/writer.h"
#include "fuzz/mutate.h"
#include "fuzz/state.h"

#define UNDER_WAY_MAX 64u

static struct model_fixture *state;
static struct api *api;
static uint64_t connections;

/* What one session came to. */
static struct session {
    struct buffer output;
    bool close_asked, paused;
    struct api_verification *verifications[UNDER_WAY_MAX];
    unsigned verification_count;
    uint64_t tokens[UNDER_WAY_MAX], reads[UNDER_WAY_MAX];
    unsigned token_count, read_count;
} session;

/* --- The host --- */

static void host_send(void *context, uint64_t id, struct slice bytes)
{
    (void)context;
    ASSERT(id == connections && !session.close_asked && bytes.size > 0);
    buffer_append(&session.output, bytes.data, bytes.size);
}

static void host_close(void *context, uint64_t id)
{
    (void)context;
    ASSERT(id == connections && !session.close_asked);
    session.close_asked = true;
}

static void host_verify(void *context, struct api_verification *verification)
{
    (void)context;
    ASSERT(session.verification_count < UNDER_WAY_MAX);
    session.verifications[session.verification_count++] = verification;
}

/* What happens while it is paused comes all the same: a host may have read it already. */
static void host_pause(void *context, uint64_t id, bool paused)
{
    (void)context;
    ASSERT(id == connections && !session.close_asked && paused != session.paused);
    session.paused = paused;
}

static size_t host_unsent(void *context, uint64_t id)
{
    (void)context;
    ASSERT(id == connections);
    return 0;
}

/* The same at every run: what is signed does not depend on how the session was cut. */
static void host_random_bytes(void *context, uint8_t *bytes, size_t size)
{
    (void)context;
    memset(bytes, 0x55, size);
}

static unsigned host_peers(void *context, struct api_peer *peers)
{
    (void)context;
    peers[0] = (struct api_peer){.node_id = 2, .connected = true, .error = "", .seen = true};
    return 1;
}

static void host_health(void *context, struct api_health *health)
{
    (void)context;
    *health = (struct api_health){.state = "ok", .http = ""};
}

static uint64_t now_ms(void *context)
{
    (void)context;
    return state->time_ms;
}

static const struct api_host host = {.send = host_send,
                                     .close = host_close,
                                     .pause = host_pause,
                                     .unsent = host_unsent,
                                     .verify = host_verify,
                                     .random_bytes = host_random_bytes,
                                     .peers = host_peers,
                                     .health = host_health};
static const struct clock still = {.monotonic_ms = now_ms, .wall_ms = now_ms};

/* --- The replica --- */

static void fake_status(struct replica *replica, struct replica_status *status)
{
    (void)replica;
    *status = (struct replica_status){
        .state = REPLICA_LEADER, .node_id = 1, .leader_id = 1, .term = 3, .ready = true};
    memcpy(status->cluster_id, state->cluster, sizeof status->cluster_id);
}

static enum conclave_code fake_submit(struct replica *replica, struct slice command, uint64_t token,
                                      uint64_t timeout_ms)
{
    (void)replica;
    ASSERT(command.size > 0 && timeout_ms <= LIMIT_REQUEST_TIMEOUT_MS);
    ASSERT(session.token_count < UNDER_WAY_MAX);
    session.tokens[session.token_count++] = token;
    return CONCLAVE_OK;
}

static enum conclave_code fake_read(struct replica *replica, uint64_t token, uint64_t timeout_ms)
{
    (void)replica;
    ASSERT(timeout_ms <= LIMIT_REQUEST_TIMEOUT_MS && session.read_count < UNDER_WAY_MAX);
    session.reads[session.read_count++] = token;
    return CONCLAVE_OK;
}

static enum conclave_code fake_query(struct replica *replica, struct slice method,
                                     const msgpack_object *params, struct buffer *answer,
                                     struct codec_error *error)
{
    (void)replica;
    if (!model_is_query(method)) {
        codec_error_set(error, "no such query");
        return CONCLAVE_UNKNOWN_METHOD;
    }
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(state->stores[0], false, &transaction);
    ASSERT(code == CONCLAVE_OK);
    code = model_query(transaction, &fuzz_log, method, params, state->index,
                       slice_of(state->digests[0], KV_DIGEST_BYTES), answer, error);
    kv_abort(transaction);
    return code;
}

static enum conclave_code fake_author(struct replica *replica, struct slice author,
                                      struct model_author *out)
{
    (void)replica;
    struct kv_transaction *transaction;
    enum conclave_code code = kv_begin(state->stores[0], false, &transaction);
    ASSERT(code == CONCLAVE_OK);
    code = model_author(transaction, author, out);
    kv_abort(transaction);
    return code;
}

static enum conclave_code fake_reply(struct replica *replica, struct slice author,
                                     struct slice nonce, struct slice envelope,
                                     struct buffer *reply)
{
    (void)replica;
    (void)author;
    (void)reply;
    ASSERT(nonce.size == ENVELOPE_NONCE_BYTES && envelope.size > 0);
    return CONCLAVE_NOT_FOUND;
}

static enum conclave_code fake_reads_public(struct replica *replica, bool *reads_public)
{
    (void)replica;
    *reads_public = true;
    return CONCLAVE_OK;
}

static enum conclave_code fake_await_receipt(struct replica *replica, const msgpack_object *params,
                                             uint64_t token, uint64_t timeout_ms,
                                             struct codec_error *error)
{
    (void)params;
    error->text[0] = '\0';
    return fake_read(replica, token, timeout_ms);
}

static const struct api_replica_operations operations = {.status = fake_status,
                                                         .submit = fake_submit,
                                                         .read = fake_read,
                                                         .query = fake_query,
                                                         .author = fake_author,
                                                         .reply = fake_reply,
                                                         .reads_public = fake_reads_public,
                                                         .await_receipt = fake_await_receipt};

void fuzz_open(void)
{
    static uint8_t handle;
    state = fuzz_state();
    buffer_init(&session.output, 64u * LIMIT_FRAME_BYTES);
    const struct api_config config = {.replica = (struct replica *)(void *)&handle,
                                      .operations = &operations,
                                      .clock = &still,
                                      .host = &host,
                                      .version = "1.2.3",
                                      .limits = {.turn_us = 1000}};
    enum conclave_code code = api_open(&config, &api);
    ASSERT(code == CONCLAVE_OK);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(1, data, size, size_max, seed, fuzz_words);
}

/* --- A session --- */

/* Everything that waits comes back, until nothing does. A signature is good when its first byte is
 * odd: who signed what is others' business. */
static void settle(void)
{
    do {
        for (unsigned i = 0; i < session.verification_count; i++) {
            session.verifications[i]->valid = session.verifications[i]->signature[0] % 2 != 0;
            api_verified(api, session.verifications[i]);
        }
        for (unsigned i = 0; i < session.token_count; i++) {
            bool lost = i % 4 == 3;
            api_decided(api, session.tokens[i], lost ? CONCLAVE_UNKNOWN_OUTCOME : CONCLAVE_OK,
                        lost ? (struct slice){0} : slice_of("\x80", 1));
        }
        for (unsigned i = 0; i < session.read_count; i++) {
            api_readable(api, session.reads[i], CONCLAVE_OK);
        }
        session.verification_count = session.token_count = session.read_count = 0;
        api_run(api);
    } while (session.verification_count + session.token_count + session.read_count > 0);
}

/* The sum over all responses of what they are, whatever their order. */
static uint64_t sum_of_responses(void)
{
    uint64_t sum = 0;
    struct slice rest = buffer_slice(&session.output);
    while (rest.size > 0) {
        struct codec_scan scan = {0};
        struct codec_tree tree;
        const msgpack_object *items;
        uint32_t count;
        uint64_t type;
        ASSERT(codec_scan(&scan, rest) == CODEC_SCAN_COMPLETE);
        struct slice message = fuzz_take_bytes(&rest, scan.offset);
        enum conclave_code code = codec_parse(&tree, message);
        ASSERT(code == CONCLAVE_OK);
        ASSERT(codec_get_array(&tree.root, 4, 4, &items, &count) == CONCLAVE_OK);
        ASSERT(codec_get_u64(&items[0], &type) == CONCLAVE_OK && type == 1);
        ASSERT(items[2].type == MSGPACK_OBJECT_NIL || items[3].type == MSGPACK_OBJECT_NIL);
        sum += XXH3_64bits(message.data, message.size);
        codec_tree_close(&tree);
    }
    return sum;
}

static uint64_t run_session(struct slice stream, const uint8_t *cut_seed)
{
    struct fuzz_cuts cuts = {cut_seed == NULL ? 0 : *cut_seed};
    buffer_clear(&session.output);
    session.close_asked = session.paused = false;
    connections++;
    enum conclave_code code = api_connection_opened(api, connections);
    ASSERT(code == CONCLAVE_OK);
    while (stream.size > 0) {
        size_t size = cut_seed == NULL ? stream.size : fuzz_cut(&cuts, stream.size);
        uint8_t *piece = fuzz_copy(fuzz_take_bytes(&stream, size));
        api_connection_received(api, connections, slice_of(piece, size));
        free(piece);
        settle();
    }
    api_connection_closed(api, connections);
    api_run(api);
    ASSERT(api_connection_count(api) == 0 && api_requests_under_way(api) == 0);
    return sum_of_responses();
}

/* input: how it is cut, the stream */
void fuzz_run(struct slice input)
{
    uint8_t cut_seed = fuzz_take(&input);
    /* More requests than that at once are refused `busy`, which depends on the cuts. */
    if (input.size > 2048) {
        return;
    }
    uint64_t whole = run_session(input, NULL);
    bool close_asked = session.close_asked;
    size_t output_size = session.output.size;
    if (cut_seed % 4 != 0) {
        uint64_t cut = run_session(input, &cut_seed);
        ASSERT(session.close_asked == close_asked);
        /* What waits for an answer when the node ends the connection gets none. */
        ASSERT(close_asked || (cut == whole && session.output.size == output_size));
    }
}

/* --- Seeds --- */

static void request(struct buffer *seed, uint64_t id, const char *method, const char *params)
{
    codec_write_array(seed, 4);
    codec_write_u64(seed, 0);
    codec_write_u64(seed, id);
    codec_write_text(seed, method);
    codec_write_array(seed, 1);
    fuzz_pack(seed, params);
}

static void submit(struct buffer *seed, uint64_t id, const struct fuzz_body *body)
{
    static const uint8_t signature[ENVELOPE_SIGNATURE_BYTES] = {1};
    static const uint8_t nonce[ENVELOPE_NONCE_BYTES] = {7};
    struct buffer envelope, command;
    buffer_init(&envelope, LIMIT_FRAME_BYTES);
    buffer_init(&command, LIMIT_FRAME_BYTES);
    const struct envelope head = {.cluster = slice_of(state->cluster, sizeof state->cluster),
                                  .author = slice_of_text(fuzz_authors[body->author]),
                                  .nonce = slice_of(nonce, sizeof nonce),
                                  .not_after_ms = state->time_ms + MODEL_HOUR_MS,
                                  .kind = slice_of_text(fuzz_kinds[body->kind])};
    envelope_write_head(&envelope, &head);
    fuzz_pack(&envelope, body->json);
    envelope_write_command(&command, buffer_slice(&envelope),
                           slice_of(signature, sizeof signature));
    codec_write_array(seed, 4);
    codec_write_u64(seed, 0);
    codec_write_u64(seed, id);
    codec_write_text(seed, "submit");
    codec_write_array(seed, 1);
    codec_write_map(seed, 1);
    codec_write_text(seed, "command");
    codec_write_bytes(seed, buffer_slice(&command));
    buffer_close(&envelope);
    buffer_close(&command);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    request(&seed, 1, "hello", "{}");
    request(&seed, 2, "status", "{}");
    request(&seed, 3, "watch", "{}");
    fuzz_seed_buffer("hello", "1", &seed);
    request(&seed, 4, "poll.get", "{'id': 'p', 'timeout_ms': 100}");
    request(&seed, 5, "tally", "{'poll': 's', 'stale': true}");
    fuzz_seed_buffer("queries", "2", &seed);
    submit(&seed, 6, &fuzz_bodies[0]);
    fuzz_seed_buffer("ballot", "3", &seed);
    submit(&seed, 7, &fuzz_bodies[14]);
    fuzz_seed_buffer("proposal", "5", &seed);
    for (unsigned i = 0; i < FUZZ_QUERIES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "query-%u", i);
        request(&seed, i, fuzz_queries[i], "{'limit': 1, 'id': 'p', 'poll': 'p'}");
        fuzz_seed_buffer(name, "6", &seed);
    }
    request(&seed, 8, "log.read", "{'from': 1}");
    fuzz_seed_buffer("log", "7", &seed);
    buffer_close(&seed);
}
