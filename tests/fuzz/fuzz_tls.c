/* src/tls/tls.h: bytes from the network before anybody has shown who they are, to a server and to a
 * client. They never complete a handshake, however they are cut, and a failure has a sentence.
 *
 * fuzz: -max_len=600 -entropic=0
 */
#include "tls/tls.h"

#include <stdlib.h>

#include "fuzz/harness.h"
#include "support/scratch.h"
#include "tls/issue.h"

static struct tls_context *context;
static struct buffer output;

void fuzz_open(void)
{
    char directory[SCRATCH_PATH_BYTES], paths[4][SCRATCH_PATH_BYTES];
    static const char *const names[4] = {"ca.pem", "ca.key", "node.pem", "node.key"};
    struct tls_error error;
    scratch_make(directory);
    for (unsigned i = 0; i < 4; i++) {
        scratch_join(paths[i], directory, names[i]);
    }
    const struct issue_files ca = {paths[0], paths[1]};
    struct issue_request request = {
        .kind = CERTIFICATE_CA, .name = "test", .algorithm = ISSUE_ED25519, .days = 10};
    enum conclave_code code = issue_ca(&request, &ca, false, &error);
    ASSERT(code == CONCLAVE_OK);
    request = (struct issue_request){.kind = CERTIFICATE_NODE,
                                     .node_id = 1,
                                     .hosts = {"127.0.0.1"},
                                     .host_count = 1,
                                     .algorithm = ISSUE_ED25519,
                                     .days = 10};
    code = issue_certificate(&request, &ca, &(struct issue_files){paths[2], paths[3]}, &error);
    ASSERT(code == CONCLAVE_OK);
    code = tls_context_open(&(struct tls_files){paths[0], paths[2], paths[3]}, &context, &error);
    ASSERT(code == CONCLAVE_OK);
    scratch_remove(directory);
    buffer_init(&output, 1u << 20);
}

/* input: bits 0 and 1: the role; the rest: how it is cut; then the stream */
void fuzz_run(struct slice input)
{
    static const enum tls_role roles[] = {TLS_SERVER, TLS_CLIENT, TLS_SERVER_MUTUAL, TLS_SERVER};
    uint8_t first = fuzz_take(&input);
    struct fuzz_cuts cuts = {first >> 2};
    buffer_clear(&output);
    struct tls *tls = tls_open(context, roles[first % 4], &output);
    ASSERT(tls != NULL);
    enum tls_status status = tls_handshake(tls);
    while (input.size > 0 && status == TLS_MORE) {
        size_t size = first >> 2 == 0 ? input.size : fuzz_cut(&cuts, input.size);
        struct slice piece = fuzz_take_bytes(&input, size);
        uint8_t *copy = fuzz_copy(piece);
        tls_input(tls, slice_of(copy, piece.size));
        status = tls_handshake(tls);
        free(copy);
    }
    ASSERT(status == TLS_MORE || status == TLS_FAILED);
    ASSERT(tls_peer(tls) == NULL || status == TLS_FAILED || status == TLS_MORE);
    if (status == TLS_FAILED) {
        ASSERT(tls_reason(tls)[0] != '\0');
    }
    tls_close(tls);
}

void fuzz_seeds(void)
{
    struct buffer hello, answer;
    buffer_init(&hello, 1u << 20);
    buffer_init(&answer, 1u << 20);
    struct tls *client = tls_open(context, TLS_CLIENT, &hello);
    struct tls *server = tls_open(context, TLS_SERVER, &answer);
    ASSERT(client != NULL && server != NULL);
    ASSERT(tls_handshake(client) == TLS_MORE);
    tls_input(server, buffer_slice(&hello));
    ASSERT(tls_handshake(server) == TLS_MORE);
    fuzz_seed("garbage", slice_of("\0GET / HTTP/1.1\r\n\r\n", 19));
    uint8_t *copy = fuzz_copy(buffer_slice(&hello));
    struct buffer seed;
    buffer_init(&seed, 1u << 20);
    buffer_append(&seed, "\0", 1);
    buffer_append(&seed, copy, hello.size);
    fuzz_seed("hello", buffer_slice(&seed));
    buffer_clear(&seed);
    buffer_append(&seed, "\1", 1);
    buffer_append(&seed, answer.data, answer.size < 500 ? answer.size : 500);
    fuzz_seed("answer", buffer_slice(&seed));
    buffer_close(&seed);
    free(copy);
    tls_close(client);
    tls_close(server);
    buffer_close(&hello);
    buffer_close(&answer);
}
