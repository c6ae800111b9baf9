/* What a certificate (X.509, RFC 5280) says, as far as Conclave looks: whose it is, and until when.
 *
 * Ours carry their meaning in a URI of the subjectAltName:
 *   conclave://<cluster id, 32 hex digits>/node/<node id>
 *   conclave://<cluster id, 32 hex digits>/client/<name>
 *   conclave://<cluster id, 32 hex digits>/ca
 */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include <conclave/codes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define TLS_ERROR_BYTES               512u
#define CERTIFICATE_CLUSTER_BYTES     16u
#define CERTIFICATE_TEXT_BYTES        128u
#define CERTIFICATE_HOSTS_BYTES       256u
#define CERTIFICATE_FINGERPRINT_BYTES 32u
#define CERTIFICATE_BUNDLE_MAX        16u /* certificates in one file */

struct tls_error { /* one sentence for people */
    char text[TLS_ERROR_BYTES];
};
void tls_error_set(struct tls_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

enum certificate_kind {
    CERTIFICATE_OTHER, /* without a URI of ours */
    CERTIFICATE_CA,
    CERTIFICATE_NODE,
    CERTIFICATE_CLIENT
};

struct certificate {
    enum certificate_kind kind;
    uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES]; /* not of OTHER */
    uint64_t node_id;                              /* NODE */
    char name[CERTIFICATE_TEXT_BYTES];             /* the common name of the subject, or "" */
    char issuer[CERTIFICATE_TEXT_BYTES];           /* and of the issuer */
    char hosts[CERTIFICATE_HOSTS_BYTES];           /* "127.0.0.1, node1.example", cut if longer */
    char algorithm[16];                            /* of its key: "P-256", "Ed25519", ... */
    uint8_t fingerprint[CERTIFICATE_FINGERPRINT_BYTES]; /* SHA-256 */
    uint64_t begins_ms, ends_ms;                        /* since 1970; it is good between them */
};

/* "CA", "node 3", "client alice", "other": for people. */
void certificate_whose(const struct certificate *certificate, char text[CERTIFICATE_TEXT_BYTES]);

/* The certificates of a PEM file, in order. CONFIG with `error`: it cannot be read, has none, or
 * more than `max`. */
enum conclave_code certificate_read(const char *path, struct certificate *certificates, size_t max,
                                    size_t *count, struct tls_error *error) MUST_USE;

#endif
