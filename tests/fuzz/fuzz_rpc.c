/* src/client: whatever a node says, a request is answered, times out or fails with a sentence; a
 * result is one packed value.
 *
 * fuzz: -max_len=300
 */
#include "client/rpc.h"

#include <conclave/limits.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/utf8.h"
#include "codec/writer.h"
#include "fuzz/mutate.h"

#define MESSAGE_ID 7u

static const char *const words[] = {"ok", "no_leader", "unknown_poll", "event", "index", NULL};
static int sockets[2];

void fuzz_open(void)
{
    ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets) == 0);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_max, unsigned seed)
{
    return mutate_behind(1, data, size, size_max, seed, words);
}

static void drain(int descriptor)
{
    char bytes[4096];
    while (recv(descriptor, bytes, sizeof bytes, MSG_DONTWAIT) == (ssize_t)sizeof bytes) {
        /* goes on while it was full */
    }
}

static void check_packed(struct slice value)
{
    struct codec_tree tree;
    enum conclave_code code = codec_parse(&tree, value);
    ASSERT(code == CONCLAVE_OK);
    codec_tree_close(&tree);
}

/* The deadline has passed: what is there is looked at, and nothing is waited for. */
static void run_request(struct client_connection *connection)
{
    struct client_rpc_outcome outcome;
    enum conclave_code code =
        client_rpc_call(connection, MESSAGE_ID, "hello", slice_of("\x80", 1), 0, &outcome);
    ASSERT(code == outcome.code);
    if (code == CONCLAVE_OK) {
        ASSERT(outcome.answered && outcome.sent_any);
        check_packed(outcome.result);
    } else {
        ASSERT(outcome.message[0] != '\0' && strlen(outcome.message) < sizeof outcome.message);
        ASSERT(codec_utf8_valid(slice_of_text(outcome.message)));
    }
}

static void run_events(struct client_connection *connection)
{
    for (unsigned i = 0; i < 4 && client_connection_is_open(connection); i++) {
        struct slice params;
        if (client_rpc_next_notification(connection, "event", 0, &params) == CONCLAVE_OK) {
            check_packed(params);
        }
    }
}

/* input: a request or events, then what the node sends */
void fuzz_run(struct slice input)
{
    bool events = fuzz_take(&input) % 2 != 0;
    struct client_connection connection;
    client_connection_init(&connection);
    connection.fd = dup(sockets[0]);
    ASSERT(connection.fd >= 0);
    if (input.size > 0) {
        ASSERT(send(sockets[1], input.data, input.size, 0) == (ssize_t)input.size);
    }
    if (events) {
        run_events(&connection);
    } else {
        run_request(&connection);
    }
    client_connection_close(&connection);
    drain(sockets[0]);
    if (!events) {
        drain(sockets[1]);
    }
}

static void response(struct buffer *seed, const char *code)
{
    codec_write_array(seed, 4);
    codec_write_u64(seed, 1);
    codec_write_u64(seed, MESSAGE_ID);
    if (code == NULL) {
        codec_write_nil(seed);
        codec_write_map(seed, 1);
        codec_write_text(seed, "index");
        codec_write_u64(seed, 7);
        return;
    }
    codec_write_array(seed, 3);
    codec_write_text(seed, code);
    codec_write_text(seed, "a sentence");
    codec_write_map(seed, 0);
    codec_write_nil(seed);
}

void fuzz_seeds(void)
{
    struct buffer seed;
    buffer_init(&seed, LIMIT_FRAME_BYTES);
    response(&seed, NULL);
    fuzz_seed_buffer("result", "0", &seed);
    response(&seed, "no_leader");
    fuzz_seed_buffer("error", "0", &seed);
    response(&seed, "a_newer_code");
    fuzz_seed_buffer("newer", "0", &seed);
    codec_write_array(&seed, 3);
    codec_write_u64(&seed, 2);
    codec_write_text(&seed, "event");
    codec_write_array(&seed, 1);
    codec_write_map(&seed, 0);
    response(&seed, NULL);
    fuzz_seed_buffer("event", "1", &seed);
    buffer_close(&seed);
}
