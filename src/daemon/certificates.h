/* A node's certificates: read at the start and again on SIGHUP, checked to be this node's, and
 * watched: the log warns when they come near their end.
 */
#ifndef DAEMON_CERTIFICATES_H
#define DAEMON_CERTIFICATES_H

#include "daemon/config.h"
#include "tls/tls.h"

/* For how long before its end a certificate is warned of, and how often. */
#define CERTIFICATES_SOON_MS  (30ull * 24u * 3600u * 1000u)
#define CERTIFICATES_WATCH_MS (12ull * 3600u * 1000u)

/* Reads the files: they are there and fit each other (all that tls_context_open checks), and the
 * certificate is that of node config->node_id, in the cluster `cluster_id` (NULL: in any). CONFIG.
 * The context is the caller's to release. */
enum conclave_code certificates_open(const struct config *config, const uint8_t *cluster_id,
                                     struct tls_context **context, struct settings_error *error)
    MUST_USE;

/* A line in the log for each that ends soon, or has. */
void certificates_warn(const struct tls_context *context, uint64_t now_ms);

#endif
