/* Certificates for tests: a CA and what it signs, in a directory of their own. */
#ifndef TESTS_SUPPORT_CERTIFICATES_H
#define TESTS_SUPPORT_CERTIFICATES_H

#include "support/scratch.h"
#include "tls/issue.h"
#include "tls/tls.h"

#define TEST_DAY_MS (24ull * 3600u * 1000u)

struct test_ca {
    char path[SCRATCH_PATH_BYTES];
    uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES];
};

/* A new CA of a cluster whose id is 16 times `cluster`. */
void test_ca_make(struct test_ca *ca, uint8_t cluster, enum issue_algorithm algorithm);
void test_ca_remove(struct test_ca *ca);

/* The names of files: ca.pem, ca.key, NAME.pem, NAME.key. */
struct test_pair {
    char certificate[SCRATCH_PATH_BYTES], key[SCRATCH_PATH_BYTES];
};
struct issue_files test_ca_files(const struct test_ca *ca, const char *name,
                                 struct test_pair *pair);

/* A node's certificate for 127.0.0.1 and "localhost", or a client's, as NAME.pem; `age_days` days
 * old, and good for `days` from then. */
void test_ca_node(const struct test_ca *ca, const char *name, uint64_t node_id, unsigned days,
                  unsigned age_days);
/* The same, and its time is over in `left_ms` (to the second). */
void test_ca_node_ending(const struct test_ca *ca, const char *name, uint64_t node_id,
                         uint64_t left_ms);
void test_ca_client(const struct test_ca *ca, const char *name);

/* What shows NAME (NULL: nothing) of one CA and trusts another, which may be the same. */
struct tls_context *test_context(const struct test_ca *shown, const char *name,
                                 const struct test_ca *trusted);

#endif
