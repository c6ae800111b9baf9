/* Contexts: files in, what connections are made from out. */
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/memory.h"
#include "tls/internal.h"

/* AES-128 first: as safe for this as its bigger brother, and the faster one on every processor with
 * instructions for it. */
#define CIPHER_SUITES "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define GROUPS        "X25519:P-256"
#define CHAIN_DEPTH   4

static enum conclave_code refuse_openssl(struct tls_error *error, const char *what)
{
    tls_error_set(error, "%s: %s", what, certificate_openssl_reason());
    return CONCLAVE_INTERNAL;
}

static enum conclave_code open_ssl(struct tls_context *context, struct tls_error *error)
{
    context->ssl = memory_fault_next() ? NULL : SSL_CTX_new(TLS_method());
    context->method = context->ssl == NULL ? NULL : tls_session_method();
    if (context->method == NULL) {
        tls_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    SSL_CTX *ssl = context->ssl;
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ssl, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ssl, CIPHER_SUITES) != 1 ||
        SSL_CTX_set1_groups_list(ssl, GROUPS) != 1 || SSL_CTX_set_num_tickets(ssl, 0) != 1) {
        return refuse_openssl(error, "OpenSSL cannot be set up for TLS 1.3");
    }
    (void)SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify_depth(ssl, CHAIN_DEPTH);
    SSL_CTX_set_quiet_shutdown(ssl, 0);
    return CONCLAVE_OK;
}

static enum conclave_code trust(struct tls_context *context, const char *path,
                                struct tls_error *error)
{
    STACK_OF(X509) *found = NULL;
    enum conclave_code code = certificate_load(path, &found, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
    context->ca_expires_ms = UINT64_MAX;
    for (int i = 0; i < sk_X509_num(found) && code == CONCLAVE_OK; i++) {
        struct certificate ca;
        X509 *x509 = sk_X509_value(found, i);
        certificate_of(x509, &ca);
        if (X509_check_ca(x509) == 0) {
            tls_error_set(error, "%s: the certificate of \"%s\" is no CA's", path, ca.name);
            code = CONCLAVE_CONFIG;
        } else if (X509_STORE_add_cert(store, x509) != 1) {
            code = refuse_openssl(error, path);
        }
        context->ca_expires_ms = ca.ends_ms < context->ca_expires_ms ? ca.ends_ms
                                                                     : context->ca_expires_ms;
    }
    sk_X509_pop_free(found, X509_free);
    return code;
}

/* Is it of the CA, and good for today? Peers would find out only when they are dialled. */
static enum conclave_code check_own(const struct tls_context *context, const char *path,
                                    STACK_OF(X509) * chain, struct tls_error *error)
{
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    if (check == NULL || X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context->ssl),
                                             sk_X509_value(chain, 0), chain) != 1) {
        X509_STORE_CTX_free(check);
        tls_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    enum conclave_code code = CONCLAVE_OK;
    if (X509_verify_cert(check) != 1) {
        int why = X509_STORE_CTX_get_error(check);
        tls_error_set(error, "%s: the certificate %s%s", path, certificate_refusal(why),
                      why == X509_V_ERR_CERT_HAS_EXPIRED ? ": renew it with `conclave certs renew`"
                                                         : "");
        code = CONCLAVE_CONFIG;
    }
    X509_STORE_CTX_free(check);
    ERR_clear_error();
    return code;
}

static enum conclave_code use_chain(struct tls_context *context, const char *path,
                                    STACK_OF(X509) * chain, struct tls_error *error)
{
    if (SSL_CTX_use_certificate(context->ssl, sk_X509_value(chain, 0)) != 1) {
        return refuse_openssl(error, path);
    }
    for (int i = 1; i < sk_X509_num(chain); i++) {
        if (SSL_CTX_add1_chain_cert(context->ssl, sk_X509_value(chain, i)) != 1) {
            return refuse_openssl(error, path);
        }
    }
    return CONCLAVE_OK;
}

static enum conclave_code use_key(struct tls_context *context, const struct tls_files *files,
                                  struct tls_error *error)
{
    EVP_PKEY *key = NULL;
    enum conclave_code code = certificate_load_key(files->key, &key, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    if (SSL_CTX_use_PrivateKey(context->ssl, key) != 1 ||
        SSL_CTX_check_private_key(context->ssl) != 1) {
        tls_error_set(error, "%s is not the key of the certificate %s", files->key,
                      files->certificate);
        ERR_clear_error();
        code = CONCLAVE_CONFIG;
    }
    EVP_PKEY_free(key);
    return code;
}

static enum conclave_code show(struct tls_context *context, const struct tls_files *files,
                               struct tls_error *error)
{
    STACK_OF(X509) *chain = NULL;
    enum conclave_code code = certificate_load(files->certificate, &chain, error);
    if (code != CONCLAVE_OK) {
        return code;
    }
    certificate_of(sk_X509_value(chain, 0), &context->certificate);
    context->shows = true;
    code = check_own(context, files->certificate, chain, error);
    if (code == CONCLAVE_OK) {
        code = use_chain(context, files->certificate, chain, error);
    }
    sk_X509_pop_free(chain, X509_free);
    return code == CONCLAVE_OK ? use_key(context, files, error) : code;
}

enum conclave_code tls_context_open(const struct tls_files *files, struct tls_context **context,
                                    struct tls_error *error)
{
    ASSERT(files != NULL && files->ca != NULL && context != NULL && error != NULL);
    ASSERT((files->certificate == NULL) == (files->key == NULL));
    struct tls_context *made = memory_allocate_zeroed(1, sizeof *made);
    if (made == NULL) {
        tls_error_set(error, "out of memory");
        return CONCLAVE_NO_MEMORY;
    }
    made->holders = 1;
    enum conclave_code code = open_ssl(made, error);
    if (code == CONCLAVE_OK) {
        code = trust(made, files->ca, error);
    }
    if (code == CONCLAVE_OK && files->certificate != NULL) {
        code = show(made, files, error);
    }
    if (code != CONCLAVE_OK) {
        tls_context_release(made);
        return code;
    }
    *context = made;
    return CONCLAVE_OK;
}

void tls_context_hold(struct tls_context *context)
{
    ASSERT(context != NULL && context->holders > 0);
    context->holders++;
}

void tls_context_release(struct tls_context *context)
{
    if (context == NULL) {
        return;
    }
    ASSERT(context->holders > 0);
    if (--context->holders > 0) {
        return;
    }
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->method);
    memory_free(context);
}

const struct certificate *tls_context_certificate(const struct tls_context *context)
{
    ASSERT(context != NULL);
    return context->shows ? &context->certificate : NULL;
}

uint64_t tls_context_ca_expires_ms(const struct tls_context *context)
{
    ASSERT(context != NULL);
    return context->ca_expires_ms;
}
