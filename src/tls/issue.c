/* Making certificates with OpenSSL. */
#include "tls/issue.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tls/internal.h"

#define SERIAL_BYTES  16
#define BACKDATE_S    3600 /* clocks of other machines may be behind */
#define DAYS_MAX      36500u
#define CLUSTER_CHARS (2u * CERTIFICATE_CLUSTER_BYTES + 1u)
#define ALT_BYTES     2048u
#define HOST_BYTES    80u
#define PATH_BYTES    4096u

static enum conclave_code fail_openssl(struct tls_error *error)
{
    tls_error_set(error, "the certificate could not be made: %s", certificate_openssl_reason());
    return CONCLAVE_INTERNAL;
}

static EVP_PKEY *generate_key(enum issue_algorithm algorithm)
{
    return algorithm == ISSUE_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                      : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

static enum issue_algorithm algorithm_of(EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "ED25519") ? ISSUE_ED25519 : ISSUE_P256;
}

/* --- fields --- */

static void cluster_hex(const uint8_t id[CERTIFICATE_CLUSTER_BYTES], char text[CLUSTER_CHARS])
{
    for (size_t i = 0; i < CERTIFICATE_CLUSTER_BYTES; i++) {
        (void)snprintf(text + 2 * i, 3, "%02x", id[i]);
    }
}

static bool is_ip(const char *host)
{
    uint8_t address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

/* Letters, digits, dots and dashes: nothing that means something to OpenSSL's lists. */
static bool is_dns_name(const char *host)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-";
    size_t size = strlen(host);
    return size > 0 && size < HOST_BYTES && strspn(host, allowed) == size && host[0] != '-' &&
           host[0] != '.';
}

static bool is_client_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-:+@";
    size_t size = strlen(name);
    return size > 0 && size <= 64 && strspn(name, allowed) == size;
}

/* The subjectAltName, as OpenSSL reads it. */
static enum conclave_code write_alt(const struct issue_request *request, char text[ALT_BYTES],
                                    struct tls_error *error)
{
    char cluster[CLUSTER_CHARS];
    int used = 0;
    cluster_hex(request->cluster_id, cluster);
    if (request->kind == CERTIFICATE_CA) {
        used = snprintf(text, ALT_BYTES, "URI:conclave://%s/ca", cluster);
    } else if (request->kind == CERTIFICATE_NODE) {
        used =
            snprintf(text, ALT_BYTES, "URI:conclave://%s/node/%" PRIu64, cluster, request->node_id);
    } else {
        if (!is_client_name(request->name)) {
            tls_error_set(error,
                          "\"%s\" is no name for a client: 1 to 64 letters, digits and . _ - : + @",
                          request->name);
            return CONCLAVE_BAD_VALUE;
        }
        used = snprintf(text, ALT_BYTES, "URI:conclave://%s/client/%s", cluster, request->name);
    }
    for (size_t i = 0; i < request->host_count; i++) {
        const char *host = request->hosts[i];
        bool ip = is_ip(host);
        if (!ip && !is_dns_name(host)) {
            tls_error_set(error, "\"%s\" is neither an IP address nor a host's name", host);
            return CONCLAVE_BAD_VALUE;
        }
        used += snprintf(text + used, ALT_BYTES - (size_t)used, ",%s:%s", ip ? "IP" : "DNS", host);
        ASSERT(used > 0 && used < (int)ALT_BYTES);
    }
    return CONCLAVE_OK;
}

static bool set_name(X509 *x509, const struct issue_request *request)
{
    char text[65]; /* the most that a common name may have */
    char random[9] = "";
    uint8_t bytes[4];
    if (request->kind == CERTIFICATE_NODE) {
        (void)snprintf(text, sizeof text, "node %" PRIu64, request->node_id);
    } else if (request->kind == CERTIFICATE_CLIENT) {
        (void)snprintf(text, sizeof text, "%s", request->name);
    } else {
        /* Old and new CA stand side by side: their names tell them apart. */
        if (RAND_bytes(bytes, sizeof bytes) != 1) {
            return false;
        }
        (void)snprintf(random, sizeof random, "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2],
                       bytes[3]);
        (void)snprintf(text, sizeof text, "Conclave CA %s %.40s", random, request->name);
    }
    return X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
                                      (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool set_serial(X509 *x509)
{
    uint8_t bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) {
        return false;
    }
    bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and always as long */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != NULL;
    BN_free(number);
    return done;
}

static bool set_times(X509 *x509, unsigned days, uint64_t now_ms)
{
    ASSERT(days > 0 && days <= DAYS_MAX);
    time_t now = now_ms == 0 ? time(NULL) : (time_t)(now_ms / 1000u);
    return X509_time_adj_ex(X509_getm_notBefore(x509), 0, -BACKDATE_S, &now) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x509), (int)days, 0, &now) != NULL;
}

static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension != NULL && X509_add_ext(x509, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool add_extensions(X509 *x509, X509 *issuer, enum certificate_kind kind, const char *alt)
{
    bool ca = kind == CERTIFICATE_CA;
    return add_extension(x509, issuer, NID_basic_constraints,
                         ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") &&
           add_extension(x509, issuer, NID_key_usage,
                         ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature") &&
           (ca ||
            add_extension(x509, issuer, NID_ext_key_usage,
                          kind == CERTIFICATE_NODE ? "serverAuth,clientAuth" : "clientAuth")) &&
           (alt == NULL || add_extension(x509, issuer, NID_subject_alt_name, alt)) &&
           add_extension(x509, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(x509, issuer, NID_authority_key_identifier, "keyid:always");
}

static bool sign(X509 *x509, EVP_PKEY *key)
{
    return X509_sign(x509, key, algorithm_of(key) == ISSUE_ED25519 ? NULL : EVP_sha256()) > 0;
}

/* --- files --- */

static bool write_part(FILE *file, STACK_OF(X509) * certificates, EVP_PKEY *key)
{
    if (key != NULL) {
        return PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    }
    for (int i = 0; i < sk_X509_num(certificates); i++) {
        if (PEM_write_X509(file, sk_X509_value(certificates, i)) != 1) {
            return false;
        }
    }
    return true;
}

static bool sync_parent(const char *path)
{
    char parent[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    int size = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    (void)snprintf(parent, sizeof parent, "%.*s", size, slash == NULL ? "." : path);
    int directory = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = directory >= 0 && fsync(directory) == 0;
    if (directory >= 0) {
        (void)close(directory);
    }
    return synced;
}

/* Either the certificates or the key. */
static enum conclave_code write_file(const char *path, STACK_OF(X509) * certificates, EVP_PKEY *key,
                                     struct tls_error *error)
{
    char beside[PATH_BYTES];
    if (snprintf(beside, sizeof beside, "%s.new", path) >= (int)sizeof beside) {
        tls_error_set(error, "%s: the path is too long", path);
        return CONCLAVE_USAGE;
    }
    (void)unlink(beside); /* of a run that was cut off */
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, key != NULL ? 0600 : 0644);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    if (file == NULL) {
        tls_error_set(error, "%s cannot be made: %s", beside, strerror(errno));
        if (fd >= 0) {
            (void)close(fd);
        }
        return CONCLAVE_IO;
    }
    bool written = write_part(file, certificates, key) && fflush(file) == 0 && fsync(fd) == 0;
    int why = errno;
    if (fclose(file) != 0 || !written || rename(beside, path) != 0 || !sync_parent(path)) {
        tls_error_set(error, "%s cannot be written: %s", path, strerror(written ? errno : why));
        (void)unlink(beside);
        return CONCLAVE_IO;
    }
    return CONCLAVE_OK;
}

static enum conclave_code refuse_present(const struct issue_files *files, struct tls_error *error)
{
    const char *const paths[] = {files->certificate, files->key};
    for (size_t i = 0; i < 2; i++) {
        if (access(paths[i], F_OK) == 0) {
            tls_error_set(error, "there is a file %s already", paths[i]);
            return CONCLAVE_USAGE;
        }
    }
    return CONCLAVE_OK;
}

static enum conclave_code write_pair(const struct issue_files *files, X509 *x509, EVP_PKEY *key,
                                     struct tls_error *error)
{
    STACK_OF(X509) *one = sk_X509_new_null();
    if (one == NULL || sk_X509_push(one, x509) <= 0) {
        sk_X509_free(one);
        tls_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code code = key == NULL ? CONCLAVE_OK : write_file(files->key, NULL, key, error);
    if (code == CONCLAVE_OK) {
        code = write_file(files->certificate, one, NULL, error);
    }
    sk_X509_free(one);
    return code;
}

/* --- the CA --- */

struct ca {
    STACK_OF(X509) * certificates;
    X509 *current; /* of them: the one of the key */
    EVP_PKEY *key;
};

static void ca_close(struct ca *ca)
{
    sk_X509_pop_free(ca->certificates, X509_free);
    EVP_PKEY_free(ca->key);
}

static enum conclave_code ca_load(const struct issue_files *files, struct ca *ca,
                                  struct tls_error *error)
{
    *ca = (struct ca){.certificates = NULL};
    enum conclave_code code = certificate_load(files->certificate, &ca->certificates, error);
    if (code == CONCLAVE_OK) {
        code = certificate_load_key(files->key, &ca->key, error);
    }
    for (int i = 0; code == CONCLAVE_OK && i < sk_X509_num(ca->certificates); i++) {
        X509 *x509 = sk_X509_value(ca->certificates, i);
        if (ca->current == NULL && X509_check_private_key(x509, ca->key) == 1) {
            ca->current = x509;
        }
    }
    ERR_clear_error();
    if (code == CONCLAVE_OK && ca->current == NULL) {
        tls_error_set(error, "%s is the key of no certificate in %s", files->key,
                      files->certificate);
        code = CONCLAVE_CONFIG;
    }
    if (code != CONCLAVE_OK) {
        ca_close(ca);
    }
    return code;
}

/* A certificate without its extensions and signature. */
static X509 *draft(X509_NAME *issuer, EVP_PKEY *key, unsigned days, uint64_t now_ms)
{
    X509 *x509 = X509_new();
    if (x509 != NULL && X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
        set_times(x509, days, now_ms) && X509_set_pubkey(x509, key) == 1 &&
        (issuer == NULL || X509_set_issuer_name(x509, issuer) == 1)) {
        return x509;
    }
    X509_free(x509);
    return NULL;
}

static X509 *make_ca(const struct issue_request *request, EVP_PKEY *key, const char *alt)
{
    X509 *x509 = draft(NULL, key, request->days, request->now_ms);
    if (x509 != NULL && set_name(x509, request) &&
        X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
        add_extensions(x509, x509, CERTIFICATE_CA, alt) && sign(x509, key)) {
        return x509;
    }
    X509_free(x509);
    return NULL;
}

/* The new CA's certificate in front of the old ones; then its key in the place of the old one: when
 * this is cut off between, the old key still has its certificate in the file. */
static enum conclave_code write_beside(const struct issue_files *files, X509 *x509, EVP_PKEY *key,
                                       struct tls_error *error)
{
    STACK_OF(X509) *all = NULL;
    enum conclave_code code = certificate_load(files->certificate, &all, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (sk_X509_num(all) >= (int)CERTIFICATE_BUNDLE_MAX) {
        tls_error_set(error, "%s has %u certificates already: drop the old ones first",
                      files->certificate, CERTIFICATE_BUNDLE_MAX);
        code = CONCLAVE_USAGE;
    } else if (X509_up_ref(x509) != 1 || sk_X509_unshift(all, x509) <= 0) {
        tls_error_set(error, "out of memory");
        code = CONCLAVE_NO_MEMORY;
    }
    if (code == CONCLAVE_OK) {
        code = write_file(files->certificate, all, NULL, error);
    }
    if (code == CONCLAVE_OK) {
        code = write_file(files->key, NULL, key, error);
    }
    sk_X509_pop_free(all, X509_free);
    return code;
}

enum conclave_code issue_ca(const struct issue_request *request, const struct issue_files *files,
                            bool beside_the_old, struct tls_error *error)
{
    ASSERT(request != NULL && request->kind == CERTIFICATE_CA && request->name != NULL);
    ASSERT(files != NULL && error != NULL && request->host_count == 0);
    char alt[ALT_BYTES];
    enum conclave_code code = beside_the_old ? CONCLAVE_OK : refuse_present(files, error);
    if (code == CONCLAVE_OK) {
        code = write_alt(request, alt, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    EVP_PKEY *key = generate_key(request->algorithm);
    X509 *x509 = key == NULL ? NULL : make_ca(request, key, alt);
    if (x509 == NULL) {
        code = fail_openssl(error);
    } else {
        code = beside_the_old ? write_beside(files, x509, key, error)
                              : write_pair(files, x509, key, error);
    }
    X509_free(x509);
    EVP_PKEY_free(key);
    return code;
}

enum conclave_code issue_drop_old_ca(const struct issue_files *files, unsigned *dropped,
                                     struct tls_error *error)
{
    ASSERT(files != NULL && dropped != NULL && error != NULL);
    struct ca ca;
    enum conclave_code code = ca_load(files, &ca, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    *dropped = (unsigned)sk_X509_num(ca.certificates) - 1;
    code = write_pair(files, ca.current, NULL, error);
    ca_close(&ca);
    return code;
}

/* --- certificates --- */

static X509 *make(const struct issue_request *request, const struct ca *ca, EVP_PKEY *key,
                  const char *alt)
{
    X509 *x509 = draft(X509_get_subject_name(ca->current), key, request->days, request->now_ms);
    if (x509 != NULL && set_name(x509, request) &&
        add_extensions(x509, ca->current, request->kind, alt) && sign(x509, ca->key)) {
        return x509;
    }
    X509_free(x509);
    return NULL;
}

enum conclave_code issue_certificate(const struct issue_request *request,
                                     const struct issue_files *ca_files,
                                     const struct issue_files *files, struct tls_error *error)
{
    ASSERT(request != NULL && ca_files != NULL && files != NULL && error != NULL);
    ASSERT(request->kind == CERTIFICATE_NODE || request->kind == CERTIFICATE_CLIENT);
    ASSERT(request->host_count <= ISSUE_HOSTS_MAX);
    char alt[ALT_BYTES];
    struct ca ca;
    enum conclave_code code = refuse_present(files, error);
    if (code == CONCLAVE_OK) {
        code = write_alt(request, alt, error);
    }
    if (code == CONCLAVE_OK) {
        code = ca_load(ca_files, &ca, error);
    }
    if (code != CONCLAVE_OK) {
        return code;
    }
    EVP_PKEY *key = generate_key(request->algorithm);
    X509 *x509 = key == NULL ? NULL : make(request, &ca, key, alt);
    code = x509 == NULL ? fail_openssl(error) : write_pair(files, x509, key, error);
    X509_free(x509);
    EVP_PKEY_free(key);
    ca_close(&ca);
    return code;
}

static bool copy_alt(X509 *from, X509 *to)
{
    int place = X509_get_ext_by_NID(from, NID_subject_alt_name, -1);
    return place < 0 || X509_add_ext(to, X509_get_ext(from, place), -1) == 1;
}

static X509 *make_again(X509 *old, const struct ca *ca, EVP_PKEY *key, unsigned days)
{
    struct certificate says;
    certificate_of(old, &says);
    X509 *x509 = draft(X509_get_subject_name(ca->current), key, days, 0);
    if (x509 != NULL && X509_set_subject_name(x509, X509_get_subject_name(old)) == 1 &&
        copy_alt(old, x509) && add_extensions(x509, ca->current, says.kind, NULL) &&
        sign(x509, ca->key)) {
        return x509;
    }
    X509_free(x509);
    return NULL;
}

/* The key that a renewed certificate gets, the old one or another of its kind. */
static enum conclave_code renewal_key(const struct issue_files *files, X509 *old, bool new_key,
                                      EVP_PKEY **key, struct tls_error *error)
{
    if (new_key) {
        *key = generate_key(algorithm_of(X509_get0_pubkey(old)));
        return *key == NULL ? fail_openssl(error) : CONCLAVE_OK;
    }
    enum conclave_code code = certificate_load_key(files->key, key, error);
    if (code == CONCLAVE_OK && X509_check_private_key(old, *key) != 1) {
        tls_error_set(error, "%s is not the key of the certificate %s", files->key,
                      files->certificate);
        ERR_clear_error();
        EVP_PKEY_free(*key);
        code = CONCLAVE_CONFIG;
    }
    return code;
}

enum conclave_code issue_renewal(const struct issue_files *ca_files,
                                 const struct issue_files *files, unsigned days, bool new_key,
                                 struct tls_error *error)
{
    ASSERT(ca_files != NULL && files != NULL && error != NULL);
    struct certificate says;
    struct ca ca;
    STACK_OF(X509) *chain = NULL;
    EVP_PKEY *key = NULL;
    enum conclave_code code = certificate_load(files->certificate, &chain, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    X509 *old = sk_X509_value(chain, 0);
    certificate_of(old, &says);
    if (says.kind != CERTIFICATE_NODE && says.kind != CERTIFICATE_CLIENT) {
        tls_error_set(error, "%s is not the certificate of a node or a client", files->certificate);
        code = CONCLAVE_USAGE;
        goto done;
    }
    code = renewal_key(files, old, new_key, &key, error);
    if (code != CONCLAVE_OK) {
        goto done;
    }
    code = ca_load(ca_files, &ca, error);
    if (code == CONCLAVE_OK) {
        X509 *x509 = make_again(old, &ca, key, days);
        code = x509 == NULL ? fail_openssl(error)
                            : write_pair(files, x509, new_key ? key : NULL, error);
        X509_free(x509);
        ca_close(&ca);
    }
    EVP_PKEY_free(key);
done:
    sk_X509_pop_free(chain, X509_free);
    return code;
}
