/* A TLS connection between two buffers. OpenSSL reads and writes through a BIO of our own: reading
 * takes from the slice that came from the socket, writing appends to the output, so that no byte is
 * copied more often than OpenSSL itself does.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "tls/context.h"
#include "tls/internal.h"

#define REASON_BYTES 192u

struct tls {
    struct tls_context *context;
    SSL *ssl;
    struct slice input;
    struct buffer *output;
    bool begun; /* the first byte has come, and is one of TLS */
    bool failed, by_certificate, refused;
    bool alert_came;
    int alert; /* that came, RFC 8446 section 6 */
    bool peer_shown;
    struct certificate peer;
    char reason[REASON_BYTES];
};

/* --- the BIO --- */

static int bio_write(BIO *bio, const char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ASSERT(size >= 0);
    buffer_append(tls->output, data, (size_t)size);
    return tls->output->status == CONCLAVE_OK ? size : -1;
}

static int bio_read(BIO *bio, char *data, int size)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->input.size == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t part = tls->input.size < (size_t)size ? tls->input.size : (size_t)size;
    memcpy(data, tls->input.data, part);
    tls->input = slice_of(tls->input.data + part, tls->input.size - part);
    return (int)part;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD *tls_session_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "conclave");
    if (method != NULL &&
        (BIO_meth_set_write(method, bio_write) != 1 || BIO_meth_set_read(method, bio_read) != 1 ||
         BIO_meth_set_ctrl(method, bio_control) != 1)) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

/* --- reasons --- */

/* Alerts that came, as what the other side says (RFC 8446 section 6.2). */
static const char *alert_text(int alert)
{
    switch (alert) {
    case SSL_AD_CERTIFICATE_EXPIRED:
        return "the other side says that our certificate has expired";
    case SSL_AD_UNKNOWN_CA:
        return "the other side says that our certificate is not of its CA";
    case SSL_AD_CERTIFICATE_REQUIRED:
        return "the other side asks for a certificate, and we have none";
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
        return "the other side refuses our certificate";
    case SSL_AD_ACCESS_DENIED:
        return "the other side does not let us in";
    case SSL_AD_PROTOCOL_VERSION:
        return "the other side does not speak TLS 1.3";
    case SSL_AD_HANDSHAKE_FAILURE:
        return "the other side has no cipher or group in common with us";
    default:
        return SSL_alert_desc_string_long(alert);
    }
}

static bool alert_is_about_certificate(int alert)
{
    return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
           alert == SSL_AD_UNKNOWN_CA || alert == SSL_AD_CERTIFICATE_REQUIRED ||
           alert == SSL_AD_ACCESS_DENIED;
}

static void set_reason(struct tls *tls, const char *text)
{
    (void)snprintf(tls->reason, sizeof tls->reason, "%s", text == NULL ? "" : text);
}

/* What OpenSSL found by itself. */
static void explain_error(struct tls *tls)
{
    switch (ERR_GET_REASON(ERR_peek_error())) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        tls->by_certificate = true;
        set_reason(tls, "the other side shows no certificate");
        return;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
        set_reason(tls, "the other side does not speak TLS 1.3");
        return;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_BAD_RECORD_TYPE:
        set_reason(tls, "what the other side sends is no TLS");
        return;
    case SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC:
        set_reason(tls, "a record does not decrypt: it was changed on its way");
        return;
    default:
        set_reason(tls, ERR_reason_error_string(ERR_peek_error()));
    }
}

static enum tls_status tls_fail(struct tls *tls)
{
    ASSERT(!tls->failed);
    long verified = SSL_get_verify_result(tls->ssl);
    tls->failed = true;
    if (tls->output->status != CONCLAVE_OK) {
        set_reason(tls, conclave_code_text(tls->output->status));
    } else if (tls->alert_came) {
        tls->refused = true;
        tls->by_certificate = alert_is_about_certificate(tls->alert);
        set_reason(tls, alert_text(tls->alert));
    } else if (verified != X509_V_OK &&
               ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
        tls->by_certificate = true;
        (void)snprintf(tls->reason, sizeof tls->reason, "the certificate of the other side %s",
                       certificate_refusal((int)verified));
    } else {
        explain_error(tls);
    }
    if (tls->reason[0] == '\0') {
        set_reason(tls, "TLS failed without a reason");
    }
    ERR_clear_error();
    return TLS_FAILED;
}

static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *tls = SSL_get_app_data(ssl);
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && (value >> 8) == SSL3_AL_FATAL) {
        tls->alert_came = true;
        tls->alert = value & 0xff;
    }
}

/* --- its life --- */

static bool give_ends(struct tls *tls)
{
    BIO *bio = BIO_new(tls->context->method);
    if (bio == NULL) {
        return false;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return true;
}

struct tls *tls_open(struct tls_context *context, enum tls_role role, struct buffer *output)
{
    ASSERT(context != NULL && output != NULL);
    struct tls *tls = memory_allocate_zeroed(1, sizeof *tls);
    if (tls == NULL) {
        return NULL;
    }
    tls_context_hold(context);
    tls->context = context;
    tls->output = output;
    tls->ssl = memory_fault_next() ? NULL : SSL_new(context->ssl);
    if (tls->ssl == NULL || SSL_set_app_data(tls->ssl, tls) != 1 || !give_ends(tls)) {
        ERR_clear_error();
        tls_close(tls);
        return NULL;
    }
    SSL_set_info_callback(tls->ssl, on_info);
    int verify = SSL_VERIFY_PEER;
    if (role == TLS_CLIENT) {
        SSL_set_connect_state(tls->ssl);
    } else {
        SSL_set_accept_state(tls->ssl);
        verify |= role == TLS_SERVER_MUTUAL ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    }
    SSL_set_verify(tls->ssl, verify, NULL);
    return tls;
}

void tls_close(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_free(tls->ssl);
    tls_context_release(tls->context);
    memory_free(tls);
}

void tls_input(struct tls *tls, struct slice bytes)
{
    ASSERT(tls != NULL && tls->input.size == 0);
    tls->input = bytes;
}

static void take_peer(struct tls *tls)
{
    X509 *x509 = SSL_get0_peer_certificate(tls->ssl);
    if (x509 != NULL) {
        certificate_of(x509, &tls->peer);
        tls->peer_shown = true;
    }
}

enum tls_status tls_handshake(struct tls *tls)
{
    ASSERT(tls != NULL && !tls->failed);
    ERR_clear_error();
    /* A request of MessagePack-RPC looks like SSL 2 to OpenSSL, which would wait for more of it. */
    if (!tls->begun && tls->input.size > 0) {
        tls->begun = true;
        if (tls->input.data[0] != SSL3_RT_HANDSHAKE && tls->input.data[0] != SSL3_RT_ALERT) {
            static const uint8_t alert[] = {
                SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_FATAL, SSL_AD_UNEXPECTED_MESSAGE};
            buffer_append(tls->output, alert, sizeof alert);
            tls->failed = true;
            set_reason(tls, "what the other side sends is no TLS");
            return TLS_FAILED;
        }
    }
    int rv = SSL_do_handshake(tls->ssl);
    if (rv == 1) {
        take_peer(tls);
        return TLS_DONE;
    }
    return SSL_get_error(tls->ssl, rv) == SSL_ERROR_WANT_READ ? TLS_MORE : tls_fail(tls);
}

enum tls_status tls_read(struct tls *tls, uint8_t *data, size_t size, size_t *got)
{
    ASSERT(tls != NULL && !tls->failed && data != NULL && size > 0 && got != NULL);
    *got = 0;
    ERR_clear_error();
    while (*got < size) {
        size_t part;
        int rv = SSL_read_ex(tls->ssl, data + *got, size - *got, &part);
        if (rv == 1) {
            *got += part;
            continue;
        }
        switch (SSL_get_error(tls->ssl, rv)) {
        case SSL_ERROR_WANT_READ:
            return TLS_MORE;
        case SSL_ERROR_ZERO_RETURN:
            return TLS_CLOSED;
        default:
            return tls_fail(tls);
        }
    }
    return TLS_DONE;
}

enum tls_status tls_write(struct tls *tls, struct slice bytes)
{
    ASSERT(tls != NULL && !tls->failed && bytes.size > 0);
    size_t written;
    ERR_clear_error();
    if (SSL_write_ex(tls->ssl, bytes.data, bytes.size, &written) != 1) {
        return tls_fail(tls);
    }
    ASSERT(written == bytes.size); /* the output takes all or fails */
    return TLS_DONE;
}

void tls_end(struct tls *tls)
{
    ASSERT(tls != NULL);
    if (!tls->failed && SSL_is_init_finished(tls->ssl)) {
        (void)SSL_shutdown(tls->ssl); /* the output has it, or has failed: it ends anyhow */
        ERR_clear_error();
    }
}

const char *tls_reason(const struct tls *tls)
{
    ASSERT(tls != NULL);
    return tls->reason;
}

bool tls_failed_by_certificate(const struct tls *tls)
{
    ASSERT(tls != NULL);
    return tls->by_certificate;
}

bool tls_was_refused(const struct tls *tls)
{
    ASSERT(tls != NULL);
    return tls->refused;
}

/* RFC 9266, section 4.2: this label, an empty context, 32 bytes. */
bool tls_binding(const struct tls *tls, uint8_t binding[TLS_BINDING_BYTES])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    ASSERT(tls != NULL && binding != NULL && SSL_is_init_finished(tls->ssl));
    bool done = SSL_export_keying_material(tls->ssl, binding, TLS_BINDING_BYTES, label,
                                           sizeof label - 1, NULL, 0, 1) == 1;
    ERR_clear_error();
    return done;
}

const struct certificate *tls_peer(const struct tls *tls)
{
    ASSERT(tls != NULL);
    return tls->peer_shown ? &tls->peer : NULL;
}

bool tls_peer_names(const struct tls *tls, const char *host)
{
    ASSERT(tls != NULL && host != NULL);
    X509 *x509 = SSL_get0_peer_certificate(tls->ssl);
    bool names = x509 != NULL && (X509_check_ip_asc(x509, host, 0) == 1 ||
                                  X509_check_host(x509, host, 0, 0, NULL) == 1);
    ERR_clear_error();
    return names;
}
