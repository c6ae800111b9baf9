/* src/tls/certificate.h: certificates as files. The input is a certificate (DER), which is put into
 * a file as PEM, or the file itself; what is read of it is text with an end.
 *
 * fuzz: -max_len=900
 */
#include "tls/certificate.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/harness.h"
#include "support/scratch.h"
#include "tls/issue.h"

static struct fuzz_file file;

void fuzz_open(void)
{
    ASSERT(sodium_init() >= 0);
    fuzz_file_open(&file);
}

/* RFC 7468: lines of 64 characters. */
static void write_pem(struct slice der)
{
    size_t size = sodium_base64_ENCODED_LEN(der.size, sodium_base64_VARIANT_ORIGINAL);
    char *base64 = malloc(size);
    struct buffer text;
    ASSERT(base64 != NULL);
    buffer_init(&text, 1u << 20);
    sodium_bin2base64(base64, size, der.data, der.size, sodium_base64_VARIANT_ORIGINAL);
    buffer_append(&text, "-----BEGIN CERTIFICATE-----\n", 28);
    for (size_t at = 0, length = strlen(base64); at < length; at += 64) {
        buffer_append(&text, base64 + at, length - at < 64 ? length - at : 64);
        buffer_append(&text, "\n", 1);
    }
    buffer_append(&text, "-----END CERTIFICATE-----\n", 26);
    ASSERT(text.status == CONCLAVE_OK);
    fuzz_file_write(&file, buffer_slice(&text));
    buffer_close(&text);
    free(base64);
}

static void check(const struct certificate *certificate)
{
    char text[CERTIFICATE_TEXT_BYTES];
    certificate_whose(certificate, text);
    ASSERT(strnlen(text, sizeof text) < sizeof text && text[0] != '\0');
    ASSERT(strnlen(certificate->name, sizeof certificate->name) < sizeof certificate->name);
    ASSERT(strnlen(certificate->issuer, sizeof certificate->issuer) < sizeof certificate->issuer);
    ASSERT(strnlen(certificate->hosts, sizeof certificate->hosts) < sizeof certificate->hosts);
    ASSERT(strnlen(certificate->algorithm, sizeof certificate->algorithm) <
           sizeof certificate->algorithm);
}

/* input: odd: a file; even: a certificate */
void fuzz_run(struct slice input)
{
    static struct certificate certificates[CERTIFICATE_BUNDLE_MAX];
    struct tls_error error = {.text = ""};
    size_t count = 0;
    if (fuzz_take(&input) % 2 != 0) {
        fuzz_file_write(&file, input);
    } else {
        write_pem(input);
    }
    enum conclave_code code =
        certificate_read(file.path, certificates, CERTIFICATE_BUNDLE_MAX, &count, &error);
    if (code != CONCLAVE_OK) {
        ASSERT(code == CONCLAVE_CONFIG && error.text[0] != '\0');
        return;
    }
    ASSERT(count >= 1 && count <= CERTIFICATE_BUNDLE_MAX);
    for (size_t i = 0; i < count; i++) {
        check(&certificates[i]);
    }
}

/* --- Seeds: a CA, a node and a client, as `conclave certs` makes them --- */

static void seed_file(const char *path, const char *name)
{
    char text[8192] = "1";
    uint8_t der[4096];
    size_t size;
    FILE *opened = fopen(path, "rbe");
    ASSERT(opened != NULL);
    size_t got = fread(text + 1, 1, sizeof text - 2, opened);
    ASSERT(fclose(opened) == 0 && got > 0);
    fuzz_seed_text(name, text);
    char *begin = strchr(text + 1, '\n');
    ASSERT(begin != NULL);
    char *end = strstr(begin, "-----END");
    ASSERT(end != NULL);
    der[0] = 0;
    ASSERT(sodium_base642bin(der + 1, sizeof der - 1, begin, (size_t)(end - begin), "\r\n", &size,
                             NULL, sodium_base64_VARIANT_ORIGINAL) == 0);
    char der_name[64];
    (void)snprintf(der_name, sizeof der_name, "%s-der", name);
    fuzz_seed(der_name, slice_of(der, size + 1));
}

void fuzz_seeds(void)
{
    char directory[SCRATCH_PATH_BYTES], paths[6][SCRATCH_PATH_BYTES];
    static const char *const names[6] = {"ca.pem",   "ca.key",     "node.pem",
                                         "node.key", "client.pem", "client.key"};
    struct tls_error error;
    scratch_make(directory);
    for (unsigned i = 0; i < 6; i++) {
        scratch_join(paths[i], directory, names[i]);
    }
    const struct issue_files ca = {paths[0], paths[1]};
    struct issue_request request = {
        .kind = CERTIFICATE_CA, .name = "test", .algorithm = ISSUE_ED25519, .days = 10};
    enum conclave_code code = issue_ca(&request, &ca, false, &error);
    ASSERT(code == CONCLAVE_OK);
    request = (struct issue_request){.kind = CERTIFICATE_NODE,
                                     .node_id = 3,
                                     .hosts = {"127.0.0.1", "node3.example"},
                                     .host_count = 2,
                                     .algorithm = ISSUE_P256,
                                     .days = 10};
    code = issue_certificate(&request, &ca, &(struct issue_files){paths[2], paths[3]}, &error);
    ASSERT(code == CONCLAVE_OK);
    request = (struct issue_request){
        .kind = CERTIFICATE_CLIENT, .name = "ann", .algorithm = ISSUE_ED25519, .days = 10};
    code = issue_certificate(&request, &ca, &(struct issue_files){paths[4], paths[5]}, &error);
    ASSERT(code == CONCLAVE_OK);
    seed_file(paths[0], "ca");
    seed_file(paths[2], "node");
    seed_file(paths[4], "client");
    scratch_remove(directory);
}
