/* TLS between two buffers: both ends in one place, every byte in between in our hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/certificates.h"

#define OUTPUT_MAX (4u << 20)

struct side {
    struct tls *tls;
    struct buffer output;
    size_t taken; /* of the other's output */
    bool done, failed, closed;
    struct buffer received;
};

struct world {
    struct test_ca ca, other;
    struct side server, client;
};

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    test_ca_make(&world->ca, 0xaa, ISSUE_P256);
    test_ca_make(&world->other, 0xbb, ISSUE_ED25519);
    test_ca_node(&world->ca, "one", 1, 5, 0);
    test_ca_client(&world->ca, "alice");
    test_ca_node(&world->other, "one", 1, 5, 0);
    *state = world;
    return 0;
}

static void side_close(struct side *side)
{
    tls_close(side->tls);
    buffer_close(&side->output);
    buffer_close(&side->received);
    memset(side, 0, sizeof *side);
}

static int teardown(void **state)
{
    struct world *world = *state;
    side_close(&world->server);
    side_close(&world->client);
    test_ca_remove(&world->ca);
    test_ca_remove(&world->other);
    free(world);
    return 0;
}

static void side_open(struct side *side, struct tls_context *context, enum tls_role role)
{
    side_close(side);
    buffer_init(&side->output, OUTPUT_MAX);
    buffer_init(&side->received, OUTPUT_MAX);
    side->tls = tls_open(context, role, &side->output);
    assert_non_null(side->tls);
    tls_context_release(context); /* the connection holds it */
}

/* Takes up to `most` bytes of what the other side has sent. */
static bool side_take(struct side *side, const struct side *from, size_t most)
{
    size_t left = from->output.size - side->taken;
    size_t part = left < most ? left : most;
    if (side->failed || side->closed || (part == 0 && side->done)) {
        return false;
    }
    tls_input(side->tls, slice_of(from->output.data + side->taken, part));
    side->taken += part;
    if (!side->done) {
        enum tls_status status = tls_handshake(side->tls);
        side->done = status == TLS_DONE;
        side->failed = status == TLS_FAILED;
    }
    while (side->done && !side->failed && !side->closed) {
        uint8_t bytes[5000];
        size_t got;
        enum tls_status status = tls_read(side->tls, bytes, sizeof bytes, &got);
        buffer_append(&side->received, bytes, got);
        side->failed = status == TLS_FAILED;
        side->closed = status == TLS_CLOSED;
        if (status == TLS_MORE) {
            break;
        }
    }
    return part > 0;
}

/* Until neither has anything for the other. */
static void talk(struct world *world, size_t most)
{
    bool moved = true;
    while (moved) {
        moved = side_take(&world->client, &world->server, most);
        moved = side_take(&world->server, &world->client, most) || moved;
    }
}

static void connect_sides(struct world *world, struct tls_context *server, enum tls_role role,
                          struct tls_context *client, size_t most)
{
    side_open(&world->server, server, role);
    side_open(&world->client, client, TLS_CLIENT);
    talk(world, most);
}

static void assert_refused(const struct side *side, const char *reason, bool by_certificate)
{
    assert_true(side->failed);
    assert_string_equal(tls_reason(side->tls), reason);
    assert_int_equal(tls_failed_by_certificate(side->tls), by_certificate);
}

static void test_handshake_and_bytes(void **state)
{
    struct world *world = *state;
    static const size_t pieces[] = {1, 7, 1u << 20};
    uint8_t last_binding[TLS_BINDING_BYTES] = {0};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER,
                      test_context(NULL, NULL, &world->ca), pieces[i]);
        assert_true(world->client.done && world->server.done);
        const struct certificate *shown = tls_peer(world->client.tls);
        assert_non_null(shown);
        assert_int_equal(shown->kind, CERTIFICATE_NODE);
        assert_int_equal(shown->node_id, 1);
        assert_memory_equal(shown->cluster_id, world->ca.cluster_id, CERTIFICATE_CLUSTER_BYTES);
        assert_null(tls_peer(world->server.tls));
        uint8_t here[TLS_BINDING_BYTES], there[TLS_BINDING_BYTES];
        assert_true(tls_binding(world->client.tls, here));
        assert_true(tls_binding(world->server.tls, there));
        assert_memory_equal(here, there, sizeof here);
        assert_memory_not_equal(here, last_binding, sizeof here); /* of another connection */
        memcpy(last_binding, here, sizeof here);
        assert_int_equal(tls_write(world->client.tls, slice_of_text("question")), TLS_DONE);
        assert_int_equal(tls_write(world->server.tls, slice_of_text("answer")), TLS_DONE);
        talk(world, pieces[i]);
        assert_int_equal(world->server.received.size, 8);
        assert_memory_equal(world->server.received.data, "question", 8);
        assert_memory_equal(world->client.received.data, "answer", 6);
        tls_end(world->client.tls);
        talk(world, pieces[i]);
        assert_true(world->server.closed && !world->server.failed);
    }
}

/* RFC 8446, 5.1 and 5.2: a record has at most 2^14 bytes of plaintext, and in TLS 1.3 with AES-GCM
 * it is 22 bytes longer (header 5, content type 1, tag 16). */
static void test_records_are_few(void **state)
{
    struct world *world = *state;
    static uint8_t bytes[1000000];
    connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER,
                  test_context(NULL, NULL, &world->ca), 1u << 20);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 251);
    }
    size_t before = world->server.output.size;
    assert_int_equal(tls_write(world->server.tls, slice_of(bytes, 16384)), TLS_DONE);
    assert_int_equal(world->server.output.size - before, 16384 + 22);
    before = world->server.output.size;
    assert_int_equal(tls_write(world->server.tls, slice_of(bytes, sizeof bytes)), TLS_DONE);
    assert_int_equal(world->server.output.size - before, 1000000 + 62 * 22);
    talk(world, 100000);
    assert_int_equal(world->client.received.size, 16384 + sizeof bytes);
    assert_memory_equal(world->client.received.data + 16384, bytes, sizeof bytes);
}

static void test_wrong_ca(void **state)
{
    struct world *world = *state;
    connect_sides(world, test_context(&world->other, "one", &world->other), TLS_SERVER,
                  test_context(NULL, NULL, &world->ca), 1u << 20);
    assert_refused(&world->client, "the certificate of the other side is not of the cluster's CA",
                   true);
    assert_false(tls_was_refused(world->client.tls));
    assert_refused(&world->server, "the other side says that our certificate is not of its CA",
                   true);
    assert_true(tls_was_refused(world->server.tls));
}

/* The client has finished its handshake before the server looks at its certificate. */
static void test_client_of_wrong_ca(void **state)
{
    struct world *world = *state;
    test_ca_client(&world->other, "mallory");
    connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER,
                  test_context(&world->ca, "alice", &world->ca), 1u << 20);
    assert_true(world->server.done);
    assert_int_equal(tls_peer(world->server.tls)->kind, CERTIFICATE_CLIENT);
    assert_string_equal(tls_peer(world->server.tls)->name, "alice");

    /* It trusts both, or it would find out itself. */
    struct test_pair first, second, mallory;
    char both[SCRATCH_PATH_BYTES], command[4 * SCRATCH_PATH_BYTES];
    scratch_join(both, world->ca.path, "both.pem");
    (void)snprintf(command, sizeof command, "cat '%s' '%s' > '%s'",
                   test_ca_files(&world->ca, "ca", &first).certificate,
                   test_ca_files(&world->other, "ca", &second).certificate, both);
    assert_int_equal(system(command), 0);
    struct tls_context *context;
    struct tls_error error = {""};
    const struct issue_files own = test_ca_files(&world->other, "mallory", &mallory);
    const struct tls_files files = {both, own.certificate, own.key};
    assert_int_equal(tls_context_open(&files, &context, &error), CONCLAVE_OK);
    connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER, context,
                  1u << 20);
    assert_refused(&world->server, "the certificate of the other side is not of the cluster's CA",
                   true);
    assert_true(world->client.done);
    assert_refused(&world->client, "the other side says that our certificate is not of its CA",
                   true);
}

static void test_no_certificate_where_one_is_needed(void **state)
{
    struct world *world = *state;
    connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER_MUTUAL,
                  test_context(NULL, NULL, &world->ca), 1u << 20);
    assert_refused(&world->server, "the other side shows no certificate", true);
    assert_refused(&world->client, "the other side asks for a certificate, and we have none", true);
}

/* extendedKeyUsage: a client's certificate is not taken for a server's. */
static void test_client_is_no_server(void **state)
{
    struct world *world = *state;
    connect_sides(world, test_context(&world->ca, "alice", &world->ca), TLS_SERVER,
                  test_context(NULL, NULL, &world->ca), 1u << 20);
    assert_refused(&world->client,
                   "the certificate of the other side is not made for this use (a client's is no "
                   "node's)",
                   true);
}

static void test_host_names(void **state)
{
    struct world *world = *state;
    connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER,
                  test_context(NULL, NULL, &world->ca), 1u << 20);
    assert_true(tls_peer_names(world->client.tls, "127.0.0.1"));
    assert_true(tls_peer_names(world->client.tls, "localhost"));
    assert_false(tls_peer_names(world->client.tls, "127.0.0.2"));
    assert_false(tls_peer_names(world->client.tls, "::1"));
    assert_false(tls_peer_names(world->client.tls, "example.org"));
}

static void test_changed_on_its_way(void **state)
{
    struct world *world = *state;
    connect_sides(world, test_context(&world->ca, "one", &world->ca), TLS_SERVER,
                  test_context(NULL, NULL, &world->ca), 1u << 20);
    assert_int_equal(tls_write(world->client.tls, slice_of_text("ballot for A")), TLS_DONE);
    world->client.output.data[world->client.output.size - 3] ^= 1;
    talk(world, 1u << 20);
    assert_refused(&world->server, "a record does not decrypt: it was changed on its way", false);
    assert_int_equal(world->server.received.size, 0);
}

static void test_no_tls(void **state)
{
    struct world *world = *state;
    static const char *const firsts[] = {"GET / HTTP/1.1\r\n\r\n", "\x94\x00\x01\xa5hello\x91\x80"};
    for (size_t i = 0; i < sizeof firsts / sizeof *firsts; i++) {
        side_open(&world->server, test_context(&world->ca, "one", &world->ca), TLS_SERVER);
        tls_input(world->server.tls, slice_of(firsts[i], i == 0 ? 18 : 11));
        assert_int_equal(tls_handshake(world->server.tls), TLS_FAILED);
        assert_string_equal(tls_reason(world->server.tls), "what the other side sends is no TLS");
    }
}

/* --- files --- */

static void refused(const struct tls_files *files, const char *what)
{
    struct tls_context *context = NULL;
    struct tls_error error = {""};
    assert_int_equal(tls_context_open(files, &context, &error), CONCLAVE_CONFIG);
    assert_non_null(strstr(error.text, what));
    assert_null(context);
}

static void test_files(void **state)
{
    struct world *world = *state;
    struct test_pair ca, one, alice, other, old;
    const struct issue_files own = test_ca_files(&world->ca, "one", &one);
    const char *ca_path = test_ca_files(&world->ca, "ca", &ca).certificate;
    struct tls_files files = {ca_path, own.certificate, own.key};

    files.key = test_ca_files(&world->ca, "alice", &alice).key;
    refused(&files, "is not the key of the certificate");
    files.key = "/nonexistent/key";
    refused(&files, "/nonexistent/key cannot be read: No such file or directory");
    files.key = own.certificate; /* readable by all, and no key */
    refused(&files, "others may read the key file");
    assert_int_equal(chmod(own.key, 0640), 0);
    files.key = own.key;
    refused(&files, "(mode 0640): chmod 600");
    assert_int_equal(chmod(own.key, 0600), 0);

    files.ca = test_ca_files(&world->other, "ca", &other).certificate;
    refused(&files, "the certificate is not of the cluster's CA");
    files.ca = own.certificate;
    refused(&files, "is no CA's");
    files.ca = own.key;
    refused(&files, "has no certificate in it");
    files.ca = ca_path;

    test_ca_node(&world->ca, "old", 1, 5, 6);
    const struct issue_files expired = test_ca_files(&world->ca, "old", &old);
    files.certificate = expired.certificate;
    files.key = expired.key;
    refused(&files, "the certificate has expired: renew it with `conclave certs renew`");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_handshake_and_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_are_few, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_ca, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_of_wrong_ca, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_certificate_where_one_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_is_no_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_changed_on_its_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_tls, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
