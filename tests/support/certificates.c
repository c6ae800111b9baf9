/* Certificates for tests, made by the code that makes them for people. */
#include "support/certificates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

struct issue_files test_ca_files(const struct test_ca *ca, const char *name, struct test_pair *pair)
{
    char file[64];
    (void)snprintf(file, sizeof file, "%s.pem", name);
    scratch_join(pair->certificate, ca->path, file);
    (void)snprintf(file, sizeof file, "%s.key", name);
    scratch_join(pair->key, ca->path, file);
    return (struct issue_files){.certificate = pair->certificate, .key = pair->key};
}

void test_ca_make(struct test_ca *ca, uint8_t cluster, enum issue_algorithm algorithm)
{
    struct test_pair pair;
    struct tls_error error = {""};
    scratch_make(ca->path);
    memset(ca->cluster_id, cluster, sizeof ca->cluster_id);
    struct issue_request request = {
        .kind = CERTIFICATE_CA, .name = "test", .algorithm = algorithm, .days = 10};
    memcpy(request.cluster_id, ca->cluster_id, sizeof request.cluster_id);
    const struct issue_files files = test_ca_files(ca, "ca", &pair);
    assert_int_equal(issue_ca(&request, &files, false, &error), CONCLAVE_OK);
}

void test_ca_remove(struct test_ca *ca)
{
    scratch_remove(ca->path);
}

static void make(const struct test_ca *ca, const char *name, struct issue_request *request)
{
    struct test_pair ca_pair, pair;
    struct tls_error error = {""};
    const struct issue_files ca_files = test_ca_files(ca, "ca", &ca_pair);
    const struct issue_files files = test_ca_files(ca, name, &pair);
    memcpy(request->cluster_id, ca->cluster_id, sizeof request->cluster_id);
    enum conclave_code code = issue_certificate(request, &ca_files, &files, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, CONCLAVE_OK);
}

void test_ca_node_ending(const struct test_ca *ca, const char *name, uint64_t node_id,
                         uint64_t left_ms)
{
    struct issue_request request = {.kind = CERTIFICATE_NODE,
                                    .node_id = node_id,
                                    .hosts = {"127.0.0.1"},
                                    .host_count = 1,
                                    .days = 1,
                                    .now_ms = clock_wall_ms(&clock_system) - TEST_DAY_MS + left_ms};
    make(ca, name, &request);
}

void test_ca_node(const struct test_ca *ca, const char *name, uint64_t node_id, unsigned days,
                  unsigned age_days)
{
    struct issue_request request = {.kind = CERTIFICATE_NODE,
                                    .node_id = node_id,
                                    .hosts = {"127.0.0.1", "localhost"},
                                    .host_count = 2,
                                    .days = days,
                                    .now_ms = clock_wall_ms(&clock_system) -
                                              age_days * TEST_DAY_MS};
    make(ca, name, &request);
}

void test_ca_client(const struct test_ca *ca, const char *name)
{
    struct issue_request request = {.kind = CERTIFICATE_CLIENT, .name = name, .days = 5};
    make(ca, name, &request);
}

struct tls_context *test_context(const struct test_ca *shown, const char *name,
                                 const struct test_ca *trusted)
{
    struct test_pair ca_pair, pair;
    struct tls_error error = {""};
    struct tls_context *context = NULL;
    struct tls_files files = {.ca = test_ca_files(trusted, "ca", &ca_pair).certificate};
    if (name != NULL) {
        const struct issue_files own = test_ca_files(shown, name, &pair);
        files.certificate = own.certificate;
        files.key = own.key;
    }
    enum conclave_code code = tls_context_open(&files, &context, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, CONCLAVE_OK);
    return context;
}
