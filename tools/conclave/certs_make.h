/* A directory of certificates, as `conclave certs` and `conclave init` make it:
 *
 *   ca.pem           the CA's certificates, the newest first (two while it is being replaced)
 *   ca.key           the key of the newest: whoever has it can make nodes; keep it off the nodes
 *   nodeN.pem .key   a node's
 *   client-NAME...   a client's
 */
#ifndef CONCLAVE_CERTS_MAKE_H
#define CONCLAVE_CERTS_MAKE_H

#include "cli.h"
#include "tls/issue.h"

#define CERTS_CA_DAYS         3650u
#define CERTS_DAYS            397u
#define CERTS_DIRECTORY_BYTES (CLI_PATH_BYTES - 128u)

struct certs_paths {
    char certificate[CLI_PATH_BYTES], key[CLI_PATH_BYTES];
};

/* The files of the CA, of a node, of a client in `directory` (which is short enough). */
struct issue_files certs_ca_files(const char *directory, struct certs_paths *paths);
struct issue_files certs_node_files(const char *directory, uint64_t node_id,
                                    struct certs_paths *paths);
struct issue_files certs_client_files(const char *directory, const char *name,
                                      struct certs_paths *paths);

/* Says why it failed, as cli_error does. */
int certs_fail(struct cli *cli, enum conclave_code code, const struct tls_error *error);

/* Makes the directory, mode 0700 when it is new. Nonzero: the exit status. */
int certs_make_directory(struct cli *cli, const char *directory) MUST_USE;

/* A new CA; a node's certificate for the hosts of these addresses ("IP:PORT"). Nonzero: the exit
 * status. */
int certs_make_ca(struct cli *cli, const char *directory,
                  const uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES], const char *name,
                  enum issue_algorithm algorithm, unsigned days, bool beside_the_old) MUST_USE;
int certs_make_node(struct cli *cli, const char *directory,
                    const uint8_t cluster_id[CERTIFICATE_CLUSTER_BYTES], uint64_t node_id,
                    const char *const *hosts, size_t host_count, enum issue_algorithm algorithm,
                    unsigned days) MUST_USE;

#endif
