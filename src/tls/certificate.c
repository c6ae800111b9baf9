/* Reading certificates and keys. */
#include "tls/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tls/internal.h"

#define URI_PREFIX     "conclave://"
#define URI_BYTES_MAX  256u
#define CLUSTER_DIGITS (2u * CERTIFICATE_CLUSTER_BYTES)

void tls_error_set(struct tls_error *error, const char *format, ...)
{
    ASSERT(error != NULL && format != NULL);
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
}

const char *certificate_openssl_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason == NULL ? "an error without a name" : reason;
}

const char *certificate_refusal(int verify_result)
{
    switch (verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "has expired";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "is not valid yet (are the clocks right?)";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_AKID_SKID_MISMATCH:
        return "is not of the cluster's CA";
    case X509_V_ERR_INVALID_PURPOSE:
        return "is not made for this use (a client's is no node's)";
    default:
        return X509_verify_cert_error_string(verify_result);
    }
}

/* --- what it says --- */

static void copy_name(X509_NAME *name, char text[CERTIFICATE_TEXT_BYTES])
{
    text[0] = '\0';
    if (X509_NAME_get_text_by_NID(name, NID_commonName, text, CERTIFICATE_TEXT_BYTES) < 0) {
        text[0] = '\0';
    }
    for (char *at = text; *at != '\0'; at++) { /* it goes into logs and onto terminals */
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f) {
            *at = '?';
        }
    }
}

static uint64_t time_ms(const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return 0;
    }
    time_t seconds = timegm(&tm);
    return seconds < 0 ? 0 : (uint64_t)seconds * 1000u;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* Decimal, without leading zeros, at least 1. */
static bool parse_node_id(const char *text, uint64_t *id)
{
    size_t size = strlen(text);
    if (size == 0 || size > 18 || text[0] == '0' || strspn(text, "0123456789") != size) {
        return false;
    }
    *id = strtoull(text, NULL, 10);
    return true;
}

/* Takes over what a URI of ours says; others are passed over. */
static void take_uri(struct certificate *certificate, const char *uri, size_t size)
{
    char text[URI_BYTES_MAX];
    struct certificate found = *certificate;
    if (size >= sizeof text || size < sizeof URI_PREFIX - 1 + CLUSTER_DIGITS + 1 ||
        memchr(uri, '\0', size) != NULL) {
        return;
    }
    memcpy(text, uri, size);
    text[size] = '\0';
    const char *at = text;
    if (strncmp(at, URI_PREFIX, sizeof URI_PREFIX - 1) != 0) {
        return;
    }
    at += sizeof URI_PREFIX - 1;
    for (size_t i = 0; i < CERTIFICATE_CLUSTER_BYTES; i++, at += 2) {
        int high = hex_digit(at[0]), low = hex_digit(at[1]);
        if (high < 0 || low < 0) {
            return;
        }
        found.cluster_id[i] = (uint8_t)(high * 16 + low);
    }
    if (strcmp(at, "/ca") == 0) {
        found.kind = CERTIFICATE_CA;
    } else if (strncmp(at, "/node/", 6) == 0 && parse_node_id(at + 6, &found.node_id)) {
        found.kind = CERTIFICATE_NODE;
    } else if (strncmp(at, "/client/", 8) == 0 && at[8] != '\0') {
        found.kind = CERTIFICATE_CLIENT;
    } else {
        return;
    }
    *certificate = found;
}

static void add_host(struct certificate *certificate, const char *host)
{
    size_t used = strlen(certificate->hosts);
    (void)snprintf(certificate->hosts + used, sizeof certificate->hosts - used, "%s%s",
                   used == 0 ? "" : ", ", host);
}

static void take_name(struct certificate *certificate, const GENERAL_NAME *name)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    char host[CERTIFICATE_TEXT_BYTES];
    if (type == GEN_URI) {
        take_uri(certificate, (const char *)ASN1_STRING_get0_data(value),
                 (size_t)ASN1_STRING_length(value));
    } else if (type == GEN_DNS) {
        (void)snprintf(host, sizeof host, "%.*s", ASN1_STRING_length(value),
                       (const char *)ASN1_STRING_get0_data(value));
        add_host(certificate, host);
    } else if (type == GEN_IPADD) {
        int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
        if ((family == AF_INET || ASN1_STRING_length(value) == 16) &&
            inet_ntop(family, ASN1_STRING_get0_data(value), host, sizeof host) != NULL) {
            add_host(certificate, host);
        }
    }
}

static void take_algorithm(struct certificate *certificate, X509 *x509)
{
    EVP_PKEY *key = X509_get0_pubkey(x509);
    char group[sizeof certificate->algorithm] = "";
    size_t size;
    if (key == NULL) {
        return;
    }
    if (EVP_PKEY_is_a(key, "ED25519")) {
        (void)snprintf(certificate->algorithm, sizeof certificate->algorithm, "Ed25519");
    } else if (EVP_PKEY_is_a(key, "EC") &&
               EVP_PKEY_get_group_name(key, group, sizeof group, &size) == 1) {
        (void)snprintf(certificate->algorithm, sizeof certificate->algorithm, "%s",
                       strcmp(group, "prime256v1") == 0 ? "P-256" : group);
    } else {
        const char *name = EVP_PKEY_get0_type_name(key);
        (void)snprintf(certificate->algorithm, sizeof certificate->algorithm, "%.15s",
                       name == NULL ? "?" : name);
    }
}

void certificate_of(X509 *x509, struct certificate *certificate)
{
    ASSERT(x509 != NULL && certificate != NULL);
    *certificate = (struct certificate){.kind = CERTIFICATE_OTHER};
    copy_name(X509_get_subject_name(x509), certificate->name);
    copy_name(X509_get_issuer_name(x509), certificate->issuer);
    certificate->begins_ms = time_ms(X509_get0_notBefore(x509));
    certificate->ends_ms = time_ms(X509_get0_notAfter(x509));
    unsigned size = 0;
    if (X509_digest(x509, EVP_sha256(), certificate->fingerprint, &size) != 1) {
        memset(certificate->fingerprint, 0, sizeof certificate->fingerprint);
    }
    take_algorithm(certificate, x509);
    GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        take_name(certificate, sk_GENERAL_NAME_value(names, i));
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

void certificate_whose(const struct certificate *certificate, char text[CERTIFICATE_TEXT_BYTES])
{
    ASSERT(certificate != NULL && text != NULL);
    switch (certificate->kind) {
    case CERTIFICATE_CA:
        (void)snprintf(text, CERTIFICATE_TEXT_BYTES, "CA");
        return;
    case CERTIFICATE_NODE:
        (void)snprintf(text, CERTIFICATE_TEXT_BYTES, "node %" PRIu64, certificate->node_id);
        return;
    case CERTIFICATE_CLIENT:
        (void)snprintf(text, CERTIFICATE_TEXT_BYTES, "client %.*s",
                       (int)(CERTIFICATE_TEXT_BYTES - sizeof "client "), certificate->name);
        return;
    default:
        (void)snprintf(text, CERTIFICATE_TEXT_BYTES, "other");
    }
}

/* --- files --- */

enum conclave_code certificate_load(const char *path, STACK_OF(X509) * *certificates,
                                    struct tls_error *error)
{
    ASSERT(path != NULL && certificates != NULL && error != NULL);
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        tls_error_set(error, "%s cannot be read: %s", path, strerror(errno));
        return CONCLAVE_CONFIG;
    }
    STACK_OF(X509) *found = sk_X509_new_null();
    X509 *x509 = NULL;
    bool full = false;
    while (found != NULL && !full && (x509 = PEM_read_X509(file, NULL, NULL, NULL)) != NULL) {
        full = sk_X509_num(found) >= (int)CERTIFICATE_BUNDLE_MAX || sk_X509_push(found, x509) <= 0;
        if (full) {
            X509_free(x509);
        }
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    (void)fclose(file);
    if (found == NULL) {
        tls_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    if (full || !at_end || sk_X509_num(found) == 0) {
        tls_error_set(error,
                      full     ? "%s has more certificates than %u"
                      : at_end ? "%s has no certificate in it (PEM, 1 to %u of them)"
                               : "%s is damaged: not what `conclave certs` writes (PEM, 1 to %u)",
                      path, CERTIFICATE_BUNDLE_MAX);
        sk_X509_pop_free(found, X509_free);
        return CONCLAVE_CONFIG;
    }
    *certificates = found;
    return CONCLAVE_OK;
}

/* Nobody is asked for a passphrase: a daemon has nobody to ask. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's signature */
static int no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text;
    (void)size;
    (void)writing;
    *(bool *)context = true;
    return -1;
}

enum conclave_code certificate_load_key(const char *path, EVP_PKEY **key, struct tls_error *error)
{
    ASSERT(path != NULL && key != NULL && error != NULL);
    struct stat info;
    bool asked = false;
    FILE *file = fopen(path, "rbe");
    if (file == NULL || fstat(fileno(file), &info) != 0) {
        tls_error_set(error, "%s cannot be read: %s", path, strerror(errno));
        if (file != NULL) {
            (void)fclose(file);
        }
        return CONCLAVE_CONFIG;
    }
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        tls_error_set(error, "others may read the key file %s (mode %04o): chmod 600 %s", path,
                      (unsigned)(info.st_mode & 07777), path);
        (void)fclose(file);
        return CONCLAVE_CONFIG;
    }
    *key = PEM_read_PrivateKey(file, NULL, no_passphrase, &asked);
    ERR_clear_error();
    (void)fclose(file);
    if (*key == NULL) {
        tls_error_set(error,
                      asked ? "%s has a passphrase: a node has nobody to ask for it"
                            : "%s has no key in it (PEM, as `conclave certs` writes it)",
                      path);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

enum conclave_code certificate_read(const char *path, struct certificate *certificates, size_t max,
                                    size_t *count, struct tls_error *error)
{
    ASSERT(certificates != NULL && count != NULL);
    STACK_OF(X509) *found = NULL;
    enum conclave_code code = certificate_load(path, &found, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    *count = (size_t)sk_X509_num(found);
    if (*count > max) {
        tls_error_set(error, "%s has %zu certificates, more than %zu", path, *count, max);
        code = CONCLAVE_CONFIG;
    }
    for (size_t i = 0; i < *count && code == CONCLAVE_OK; i++) {
        certificate_of(sk_X509_value(found, (int)i), &certificates[i]);
    }
    sk_X509_pop_free(found, X509_free);
    return code;
}
