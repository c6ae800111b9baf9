/* A context's inside, for session.c. Nobody else includes this. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "tls/tls.h"

struct tls_context {
    SSL_CTX *ssl;
    BIO_METHOD *method; /* of the connections' ends: session.c */
    unsigned holders;
    bool shows; /* `certificate` is there */
    struct certificate certificate;
    uint64_t ca_expires_ms;
};

/* session.c: the methods of a connection's BIO. NULL: no memory. */
BIO_METHOD *tls_session_method(void);

#endif
