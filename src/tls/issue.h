/* Making certificates: a CA of the cluster, and what it signs for nodes and clients (X.509 version
 * 3, RFC 5280; certificate.h says what stands in them).
 *
 * Files are written whole beside their place, synced, and moved there: a reader sees the old one or
 * the new one. Keys get mode 0600, certificates 0644.
 */
#ifndef TLS_ISSUE_H
#define TLS_ISSUE_H

#include "tls/certificate.h"

#define ISSUE_HOSTS_MAX 16u

enum issue_algorithm {
    ISSUE_P256, /* every TLS there is knows it */
    ISSUE_ED25519
};

struct issue_files {
    const char *certificate, *key;
};

/* What is asked for. */
struct issue_request {
    enum certificate_kind kind;
    uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES];
    uint64_t node_id; /* NODE */
    const char *name; /* CLIENT: letters, digits and . _ - : + @; CA: any, short */
    const char *hosts[ISSUE_HOSTS_MAX]; /* NODE: DNS names and IP addresses */
    size_t host_count;
    enum issue_algorithm algorithm;
    unsigned days;   /* from then on */
    uint64_t now_ms; /* when it is made; 0: by the clock */
};

/* A CA, signed by itself. Where `files` are there already, they are kept: USAGE. With
 * `beside_the_old`, the new certificate is put in front of those that are in the file, and the key
 * takes the place of the old one. IO; NO_MEMORY; INTERNAL. `error` is set. */
enum conclave_code issue_ca(const struct issue_request *request, const struct issue_files *files,
                            bool beside_the_old, struct tls_error *error) MUST_USE;

/* A certificate and its key, signed by the CA: USAGE when they are there already, CONFIG when the
 * CA's files are not what they should be, BAD_VALUE for a host or name that is none. */
enum conclave_code issue_certificate(const struct issue_request *request,
                                     const struct issue_files *ca, const struct issue_files *files,
                                     struct tls_error *error) MUST_USE;

/* The same certificate anew, for `days` from now, signed by the CA as it is now; with a new key
 * when `new_key`. The certificate changes in one step when the key stays. */
enum conclave_code issue_renewal(const struct issue_files *ca, const struct issue_files *files,
                                 unsigned days, bool new_key, struct tls_error *error) MUST_USE;

/* Leaves only the CA's newest certificate, the one of its key, in the file. `dropped`: how many
 * went. */
enum conclave_code issue_drop_old_ca(const struct issue_files *ca, unsigned *dropped,
                                     struct tls_error *error) MUST_USE;

#endif
