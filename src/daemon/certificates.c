/* A node's certificates. */
#include "daemon/certificates.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "base/logger.h"

#define DAY_MS (24ull * 3600u * 1000u)

static enum conclave_code open_context(const struct config *config, struct tls_context **context,
                                       struct settings_error *error)
{
    const struct tls_files files = {
        .ca = settings_text(&config->settings, SETTING_TLS_CA),
        .certificate = settings_text(&config->settings, SETTING_TLS_CERTIFICATE),
        .key = settings_text(&config->settings, SETTING_TLS_KEY),
    };
    struct tls_error why;
    enum conclave_code code = tls_context_open(&files, context, &why);
    if (code != CONCLAVE_OK) {
        settings_error_set(error, "%s", why.text);
        return code;
    }
    const struct certificate *own = tls_context_certificate(*context);
    ASSERT(own != NULL);
    if (own->kind != CERTIFICATE_NODE || own->node_id != config->node_id) {
        char whose[CERTIFICATE_TEXT_BYTES];
        certificate_whose(own, whose);
        settings_error_set(error, "%s: the certificate %s is that of %s, not of node %" PRIu64,
                           settings_where(&config->settings, SETTING_TLS_CERTIFICATE),
                           files.certificate, own->kind == CERTIFICATE_OTHER ? "no node" : whose,
                           config->node_id);
        tls_context_release(*context);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

enum conclave_code certificates_open(const struct config *config, const uint8_t *cluster_id,
                                     struct tls_context **context, struct settings_error *error)
{
    ASSERT(config != NULL && config->tls && context != NULL && error != NULL);
    enum conclave_code code = open_context(config, context, error);
    if (code != CONCLAVE_OK || cluster_id == NULL) {
        return code;
    }
    const struct certificate *own = tls_context_certificate(*context);
    if (memcmp(own->cluster_id, cluster_id, CERTIFICATE_CLUSTER_BYTES) != 0) {
        char shows[33], wants[33];
        sodium_bin2hex(shows, sizeof shows, own->cluster_id, sizeof own->cluster_id);
        sodium_bin2hex(wants, sizeof wants, cluster_id, CERTIFICATE_CLUSTER_BYTES);
        settings_error_set(error, "%s: the certificate %s is of the cluster %s, not of %s",
                           settings_where(&config->settings, SETTING_TLS_CERTIFICATE),
                           settings_text(&config->settings, SETTING_TLS_CERTIFICATE), shows, wants);
        tls_context_release(*context);
        return CONCLAVE_CONFIG;
    }
    return CONCLAVE_OK;
}

static void warn_one(const char *what, uint64_t ends_ms, uint64_t now_ms)
{
    if (ends_ms <= now_ms) {
        LOG_ERROR("a certificate has expired: connections are refused", FIELD_TEXT("whose", what),
                  FIELD_U64("days_ago", (now_ms - ends_ms) / DAY_MS));
    } else if (ends_ms - now_ms < CERTIFICATES_SOON_MS) {
        LOG_WARN("a certificate expires soon: `conclave certs renew`, then SIGHUP",
                 FIELD_TEXT("whose", what), FIELD_U64("days_left", (ends_ms - now_ms) / DAY_MS));
    }
}

void certificates_warn(const struct tls_context *context, uint64_t now_ms)
{
    ASSERT(context != NULL);
    warn_one("this node", tls_context_certificate(context)->ends_ms, now_ms);
    warn_one("the CA", tls_context_ca_expires_ms(context), now_ms);
}
