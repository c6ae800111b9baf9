/* What the files of this layer share of OpenSSL. Nobody else includes this. */
#ifndef TLS_INTERNAL_H
#define TLS_INTERNAL_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tls/certificate.h"

/* What it says. */
void certificate_of(X509 *x509, struct certificate *certificate);

/* The certificates of a PEM file; CONFIG as certificate_read. The caller frees the stack with its
 * certificates. */
enum conclave_code certificate_load(const char *path, STACK_OF(X509) * *certificates,
                                    struct tls_error *error) MUST_USE;

/* A private key; CONFIG when it is not there, not PEM, has a passphrase, or when others than its
 * owner may read it. */
enum conclave_code certificate_load_key(const char *path, EVP_PKEY **key, struct tls_error *error)
    MUST_USE;

/* What OpenSSL says of a verification that failed, as a sentence about `whose` certificate ("the
 * certificate of the other side"). */
const char *certificate_refusal(int verify_result);

/* The last error of OpenSSL in this thread, as text; clears all. */
const char *certificate_openssl_reason(void);

#endif
